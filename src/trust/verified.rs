//! The proof that a commit may be applied. It carries what it is about.

use super::foreign::Foreign;
use super::sources::{Signed, Tree};
use super::tree::Blobs;
use crate::git::{Commit, Objects, Oid};

/// How a commit was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureKind {
    /// OpenPGP.
    Pgp,
    /// SSH (SSHSIG).
    Ssh,
}

/// One commit that was judged and passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The commit.
    pub id: Oid,
    /// The principal whose key signed it.
    pub signer: String,
    /// Fingerprint of that key: `SHA256:…` for SSH, hexadecimal for OpenPGP.
    pub key: String,
    /// How it was signed.
    pub kind: SignatureKind,
}

/// Something every rule has passed. The only constructor is the end of [`crate::trust::verify`].
pub struct Verified<T> {
    what: T,
    blobs: Blobs,
    objects: Objects,
    judged: Vec<Judged>,
    foreign: Foreign,
    policy: String,
}

impl Verified<Commit> {
    /// Called by `verify` when every rule has passed, and by nobody else.
    pub(super) fn prove(
        what: Commit,
        blobs: Blobs,
        objects: Objects,
        judged: Vec<Judged>,
        foreign: Foreign,
        policy: String,
    ) -> Self {
        Self { what, blobs, objects, judged, foreign, policy }
    }

    /// The commit.
    pub fn commit(&self) -> &Commit {
        &self.what
    }

    /// Every commit that was judged on the way, head first.
    pub fn judged(&self) -> &[Judged] {
        &self.judged
    }

    /// Digest of the policy it was judged by.
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// Its files, with what was proved about them.
    pub fn into_tree(self) -> Tree<Signed> {
        Tree::signed(self)
    }

    /// The files, how their content is reached, and what else was proved.
    pub(super) fn into_parts(self) -> (Blobs, Objects, Signed) {
        let Self { what, blobs, objects, judged, foreign, policy } = self;
        (blobs, objects, Signed::new(what, judged, foreign, policy))
    }
}
