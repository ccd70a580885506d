//! The durable record of a Sync, kept by compare-and-swap.

use std::sync::{Arc, Mutex, PoisonError};

use kube::api::{Api, PostParams};
use kube::{Client, Resource, ResourceExt};

use crate::api::{Entry, Sync, Warrant, WarrantSpec};
use crate::cluster::Fence;

use super::Error;

/// A Warrant as it was read or last written; every write carries its resourceVersion.
pub(super) struct Ledger {
    api: Api<Warrant>,
    warrant: Warrant,
    /// Whether it is in the cluster already.
    exists: bool,
    seen: Seen,
}

/// What this process knows of a record: shared with the Sync's memory, so that a turn that is given up leaves it behind.
#[derive(Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    /// As it was last read or acknowledged.
    confirmed: Option<WarrantSpec>,
    /// What was sent without an acknowledgement, and may still arrive; until something as new is confirmed.
    sent: Vec<WarrantSpec>,
    /// Its resourceVersion as last read or acknowledged.
    version: Option<String>,
}

impl Seen {
    fn confirm(&self, spec: &WarrantSpec, version: Option<String>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.sent.retain(|sent| sent.generation > spec.generation);
        (known.confirmed, known.version) = (Some(spec.clone()), version);
    }

    fn version(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).version.clone()
    }

    fn send(&self, spec: &WarrantSpec) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.sent.contains(spec) {
            known.sent.push(spec.clone());
        }
    }

    /// What was sent has certainly not arrived.
    fn refused(&self, spec: &WarrantSpec) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sent.retain(|sent| sent != spec);
    }

    /// The last generation that was certainly in the cluster.
    fn generation(&self) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).confirmed.as_ref().map(|spec| spec.generation)
    }

    /// Whether `found` is something that this process has read or written; anything is, before the first look.
    fn knows(&self, found: &WarrantSpec) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.confirmed.is_none() || known.confirmed.as_ref() == Some(found) || known.sent.contains(found)
    }
}

/// Why the record cannot be gone on from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The Sync has applied something, and its record is gone.
    #[error(
        "the Sync says that {revision} is applied, but its Warrant {name} is gone: without it an older commit could \
         not be told from a newer one. Restore the Warrant; or, when you are sure that the repository shows the commit \
         you want, delete the Sync and make it again: what is applied stays, and it starts from trust.root"
    )]
    Gone {
        /// The Warrant's name.
        name: String,
        /// What the Sync's status says.
        revision: String,
    },
    /// The record is about a Sync of the same name that was deleted.
    #[error(
        "Warrant {name} is about a Sync of this name that was deleted, and goes with it: this one begins when it is gone. \
         Delete it if it stays"
    )]
    Predecessor {
        /// The Warrant's name.
        name: String,
    },
    /// The record is older than one that this agent has written or seen.
    #[error(
        "Warrant {name} has generation {found}, but {expected} was seen before: somebody put an older one in its place. \
         Restore the newer one"
    )]
    Older {
        /// The Warrant's name.
        name: String,
        /// What it says now.
        found: u64,
        /// What was seen.
        expected: u64,
    },
    /// The record is not what this agent wrote or read last.
    #[error(
        "Warrant {name} was changed by somebody else at generation {found}: what is applied, and by whom it was signed, \
         is for the agent alone to say. Find out who may write Warrants; restart the agent to go on from what it says now"
    )]
    Changed {
        /// The Warrant's name.
        name: String,
        /// Its generation now.
        found: u64,
    },
    /// The record was made for another repository.
    #[error(
        "Warrant {name} is about {recorded}, not {configured}: what was applied cannot be compared with it. Delete the \
         Sync and make it again to start from trust.root; what is applied stays"
    )]
    Other {
        /// The Warrant's name.
        name: String,
        /// Repository, as recorded.
        recorded: String,
        /// Repository, as configured.
        configured: String,
    },
    /// The record was begun from another pinned commit.
    #[error(
        "Warrant {name} was begun from {recorded}, but trust.root is now {configured}, while {applied} is applied: what \
         was applied cannot be compared with it. Set trust.root to what is applied to go on from there, or back; or \
         delete the Sync and make it again to start from trust.root; what is applied stays"
    )]
    OtherRoot {
        /// The Warrant's name.
        name: String,
        /// The pinned commit, as recorded.
        recorded: String,
        /// The pinned commit, as configured.
        configured: String,
        /// What is applied.
        applied: String,
    },
}

