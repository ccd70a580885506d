//! From a proof and a plan to the Warrant's fields, and back.

use crate::api::{self, Mode, RepositorySpec, WarrantSpec};
use crate::model::Key;
use crate::plan;
use crate::policy::Admitted;
use crate::trust::{SignatureKind, Signed};

/// What was proved about a commit, for the record.
pub(super) struct Proof {
    pub(super) commit: String,
    reference: String,
    policy: String,
    signers: Vec<api::Signature>,
    /// The tag it was found under, where tags are followed.
    tag: Option<String>,
    /// The tag object that was judged; none where the same tag was applied already.
    tag_object: Option<String>,
    /// The commit that `trust.rollbackTo` names.
    rollback_to: Option<String>,
    /// The commit that `trust.root` names.
    root: String,
}

/// Signatures kept in the record; the history itself is in the repository.
const SIGNATURES: usize = 100;

/// Commits kept that orders to go back have left, one after the other.
const LEFT_BEHIND: usize = 16;

impl Proof {
    pub(super) fn of(admitted: &Admitted<Signed>, repository: &RepositorySpec) -> Self {
        let origin = admitted.origin();
        let signature = |judged: &crate::trust::Judged| api::Signature {
            commit: judged.id.to_string(),
            signer: judged.signer.clone(),
            key: judged.key.clone(),
            kind: match judged.kind {
                SignatureKind::Ssh => "ssh".to_owned(),
                SignatureKind::Pgp => "pgp".to_owned(),
            },
        };
        let tag = match repository.trust.mode {
            Mode::Tag => Some(origin.reference().trim_start_matches("refs/tags/").to_owned()),
            Mode::EveryCommit | Mode::FirstParent | Mode::Head => None,
        };
        Self {
            tag,
            tag_object: origin.tag().map(ToString::to_string),
            rollback_to: repository.trust.rollback_to.clone(),
            root: repository.trust.root.clone(),
            commit: origin.commit().to_string(),
            reference: origin.reference().to_owned(),
            policy: origin.policy().to_owned(),
            signers: origin.judged().iter().take(SIGNATURES).map(signature).collect(),
        }
    }

    /// Records that the commit is applied. `believed` says that all of what was applied before passes the policy in
    /// force; without that the older digest stays, so that the next process looks again.
    pub(super) fn settle(self, spec: &mut WarrantSpec, inventory: Vec<api::Entry>, believed: bool) {
        let moves = spec.applied.as_ref() != Some(&self.commit);
        if moves && spec.applied.is_some() && self.rollback_to.as_ref() == Some(&self.commit) {
            // One order after the other: what the last one left must not come back by this one either.
            spec.left_behind.extend(spec.applied.take());
            let more = spec.left_behind.len().saturating_sub(LEFT_BEHIND);
            spec.left_behind.drain(..more);
            spec.rolled_back_to = self.rollback_to;
        } else if spec.rolled_back_to.is_none() || spec.rolled_back_to != self.rollback_to {
            // Another order stands now, whose commit is still to come, or none: then what was left is a commit like others.
            spec.rolled_back_to = None;
            if self.rollback_to.is_none() {
                spec.left_behind.clear();
            }
        }
        if moves {
            spec.signers = self.signers;
        }
        if believed {
            spec.policy_digest = Some(self.policy);
        }
        if self.tag.is_none() || self.tag_object.is_some() {
            spec.tag_object = self.tag_object;
        }
        spec.tag = self.tag;
        spec.root = self.root;
        spec.applied = Some(self.commit);
        spec.reference = Some(self.reference);
        (spec.pending, spec.judged_up_to) = (None, None);
        spec.inventory = inventory;
    }
}

/// The recorded inventory, as the plan reads it.
pub(super) fn inventory(spec: &WarrantSpec) -> plan::Inventory {
    let entry = |entry: &api::Entry| plan::Entry {
        key: Key {
            group: entry.group.clone(),
            version: entry.version.clone(),
            kind: entry.kind.clone(),
            namespace: entry.namespace.clone(),
            name: entry.name.clone(),
        },
        uid: entry.uid.clone(),
        held: entry.held,
    };
    spec.inventory.iter().map(entry).collect()
}

/// The recorded inventory with the UIDs of what was found or made anew of it; nothing else of it changes: a deletion that
/// is held stays so.
pub(super) fn renewed(spec: &WarrantSpec, found: &plan::Inventory) -> Vec<api::Entry> {
    entries(&renew(inventory(spec), found))
}

fn renew(mut all: plan::Inventory, found: &plan::Inventory) -> plan::Inventory {
    for entry in found.iter().filter(|entry| entry.uid.is_some()) {
        let held = all.get(&plan::Identity::from(&entry.key)).is_some_and(|known| known.held);
        all.record(plan::Entry { held, ..entry.clone() });
    }
    all
}

/// An inventory, as the Warrant records it.
pub(super) fn entries(inventory: &plan::Inventory) -> Vec<api::Entry> {
    let entry = |entry: &plan::Entry| api::Entry {
        group: entry.key.group.clone(),
        version: entry.key.version.clone(),
        kind: entry.key.kind.clone(),
        namespace: entry.key.namespace.clone(),
        name: entry.key.name.clone(),
        uid: entry.uid.clone(),
        held: entry.held,
    };
    inventory.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use crate::model::Key;
    use crate::plan::{Entry, Inventory};

    #[test]
    fn a_new_uid_takes_no_mark_of_a_held_deletion_away() {
        let entry = |uid: &str, held| {
            let (group, version, kind) = (String::new(), "v1".to_owned(), "ConfigMap".to_owned());
            let key = Key { group, version, kind, namespace: Some("shop".to_owned()), name: "a".to_owned() };
            Entry { held, ..Entry::new(key, Some(uid.to_owned())) }
        };
        let of = |entry| [entry].into_iter().collect::<Inventory>();
        assert_eq!(super::renew(of(entry("old", true)), &of(entry("new", false))), of(entry("new", true)));
    }
}
