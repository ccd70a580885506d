//! Kubernetes Events: one for each transition, never one for a quiet turn. They repeat what conditions say, and no value.

use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tracing::debug;

use crate::api::{Condition, ConditionStatus, condition_kind as kind};

use super::status::shorten;

/// The longest note, in bytes. Source: `events.k8s.io/v1` refuses more than 1024.
const LONGEST_NOTE: usize = 1000;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Happened {
    /// Whether a person must act.
    pub(super) warns: bool,
    /// One stable CamelCase word.
    pub(super) reason: String,
    /// A sentence for people.
    pub(super) note: String,
}

/// What a turn did, besides what the conditions say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Deeds {
    /// Objects created or changed.
    pub(super) changed: Vec<String>,
    /// Objects deleted.
    pub(super) pruned: Vec<String>,
    /// The revision and its signer, where another one is applied than before.
    pub(super) moved_to: Option<(String, Option<String>)>,
    /// Objects that left the repository and are somebody else's by now.
    pub(super) lost: Vec<String>,
    /// Deletions that are held, where they are others than before.
    pub(super) newly_held: Vec<String>,
}

/// What of a turn is worth an event.
pub(super) fn transitions(before: &[Condition], now: &[Condition], deeds: &Deeds) -> Vec<Happened> {
    let told = |warns: bool, reason: &str, note: String| Happened { warns, reason: reason.to_owned(), note };
    let find = |all: &[Condition], kind: &str| all.iter().find(|one| one.kind == kind).cloned();
    let mut all = Vec::new();
    let (was, is) = (find(before, kind::READY), find(now, kind::READY));
    if let Some((revision, signer)) = &deeds.moved_to {
        let by = signer.as_ref().map_or(String::new(), |signer| format!(", signed by {signer}"));
        all.push(told(
            false,
            "Applied",
            format!("{revision} is applied{by}: {} objects were changed", deeds.changed.len()),
        ));
    } else if !deeds.changed.is_empty() {
        let note = format!("{} objects were put right: {}", deeds.changed.len(), some(&deeds.changed));
        all.push(told(false, "DriftCorrected", note));
    }
    if !deeds.pruned.is_empty() {
        let note = format!("{} objects were deleted: {}", deeds.pruned.len(), some(&deeds.pruned));
        all.push(told(false, "Pruned", note));
    }
    if !deeds.lost.is_empty() {
        let note = format!(
            "{} objects left the repository and are not deleted: somebody else has made them anew, or their labels no \
             longer name this Sync. Delete them by hand, if nobody needs them: {}",
            deeds.lost.len(),
            some(&deeds.lost)
        );
        all.push(told(true, "NotDeleted", note));
    }
    if !deeds.newly_held.is_empty() {
        let (count, some) = (deeds.newly_held.len(), some(&deeds.newly_held));
        let note = format!("{count} deletions are held: {some}");
        all.push(told(true, "DeletionsHeld", note));
    }
    if let Some(is) = is {
        let failed = |one: &Condition| one.status == ConditionStatus::False;
        let same = was.as_ref().is_some_and(|was| {
            (was.status, was.reason.as_str(), was.message.as_str())
                == (is.status, is.reason.as_str(), is.message.as_str())
        });
        if failed(&is) && !same {
            all.push(told(true, &is.reason, is.message.clone()));
        } else if is.status == ConditionStatus::True && was.as_ref().is_some_and(failed) {
            all.push(told(false, "Recovered", is.message.clone()));
        } else if is.status == ConditionStatus::Unknown && !same {
            all.push(told(false, &is.reason, is.message.clone()));
        }
    }
    let (was, is) = (find(before, kind::DISTRUSTED), find(now, kind::DISTRUSTED));
    if let Some(is) = is.filter(|is| was.is_none_or(|was| was.message != is.message)) {
        all.push(told(true, "Distrusted", is.message));
    }
    all
}

/// The first of them by name.
fn some(objects: &[String]) -> String {
    let named: Vec<&str> = objects.iter().take(10).map(String::as_str).collect();
    let more = if objects.len() > named.len() { ", and others" } else { "" };
    format!("{}{more}", named.join(", "))
}

/// Publishes what happened to the object of `reference`. An event that cannot be written stops nothing.
pub(super) async fn publish(
    client: &Client,
    reference: &k8s_openapi::api::core::v1::ObjectReference,
    happened: Vec<Happened>,
) {
    for Happened { warns, reason, note } in happened {
        // A recorder that lives on folds what has the same reason into the note of the first: the commit would be lost.
        let recorder = Recorder::new(client.clone(), Reporter::from("gitwarrant"));
        let event = Event {
            type_: if warns { EventType::Warning } else { EventType::Normal },
            reason,
            note: Some(shorten(&note, LONGEST_NOTE)),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if recorder.publish(&event, reference).await.is_err() {
            debug!(reason = %event.reason, "an event is not written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Deeds, transitions};
    use crate::api::{Condition, ConditionStatus};

    fn condition(kind: &str, status: ConditionStatus, reason: &str) -> Condition {
        Condition {
            kind: kind.to_owned(),
            status,
            observed_generation: None,
            last_transition_time: String::new(),
            reason: reason.to_owned(),
            message: format!("message of {reason}"),
        }
    }

    fn reasons(before: &[Condition], now: &[Condition], deeds: &Deeds) -> Vec<(bool, String)> {
        transitions(before, now, deeds).into_iter().map(|one| (one.warns, one.reason)).collect()
    }

    #[test]
    fn a_quiet_turn_has_no_event() {
        for (status, reason) in [(ConditionStatus::True, "Applied"), (ConditionStatus::False, "Unsigned")] {
            let ready = [condition("Ready", status, reason)];
            assert!(reasons(&ready, &ready, &Deeds::default()).is_empty());
        }
    }

    #[test]
    fn each_transition_has_its_word() {
        let good = [condition("Ready", ConditionStatus::True, "Applied")];
        let bad = [condition("Ready", ConditionStatus::False, "Unsigned")];
        let none = Deeds::default();
        assert_eq!(reasons(&good, &bad, &none), [(true, "Unsigned".to_owned())]);
        assert_eq!(reasons(&bad, &good, &none), [(false, "Recovered".to_owned())]);
        let moved = Deeds {
            changed: vec!["Service shop/shop".into()],
            moved_to: Some(("main@4f1c".into(), None)),
            ..Deeds::default()
        };
        assert_eq!(reasons(&[], &good, &moved), [(false, "Applied".to_owned())]);
        let drift = Deeds { changed: vec!["Service shop/shop".into()], ..Deeds::default() };
        assert_eq!(reasons(&good, &good, &drift), [(false, "DriftCorrected".to_owned())]);
        let pruned = Deeds {
            pruned: vec!["Ingress shop/shop".into()],
            newly_held: vec!["Namespace shop".into()],
            ..Deeds::default()
        };
        let lost = Deeds { lost: vec!["Role shop/reader".into()], ..Deeds::default() };
        assert_eq!(reasons(&good, &good, &lost), [(true, "NotDeleted".to_owned())]);
        assert_eq!(reasons(&good, &good, &pruned), [(false, "Pruned".to_owned()), (true, "DeletionsHeld".to_owned())]);
        let mut doubted = good.to_vec();
        doubted.push(condition("Distrusted", ConditionStatus::True, "RevokedKey"));
        assert_eq!(reasons(&good, &doubted, &none), [(true, "Distrusted".to_owned())]);
        assert!(reasons(&doubted, &doubted, &none).is_empty());
    }
}
