//! Whether an object works, by its status: the rules of kstatus. Pure.
//!
//! Of conditions only their reasons are told: a controller's sentence about an object can quote what the object holds.
//!
//! Source: sigs.k8s.io/cli-utils, `pkg/kstatus/status`. Two kinds are judged that kstatus takes for working as soon as
//! they exist: an `APIService` has to be available, and a Pod that has failed does not work.

use serde_json::Value;

use crate::model::Key;

use super::health::Unhealthy;

/// Whether anything in the status of such an object can say that it does not work; all others work as soon as they exist.
/// No Secret is among them: whole objects are read to judge them.
pub(super) fn has_rule(key: &Key) -> bool {
    match key.group.as_str() {
        "" => matches!(key.kind.as_str(), "Pod" | "Service" | "PersistentVolumeClaim" | "Namespace"),
        "rbac.authorization.k8s.io"
        | "admissionregistration.k8s.io"
        | "scheduling.k8s.io"
        | "storage.k8s.io"
        | "networking.k8s.io"
        | "node.k8s.io"
        | "coordination.k8s.io"
        | "discovery.k8s.io"
        | "events.k8s.io"
        | "flowcontrol.apiserver.k8s.io" => false,
        _ => true,
    }
}

/// What is missing for `object` to work; `None` where it works.
pub fn judge(key: &Key, object: &Value) -> Option<Unhealthy> {
    let missing = missing(key, object)?;
    let (why, failed) = match missing {
        Missing::Yet(why) => (why, false),
        Missing::ForGood(why) => (why, true),
    };
    Some(Unhealthy { key: key.clone(), why, failed })
}

/// What is missing, and whether waiting is in vain.
enum Missing {
    Yet(String),
    ForGood(String),
}

fn yet(why: &str) -> Missing {
    Missing::Yet(why.to_owned())
}

fn for_good(why: &str) -> Missing {
    Missing::ForGood(why.to_owned())
}

const UNSEEN: &str = "its controller has not seen it yet";

fn missing(key: &Key, object: &Value) -> Option<Missing> {
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    if metadata["deletionTimestamp"].is_string() {
        return Some(yet("it is being deleted"));
    }
    let generation = metadata["generation"].as_i64();
    let observed = status["observedGeneration"].as_i64();
    if observed.is_some() && generation.is_some() && observed != generation {
        return Some(yet(UNSEEN));
    }
    if let Some(condition) = condition(status, "Reconciling").filter(|condition| condition.holds) {
        return Some(Missing::Yet(format!("it is being reconciled{}", condition.because())));
    }
    if let Some(condition) = condition(status, "Stalled").filter(|condition| condition.holds) {
        return Some(Missing::ForGood(format!("it is stalled{}", condition.because())));
    }
    match (key.group.as_str(), key.kind.as_str()) {
        ("apps", "Deployment") => of_deployment(spec, status),
        ("apps", "StatefulSet") => of_stateful_set(spec, status),
        ("apps", "DaemonSet") => of_daemon_set(status),
        ("apps", "ReplicaSet") => of_replica_set(spec, status),
        ("batch", "Job") => of_job(status),
        ("batch", "CronJob") => None,
        ("", "Pod") => of_pod(status),
        ("", "Service") => {
            let waits = spec["type"] == "LoadBalancer" && spec["clusterIP"].as_str().is_none_or(str::is_empty);
            if waits { Some(yet("it has no address")) } else { None }
        }
        ("", "PersistentVolumeClaim") if status["phase"] != "Bound" => Some(yet("it is not bound")),
        ("", "Namespace") if status["phase"] != "Active" => Some(yet("it is not active")),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => of_definition(status),
        ("apiregistration.k8s.io", "APIService") => match condition(status, "Available") {
            Some(condition) if condition.holds => None,
            Some(condition) => Some(Missing::Yet(format!("it is not available{}", condition.because()))),
            None => Some(yet("it is not available")),
        },
        _ => of_ready(generation, status),
    }
}

/// The condition that most controllers write.
fn of_ready(generation: Option<i64>, status: &Value) -> Option<Missing> {
    let ready = condition(status, "Ready")?;
    if ready.observed.zip(generation).is_some_and(|(seen, now)| seen < now) {
        return Some(yet(UNSEEN));
    }
    if ready.holds { None } else { Some(Missing::Yet(format!("it is not ready{}", ready.because()))) }
}

fn of_deployment(spec: &Value, status: &Value) -> Option<Missing> {
    if condition(status, "Progressing").is_some_and(|condition| condition.reason == "ProgressDeadlineExceeded") {
        return Some(for_good("its rollout passed the deadline"));
    }
    if status["observedGeneration"].is_null() {
        return Some(yet(UNSEEN));
    }
    let wanted = replicas(spec);
    short(status, "updatedReplicas", wanted, "updated")
        .or_else(|| short(status, "availableReplicas", wanted, "available"))
        .or_else(|| ending(status, wanted))
}

