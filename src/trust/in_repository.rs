//! The signers file inside the repository: a commit is judged by the files of all its parents, never by its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::Reason;
use super::allowed_signers::{AllowedSigners, MAX_FILE};
use super::entries::{self, Mode};
use super::fault::{Fault, Judgement};
use super::history::{History, MAX_OBJECT};
use crate::git::{Kind, Oid};
use crate::model::RepoPath;

/// Reads signers files out of trees; each content is read once.
pub(super) struct SignersFile<'a> {
    history: &'a History<'a>,
    path: &'a RepoPath,
    read: RefCell<HashMap<Oid, Judgement<Rc<AllowedSigners>>>>,
}

impl<'a> SignersFile<'a> {
    pub(super) fn new(history: &'a History<'a>, path: &'a RepoPath) -> Self {
        Self { history, path, read: RefCell::default() }
    }

    /// The signers that `tree` holds; `None` where the file is not there, or is no plain file.
    pub(super) fn of_tree(&self, tree: &Oid) -> Judgement<Option<Rc<AllowedSigners>>> {
        match self.blob(tree)? {
            Some(blob) => self.of_blob(&blob).map(Some),
            None => Ok(None),
        }
    }

    /// The signers by whom a commit with these parents is judged, one file for each parent.
    pub(super) fn of_parents(&self, parents: &[Oid]) -> Judgement<Vec<Rc<AllowedSigners>>> {
        let nobody =
            |who: &str| Fault::new(Reason::UnknownSigner, format!("{who} has no signers file `{}`", self.path));
        if parents.is_empty() {
            return Err(nobody("a commit without parents"));
        }
        let of = |parent: &Oid| self.of_commit(parent)?.ok_or_else(|| nobody(&format!("parent {parent}")));
        parents.iter().map(of).collect()
    }

    /// The signers that commit `id` holds.
    pub(super) fn of_commit(&self, id: &Oid) -> Judgement<Option<Rc<AllowedSigners>>> {
        let tree = self.history.links(id)?.tree;
        self.of_tree(&tree)
    }

    /// Refuses a commit after which nothing could be judged: the file is gone or cannot be read.
    pub(super) fn judge_own(&self, tree: &Oid) -> Judgement<()> {
        match self.of_tree(tree)? {
            Some(_) => Ok(()),
            None => Err(Fault::new(Reason::PolicyRemoved, format!("the signers file `{}` is removed", self.path))),
        }
    }

    fn blob(&self, tree: &Oid) -> Judgement<Option<Oid>> {
        let objects = self.history.objects();
        let mut at = *tree;
        let mut parts = self.path.as_str().split('/').peekable();
        while let Some(part) = parts.next() {
            let raw = objects.read(&at, MAX_OBJECT)?;
            if raw.kind != Kind::Tree {
                return Ok(None);
            }
            let listed = entries::entries(&raw.bytes, objects.algorithm());
            let listed = listed.map_err(|what| Fault::new(Reason::UnsafeTree, what))?;
            let Some(entry) = listed.into_iter().find(|entry| entry.name == part) else { return Ok(None) };
            match (entry.mode, parts.peek().is_some()) {
                (Mode::Folder, true) => at = entry.id,
                (Mode::File | Mode::Executable, false) => return Ok(Some(entry.id)),
                (Mode::Folder | Mode::File | Mode::Executable | Mode::Link | Mode::Gitlink, _) => return Ok(None),
            }
        }
        Ok(None)
    }

    fn of_blob(&self, blob: &Oid) -> Judgement<Rc<AllowedSigners>> {
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
        let text = String::from_utf8(raw.bytes).map_err(|_| broken(format!("{}: not UTF-8", self.path)))?;
        let signers = AllowedSigners::read(self.path.as_str(), &text).map_err(|error| broken(error.to_string()))?;
        Ok(Rc::new(signers))
    }
}
