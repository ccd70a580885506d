//! Files that one side moved and the other changed: the change follows the file, as in git's own merges.
//!
//! Only where nobody can take the move for another one: exactly one file that came is like the one that went, and no other
//! that went is like it. There git's ways of finding renames (merge-ort.c, diffcore-rename.c) all find the same; wherever
//! they would have to choose, nothing is followed.

use std::collections::HashMap;

use super::changes::{Forest, Node};
use super::fault::Judgement;
use super::text_merge::MAX_BYTES;

/// Upper bound on files that came and went on one side, together: each is compared with each.
const MAX_FILES: usize = 200;
/// git calls two files alike when half of the larger one is in the other.
const ALIKE: usize = 2;
/// git cuts lines that are longer.
const MAX_CHUNK: usize = 64;

/// The base and `theirs` with every file at the place where `ours` has moved it.
pub(super) fn follow(forest: &Forest<'_>, base: Node, ours: &Node, theirs: Node) -> Judgement<(Node, Node)> {
    let (mut base, mut theirs) = (base, theirs);
    for (from, to) in moves(forest, &base, ours, &theirs)? {
        base = moved(forest, &base, &from, &to)?;
        theirs = moved(forest, &theirs, &from, &to)?;
    }
    Ok((base, theirs))
}

/// What `ours` has moved of what `theirs` has changed: from where, and to where.
fn moves(forest: &Forest<'_>, base: &Node, ours: &Node, theirs: &Node) -> Judgement<Vec<(String, String)>> {
    let mut changed = Vec::new();
    for path in forest.differences(base, theirs)? {
        let is_file = |node: Node| node.file_mode().is_some();
        if is_file(at(forest, base, &path)?) && is_file(at(forest, theirs, &path)?) {
            changed.push(path);
        }
    }
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    for path in forest.differences(base, ours)? {
        let (before, after) = (at(forest, base, &path)?, at(forest, ours, &path)?);
        match (before.file_mode().is_some(), after.file_mode().is_some()) {
            (true, false) => gone.push((path, before)),
            (false, true) => come.push((path, after)),
            (true, true) | (false, false) => {}
        }
    }
    if gone.len() + come.len() > MAX_FILES || !gone.iter().any(|(path, _)| changed.contains(path)) {
        return Ok(Vec::new());
    }
    let read = |files: Vec<(String, Node)>| {
        let read = files.into_iter().map(|(path, node)| Ok((path, Content::of(&forest.bytes(&node)?))));
        read.collect::<Judgement<Vec<_>>>()
    };
    let (gone, come) = (read(gone)?, read(come)?);
    let alike =
        |to: &Content| gone.iter().filter(|(_, from)| from.is_like(to)).map(|(path, _)| path).collect::<Vec<_>>();
    let pairs: Vec<(&String, Vec<&String>)> = come.iter().map(|(path, to)| (path, alike(to))).collect();
    let mut found = Vec::new();
    for from in changed {
        let mut like = pairs.iter().filter(|(_, alike)| alike.contains(&&from));
        let (Some((to, alike)), None) = (like.next(), like.next()) else { continue };
        if alike.len() == 1 && matches!(at(forest, theirs, to)?, Node::Nothing) {
            found.push((from, (*to).clone()));
        }
    }
    Ok(found)
}

/// What lies at `path` below `node`.
fn at(forest: &Forest<'_>, node: &Node, path: &str) -> Judgement<Node> {
    let mut at = node.clone();
    for part in path.split('/') {
        at = forest.children(&at)?.remove(part).unwrap_or(Node::Nothing);
    }
    Ok(at)
}

fn moved(forest: &Forest<'_>, root: &Node, from: &str, to: &str) -> Judgement<Node> {
    let file = at(forest, root, from)?;
    let without = with(forest, root, from, Node::Nothing)?;
    with(forest, &without, to, file)
}

/// `node` with `file` at `path`.
fn with(forest: &Forest<'_>, node: &Node, path: &str, file: Node) -> Judgement<Node> {
    let (name, rest) = path.split_once('/').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let mut children = forest.children(node)?;
    let child = match rest {
        None => file,
        Some(rest) => with(forest, &children.remove(name).unwrap_or(Node::Nothing), rest, file)?,
    };
    children.remove(name);
    if !matches!(child, Node::Nothing) {
        children.insert(name.to_owned(), child);
    }
    Ok(if children.is_empty() { Node::Nothing } else { Node::Folder(children) })
}

/// What a file is made of, to tell how much of it is in another.
struct Content {
    size: usize,
    /// Bytes by chunk: a line, or 64 bytes of a longer one.
    chunks: HashMap<Vec<u8>, usize>,
}

impl Content {
    fn of(bytes: &[u8]) -> Self {
        let mut chunks: HashMap<Vec<u8>, usize> = HashMap::new();
        // Too large a file is like none.
        let read = if bytes.len() > MAX_BYTES { &[] } else { bytes };
        for line in read.split_inclusive(|&byte| byte == b'\n') {
            for chunk in line.chunks(MAX_CHUNK) {
                *chunks.entry(chunk.to_vec()).or_default() += chunk.len();
            }
        }
        Self { size: bytes.len(), chunks }
    }

    /// Whether half of the larger file is in the other. An empty file is like none.
    fn is_like(&self, other: &Self) -> bool {
        let shared = |(chunk, count): (&Vec<u8>, &usize)| other.chunks.get(chunk).map_or(0, |other| *count.min(other));
        let copied: usize = self.chunks.iter().map(shared).sum();
        copied > 0 && copied * ALIKE >= self.size.max(other.size)
    }
}
