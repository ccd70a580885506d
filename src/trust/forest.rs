//! Folders and files, those of the repository and those that merging makes, read within bounds: whoever pushes chooses how
//! much there is to see, and a few objects may look like a million.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::Reason;
use super::entries::{self, Mode};
use super::fault::{Fault, Judgement};
use super::history::{History, MAX_OBJECT};
use super::merge;
use super::tree::MAX_PATH;
use crate::git::{Kind, Oid};

/// What may be spent on one commit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Nodes looked at.
    pub(super) nodes: usize,
    /// Bytes read or made, with those of every name each time it is looked at.
    pub(super) bytes: usize,
    /// Lines and pieces compared.
    pub(super) steps: usize,
}

impl Bounds {
    /// To judge a commit of somebody listed.
    pub(super) const JUDGING: Self = Self { nodes: 1_000_000, bytes: 128 << 20, steps: 50_000_000 };
    /// To name what a refused commit touches, which anybody may have made.
    pub(super) const NAMING: Self = Self { nodes: 100_000, bytes: 4 << 20, steps: 0 };
}

/// Something at a path, stored or made by merging.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// There is nothing.
    Nothing,
    /// An object of the repository, or a file that merging made and that would be this one.
    Stored { mode: Mode, id: Oid },
    /// A folder that merging made.
    Folder(Children),
    /// What no machine can decide. Equal to nothing, not even to itself.
    Conflict,
    /// The same at the path of a folder: a file, or what cannot be decided, where all this lies.
    Clash(Children),
}

/// What a folder holds, by name.
pub(super) type Children = Rc<BTreeMap<String, Node>>;

impl Node {
    pub(super) fn is_folder(&self) -> bool {
        matches!(self, Node::Folder(_) | Node::Stored { mode: Mode::Folder, .. })
    }

    /// What lies here itself, whatever lies below.
    pub(super) fn without_folder(&self) -> Node {
        match self {
            Node::Folder(_) | Node::Stored { mode: Mode::Folder, .. } => Node::Nothing,
            Node::Clash(_) => Node::Conflict,
            Node::Nothing | Node::Stored { .. } | Node::Conflict => self.clone(),
        }
    }

    /// Whether anything lies below.
    pub(super) fn has_children(&self) -> bool {
        self.is_folder() || matches!(self, Node::Clash(_))
    }

    /// Whether anything in it could not be decided. What is stored is decided.
    pub(super) fn has_conflict(&self) -> bool {
        match self {
            Node::Conflict | Node::Clash(_) => true,
            Node::Folder(children) => children.values().any(Node::has_conflict),
            Node::Nothing | Node::Stored { .. } => false,
        }
    }

    /// Whether there is no file, link or anything else of that kind.
    pub(super) fn is_bare(&self) -> bool {
        matches!(self.without_folder(), Node::Nothing)
    }

    /// Mode and content of a plain file.
    pub(super) fn file(&self) -> Option<(Mode, Oid)> {
        match self {
            Node::Stored { mode: mode @ (Mode::File | Mode::Executable), id } => Some((*mode, *id)),
            Node::Nothing | Node::Stored { .. } | Node::Folder(_) | Node::Conflict | Node::Clash(_) => None,
        }
    }
}

/// A path at which two nodes differ.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) path: String,
    pub(super) before: Node,
    pub(super) after: Node,
}

/// Reads nodes, and counts what that takes.
pub(super) struct Forest<'a> {
    pub(super) history: &'a History<'a>,
    left: Cell<Bounds>,
    /// Folders read already: one object may be ten thousand folders.
    listed: RefCell<HashMap<Oid, Children>>,
    /// Content of files that merging made, as long as somebody may ask for it.
    made: RefCell<HashMap<Oid, Rc<[u8]>>>,
    keeps: Cell<bool>,
    /// What became of a base and its two sides: one content may lie at a thousand paths.
    merged: RefCell<HashMap<[Oid; 3], Option<Oid>>>,
}

impl<'a> Forest<'a> {
    pub(super) fn new(history: &'a History<'a>, bounds: Bounds) -> Self {
        let (listed, made, merged) = (RefCell::default(), RefCell::default(), RefCell::default());
        Self { history, left: Cell::new(bounds), listed, made, keeps: Cell::new(true), merged }
    }

