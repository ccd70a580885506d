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
    /// Whether its manifest leaves it to others: whatever they do to it is right.
    alone: bool,
    /// Whether it bears no labels of its Sync, and no watch shows it.
    out_of_sight: bool,
    /// How often in a row somebody changed it and applying it again changed nothing.
    idle: u32,
}

/// So many changes that come to nothing wake somebody: a status that is written all day is not drift.
const IDLE: u32 = 3;

impl Remembered {
    fn is(&self, identity: &Identity, existing: &Existing) -> bool {
        let same_but_status =
            || counts_generations(identity) && self.outline.is_some() && self.outline == existing.outline;
        self.uid == existing.uid
            && (self.alone || self.resource_version == existing.resource_version || same_but_status())
    }
}

/// Whether every change of an object but those of its metadata and status counts its generation up.
///
/// Of the built-in kinds those that write their status often; of custom resources all, because the API server sees to it.
/// Source: Kubernetes, `PrepareForUpdate` of each strategy in `pkg/registry`; apiextensions, `customresource/strategy.go`.
fn counts_generations(identity: &Identity) -> bool {
    match (identity.group.as_str(), identity.kind.as_str()) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("batch", "Job" | "CronJob")
        | ("", "ReplicationController")
        | ("policy", "PodDisruptionBudget")
        | ("networking.k8s.io", "Ingress" | "NetworkPolicy")
        | ("apiextensions.k8s.io", "CustomResourceDefinition")
        | ("gateway.networking.k8s.io" | "snapshot.storage.k8s.io", _) => true,
        (group, _) => group.contains('.') && group != "k8s.io" && !group.ends_with(".k8s.io"),
    }
}

/// What was applied last for one Sync, by object. What another Sync does about the same object says nothing about this one.
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

    /// Whether a change of the object is worth a turn: it is gone, or made anew, or its changes do not come to nothing.
    pub(super) fn is_disturbed_by(&self, identity: &Identity, existing: Option<&Existing>) -> bool {
        // What nobody here has applied yet cannot have been changed since.
        self.lock().get(identity).is_some_and(|last| match existing {
            Some(existing) => !last.is(identity, existing) && (last.idle < IDLE || last.uid != existing.uid),
            None => true,
        })
    }

    /// Whether it is left alone, and bears no labels that a watch could select it by.
    pub(super) fn is_out_of_sight(&self, identity: &Identity) -> bool {
        self.lock().get(identity).is_some_and(|last| last.out_of_sight)
    }

    /// The object was applied, and is `existing` now.
    pub(super) fn remember(&self, identity: Identity, existing: &Existing, fingerprint: Fingerprint) {
        self.put(identity, existing, fingerprint, (false, false));
    }

    /// The object is left to others as it is; `is_ours` says whether its labels name the Sync.
    pub(super) fn leave_alone(&self, identity: Identity, existing: &Existing, fingerprint: Fingerprint, is_ours: bool) {
        self.put(identity, existing, fingerprint, (true, !is_ours));
    }

    /// The object was applied again; `changed` says whether anything of it was not as its manifest says.
    pub(super) fn applied_again(&self, identity: &Identity, changed: bool) {
        if let Some(last) = self.lock().get_mut(identity) {
            last.idle = if changed { 0 } else { last.idle.saturating_add(1) };
        }
    }

    fn put(
        &self,
        identity: Identity,
        existing: &Existing,
        fingerprint: Fingerprint,
        (alone, out_of_sight): (bool, bool),
    ) {
        let mut applied = self.lock();
        let same = |last: &&Remembered| last.uid == existing.uid && last.fingerprint == fingerprint;
        let idle = applied.get(&identity).filter(same).map_or(0, |last| last.idle);
        let remembered = Remembered {
            uid: existing.uid.clone(),
            resource_version: existing.resource_version.clone(),
            outline: existing.outline,
            fingerprint,
            alone,
            out_of_sight,
            idle,
        };
        applied.insert(identity, remembered);
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

    fn existing(uid: &str, version: u32) -> Existing {
        Existing {
            uid: uid.to_owned(),
            resource_version: version.to_string(),
            outline: None,
            owner: None,
            kept: false,
            deleting: false,
        }
    }

    #[test]
    fn an_object_that_anybody_touched_is_applied_again() {
        let memory = Memory::new();
        let identity =
            Identity { group: String::new(), kind: "ConfigMap".to_owned(), namespace: None, name: "a".to_owned() };
        let (old, new) = (memory.fingerprint(b"old"), memory.fingerprint(b"new"));
        assert!(!memory.holds(&identity, &existing("u", 1), old));
        memory.remember(identity.clone(), &existing("u", 1), old);
        assert!(memory.holds(&identity, &existing("u", 1), old));
        assert!(!memory.holds(&identity, &existing("u", 2), old));
        assert!(!memory.holds(&identity, &existing("v", 1), old));
        assert!(!memory.holds(&identity, &existing("u", 1), new));
    }

    #[test]
    fn status_that_is_written_all_day_wakes_nobody_after_three_turns_that_put_nothing_right() {
        let memory = Memory::new();
        let identity = Identity {
            group: "autoscaling".to_owned(),
            kind: "HorizontalPodAutoscaler".to_owned(),
            namespace: None,
            name: "a".to_owned(),
        };
        let manifest = memory.fingerprint(b"m");
        assert!(!memory.is_disturbed_by(&identity, Some(&existing("u", 0))), "nobody has applied it");
        memory.remember(identity.clone(), &existing("u", 0), manifest);
        for version in 1..=3 {
            assert!(memory.is_disturbed_by(&identity, Some(&existing("u", version))), "{version}");
            memory.remember(identity.clone(), &existing("u", version), manifest);
            memory.applied_again(&identity, false);
        }
        assert!(!memory.is_disturbed_by(&identity, Some(&existing("u", 4))));
        assert!(!memory.left_so(&identity, &existing("u", 4)), "whoever looks in turn applies it all the same");
        assert!(memory.is_disturbed_by(&identity, None), "a deletion always counts");
        assert!(memory.is_disturbed_by(&identity, Some(&existing("v", 4))), "so does one that was made anew");
        memory.applied_again(&identity, true);
        assert!(memory.is_disturbed_by(&identity, Some(&existing("u", 4))), "what was put right is drift again");
    }

    #[test]
    fn object_that_is_left_alone_is_disturbed_by_its_deletion_only() {
        let memory = Memory::new();
        let identity =
            Identity { group: String::new(), kind: "ConfigMap".to_owned(), namespace: None, name: "a".to_owned() };
        memory.leave_alone(identity.clone(), &existing("u", 1), memory.fingerprint(b"m"), true);
        assert!(memory.left_so(&identity, &existing("u", 2)));
        assert!(!memory.is_disturbed_by(&identity, Some(&existing("u", 2))));
        assert!(memory.is_disturbed_by(&identity, None));
        assert!(memory.is_disturbed_by(&identity, Some(&existing("v", 2))));
        assert!(!memory.is_out_of_sight(&identity));
        memory.leave_alone(identity.clone(), &existing("u", 1), memory.fingerprint(b"m"), false);
        assert!(memory.is_out_of_sight(&identity), "no watch selects what bears no labels of ours");
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
            ("networking.k8s.io", "Ingress", true),
            ("policy", "PodDisruptionBudget", true),
            ("autoscaling", "HorizontalPodAutoscaler", false),
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
