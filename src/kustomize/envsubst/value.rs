//! What variables hold, and what becomes of a text with them.

use std::collections::BTreeMap;

use crate::secret::{Part, Secret};

/// What a variable holds; neither `Debug` nor `Clone`.
pub enum Variable {
    /// Anybody may see it.
    Open(String),
    /// Nobody may see it; not empty.
    Sealed(Secret),
}

/// Variables by name.
#[derive(Default)]
pub struct Variables(BTreeMap<String, Variable>);

/// A name that no expression could use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a variable's name: letters, digits and `_` are expected, no digit first")]
pub struct BadName {
    /// What was found.
    pub name: String,
}

impl Variables {
    /// Adds one; a later one takes the place of an earlier one. Line ends in an open one are left out, as Flux does.
    ///
    /// # Errors
    /// Where the name is none.
    pub fn insert(&mut self, name: &str, variable: Variable) -> Result<(), BadName> {
        let good = name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
            && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
        if !good {
            return Err(BadName { name: name.to_owned() });
        }
        let variable = match variable {
            Variable::Open(text) => Variable::Open(text.replace('\n', "")),
            sealed @ Variable::Sealed(_) => sealed,
        };
        self.0.insert(name.to_owned(), variable);
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Variable> {
        self.0.get(name)
    }
}

/// A text with its variables in place; sealed as soon as one part of it is.
#[derive(Default)]
pub struct Joined(Vec<Piece>);

enum Piece {
    Open(String),
    Sealed(Secret),
}

impl Joined {
    pub(super) fn push(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Piece::Open(last)) => last.push_str(text),
            Some(Piece::Sealed(_)) | None => self.0.push(Piece::Open(text.to_owned())),
        }
    }

    pub(super) fn push_variable(&mut self, variable: &Variable) {
        match variable {
            Variable::Open(text) => self.push(text),
            Variable::Sealed(secret) => self.0.push(Piece::Sealed(secret.share())),
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        for piece in other.0 {
            match piece {
                Piece::Open(text) => self.push(&text),
                sealed @ Piece::Sealed(_) => self.0.push(sealed),
            }
        }
    }

    /// The text, or the sealed text.
    pub fn into_text(self) -> Result<String, Secret> {
        if self.0.iter().any(|piece| matches!(piece, Piece::Sealed(_))) {
            return Err(Secret::join(self.0.iter().map(|piece| match piece {
                Piece::Open(text) => Part::Open(text.as_bytes()),
                Piece::Sealed(secret) => Part::Sealed(secret),
            })));
        }
        let texts = self.0.into_iter().map(|piece| match piece {
            Piece::Open(text) => text,
            Piece::Sealed(_) => String::new(),
        });
        Ok(texts.collect())
    }
}
