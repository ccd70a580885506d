//! What a forge's key brings in, where a merge vouches for what it merges: a forge merges what it is told to and vouches for
//! nothing, so that every commit below its merge is judged by itself.

use std::collections::HashSet;

use super::fault::Judgement;
use super::foreign::Foreign;
use super::policy::Mode;
use super::rules::Rules;
use super::signer::Signer;
use super::verified::Judged;
use crate::git::Oid;

/// The new commits, as the line of those that the mode asks about is gone along, oldest first.
pub(super) struct Brought<'a> {
    /// The rules for a commit that nobody else vouches for.
    rules: Rules<'a>,
    new: &'a HashSet<Oid>,
    /// Those that the line so far descends from: judged, or vouched for.
    answered: HashSet<Oid>,
}

impl<'a> Brought<'a> {
    /// `rules` are those for every commit; `None` where all that is new is judged anyway, or no forge is named.
    pub(super) fn new(rules: Rules<'a>, new: &'a HashSet<Oid>) -> Option<Self> {
        let vouched = match rules.policy.mode {
            Mode::FirstParent | Mode::Head => !rules.policy.merge_only.is_empty(),
            Mode::EveryCommit | Mode::Tag => false,
        };
        vouched.then(|| Self { rules, new, answered: HashSet::new() })
    }

    /// Goes on to `id`, signed by `signer`; what it brings in is judged if that may be a forge.
    pub(super) fn go_on(&mut self, id: &Oid, signer: &Signer) -> Judgement<Vec<Judged>> {
        let history = self.rules.history;
        let mut brought = HashSet::from([*id]);
        let mut open = vec![*id];
        while let Some(at) = open.pop() {
            for parent in &history.parents(&at)?.parents {
                let unknown = self.new.contains(parent) && !self.answered.contains(parent);
                if unknown && brought.insert(*parent) {
                    open.push(*parent);
                }
            }
        }
        let mut judged = Vec::new();
        if signer.may_be(&self.rules.policy.merge_only) {
            // The commit that the forge has merged it into, where that is on the line: it lists whom the base lists, and who
            // came since.
            self.rules.ask_if_good(history.links(id)?.parents.first());
            for one in history.parents_first(id, &brought)?.iter().filter(|one| *one != id) {
                judged.push(self.rules.commit(one)?.judged(*one));
            }
        }
        self.answered.extend(brought);
        self.rules.note_good(id);
        Ok(judged)
    }

    /// What was changed outside the applied folder by who may not change it.
    pub(super) fn into_foreign(self) -> Foreign {
        self.rules.into_foreign()
    }
}
