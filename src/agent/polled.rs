//! What a remote showed when it was asked, and how fresh that is.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use crate::api;
use crate::git::{Commit, Error as GitError, Fetched, Objects, Oid};
use crate::model::Class;

use super::Error;
use super::outcome::revision;
use super::status::Holds;

/// What the remote showed, and when.
pub(super) struct Polled {
    /// When, by the calendar: for telling how old commits are.
    pub(super) at: Timestamp,
    /// The same by a clock that nobody sets: for telling how old this answer is.
    pub(super) answered: Instant,
    pub(super) head: Result<(Commit, Objects), Fault>,
    /// Date of the head by its committer; a claim, which judging checks.
    pub(super) committed: Option<Timestamp>,
    pub(super) max_staleness: api::Duration,
    /// Everything fetched so far, also while the remote shows nothing.
    pub(super) objects: Option<Objects>,
}

/// Why the remote showed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: String,
    pub(super) class: Class,
    pub(super) message: String,
}

impl Polled {
    /// The answer without its time, to tell whether it is news. A fault is told by its code: a server that says another
    /// sentence each time says nothing new.
    pub(super) fn says(&self) -> Result<&Commit, &str> {
        self.head.as_ref().map(|(commit, _)| commit).map_err(|fault| fault.code.as_str())
    }

    /// Reference and commit, where there is one.
    pub(super) fn revision(&self) -> Option<String> {
        self.head.as_ref().ok().map(|(commit, _)| revision(&commit.reference, &commit.head.to_string()))
    }

    /// A commit that was fetched before, under the reference that is followed now.
    pub(super) fn at_commit(&self, id: Oid, reference: &str) -> Option<Fetched<Commit>> {
        let objects = self.objects.as_ref().filter(|objects| objects.contains(&id))?;
        Some(Fetched::new(Commit { reference: reference.to_owned(), head: id, tag: None }, objects.clone()))
    }

    /// Whether the view is fresh: the remote answered, and the newest commit is not older than the policy allows.
    ///
    /// `newest` names the newest commit that was verified, where that is not the head: what nobody has signed may bear any
    /// date.
    pub(super) fn fresh(&self, newest: Newest<'_>) -> Holds {
        if let Err(fault) = &self.head {
            return Holds::no(super::status::reason(&fault.code), fault.message.clone());
        }
        let newest = match newest {
            Newest::Head => self.committed,
            Newest::LastGood(commit) => commit
                .and_then(|commit| commit.parse().ok())
                .and_then(|commit| committed(self.objects.as_ref()?, &commit)),
        };
        let limit = SignedDuration::try_from(self.max_staleness.get()).unwrap_or(SignedDuration::MAX);
        match newest {
            Some(committed) if committed.duration_since(self.at) > AHEAD => Holds::no(
                "AheadOfNow",
                format!("the newest commit is of {committed}, which is in the future: its date says nothing"),
            ),
            Some(committed) if self.at.duration_since(committed) > limit => Holds::no(
                "Stale",
                format!(
                    "the newest commit is of {committed}, older than trust.maxStaleness ({}); either nothing was \
                     committed since, or the remote withholds it",
                    self.max_staleness
                ),
            ),
            Some(_) => Holds::yes("Answered", "the remote answers, and its newest commit is recent"),
            None => {
                Holds::unknown("NoDate", "the remote answers, but how old its newest verified commit is, is not known")
            }
        }
    }
}

/// Whose date says how fresh the view is.
#[derive(Clone, Copy)]
pub(super) enum Newest<'a> {
    /// The head's: it was verified, or nobody has judged it yet.
    Head,
    /// That of the commit which is applied, if there is one: the head was refused.
    LastGood(Option<&'a str>),
}

/// Clocks differ; a date further ahead than this is none.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

impl Fault {
    /// Fetching has panicked.
    pub(super) fn panicked() -> Self {
        let message = "fetching broke down on what the remote sent; it is refused. Please report it".to_owned();
        Self { code: "panic".to_owned(), class: Class::Bug, message }
    }
}

impl From<&GitError> for Fault {
    fn from(error: &GitError) -> Self {
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(next) = cause {
            message = format!("{message}: {next}");
            cause = next.source();
        }
        Self { code: error.code().to_owned(), class: error.class(), message }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self { code: error.code().to_owned(), class: error.class(), message: error.to_string() }
    }
}

/// The committer's date of a commit, for telling how old the view is; nothing is decided by it.
pub(super) fn committed(objects: &Objects, head: &Oid) -> Option<Timestamp> {
    let raw = objects.read(head, 1 << 20).ok()?;
    let text = raw.bytes.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    let line = text.filter_map(|line| std::str::from_utf8(line).ok()).find(|line| line.starts_with("committer "))?;
    let seconds = line.rsplit(' ').nth(1)?.parse().ok()?;
    Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use jiff::Timestamp;

    use super::{Fault, Polled};
    use crate::model::Class;

    #[test]
    fn server_that_says_another_sentence_each_time_has_no_news() {
        let polled = |code: &str, message: &str| {
            let (code, message) = (code.to_owned(), message.to_owned());
            Polled {
                at: Timestamp::UNIX_EPOCH,
                answered: Instant::now(),
                head: Err(Fault { code, class: Class::Transient, message }),
                committed: None,
                max_staleness: "24h".parse().unwrap(),
                objects: None,
            }
        };
        assert!(polled("remote-error", "request 1").says() == polled("remote-error", "request 2").says());
        assert!(polled("remote-error", "request 1").says() != polled("ref-gone", "request 1").says());
    }
}
