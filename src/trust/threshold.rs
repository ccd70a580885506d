//! How many people stand behind the head's content.

use std::collections::HashSet;

use super::Reason;
use super::fault::{Fault, Judgement};
use super::rules::Rules;
use super::signer::{self, Signer};
use crate::git::Oid;

/// Where the commits lie that may speak for the head.
pub(super) struct Line<'a> {
    pub(super) head: Oid,
    /// What was applied last, or the pinned root.
    pub(super) base: Oid,
    /// Reachable from the head and not from the base.
    pub(super) new: &'a HashSet<Oid>,
}

/// Counts who signed the commits on the first-parent line that carry exactly the head's tree.
///
/// What was believed before counts only while the line leads through what is applied now, so that its content is the
/// head's. What is new counts only where it was made knowing what is applied. Otherwise a merge whose first parent is an
/// older approved commit, or the end of a branch that was left aside, would bring that content back with its approvals. A forge is nobody: its key signs for whoever pressed a button.
pub(super) fn judge(rules: &Rules<'_>, line: &Line<'_>, head_signer: Signer) -> Judgement<()> {
    let policy = rules.policy;
    if policy.threshold <= 1 {
        return Ok(());
    }
    let tree = rules.history.links(&line.head)?.tree;
    let mut signers: Vec<Signer> = Vec::new();
    let mut known = 0;
    let mut add = |signer: Signer| {
        if !signer.may_be(&policy.merge_only) && !signers.contains(&signer) {
            signers.push(signer);
            // Counted when there is somebody new: everybody is compared with everybody.
            known = signer::people(&signers);
        }
        known
    };
    let mut people = add(head_signer);
    let (mut at, mut applied) = (line.head, false);
    while at != policy.root && people < policy.threshold {
        applied |= at == line.base;
        let links = rules.history.links(&at)?;
        if links.tree != tree || !applied && !line.new.contains(&at) {
            break;
        }
        if !applied && at != line.head && !rules.history.reaches(&at, &line.base)? {
            break;
        }
        let signer = if applied { rules.signer(&at) } else { rules.approval(&at) };
        if let Ok(signer) = signer {
            people = add(signer);
        }
        match links.parents.first() {
            Some(parent) => at = *parent,
            None => break,
        }
    }
    if people >= policy.threshold {
        return Ok(());
    }
    let fact = format!("{people} of {} principals signed the head's tree", policy.threshold);
    Err(Fault::new(Reason::ThresholdNotMet, fact).at(line.head))
}
