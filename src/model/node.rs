//! Ordered trees.

use super::scalar::{Scalar, Value};

/// A document or a part of one. Not `Debug`, not `Clone`: a leaf may be sealed.
pub enum Node {
    /// A leaf.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping.
    Map(Map),
}

impl Node {
    /// An open text leaf.
    pub fn text(text: impl Into<String>) -> Self {
        Node::Scalar(Scalar::Open(Value::Text(text.into())))
    }

    /// The `null` leaf.
    pub fn null() -> Self {
        Node::Scalar(Scalar::Open(Value::Null))
    }

    /// The text of an open text leaf; `None` for everything else, sealed leaves included.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Node::Scalar(Scalar::Open(Value::Text(text))) => Some(text),
            _ => None,
        }
    }

    /// The mapping, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Node::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The mapping, if it is one.
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        match self {
            Node::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The elements, if it is a sequence.
    pub fn as_list(&self) -> Option<&[Node]> {
        match self {
            Node::List(list) => Some(list),
            _ => None,
        }
    }

    /// The elements, if it is a sequence.
    pub fn as_list_mut(&mut self) -> Option<&mut Vec<Node>> {
        match self {
            Node::List(list) => Some(list),
            _ => None,
        }
    }

    /// Whether this is the open `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Node::Scalar(Scalar::Open(Value::Null)))
    }

    /// How many bytes in it nobody knows: those of its sealed leaves.
    pub fn hidden(&self) -> usize {
        match self {
            Node::Scalar(Scalar::Sealed(secret)) => secret.hidden(),
            Node::Scalar(Scalar::Open(_)) => 0,
            Node::List(list) => list.iter().map(Node::hidden).sum(),
            Node::Map(map) => map.iter().map(|(_, node)| node.hidden()).sum(),
        }
    }

    /// A deep copy of the shape; sealed leaves are shared, never copied.
    #[must_use]
    pub fn share(&self) -> Self {
        match self {
            Node::Scalar(scalar) => Node::Scalar(scalar.share()),
            Node::List(list) => Node::List(list.iter().map(Node::share).collect()),
            Node::Map(map) => Node::Map(map.share()),
        }
    }

    /// The node at `path`, by mapping keys only.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.as_map()?.get(key))
    }
}

/// A mapping that keeps the order of insertion and holds each key once.
#[derive(Default)]
pub struct Map(Vec<(String, Node)>);

impl Map {
    /// An empty mapping.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The value of `key`.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.0.iter_mut().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// Sets `key`: in place where it is there already, at the end otherwise. The old value is returned.
    pub fn insert(&mut self, key: impl Into<String>, node: Node) -> Option<Node> {
        let key = key.into();
        if let Some(slot) = self.get_mut(&key) {
            return Some(std::mem::replace(slot, node));
        }
        self.0.push((key, node));
        None
    }

    /// Appends an entry whose key is known to be new (a reader that has checked for duplicates in linear time).
    pub fn push_unique(&mut self, key: String, node: Node) {
        debug_assert!(self.get(&key).is_none());
        self.0.push((key, node));
    }

    /// Removes `key`.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    /// Entries in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().map(|(key, node)| (key.as_str(), node))
    }

    /// Entries in order, values changeable.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Node)> {
        self.0.iter_mut().map(|(key, node)| (key.as_str(), node))
    }

    /// A deep copy of the shape; sealed leaves are shared.
    #[must_use]
    pub fn share(&self) -> Self {
        Self(self.0.iter().map(|(key, node)| (key.clone(), node.share())).collect())
    }
}

impl FromIterator<(String, Node)> for Map {
    /// From entries whose keys are known to be different.
    fn from_iter<I: IntoIterator<Item = (String, Node)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl IntoIterator for Map {
    type Item = (String, Node);
    type IntoIter = std::vec::IntoIter<(String, Node)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
