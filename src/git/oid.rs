//! Object ids.

use std::fmt;
use std::str::FromStr;

/// The hash a repository is built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// 20 bytes, collision-detecting.
    Sha1,
    /// 32 bytes.
    Sha256,
}

/// The full id of a Git object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Oid {
    /// SHA-1 repository.
    Sha1([u8; 20]),
    /// SHA-256 repository.
    Sha256([u8; 32]),
}

/// A text that is not a full object id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a full object id: 40 or 64 lower-case hexadecimal digits are expected")]
pub struct OidError {
    /// The text as it stood.
    pub text: String,
}

impl Oid {
    /// The id made of these raw bytes; `None` unless there are 20 or 32.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.len() {
            20 => Some(Oid::Sha1(bytes.try_into().ok()?)),
            32 => Some(Oid::Sha256(bytes.try_into().ok()?)),
            _ => None,
        }
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Oid::Sha1(bytes) => bytes,
            Oid::Sha256(bytes) => bytes,
        }
    }

    /// The hash it was made with.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Oid::Sha1(_) => Algorithm::Sha1,
            Oid::Sha256(_) => Algorithm::Sha256,
        }
    }

    /// The first seven digits, for people.
    pub fn short(&self) -> String {
        self.to_string().chars().take(7).collect()
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Oid {
    type Err = OidError;

    fn from_str(text: &str) -> Result<Self, OidError> {
        let refuse = || OidError { text: text.chars().take(80).collect() };
        let digits = text.as_bytes();
        if !matches!(digits.len(), 40 | 64) || !digits.iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(refuse());
        }
        let value = |c: u8| if c.is_ascii_digit() { c - b'0' } else { c - b'a' + 10 };
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect();
        Oid::from_bytes(&bytes).ok_or_else(refuse)
    }
}

#[cfg(test)]
mod tests {
    use super::Oid;

    #[test]
    fn ids_are_full_and_lower_case() {
        let text = "4f1c2d9e00112233445566778899aabbccddeeff";
        assert_eq!(text.parse::<Oid>().unwrap().to_string(), text);
        for bad in ["4f1c2d9", "4F1C2D9E00112233445566778899AABBCCDDEEFF", ""] {
            assert!(bad.parse::<Oid>().is_err());
        }
    }
}
