//! What a commit changes: against its parent, or, for a merge, against the merge that a machine would make.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::Reason;
use super::entries::{self, Mode};
use super::fault::{Fault, Judgement};
use super::history::{History, MAX_OBJECT};
use super::merge::{self, Renames};
use crate::git::{Kind, Oid};

/// Upper bound on the nodes looked at for one commit.
const MAX_NODES: usize = 1_000_000;
/// How many touched files a refusal names.
const MAX_NAMED: usize = 100;

/// The paths that a commit with `tree` changes by itself.
pub(super) fn of_commit(
    history: &History<'_>,
    tree: &Oid,
    parents: &[Oid],
    renames: Renames,
) -> Judgement<Vec<String>> {
    let forest = Forest::new(history);
    let before = match parents {
        [] => Node::Nothing,
        [parent] => forest.of_commit(parent)?,
        _ => merge::mechanical(&forest, parents, renames)?,
    };
    forest.differences(&before, &Node::Stored { mode: Mode::Folder, id: *tree })
}

/// The paths in which `tree` differs from that of commit `before`, or from nothing.
pub(super) fn against(history: &History<'_>, tree: &Oid, before: Option<&Oid>) -> Judgement<Vec<String>> {
    let forest = Forest::new(history);
    let before = before.map_or(Ok(Node::Nothing), |before| forest.of_commit(before))?;
    forest.differences(&before, &Node::Stored { mode: Mode::Folder, id: *tree })
}

/// The first paths in which `tree` differs from the first parent's.
pub(super) fn against_first_parent(history: &History<'_>, tree: &Oid, parents: &[Oid]) -> Judgement<Vec<String>> {
    let mut paths = against(history, tree, parents.first())?;
    paths.truncate(MAX_NAMED);
    Ok(paths)
}

/// Something at a path, stored or made by merging.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// There is nothing.
    Nothing,
    /// An object of the repository.
    Stored { mode: Mode, id: Oid },
    /// A file that merging made.
    Made { mode: Mode, bytes: Vec<u8> },
    /// A folder that merging made.
    Folder(BTreeMap<String, Node>),
    /// What no machine can decide. Equal to nothing, not even to itself.
    Conflict,
}

impl Node {
    pub(super) fn is_folder(&self) -> bool {
        matches!(self, Node::Folder(_) | Node::Stored { mode: Mode::Folder, .. })
    }

    /// What lies here itself, whatever lies below.
    pub(super) fn without_folder(&self) -> Node {
        if self.is_folder() { Node::Nothing } else { self.clone() }
    }

    /// The mode of a plain file.
    pub(super) fn file_mode(&self) -> Option<Mode> {
        match self {
            Node::Stored { mode, .. } | Node::Made { mode, .. } if matches!(mode, Mode::File | Mode::Executable) => {
                Some(*mode)
            }
            Node::Nothing | Node::Stored { .. } | Node::Made { .. } | Node::Folder(_) | Node::Conflict => None,
        }
    }
}

/// Reads nodes, and counts them.
pub(super) struct Forest<'a> {
    pub(super) history: &'a History<'a>,
    left: Cell<usize>,
}

impl<'a> Forest<'a> {
    pub(super) fn new(history: &'a History<'a>) -> Self {
        Self { history, left: Cell::new(MAX_NODES) }
    }

    /// The root folder of a commit.
    pub(super) fn of_commit(&self, id: &Oid) -> Judgement<Node> {
        Ok(Node::Stored { mode: Mode::Folder, id: self.history.links(id)?.tree })
    }

    /// What a folder holds; nothing for all else.
    pub(super) fn children(&self, node: &Node) -> Judgement<BTreeMap<String, Node>> {
        let children = match node {
            Node::Folder(children) => children.clone(),
            Node::Stored { mode: Mode::Folder, id } => {
                let objects = self.history.objects();
                let raw = objects.read(id, MAX_OBJECT)?;
                if raw.kind != Kind::Tree {
                    return Err(Fault::new(Reason::UnsafeTree, format!("{id} is no tree")));
                }
                let listed = entries::entries(&raw.bytes, objects.algorithm());
                let listed = listed.map_err(|what| Fault::new(Reason::UnsafeTree, what))?;
                listed.into_iter().map(|entry| (entry.name, Node::Stored { mode: entry.mode, id: entry.id })).collect()
            }
            Node::Nothing | Node::Stored { .. } | Node::Made { .. } | Node::Conflict => BTreeMap::new(),
        };
        let left = self.left.get().checked_sub(children.len() + 1);
        let left = left.ok_or_else(|| Fault::new(Reason::LimitExceeded, "too many files to compare"))?;
        self.left.set(left);
        Ok(children)
    }

    /// The content of a plain file.
    pub(super) fn bytes(&self, node: &Node) -> Judgement<Vec<u8>> {
        match node {
            Node::Made { bytes, .. } => Ok(bytes.clone()),
            Node::Stored { id, .. } => Ok(self.history.objects().read(id, MAX_OBJECT)?.bytes),
            Node::Nothing | Node::Folder(_) | Node::Conflict => Ok(Vec::new()),
        }
    }

    /// Whether two nodes are the same to the last byte.
    pub(super) fn same(&self, one: &Node, other: &Node) -> Judgement<bool> {
        match (one, other) {
            (Node::Nothing, Node::Nothing) => Ok(true),
            (Node::Stored { mode, id }, Node::Stored { mode: other_mode, id: other_id }) => {
                Ok(mode == other_mode && id == other_id)
            }
            (Node::Made { .. }, Node::Made { .. } | Node::Stored { .. }) | (Node::Stored { .. }, Node::Made { .. }) => {
                let modes = one.file_mode().is_some() && one.file_mode() == other.file_mode();
                Ok(modes && self.bytes(one)? == self.bytes(other)?)
            }
            _ if one.is_folder() && other.is_folder() => Ok(self.differences(one, other)?.is_empty()),
            _ => Ok(false),
        }
    }

    /// The paths of files in which two nodes differ.
    pub(super) fn differences(&self, one: &Node, other: &Node) -> Judgement<Vec<String>> {
        let mut found = Vec::new();
        self.collect(one, other, "", 0, &mut found)?;
        Ok(found)
    }

    fn collect(&self, one: &Node, other: &Node, path: &str, depth: usize, found: &mut Vec<String>) -> Judgement<()> {
        if depth > merge::MAX_DEPTH {
            return Err(Fault::new(Reason::LimitExceeded, "folders lie too deep to compare"));
        }
        if !one.is_folder() && !other.is_folder() {
            if !self.same(one, other)? {
                found.push(path.to_owned());
            }
            return Ok(());
        }
        if let (Node::Stored { id, mode }, Node::Stored { id: other_id, mode: other_mode }) = (one, other)
            && id == other_id
            && mode == other_mode
        {
            return Ok(());
        }
        // A file that gives way to a folder, or to a conflict, is a change of its own.
        let both = one.is_folder() && other.is_folder();
        let one_alone = matches!((one, other), (Node::Nothing, _) | (_, Node::Nothing));
        if !both && !one_alone {
            found.push(path.to_owned());
        }
        let (ones, mut others) = (self.children(one)?, self.children(other)?);
        for (name, node) in &ones {
            let other = others.remove(name).unwrap_or(Node::Nothing);
            self.collect(node, &other, &joined(path, name), depth + 1, found)?;
        }
        for (name, other) in &others {
            self.collect(&Node::Nothing, other, &joined(path, name), depth + 1, found)?;
        }
        Ok(())
    }
}

fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
