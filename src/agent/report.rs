//! How the end of a turn is told: status, event, metric, log.

use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};
use tracing::{debug, info, warn};

use crate::api::{ConditionStatus, REQUESTED_AT, Sync, SyncStatus};
use crate::telemetry::TurnEnd;

use super::Error;
use super::desk::{Desk, Memory};
use super::events::{Deeds, publish, transitions};
use super::outcome::{Changes, Outcome};
use super::run::Key;
use super::schedule::Next;
use super::status::{Findings, Holds, conditions, differ};

/// Tells what the turn of `sync` came to, and when the next one is due.
pub(super) async fn report(
    desk: &Arc<Desk>,
    sync: &Sync,
    memory: &mut Memory,
    outcome: Outcome,
    took: Duration,
) -> Next {
    let (namespace, name) = (sync.namespace().unwrap_or_default(), sync.name_any());
    let (key, uid) = (Key::Sync(namespace.clone(), name.clone()), sync.uid());
    let about = About { desk, namespace: &namespace, name: &name, uid: uid.as_deref() };
    desk.metrics.cluster(outcome.changes.changed.len(), outcome.changes.pruned.len());
    if !desk.is_present(&key, about.uid) {
        debug!(%namespace, sync = %name, "the Sync of this turn is gone, and nobody is told how it ended");
        return outcome.next(sync);
    }
    desk.measure(&key, about.uid, |metrics| {
        metrics.turn(&namespace, &name, outcome.end, took);
        metrics.ready(&namespace, &name, outcome.ready.status == ConditionStatus::True);
    });
    if outcome.end != TurnEnd::Failed && outcome.changes == Changes::default() {
        desk.note_calm(Key::Sync(namespace.clone(), name.clone()));
    }
    if outcome.end == TurnEnd::Refused {
        desk.metrics.refusal(&outcome.ready.reason);
    }
    let old = sync.status.clone().unwrap_or_default();
    let previous = memory.conditions.take().unwrap_or_else(|| old.conditions.clone());
    let (next, reconciling) = (outcome.next(sync), outcome.reconciling());
    let findings = Findings {
        generation: sync.metadata.generation.unwrap_or_default(),
        ready: outcome.ready,
        verified: outcome.verified.or_else(|| kept(&previous, crate::api::condition_kind::VERIFIED)),
        fresh: outcome.fresh.or_else(|| kept(&previous, crate::api::condition_kind::FRESH)),
        healthy: outcome.healthy,
        reconciling,
        stalled: outcome.stalled,
        distrusted: match &memory.reviewed {
            Some(reviewed) => reviewed.distrusted.clone(),
            None => kept(&previous, crate::api::condition_kind::DISTRUSTED),
        },
        clock_suspect: None,
    };
    desk.measure(&key, about.uid, |metrics| {
        metrics.distrusted(&namespace, &name, findings.distrusted.is_some());
        if let Some(fresh) = &findings.fresh {
            metrics.fresh(&namespace, &name, fresh.status != ConditionStatus::False);
        }
    });
    let found = conditions(&previous, &findings, desk.clock.now());
    tell(&namespace, &name, &previous, &findings.ready, &outcome.changes, took);
    let record = outcome.record;
    let status = SyncStatus {
        observed_generation: sync.metadata.generation,
        conditions: found.clone(),
        last_attempted_revision: outcome.attempted.or(old.last_attempted_revision.clone()),
        last_applied_revision: record
            .as_ref()
            .map_or(old.last_applied_revision.clone(), |record| record.revision.clone()),
        signer: record.as_ref().map_or(old.signer.clone(), |record| record.signer.clone()),
        objects: record.as_ref().map_or(old.objects, |record| u32::try_from(record.objects).ok()),
        warrant_generation: record
            .map_or(old.warrant_generation, |record| Some(record.generation).filter(|told| *told > 0)),
        held_deletions: outcome.held_deletions.unwrap_or_else(|| old.held_deletions.clone()),
        last_handled_requested_at: sync.annotations().get(REQUESTED_AT).cloned(),
    };
    let told_meanwhile = std::mem::take(&mut memory.told_meanwhile);
    let same = !told_meanwhile
        && !differ(&previous, &found)
        && SyncStatus { conditions: old.conditions.clone(), ..status.clone() } == old;
    let deeds = deeds(&old, &status, outcome.changes);
    let happened = transitions(&previous, &found, &deeds);
    memory.conditions = Some(found);
    if same && happened.is_empty() {
        return next;
    }
    if !about.write(&json!(status)).await {
        memory.conditions = None;
    }
    publish(&desk.client, &sync.object_ref(&()), happened).await;
    next
}

/// Tells, while the turn goes on, that another commit is applied and what has to work before it is ready. What an
/// earlier commit was called would be a lie by now.
pub(super) async fn progress(desk: &Arc<Desk>, sync: &Sync, memory: &mut Memory, outcome: &Outcome, waits_for: &str) {
    let (namespace, name) = (sync.namespace().unwrap_or_default(), sync.name_any());
    let Some(record) = &outcome.record else { return };
    let old = sync.status.clone().unwrap_or_default();
    let previous = memory.conditions.as_ref().unwrap_or(&old.conditions);
    let message = format!("{}; waiting until it works: {waits_for}", outcome.ready.message);
    let findings = Findings {
        generation: sync.metadata.generation.unwrap_or_default(),
        ready: Holds::unknown("Progressing", message.clone()),
        verified: outcome.verified.clone(),
        fresh: outcome.fresh.clone(),
        healthy: Some(Holds::unknown("Progressing", waits_for)),
        reconciling: Some(Holds::yes("Progressing", message)),
        stalled: None,
        distrusted: kept(previous, crate::api::condition_kind::DISTRUSTED),
        clock_suspect: None,
    };
    let found = conditions(previous, &findings, desk.clock.now());
    let status = SyncStatus {
        observed_generation: sync.metadata.generation,
        conditions: found,
        last_attempted_revision: outcome.attempted.clone(),
        last_applied_revision: record.revision.clone(),
        signer: record.signer.clone(),
        objects: u32::try_from(record.objects).ok(),
        warrant_generation: Some(record.generation),
        held_deletions: old.held_deletions.clone(),
        last_handled_requested_at: old.last_handled_requested_at.clone(),
    };
    let uid = sync.uid();
    let about = About { desk, namespace: &namespace, name: &name, uid: uid.as_deref() };
    desk.measure(&Key::Sync(namespace.clone(), name.clone()), about.uid, |metrics| {
        metrics.ready(&namespace, &name, false);
    });
    memory.told_meanwhile = true;
    about.write(&json!(status)).await;
}