    /// The root folder of a commit.
    pub(super) fn of_commit(&self, id: &Oid) -> Judgement<Node> {
        Ok(Node::Stored { mode: Mode::Folder, id: self.history.links(id)?.tree })
    }

    /// What a folder holds; nothing for all else.
    pub(super) fn children(&self, node: &Node) -> Judgement<Children> {
        let children = self.listing(node)?;
        self.spend(children.len() + 1, children.keys().map(String::len).sum())?;
        Ok(children)
    }

    /// What lies at `path` below `node`.
    pub(super) fn at(&self, node: &Node, path: &str) -> Judgement<Node> {
        let mut at = node.clone();
        for part in path.split('/') {
            self.spend(1, 0)?;
            at = self.listing(&at)?.get(part).cloned().unwrap_or(Node::Nothing);
        }
        Ok(at)
    }

    fn listing(&self, node: &Node) -> Judgement<Children> {
        match node {
            Node::Folder(children) | Node::Clash(children) => Ok(Rc::clone(children)),
            Node::Stored { mode: Mode::Folder, id } => {
                let known = self.listed.borrow().get(id).cloned();
                known.map_or_else(|| self.list(id), Ok)
            }
            Node::Nothing | Node::Stored { .. } | Node::Conflict => Ok(Children::default()),
        }
    }

    fn list(&self, id: &Oid) -> Judgement<Children> {
        let objects = self.history.objects();
        let raw = objects.read(id, MAX_OBJECT.min(self.left.get().bytes as u64))?;
        if raw.kind != Kind::Tree {
            return Err(Fault::new(Reason::UnsafeTree, format!("{id} is no tree")));
        }
        self.spend(1, raw.bytes.len())?;
        let listed = entries::entries(&raw.bytes, objects.algorithm());
        let listed = listed.map_err(|what| Fault::new(Reason::UnsafeTree, what))?;
        let node = |entry: entries::Entry| (entry.name, Node::Stored { mode: entry.mode, id: entry.id });
        let children: Children = Rc::new(listed.into_iter().map(node).collect());
        self.listed.borrow_mut().insert(*id, Rc::clone(&children));
        Ok(children)
    }

    /// Bytes of a file; not yet hashed, so good for bounds alone.
    pub(super) fn size(&self, id: &Oid) -> Judgement<u64> {
        let made = self.made.borrow().get(id).map(|bytes| bytes.len() as u64);
        made.map_or_else(|| Ok(self.history.objects().header(id)?.1), Ok)
    }

    /// The content of a file, stored or made.
    pub(super) fn bytes(&self, id: &Oid) -> Judgement<Rc<[u8]>> {
        if let Some(made) = self.made.borrow().get(id) {
            return Ok(Rc::clone(made));
        }
        let bytes = self.history.objects().read(id, MAX_OBJECT.min(self.left.get().bytes as u64))?.bytes;
        self.spend(1, bytes.len())?;
        Ok(bytes.into())
    }

    /// The id of a file that merging made.
    pub(super) fn make(&self, bytes: Vec<u8>) -> Judgement<Oid> {
        self.spend(1, bytes.len())?;
        let id = self.history.objects().blob_id(&bytes);
        let id = id.ok_or_else(|| Fault::new(Reason::CorruptObject, "a merged file collides with another"))?;
        if self.keeps.get() {
            self.made.borrow_mut().insert(id, bytes.into());
        }
        Ok(id)
    }

    /// What `merge` makes of three contents, asked once.
    pub(super) fn merged(
        &self,
        texts: [Oid; 3],
        merge: impl Fn(&Self, [Oid; 3]) -> Judgement<Option<Oid>>,
    ) -> Judgement<Option<Oid>> {
        if let Some(merged) = self.merged.borrow().get(&texts) {
            return Ok(*merged);
        }
        let merged = merge(self, texts)?;
        self.merged.borrow_mut().insert(texts, merged);
        Ok(merged)
    }

    /// From now on of what is made the id alone is kept: nobody will ask for the content.
    pub(super) fn keep_no_content(&self) {
        self.keeps.set(false);
    }

