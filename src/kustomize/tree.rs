//! A manifest in the making: leaves keep their text as written until the end, as replacements and labels see it.

use crate::model::yaml::{self, Entry, Item, Kind, Raw, Style, Typed};
use crate::model::{Map, Node, Number, Scalar, Value};
use crate::secret::Secret;

/// A value. Holds sealed leaves: neither `Debug` nor `Clone`.
pub enum Tree {
    /// A leaf.
    Leaf(Leaf),
    /// A sequence.
    List(Vec<Tree>),
    /// A mapping.
    Map(Fields),
}

/// A leaf: text with a type, or sealed text.
pub enum Leaf {
    /// Anybody may see it.
    Open {
        /// As written.
        text: String,
        /// Its type.
        tag: Tag,
    },
    /// Nobody may see it; always text.
    Sealed(Secret),
}

/// The type of a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// Text.
    Text,
    /// Text that was written in quotes or as a block.
    Quoted,
    /// Text put into a field made for it: what YAML takes it for in the end, unless a merge makes it a text before.
    Untyped,
    /// Null.
    Null,
    /// A boolean.
    Bool,
    /// An integer.
    Int,
    /// A float.
    Float,
    /// A date or a time.
    Time,
    /// Base64 of text.
    Binary,
}

impl Tree {
    /// A text leaf.
    pub fn text(text: impl Into<String>) -> Self {
        Tree::Leaf(Leaf::Open { text: text.into(), tag: Tag::Text })
    }

    /// A null that was written.
    pub fn null() -> Self {
        Tree::Leaf(Leaf::Open { text: "null".to_owned(), tag: Tag::Null })
    }

