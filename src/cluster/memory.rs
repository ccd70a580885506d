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
    fingerprint: Fingerprint,
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
        self.lock().get(identity).is_some_and(|last| {
            last.uid == existing.uid
                && last.resource_version == existing.resource_version
                && last.fingerprint == fingerprint
        })
    }

    /// Whether the live object is just as this process left it.
    pub(super) fn left_so(&self, identity: &Identity, existing: &Existing) -> bool {
        self.lock()
            .get(identity)
            .is_some_and(|last| last.uid == existing.uid && last.resource_version == existing.resource_version)
    }

    pub(super) fn remember(&self, identity: Identity, existing: &Existing, fingerprint: Fingerprint) {
        let remembered =
            Remembered { uid: existing.uid.clone(), resource_version: existing.resource_version.clone(), fingerprint };
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
}
