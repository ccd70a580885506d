//! The signers file inside the repository: a commit is judged by the files of all its parents, never by its own.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::Reason;
use super::allowed_signers::{AllowedSigners, MAX_FILE};
use super::entries::{self, Mode};
use super::fault::{Fault, Judgement};
use super::history::History;
use crate::git::{Kind, Oid};
use crate::model::RepoPath;

/// Upper bound on a folder on the way to the file, in bytes: one of a hundred thousand files has some five million.
const MAX_FOLDER: u64 = 8 << 20;

/// What lies somewhere in a tree, if anything does.
type Lies = Judgement<Option<(Mode, Oid)>>;

/// Bytes of a file that count as a step: its lines take many times as much memory, and time.
const STEP_BYTES: u64 = 256;

/// Upper bound on the bytes of files that are kept, taken apart.
const MAX_KEPT: usize = 4 << 20;

/// Reads signers files out of trees; each folder is read once, and so is each content as long as not too many are kept.
pub(super) struct SignersFile<'a> {
    history: &'a History<'a>,
    path: &'a RepoPath,
    /// What lies on the way to the file, by folder and how deep that lies.
    found: RefCell<HashMap<(Oid, usize), Lies>>,
    read: RefCell<HashMap<Oid, Judgement<Rc<AllowedSigners>>>>,
    /// The bytes of those.
    kept: Cell<usize>,
}

impl<'a> SignersFile<'a> {
    pub(super) fn new(history: &'a History<'a>, path: &'a RepoPath) -> Self {
        Self { history, path, found: RefCell::default(), read: RefCell::default(), kept: Cell::default() }
    }

    /// The signers that `tree` holds; `None` where the file is not there, or is no plain file.
    pub(super) fn of_tree(&self, tree: &Oid) -> Judgement<Option<Rc<AllowedSigners>>> {
        match self.blob(tree)? {
            Some(blob) => self.of_blob(&blob).map(Some),
            None => Ok(None),
        }
    }

    /// The file by which another commit is judged: that of commit `id`, a parent of it as a rule.
    pub(super) fn of_judge(&self, id: &Oid) -> Judgement<Oid> {
        let tree = self.history.links(id)?.tree;
        self.blob(&tree)?.ok_or_else(|| {
            Fault::new(Reason::UnknownSigner, format!("commit {id} has no signers file `{}`", self.path))
        })
    }

    /// Refuses a commit after which nothing could be judged: the file is gone or cannot be read.
    pub(super) fn judge_own(&self, tree: &Oid) -> Judgement<()> {
        match self.of_tree(tree)? {
            Some(_) => Ok(()),
            None => Err(Fault::new(Reason::PolicyRemoved, format!("the signers file `{}` is removed", self.path))),
        }
    }

    fn blob(&self, tree: &Oid) -> Judgement<Option<Oid>> {
        let mut at = *tree;
        let mut parts = self.path.as_str().split('/').enumerate().peekable();
        while let Some((depth, part)) = parts.next() {
            match (self.entry(&at, depth, part)?, parts.peek().is_some()) {
                (Some((Mode::Folder, id)), true) => at = id,
                (Some((Mode::File | Mode::Executable, id)), false) => return Ok(Some(id)),
                (None | Some((Mode::Folder | Mode::File | Mode::Executable | Mode::Link | Mode::Gitlink, _)), _) => {
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// What `part` of the path, the one at `depth`, is in folder `tree`.
    fn entry(&self, tree: &Oid, depth: usize, part: &str) -> Judgement<Option<(Mode, Oid)>> {
        if let Some(found) = self.found.borrow().get(&(*tree, depth)) {
            return found.clone();
        }
        let found = self.find(tree, part);
        self.found.borrow_mut().insert((*tree, depth), found.clone());
        found
    }

    fn find(&self, tree: &Oid, part: &str) -> Judgement<Option<(Mode, Oid)>> {
        let objects = self.history.objects();
        let raw = objects.read(tree, MAX_FOLDER)?;
        self.history.step_over(tree, raw.bytes.len())?;
        if raw.kind != Kind::Tree {
            return Ok(None);
        }
        let listed = entries::entries(&raw.bytes, objects.algorithm());
        let listed = listed.map_err(|what| Fault::new(Reason::UnsafeTree, what))?;
        Ok(listed.into_iter().find(|entry| entry.name == part).map(|entry| (entry.mode, entry.id)))
    }

    /// The signers that a file lists.
    pub(super) fn of_blob(&self, blob: &Oid) -> Judgement<Rc<AllowedSigners>> {
        if let Some(read) = self.read.borrow().get(blob) {
            return read.clone();
        }
        let read = self.read_blob(blob);
        self.read.borrow_mut().insert(*blob, read.clone());
        read
    }

    fn read_blob(&self, blob: &Oid) -> Judgement<Rc<AllowedSigners>> {
        let broken = |what: String| Fault::new(Reason::BadConfiguration, what);
        let raw = self.history.objects().read(blob, MAX_FILE as u64)?;
        self.history.step(blob, raw.bytes.len() as u64 / STEP_BYTES)?;
        let kept = self.kept.get() + raw.bytes.len();
        if kept > MAX_KEPT {
            self.read.borrow_mut().clear();
        }
        self.kept.set(if kept > MAX_KEPT { raw.bytes.len() } else { kept });
        let text = String::from_utf8(raw.bytes).map_err(|_| broken(format!("{}: not UTF-8", self.path)))?;
        let signers = AllowedSigners::read(self.path.as_str(), &text).map_err(|error| broken(error.to_string()))?;
        Ok(Rc::new(signers))
    }
}
