//! A history that may not be applied, and why.

use std::fmt;

use super::Reason;
use super::fault::Fault;
use super::verified::Judged;
use crate::git::Oid;

/// Why a head was refused. Its texts are escaped: they may come from whoever made the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    reason: Reason,
    fact: String,
    at: Option<Oid>,
    head: Oid,
    judged: Vec<Judged>,
    touched: Vec<String>,
}

impl Refusal {
    pub(super) fn new(fault: &Fault, head: Oid, judged: Vec<Judged>, touched: &[String]) -> Self {
        let fact = escape(&fault.fact);
        let touched = touched.iter().map(|path| escape(path)).collect();
        Self { reason: fault.reason, fact, at: fault.at, head, judged, touched }
    }

    /// Which rule is broken.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The stable word, such as `unsigned`.
    pub fn code(&self) -> &'static str {
        self.reason.code()
    }

    /// The commit or tag that breaks it, where one can be named.
    pub fn at(&self) -> Option<&Oid> {
        self.at.as_ref()
    }

    /// The head that was to be applied.
    pub fn head(&self) -> &Oid {
        &self.head
    }

    /// The commits that passed before, newest first.
    pub fn judged(&self) -> &[Judged] {
        &self.judged
    }

    /// Files that the refused commit changes against its first parent; escaped, and not all where there are many.
    pub fn touched(&self) -> &[String] {
        &self.touched
    }

    /// What was found, in one line.
    pub fn fact(&self) -> &str {
        &self.fact
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => write!(f, "commit {}: {}", at.short(), self.fact),
            None => f.write_str(&self.fact),
        }
    }
}

impl std::error::Error for Refusal {}

/// One line of plain characters: no terminal sequence, no line feed, no text that changes direction.
fn escape(text: &str) -> String {
    let plain = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().map(|c| if plain(c) { c.to_string() } else { c.escape_unicode().to_string() }).collect()
}
