//! Bringing the cluster to a commit: the newest, or the last good one where that is held back.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::ResourceExt;
use tracing::warn;

use crate::api::{self, Repository, WarrantSpec};
use crate::cluster::{Acting, Applied, Cluster};
use crate::model::Key;
use crate::plan::{self, Identity};
use crate::policy::Admitted;
use crate::trust::Signed;

use super::outcome::Changes;
use super::polled::Polled;
use super::prepare::{Held, Wanted};
use super::record::{Proof, entries, inventory, renewed};
use super::run::Key as SyncKey;
use super::sync::{Work, inputs_of};
use super::warrant::Ledger;

/// What the cluster is brought to.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// The newest commit, which becomes the last good one.
    Newest {
        /// Where it is from.
        repository: &'a Repository,
        /// Whether what was applied before is believed today.
        believed: bool,
    },
    /// The last good one again, as far as a newer one has not taken its place: drift is put right, nothing is deleted.
    LastGood(&'a Stale),
}

/// Why the cluster was not brought to a commit.
pub(super) struct Unbrought {
    pub(super) held: Held,
    pub(super) stale: Stale,
}

/// What is still to be as the last good commit says, when a newer one was not brought.
pub(super) enum Stale {
    /// All of it: nothing of the newer one was written.
    Everything,
    /// These: the newer one took the place of all others, and to put those back would turn them to and fro.
    Only(BTreeSet<Identity>),
}

impl Stale {
    /// Nothing was written.
    fn all(held: Held) -> Unbrought {
        Unbrought { held, stale: Stale::Everything }
    }

    /// Everything was written but what the error names.
    fn after(error: &crate::cluster::Error) -> Unbrought {
        let unwritten = error.unwritten().map(Identity::from).collect();
        Unbrought { held: Held::applying(error), stale: Stale::Only(unwritten) }
    }
}