impl Ledger {
    /// Reads the record of `sync`, or begins one where nothing was ever applied.
    ///
    /// `seen` is what this process knows of it; the Sync's status tells what an earlier one knew. `holder` names this
    /// process: it is written where another one kept the record, so that one which still runs is fenced off.
    pub(super) async fn open(
        client: &Client,
        sync: &Sync,
        repository: (&str, &str, &str),
        seen: &Seen,
        holder: &str,
    ) -> Result<Result<Self, Lost>, Error> {
        let (namespace, name) = (sync.namespace().unwrap_or_default(), sync.name_any());
        let api = Api::<Warrant>::namespaced(client.clone(), &namespace);
        let (repository, url, root) = repository;
        let uid = sync.uid().unwrap_or_default();
        // Generation 0 was never written: nothing was, of a first commit that was refused.
        let told = sync.status.as_ref().and_then(|status| status.warrant_generation).filter(|told| *told > 0);
        let found = api.get_opt(&name).await.map_err(|source| Error::warrant(&namespace, &name, source))?;
        let Some(warrant) = found else {
            let applied = sync.status.as_ref().and_then(|status| status.last_applied_revision.clone());
            if let Some(revision) =
                applied.or_else(|| seen.generation().max(told).map(|seen| format!("generation {seen}")))
            {
                return Ok(Err(Lost::Gone { name, revision }));
            }
            let spec = WarrantSpec {
                sync_uid: uid,
                repository: repository.to_owned(),
                url: url.to_owned(),
                root: root.to_owned(),
                applied: None,
                reference: None,
                tag: None,
                tag_object: None,
                rolled_back_to: None,
                left_behind: Vec::new(),
                pending: None,
                judged_up_to: None,
                signers: Vec::new(),
                policy_digest: None,
                prune_approved: None,
                inputs_of: None,
                holder: Some(holder.to_owned()),
                generation: 0,
                inventory: Vec::new(),
            };
            let mut warrant = Warrant::new(&name, spec);
            // It goes with its Sync; what was applied stays.
            warrant.metadata.owner_references = sync.owner_ref(&()).map(|owner| vec![owner]);
            return Ok(Ok(Self { api, warrant, exists: false, seen: seen.clone() }));
        };
        if warrant.spec.sync_uid != uid {
            // Kubernetes collects it soon: its owner is gone.
            return Ok(Err(Lost::Predecessor { name }));
        }
        let found = warrant.spec.generation;
        if let Some(expected) = seen.generation().max(told).filter(|seen| found < *seen) {
            return Ok(Err(Lost::Older { name, found, expected }));
        }
        if !seen.knows(&warrant.spec) {
            return Ok(Err(Lost::Changed { name, found }));
        }
        if warrant.spec.repository != repository {
            let recorded = warrant.spec.repository.clone();
            return Ok(Err(Lost::Other { name, recorded, configured: repository.to_owned() }));
        }
        // Who pins what is applied skips nothing: it was judged, and the branch still has to descend from it. Where nothing
        // is applied, nothing has to be compared.
        if let Some(applied) =
            warrant.spec.applied.clone().filter(|applied| warrant.spec.root != root && applied != root)
        {
            let recorded = warrant.spec.root.clone();
            return Ok(Err(Lost::OtherRoot { name, recorded, configured: root.to_owned(), applied }));
        }
        seen.confirm(&warrant.spec, warrant.resource_version());
        let mut ledger = Self { api, warrant, exists: true, seen: seen.clone() };
        ledger.settle(|spec| spec.holder = Some(holder.to_owned())).await?;
        Ok(Ok(ledger))
    }

    /// Tells, just before something is changed, whether the record is still as this agent left it. An agent that was
    /// stopped while another one took its place must not go on with what it meant to write or delete.
    pub(super) fn fence(&self) -> Fence {
        let (api, name, seen) = (self.api.clone(), self.warrant.name_any(), self.seen.clone());
        Arc::new(move || {
            let (api, name, seen) = (api.clone(), name.clone(), seen.clone());
            Box::pin(async move {
                let now = api.get_metadata(&name).await.ok().and_then(|found| found.resource_version());
                now.is_some() && now == seen.version()
            })
        })
    }

