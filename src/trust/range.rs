//! Which commits are new, and whether the head may follow what was applied at all.

use std::collections::HashSet;

use super::Reason;
use super::fault::{Fault, Judgement};
use super::history::{History, Walk};
use super::policy::{Mode, Policy};
use super::verify::Base;
use crate::git::Oid;

/// What lies between the base and the head.
pub(super) struct Range {
    /// Reachable from the head and not from what was applied (before the first apply: not from the pinned root).
    pub(super) new: HashSet<Oid>,
    /// Those of them that the mode asks to be judged, every parent before its children.
    pub(super) judge: Vec<Oid>,
}

/// The commits that are new, and those to be judged.
pub(super) fn decide(history: &History<'_>, policy: &Policy, head: &Oid, from: &Base) -> Judgement<Range> {
    let base = from.applied.as_ref().unwrap_or(&policy.root);
    let walk = history.walk(head, Some(base))?;
    refuse_other_root(history, policy, head, base, &walk)?;
    let mut new = walk.met;
    if !walk.stopped || walk.ended {
        let old = already_believed(history, policy, base, walk.stopped)?;
        if !walk.stopped && policy.rollback_to.as_ref() != Some(head) {
            return Err(not_a_descendant(head, base, old.contains(head)));
        }
        new.retain(|id| !old.contains(id));
    }
    // What the order itself names was chosen by the administrator.
    if !new.is_empty() && policy.rollback_to.as_ref() != Some(head) {
        from.left_behind.iter().try_for_each(|left| refuse_what_was_left(history, head, left, base, &new))?;
    }
    let judge = match policy.mode {
        Mode::EveryCommit => history.parents_first(head, &new)?,
        Mode::FirstParent => {
            let mut line = first_parent_line(history, head, |id| new.contains(id))?;
            let end = line.pop();
            if walk.stopped && end.as_ref() != Some(base) {
                let fact = format!("{base} is not on the first-parent line of {head}");
                return Err(Fault::new(Reason::FirstParentDiscontinuity, fact).at(*head));
            }
            line.reverse();
            line
        }
        Mode::Head => new.get(head).copied().into_iter().collect(),
        Mode::Tag => Vec::new(),
    };
    Ok(Range { new, judge })
}

/// Refuses anything that lies between what `trust.rollbackTo` has led to and what it has led away from: each of these commits
/// has a good signature, and whoever bends the remote may show any of them.
fn refuse_what_was_left(
    history: &History<'_>,
    head: &Oid,
    left: &Oid,
    base: &Oid,
    new: &HashSet<Oid>,
) -> Judgement<()> {
    let remedy = "take trust.rollbackTo out to allow it";
    let refuse = |fact: String, at: Oid| Err(Fault::new(Reason::Rollback, fact).at(at));
    match history.walk(left, Some(base)) {
        Ok(walk) => match new.iter().filter(|id| walk.met.contains(*id)).min() {
            Some(again) => {
                let again = if new.contains(left) { left } else { again };
                refuse(format!("{head} brings back {again}, which was left by trust.rollbackTo; {remedy}"), *again)
            }
            None => Ok(()),
        },
        Err(fault) if fault.reason == Reason::IncompleteHistory => {
            let fact = format!(
                "{left}, which was left by trust.rollbackTo, is not in the repository any more, so that nobody can tell \
                 whether {head} brings some of it back; {remedy}"
            );
            refuse(fact, *head)
        }
        Err(fault) => Err(fault),
    }
}

/// What is not judged again: all that `base` descends from. Where what was applied is gone from the repository, which
/// can only be after the branch left it, that is what the pinned root descends from.
fn already_believed(history: &History<'_>, policy: &Policy, base: &Oid, stopped: bool) -> Judgement<HashSet<Oid>> {
    match history.walk(base, None) {
        Err(fault) if !stopped && fault.reason == Reason::IncompleteHistory && fault.at.as_ref() == Some(base) => {
            Ok(history.walk(&policy.root, None)?.met)
        }
        walk => Ok(walk?.met),
    }
}

/// The first-parent line from `head` on while `more`, and the first commit behind that, if there is one.
fn first_parent_line(history: &History<'_>, head: &Oid, more: impl Fn(&Oid) -> bool) -> Judgement<Vec<Oid>> {
    let mut line = vec![*head];
    let mut at = *head;
    while more(&at) {
        let links = history.links(&at)?;
        at = *links.parents.first().ok_or_else(|| {
            let fact = format!("the first-parent line of {head} ends at {at}");
            Fault::new(Reason::FirstParentDiscontinuity, fact).at(*head)
        })?;
        line.push(at);
    }
    Ok(line)
}

fn refuse_other_root(history: &History<'_>, policy: &Policy, head: &Oid, base: &Oid, walk: &Walk) -> Judgement<()> {
    let root = &policy.root;
    let found = walk.met.contains(root) || walk.stopped && history.reaches(base, root)?;
    if found {
        return Ok(());
    }
    let fact = format!("{head} does not descend from the pinned commit {root}");
    Err(Fault::new(Reason::TrustRootNotAncestor, fact).at(*head))
}

fn not_a_descendant(head: &Oid, base: &Oid, older: bool) -> Fault {
    let fault = if older {
        Fault::new(Reason::Rollback, format!("{head} is older than {base}, which was applied"))
    } else {
        Fault::new(Reason::NonFastForward, format!("{head} does not descend from {base}, which was applied"))
    };
    fault.at(*head)
}
