//! `Warrant`: the durable record of what a Sync has applied, and on whose word. The agent alone writes it.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a Sync has applied, and on whose word. Written by compare-and-swap on `metadata.resourceVersion`.
#[derive(CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "gitwarrant.io",
    version = "v1alpha1",
    kind = "Warrant",
    namespaced,
    plural = "warrants",
    shortname = "gwwarrant",
    category = "gitwarrant",
    derive = "PartialEq",
    doc = "What a Sync has applied, and on whose word. The agent alone writes it.",
    printcolumn(name = "Repository", type_ = "string", json_path = ".spec.repository"),
    printcolumn(name = "Applied", type_ = "string", json_path = ".spec.applied"),
    printcolumn(name = "Signer", type_ = "string", json_path = ".spec.signers[0].signer"),
    printcolumn(name = "Generation", type_ = "integer", json_path = ".spec.generation"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WarrantSpec {
    /// UID of the Sync this is about: a Sync of the same name that was made later starts no warrant over.
    pub sync_uid: String,
    /// Name of the Repository.
    pub repository: String,
    /// Its url when this was written.
    pub url: String,
    /// The pinned commit when this was written.
    #[schemars(regex(pattern = "^([0-9a-f]{40}|[0-9a-f]{64})$"))]
    pub root: String,
    /// Full id of the commit applied completely; absent before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^([0-9a-f]{40}|[0-9a-f]{64})$"))]
    pub applied: Option<String>,
    /// Full name of the reference it was found under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The tag last applied, where tags are followed: no lower version follows it, and it never moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Id of its tag object, which names the commit, the tag and who signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^([0-9a-f]{40}|[0-9a-f]{64})$"))]
    pub tag_object: Option<String>,
    /// The commit that `trust.rollbackTo` has let in: it does so once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^([0-9a-f]{40}|[0-9a-f]{64})$"))]
    pub rolled_back_to: Option<String>,
    /// The commits that were applied before that, one order after the other: while `trust.rollbackTo` stands, nothing that lies
    /// between it and them is taken again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(regex(pattern = "^([0-9a-f]{40}|[0-9a-f]{64})$")))]
    pub left_behind: Vec<String>,
    /// The commit that is being applied: written before the first request, cleared after the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^([0-9a-f]{40}|[0-9a-f]{64})$"))]
    pub pending: Option<String>,
    /// How far judging what is new has come, where that takes long: it is gone on with after a restart, by the same policy,
    /// version of the agent and commit to begin from alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_up_to: Option<JudgedUpTo>,
    /// Who signed the commits between the applied one and the one before it, head first; at most 100 are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<Signature>,
    /// Digest of the trust policy by which everything that is applied was found good; where it is another one than the
    /// Repository's, what is applied is judged again, and reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_digest: Option<String>,
    /// The value of `gitwarrant.io/approve-prune` that is used up: it approved what was held when it was first read, and
    /// nothing that is held later. Absent once the annotation is gone or names another commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune_approved: Option<String>,
    /// The folder, and the components that the Sync adds to it, whose inputs were judged. Where they are others now and the
    /// policy has `pathRules`, all of the history is judged for those before anything is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs_of: Option<String>,
    /// The process that keeps this, by a random name: it writes it before all else, so that another one which was stopped
    /// meanwhile finds the record changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Counts every write and never goes back.
    pub generation: u64,
    /// Every object that was created or is about to be.
    #[serde(default)]
    pub inventory: Vec<Entry>,
}

/// A commit whose history was found good.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JudgedUpTo {
    /// The full commit id.
    #[schemars(regex(pattern = "^([0-9a-f]{40}|[0-9a-f]{64})$"))]
    pub commit: String,
    /// Full id of the commit from which on it was judged.
    #[schemars(regex(pattern = "^([0-9a-f]{40}|[0-9a-f]{64})$"))]
    pub base: String,
    /// Digest of the trust policy by which it was judged.
    pub policy_digest: String,
    /// Version of the agent that judged: what another one found good is judged again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// When that began, RFC 3339; after a day it counts for nothing.
    pub at: String,
}

/// A commit, and who signed it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signature {
    /// The full commit id.
    pub commit: String,
    /// The principal.
    pub signer: String,
    /// Fingerprint of the key.
    pub key: String,
    /// `ssh` or `pgp`.
    pub kind: String,
}

/// One object of the inventory.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    /// API group; empty for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Namespace; absent for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// UID, once the object exists: nothing is deleted whose UID is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Whether it left the repository and its deletion waits for `gitwarrant.io/approve-prune`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub held: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature is serde's
fn is_false(value: &bool) -> bool {
    !value
}
