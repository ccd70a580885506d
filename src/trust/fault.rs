//! One rule broken, before it is known by which history.

use super::Reason;
use crate::git::{Oid, ReadError};

/// A broken rule: the stable word, the facts seen, and the object they were seen in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: Reason,
    /// What was found, in words of which an attacker may have chosen a part: whoever prints them escapes them.
    pub(super) fact: String,
    /// The commit or tag, as soon as it is known.
    pub(super) at: Option<Oid>,
}

/// A result of judging.
pub(super) type Judgement<T> = Result<T, Fault>;

impl Fault {
    pub(super) fn new(reason: Reason, fact: impl Into<String>) -> Self {
        Self { reason, fact: fact.into(), at: None }
    }

    /// The same, seen in `id`, unless a closer object is known.
    pub(super) fn at(mut self, id: Oid) -> Self {
        self.at.get_or_insert(id);
        self
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        let reason = match &error {
            ReadError::Missing { .. } => Reason::IncompleteHistory,
            ReadError::Corrupt { .. } => Reason::CorruptObject,
            ReadError::TooLarge { .. } => Reason::LimitExceeded,
        };
        Self::new(reason, error.to_string())
    }
}
