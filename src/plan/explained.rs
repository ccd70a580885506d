//! The codes of plans that are not made, explained.

use crate::model::Explained;

/// Every code for which nothing is changed in the cluster.
pub const EXPLAINED: [Explained; 3] = [
    Explained::new(
        "owned-by-another",
        "Another Sync owns an object that this one wants",
        "Both would write it at every turn, and the one that lets it go would delete it for the other",
        "remove the object from one of the two paths; who came first keeps it. To move it to another Sync without a gap, \
         annotate the object in the cluster with kustomize.toolkit.fluxcd.io/prune=disabled, move its manifest, and then set \
         its labels gitwarrant.io/sync-name and gitwarrant.io/sync-namespace to the new Sync. What belongs to a Sync that \
         was deleted is taken over by itself",
    ),
    Explained::new(
        "duplicate-object",
        "Two manifests are the same object in the cluster",
        "Each would undo the other, at every turn",
        "keep one of them; a namespace that is left out is the one the Sync gives",
    ),
    Explained::new(
        "not-surveyed",
        "A wanted object was not looked for in the cluster",
        "What is not known cannot be changed safely",
        "report it",
    ),
];
