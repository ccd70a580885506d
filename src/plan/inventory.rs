//! What a Sync has created, or is about to.

use std::collections::BTreeMap;

use crate::model::Key;

/// What names an object in the cluster, whatever version it is written in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; `None` for cluster-scoped objects.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl From<&Key> for Identity {
    fn from(key: &Key) -> Self {
        Self {
            group: key.group.clone(),
            kind: key.kind.clone(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        }
    }
}

/// One recorded object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The object, in the version it was written in.
    pub key: Key,
    /// Its UID, once it is known to exist.
    pub uid: Option<String>,
    /// Whether it left the repository and the fuse held its deletion. Kept until somebody approves, or it is wanted
    /// again: at the next turn the fuse alone would see a larger inventory and let it pass.
    pub held: bool,
}

impl Entry {
    /// A record of an object whose deletion is not held.
    pub fn new(key: Key, uid: Option<String>) -> Self {
        Self { key, uid, held: false }
    }
}

/// What a Sync has created, or is about to; each object once, in a fixed order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory(BTreeMap<Identity, Entry>);

impl Inventory {
    /// Records an object. A known UID is not forgotten when the same object is recorded without one.
    pub fn record(&mut self, entry: Entry) {
        let identity = Identity::from(&entry.key);
        let known = self.0.get(&identity).and_then(|old| old.uid.clone());
        self.0.insert(identity, Entry { uid: entry.uid.or(known), ..entry });
    }

    /// Records an object that is about to be written. Where it does not exist it gets a UID that nobody knows yet: the
    /// one it had before would make it a stranger.
    pub fn expect(&mut self, entry: Entry) {
        self.0.insert(Identity::from(&entry.key), entry);
    }

    /// The record of an object.
    pub fn get(&self, identity: &Identity) -> Option<&Entry> {
        self.0.get(identity)
    }

    /// Every record, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.values()
    }

    /// Whether a deletion is held here that `before` did not hold.
    pub fn holds_more_than(&self, before: &Self) -> bool {
        let was_held = |identity| before.get(identity).is_some_and(|entry| entry.held);
        self.0.iter().any(|(identity, entry)| entry.held && !was_held(identity))
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Entry> for Inventory {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut inventory = Self::default();
        entries.into_iter().for_each(|entry| inventory.record(entry));
        inventory
    }
}
