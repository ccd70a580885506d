//! The durable record of a Sync, kept by compare-and-swap.

use kube::api::{Api, PostParams};
use kube::{Client, Resource, ResourceExt};

use crate::api::{Entry, Sync, Warrant, WarrantSpec};

use super::Error;

/// A Warrant as it was read or last written; every write carries its resourceVersion.
pub(super) struct Ledger {
    api: Api<Warrant>,
    warrant: Warrant,
    /// Whether it is in the cluster already.
    exists: bool,
}

/// Why the record cannot be gone on from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The Sync has applied something, and its record is gone.
    #[error(
        "the Sync says that {revision} is applied, but its Warrant {name} is gone: without it an older commit could \
         not be told from a newer one. Restore the Warrant; or, when you are sure that the repository shows the commit \
         you want, remove status.lastAppliedRevision of the Sync to start again from trust.root"
    )]
    Gone {
        /// The Warrant's name.
        name: String,
        /// What the Sync's status says.
        revision: String,
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
    /// The record was made for another repository, or from another pinned commit.
    #[error(
        "Warrant {name} is about {recorded}, but the Repository now says {configured}: what was applied cannot be \
         compared with it. Remove the Warrant and status.lastAppliedRevision of the Sync to start again from trust.root"
    )]
    Other {
        /// The Warrant's name.
        name: String,
        /// Repository, as recorded.
        recorded: String,
        /// Repository, as configured.
        configured: String,
    },
}

impl Ledger {
    /// Reads the record of `sync`, or begins one where nothing was ever applied.
    ///
    /// `seen` is the highest generation that this process knows of.
    pub(super) async fn open(
        client: &Client,
        sync: &Sync,
        repository: (&str, &str, &str),
        seen: u64,
    ) -> Result<Result<Self, Lost>, Error> {
        let (namespace, name) = (sync.namespace().unwrap_or_default(), sync.name_any());
        let api = Api::<Warrant>::namespaced(client.clone(), &namespace);
        let (repository, url, root) = repository;
        let uid = sync.uid().unwrap_or_default();
        let found = api.get_opt(&name).await.map_err(|source| Error::warrant(&namespace, &name, source))?;
        let Some(warrant) = found else {
            let applied = sync.status.as_ref().and_then(|status| status.last_applied_revision.clone());
            if let Some(revision) = applied.or_else(|| (seen > 0).then(|| format!("generation {seen}"))) {
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
                pending: None,
                signers: Vec::new(),
                policy_digest: None,
                generation: 0,
                inventory: Vec::new(),
            };
            let mut warrant = Warrant::new(&name, spec);
            // It goes with its Sync; what was applied stays.
            warrant.metadata.owner_references = sync.owner_ref(&()).map(|owner| vec![owner]);
            return Ok(Ok(Self { api, warrant, exists: false }));
        };
        if warrant.spec.sync_uid != uid {
            // Kubernetes collects it soon: its owner is gone.
            return Ok(Err(Lost::Other { name, recorded: "a Sync that was deleted".to_owned(), configured: uid }));
        }
        if warrant.spec.generation < seen {
            let found = warrant.spec.generation;
            return Ok(Err(Lost::Older { name, found, expected: seen }));
        }
        if warrant.spec.repository != repository || warrant.spec.root != root {
            let recorded = format!("{} from {}", warrant.spec.repository, warrant.spec.root);
            return Ok(Err(Lost::Other { name, recorded, configured: format!("{repository} from {root}") }));
        }
        Ok(Ok(Self { api, warrant, exists: true }))
    }

    /// What it says.
    pub(super) fn spec(&self) -> &WarrantSpec {
        &self.warrant.spec
    }

    /// Writes what is about to happen: `pending`, and every object that exists or is going to.
    pub(super) async fn write_ahead(&mut self, pending: &str, inventory: Vec<Entry>) -> Result<(), Error> {
        if self.warrant.spec.pending.as_deref() == Some(pending) && self.warrant.spec.inventory == inventory {
            return Ok(());
        }
        self.warrant.spec.pending = Some(pending.to_owned());
        self.warrant.spec.inventory = inventory;
        self.write().await
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
        let written = if self.exists {
            self.api.replace(&name, &parameters, &self.warrant).await
        } else {
            self.api.create(&parameters, &self.warrant).await
        };
        self.warrant = written.map_err(|source| Error::warrant(&namespace, &name, source))?;
        self.exists = true;
        Ok(())
    }
}
