//! Why the cluster is not as the plan says.

use std::fmt;

use crate::model::{Class, Key, Place};

use super::reply::Trouble;
use super::request::Verb;

/// What could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// These requests were not done; never empty.
    Failures(Vec<Failure>),
    /// The cluster does not serve these kinds, and nothing that is applied defines them.
    UnknownKinds(Vec<(Key, Place)>),
    /// These objects need a namespace and have none.
    NoNamespace(Vec<(Key, Place)>),
    /// The list of kinds could not be read.
    Discovery(Trouble),
}

/// One request that was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The object, or the collection's kind.
    pub what: String,
    /// The object, where it was to be written.
    pub unwritten: Option<Key>,
    /// What was asked.
    pub verb: Verb,
    /// Why it was not done.
    pub trouble: Trouble,
}

impl Error {
    pub(super) fn one(what: impl fmt::Display, verb: Verb, trouble: Trouble) -> Self {
        Error::Failures(vec![Failure { what: what.to_string(), unwritten: None, verb, trouble }])
    }

    /// Whether anything was asked under a path that the API server does not know (any more).
    pub(super) fn is_of_kinds_not_served(&self) -> bool {
        match self {
            Error::Failures(all) => all.iter().any(|failure| failure.trouble == Trouble::NotServed),
            Error::UnknownKinds(_) | Error::NoNamespace(_) | Error::Discovery(_) => false,
        }
    }

    /// The objects that were to be written and were not, by answers of the API server about each.
    pub fn unwritten(&self) -> impl Iterator<Item = &Key> {
        let failures = match self {
            Error::Failures(all) => all.as_slice(),
            Error::UnknownKinds(_) | Error::NoNamespace(_) | Error::Discovery(_) => &[],
        };
        failures.iter().filter_map(|failure| failure.unwritten.as_ref())
    }

    /// Who has to act: somebody, if at least one failure will not pass by itself.
    pub fn class(&self) -> Class {
        match self {
            Error::Failures(all) if all.iter().all(|failure| failure.trouble.passes()) => Class::Transient,
            Error::Failures(_) | Error::UnknownKinds(_) | Error::NoNamespace(_) => Class::Refused,
            Error::Discovery(trouble) if trouble.passes() => Class::Transient,
            Error::Discovery(_) => Class::Misconfigured,
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Failures(all) => all.first().map_or("cluster", |first| first.trouble.code()),
            Error::UnknownKinds(_) => "unknown-kind",
            Error::NoNamespace(_) => "no-namespace",
            Error::Discovery(_) => "discovery",
        }
    }
}

impl Trouble {
    /// Whether waiting may help.
    fn passes(&self) -> bool {
        match self {
            Trouble::Unreachable { .. }
            | Trouble::Changed
            | Trouble::NotServed
            | Trouble::Superseded
            | Trouble::Unreadable { .. } => true,
            Trouble::Rejected { code, .. } => *code >= 500,
            Trouble::Denied { .. } | Trouble::NotFound | Trouble::Conflict(_) | Trouble::Immutable { .. } => false,
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Trouble::Denied { .. } => "not-allowed",
            Trouble::NotFound => "not-found",
            Trouble::NotServed => "not-served",
            Trouble::Conflict(_) => "field-conflict",
            Trouble::Changed => "changed-meanwhile",
            Trouble::Superseded => "superseded",
            Trouble::Immutable { .. } => "immutable-field",
            Trouble::Rejected { .. } => "rejected",
            Trouble::Unreachable { .. } => "api-unreachable",
            Trouble::Unreadable { .. } => "api-unreadable",
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.verb, self.what, self.trouble)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Failures(all) => listed(f, all, fmt::Display::fmt),
            Error::UnknownKinds(all) => listed(f, all, |(key, place), f| {
                let kind = &key.kind;
                write!(
                    f,
                    "{place}: {key}: the cluster serves no {kind} in {}; apply its definition first",
                    key.api_version()
                )
            }),
            Error::NoNamespace(all) => listed(f, all, |(key, place), f| {
                write!(
                    f,
                    "{place}: {key} has no namespace: set metadata.namespace or `namespace:` in kustomization.yaml"
                )
            }),
            Error::Discovery(trouble) => write!(f, "the list of kinds could not be read: {trouble}"),
        }
    }
}

/// Up to ten of them, and how many more there are.
fn listed<T>(
    f: &mut fmt::Formatter<'_>,
    all: &[T],
    show: impl Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    for (at, one) in all.iter().take(SHOWN).enumerate() {
        f.write_str(if at == 0 { "" } else { "; " })?;
        show(one, f)?;
    }
    match all.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => write!(f, "; and {more} more"),
    }
}

const SHOWN: usize = 10;
