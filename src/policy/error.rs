//! Why something may not be applied.

use std::fmt;

use crate::model::{Key, Place};

/// One refused object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The object.
    pub object: Key,
    /// Where it stands.
    pub place: Place,
    /// Why it was refused.
    pub refusal: Refusal,
    /// How many more there are that are not told one by one: of this kind in this object, or in objects after it.
    pub more: usize,
}

/// Why an object was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A decrypted value stands where people can read it.
    #[error("{field} holds a decrypted value; it may end only in the data or stringData of a Secret")]
    Sealed {
        /// The field.
        field: String,
    },
    /// Something is still encrypted.
    #[error(
        "{field} is still encrypted by SOPS: the file was edited by hand, or is not read as an encrypted one. Encrypt the whole file with sops"
    )]
    Encrypted {
        /// The field.
        field: String,
    },
    /// A Secret's data was never encrypted.
    #[error(
        "its data stands unencrypted in the repository: encrypt the file with sops, or allow it with allowPlainSecrets: true in the Sync"
    )]
    Plain,
    /// It is the agent itself, or decides about it.
    #[error("it is {what}: a repository may change that only where the Repository says selfManaged: true")]
    Own {
        /// What of the agent it is.
        what: &'static str,
    },
    /// A label or annotation that only the agent writes.
    #[error("{field} begins with the reserved {prefix}/, which only the agent writes: remove it", prefix = super::RESERVED)]
    Reserved {
        /// The field.
        field: String,
    },
    /// A field has a form that the API server would refuse, or that has no meaning in a repository.
    #[error("{field} {problem}")]
    Malformed {
        /// The field.
        field: String,
        /// What is wrong, and what is expected.
        problem: &'static str,
    },
    /// An annotation has a value that nobody knows.
    #[error("{annotation} is {found:?}; {expected} is expected")]
    Annotation {
        /// The annotation.
        annotation: &'static str,
        /// Its value.
        found: String,
        /// The values it may have.
        expected: &'static str,
    },
    /// Two objects are the same one.
    #[error("the same object stands at {first} already")]
    Duplicate {
        /// The first one.
        first: Place,
    },
}

impl Refusal {
    /// Whether a decrypted value would come out where people can read it.
    pub fn shows_a_secret(&self) -> bool {
        match self {
            Refusal::Sealed { .. } => true,
            Refusal::Encrypted { .. }
            | Refusal::Plain
            | Refusal::Own { .. }
            | Refusal::Reserved { .. }
            | Refusal::Malformed { .. }
            | Refusal::Annotation { .. }
            | Refusal::Duplicate { .. } => false,
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Sealed { .. } => "sealed-outside-secret",
            Refusal::Encrypted { .. } => "still-encrypted",
            Refusal::Plain => "plain-secret",
            Refusal::Own { .. } => "agent-itself",
            Refusal::Reserved { .. } => "reserved-name",
            Refusal::Malformed { .. } => "malformed-manifest",
            Refusal::Annotation { .. } => "unknown-annotation-value",
            Refusal::Duplicate { .. } => "duplicate-object",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.object, self.refusal)?;
        if self.more > 0 { write!(f, " (and {} more)", self.more) } else { Ok(()) }
    }
}

/// Why nothing is applied: every refused object, or one bound that was passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errors {
    /// These objects were refused; never empty.
    Refused(Vec<Error>),
    /// Nothing was rendered: nothing would be left of what is applied.
    Empty,
    /// A bound was passed.
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much may be.
        limit: usize,
    },
}

impl Errors {
    /// The stable code (of the first refusal).
    pub fn code(&self) -> &'static str {
        match self {
            Errors::Refused(all) => all.first().map_or("refused", |first| first.refusal.code()),
            Errors::Empty => "nothing-rendered",
            Errors::TooLarge { .. } => "limit-exceeded",
        }
    }
}

impl std::error::Error for Errors {}

impl fmt::Display for Errors {
    /// Up to ten refusals, and how many more there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Errors::Refused(all) => {
                for (at, error) in all.iter().take(SHOWN).enumerate() {
                    write!(f, "{}{error}", if at == 0 { "" } else { "; " })?;
                }
                match all.iter().skip(SHOWN).map(|error| 1 + error.more).sum() {
                    0usize => Ok(()),
                    more => write!(f, "; and {more} more"),
                }
            }
            Errors::Empty => f.write_str(
                "the path renders to no object at all; expected at least one. To remove everything, delete the Sync instead",
            ),
            Errors::TooLarge { what, limit } => {
                write!(f, "more than {limit} {what} were rendered; divide the path among several Syncs")
            }
        }
    }
}

const SHOWN: usize = 10;
