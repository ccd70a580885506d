//! The seam to repositories elsewhere: what they offer, and the packs they send.

use std::io::BufRead;

use super::{Algorithm, Error, Oid};

/// A repository elsewhere.
///
/// Implemented over HTTPS and SSH by [`super::Connection`], and for tests by [`super::Canned`]. Calls block: run them where that is
/// allowed. What comes back is not believed by anybody.
pub trait Transport: Send + Sync {
    /// The address, for messages.
    fn url(&self) -> &str;

    /// The hash function of the repository, and the reference of exactly this full name, if it is offered.
    ///
    /// # Errors
    /// [`Error::Empty`] where nothing at all is offered.
    fn look(&self, name: &str) -> Result<(Algorithm, Option<Offer>), Error>;

    /// The hash function of the repository, and all its tags.
    fn tags(&self) -> Result<(Algorithm, Vec<Offer>), Error>;

    /// Asks for `want` and all that it needs, less all that `have` needs, and lends the pack to `take`.
    fn fetch(&self, want: &Oid, have: &[Oid], take: &mut TakePack<'_>) -> Result<(), Error>;
}

/// Stores a pack.
pub type TakePack<'a> = dyn FnMut(&mut dyn BufRead) -> Result<(), Error> + 'a;

/// What a server says a reference points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Full name of the reference.
    pub name: String,
    /// What it points at: a commit, or an annotated tag.
    pub id: Oid,
}
