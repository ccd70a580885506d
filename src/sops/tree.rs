//! Encrypted documents: ordered, comments kept, because selectors look at them and sops writes them out again.

use crate::model::Value;
use crate::secret::Secret;

/// A mapping: comments and pairs in order. A document is one.
pub(super) type Branch = Vec<Entry>;

/// A line of a mapping.
pub(super) enum Entry {
    Comment(Comment),
    Pair { key: String, value: Tree },
}

/// A line of a list.
pub(super) enum Element {
    Comment(Comment),
    Value(Tree),
}

/// A part of a document. Holds sealed leaves: neither `Debug` nor `Clone`.
pub(super) enum Tree {
    Leaf(Leaf),
    List(Vec<Element>),
    Map(Branch),
}

/// A comment; one line, without the sign that begins it.
pub(super) struct Comment {
    pub(super) text: Text,
    /// It stands behind the value that follows it here.
    pub(super) inline: bool,
}

/// Text that was in clear in the file, or that was decrypted.
pub(super) enum Text {
    Open(String),
    Sealed(Secret),
}

/// A leaf.
pub(super) enum Leaf {
    /// As it stands in the file.
    Open(Plain),
    /// Decrypted.
    Sealed(Sealed),
}

/// A leaf in clear, with the type that sops gives it.
#[derive(Clone)]
pub(super) struct Plain {
    pub(super) typed: Typed,
    /// The same leaf as a manifest's reader has it, where that differs (floats that are whole, dates).
    pub(super) read: Option<Value>,
}

/// The types of sops.
#[derive(Clone)]
pub(super) enum Typed {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// Text that is not UTF-8: in YAML base64 with its tag.
    Bytes(Vec<u8>),
    /// RFC 3339, with as many digits of the second as there are.
    Time(String),
}

/// A decrypted leaf: its bytes in the form that is hashed, and the type it claims (which nothing authenticates).
pub(super) struct Sealed {
    pub(super) text: Secret,
    pub(super) kind: Kind,
}

/// The type that an envelope claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `str`
    Text,
    /// `int`
    Int,
    /// `float`
    Float,
    /// `bool`
    Bool,
    /// `time`
    Time,
}

impl Kind {
    /// The word that claims it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Text => "str",
            Kind::Int => "int",
            Kind::Float => "float",
            Kind::Bool => "bool",
            Kind::Time => "time",
        }
    }
}

impl Tree {
    /// A truth value in clear.
    pub(super) fn truth(truth: bool) -> Self {
        Tree::Leaf(Leaf::Open(Plain { typed: Typed::Bool(truth), read: None }))
    }

    /// A whole number in clear.
    pub(super) fn number(number: i64) -> Self {
        Tree::Leaf(Leaf::Open(Plain { typed: Typed::Int(number), read: None }))
    }

    /// A text leaf in clear.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Tree::Leaf(Leaf::Open(Plain { typed: Typed::Text(text.into()), read: None }))
    }

    /// The text, if it is a text leaf in clear.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Tree::Leaf(Leaf::Open(Plain { typed: Typed::Text(text), .. })) => Some(text),
            _ => None,
        }
    }
}

impl Comment {
    /// A comment in clear.
    pub(super) fn open(text: impl Into<String>, inline: bool) -> Self {
        Self { text: Text::Open(text.into()), inline }
    }
}

/// A second one of a part that holds nothing sealed and no comments, as metadata does.
pub(super) fn copy_open(branch: &Branch) -> Branch {
    fn copy(tree: &Tree) -> Option<Tree> {
        Some(match tree {
            Tree::Leaf(Leaf::Open(plain)) => Tree::Leaf(Leaf::Open(plain.clone())),
            Tree::Leaf(Leaf::Sealed(_)) => return None,
            Tree::List(list) => Tree::List(values(list).filter_map(copy).map(Element::Value).collect()),
            Tree::Map(map) => Tree::Map(copy_open(map)),
        })
    }
    let copies =
        pairs(branch).filter_map(|(key, value)| Some(Entry::Pair { key: key.to_owned(), value: copy(value)? }));
    copies.collect()
}

/// The value of `key` in `branch`.
pub(super) fn lookup<'a>(branch: &'a Branch, key: &str) -> Option<&'a Tree> {
    branch.iter().find_map(|entry| match entry {
        Entry::Pair { key: name, value } if name == key => Some(value),
        Entry::Pair { .. } | Entry::Comment(_) => None,
    })
}

/// Takes `key` out of `branch`.
pub(super) fn take(branch: &mut Branch, key: &str) -> Option<Tree> {
    let at = branch.iter().position(|entry| matches!(entry, Entry::Pair { key: name, .. } if name == key))?;
    match branch.remove(at) {
        Entry::Pair { value, .. } => Some(value),
        Entry::Comment(_) => None,
    }
}

/// Whether two parts say the same; comments and places count for nothing, sealed leaves are never the same.
pub(super) fn same(one: &Tree, other: &Tree) -> bool {
    match (one, other) {
        (Tree::Leaf(Leaf::Open(one)), Tree::Leaf(Leaf::Open(other))) => same_leaf(&one.typed, &other.typed),
        (Tree::List(one), Tree::List(other)) => {
            let (mut one, mut other) = (values(one), values(other));
            loop {
                match (one.next(), other.next()) {
                    (None, None) => return true,
                    (Some(one), Some(other)) if same(one, other) => {}
                    _ => return false,
                }
            }
        }
        (Tree::Map(one), Tree::Map(other)) => {
            pairs(one).count() == pairs(other).count()
                && pairs(one).zip(pairs(other)).all(|((key, value), (name, found))| key == name && same(value, found))
        }
        _ => false,
    }
}

fn same_leaf(one: &Typed, other: &Typed) -> bool {
    match (one, other) {
        (Typed::Null, Typed::Null) => true,
        (Typed::Bool(one), Typed::Bool(other)) => one == other,
        (Typed::Int(one), Typed::Int(other)) => one == other,
        (Typed::Float(one), Typed::Float(other)) => one.to_bits() == other.to_bits(),
        (Typed::Text(one), Typed::Text(other)) | (Typed::Time(one), Typed::Time(other)) => one == other,
        (Typed::Bytes(one), Typed::Bytes(other)) => one == other,
        _ => false,
    }
}

/// The elements without the comments.
pub(super) fn values(list: &[Element]) -> impl Iterator<Item = &Tree> {
    list.iter().filter_map(|element| match element {
        Element::Comment(_) => None,
        Element::Value(value) => Some(value),
    })
}

/// The pairs without the comments.
pub(super) fn pairs(branch: &Branch) -> impl Iterator<Item = (&str, &Tree)> {
    branch.iter().filter_map(|entry| match entry {
        Entry::Comment(_) => None,
        Entry::Pair { key, value } => Some((key.as_str(), value)),
    })
}