fn of_stateful_set(spec: &Value, status: &Value) -> Option<Missing> {
    let wanted = replicas(spec);
    let strategy = &spec["updateStrategy"];
    let partition = strategy["rollingUpdate"]["partition"].as_i64().unwrap_or(0);
    let rolls = strategy["type"] != "OnDelete";
    short(status, "readyReplicas", wanted, "ready")
        .or_else(|| if rolls { short(status, "updatedReplicas", wanted - partition, "updated") } else { None })
}

fn of_daemon_set(status: &Value) -> Option<Missing> {
    if status["observedGeneration"].is_null() {
        return Some(yet(UNSEEN));
    }
    let wanted = count(status, "desiredNumberScheduled");
    short(status, "updatedNumberScheduled", wanted, "updated")
        .or_else(|| short(status, "numberAvailable", wanted, "available"))
}

fn of_replica_set(spec: &Value, status: &Value) -> Option<Missing> {
    if let Some(condition) = condition(status, "ReplicaFailure").filter(|condition| condition.holds) {
        return Some(Missing::Yet(format!("its Pods cannot be made{}", condition.because())));
    }
    let wanted = replicas(spec);
    short(status, "fullyLabeledReplicas", wanted, "labelled")
        .or_else(|| short(status, "availableReplicas", wanted, "available"))
        .or_else(|| ending(status, wanted))
}

fn of_job(status: &Value) -> Option<Missing> {
    let holds = |kind: &str| condition(status, kind).is_some_and(|condition| condition.holds);
    if holds("Failed") {
        return Some(for_good("it has failed"));
    }
    let begun = holds("Complete") || holds("Suspended") || status["startTime"].is_string();
    if begun { None } else { Some(yet("it has not started")) }
}

fn of_pod(status: &Value) -> Option<Missing> {
    match status["phase"].as_str().unwrap_or_default() {
        "Succeeded" => None,
        "Failed" => Some(for_good("it has failed")),
        "Running" if condition(status, "Ready").is_some_and(|condition| condition.holds) => None,
        "Running" => {
            let crashes = |container: &Value| container["state"]["waiting"]["reason"] == "CrashLoopBackOff";
            let looping = status["containerStatuses"].as_array().is_some_and(|all| all.iter().any(crashes));
            if looping {
                Some(for_good("its containers crash again and again"))
            } else {
                Some(yet("it runs, and is not ready"))
            }
        }
        _ => Some(yet("it does not run yet")),
    }
}

fn of_definition(status: &Value) -> Option<Missing> {
    if let Some(refused) = condition(status, "NamesAccepted").filter(|condition| condition.denied) {
        return Some(Missing::ForGood(format!("its names are not accepted{}", refused.because())));
    }
    match condition(status, "Established") {
        Some(condition) if condition.holds => None,
        Some(condition) if condition.denied && condition.reason != "Installing" => {
            Some(Missing::ForGood(format!("it is not established{}", condition.because())))
        }
        Some(_) | None => Some(yet("it is not established")),
    }
}

fn replicas(spec: &Value) -> i64 {
    spec["replicas"].as_i64().unwrap_or(1)
}

fn count(status: &Value, field: &str) -> i64 {
    status[field].as_i64().unwrap_or(0)
}

fn short(status: &Value, field: &str, wanted: i64, adjective: &str) -> Option<Missing> {
    let found = count(status, field);
    (found < wanted).then(|| Missing::Yet(format!("{found} of {wanted} replicas are {adjective}")))
}

fn ending(status: &Value, wanted: i64) -> Option<Missing> {
    if count(status, "replicas") > wanted { Some(yet("old replicas are ending")) } else { None }
}

struct Condition<'a> {
    holds: bool,
    denied: bool,
    reason: &'a str,
    observed: Option<i64>,
}

impl Condition<'_> {
    /// Its reason, where it is a word as the API promises.
    fn because(&self) -> String {
        let word = self.reason.len() <= 100 && self.reason.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if word && !self.reason.is_empty() { format!(" ({})", self.reason) } else { String::new() }
    }
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<Condition<'a>> {
    let found = status["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)?;
    Some(Condition {
        holds: found["status"] == "True",
        denied: found["status"] == "False",
        reason: found["reason"].as_str().unwrap_or_default(),
        observed: found["observedGeneration"].as_i64(),
    })
}

#[cfg(test)]
#[path = "kstatus_tests.rs"]
mod tests;
