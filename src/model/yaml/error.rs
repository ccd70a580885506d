//! Why a text is not YAML that may be used.

use super::Mark;

/// A refusal, with line and column.
///
/// Names places and keys, never the text of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text breaks the grammar.
    #[error("{at}: not YAML: {what}")]
    Syntax {
        /// Where.
        at: Mark,
        /// The rule that is broken.
        what: String,
    },
    /// The text is longer than it may be.
    #[error("the text has {bytes} bytes; at most {limit} are read")]
    TooLarge {
        /// Bytes found.
        bytes: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Nested deeper than may be.
    #[error("{at}: nested deeper than {limit} levels")]
    TooDeep {
        /// Where the limit is crossed.
        at: Mark,
        /// Levels allowed.
        limit: usize,
    },
    /// More values than may be, aliases counted as often as they are used.
    #[error("{at}: more than {limit} values once aliases are expanded")]
    TooMany {
        /// Where the limit is crossed.
        at: Mark,
        /// Values allowed, over all documents.
        limit: usize,
    },
    /// A key is there twice.
    #[error("{at}: the key {key:?} is already set in line {first}")]
    DuplicateKey {
        /// The second one.
        at: Mark,
        /// The line of the first one.
        first: u32,
        /// The key.
        key: String,
    },
    /// A key is a list or a mapping.
    #[error("{at}: a key must be a plain value, not a list or a mapping")]
    ComplexKey {
        /// Where.
        at: Mark,
    },
    /// An alias inside of what it names.
    #[error("{at}: an alias refers to what it is a part of")]
    Cycle {
        /// The alias.
        at: Mark,
    },
    /// `---` with something behind it.
    #[error("{at}: only a comment may follow the document separator `---`")]
    Separator {
        /// Where.
        at: Mark,
    },
    /// A key that is not a text.
    #[error("{at}: a key must be a text; write {key:?} in quotes")]
    KeyNotText {
        /// Where.
        at: Mark,
        /// The key as written.
        key: String,
    },
    /// A value that JSON cannot express.
    #[error("{at}: {what} cannot be expressed in JSON")]
    Unserializable {
        /// Where.
        at: Mark,
        /// The kind of value.
        what: &'static str,
    },
    /// A value that contradicts its tag.
    #[error("{at}: the value does not fit its tag {tag}")]
    Tag {
        /// Where.
        at: Mark,
        /// The tag.
        tag: String,
    },
    /// A merge key (`<<`) over something that is not a mapping.
    #[error("{at}: the merge key `<<` takes a mapping or a list of mappings")]
    Merge {
        /// Where.
        at: Mark,
    },
}

impl Error {
    /// The stable word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Syntax { .. } | Error::Separator { .. } | Error::Merge { .. } => "malformed-yaml",
            Error::TooLarge { .. } | Error::TooDeep { .. } | Error::TooMany { .. } => "limit",
            Error::DuplicateKey { .. } => "duplicate-key",
            Error::Cycle { .. } => "cycle",
            Error::ComplexKey { .. } | Error::KeyNotText { .. } | Error::Unserializable { .. } | Error::Tag { .. } => {
                "unserializable-value"
            }
        }
    }

    /// The line, counted from 1; 0 where the whole text is meant.
    pub fn line(&self) -> usize {
        match self {
            Error::TooLarge { .. } => 0,
            Error::Syntax { at, .. }
            | Error::Separator { at }
            | Error::Merge { at }
            | Error::TooDeep { at, .. }
            | Error::TooMany { at, .. }
            | Error::DuplicateKey { at, .. }
            | Error::Cycle { at }
            | Error::ComplexKey { at }
            | Error::KeyNotText { at, .. }
            | Error::Unserializable { at, .. }
            | Error::Tag { at, .. } => at.line as usize,
        }
    }
}
