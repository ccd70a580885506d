//! Files that one side moved and the other changed: the change follows the file, as in git's own merges.
//!
//! Only where nobody can take the move for another one: exactly one file that came is like the one that went, and no other
//! that went is like it. There git's ways of finding renames (merge-ort.c, diffcore-rename.c) all find the same; wherever
//! they would have to choose, or would ask, nothing is followed.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::changes::ALL;
use super::fault::Judgement;
use super::forest::{Change, Children, Forest, Node};
use super::likeness::{Content, Likeness};
use super::text_merge::MAX_BYTES;
use crate::git::Oid;

/// Upper bound on files that came and went on one side, together: each is compared with each.
const MAX_FILES: usize = 200;
/// Upper bound on their bytes.
const MAX_COMPARED: u64 = 16 << 20;

/// A base, ours and theirs, with every file at the place where the other side has moved it.
pub(super) fn follow(forest: &Forest<'_>, [base, ours, theirs]: [Node; 3]) -> Judgement<[Node; 3]> {
    let (mine, others) = (forest.differences(&base, &ours, ALL)?, forest.differences(&base, &theirs, ALL)?);
    if adds_where_all_left(forest, &base, &ours, &others)? || adds_where_all_left(forest, &base, &theirs, &mine)? {
        return Ok([base, ours, theirs]);
    }
    let by_us = moves(forest, [&base, &theirs], &mine, &others)?;
    let by_them = moves(forest, [&base, &ours], &others, &mine)?;
    drop((mine, others));
    let (mut base, mut ours, mut theirs) = (base, ours, theirs);
    for (from, to) in by_us {
        (base, theirs) = (moved(forest, base, &from, &to)?, moved(forest, theirs, &from, &to)?);
    }
    for (from, to) in by_them {
        (base, ours) = (moved(forest, base, &from, &to)?, moved(forest, ours, &from, &to)?);
    }
    Ok([base, ours, theirs])
}

/// Whether something was added below a folder that `left` has not any more: git then asks whether it belongs to where the
/// others went.
fn adds_where_all_left(forest: &Forest<'_>, base: &Node, left: &Node, changes: &[Change]) -> Judgement<bool> {
    let mut known: HashMap<&str, bool> = HashMap::new();
    for change in changes.iter().filter(|change| change.before.is_bare() && !change.after.is_bare()) {
        for (at, _) in change.path.match_indices('/') {
            let folder = &change.path[..at];
            let is_left = match known.get(folder) {
                Some(is_left) => *is_left,
                None => forest.at(base, folder)?.is_folder() && !forest.at(left, folder)?.is_folder(),
            };
            if is_left {
                return Ok(true);
            }
            known.insert(folder, is_left);
        }
    }
    Ok(false)
}

