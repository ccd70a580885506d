//! `Repository`: a Git repository, and who is believed about it. Cluster-scoped; administrators write it.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, Duration, LocalName, Trust};

/// Where a repository is, which reference of it counts, and who is believed.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "gitwarrant.io",
    version = "v1alpha1",
    kind = "Repository",
    plural = "repositories",
    shortname = "gwrepo",
    category = "gitwarrant",
    status = "RepositoryStatus",
    derive = "PartialEq",
    doc = "A Git repository, and who is believed about it. Administrators write it.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.verified.revision"),
    printcolumn(name = "Signer", type_ = "string", json_path = ".status.verified.signer"),
    printcolumn(name = "Rejected", type_ = "string", json_path = ".status.rejected.reason"),
    printcolumn(name = "Fresh", type_ = "string", json_path = ".status.conditions[?(@.type==\"Fresh\")].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.url", priority = 1)
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("self.url.startsWith('https://') || self.url.startsWith('ssh://') || (self.allowHttp && self.url.startsWith('http://'))")
        .message("url must begin with https:// or ssh:// (or with http:// where allowHttp is true)")
        .field_path(".url"),
    validation = Rule::new("!self.url.matches('^https?://[^/]*@') && !self.url.matches('^ssh://[^/@]*:[^/]*@')")
        .message("url must not hold credentials: name a Secret in secretRef")
        .field_path(".url"),
    validation = Rule::new("self.trust.mode != 'Tag' || has(self.ref.tag) || has(self.ref.semver) || (has(self.ref.name) && self.ref.name.startsWith('refs/tags/'))")
        .message("trust.mode Tag needs ref.tag or ref.semver"),
    validation = Rule::new("duration(self.interval) >= duration('1s')")
        .message("interval must be at least 1s")
        .field_path(".interval")
)]
pub struct RepositorySpec {
    /// Where it is: `https://...`, or `ssh://user@host/path`; `http://...` only with `allowHttp`.
    #[schemars(length(min = 9, max = 2048))]
    pub url: String,
    /// Which reference counts.
    #[serde(rename = "ref")]
    pub reference: GitReference,
    /// How often the remote is asked.
    #[serde(default = "one_minute")]
    pub interval: Duration,
    /// How long one conversation with the remote may take.
    #[serde(default = "one_minute")]
    pub timeout: Duration,
    /// Secret in the agent's namespace with `username` and `password`, or `bearerToken`; `ca.crt` as in Flux. For
    /// `ssh://` with `identity`, a private key (`password` where it is encrypted), and `known_hosts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalName>,
    /// The proxy to go through, `http://host:port` or `https://host:port`; the agent's environment is never asked. Not for
    /// `ssh://`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), regex(pattern = "^https?://[^/@]+/?$"))]
    pub proxy: Option<String>,
    /// Whether the unencrypted `http://` may be used. Signatures still protect what is applied; credentials are
    /// never sent over it, except to this same machine.
    #[serde(default)]
    pub allow_http: bool,
    /// Whether everything that uses this repository rests.
    #[serde(default)]
    pub suspend: bool,
    /// Who is believed.
    pub trust: Trust,
    /// Namespaces whose Syncs may use this repository; the agent's own where empty. `*` is every namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub allowed_namespaces: Vec<String>,
    /// Whether this repository may change the agent itself: its resources, Deployment, roles and keys.
    #[serde(default)]
    pub self_managed: bool,
}

/// Which reference counts: exactly one of these.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("(has(self.branch) ? 1 : 0) + (has(self.tag) ? 1 : 0) + (has(self.semver) ? 1 : 0) + (has(self.name) ? 1 : 0) + (has(self.commit) ? 1 : 0) == 1")
        .message("give exactly one of branch, tag, semver, name and commit")
)]
pub struct GitReference {
    /// A branch, such as `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub branch: Option<String>,
    /// A tag, such as `v1.2.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub tag: Option<String>,
    /// The tag of the highest version in a range, such as `~1.4` or `>=1.4.0 <2.0.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub semver: Option<String>,
    /// A full reference, such as `refs/heads/main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = "^refs/.+"))]
    pub name: Option<String>,
    /// One exact commit by its full id; nothing moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^([0-9a-f]{40}|[0-9a-f]{64})$"))]
    pub commit: Option<String>,
}

/// What the agent last saw.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct RepositoryStatus {
    /// The `metadata.generation` this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Reconciling, Stalled, Verified, Fresh.
    pub conditions: Vec<Condition>,
    /// What the remote last showed; nothing about it is believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched: Option<Head>,
    /// The newest commit that passed every rule, and who signed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<SignedBy>,
    /// The newest commit that did not, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejected>,
    /// Digest of the trust policy in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_digest: Option<String>,
    /// When the remote last answered, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_fetch_time: Option<String>,
    /// The last value of `gitwarrant.io/requestedAt` that was acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_requested_at: Option<String>,
}

/// A commit under a reference.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The full reference.
    pub reference: String,
    /// The full commit id.
    pub commit: String,
}

/// A commit, and who signed it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SignedBy {
    /// Reference and short id for people, `main@4f1c2d9`.
    pub revision: String,
    /// The full commit id.
    pub commit: String,
    /// The principal; absent for the pinned root, which nobody needs to have signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// Fingerprint of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A commit that was refused.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// The full id of the head that was judged.
    pub head: String,
    /// The full id of the commit that broke a rule, where one can be named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The stable code, such as `unsigned`.
    pub reason: String,
}

const fn one_minute() -> Duration {
    Duration::from_secs(60)
}
