//! What a configuration asks a repository for: a branch, a tag, the newest of some tags, a reference by its full name, or
//! one exact commit.

use std::fmt;

use super::{Error, Oid, Range};

/// What is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A branch, by the name people use: `main`.
    Branch(String),
    /// A tag, by the name people use: `v1.2.0`.
    Tag(String),
    /// The tag of the highest version in a range: `~1.2`.
    Semver(Range),
    /// A reference by its full name: `refs/heads/main`, `refs/pull/3/head`.
    Name(String),
    /// One exact commit; nothing moves.
    Commit(Oid),
}

impl Reference {
    /// The full name, or `None` for an exact commit and for a range of versions.
    ///
    /// # Errors
    /// [`Error::BadReference`] where git would not take the name: `..`, control characters, a trailing `.lock`.
    pub fn full_name(&self) -> Result<Option<String>, Error> {
        let name = match self {
            Reference::Branch(name) => format!("refs/heads/{name}"),
            Reference::Tag(name) => format!("refs/tags/{name}"),
            Reference::Name(name) => name.clone(),
            Reference::Commit(_) | Reference::Semver(_) => return Ok(None),
        };
        if name.starts_with("refs/") && is_reference_name(&name) {
            Ok(Some(name))
        } else {
            Err(Error::BadReference { name })
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Branch(name) => write!(f, "branch {name}"),
            Reference::Tag(name) => write!(f, "tag {name}"),
            Reference::Semver(range) => write!(f, "the newest tag of {range}"),
            Reference::Name(name) => f.write_str(name),
            Reference::Commit(id) => write!(f, "commit {id}"),
        }
    }
}

/// Whether git takes `name` for a reference. Source: git-check-ref-format(1).
pub(super) fn is_reference_name(name: &str) -> bool {
    name.len() <= MAX_NAME && gix::validate::reference::name(name.into()).is_ok()
}

/// Upper bound on a reference's name, in bytes; a file system takes 4096 for a whole path.
const MAX_NAME: usize = 1024;

#[cfg(test)]
mod tests {
    use super::Reference;

    #[test]
    fn names_that_leave_the_namespace_are_refused() {
        for bad in ["../../x", "a..b", "a b", "a\nb", "", "x.lock", "a//b", "-\u{7f}", "a/../b", "@{1}"] {
            assert!(Reference::Branch(bad.into()).full_name().is_err(), "{bad:?}");
        }
        assert!(Reference::Name("HEAD".into()).full_name().is_err());
        assert!(Reference::Name("main".into()).full_name().is_err());
    }

    #[test]
    fn people_write_short_names() {
        assert_eq!(Reference::Branch("feature/x".into()).full_name().unwrap().unwrap(), "refs/heads/feature/x");
        assert_eq!(Reference::Tag("v1.0.0".into()).full_name().unwrap().unwrap(), "refs/tags/v1.0.0");
    }
}