/// What `mine` has moved of what `others` have changed: from where, and to where.
fn moves(
    forest: &Forest<'_>,
    [base, theirs]: [&Node; 2],
    mine: &[Change],
    others: &[Change],
) -> Judgement<Vec<(String, String)>> {
    // Where a file gives way to a link, or a link to a file, git sees a change of that path and no move.
    let gone: Vec<(&str, Oid)> = files(mine, |change| (&change.before, &change.after));
    let come: Vec<(&str, Oid)> = files(mine, |change| (&change.after, &change.before));
    let edited = |change: &&Change| change.before.file().is_some() && change.after.file().is_some();
    let went = |change: &&Change| gone.iter().any(|(path, _)| *path == change.path);
    if gone.is_empty() || come.is_empty() || gone.len() + come.len() > MAX_FILES {
        return Ok(Vec::new());
    }
    let changed: Vec<&str> = others.iter().filter(edited).filter(went).map(|change| change.path.as_str()).collect();
    if changed.is_empty() || !is_comparable(forest, gone.iter().chain(&come))? {
        return Ok(Vec::new());
    }
    let mut contents: HashMap<Oid, Content> = HashMap::new();
    for (_, id) in gone.iter().chain(&come) {
        if !contents.contains_key(id) {
            contents.insert(*id, Content::of(&forest.bytes(id)?));
        }
    }
    let mut pairs: Vec<(&str, &str, Likeness)> = Vec::new();
    for (from, old) in &gone {
        for (to, new) in &come {
            let (one, other) = (&contents[old], &contents[new]);
            forest.step(one.pieces() + other.pieces())?;
            match one.likeness(other, old == new) {
                Likeness::None => {}
                found @ (Likeness::Doubtful | Likeness::Clear) => pairs.push((from, to, found)),
            }
        }
    }
    let mut found = Vec::new();
    for from in changed {
        let mut like = pairs.iter().filter(|(one, ..)| *one == from);
        let (Some((_, to, Likeness::Clear)), None) = (like.next(), like.next()) else { continue };
        let alone = pairs.iter().filter(|(_, other, _)| other == to).count() == 1;
        if alone && is_free(forest, base, to)? && is_free(forest, theirs, to)? {
            found.push((from.to_owned(), (*to).to_owned()));
        }
    }
    Ok(found)
}

/// The plain files on one side of the changes that have nothing on the other.
fn files<'c>(changes: &'c [Change], sides: impl Fn(&'c Change) -> (&'c Node, &'c Node)) -> Vec<(&'c str, Oid)> {
    let file = |change: &'c Change| {
        let (this, other) = sides(change);
        this.file().filter(|_| other.is_bare()).map(|(_, id)| (change.path.as_str(), id))
    };
    changes.iter().filter_map(file).collect()
}

/// Whether all of these are small enough to be compared.
fn is_comparable<'c>(forest: &Forest<'_>, files: impl Iterator<Item = &'c (&'c str, Oid)>) -> Judgement<bool> {
    let mut total = 0;
    for (_, id) in files {
        let size = forest.size(id)?;
        total += size;
        if size > MAX_BYTES as u64 || total > MAX_COMPARED {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a file can be put at `path` without taking anything else's place.
fn is_free(forest: &Forest<'_>, root: &Node, path: &str) -> Judgement<bool> {
    for (at, _) in path.match_indices('/') {
        if !forest.at(root, &path[..at])?.is_bare() {
            return Ok(false);
        }
    }
    Ok(matches!(forest.at(root, path)?, Node::Nothing))
}

fn moved(forest: &Forest<'_>, root: Node, from: &str, to: &str) -> Judgement<Node> {
    let file = forest.at(&root, from)?;
    let without = with(forest, root, from, Node::Nothing)?;
    with(forest, without, to, file)
}

/// `node` with `file` at `path`; a conflict where that leads through anything but folders.
fn with(forest: &Forest<'_>, node: Node, path: &str, file: Node) -> Judgement<Node> {
    if !node.is_folder() && !matches!(node, Node::Nothing) {
        return Ok(Node::Conflict);
    }
    let (name, rest) = path.split_once('/').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let mut children = own(forest, node)?;
    let before = children.remove(name).unwrap_or(Node::Nothing);
    let child = match rest {
        None => file,
        Some(rest) => with(forest, before, rest, file)?,
    };
    if !matches!(child, Node::Nothing) {
        children.insert(name.to_owned(), child);
    }
    Ok(if children.is_empty() { Node::Nothing } else { Node::Folder(Rc::new(children)) })
}

/// What a folder holds, to be changed. Counted where it has to be copied.
fn own(forest: &Forest<'_>, node: Node) -> Judgement<BTreeMap<String, Node>> {
    let children: Children = match node {
        Node::Folder(children) => match Rc::try_unwrap(children) {
            Ok(owned) => return Ok(owned),
            Err(shared) => forest.children(&Node::Folder(shared))?,
        },
        other => forest.children(&other)?,
    };
    Ok((*children).clone())
}
