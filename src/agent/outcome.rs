//! What a turn came to.

use std::time::Duration;

use crate::api::{ConditionStatus, Sync, SyncStatus, WarrantSpec};
use crate::cluster::Unhealthy;
use crate::model::Class;
use crate::plan::HeldBecause;
use crate::telemetry::TurnEnd;

use super::Error;
use super::desk::PolicyFault;
use super::polled::{Newest, Polled};
use super::prepare::{Held, Stage};
use super::schedule::Next;
use super::status::{Holds, reason};
use super::warrant::Lost;

/// What a turn came to.
pub(super) struct Outcome {
    pub(super) end: TurnEnd,
    class: Option<Class>,
    pub(super) ready: Holds,
    pub(super) verified: Option<Holds>,
    pub(super) fresh: Option<Holds>,
    pub(super) healthy: Option<Holds>,
    pub(super) stalled: Option<Holds>,
    pub(super) attempted: Option<String>,
    pub(super) record: Option<Record>,
    pub(super) held_deletions: Option<Vec<String>>,
    pub(super) changes: Changes,
}

/// What was done to the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Objects created or changed, each with the fields that somebody else had written.
    pub(super) changed: Vec<String>,
    /// Objects deleted.
    pub(super) pruned: Vec<String>,
    /// Objects that left the repository and are not deleted, because they are somebody else's by now.
    pub(super) lost: Vec<String>,
}

/// What left the repository and is still there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Remaining {
    /// Deletions that wait for somebody's approval.
    waiting: Vec<String>,
    /// What may not be looked at.
    unseen: Vec<String>,
}

impl Remaining {
    /// What a person has to do something about; what the Sync, or the object, says of itself is left out.
    pub(super) fn of(held: &[crate::plan::Held]) -> Self {
        let these = |fits: &dyn Fn(HeldBecause) -> bool| {
            let these = held.iter().filter(|held| fits(held.because));
            these.map(|held| format!("{} ({})", held.key, held.because.code())).collect()
        };
        Self {
            waiting: these(&HeldBecause::needs_approval),
            unseen: these(&|because| because == HeldBecause::KindUnknown),
        }
    }

    fn told(objects: &[String]) -> String {
        let shown = objects.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        format!("{shown}{}", if objects.len() > SHOWN { ", and others" } else { "" })
    }
}

/// What the Warrant says now, for people.
pub(super) struct Record {
    pub(super) revision: Option<String>,
    pub(super) signer: Option<String>,
    pub(super) objects: usize,
    pub(super) generation: u64,
}

