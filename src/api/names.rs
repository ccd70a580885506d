//! Names that several resources share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// API group of every resource here.
pub const GROUP: &str = "gitwarrant.io";

/// API version of every resource here.
pub const VERSION: &str = "v1alpha1";

/// Annotation on a Repository or Sync: a turn is wanted now. Any new value counts; it comes back as
/// `status.lastHandledRequestedAt`.
pub const REQUESTED_AT: &str = "gitwarrant.io/requestedAt";

/// Annotation on a Sync: the full id of the one commit at which the deletions that are held now may happen. It counts
/// once: what is held later has to be approved again.
pub const APPROVE_PRUNE: &str = "gitwarrant.io/approve-prune";

/// The name of an object beside this one; no reference crosses a namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct LocalName {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
