//! The long help for a code.

/// What a code means, why it matters and what to do; for people at a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explained {
    /// The stable word, such as `mac-mismatch`.
    pub code: &'static str,
    /// What it says, as a sentence without a full stop.
    pub what: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl Explained {
    /// One row of a table.
    pub const fn new(code: &'static str, what: &'static str, why: &'static str, remedy: &'static str) -> Self {
        Self { code, what, why, remedy }
    }
}
