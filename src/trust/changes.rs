//! What a commit changes: against its parent, or, for a merge, against the merge that a machine would make.

use super::entries::Mode;
use super::fault::Judgement;
use super::forest::{Bounds, Forest, Node};
use super::history::History;
use super::merge::{self, Renames};
use crate::git::Oid;

/// How many touched files a refusal names.
const MAX_NAMED: usize = 100;
/// However many there are.
pub(super) const ALL: usize = usize::MAX;

/// The paths that a commit with `tree` changes by itself, the first `most` of them.
pub(super) fn of_commit(
    history: &History<'_>,
    tree: &Oid,
    parents: &[Oid],
    renames: Renames,
    most: usize,
) -> Judgement<Vec<String>> {
    let forest = Forest::new(history, Bounds::JUDGING);
    let before = match parents {
        [] => Node::Nothing,
        [parent] => forest.of_commit(parent)?,
        _ => merge::mechanical(&forest, parents, renames)?,
    };
    paths(&forest, &before, tree, most)
}

/// The paths in which `tree` differs from that of commit `before`, or from nothing.
pub(super) fn against(history: &History<'_>, tree: &Oid, before: Option<&Oid>) -> Judgement<Vec<String>> {
    let forest = Forest::new(history, Bounds::JUDGING);
    let before = before.map_or(Ok(Node::Nothing), |before| forest.of_commit(before))?;
    paths(&forest, &before, tree, ALL)
}

/// The first paths in which `tree` differs from the first parent's, as far as they can be told at small cost: anybody may
/// have made it.
pub(super) fn against_first_parent(history: &History<'_>, tree: &Oid, parents: &[Oid]) -> Judgement<Vec<String>> {
    named(&Forest::new(history, Bounds::NAMING), tree, parents.first())
}

fn named(forest: &Forest<'_>, tree: &Oid, before: Option<&Oid>) -> Judgement<Vec<String>> {
    let before = before.map_or(Ok(Node::Nothing), |before| forest.of_commit(before))?;
    paths(forest, &before, tree, MAX_NAMED)
}

fn paths(forest: &Forest<'_>, before: &Node, tree: &Oid, most: usize) -> Judgement<Vec<String>> {
    let after = Node::Stored { mode: Mode::Folder, id: *tree };
    Ok(forest.differences(before, &after, most)?.into_iter().map(|change| change.path).collect())
}