impl Work<'_> {
    /// Puts drift of the last good commit right, while a newer one is held back.
    pub(super) async fn keep_last_good(
        &self,
        cluster: &Acting,
        ledger: &mut Ledger,
        polled: &Polled,
        wanted: Wanted,
        (judging, stale): (&Arc<tokio::sync::Mutex<()>>, &Stale),
    ) -> Changes {
        if matches!(stale, Stale::Only(objects) if objects.is_empty()) {
            return Changes::default();
        }
        let (Some(applied), Some(reference)) = (wanted.base.applied, ledger.spec().reference.clone()) else {
            return Changes::default();
        };
        let Some(fetched) = polled.at_commit(applied, &reference) else {
            warn!(commit = %applied.short(), "the last good commit is not given by the remote; its drift is not put right");
            return Changes::default();
        };
        // What was applied is never judged again: the range from it to itself is empty.
        let brought = match self.judge(fetched, wanted, judging).await.0 {
            Ok(admitted) => self.bring(cluster, ledger, admitted, Purpose::LastGood(stale)).await,
            Err(fault) => Err(Stale::all(fault)),
        };
        match brought {
            Ok(applied) => changes(&applied),
            Err(Unbrought { held, .. }) => {
                warn!(code = %held.code, message = %held.message, "drift of the last good commit is not put right");
                Changes::default()
            }
        }
    }

    /// Survey, plan, write ahead, apply, settle.
    pub(super) async fn bring(
        &self,
        cluster: &Acting,
        ledger: &mut Ledger,
        admitted: Admitted<Signed>,
        purpose: Purpose<'_>,
    ) -> Result<Applied, Unbrought> {
        let commit = admitted.origin().commit().to_string();
        let proof = match purpose {
            Purpose::Newest { repository, believed } => Some((Proof::of(&admitted, &repository.spec), believed)),
            Purpose::LastGood(_) => None,
        };
        let before = inventory(ledger.spec());
        let mut live = cluster.survey(&admitted, &before).await.map_err(|error| Stale::all(Held::applying(&error)))?;
        live.disown(|owner| self.desk.is_known(&SyncKey::Sync(owner.namespace.clone(), owner.name.clone())));
        let prune = self.prune(purpose, &commit, ledger.spec());
        let plan = plan::plan(admitted, &before, &live, prune, &self.owner())
            .map_err(|refusal| Stale::all(Held::planning(&refusal)))?;
        let plan = match purpose {
            Purpose::LastGood(Stale::Only(objects)) => plan.only(objects),
            Purpose::LastGood(Stale::Everything) | Purpose::Newest { .. } => plan,
        };
        let claim = cluster.claim(&plan).map_err(|refusal| Stale::all(Held::planning(&refusal)))?;
        let pending = proof.is_some().then_some(commit.as_str());
        // What is held from now on was not held when somebody approved: should this turn fail, the next one must not take
        // it for approved.
        let outgrown = prune == plan::Prune::Approved && plan.intended().holds_more_than(&before);
        let ahead = ledger.write_ahead(pending, entries(plan.intended()), outgrown.then_some(commit.as_str())).await;
        ahead.map_err(|error| Stale::all(Held::recording(&error)))?;
        let applied = cluster.apply(plan).await.map_err(|error| Stale::after(&error))?;
        drop(claim);
        let settled = match proof {
            Some((proof, believed)) => {
                let inventory = entries(&applied.inventory);
                let spent = |spec: &WarrantSpec| self.spent(prune, spec);
                ledger
                    .settle(|spec| {
                        spec.prune_approved = spent(spec);
                        spec.inputs_of = Some(inputs_of(&self.sync.spec));
                        proof.settle(spec, inventory, believed);
                    })
                    .await
            }
            None => ledger.settle(|spec| spec.inventory = renewed(spec, &applied.inventory)).await,
        };
        settled.map_err(|error| Unbrought { held: Held::recording(&error), stale: Stale::Only(BTreeSet::new()) })?;
        Ok(applied)
    }

    fn prune(&self, purpose: Purpose<'_>, commit: &str, spec: &WarrantSpec) -> plan::Prune {
        let approved = self.sync.annotations().get(api::APPROVE_PRUNE);
        let still_counts = |approved: &String| approved == commit && spec.prune_approved.as_ref() != Some(approved);
        match purpose {
            Purpose::LastGood(_) => plan::Prune::LastGood,
            Purpose::Newest { .. } if !self.sync.spec.prune => plan::Prune::Off,
            Purpose::Newest { .. } if approved.is_some_and(still_counts) => plan::Prune::Approved,
            Purpose::Newest { .. } => plan::Prune::Fused,
        }
    }

    /// The approval that is used up once a turn with `prune` has settled. One that stands would otherwise approve
    /// whatever somebody who may change a variable makes leave the repository later.
    fn spent(&self, prune: plan::Prune, spec: &WarrantSpec) -> Option<String> {
        let approved = self.sync.annotations().get(api::APPROVE_PRUNE)?;
        let is_spent = prune == plan::Prune::Approved || spec.prune_approved.as_ref() == Some(approved);
        is_spent.then(|| approved.clone())
    }

    pub(super) fn owner(&self) -> plan::Owner {
        plan::Owner { namespace: self.sync.namespace().unwrap_or_default(), name: self.sync.name_any() }
    }
}

/// What was done, for the status.
pub(super) fn changes(applied: &Applied) -> Changes {
    let told = |key: &Key| {
        let fields = applied.taken_over.iter().filter(|taken| taken.key == *key);
        let fields: Vec<String> =
            fields.take(3).map(|taken| format!("{}, by {}", taken.taken.field, taken.taken.manager)).collect();
        if fields.is_empty() { key.to_string() } else { format!("{key} ({})", fields.join("; ")) }
    };
    Changes {
        changed: applied.changed.iter().map(told).collect(),
        pruned: applied.pruned.iter().map(ToString::to_string).collect(),
        lost: applied.lost.iter().map(ToString::to_string).collect(),
    }
}
