//! Files out of a verified commit, or out of a working directory; the type tells which, and never changes.

use std::collections::{BTreeMap, BTreeSet};

use crate::git::Oid;
use crate::model::RepoPath;

use super::Refusal;
use super::foreign::Foreign;
use super::verified::Judged;

mod sealed {
    pub trait Sealed {}
}

/// Where files came from. Only [`Signed`] can be applied.
pub trait Origin: sealed::Sealed {}

/// Out of a verified commit; carries what was proved.
pub struct Signed {
    commit: Oid,
    reference: String,
    tag: Option<Oid>,
    judged: Vec<Judged>,
    foreign: Foreign,
    policy: String,
}

/// Out of a working directory: can be built and compared, never applied.
pub struct Local {
    _only_here: (),
}

impl sealed::Sealed for Signed {}
impl sealed::Sealed for Local {}
impl Origin for Signed {}
impl Origin for Local {}

impl Signed {
    /// Called with what [`super::verify`] proved.
    pub(super) fn new(what: crate::git::Commit, judged: Vec<Judged>, foreign: Foreign, policy: String) -> Self {
        let tag = what.tag.filter(|tag| judged.iter().any(|one| one.id == *tag));
        Self { commit: what.head, reference: what.reference, tag, judged, foreign, policy }
    }

    /// The verified commit.
    pub fn commit(&self) -> &Oid {
        &self.commit
    }

    /// The reference it was found under.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The tag object it was judged by, where tags are followed; none where this tag was applied before.
    pub fn tag(&self) -> Option<&Oid> {
        self.tag.as_ref()
    }

    /// The commits judged on the way, head first; empty when the head was applied before.
    pub fn judged(&self) -> &[Judged] {
        &self.judged
    }

    /// Digest of the policy.
    pub fn policy(&self) -> &str {
        &self.policy
    }
}

/// Why a file of the tree could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// There is no such file.
    #[error("{path}: there is no such file in the tree")]
    NoFile {
        /// What was asked for.
        path: RepoPath,
    },
    /// It is larger than a file may be.
    #[error("{path}: the file has more than {limit} bytes")]
    TooLarge {
        /// What was asked for.
        path: RepoPath,
        /// Bytes allowed.
        limit: usize,
    },
    /// All files that are wanted are larger than they may be together.
    #[error("{path}: with this file, more than {limit} bytes are wanted; divide the path among several Syncs")]
    TooMuch {
        /// The file that passes the bound.
        path: RepoPath,
        /// Bytes allowed.
        limit: usize,
    },
    /// The object behind it could not be read.
    #[error("{path}: its object could not be read")]
    Object {
        /// What was asked for.
        path: RepoPath,
        /// Why.
        source: crate::git::ReadError,
    },
}

/// Every file of the tree, readable by path. Symlinks are resolved already; none leaves the tree.
pub struct Tree<O: Origin> {
    files: Files,
    origin: O,
}

/// How the content of a tree is reached.
enum Files {
    /// Read from objects when asked, re-hashed.
    Objects { objects: crate::git::Objects, blobs: BTreeMap<RepoPath, Oid> },
    /// In memory.
    Memory(BTreeMap<RepoPath, Vec<u8>>),
}

/// Upper bound on one file, in bytes.
///
/// Larger than any manifest the API server takes; SOPS-CASES names the same figure for an encrypted file.
pub const MAX_FILE: usize = 5 << 20;

/// Upper bound on the files of one closed set together: twice what may be applied. Many paths may name one blob.
const MAX_FILES: usize = 128 << 20;

impl Tree<Local> {
    /// A working directory's files, already read by [`crate::git`].
    pub fn local(files: BTreeMap<RepoPath, Vec<u8>>) -> Self {
        Self { files: Files::Memory(files), origin: Local { _only_here: () } }
    }
}

