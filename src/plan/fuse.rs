//! When deletions are held.

use crate::model::Key;

/// What may be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prune {
    /// Nothing: the last good commit is brought again, and of what a newer one has recorded nothing changes.
    LastGood,
    /// Nothing: the Sync does not say `prune: true`. What left the repository stays recorded; where the fuse would hold it,
    /// it is recorded as held, so that saying `prune: true` one day deletes no more than it would have.
    Off,
    /// What left the repository, within the fuse.
    Fused,
    /// The same, and what is recorded as held already, whatever the fuse says of it: somebody has seen that and approved
    /// its deletion at exactly this commit.
    Approved,
}

/// A deletion that does not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The object.
    pub key: Key,
    /// Why.
    pub because: HeldBecause,
}

/// Why a deletion does not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBecause {
    /// The Sync does not prune, or a newer commit is held back.
    PruneOff,
    /// The live object says `prune: disabled`.
    ObjectSaysKeep,
    /// Deleting it takes with it what nobody recorded: namespaces, definitions, volumes.
    Cascades,
    /// Too much would go at once.
    TooMany,
    /// Nothing recorded would be left.
    Everything,
    /// An earlier turn held it, and nobody has approved since.
    HeldBefore,
    /// The API server did not list its kind completely.
    KindUnknown,
}

impl HeldBecause {
    /// Whether naming the commit in `gitwarrant.io/approve-prune` lets it happen.
    pub fn needs_approval(self) -> bool {
        match self {
            HeldBecause::Cascades | HeldBecause::TooMany | HeldBecause::Everything | HeldBecause::HeldBefore => true,
            HeldBecause::PruneOff | HeldBecause::ObjectSaysKeep | HeldBecause::KindUnknown => false,
        }
    }

    /// The reason as a stable word.
    pub fn code(self) -> &'static str {
        match self {
            HeldBecause::PruneOff => "prune-off",
            HeldBecause::ObjectSaysKeep => "object-says-keep",
            HeldBecause::Cascades => "cascades",
            HeldBecause::TooMany => "too-many",
            HeldBecause::Everything => "everything",
            HeldBecause::HeldBefore => "held-before",
            HeldBecause::KindUnknown => "kind-unknown",
        }
    }
}

/// So many deletions pass at any time.
const ALWAYS_PASS: usize = 10;

/// Why `going` of `recorded` objects may not go at once; `None` where they may.
pub(super) fn blown(going: usize, recorded: usize) -> Option<HeldBecause> {
    if going > 0 && going == recorded {
        return Some(HeldBecause::Everything);
    }
    (going > ALWAYS_PASS && going * 2 > recorded).then_some(HeldBecause::TooMany)
}

/// Whether deleting `key` takes with it what nobody recorded, or what cannot be made again.
pub(super) fn cascades(key: &Key) -> bool {
    matches!(
        (key.group.as_str(), key.kind.as_str()),
        ("", "Namespace" | "PersistentVolumeClaim" | "PersistentVolume")
            | ("apiextensions.k8s.io", "CustomResourceDefinition")
    )
}

#[cfg(test)]
mod tests {
    use super::{HeldBecause, blown};

    #[test]
    fn the_fuse_blows_above_ten_objects_and_half() {
        assert_eq!(blown(10, 11), None);
        assert_eq!(blown(11, 22), None);
        assert_eq!(blown(11, 21), Some(HeldBecause::TooMany));
    }

    #[test]
    fn the_last_object_never_goes_by_itself() {
        assert_eq!(blown(0, 0), None);
        assert_eq!(blown(1, 1), Some(HeldBecause::Everything));
        assert_eq!(blown(1, 2), None);
    }
}
