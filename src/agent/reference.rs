//! What a Repository's `spec.ref` asks for.

use crate::api::GitReference;
use crate::git::{Range, Reference};

/// The reference that is followed.
///
/// # Errors
/// Which field is wrong, and what is expected there.
pub fn reference(given: &GitReference) -> Result<Reference, String> {
    let GitReference { branch, tag, semver, name, commit } = given;
    let mut found = Vec::new();
    found.extend(branch.clone().map(Reference::Branch));
    found.extend(tag.clone().map(Reference::Tag));
    found.extend(name.clone().map(Reference::Name));
    if let Some(range) = semver {
        let range = Range::parse(range).map_err(|error| format!("spec.ref.semver: {error}"))?;
        found.push(Reference::Semver(range));
    }
    if let Some(id) = commit {
        let id = id.parse().map_err(|_| "spec.ref.commit: a full commit id is expected".to_owned())?;
        found.push(Reference::Commit(id));
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        _ => Err("spec.ref: exactly one of branch, tag, semver, name and commit is expected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::reference;
    use crate::api::GitReference;

    #[test]
    fn exactly_one_field_says_what_is_followed() {
        let one = |field: &str, text: &str| serde_json::json!({field: text});
        let read = |value: serde_json::Value| reference(&serde_json::from_value::<GitReference>(value).unwrap());
        for (field, text, shown) in [
            ("branch", "main", "branch main"),
            ("tag", "v1.2.0", "tag v1.2.0"),
            ("semver", "~1.2", "the newest tag of ~1.2"),
            ("name", "refs/heads/main", "refs/heads/main"),
            ("commit", "4f1c2d9e00112233445566778899aabbccddeeff", "commit 4f1c2d9e00112233445566778899aabbccddeeff"),
        ] {
            assert_eq!(read(one(field, text)).unwrap().to_string(), shown);
        }
        for bad in [
            serde_json::json!({}),
            serde_json::json!({"branch": "main", "tag": "v1"}),
            one("semver", "newest"),
            one("commit", "4f1c2d9"),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
