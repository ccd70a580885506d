//! What this process has applied, so that an unchanged object costs nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::plan::{Existing, Identity};

/// A keyed digest of a manifest; the key is made anew in each process, so that it says nothing to anybody else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; 32]);

struct Remembered {
    uid: String,
    resource_version: String,
    outline: Option<u64>,
    fingerprint: Fingerprint,
}

impl Remembered {
    fn is(&self, identity: &Identity, existing: &Existing) -> bool {
        let same_but_status =
            || counts_generations(identity) && self.outline.is_some() && self.outline == existing.outline;
        self.uid == existing.uid && (self.resource_version == existing.resource_version || same_but_status())
    }
}

/// Whether every change of an object but those of its metadata and status counts its generation up.
///
/// Of the built-in kinds those that write their status often; of custom resources all, because the API server sees to it.
/// Source: Kubernetes, `PrepareForUpdate` of each strategy in `pkg/registry`; apiextensions, `customresource/strategy.go`.
fn counts_generations(identity: &Identity) -> bool {
    match (identity.group.as_str(), identity.kind.as_str()) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch", "Job" | "CronJob") => true,
        (group, _) => group.contains('.') && group != "k8s.io" && !group.ends_with(".k8s.io"),
    }
}

/// What was applied last, by object.
pub(super) struct Memory {
    key: [u8; 32],
    applied: Mutex<HashMap<Identity, Remembered>>,
}

impl Memory {
    /// # Panics
    /// Where the operating system gives no random numbers.
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the operating system gives random numbers");
        Self { key, applied: Mutex::default() }
    }

    pub(super) fn fingerprint(&self, manifest: &[u8]) -> Fingerprint {
        let digest = Sha256::new().chain_update(self.key).chain_update(manifest).finalize();
        Fingerprint(digest.into())
    }

    /// Whether the live object is just as this process left it when it applied the same manifest.
    pub(super) fn holds(&self, identity: &Identity, existing: &Existing, fingerprint: Fingerprint) -> bool {
        self.lock().get(identity).is_some_and(|last| last.is(identity, existing) && last.fingerprint == fingerprint)
    }

    /// Whether this process has applied the object.
    pub(super) fn knows(&self, identity: &Identity) -> bool {
        self.lock().contains_key(identity)
    }

    /// Whether the live object is just as this process left it.
    pub(super) fn left_so(&self, identity: &Identity, existing: &Existing) -> bool {
        self.lock().get(identity).is_some_and(|last| last.is(identity, existing))
    }

    pub(super) fn remember(&self, identity: Identity, existing: &Existing, fingerprint: Fingerprint) {
        let remembered = Remembered {
            uid: existing.uid.clone(),
            resource_version: existing.resource_version.clone(),
            outline: existing.outline,
            fingerprint,
        };
        self.lock().insert(identity, remembered);
    }

    pub(super) fn forget(&self, identity: &Identity) {
        self.lock().remove(identity);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Identity, Remembered>> {
        // Each change is one insertion or removal: a panic elsewhere leaves the map whole.
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Memory;
    use crate::plan::{Existing, Identity};

    #[test]
    fn an_object_that_anybody_touched_is_applied_again() {
        let memory = Memory::new();
        let identity =
            Identity { group: String::new(), kind: "ConfigMap".to_owned(), namespace: None, name: "a".to_owned() };
        let existing = |uid: &str, version: &str| Existing {
            uid: uid.to_owned(),
            resource_version: version.to_owned(),
            outline: None,
            owner: None,
            kept: false,
            deleting: false,
        };
        let (old, new) = (memory.fingerprint(b"old"), memory.fingerprint(b"new"));
        assert!(!memory.holds(&identity, &existing("u", "1"), old));
        memory.remember(identity.clone(), &existing("u", "1"), old);
        assert!(memory.holds(&identity, &existing("u", "1"), old));
        assert!(!memory.holds(&identity, &existing("u", "2"), old));
        assert!(!memory.holds(&identity, &existing("v", "1"), old));
        assert!(!memory.holds(&identity, &existing("u", "1"), new));
    }

    #[test]
    fn only_a_counted_generation_tells_a_change_of_status_from_others() {
        let memory = Memory::new();
        let existing = |version: &str, outline: Option<u64>| Existing {
            uid: "u".to_owned(),
            resource_version: version.to_owned(),
            outline,
            owner: None,
            kept: false,
            deleting: false,
        };
        for (group, kind, told) in [
            ("apps", "Deployment", true),
            ("cert-manager.io", "Certificate", true),
            ("", "ConfigMap", false),
            ("rbac.authorization.k8s.io", "Role", false),
            ("scheduling.k8s.io", "PriorityClass", false),
        ] {
            let identity =
                Identity { group: group.to_owned(), kind: kind.to_owned(), namespace: None, name: "a".to_owned() };
            memory.remember(identity.clone(), &existing("1", Some(7)), memory.fingerprint(b"m"));
            assert_eq!(memory.left_so(&identity, &existing("2", Some(7))), told, "{group}/{kind}");
            assert!(!memory.left_so(&identity, &existing("2", Some(8))), "{group}/{kind}");
            assert!(!memory.left_so(&identity, &existing("2", None)), "{group}/{kind}");
            memory.remember(identity.clone(), &existing("1", None), memory.fingerprint(b"m"));
            assert!(!memory.left_so(&identity, &existing("2", None)), "{group}/{kind}");
        }
    }
}
