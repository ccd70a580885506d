//! Plaintext that must not be seen: wiped when dropped, lent to closures, never printed, cloned, compared or serialised.

mod draft;

use std::sync::Arc;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

pub use draft::Draft;

/// Bytes that nobody may see.
///
/// There is deliberately no `Debug`, `Display`, `Clone`, `PartialEq` or `Serialize`, here or on anything that holds one.
/// [`Secret::expose`] may be called only in the files that `tests/architecture.rs` lists.
pub struct Secret {
    plain: Arc<Zeroizing<Vec<u8>>>,
    /// How many of the bytes nobody knows: less than all where it was joined from parts, some of which anybody may see.
    hidden: usize,
}

impl Secret {
    /// Takes ownership of `plain`; the caller keeps no copy.
    pub fn new(plain: Vec<u8>) -> Self {
        let hidden = plain.len();
        Self { plain: Arc::new(Zeroizing::new(plain)), hidden }
    }

    /// Lends the plaintext to `look`.
    ///
    /// What `look` returns must itself be sealed or harmless.
    pub fn expose<R>(&self, look: impl FnOnce(&[u8]) -> R) -> R {
        look(&self.plain)
    }

    /// How many bytes it has: for bounds on memory, and for nothing that is shown.
    pub fn size(&self) -> usize {
        self.plain.len()
    }

    /// How many of its bytes nobody knows: all of them, unless something else was said. For judging how well a hash of it
    /// keeps it, and for nothing that is shown.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// The same, of which nobody knows `hidden` bytes alone.
    #[must_use]
    pub fn hiding(self, hidden: usize) -> Self {
        Self { hidden, ..self }
    }

    /// A second handle on the same memory; nothing is copied.
    #[must_use]
    pub fn share(&self) -> Self {
        Self { plain: Arc::clone(&self.plain), hidden: self.hidden }
    }

    /// `parts` joined into one secret; the buffer is sized once, so no unwiped copy is left behind.
    pub fn join<'a>(parts: impl IntoIterator<Item = Part<'a>> + Clone) -> Self {
        let length = parts.clone().into_iter().map(|part| part.bytes().len()).sum();
        let hidden = parts.clone().into_iter().map(|part| part.hidden()).sum();
        let mut joined = Vec::with_capacity(length);
        for part in parts {
            joined.extend_from_slice(part.bytes());
        }
        Self::new(joined).hiding(hidden)
    }

    /// Whether both hold the same bytes, in time that depends on the length alone.
    pub fn same(&self, other: &Self) -> bool {
        self.plain.as_slice().ct_eq(other.plain.as_slice()).into()
    }
}

/// One part of a joined secret.
#[derive(Clone, Copy)]
pub enum Part<'a> {
    /// Text that anybody may see.
    Open(&'a [u8]),
    /// Text that nobody may see.
    Sealed(&'a Secret),
}

impl Part<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Part::Open(bytes) => bytes,
            Part::Sealed(secret) => &secret.plain,
        }
    }

    fn hidden(&self) -> usize {
        match self {
            Part::Open(_) => 0,
            Part::Sealed(secret) => secret.hidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, Secret};

    #[test]
    fn joining_open_and_sealed_text_keeps_their_order() {
        let sealed = Secret::new(b"hunter2".to_vec());
        let joined = Secret::join([Part::Open(b"password="), Part::Sealed(&sealed), Part::Open(b";")]);
        joined.expose(|plain| assert_eq!(plain, b"password=hunter2;"));
        assert_eq!((joined.size(), joined.hidden(), joined.share().hidden()), (17, 7, 7));
    }

    #[test]
    fn sameness_is_by_bytes() {
        let one = Secret::new(b"a".to_vec());
        assert!(one.same(&one.share()));
        assert!(!one.same(&Secret::new(b"b".to_vec())));
    }
}