    /// A leaf whose type follows from its text, as a plain scalar's does.
    pub fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        let tag = match yaml::resolve(&text, Style::Plain, None) {
            Some(Typed::Null) => Tag::Null,
            Some(Typed::Bool(_)) => Tag::Bool,
            Some(Typed::Number(Number::Int(_) | Number::Uint(_))) if !text.contains(['.', 'e', 'E']) => Tag::Int,
            Some(Typed::Number(_) | Typed::NotFinite(_)) => Tag::Float,
            Some(Typed::Timestamp(_)) => Tag::Time,
            Some(Typed::Text(_) | Typed::Binary(_) | Typed::Merge) | None => Tag::Text,
        };
        Tree::Leaf(Leaf::Open { text, tag })
    }

    /// The text of an open leaf, whatever its type.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Tree::Leaf(Leaf::Open { text, .. }) => Some(text),
            Tree::Leaf(Leaf::Sealed(_)) | Tree::List(_) | Tree::Map(_) => None,
        }
    }

    /// The text of an open leaf that is a text.
    pub fn as_string(&self) -> Option<&str> {
        match self {
            Tree::Leaf(Leaf::Open { text, tag: Tag::Text | Tag::Quoted }) => Some(text),
            _ => None,
        }
    }

    /// The mapping, if it is one.
    pub fn as_map(&self) -> Option<&Fields> {
        match self {
            Tree::Map(map) => Some(map),
            Tree::Leaf(_) | Tree::List(_) => None,
        }
    }

    /// The mapping, if it is one.
    pub fn as_map_mut(&mut self) -> Option<&mut Fields> {
        match self {
            Tree::Map(map) => Some(map),
            Tree::Leaf(_) | Tree::List(_) => None,
        }
    }

    /// The elements, if it is a sequence.
    pub fn as_list(&self) -> Option<&[Tree]> {
        match self {
            Tree::List(list) => Some(list),
            Tree::Leaf(_) | Tree::Map(_) => None,
        }
    }

    /// Whether this is null, written or left out.
    pub fn is_null(&self) -> bool {
        matches!(self, Tree::Leaf(Leaf::Open { tag: Tag::Null, .. }))
    }

    /// Whether this is null, `{}`, or `[]`.
    pub fn is_empty(&self) -> bool {
        match self {
            Tree::Leaf(_) => self.is_null(),
            Tree::List(list) => list.is_empty(),
            Tree::Map(map) => map.0.is_empty(),
        }
    }

    /// The value of `key` in this mapping.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        self.as_map()?.get(key)
    }

    /// The node at `path`, by mapping keys only.
    pub fn at(&self, path: &[&str]) -> Option<&Tree> {
        path.iter().try_fold(self, |tree, key| tree.get(key))
    }

    /// What kind of node it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Tree::Leaf(_) => "a scalar",
            Tree::List(_) => "a list",
            Tree::Map(_) => "a mapping",
        }
    }

    /// A deep copy of the shape; sealed leaves are shared.
    #[must_use]
    pub fn share(&self) -> Self {
        match self {
            Tree::Leaf(leaf) => Tree::Leaf(leaf.share()),
            Tree::List(list) => Tree::List(list.iter().map(Tree::share).collect()),
            Tree::Map(map) => Tree::Map(map.share()),
        }
    }

    /// What was written.
    ///
    /// # Errors
    /// Where a key is not a text, a value does not fit its tag, or a merge key has no mapping.
    pub fn from_raw(raw: Raw) -> Result<Self, yaml::Error> {
        Self::read(raw, Keys::Texts)
    }

    /// The same of a patch, whose keys may be other scalars; see [`loose_key`].
    ///
    /// # Errors
    /// Where a value does not fit its tag, or a merge key has no mapping.
    pub fn from_raw_patch(raw: Raw) -> Result<Self, yaml::Error> {
        Self::read(raw, Keys::Loose)
    }

    fn read(raw: Raw, keys: Keys) -> Result<Self, yaml::Error> {
        let at = raw.at;
        match raw.kind {
            Kind::Scalar { text, style } => {
                let wrong = || yaml::Error::Tag { at, tag: raw.tag.as_deref().unwrap_or_default().to_owned() };
                let typed = yaml::resolve(&text, style, raw.tag.as_deref()).ok_or_else(wrong)?;
                let tag = match typed {
                    Typed::Null => Tag::Null,
                    Typed::Bool(_) => Tag::Bool,
                    Typed::Number(Number::Int(_) | Number::Uint(_)) if !text.contains(['.', 'e', 'E']) => Tag::Int,
                    Typed::Number(_) => Tag::Float,
                    Typed::NotFinite(_) => return Err(yaml::Error::Unserializable { at, what: "an infinite number" }),
                    Typed::Timestamp(_) => Tag::Time,
                    Typed::Text(_) if style != Style::Plain => Tag::Quoted,
                    Typed::Text(_) | Typed::Merge => Tag::Text,
                    Typed::Binary(text) => match Typed::Binary(text).value() {
                        Some(Value::Text(_)) => Tag::Binary,
                        _ => return Err(wrong()),
                    },
                };
                Ok(Tree::Leaf(Leaf::Open { text, tag }))
            }
            Kind::List(items) => {
                let elements = items.into_iter().filter_map(|item| match item {
                    Item::Comment(_) => None,
                    Item::Value(value) => Some(Tree::read(value, keys)),
                });
                elements.collect::<Result<_, _>>().map(Tree::List)
            }
            Kind::Map(entries) => Fields::read(entries, keys).map(Tree::Map),
        }
    }

    /// A value whose leaves are opened already.
    pub fn from_node(node: Node) -> Self {
        match node {
            Node::Scalar(Scalar::Sealed(secret)) => Tree::Leaf(Leaf::Sealed(secret)),
            Node::Scalar(Scalar::Open(value)) => {
                let (text, tag) = match value {
                    Value::Null => ("null".to_owned(), Tag::Null),
                    Value::Bool(truth) => (truth.to_string(), Tag::Bool),
                    Value::Number(Number::Int(number)) => (number.to_string(), Tag::Int),
                    Value::Number(Number::Uint(number)) => (number.to_string(), Tag::Int),
                    Value::Number(Number::Float(number)) => (format!("{number:?}"), Tag::Float),
                    Value::Text(text) => (text, Tag::Text),
                };
                Tree::Leaf(Leaf::Open { text, tag })
            }
            Node::List(list) => Tree::List(list.into_iter().map(Tree::from_node).collect()),
            Node::Map(map) => Tree::Map(map.into_iter().map(|(key, node)| (key, Tree::from_node(node))).collect()),
        }
    }

    /// Makes texts of leaves that have no type yet, as a strategic merge does.
    pub fn settle(&mut self) {
        match self {
            Tree::Leaf(Leaf::Open { tag: tag @ Tag::Untyped, .. }) => *tag = Tag::Quoted,
            Tree::Leaf(_) => {}
            Tree::List(list) => list.iter_mut().for_each(Tree::settle),
            Tree::Map(fields) => fields.iter_mut().for_each(|(_, value)| value.settle()),
        }
    }

    /// Whether a key in it is not a text.
    pub fn has_loose_keys(&self) -> bool {
        match self {
            Tree::Leaf(_) => false,
            Tree::List(list) => list.iter().any(Tree::has_loose_keys),
            Tree::Map(fields) => fields.iter().any(|(key, value)| key.starts_with(LOOSE) || value.has_loose_keys()),
        }
    }

    /// The values that JSON has; `None` where a text was put on a leaf of another type.
    pub fn into_node(self) -> Option<Node> {
        match self {
            Tree::Leaf(Leaf::Sealed(secret)) => Some(Node::Scalar(Scalar::Sealed(secret))),
            Tree::Leaf(Leaf::Open { text, tag }) => value(text, tag).map(|value| Node::Scalar(Scalar::Open(value))),
            Tree::List(list) => list.into_iter().map(Tree::into_node).collect::<Option<_>>().map(Node::List),
            Tree::Map(map) => {
                let entries = map.0.into_iter().map(|(key, tree)| tree.into_node().map(|node| (key, node)));
                entries.collect::<Option<Map>>().map(Node::Map)
            }
        }
    }
}

