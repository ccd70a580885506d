//! Metadata of live objects; nothing else of them is asked for.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use serde::Deserialize;

use crate::plan::{Existing, Owner, SYNC_NAME, SYNC_NAMESPACE};

/// Asks the API server for metadata alone: what it does not send cannot leak.
pub(super) const ACCEPT_ONE: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// The same for lists.
pub(super) const ACCEPT_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// Flux's annotation that keeps an object that left the repository.
const PRUNE: &str = "kustomize.toolkit.fluxcd.io/prune";

/// An object, of which only the metadata is read.
#[derive(Deserialize)]
pub(super) struct Partial {
    pub(super) metadata: Metadata,
}

/// A page of objects.
#[derive(Deserialize)]
pub(super) struct Page {
    #[serde(default)]
    pub(super) metadata: PageMetadata,
    /// An empty page says `null`.
    pub(super) items: Option<Vec<Partial>>,
}

/// Where the next page begins.
#[derive(Deserialize, Default)]
pub(super) struct PageMetadata {
    #[serde(default, rename = "continue")]
    pub(super) next: Option<String>,
    #[serde(default, rename = "resourceVersion")]
    pub(super) version: Option<String>,
}

/// What is read of `metadata`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    finalizers: Vec<String>,
    #[serde(default)]
    deletion_timestamp: Option<String>,
    #[serde(default)]
    generation: Option<i64>,
}

impl Metadata {
    /// What stays the same while only the status of an object changes.
    fn outline(&self) -> Option<u64> {
        // Keyed: nobody can look for another object of the same outline.
        static KEY: OnceLock<RandomState> = OnceLock::new();
        let generation = self.generation.filter(|generation| *generation > 0)?;
        let parts = (generation, &self.labels, &self.annotations, &self.finalizers, &self.deletion_timestamp);
        Some(KEY.get_or_init(RandomState::new).hash_one(parts))
    }
}

impl From<Metadata> for Existing {
    fn from(metadata: Metadata) -> Self {
        let label = |name: &str| metadata.labels.get(name).cloned();
        let owner = label(SYNC_NAME).zip(label(SYNC_NAMESPACE)).map(|(name, namespace)| Owner { namespace, name });
        Self {
            outline: metadata.outline(),
            owner,
            kept: metadata.annotations.get(PRUNE).is_some_and(|value| value.eq_ignore_ascii_case("disabled")),
            deleting: metadata.deletion_timestamp.is_some(),
            uid: metadata.uid,
            resource_version: metadata.resource_version,
        }
    }
}
