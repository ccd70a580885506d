//! What a turn came to, and how it is told: status, event, metric, log.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::json;
use tracing::{debug, info, warn};

use crate::api::{ConditionStatus, REQUESTED_AT, Sync, SyncStatus, WarrantSpec};
use crate::cluster::Unhealthy;
use crate::model::Class;
use crate::telemetry::TurnEnd;

use super::Error;
use super::desk::{Desk, Memory, PolicyFault};
use super::mirrors::{Newest, Polled};
use super::prepare::{Held, Stage};
use super::schedule::Next;
use super::status::{Findings, Holds, conditions, differ, reason};
use super::warrant::Lost;

/// What a turn came to.
pub(super) struct Outcome {
    end: TurnEnd,
    class: Option<Class>,
    ready: Holds,
    verified: Option<Holds>,
    fresh: Option<Holds>,
    healthy: Option<Holds>,
    stalled: Option<Holds>,
    attempted: Option<String>,
    record: Option<Record>,
    held_deletions: Option<Vec<String>>,
    /// Objects created or changed, and objects deleted.
    changes: (usize, usize),
}

/// What the Warrant says now, for people.
struct Record {
    revision: Option<String>,
    signer: Option<String>,
    objects: usize,
}

impl Record {
    fn of(spec: &WarrantSpec) -> Self {
        let reference = spec.reference.as_deref().unwrap_or_default();
        Self {
            revision: spec.applied.as_ref().map(|commit| revision(reference, commit)),
            signer: spec.signers.first().map(|signature| signature.signer.clone()),
            objects: spec.inventory.len(),
        }
    }
}

/// `main@4f1c…`: reference in short, commit in full.
pub(super) fn revision(reference: &str, commit: &str) -> String {
    let short =
        reference.strip_prefix("refs/heads/").or_else(|| reference.strip_prefix("refs/tags/")).unwrap_or(reference);
    format!("{short}@{commit}")
}

impl Outcome {
    fn new(end: TurnEnd, ready: Holds) -> Self {
        Self {
            end,
            class: None,
            ready,
            verified: None,
            fresh: None,
            healthy: None,
            stalled: None,
            attempted: None,
            record: None,
            held_deletions: None,
            changes: (0, 0),
        }
    }

    /// Nothing is done because somebody said so.
    pub(super) fn resting(why: &str) -> Self {
        Self::new(TurnEnd::Unchanged, Holds::unknown("Suspended", why))
    }

    /// Nothing is done until somebody edits something.
    pub(super) fn stalled(code: &str, message: String) -> Self {
        let holds = Holds::no(reason(code), message.clone());
        let stalled = Some(Holds::yes(reason(code), message));
        Self { class: Some(Class::Misconfigured), stalled, ..Self::new(TurnEnd::Refused, holds) }
    }

    /// There is nobody to believe: nothing new is applied, what runs is kept.
    pub(super) fn no_policy(fault: &PolicyFault) -> Self {
        let (code, class) = match fault {
            PolicyFault::Read(error) => (error.code(), error.class()),
            PolicyFault::Rules(_) => ("bad-configuration", Class::Misconfigured),
        };
        let verified = Some(Holds::no(reason(code), fault.to_string()));
        match class {
            Class::Transient => Self {
                class: Some(class),
                verified,
                ..Self::new(TurnEnd::Failed, Holds::no(reason(code), fault.to_string()))
            },
            Class::Refused | Class::Misconfigured | Class::Bug => {
                Self { verified, ..Self::stalled(code, fault.to_string()) }
            }
        }
    }

    /// The record is lost or older: nothing is done, somebody must look.
    pub(super) fn state_lost(lost: &Lost) -> Self {
        Self::stalled("state-lost", lost.to_string())
    }

    /// The API server did not answer as needed.
    pub(super) fn no_answer(error: &Error) -> Self {
        let ready = Holds::no(reason(error.code()), error.to_string());
        Self { class: Some(error.class()), ..Self::new(TurnEnd::Failed, ready) }
    }

    /// Another Sync has to be ready first.
    pub(super) fn waiting(message: String) -> Self {
        Self { class: Some(Class::Transient), ..Self::new(TurnEnd::Failed, Holds::no("DependencyNotReady", message)) }
    }

    /// The turn took longer than the Sync allows.
    pub(super) fn timed_out(limit: Duration) -> Self {
        let message = format!("the turn took longer than spec.timeout ({limit:?}) and was given up; it is tried again");
        Self { class: Some(Class::Transient), ..Self::new(TurnEnd::Failed, Holds::no("Timeout", message)) }
    }

    /// The cluster equals the commit already.
    pub(super) fn unchanged(spec: &WarrantSpec, polled: &Polled) -> Self {
        Self { end: TurnEnd::Unchanged, ..Self::applied(spec, polled, (0, 0), Vec::new()) }
    }

