//! Leaves.

use crate::secret::Secret;

/// A leaf of a document.
///
/// Not `Debug`, not `Clone`, not `PartialEq`: it may hold a [`Secret`].
pub enum Scalar {
    /// Anybody may see it.
    Open(Value),
    /// Nobody may see it. Always text once it is serialised (UTF-8 was checked when it was unsealed).
    Sealed(Secret),
}

impl Scalar {
    /// A second handle; sealed bytes are shared, not copied.
    #[must_use]
    pub fn share(&self) -> Self {
        match self {
            Scalar::Open(value) => Scalar::Open(value.clone()),
            Scalar::Sealed(secret) => Scalar::Sealed(secret.share()),
        }
    }
}

/// An open leaf with the type that JSON gives it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An integer or a float.
    Number(Number),
    /// Text.
    Text(String),
}

/// A JSON number as the API server reads it: an integer, or a float.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Fits `i64`.
    Int(i64),
    /// Above `i64::MAX`, fits `u64`.
    Uint(u64),
    /// Finite; anything else is refused when it is read.
    Float(f64),
}

impl Number {
    /// `float` as JSON has it: a whole number that an integer holds exactly is an integer.
    ///
    /// Source: Go's `encoding/json`, which writes `1.0` as `1`.
    pub fn of(float: f64) -> Self {
        // Up to 2^53 every whole float is exactly one integer.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        #[allow(clippy::cast_possible_truncation)] // whole and within 2^53
        if float.fract() == 0.0 && float.abs() <= EXACT && !(float == 0.0 && float.is_sign_negative()) {
            Number::Int(float as i64)
        } else {
            Number::Float(float)
        }
    }
}
