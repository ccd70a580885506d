//! What was written: scalars with their style, comments in place, a position for everything.

/// Bounds on what is read, and what to do about a key that is there twice.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of text.
    pub bytes: usize,
    /// Levels of nesting, aliases expanded. The parser, and everything that walks a tree, recurses at most so deep.
    pub depth: usize,
    /// Values (keys included) over all documents, aliases counted as often as they are used.
    pub values: usize,
    /// What to do about a key that is there twice.
    pub duplicates: Duplicates,
}

impl Limits {
    /// For manifests: 5 MiB, 128 levels, 400,000 values.
    ///
    /// An object that the API server takes has below 1.5 MiB; 400,000 values take about 60 MiB of memory.
    pub const MANIFEST: Self = Self { bytes: 5 << 20, depth: 128, values: 400_000, duplicates: Duplicates::Refused };
}

/// What to do about a key that is there twice in one mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// An error that names both lines.
    Refused,
    /// Both entries are kept, in order.
    Kept,
}

/// A position; both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: only these have types other than text.
    Plain,
    /// `'...'`
    Single,
    /// `"..."`
    Double,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// What stands behind the `#`, to the end of the line.
    pub text: String,
    /// The `#`.
    pub at: Mark,
    /// Where it stands.
    pub placement: Placement,
}

/// Where a comment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// On a line of its own.
    Own,
    /// Behind something on the same line.
    Behind,
}

/// A value as it was written, aliases replaced by what they name.
///
/// Not `Debug`: a decrypted file is read with this too.
#[derive(Clone)]
pub struct Raw {
    /// What it is.
    pub kind: Kind,
    /// The tag, in full (`tag:yaml.org,2002:str`, `!local`), where one was written.
    pub tag: Option<Box<str>>,
    /// Where it stands.
    pub at: Mark,
}

/// A value's kind.
#[derive(Clone)]
pub enum Kind {
    /// A scalar, escapes resolved; a value left out (`a:`) is an empty plain scalar.
    Scalar {
        /// Its text.
        text: String,
        /// How it was written.
        style: Style,
    },
    /// A sequence.
    List(Vec<Item>),
    /// A mapping.
    Map(Vec<Entry>),
}

/// A line of a sequence.
#[derive(Clone)]
pub enum Item {
    /// A comment.
    Comment(Comment),
    /// An element.
    Value(Raw),
}

/// A line of a mapping.
#[derive(Clone)]
pub enum Entry {
    /// A comment.
    Comment(Comment),
    /// A key, always a scalar, and its value.
    Pair(Raw, Raw),
}

/// A document.
pub struct RawDocument {
    /// Comments before the content.
    pub before: Vec<Comment>,
    /// The content; an empty plain scalar for an empty document.
    pub root: Raw,
    /// Comments behind the content.
    pub after: Vec<Comment>,
}
