//! `Repository.spec.trust`: who is believed.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;

/// Who is believed, and from where on. Nothing in it can be left to chance: what is missing, unknown or half-read
/// refuses everything.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("has(self.signers) || (has(self.signersFrom) && size(self.signersFrom) > 0) || has(self.inRepository)")
        .message("somebody must be trusted: give signers, signersFrom or inRepository")
)]
pub struct Trust {
    /// Full id of the pinned commit: everything is judged from here on, all history must descend from it.
    #[schemars(regex(pattern = "^([0-9a-f]{40}|[0-9a-f]{64})$"))]
    pub root: String,
    /// Signers written here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signers: Option<Signers>,
    /// Signers from ConfigMaps in the agent's namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub signers_from: Vec<SignersFrom>,
    /// Signers from a file of the repository, judged by all parents of a commit; the cluster's revocations override it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_repository: Option<InRepository>,
    /// Which commits must be signed.
    #[serde(default)]
    pub mode: Mode,
    /// Principals who may sign the head; anybody listed where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub promoters: Vec<String>,
    /// How many distinct principals must have signed the identical tree; an approval is an empty signed commit.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub threshold: u32,
    /// The first rule that matches a path decides who may change it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub path_rules: Vec<PathRule>,
    /// Forge keys: they may sign mechanical two-parent merges and nothing else. What they bring in is judged commit by
    /// commit in every mode but `Tag`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub merge_only: Vec<String>,
    /// Whether the committer's address must be the principal.
    #[serde(default)]
    pub bind_committer: bool,
    /// Nobody of these, whatever any file says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub revoked_principals: Vec<String>,
    /// Principals whose security keys may sign without touch; everybody else's must show user presence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub no_touch_allowed: Vec<String>,
    /// One exact older commit that may be gone back to, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^([0-9a-f]{40}|[0-9a-f]{64})$"))]
    pub rollback_to: Option<String>,
    /// How far a commit's date may lie ahead of the agent's clock.
    #[serde(default = "one_hour")]
    pub max_future_skew: Duration,
    /// How far a commit's date may lie before a parent's.
    #[serde(default = "one_day")]
    pub max_backward_skew: Duration,
    /// After how long without a newer verified commit or an answer of the remote the view counts as stale.
    #[serde(default = "one_day")]
    pub max_staleness: Duration,
}

/// Which commits must be signed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Every one that is reachable and new.
    #[default]
    EveryCommit,
    /// Those on the first-parent line: a signed merge vouches for what it brings in.
    FirstParent,
    /// The head alone.
    Head,
    /// The signed tag alone.
    Tag,
}

/// Signers written into the resource.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("has(self.allowedSigners) || (has(self.openpgp) && size(self.openpgp) > 0) || has(self.revoked)")
        .message("signers is empty: give allowedSigners, openpgp or revoked")
)]
pub struct Signers {
    /// Text of an allowed_signers file, as in ssh-keygen(1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 524_288))]
    pub allowed_signers: Option<String>,
    /// OpenPGP certificates, and whose they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub openpgp: Vec<Certificate>,
    /// Keys that are withdrawn: public keys, one a line, or an armored key revocation list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 524_288))]
    pub revoked: Option<String>,
}

/// An OpenPGP certificate, and whose it is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificate {
    /// Whose it is; user ids in the certificate are display only.
    #[schemars(length(min = 1, max = 256))]
    pub principal: String,
    /// The certificate, armored.
    #[schemars(length(min = 1, max = 524_288))]
    pub certificate: String,
}

/// A ConfigMap in the agent's namespace with keys `allowed_signers`, `PRINCIPAL.asc` and `revoked`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignersFrom {
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    #[serde(deserialize_with = "super::names::object_name")]
    pub config_map: String,
}

/// A signers file in the repository.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InRepository {
    /// Its path.
    #[schemars(length(min = 1, max = 1024))]
    pub path: String,
}

/// Who may change what.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PathRule {
    /// Patterns of paths.
    #[schemars(length(min = 1, max = 256))]
    pub paths: Vec<String>,
    /// Principals who may change them.
    #[schemars(length(min = 1, max = 1024))]
    pub signers: Vec<String>,
}

const fn one() -> u32 {
    1
}

const fn one_hour() -> Duration {
    Duration::from_secs(3600)
}

const fn one_day() -> Duration {
    Duration::from_secs(86_400)
}
