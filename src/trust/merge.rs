//! The mechanical merge: what a machine makes of two histories without anybody deciding anything.
//!
//! A three-way merge of trees, and of files line by line, as `git merge` does it. A change may follow a file that the other
//! side has moved ([`Renames::Followed`]), or not, as with `git merge -X no-renames`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::fault::Judgement;
use super::forest::{Forest, Node};
use super::merge_base::merge_bases;
use super::{Reason, renames, text_merge};
use crate::git::Oid;

/// Upper bound on folders within folders.
pub(super) const MAX_DEPTH: usize = 64;
/// Upper bound on merges within the merge of criss-cross histories.
const MAX_RECURSION: usize = 8;

/// Whether a change follows a file to where the other side has moved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renames {
    /// Wherever there is one; where a move might be taken for another one, or git would ask, nothing is decided at all.
    Followed,
    /// Never: who may change one place is not asked about another.
    Ignored,
}

/// The tree that merging `parents` makes.
pub(super) fn mechanical(forest: &Forest<'_>, parents: &[Oid], renames: Renames) -> Judgement<Node> {
    merge_commits(forest, parents, renames, 0)
}

/// Merges from left to right, as an octopus does.
fn merge_commits(forest: &Forest<'_>, commits: &[Oid], renames: Renames, recursion: usize) -> Judgement<Node> {
    let Some((first, others)) = commits.split_first() else { return Ok(Node::Nothing) };
    let mut merged = forest.of_commit(first)?;
    for (count, other) in others.iter().enumerate() {
        let bases = merge_bases(forest.history, &commits[..=count], other)?;
        let base = match bases.as_slice() {
            [] => Node::Nothing,
            [base] => forest.of_commit(base)?,
            _ if recursion == MAX_RECURSION => Node::Conflict,
            // Criss-cross: the bases themselves are merged first.
            several => merge_commits(forest, several, renames, recursion + 1)?,
        };
        let other = forest.of_commit(other)?;
        let [base, ours, theirs] = match renames {
            Renames::Ignored => [base, merged, other],
            Renames::Followed => match renames::follow(forest, [base, merged, other])? {
                Some(followed) => followed,
                None => return Ok(Node::Conflict),
            },
        };
        if recursion == 0 && count + 1 == others.len() {
            forest.keep_no_content();
        }
        merged = merge(forest, &base, &ours, &theirs, 0)?;
    }
    Ok(merged)
}

/// Merges what lies at one path: the files there and, apart from them, all below.
fn merge(forest: &Forest<'_>, base: &Node, ours: &Node, theirs: &Node, depth: usize) -> Judgement<Node> {
    if depth > MAX_DEPTH {
        return Err(super::fault::Fault::new(Reason::LimitExceeded, "folders lie too deep to merge"));
    }
    if let Some(plain) = one_sided(forest, base, ours, theirs)? {
        return Ok(plain);
    }
    let [our_file, their_file, base_file] = [ours, theirs, base].map(Node::without_folder);
    let file = merge_files(forest, &base_file, &our_file, &their_file)?;
    let (bases, mine, others) = (forest.children(base)?, forest.children(ours)?, forest.children(theirs)?);
    let names: BTreeSet<&String> = mine.keys().chain(others.keys()).chain(bases.keys()).collect();
    let nothing = Node::Nothing;
    let mut below = BTreeMap::new();
    // What an undecided base holds is not decided either.
    let of_base = if matches!(base, Node::Conflict) { &Node::Conflict } else { &nothing };
    for name in names {
        let base = bases.get(name).unwrap_or(of_base);
        let [ours, theirs] = [&mine, &others].map(|nodes| nodes.get(name).unwrap_or(&nothing));
        match merge(forest, base, ours, theirs, depth + 1)? {
            Node::Nothing => {}
            node => {
                below.insert(name.clone(), node);
            }
        }
    }
    Ok(match (file, below.is_empty()) {
        (file, true) => file,
        (Node::Nothing, false) => Node::Folder(Rc::new(below)),
        // A file and a folder of one name: who may write the one need not be who may write the other.
        (Node::Stored { .. } | Node::Folder(_) | Node::Conflict | Node::Clash(_), false) => Node::Clash(Rc::new(below)),
    })
}

/// What needs no merging: both did the same, or one alone did something.
fn one_sided(forest: &Forest<'_>, base: &Node, ours: &Node, theirs: &Node) -> Judgement<Option<Node>> {
    if forest.same(ours, theirs)? || forest.same(base, theirs)? {
        return Ok(Some(ours.clone()));
    }
    if forest.same(base, ours)? {
        return Ok(Some(theirs.clone()));
    }
    // Folders are gone through all the same: only what differs in them is undecided.
    let undecided = [base, ours, theirs].into_iter().any(|node| matches!(node, Node::Conflict));
    let is_leaf = ![base, ours, theirs].into_iter().any(Node::has_children);
    Ok((undecided && is_leaf).then_some(Node::Conflict))
}

fn merge_files(forest: &Forest<'_>, base: &Node, ours: &Node, theirs: &Node) -> Judgement<Node> {
    if let Some(plain) = one_sided(forest, base, ours, theirs)? {
        return Ok(plain);
    }
    let (Some((base_mode, base)), Some((our_mode, ours)), Some((their_mode, theirs))) =
        (base.file(), ours.file(), theirs.file())
    else {
        return Ok(Node::Conflict);
    };
    let mode = if our_mode == base_mode { their_mode } else { our_mode };
    // Where one side changed no byte nobody looks at what the bytes are.
    let merged = if base == ours || ours == theirs {
        Some(theirs)
    } else if base == theirs {
        Some(ours)
    } else {
        forest.merged([base, ours, theirs], merge_texts)?
    };
    Ok(merged.map_or(Node::Conflict, |id| Node::Stored { mode, id }))
}

fn merge_texts(forest: &Forest<'_>, texts: [Oid; 3]) -> Judgement<Option<Oid>> {
    for id in &texts {
        if forest.size(id)? > text_merge::MAX_BYTES as u64 {
            return Ok(None);
        }
    }
    let [base, ours, theirs] = [forest.bytes(&texts[0])?, forest.bytes(&texts[1])?, forest.bytes(&texts[2])?];
    let mut steps = forest.steps();
    let merged = text_merge::merge(&base, &ours, &theirs, &mut steps);
    forest.step(forest.steps() - steps)?;
    merged.map(|bytes| forest.make(bytes)).transpose()
}