    /// The cluster equals the commit now.
    pub(super) fn applied(spec: &WarrantSpec, polled: &Polled, changes: (usize, usize), held: Vec<String>) -> Self {
        let record = Record::of(spec);
        let at = record.revision.clone().unwrap_or_default();
        let ready = if held.is_empty() {
            Holds::yes("Applied", format!("applied {at}"))
        } else {
            let message = format!(
                "applied {at}; {} deletions are held: {}{}. Set the annotation gitwarrant.io/approve-prune to the commit's \
                 full id to let them happen",
                held.len(),
                held.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", "),
                if held.len() > SHOWN { ", and others" } else { "" }
            );
            Holds::yes("AppliedDeletionsHeld", message)
        };
        let end = if changes == (0, 0) { TurnEnd::Unchanged } else { TurnEnd::Applied };
        Self {
            verified: Some(verified(spec)),
            fresh: Some(polled.fresh(Newest::Head)),
            attempted: record.revision.clone(),
            record: Some(record),
            held_deletions: Some(held.into_iter().take(LISTED).collect()),
            changes,
            ..Self::new(end, ready)
        }
    }

    /// A commit is held back; the last good one stays.
    pub(super) fn held(spec: &WarrantSpec, polled: &Polled, held: &Held) -> Self {
        let record = Record::of(spec);
        let stays =
            record.revision.as_ref().map_or("nothing is applied".to_owned(), |at| format!("{at} stays applied"));
        let message = format!("{}; {stays}", held.message);
        let no = Holds::no(reason(&held.code), message);
        let end = match held.class {
            Class::Transient => TurnEnd::Failed,
            Class::Refused | Class::Misconfigured | Class::Bug => TurnEnd::Refused,
        };
        let (verified, fresh) = match held.stage {
            Stage::Fetching => {
                (spec.applied.as_ref().map(|_| verified(spec)), Holds::no(no.reason.clone(), held.message.clone()))
            }
            Stage::Judging(_) => (Some(no.clone()), polled.fresh(Newest::LastGood(spec.applied.as_deref()))),
            Stage::Rendering | Stage::Applying => (
                Some(Holds::yes("Verified", "every commit that is new is signed as the policy asks")),
                polled.fresh(Newest::Head),
            ),
        };
        Self {
            class: Some(held.class),
            verified,
            fresh: Some(fresh),
            attempted: polled.revision(),
            record: Some(record),
            ..Self::new(end, no)
        }
    }

    /// Whether the Sync is ready now.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.status == ConditionStatus::True
    }

    /// What was applied works.
    pub(super) fn healthy(self) -> Self {
        Self { healthy: Some(Holds::yes("Healthy", "everything that was applied works")), ..self }
    }

    /// What was applied does not work, or not within the turn's time.
    pub(super) fn unhealthy(self, unhealthy: &[Unhealthy]) -> Self {
        let told: Vec<String> = unhealthy.iter().take(10).map(|one| format!("{}: {}", one.key, one.why)).collect();
        let no = Holds::no("Unhealthy", format!("{} objects do not work: {}", unhealthy.len(), told.join("; ")));
        Self { class: Some(Class::Transient), end: TurnEnd::Failed, ready: no.clone(), healthy: Some(no), ..self }
    }

    /// Nobody can say whether what was applied works.
    pub(super) fn health_unknown(self, error: &crate::cluster::Error) -> Self {
        let unknown = Holds::unknown(reason(error.code()), error.to_string());
        let ready = Holds::no(unknown.reason.clone(), unknown.message.clone());
        Self { class: Some(error.class()), end: TurnEnd::Failed, ready, healthy: Some(unknown), ..self }
    }

    fn next(&self, sync: &Sync) -> Next {
        let interval = sync.spec.interval.get().max(crate::settings::SHORTEST_INTERVAL);
        let first = sync.spec.retry_interval.map_or(FIRST_RETRY.min(interval), crate::api::Duration::get);
        match self.class {
            Some(Class::Transient) => Next::Retry { first: first.max(crate::settings::SHORTEST_INTERVAL), interval },
            Some(Class::Refused | Class::Misconfigured | Class::Bug) | None => Next::Interval(interval),
        }
    }
}

/// Held deletions that a message names, and that the status lists: an object of the API has a bound.
const SHOWN: usize = 20;
const LISTED: usize = 200;

/// First wait after a passing fault, where the Sync does not say.
const FIRST_RETRY: Duration = Duration::from_secs(5);

fn verified(spec: &WarrantSpec) -> Holds {
    match spec.signers.first() {
        Some(signature) => Holds::yes(
            "Verified",
            format!("{} signed by {} with {}", signature.commit, signature.signer, signature.key),
        ),
        None => Holds::yes("PinnedRoot", "the applied commit is the pinned trust.root"),
    }
}

