//! The mechanical merge: what a machine makes of two histories without anybody deciding anything.
//!
//! A three-way merge of trees, and of files line by line, as `git merge` does it; without following renames, so that a
//! merge over a rename counts as decided by whoever signed it.

use std::collections::BTreeSet;

use super::changes::{Forest, Node};
use super::fault::Judgement;
use super::merge_base::merge_bases;
use super::{Reason, text_merge};
use crate::git::Oid;

/// Upper bound on folders within folders.
pub(super) const MAX_DEPTH: usize = 64;
/// Upper bound on merges within the merge of criss-cross histories.
const MAX_RECURSION: usize = 8;

/// The tree that merging `parents` makes.
pub(super) fn mechanical(forest: &Forest<'_>, parents: &[Oid]) -> Judgement<Node> {
    merge_commits(forest, parents, 0)
}

/// Merges from left to right, as an octopus does.
fn merge_commits(forest: &Forest<'_>, commits: &[Oid], recursion: usize) -> Judgement<Node> {
    let Some((first, others)) = commits.split_first() else { return Ok(Node::Nothing) };
    let mut merged = forest.of_commit(first)?;
    for (count, other) in others.iter().enumerate() {
        let bases = merge_bases(forest.history, &commits[..=count], other)?;
        let base = match bases.as_slice() {
            [] => Node::Nothing,
            [base] => forest.of_commit(base)?,
            _ if recursion == MAX_RECURSION => Node::Conflict,
            // Criss-cross: the bases themselves are merged first.
            several => merge_commits(forest, several, recursion + 1)?,
        };
        merged = merge(forest, &base, &merged, &forest.of_commit(other)?, 0)?;
    }
    Ok(merged)
}

fn merge(forest: &Forest<'_>, base: &Node, ours: &Node, theirs: &Node, depth: usize) -> Judgement<Node> {
    if depth > MAX_DEPTH {
        return Err(super::fault::Fault::new(Reason::LimitExceeded, "folders lie too deep to merge"));
    }
    if forest.same(ours, theirs)? || forest.same(base, theirs)? {
        return Ok(ours.clone());
    }
    if forest.same(base, ours)? {
        return Ok(theirs.clone());
    }
    if ours.is_folder() && theirs.is_folder() {
        let (bases, mine, others) = (forest.children(base)?, forest.children(ours)?, forest.children(theirs)?);
        let names: BTreeSet<&String> = mine.keys().chain(others.keys()).chain(bases.keys()).collect();
        let nothing = Node::Nothing;
        let mut merged = std::collections::BTreeMap::new();
        for name in names {
            let at = |nodes: &std::collections::BTreeMap<String, Node>| nodes.get(name).unwrap_or(&nothing).clone();
            match merge(forest, &at(&bases), &at(&mine), &at(&others), depth + 1)? {
                Node::Nothing => {}
                Node::Folder(children) if children.is_empty() => {}
                node => {
                    merged.insert(name.clone(), node);
                }
            }
        }
        return Ok(Node::Folder(merged));
    }
    merge_files(forest, base, ours, theirs)
}

fn merge_files(forest: &Forest<'_>, base: &Node, ours: &Node, theirs: &Node) -> Judgement<Node> {
    let (Some(base_mode), Some(our_mode), Some(their_mode)) = (base.file_mode(), ours.file_mode(), theirs.file_mode())
    else {
        return Ok(Node::Conflict);
    };
    let mode = if our_mode == base_mode { their_mode } else { our_mode };
    let merged = text_merge::merge(&forest.bytes(base)?, &forest.bytes(ours)?, &forest.bytes(theirs)?);
    Ok(merged.map_or(Node::Conflict, |bytes| Node::Made { mode, bytes }))
}