    /// Whether two nodes are the same to the last byte.
    pub(super) fn same(&self, one: &Node, other: &Node) -> Judgement<bool> {
        match (one, other) {
            (Node::Nothing, Node::Nothing) => Ok(true),
            (Node::Stored { .. }, Node::Stored { .. }) => Ok(is_same_object(one, other)),
            _ if one.is_folder() && other.is_folder() => Ok(self.differences(one, other, 1)?.is_empty()),
            _ => Ok(false),
        }
    }

    /// The paths of files in which two nodes differ, the first `most` of them.
    pub(super) fn differences(&self, one: &Node, other: &Node, most: usize) -> Judgement<Vec<Change>> {
        let mut comparison = Comparison { forest: self, most, found: Vec::new() };
        comparison.collect(one, other, "", 0)?;
        Ok(comparison.found)
    }

    /// Counts nodes looked at and bytes seen.
    fn spend(&self, nodes: usize, bytes: usize) -> Judgement<()> {
        let left = self.left.get();
        let (Some(nodes), Some(bytes)) = (left.nodes.checked_sub(nodes), left.bytes.checked_sub(bytes)) else {
            return Err(Fault::new(Reason::LimitExceeded, "too many files to compare, or too large ones"));
        };
        self.left.set(Bounds { nodes, bytes, ..left });
        Ok(())
    }

    /// Lines and pieces that may still be compared.
    pub(super) fn steps(&self) -> usize {
        self.left.get().steps
    }

    /// Counts lines and pieces compared.
    pub(super) fn step(&self, steps: usize) -> Judgement<()> {
        let left = self.left.get();
        let steps = left.steps.checked_sub(steps);
        let steps = steps.ok_or_else(|| Fault::new(Reason::LimitExceeded, "too many lines to compare"))?;
        self.left.set(Bounds { steps, ..left });
        Ok(())
    }
}

fn is_same_object(one: &Node, other: &Node) -> bool {
    match (one, other) {
        (Node::Stored { mode, id }, Node::Stored { mode: other_mode, id: other_id }) => {
            mode == other_mode && id == other_id
        }
        _ => false,
    }
}

/// Two nodes, compared path by path.
struct Comparison<'f, 'a> {
    forest: &'f Forest<'a>,
    most: usize,
    found: Vec<Change>,
}

impl Comparison<'_, '_> {
    fn collect(&mut self, one: &Node, other: &Node, path: &str, depth: usize) -> Judgement<()> {
        if depth > merge::MAX_DEPTH {
            return Err(Fault::new(Reason::LimitExceeded, "folders lie too deep to compare"));
        }
        if !one.has_children() && !other.has_children() {
            return if self.forest.same(one, other)? { Ok(()) } else { self.found(one, other, path) };
        }
        if is_same_object(one, other) {
            return Ok(());
        }
        // A file that gives way to a folder, or the file in a clash, is a change of its own, beside all that lies below.
        if !self.forest.same(&one.without_folder(), &other.without_folder())? {
            self.found(one, other, path)?;
        }
        let (ones, others) = (self.forest.children(one)?, self.forest.children(other)?);
        let nothing = Node::Nothing;
        for (name, node) in ones.iter() {
            self.below(node, others.get(name).unwrap_or(&nothing), path, name, depth)?;
        }
        for (name, other) in others.iter().filter(|(name, _)| !ones.contains_key(*name)) {
            self.below(&nothing, other, path, name, depth)?;
        }
        Ok(())
    }

    fn below(&mut self, one: &Node, other: &Node, folder: &str, name: &str, depth: usize) -> Judgement<()> {
        if self.found.len() >= self.most || is_same_object(one, other) {
            return Ok(());
        }
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        if path.len() > MAX_PATH {
            return Err(Fault::new(Reason::LimitExceeded, format!("a path of more than {MAX_PATH} bytes")));
        }
        self.forest.spend(0, path.len())?;
        self.collect(one, other, &path, depth + 1)
    }

    fn found(&mut self, one: &Node, other: &Node, path: &str) -> Judgement<()> {
        self.forest.spend(0, path.len() + size_of::<Change>())?;
        self.found.push(Change { path: path.to_owned(), before: one.clone(), after: other.clone() });
        Ok(())
    }
}
