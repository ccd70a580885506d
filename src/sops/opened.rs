//! Sources whose encrypted files have been opened.

use std::collections::BTreeMap;

use super::open::Warning;
use crate::model::{Node, RepoPath};
use crate::secret::Secret;
use crate::trust::Origin;

/// A file after unsealing.
pub enum File {
    /// It was not encrypted: its bytes as committed.
    Plain(Vec<u8>),
    /// It was encrypted, and its MAC held.
    Sealed(Contents),
}

/// What an encrypted file held; decrypted leaves are sealed, the `sops` block is gone.
pub enum Contents {
    /// YAML or JSON: its documents in order.
    Documents(Vec<Node>),
    /// dotenv or INI: `KEY` (INI: `section.key`) and value in order.
    Entries(Vec<(String, Secret)>),
    /// Binary.
    Blob(Secret),
}

/// A closed set of files, encrypted ones opened. Holds secrets: neither `Debug` nor `Clone`.
pub struct Opened<O: Origin> {
    files: BTreeMap<RepoPath, File>,
    texts: BTreeMap<RepoPath, Secret>,
    warnings: Vec<(RepoPath, Warning)>,
    origin: O,
}

impl<O: Origin> Opened<O> {
    /// Called by `unseal` when every MAC has held, and by nobody else.
    pub(super) fn new(
        files: BTreeMap<RepoPath, File>,
        texts: BTreeMap<RepoPath, Secret>,
        warnings: Vec<(RepoPath, Warning)>,
        origin: O,
    ) -> Self {
        Self { files, texts, warnings, origin }
    }

    /// What somebody should know about a file that was opened.
    pub fn warnings(&self) -> &[(RepoPath, Warning)] {
        &self.warnings
    }

    /// A file.
    pub fn file(&self, path: &RepoPath) -> Option<&File> {
        self.files.get(path)
    }

    /// The whole text of a file that was encrypted, as `sops decrypt` writes it: what a generator takes for the file.
    pub fn text(&self, path: &RepoPath) -> Option<&Secret> {
        self.texts.get(path)
    }

    /// Every path, in order of names.
    pub fn paths(&self) -> impl Iterator<Item = &RepoPath> {
        self.files.keys()
    }

    /// The origin, for the next stage.
    pub(crate) fn into_origin(self) -> O {
        self.origin
    }
}