impl Leaf {
    /// This put in the place of `old`. What was in quotes stays so: a number put there is a text, as in kustomize.
    #[must_use]
    pub fn in_place_of(self, old: &Leaf) -> Self {
        let quoted = match old {
            Leaf::Open { tag: Tag::Quoted, .. } => true,
            // Written by a transformer, which puts quotes around what would be something else without them.
            Leaf::Open { tag: Tag::Text, text } => {
                !matches!(Tree::plain(text), Tree::Leaf(Leaf::Open { tag: Tag::Text, .. }))
            }
            Leaf::Open { .. } | Leaf::Sealed(_) => false,
        };
        match self {
            Leaf::Open { text, tag: Tag::Text | Tag::Quoted } => {
                Leaf::Open { text, tag: if quoted { Tag::Quoted } else { Tag::Text } }
            }
            Leaf::Open { text, tag: Tag::Int | Tag::Float | Tag::Bool | Tag::Time } if quoted => {
                Leaf::Open { text, tag: Tag::Quoted }
            }
            other @ (Leaf::Open { .. } | Leaf::Sealed(_)) => other,
        }
    }

    /// A second handle; sealed bytes are shared.
    #[must_use]
    pub fn share(&self) -> Self {
        match self {
            Leaf::Open { text, tag } => Leaf::Open { text: text.clone(), tag: *tag },
            Leaf::Sealed(secret) => Leaf::Sealed(secret.share()),
        }
    }
}

fn value(text: String, tag: Tag) -> Option<Value> {
    let name = match tag {
        Tag::Text | Tag::Quoted => return Some(Value::Text(text)),
        Tag::Null => "tag:yaml.org,2002:null",
        Tag::Untyped => return yaml::resolve(&text, Style::Plain, None)?.value(),
        Tag::Bool => "tag:yaml.org,2002:bool",
        Tag::Int => "tag:yaml.org,2002:int",
        Tag::Float => "tag:yaml.org,2002:float",
        Tag::Time => "tag:yaml.org,2002:timestamp",
        Tag::Binary => "tag:yaml.org,2002:binary",
    };
    yaml::resolve(&text, Style::Plain, Some(name))?.value()
}