impl Record {
    fn of(spec: &WarrantSpec) -> Self {
        let reference = spec.reference.as_deref().unwrap_or_default();
        Self {
            revision: spec.applied.as_ref().map(|commit| revision(reference, commit)),
            signer: spec.signers.first().map(|signature| signature.signer.clone()),
            objects: spec.inventory.len(),
            generation: spec.generation,
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
            changes: Changes::default(),
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

    /// The record of a Sync of the same name that was deleted is still there: it goes by itself.
    pub(super) fn predecessor(lost: &Lost) -> Self {
        let ready = Holds::no("WarrantOfAnother", lost.to_string());
        Self { class: Some(Class::Transient), ..Self::new(TurnEnd::Failed, ready) }
    }

    /// The API server did not answer as needed.
    pub(super) fn no_answer(error: &Error) -> Self {
        let ready = Holds::no(reason(error.code()), error.to_string());
        Self { class: Some(error.class()), ..Self::new(TurnEnd::Failed, ready) }
    }

    /// The turn broke down.
    pub(super) fn broke_down() -> Self {
        let message = "the turn broke down and was given up; what is applied stays. Please report it";
        Self { class: Some(Class::Bug), ..Self::new(TurnEnd::Failed, Holds::no("Panic", message)) }
    }

    /// The turn took longer than the Sync allows.
    pub(super) fn timed_out(limit: Duration) -> Self {
        let message = format!("the turn took longer than spec.timeout ({limit:?}) and was given up; it is tried again");
        Self { class: Some(Class::Transient), ..Self::new(TurnEnd::Failed, Holds::no("Timeout", message)) }
    }

    /// The cluster equals the commit already.
    pub(super) fn unchanged(spec: &WarrantSpec, polled: &Polled) -> Self {
        Self { end: TurnEnd::Unchanged, ..Self::applied(spec, polled, Changes::default(), &Remaining::default()) }
    }

    /// The cluster equals the commit now.
    pub(super) fn applied(spec: &WarrantSpec, polled: &Polled, changes: Changes, remaining: &Remaining) -> Self {
        let record = Record::of(spec);
        let at = record.revision.clone().unwrap_or_default();
        let Remaining { waiting, unseen } = remaining;
        let mut message = format!("applied {at}");
        if !waiting.is_empty() {
            let remedy = if spec.prune_approved.is_some() && spec.prune_approved == spec.applied {
                "They were held after this commit was approved, and an approval counts once: remove the annotation \
                 gitwarrant.io/approve-prune, and follow what is said here then"
            } else {
                "Set the annotation gitwarrant.io/approve-prune to the commit's full id to let them happen"
            };
            let told = Remaining::told(waiting);
            message = format!("{message}; {} deletions are held: {told}. {remedy}", waiting.len());
        }
        if !unseen.is_empty() {
            message = format!(
                "{message}; {} objects left the repository, and whether they exist cannot be looked at: {}. Let the \
                 Sync's ServiceAccount get them, or see that the API server answers for their kind; they stay until then",
                unseen.len(),
                Remaining::told(unseen)
            );
        }
        let reason = if waiting.is_empty() && unseen.is_empty() { "Applied" } else { "AppliedDeletionsHeld" };
        let ready = Holds::yes(reason, message);
        let end = if changes == Changes::default() { TurnEnd::Unchanged } else { TurnEnd::Applied };
        Self {
            verified: Some(verified(spec)),
            fresh: Some(polled.fresh(Newest::Head)),
            attempted: record.revision.clone(),
            record: Some(record),
            held_deletions: Some(waiting.iter().chain(unseen).take(LISTED).cloned().collect()),
            changes,
            ..Self::new(end, ready)
        }
    }

    /// A commit is held back; the last good one stays.
    /// `changes` is what was put right of that.
    pub(super) fn held(spec: &WarrantSpec, polled: &Polled, held: &Held, changes: Changes) -> Self {
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
            changes,
            ..Self::new(end, no)
        }
    }

    /// Whether another commit is applied than `told` says.
    pub(super) fn moves(&self, told: Option<&SyncStatus>) -> bool {
        let told = told.and_then(|told| told.last_applied_revision.as_ref());
        self.record.as_ref().is_some_and(|record| record.revision.as_ref() != told)
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
        let no = Holds::no("Unhealthy", format!("{} objects do not work: {}", unhealthy.len(), named(unhealthy)));
        Self { class: Some(Class::Transient), end: TurnEnd::Failed, ready: no.clone(), healthy: Some(no), ..self }
    }

    /// What was applied does not work yet, and another turn is asked for meanwhile.
    pub(super) fn interrupted(self, unhealthy: &[Unhealthy]) -> Self {
        let unknown = Holds::unknown("Progressing", format!("it does not work yet: {}", named(unhealthy)));
        Self { class: Some(Class::Transient), ready: unknown.clone(), healthy: Some(unknown), ..self }
    }

    /// Nobody can say whether what was applied works.
    pub(super) fn health_unknown(self, error: &crate::cluster::Error) -> Self {
        let unknown = Holds::unknown(reason(error.code()), error.to_string());
        let ready = Holds::no(unknown.reason.clone(), unknown.message.clone());
        Self { class: Some(error.class()), end: TurnEnd::Failed, ready, healthy: Some(unknown), ..self }
    }

    /// That it is tried again by itself, where it is.
    pub(super) fn reconciling(&self) -> Option<Holds> {
        let again = self.class == Some(Class::Transient);
        again
            .then(|| Holds::yes("ProgressingWithRetry", "it is tried again by itself, and nobody has to edit anything"))
    }

    /// When the next turn is due.
    pub(super) fn next(&self, sync: &Sync) -> Next {
        let interval = sync.spec.interval.get().max(crate::settings::SHORTEST_INTERVAL);
        let first = sync.spec.retry_interval.map_or(FIRST_RETRY.min(interval), crate::api::Duration::get);
        match self.class {
            Some(Class::Transient) => Next::Retry { first: first.max(crate::settings::SHORTEST_INTERVAL), interval },
            Some(Class::Refused | Class::Misconfigured | Class::Bug) | None => Next::Interval(interval),
        }
    }
}

/// What does not work, and why.
pub(super) fn named(unhealthy: &[Unhealthy]) -> String {
    let told: Vec<String> = unhealthy.iter().take(10).map(|one| format!("{}: {}", one.key, one.why)).collect();
    told.join("; ")
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
