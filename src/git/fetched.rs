//! What was fetched; nothing about it is believed yet.

use super::Oid;
use super::objects::Objects;

/// The commit a reference points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Full name of the reference, such as `refs/heads/main`.
    pub reference: String,
    /// The commit (a tag is followed to its target).
    pub head: Oid,
    /// The annotated tag object, where the reference points at one.
    pub tag: Option<Oid>,
}

/// Something fetched and not yet judged, with the objects it came with.
pub struct Fetched<T> {
    what: T,
    objects: Objects,
}

impl<T> Fetched<T> {
    /// Says that `what` was found among `objects`. Proves nothing.
    pub fn new(what: T, objects: Objects) -> Self {
        Self { what, objects }
    }

    /// What was found.
    pub fn what(&self) -> &T {
        &self.what
    }

    /// Where its objects are read.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Both parts.
    pub fn into_parts(self) -> (T, Objects) {
        (self.what, self.objects)
    }
}