/// The one Sync that something is told about.
struct About<'a> {
    desk: &'a Desk,
    namespace: &'a str,
    name: &'a str,
    uid: Option<&'a str>,
}

impl About<'_> {
    /// Writes the whole status; whether it is written. It never lands on another Sync that was made under the same name:
    /// that one would miss a Warrant which it never had.
    async fn write(&self, status: &Value) -> bool {
        let kind = kube::api::ApiResource::erase::<Sync>(&());
        let api = Api::<DynamicObject>::namespaced_with(self.desk.client.clone(), self.namespace, &kind);
        let steps = json!([
            {"op": "test", "path": "/metadata/uid", "value": self.uid},
            {"op": "add", "path": "/status", "value": status},
        ]);
        let written = match serde_json::from_value(steps) {
            Ok(steps) => api.patch_status(self.name, &PatchParams::default(), &Patch::Json::<()>(steps)).await,
            Err(fault) => Err(kube::Error::SerdeError(fault)),
        };
        let (namespace, name) = (self.namespace, self.name);
        if let Err(fault) = &written {
            warn!(%namespace, sync = %name, error = %Error::request("Sync status".to_owned(), fault), "the status is not written");
        }
        written.is_ok()
    }
}

/// What the turn did that its conditions do not say.
fn deeds(old: &SyncStatus, new: &SyncStatus, changes: Changes) -> Deeds {
    let moved = new.last_applied_revision != old.last_applied_revision;
    let moved_to = new.last_applied_revision.clone().filter(|_| moved).map(|revision| (revision, new.signer.clone()));
    let newly_held = if new.held_deletions == old.held_deletions { Vec::new() } else { new.held_deletions.clone() };
    Deeds { changed: changes.changed, pruned: changes.pruned, lost: changes.lost, moved_to, newly_held }
}

fn kept(previous: &[crate::api::Condition], kind: &str) -> Option<Holds> {
    let old = previous.iter().find(|condition| condition.kind == kind)?;
    Some(Holds { status: old.status, reason: old.reason.clone(), message: old.message.clone() })
}

fn tell(
    namespace: &str,
    name: &str,
    previous: &[crate::api::Condition],
    ready: &Holds,
    changes: &Changes,
    took: Duration,
) {
    let (applied, pruned) = (changes.changed.len(), changes.pruned.len());
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let before = previous.iter().find(|condition| condition.kind == crate::api::condition_kind::READY);
    let news = before
        .is_none_or(|old| old.status != ready.status || old.reason != ready.reason || old.message != ready.message);
    if ready.status == ConditionStatus::False {
        if news {
            warn!(%namespace, sync = %name, reason = %ready.reason, message = %ready.message, milliseconds, "Sync is not ready");
        }
    } else if news || *changes != Changes::default() {
        info!(%namespace, sync = %name, reason = %ready.reason, message = %ready.message, applied, pruned, milliseconds, "cluster matches commit");
    } else {
        debug!(%namespace, sync = %name, milliseconds, "nothing to do");
    }
}

/// Says that a Sync cannot be read: a field that nobody knows is never ignored.
pub(super) async fn report_unreadable(desk: &Arc<Desk>, object: &DynamicObject, fault: &serde_json::Error) -> Next {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let (key, uid) = (Key::Sync(namespace.clone(), name.clone()), object.uid());
    desk.measure(&key, uid.as_deref(), |metrics| metrics.ready(&namespace, &name, false));
    let holds = Holds::no("InvalidSpec", format!("the Sync cannot be read: {fault}"));
    let generation = object.metadata.generation.unwrap_or_default();
    let findings = Findings {
        generation,
        stalled: Some(Holds::yes("InvalidSpec", holds.message.clone())),
        ready: holds,
        verified: None,
        fresh: None,
        healthy: None,
        reconciling: None,
        distrusted: None,
        clock_suspect: None,
    };
    let previous: Vec<crate::api::Condition> =
        serde_json::from_value(object.data["status"]["conditions"].clone()).unwrap_or_default();
    let found = conditions(&previous, &findings, desk.clock.now());
    let (asked, status) = (object.annotations().get(REQUESTED_AT), &object.data["status"]);
    if differ(&previous, &found) || asked.is_some_and(|asked| status["lastHandledRequestedAt"].as_str() != Some(asked))
    {
        warn!(%namespace, sync = %name, message = %findings.ready.message, "Sync cannot be read");
        let mut status = status.as_object().cloned().unwrap_or_default();
        status.insert("observedGeneration".to_owned(), json!(generation));
        status.insert("conditions".to_owned(), json!(found));
        if let Some(asked) = asked {
            status.insert("lastHandledRequestedAt".to_owned(), json!(asked));
        }
        let about = About { desk, namespace: &namespace, name: &name, uid: uid.as_deref() };
        about.write(&Value::Object(status)).await;
    }
    Next::Interval(Duration::from_secs(300))
}
