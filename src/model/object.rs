//! Kubernetes objects: a mapping with an identity.

use super::{Map, Node, RepoPath};

/// What names an object: group, version, kind, namespace, name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// API group; empty for the core group.
    pub group: String,
    /// API version, such as `v1`.
    pub version: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// Namespace, where the manifest has one.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl Key {
    /// `group/version`, or `version` in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

impl std::fmt::Display for Key {
    /// `Deployment/shop/web`, the form people read.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{}/{}", self.kind, namespace, self.name),
            None => write!(f, "{}/{}", self.kind, self.name),
        }
    }
}

/// Where in the repository something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: RepoPath,
    /// Line, counted from 1; 0 where unknown.
    pub line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line == 0 { write!(f, "{}", self.file) } else { write!(f, "{}:{}", self.file, self.line) }
    }
}

/// A Kubernetes object. Holds sealed leaves: not `Debug`, not `Clone`.
pub struct Object {
    body: Map,
    place: Place,
}

/// A mapping that is not a Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: not a Kubernetes object: `{field}` must be a plain non-empty text")]
pub struct ObjectError {
    /// Where it stands.
    pub place: Place,
    /// The field that is missing or of another type.
    pub field: &'static str,
}

impl Object {
    /// Reads the identity; it can always be read again afterwards.
    ///
    /// # Errors
    /// Where kind or metadata.name is missing, sealed or not a text. (An apiVersion that is missing is for the API server
    /// to refuse: rendering is no place to know which there are.)
    pub fn new(body: Map, place: Place) -> Result<Self, ObjectError> {
        for field in ["kind", "metadata.name"] {
            let path: Vec<&str> = field.split('.').collect();
            let found = path.iter().skip(1).try_fold(body.get(path[0]), |node, key| Some(node?.as_map()?.get(key)));
            if found.flatten().and_then(Node::as_text).is_none_or(str::is_empty) {
                return Err(ObjectError { place, field });
            }
        }
        Ok(Self { body, place })
    }

    /// The identity as it now stands.
    pub fn key(&self) -> Key {
        let text = |path: &[&str]| {
            let mut node = self.body.get(path[0]);
            for key in &path[1..] {
                node = node.and_then(Node::as_map).and_then(|map| map.get(key));
            }
            node.and_then(Node::as_text).map(str::to_owned)
        };
        let api_version = text(&["apiVersion"]).unwrap_or_default();
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        Key {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text(&["kind"]).unwrap_or_default(),
            namespace: text(&["metadata", "namespace"]).filter(|namespace| !namespace.is_empty()),
            name: text(&["metadata", "name"]).unwrap_or_default(),
        }
    }

    /// The manifest.
    pub fn body(&self) -> &Map {
        &self.body
    }

    /// The manifest, for transformers.
    pub fn body_mut(&mut self) -> &mut Map {
        &mut self.body
    }

    /// The same object; its secrets stay where they are and have two holders.
    #[must_use]
    pub fn share(&self) -> Self {
        Self { body: self.body.share(), place: self.place.clone() }
    }

    /// The manifest alone.
    pub fn into_body(self) -> Map {
        self.body
    }

    /// Where it came from.
    pub fn place(&self) -> &Place {
        &self.place
    }
}
