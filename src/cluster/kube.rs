//! The real cluster.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::plan::{Apply, Identity, Inventory, Live, Owner, Plan, Refusal};
use crate::policy::{Admitted, is_subdomain};
use crate::trust::{Origin, Signed};

use super::claims::{Claim, Claims};
use super::discovery::Directory;
use super::fence::{Fence, Gate};
use super::memory::Memory;
use super::request::{About, Bounds, Requests};
use super::survey::Wanted;
use super::{Applied, Cluster, Error, Trouble, Unhealthy, Verb, path};

/// A connection to an API server, with what the agent has learnt about it. One for the whole agent.
#[derive(Clone)]
pub struct Kube(Arc<Shared>);

pub(super) struct Shared {
    client: ::kube::Client,
    pub(super) directory: Directory,
    memories: Mutex<HashMap<Owner, Arc<Memory>>>,
    claims: Arc<Claims>,
    bounds: Bounds,
}

/// Whose rights are used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceAccount {
    /// Its namespace: always that of the Sync.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceAccount {}/{}", self.namespace, self.name)
    }
}

/// The cluster as one Sync may see and change it: every request is made with the rights of its ServiceAccount.
pub struct Acting {
    pub(super) shared: Arc<Shared>,
    pub(super) memory: Arc<Memory>,
    /// When its turn began: before anything was looked at.
    begun: Arc<Instant>,
    pub(super) requests: Requests,
    pub(super) account: ServiceAccount,
    pub(super) owner: Owner,
    pub(super) gate: Gate,
}

impl Kube {
    /// Uses `client`, whose own identity must be allowed to impersonate ServiceAccounts.
    pub fn new(client: ::kube::Client) -> Self {
        let (directory, claims, bounds) = (Directory::default(), Arc::default(), Bounds::default());
        Self(Arc::new(Shared { client, directory, memories: Mutex::default(), claims, bounds }))
    }

    /// Forgets what was applied for a Sync that is gone.
    pub fn forget(&self, owner: &Owner) {
        self.0.memories.lock().unwrap_or_else(PoisonError::into_inner).remove(owner);
    }

    /// The cluster as the Sync `owner` may see it. The account is of the Sync's own namespace, `default` where
    /// `service_account` is absent; there is no way to name another namespace's.
    ///
    /// # Errors
    /// A name that is no ServiceAccount's. Headers are trimmed on their way: one with a blank behind it would be another
    /// name here than there.
    pub fn acting(&self, owner: Owner, service_account: Option<&str>) -> Result<Acting, Error> {
        let name = service_account.unwrap_or("default").to_owned();
        let account = ServiceAccount { namespace: owner.namespace.clone(), name };
        if !is_subdomain(&account.name) {
            let what = "spec.serviceAccountName is no name that a ServiceAccount can have";
            return Err(Error::one(&account, Verb::Discover, Trouble::Unreadable { what }));
        }
        let requests = Requests::new(self.0.client.clone(), &account, self.0.bounds.clone())
            .map_err(|trouble| Error::one(&account, Verb::Discover, trouble))?;
        let memory = {
            let mut memories = self.0.memories.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(memories.entry(owner.clone()).or_insert_with(|| Arc::new(Memory::new())))
        };
        let (shared, begun) = (Arc::clone(&self.0), self.0.claims.begin());
        Ok(Acting { shared, memory, begun, requests, account, owner, gate: Gate::default() })
    }
}

impl Acting {
    /// The same, where changes wait for the word of `fence`; without one nothing is changed.
    #[must_use]
    pub fn fenced_by(self, fence: Fence) -> Self {
        Self { gate: Gate::fenced_by(fence), ..self }
    }

    /// Claims what `plan` is about to write and nobody owns yet: no other Sync writes it meanwhile, nor afterwards before
    /// it has looked.
    ///
    /// # Errors
    /// Another Sync is about to write some of it, or has since this one looked: it came first.
    pub fn claim<O: Origin>(&self, plan: &Plan<O>) -> Result<Claim, Refusal> {
        let is_free = |apply: &&Apply| {
            apply.existing.as_ref().is_none_or(|existing| existing.owner.as_ref() != Some(&self.owner))
        };
        let free = || plan.applies().iter().filter(is_free);
        let objects = free().map(|apply| Identity::from(&apply.target.key)).collect();
        self.shared.claims.take(&self.owner, *self.begun, objects).map_err(|others| {
            let others: HashMap<Identity, Owner> = others.into_iter().collect();
            let told = free().filter_map(|apply| {
                let key = &apply.target.key;
                let owner = others.get(&Identity::from(key))?;
                Some((key.clone(), apply.object.place().clone(), owner.clone()))
            });
            Refusal::Foreign(told.collect())
        })
    }

    /// The object `name` among the `plural` (`configmaps`, `secrets`) of the Sync's own namespace; `None` where there is
    /// none.
    ///
    /// # Errors
    /// The ServiceAccount may not read it, there is no answer, or it is not of this shape.
    pub async fn source<T: serde::de::DeserializeOwned>(&self, plural: &str, name: &str) -> Result<Option<T>, Error> {
        let namespace = Some(self.account.namespace.as_str());
        let about = About::collection(&self.account, Verb::Get, "", plural, namespace).named(name, namespace);
        let path = format!("{}/{}", path::collection("", "v1", namespace, plural), path::encode(name));
        let failed = |trouble| Error::one(name, Verb::Get, trouble);
        match self.requests.send(&path, "application/json", None, &about).await {
            Ok(answer) => {
                // A parser's own words can quote what it read.
                let read = serde_json::from_slice(&answer);
                read.map(Some).map_err(|_| failed(Trouble::Unreadable { what: "the object" }))
            }
            Err(Trouble::NotFound) => Ok(None),
            Err(trouble) => Err(failed(trouble)),
        }
    }
}

impl Cluster for Acting {
    fn survey<O: Origin>(
        &self,
        admitted: &Admitted<O>,
        inventory: &Inventory,
    ) -> impl Future<Output = Result<Live, Error>> + Send {
        // Only names cross the network's pauses, no manifest.
        let wanted = Wanted::of(admitted.items());
        let inventory = inventory.clone();
        async move { self.look(&wanted, &inventory).await }
    }

    async fn apply(&self, plan: Plan<Signed>) -> Result<Applied, Error> {
        self.carry_out(plan.into_steps()).await
    }

    fn health(&self, inventory: &Inventory) -> impl Future<Output = Result<Vec<Unhealthy>, Error>> + Send {
        let inventory = inventory.clone();
        async move { self.unhealthy(&inventory).await }
    }
}
