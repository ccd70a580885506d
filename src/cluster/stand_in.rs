//! A cluster in memory, for tests of what is above the seam. Keeps names, never manifests.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::Key;
use crate::plan::{Departed, Entry, Existing, Identity, Inventory, Live, Located, Owner, Plan, Steps, Target};
use crate::policy::{Admitted, Item};
use crate::trust::{Origin, Signed};

use super::{Applied, Cluster, Error, Failure, Trouble, Unhealthy, Verb};

/// A cluster in memory, as one Sync sees it. It knows no kinds: every object lives where its manifest says.
#[derive(Clone)]
pub struct StandIn {
    owner: Owner,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<Identity, Existing>,
    clock: u64,
    denied: Vec<Identity>,
}

impl StandIn {
    /// An empty cluster.
    pub fn new(owner: Owner) -> Self {
        Self { owner, state: Arc::default() }
    }

    /// The same cluster as another Sync sees it.
    #[must_use]
    pub fn beside(&self, owner: Owner) -> Self {
        Self { owner, state: Arc::clone(&self.state) }
    }

    /// Refuses from now on to change this object.
    pub fn deny(&self, identity: Identity) {
        self.locked(|state| state.denied.push(identity));
    }

    /// Deletes an object by hand.
    pub fn delete(&self, identity: &Identity) {
        self.locked(|state| state.objects.remove(identity));
    }

    /// What exists.
    pub fn objects(&self) -> Vec<Identity> {
        self.locked(|state| state.objects.keys().cloned().collect())
    }

    fn locked<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn look(&self, items: &[Item], inventory: &Inventory) -> Live {
        self.locked(|state| {
            let locate = |key: &Key| {
                let plural = format!("{}s", key.kind.to_lowercase());
                let existing = state.objects.get(&Identity::from(key)).cloned();
                Located { target: Target { key: key.clone(), plural }, existing }
            };
            let mut live = Live::default();
            for item in items {
                live.found(item.key().clone(), locate(item.key()));
            }
            for entry in inventory.iter() {
                let located = locate(&entry.key);
                let answer =
                    if located.existing.is_some() { Departed::Present(Box::new(located)) } else { Departed::Gone };
                live.left(Identity::from(&entry.key), answer);
            }
            live
        })
    }

    fn carry_out(&self, steps: Steps) -> Result<Applied, Error> {
        self.locked(|state| {
            let mut applied = Applied { held: steps.held, lost: steps.lost, ..Applied::default() };
            let mut failures = Vec::new();
            for apply in steps.applies {
                let key = apply.target.key;
                let identity = Identity::from(&key);
                if state.denied.contains(&identity) {
                    failures.push(Failure {
                        what: key.to_string(),
                        unwritten: Some(key.clone()),
                        verb: Verb::Patch,
                        trouble: Trouble::NotFound,
                    });
                    continue;
                }
                state.clock += 1;
                let made = Existing {
                    uid: format!("uid-{}", state.clock),
                    resource_version: state.clock.to_string(),
                    outline: None,
                    owner: Some(self.owner.clone()),
                    kept: apply.handling.kept,
                    deleting: false,
                };
                let existing = state.objects.entry(identity).or_insert_with(|| {
                    applied.changed.push(key.clone());
                    made
                });
                existing.owner = Some(self.owner.clone());
                applied.inventory.record(Entry::new(key, Some(existing.uid.clone())));
            }
            if !failures.is_empty() {
                return Err(Error::Failures(failures));
            }
            applied.unchanged = applied.inventory.len() - applied.changed.len();
            for deletion in steps.deletions {
                state.objects.remove(&Identity::from(&deletion.target.key));
                applied.pruned.push(deletion.target.key);
            }
            let kept = steps.departed.into_iter().filter(|entry| !applied.pruned.contains(&entry.key));
            let kept: Vec<Entry> = kept.collect();
            for entry in kept {
                applied.departed.push(entry.key.clone());
                applied.inventory.record(entry);
            }
            Ok(applied)
        })
    }
}

impl Cluster for StandIn {
    fn survey<O: Origin>(
        &self,
        admitted: &Admitted<O>,
        inventory: &Inventory,
    ) -> impl Future<Output = Result<Live, Error>> + Send {
        let live = self.look(admitted.items(), inventory);
        async move { Ok(live) }
    }

    async fn apply(&self, plan: Plan<Signed>) -> Result<Applied, Error> {
        self.carry_out(plan.into_steps())
    }

    async fn health(&self, _inventory: &Inventory) -> Result<Vec<Unhealthy>, Error> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
#[path = "story.rs"]
mod story;