/// Whether keys must be texts.
#[derive(Clone, Copy)]
enum Keys {
    Texts,
    Loose,
}

/// What a key of a patch begins with that is not a text. YAML can write it in a text (`"\0k"`), which is refused.
const LOOSE: char = '\0';

/// `key` as a patch has it where it is not a text there. It stands for the text in an object, and for nothing else.
pub fn loose_key(key: &str) -> String {
    format!("{LOOSE}{key}")
}

/// A mapping: keys in order, each once.
#[derive(Default)]
pub struct Fields(Vec<(String, Tree)>);

impl Fields {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, tree)| tree)
    }

    /// The value of `key`.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Tree> {
        self.0.iter_mut().find(|(name, _)| name == key).map(|(_, tree)| tree)
    }

    /// Sets `key`, in place where it is there already.
    pub fn set(&mut self, key: &str, tree: Tree) {
        match self.get_mut(key) {
            Some(slot) => *slot = tree,
            None => self.0.push((key.to_owned(), tree)),
        }
    }

    /// The value of `key`, made by `make` where it is missing.
    pub fn entry(&mut self, key: &str, make: impl FnOnce() -> Tree) -> &mut Tree {
        let at = self.0.iter().position(|(name, _)| name == key).unwrap_or_else(|| {
            self.0.push((key.to_owned(), make()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    /// Removes `key`.
    pub fn remove(&mut self, key: &str) -> Option<Tree> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    /// Entries in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tree)> {
        self.0.iter().map(|(key, tree)| (key.as_str(), tree))
    }

    /// Entries in order, values changeable.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Tree)> {
        self.0.iter_mut().map(|(key, tree)| (key.as_str(), tree))
    }

    /// Keeps the entries whose keys fit.
    pub fn retain(&mut self, fits: impl Fn(&str) -> bool) {
        self.0.retain(|(key, _)| fits(key));
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A deep copy of the shape.
    #[must_use]
    pub fn share(&self) -> Self {
        Self(self.0.iter().map(|(key, tree)| (key.clone(), tree.share())).collect())
    }

    fn read(entries: Vec<Entry>, keys: Keys) -> Result<Self, yaml::Error> {
        let mut own = Vec::with_capacity(entries.len());
        let mut merged = Vec::new();
        for entry in entries {
            let Entry::Pair(key, value) = entry else { continue };
            let name = match (yaml::typed_key(&key), keys) {
                (Err(yaml::Error::KeyNotText { key, .. }), Keys::Loose) => Some(loose_key(&key)),
                (Ok(Some(name)), _) if name.starts_with(LOOSE) => {
                    return Err(yaml::Error::Unserializable { at: key.at, what: "a key that begins with a NUL" });
                }
                (read, _) => read?,
            };
            match name {
                Some(name) => own.push((name, Tree::read(value, keys)?)),
                None => merged.push(value),
            }
        }
        if merged.is_empty() {
            return Ok(Self(own));
        }
        let mut taken: std::collections::HashSet<String> = own.iter().map(|(name, _)| name.clone()).collect();
        for value in merged {
            for source in yaml::merge_sources(value)? {
                for (name, tree) in Self::read(source, keys)? {
                    // What is there already wins: own keys over merged ones, earlier sources over later ones.
                    if taken.insert(name.clone()) {
                        own.push((name, tree));
                    }
                }
            }
        }
        Ok(Self(own))
    }
}

impl FromIterator<(String, Tree)> for Fields {
    /// From entries whose keys are known to be different.
    fn from_iter<I: IntoIterator<Item = (String, Tree)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl IntoIterator for Fields {
    type Item = (String, Tree);
    type IntoIter = std::vec::IntoIter<(String, Tree)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
