//! `Sync`: what of a Repository is applied where, by whom. Namespaced; teams write it.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CommonMetadata, Condition, Duration, Image, LocalName, Patch, PostBuild};

/// What of a repository is applied where, and with whose rights.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "gitwarrant.io",
    version = "v1alpha1",
    kind = "Sync",
    namespaced,
    plural = "syncs",
    shortname = "gwsync",
    category = "gitwarrant",
    status = "SyncStatus",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 63")
        .message("name must have at most 63 characters: it becomes a label of everything this Sync owns"),
    doc = "What of a Repository is applied where, and with whose rights. Teams write it.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.lastAppliedRevision"),
    printcolumn(name = "Signer", type_ = "string", json_path = ".status.signer"),
    printcolumn(name = "Fresh", type_ = "string", json_path = ".status.conditions[?(@.type==\"Fresh\")].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1)
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("duration(self.interval) >= duration('1s')")
        .message("interval must be at least 1s")
        .field_path(".interval"),
    validation = Rule::new("!self.path.startsWith('/') && !self.path.split('/').exists(part, part == '..')")
        .message("path must stay inside the repository: relative, without `..`")
        .field_path(".path"),
    validation = Rule::new("!has(self.dependsOn) || self.dependsOn.all(one, self.dependsOn.exists_one(other, other.name == one.name))")
        .message("dependsOn names a Sync twice")
        .field_path(".dependsOn")
)]
pub struct SyncSpec {
    /// Name of the Repository; it must allow this namespace.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    #[serde(deserialize_with = "super::names::object_name")]
    pub repository: String,
    /// Folder in the repository that is rendered, such as `./clusters/prod`.
    #[schemars(length(min = 1, max = 1024))]
    pub path: String,
    /// How often drift is looked for.
    #[serde(default = "five_minutes")]
    pub interval: Duration,
    /// How soon a turn that may work later is tried again: first after this, 5s where it is absent, then twice as late each
    /// time, up to `interval`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_interval: Option<Duration>,
    /// How long one turn may take, waiting for health included.
    #[serde(default = "five_minutes")]
    pub timeout: Duration,
    /// Whether what left the repository is deleted.
    #[serde(default)]
    pub prune: bool,
    /// Whether this Sync rests.
    #[serde(default)]
    pub suspend: bool,
    /// Whether a turn ends only when what was applied works.
    #[serde(default)]
    pub wait: bool,
    /// Syncs of this namespace that must be Ready at the same commit first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub depends_on: Vec<LocalName>,
    /// ServiceAccount of this namespace whose rights are used for every request; the namespace's `default` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: Option<String>,
    /// With which keys encrypted files are opened; without it an encrypted file refuses the commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decryption: Option<Decryption>,
    /// Namespace of every object that has one, in the place of what the kustomization says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub target_namespace: Option<String>,
    /// What every name begins with, in the place of what the kustomization says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub name_prefix: Option<String>,
    /// What every name ends with, in the place of what the kustomization says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub name_suffix: Option<String>,
    /// Patches after those of the kustomization.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub patches: Vec<Patch>,
    /// Images, in the place of those of the same name in the kustomization.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub images: Vec<Image>,
    /// Folders of components, relative to `path`, after those of the kustomization.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub components: Vec<String>,
    /// Labels and annotations that every object gets in the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_metadata: Option<CommonMetadata>,
    /// Variables for `${NAME}` in what was rendered; without it `${NAME}` is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_build: Option<PostBuild>,
    /// Whether Secrets with data that is not encrypted in the repository may be applied.
    #[serde(default)]
    pub allow_plain_secrets: bool,
}

/// With which keys encrypted files are opened.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decryption {
    /// The format.
    pub provider: Provider,
    /// Secret of this namespace with keys named `*.agekey` and `*.asc`.
    pub secret_ref: LocalName,
}

/// The format of encrypted files.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// SOPS.
    #[serde(rename = "sops")]
    Sops,
}

/// What the agent last did.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncStatus {
    /// The `metadata.generation` this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Reconciling, Stalled, Verified, Fresh, Healthy, Distrusted.
    pub conditions: Vec<Condition>,
    /// Reference and commit last tried, `main@4f1c2d9`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempted_revision: Option<String>,
    /// Reference and commit last applied completely.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_applied_revision: Option<String>,
    /// Who signed what is applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// How many objects are applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<u32>,
    /// Generation of the Warrant when this was written: an older one found later was put in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warrant_generation: Option<u64>,
    /// Objects that would be deleted, and are kept until `gitwarrant.io/approve-prune` names the commit. An approval counts
    /// once, for what is listed here when it is given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_deletions: Vec<String>,
    /// The last value of `gitwarrant.io/requestedAt` that was acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_requested_at: Option<String>,
}

const fn five_minutes() -> Duration {
    Duration::from_secs(300)
}
