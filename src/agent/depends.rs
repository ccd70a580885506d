//! What has to be ready before a commit is brought.

use std::collections::{BTreeSet, VecDeque};

use kube::ResourceExt;
use kube::api::{Api, DynamicObject};
use serde_json::Value;

use crate::api::{self, ConditionStatus, Sync};

use super::Error;
use super::polled::Polled;
use super::prepare::Held;
use super::sync::Work;
use super::warrant::Ledger;

impl Work<'_> {
    /// Why the newest commit waits for another Sync; nothing waits that is applied already.
    pub(super) async fn depends(&self, ledger: &Ledger, polled: &Polled) -> Option<Held> {
        let (sync, spec) = (self.sync, ledger.spec());
        let Ok((commit, _)) = &polled.head else { return None };
        let observed = sync.status.as_ref().and_then(|status| status.observed_generation);
        let is_applied = spec.pending.is_none() && spec.applied.as_deref() == Some(commit.head.to_string().as_str());
        if is_applied && observed == sync.metadata.generation {
            return None;
        }
        let namespace = sync.namespace().unwrap_or_default();
        let api = Api::<Sync>::namespaced(self.desk.client.clone(), &namespace);
        let own = sync.name_any();
        for api::LocalName { name } in &sync.spec.depends_on {
            if *name == own {
                return Some(Held::cycle(&[own.clone(), own]));
            }
            let what = format!("Sync {namespace}/{name} of dependsOn");
            match api.get_opt(name).await {
                Ok(Some(other)) if is_ready(&other, sync, polled) => {}
                Ok(Some(other)) => {
                    let cycle = cycle(&api, &own, other).await;
                    return Some(cycle.map_or_else(
                        || Held::waiting(format!("{what} is not ready at this commit")),
                        |names| Held::cycle(&names),
                    ));
                }
                Ok(None) => return Some(Held::waiting(format!("{what} does not exist"))),
                Err(fault) => return Some(Held::recording(&Error::request(what, &fault))),
            }
        }
        None
    }
}

/// So many Syncs are looked at for a cycle.
const LOOKED_AT: usize = 64;

/// The names along which `first`, which `own` depends on, depends on `own` again. What cannot be read breaks no cycle
/// that the next turn would not find.
async fn cycle(api: &Api<Sync>, own: &str, first: Sync) -> Option<Vec<String>> {
    let mut seen = BTreeSet::from([first.name_any()]);
    let mut ways = VecDeque::from([(vec![own.to_owned(), first.name_any()], first)]);
    while let Some((way, sync)) = ways.pop_front() {
        for api::LocalName { name } in &sync.spec.depends_on {
            let further: Vec<String> = way.iter().chain([name]).cloned().collect();
            if name == own {
                return Some(further);
            }
            if seen.len() < LOOKED_AT
                && seen.insert(name.clone())
                && let Ok(Some(next)) = api.get_opt(name).await
            {
                ways.push_back((further, next));
            }
        }
    }
    None
}

/// Whether `other` is ready as it is declared now, and at the commit that `sync` is about to be brought to, where both
/// follow the same Repository: commits of two cannot be compared.
fn is_ready(other: &Sync, sync: &Sync, polled: &Polled) -> bool {
    let Some(status) = &other.status else { return false };
    let ready = |one: &api::Condition| one.kind == api::condition_kind::READY && one.status == ConditionStatus::True;
    status.conditions.iter().any(ready)
        && status.observed_generation == other.metadata.generation
        && (other.spec.repository != sync.spec.repository || status.last_applied_revision == polled.revision())
}

/// What a Sync is ready at, if it is: as which generation, and at which revision.
pub(super) fn readiness(object: &DynamicObject) -> Option<(Option<i64>, Option<String>)> {
    let status = object.data.get("status")?;
    let is_ready = |one: &Value| one["type"] == api::condition_kind::READY && one["status"] == "True";
    let at = || (status["observedGeneration"].as_i64(), status["lastAppliedRevision"].as_str().map(str::to_owned));
    status["conditions"].as_array()?.iter().any(is_ready).then(at)
}

/// Whether a Sync names another in `dependsOn`.
pub(super) fn depends_on(object: &DynamicObject, name: &str) -> bool {
    let named = object.data["spec"]["dependsOn"].as_array();
    named.is_some_and(|named| named.iter().any(|one| one["name"] == name))
}
