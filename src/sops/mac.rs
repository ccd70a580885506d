//! The message authentication code over all values of a file.

use sha2::{Digest, Sha512};

use super::metadata::MacCovers;
use crate::secret::Secret;

/// The hash that grows leaf by leaf, in the order of the file, over all its documents.
pub(super) struct Mac {
    hash: Sha512,
    covers: MacCovers,
}

/// `sha256("sops")`: keeps the two ways of computing apart.
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b, 0x0b, 0x97, 0x5b,
    0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

impl Mac {
    pub(super) fn new(covers: MacCovers) -> Self {
        let mut hash = Sha512::new();
        match covers {
            MacCovers::Everything => {}
            MacCovers::Encrypted => hash.update(ONLY_ENCRYPTED),
        }
        Self { hash, covers }
    }

    /// A leaf that is encrypted in the file.
    pub(super) fn encrypted(&mut self, value: &Secret) {
        value.expose(|bytes| self.hash.update(bytes));
    }

    /// A leaf that is in clear in the file.
    pub(super) fn open(&mut self, value: &[u8]) {
        match self.covers {
            MacCovers::Everything => self.hash.update(value),
            MacCovers::Encrypted => {}
        }
    }

    /// The code, as sops writes it: upper-case hexadecimal.
    pub(super) fn finish(self) -> Secret {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let digits = self
            .hash
            .finalize()
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|digit| DIGITS[usize::from(digit)])
            .collect();
        Secret::new(digits)
    }
}
