//! Whose an object is.

use std::fmt;

use crate::model::{Map, Node};

/// Label with the name of the Sync that owns an object.
pub const SYNC_NAME: &str = "gitwarrant.io/sync-name";

/// Label with the namespace of the Sync that owns an object.
pub const SYNC_NAMESPACE: &str = "gitwarrant.io/sync-namespace";

/// The Sync that owns an object. Both names fit a label's value: at most 63 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// Namespace of the Sync.
    pub namespace: String,
    /// Name of the Sync.
    pub name: String,
}

impl Owner {
    /// The label selector that finds what this Sync owns.
    pub fn selector(&self) -> String {
        format!("{SYNC_NAME}={},{SYNC_NAMESPACE}={}", self.name, self.namespace)
    }

    /// Writes the labels into a manifest whose labels, where there are any, are a mapping.
    pub(super) fn mark(&self, body: &mut Map) {
        let metadata = mapping(body, "metadata");
        let labels = mapping(metadata, "labels");
        labels.insert(SYNC_NAME, Node::text(self.name.clone()));
        labels.insert(SYNC_NAMESPACE, Node::text(self.namespace.clone()));
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sync/{}/{}", self.namespace, self.name)
    }
}

/// The mapping at `key`, made where there is none.
fn mapping<'a>(map: &'a mut Map, key: &str) -> &'a mut Map {
    if map.get(key).and_then(Node::as_map).is_none() {
        map.insert(key, Node::Map(Map::new()));
    }
    map.get_mut(key).and_then(Node::as_map_mut).expect("a mapping was put there")
}
