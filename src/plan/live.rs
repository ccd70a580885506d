//! What was found in the cluster. Metadata only.

use std::collections::BTreeMap;

use crate::model::Key;

use super::{Identity, Owner};

/// Where an object lives in the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Identity as the cluster has it: no namespace on cluster-scoped objects, always one on the others.
    pub key: Key,
    /// Resource in the path of the API, such as `deployments`.
    pub plural: String,
}

impl Target {
    /// Whether deleting it takes with it what nobody recorded, or what cannot be made again.
    pub fn cascades(&self) -> bool {
        super::fuse::cascades(&self.key)
    }
}

/// An object that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its UID.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// A number that stays the same while only its status changes, if its generation is counted.
    pub outline: Option<u64>,
    /// The Sync that its labels name.
    pub owner: Option<Owner>,
    /// Whether it carries Flux's `prune: disabled`.
    pub kept: bool,
    /// Whether it is on its way out already.
    pub deleting: bool,
}

/// A wanted object, and what exists of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Where it lives.
    pub target: Target,
    /// What is there now.
    pub existing: Option<Existing>,
}

/// A recorded object that is not wanted any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departed {
    /// The API server said that it does not exist.
    Gone,
    /// It exists.
    Present(Box<Located>),
    /// Nobody can tell, because the API server did not list its kind completely. It stays recorded.
    Unknown,
}

/// What was found in the cluster about what is wanted and what is recorded.
#[derive(Debug, Default)]
pub struct Live {
    wanted: BTreeMap<Key, Located>,
    departed: BTreeMap<Identity, Departed>,
}

impl Live {
    /// Says what was found about a wanted object, by the key its manifest has.
    pub fn found(&mut self, key: Key, located: Located) {
        self.wanted.insert(key, located);
    }

    /// Says what was found about a recorded object that is not wanted any more.
    pub fn left(&mut self, identity: Identity, departed: Departed) {
        self.departed.insert(identity, departed);
    }

    /// Takes wanted objects from owners that do not exist: they are as free as what nobody has labelled.
    pub fn disown(&mut self, exists: impl Fn(&Owner) -> bool) {
        for existing in self.wanted.values_mut().filter_map(|located| located.existing.as_mut()) {
            existing.owner = existing.owner.take().filter(&exists);
        }
    }

    /// What was found about a wanted object.
    pub fn of(&self, key: &Key) -> Option<&Located> {
        self.wanted.get(key)
    }

    /// What was found about a recorded object; what was not looked for is unknown.
    pub(super) fn departed(&self, identity: &Identity) -> &Departed {
        self.departed.get(identity).unwrap_or(&Departed::Unknown)
    }
}