    /// What it says.
    pub(super) fn spec(&self) -> &WarrantSpec {
        &self.warrant.spec
    }

    /// Writes what is about to happen: the commit that is going to be applied, where it is a new one, and every object
    /// that exists or is going to.
    ///
    /// `spent` is an approval of deletions that counts no longer.
    pub(super) async fn write_ahead(
        &mut self,
        pending: Option<&str>,
        inventory: Vec<Entry>,
        spent: Option<&str>,
    ) -> Result<(), Error> {
        let (pending, spent) = (pending.map(str::to_owned), spent.map(str::to_owned));
        self.settle(|spec| {
            spec.pending = pending.or(spec.pending.take());
            spec.prune_approved = spent.or(spec.prune_approved.take());
            spec.inventory = inventory;
        })
        .await
    }

    /// Writes what has happened; `change` sets it. Nothing is written where nothing differs.
    pub(super) async fn settle(&mut self, change: impl FnOnce(&mut WarrantSpec)) -> Result<(), Error> {
        let before = self.warrant.spec.clone();
        change(&mut self.warrant.spec);
        if self.warrant.spec == before { Ok(()) } else { self.write().await }
    }

    async fn write(&mut self) -> Result<(), Error> {
        self.warrant.spec.generation += 1;
        let (namespace, name) = (self.warrant.namespace().unwrap_or_default(), self.warrant.name_any());
        let parameters = PostParams { field_manager: Some("gitwarrant".to_owned()), ..PostParams::default() };
        self.seen.send(&self.warrant.spec);
        let written = if self.exists {
            self.api.replace(&name, &parameters, &self.warrant).await
        } else {
            self.api.create(&parameters, &self.warrant).await
        };
        if matches!(&written, Err(kube::Error::Api(answer)) if (400..500).contains(&answer.code)) {
            self.seen.refused(&self.warrant.spec);
        }
        self.warrant = written.map_err(|source| Error::warrant(&namespace, &name, source))?;
        self.exists = true;
        self.seen.confirm(&self.warrant.spec, self.warrant.resource_version());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Seen;
    use crate::api::WarrantSpec;

    fn spec(generation: u64, applied: &str) -> WarrantSpec {
        let text = format!(
            r#"{{"syncUid": "u", "repository": "r", "url": "https://x", "root": "0", "generation": {generation}, "applied": "{applied}"}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn only_what_was_read_or_sent_is_known() {
        let seen = Seen::default();
        assert!(seen.knows(&spec(7, "a")), "nothing was seen yet");
        seen.confirm(&spec(7, "a"), None);
        assert!(seen.knows(&spec(7, "a")));
        assert!(!seen.knows(&spec(7, "b")), "another commit under the same generation");
        assert!(!seen.knows(&spec(8, "b")), "a later one that nobody here wrote");
        seen.send(&spec(8, "b"));
        assert!(seen.knows(&spec(8, "b")), "it arrived, though nobody said so");
        assert!(seen.knows(&spec(7, "a")), "it did not arrive");
        assert_eq!(seen.generation(), Some(7), "what did not arrive is not missed");
        seen.confirm(&spec(8, "b"), None);
        assert!(!seen.knows(&spec(7, "a")));
    }

    #[test]
    fn a_write_that_arrives_late_is_known() {
        let seen = Seen::default();
        seen.confirm(&spec(7, "a"), None);
        seen.send(&spec(8, "b"));
        seen.confirm(&spec(7, "a"), None);
        assert!(seen.knows(&spec(8, "b")), "it had not arrived when the record was read again");
        seen.send(&spec(8, "c"));
        assert!(seen.knows(&spec(8, "b")) && seen.knows(&spec(8, "c")), "either of them may arrive");
        seen.refused(&spec(8, "c"));
        assert!(!seen.knows(&spec(8, "c")), "the API server said that it did not take it");
        seen.confirm(&spec(8, "b"), None);
        seen.confirm(&spec(9, "d"), None);
        assert!(!seen.knows(&spec(8, "b")), "something newer was confirmed since");
    }
}
