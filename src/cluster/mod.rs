//! The cluster: the seam, the API server behind it, and a stand-in for tests.
//!
//! Every request of a Sync carries the impersonation of its ServiceAccount, discovery and pruning included. Manifests go
//! out in memory that is wiped; replies are reduced to metadata, and nothing an API server says about a Secret is
//! repeated.

mod apply;
mod claims;
mod defined;
mod discovery;
mod error;
mod fence;
mod health;
mod kstatus;
mod kube;
mod memory;
mod metadata;
mod path;
mod plain;
mod prune;
mod reply;
mod request;
mod stand_in;
mod survey;
mod watch;

use std::future::Future;

use crate::model::Key;
use crate::plan::{Held, Inventory, Live, Plan};
use crate::policy::Admitted;
use crate::trust::{Origin, Signed};

pub use claims::Claim;
pub use error::{Error, Failure};
pub use fence::Fence;
pub use health::Unhealthy;
pub use kstatus::judge;
pub use kube::{Acting, Kube, ServiceAccount};
pub use plain::{Plain, PlainError, Resource};
pub use reply::{Taken, Trouble};
pub use request::Verb;
pub use stand_in::StandIn;
pub use watch::Watch;

/// Who writes the fields of what is applied.
pub const FIELD_MANAGER: &str = "gitwarrant";

/// The cluster as one Sync may see and change it.
pub trait Cluster: Send + Sync {
    /// Looks what exists of what is wanted and of what is recorded. Changes nothing.
    ///
    /// # Errors
    /// A kind that the cluster does not serve; an object that may not be looked at; no answer.
    fn survey<O: Origin>(
        &self,
        admitted: &Admitted<O>,
        inventory: &Inventory,
    ) -> impl Future<Output = Result<Live, Error>> + Send;

    /// Does what the plan says. What cannot be done is named; everything else is done all the same, but nothing is
    /// deleted unless everything was applied.
    ///
    /// [`Plan::intended`] must have been recorded before.
    ///
    /// # Errors
    /// Everything that could not be done, each with object and verb.
    fn apply(&self, plan: Plan<Signed>) -> impl Future<Output = Result<Applied, Error>> + Send;

    /// What of the recorded objects does not work (yet).
    ///
    /// # Errors
    /// An object that may not be looked at; no answer.
    fn health(&self, inventory: &Inventory) -> impl Future<Output = Result<Vec<Unhealthy>, Error>> + Send;
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Objects that were made or changed.
    pub changed: Vec<Key>,
    /// How many objects were as their manifests say already.
    pub unchanged: usize,
    /// Objects that were deleted.
    pub pruned: Vec<Key>,
    /// Deletions that did not happen.
    pub held: Vec<Held>,
    /// Recorded objects that somebody else has made anew or taken over; they are recorded no longer.
    pub lost: Vec<Key>,
    /// Fields that others had written and that are as in the manifest again.
    pub taken_over: Vec<TakenOver>,
    /// What is to be recorded now.
    pub inventory: Inventory,
    /// What of that is not wanted any more: deletions that did not happen, or wait for a finalizer.
    pub departed: Vec<Key>,
}

/// A field that somebody else had written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// The object.
    pub key: Key,
    /// The field, and who had written it.
    pub taken: Taken,
}
