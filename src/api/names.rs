//! Names that several resources share.

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// API group of every resource here.
pub const GROUP: &str = "gitwarrant.io";

/// API version of every resource here.
pub const VERSION: &str = "v1alpha1";

/// Annotation on a Repository or Sync: a turn is wanted now. Any new value counts; it comes back as
/// `status.lastHandledRequestedAt`.
pub const REQUESTED_AT: &str = "gitwarrant.io/requestedAt";

/// Annotation on a Sync: the full id of the one commit at which the deletions that are held now may happen. It counts
/// once: what is held later has to be approved again.
pub const APPROVE_PRUNE: &str = "gitwarrant.io/approve-prune";

/// The name of an object beside this one; no reference crosses a namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct LocalName {
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    #[serde(deserialize_with = "object_name")]
    pub name: String,
}

/// Reads a name that may become a part of a path of the API: nothing else is ever asked for.
///
/// The definitions say the same; an object can be older than they are.
///
/// # Errors
/// It is no DNS subdomain.
pub(super) fn object_name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let name = String::deserialize(from)?;
    if is_object_name(&name) {
        return Ok(name);
    }
    Err(D::Error::custom(format!(
        "{name:?} is no object's name: at most 253 of a-z, 0-9, `-` and `.`, such as `my-keys`"
    )))
}

/// Whether `text` is a DNS subdomain (RFC 1123), as names of Secrets and ConfigMaps are.
fn is_object_name(text: &str) -> bool {
    let alphanumeric = |c: &u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let all = text.bytes().all(|c| alphanumeric(&c) || matches!(c, b'-' | b'.'));
    let ends = [text.as_bytes().first(), text.as_bytes().last()];
    all && text.len() <= 253 && !text.contains("..") && ends.iter().all(|end| end.is_some_and(alphanumeric))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::api::{LocalName, SignersFrom, SyncSpec};

    #[test]
    fn name_that_would_become_another_path_is_refused_before_any_request() {
        for bad in ["../../other/secrets/x", "a/b", "a?b", "a%2fb", "..", "a..b", ".a", "-a", "", "A", "a b", "a\n"] {
            let sync = |field: &str, value: serde_json::Value| {
                let mut spec = json!({"repository": "app", "path": "./app"});
                spec[field] = value;
                serde_json::from_value::<SyncSpec>(spec)
            };
            let key = sync("decryption", json!({"provider": "sops", "secretRef": {"name": bad}}));
            assert!(key.unwrap_err().to_string().contains("is no object's name"), "{bad}");
            assert!(sync("dependsOn", json!([{"name": bad}])).is_err(), "{bad}");
            assert!(sync("repository", json!(bad)).is_err(), "{bad}");
            let variables = json!({"substituteFrom": [{"kind": "Secret", "name": bad}]});
            assert!(sync("postBuild", variables).is_err(), "{bad}");
            assert!(serde_json::from_value::<SignersFrom>(json!({"configMap": bad})).is_err(), "{bad}");
        }
        for good in ["a", "my-keys", "a.b-c.d", "0", &"x".repeat(253)] {
            assert_eq!(serde_json::from_value::<LocalName>(json!({"name": good})).unwrap().name, good);
        }
    }
}
