//! Conditions as kstatus and `kubectl wait` read them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One observation about a resource.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What is observed; see [`kind`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it is so.
    pub status: ConditionStatus,
    /// The `metadata.generation` this was observed at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed, RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// One stable CamelCase word.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

/// Whether it is so.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionStatus {
    /// It is.
    True,
    /// It is not.
    False,
    /// Nobody can tell.
    Unknown,
}

/// The types of condition in use.
pub mod kind {
    /// The cluster equals the newest commit, which is verified.
    pub const READY: &str = "Ready";
    /// A turn is under way or will be tried again by itself.
    pub const RECONCILING: &str = "Reconciling";
    /// Nothing will change until somebody edits something.
    pub const STALLED: &str = "Stalled";
    /// The newest commit passed every rule of `trust`.
    pub const VERIFIED: &str = "Verified";
    /// The view of the remote repository is not older than `maxStaleness`.
    pub const FRESH: &str = "Fresh";
    /// What was applied works.
    pub const HEALTHY: &str = "Healthy";
    /// What is applied would not be believed today: the policy has changed since. Present only where it is so.
    pub const DISTRUSTED: &str = "Distrusted";
    /// The agent's clock and the API server's differ. Present only where it is so.
    pub const CLOCK_SUSPECT: &str = "ClockSuspect";
}