/// Tells what the turn of `sync` came to, and when the next one is due.
pub(super) async fn report(
    desk: &Arc<Desk>,
    sync: &Sync,
    memory: &mut Memory,
    outcome: Outcome,
    took: Duration,
) -> Next {
    let (namespace, name) = (sync.namespace().unwrap_or_default(), sync.name_any());
    desk.metrics.turn(&namespace, &name, outcome.end, took);
    desk.metrics.ready(&namespace, &name, outcome.ready.status == ConditionStatus::True);
    desk.metrics.cluster(outcome.changes.0, outcome.changes.1);
    if outcome.end == TurnEnd::Refused {
        desk.metrics.refusal(&outcome.ready.reason);
    }
    let old = sync.status.clone().unwrap_or_default();
    let previous = memory.conditions.take().unwrap_or_else(|| old.conditions.clone());
    let next = outcome.next(sync);
    let findings = Findings {
        generation: sync.metadata.generation.unwrap_or_default(),
        ready: outcome.ready,
        verified: outcome.verified.or_else(|| kept(&previous, crate::api::condition_kind::VERIFIED)),
        fresh: outcome.fresh.or_else(|| kept(&previous, crate::api::condition_kind::FRESH)),
        healthy: outcome.healthy,
        reconciling: None,
        stalled: outcome.stalled,
    };
    let found = conditions(&previous, &findings, desk.clock.now());
    tell(&namespace, &name, &previous, &findings.ready, outcome.changes, took);
    let record = outcome.record;
    let status = SyncStatus {
        observed_generation: sync.metadata.generation,
        conditions: found.clone(),
        last_attempted_revision: outcome.attempted.or(old.last_attempted_revision.clone()),
        last_applied_revision: record
            .as_ref()
            .map_or(old.last_applied_revision.clone(), |record| record.revision.clone()),
        signer: record.as_ref().map_or(old.signer.clone(), |record| record.signer.clone()),
        objects: record.map_or(old.objects, |record| u32::try_from(record.objects).ok()),
        held_deletions: outcome.held_deletions.unwrap_or_else(|| old.held_deletions.clone()),
        last_handled_requested_at: sync.annotations().get(REQUESTED_AT).cloned(),
    };
    let same = !differ(&previous, &found) && SyncStatus { conditions: old.conditions.clone(), ..status.clone() } == old;
    memory.conditions = Some(found);
    if same {
        return next;
    }
    let api = Api::<Sync>::namespaced(desk.client.clone(), &namespace);
    match api.patch_status(&name, &PatchParams::default(), &Patch::Merge(json!({ "status": full(&status) }))).await {
        Ok(_) => {}
        Err(fault) => {
            memory.conditions = None;
            warn!(%namespace, %name, error = %Error::request("Sync status".to_owned(), &fault), "the status is not written");
        }
    }
    next
}

/// A merge patch that removes what is absent now.
fn full(status: &SyncStatus) -> serde_json::Value {
    let mut value = json!({
        "lastAttemptedRevision": null, "lastAppliedRevision": null, "signer": null, "objects": null,
        "heldDeletions": null, "lastHandledRequestedAt": null,
    });
    if let (Some(all), Ok(serde_json::Value::Object(set))) = (value.as_object_mut(), serde_json::to_value(status)) {
        all.extend(set);
    }
    value
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
    changes: (usize, usize),
    took: Duration,
) {
    let (applied, pruned) = changes;
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let before = previous.iter().find(|condition| condition.kind == crate::api::condition_kind::READY);
    let news = before
        .is_none_or(|old| old.status != ready.status || old.reason != ready.reason || old.message != ready.message);
    if ready.status == ConditionStatus::False {
        if news {
            warn!(%namespace, sync = %name, reason = %ready.reason, message = %ready.message, milliseconds, "Sync is not ready");
        }
    } else if news || changes != (0, 0) {
        info!(%namespace, sync = %name, reason = %ready.reason, message = %ready.message, applied, pruned, milliseconds, "cluster matches commit");
    } else {
        debug!(%namespace, sync = %name, milliseconds, "nothing to do");
    }
}

/// Says that a Sync cannot be read: a field that nobody knows is never ignored.
pub(super) async fn report_unreadable(desk: &Arc<Desk>, object: &DynamicObject, fault: &serde_json::Error) -> Next {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
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
    };
    let previous: Vec<crate::api::Condition> =
        serde_json::from_value(object.data["status"]["conditions"].clone()).unwrap_or_default();
    let found = conditions(&previous, &findings, desk.clock.now());
    if differ(&previous, &found) {
        warn!(%namespace, sync = %name, message = %findings.ready.message, "Sync cannot be read");
        let kind = kube::api::ApiResource::erase::<Sync>(&());
        let api = Api::<DynamicObject>::namespaced_with(desk.client.clone(), &namespace, &kind);
        let patch = json!({"status": {"observedGeneration": generation, "conditions": found}});
        if let Err(fault) = api.patch_status(&name, &PatchParams::default(), &Patch::Merge(patch)).await {
            warn!(%namespace, sync = %name, error = %Error::request("Sync status".to_owned(), &fault), "the status is not written");
        }
    }
    Next::Interval(Duration::from_secs(300))
}
