//! How far a judgement came that did not end: a history of a hundred thousand commits is gone on with, not begun again.
//!
//! It is no way past judging. It says of one commit that all of its history down to the base was judged and found good, by
//! exactly this policy; whoever could forge one could forge what is applied as well, and it is kept in the same place.

use jiff::{SignedDuration, Timestamp};

use super::policy::{Mode, Policy};
use crate::git::Oid;

/// Commits from one checkpoint to the next.
pub(super) const EVERY: usize = 1000;
/// An older one counts for nothing: signatures that expire are asked again.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(24);

/// Which rules judge: another version of this program may refuse what this one found good.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// All that `commit` descends from, down to `base` and without it, was found good by the policy with this digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// A commit between the base and the head.
    pub commit: Oid,
    /// What was applied then, or the pinned root.
    pub base: Oid,
    /// Digest of the policy.
    pub policy: String,
    /// Version of the program that judged.
    pub version: String,
    /// When that judgement began.
    pub at: Timestamp,
}

impl Checkpoint {
    /// One for `commit`, where what was judged of a history is no more than what it descends from and the commits alone
    /// were asked about: with path rules it also matters what was changed where, which nobody keeps.
    pub(super) fn new(policy: &Policy, commit: &Oid, base: &Oid, at: Timestamp) -> Option<Self> {
        let whole = match policy.mode {
            Mode::EveryCommit => policy.path_rules.is_empty(),
            Mode::FirstParent | Mode::Head | Mode::Tag => false,
        };
        let (commit, base) = (*commit, *base);
        whole.then(|| Self { commit, base, policy: policy.digest().to_owned(), version: VERSION.to_owned(), at })
    }

    /// Whether it says the same of its commit as a judgement by `policy` from `base` on, begun `now`, would find.
    pub(super) fn holds(&self, policy: &Policy, base: &Oid, now: Timestamp) -> bool {
        let fresh = self.at <= now && now.duration_since(self.at) <= MAX_AGE;
        fresh && Self::new(policy, &self.commit, base, self.at).as_ref() == Some(self)
    }
}