impl Tree<Signed> {
    /// Called with what [`super::verify`] proved: the files of a tree that passed its rule.
    pub(super) fn signed(verified: super::Verified<crate::git::Commit>) -> Self {
        let (blobs, objects, origin) = verified.into_parts();
        Self { files: Files::Objects { objects, blobs }, origin }
    }
}

impl<O: Origin> Tree<O> {
    /// Whether there is a file at `path`.
    pub fn is_file(&self, path: &RepoPath) -> bool {
        match &self.files {
            Files::Objects { blobs, .. } => blobs.contains_key(path),
            Files::Memory(files) => files.contains_key(path),
        }
    }

    /// Whether any file lies below `path`.
    pub fn is_folder(&self, path: &RepoPath) -> bool {
        self.below(path).next().is_some()
    }

    /// Every file below `folder`, in order of names.
    pub fn below<'a>(&'a self, folder: &'a RepoPath) -> Box<dyn Iterator<Item = &'a RepoPath> + 'a> {
        let inside = move |path: &&RepoPath| path.is_within(folder) && *path != folder;
        match &self.files {
            Files::Objects { blobs, .. } => Box::new(blobs.keys().filter(inside)),
            Files::Memory(files) => Box::new(files.keys().filter(inside)),
        }
    }

    /// The content of a file, at most [`MAX_FILE`] bytes.
    pub fn read(&self, path: &RepoPath) -> Result<Vec<u8>, TreeError> {
        let missing = || TreeError::NoFile { path: path.clone() };
        match &self.files {
            Files::Memory(files) => {
                let bytes = files.get(path).ok_or_else(missing)?;
                if bytes.len() > MAX_FILE {
                    return Err(TreeError::TooLarge { path: path.clone(), limit: MAX_FILE });
                }
                Ok(bytes.clone())
            }
            Files::Objects { objects, blobs } => {
                let id = blobs.get(path).ok_or_else(missing)?;
                match objects.read(id, MAX_FILE as u64) {
                    Ok(raw) => Ok(raw.bytes),
                    Err(crate::git::ReadError::TooLarge { .. }) => {
                        Err(TreeError::TooLarge { path: path.clone(), limit: MAX_FILE })
                    }
                    Err(source) => Err(TreeError::Object { path: path.clone(), source }),
                }
            }
        }
    }

    /// The closed set of `wanted` files; rendering sees these and nothing else.
    pub fn close(self, wanted: &BTreeSet<RepoPath>) -> Result<Sources<O>, TreeError> {
        let mut files = BTreeMap::new();
        let mut left = MAX_FILES;
        for path in wanted {
            let bytes = self.read(path)?;
            let too_much = || TreeError::TooMuch { path: path.clone(), limit: MAX_FILES };
            left = left.checked_sub(bytes.len()).ok_or_else(too_much)?;
            files.insert(path.clone(), bytes);
        }
        Ok(Sources { files, origin: self.origin })
    }
}

/// A closed set of files with their origin; encrypted ones still are.
pub struct Sources<O: Origin> {
    files: BTreeMap<RepoPath, Vec<u8>>,
    origin: O,
}

impl Sources<Signed> {
    /// Refuses a change to one of these files by somebody who may not change the applied folder, though it lies outside:
    /// what a base of that folder says is what the folder says.
    pub fn judge_inputs(self) -> Result<Self, Box<Refusal>> {
        let Signed { commit, judged, foreign, .. } = &self.origin;
        match foreign.first_of(self.files.keys()) {
            None => Ok(self),
            Some((path, fault)) => {
                Err(Box::new(Refusal::new(&fault, *commit, judged.clone(), &[path.as_str().to_owned()])))
            }
        }
    }
}

impl<O: Origin> Sources<O> {
    /// The files, and where they are from. The next stage alone can put them together again.
    pub(crate) fn into_parts(self) -> (BTreeMap<RepoPath, Vec<u8>>, O) {
        (self.files, self.origin)
    }
}
