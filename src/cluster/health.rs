//! Whether what was applied works: the rules of kstatus for the kinds that have any.

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use crate::model::Key;
use crate::plan::{Inventory, Target};

use super::kube::Acting;
use super::reply::Trouble;
use super::request::{About, Verb};
use super::survey::IN_FLIGHT;
use super::{Error, path};

/// An object that does not work (yet).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unhealthy {
    /// The object.
    pub key: Key,
    /// What is missing, such as `1 of 3 replicas are available`.
    pub why: String,
    /// Whether waiting is in vain.
    pub failed: bool,
}

impl Acting {
    pub(super) async fn unhealthy(&self, inventory: &Inventory) -> Result<Vec<Unhealthy>, Error> {
        let directory = &self.shared.directory;
        let catalogue = directory.current(&self.requests, &self.account).await.map_err(Error::Discovery)?;
        let mut judged = Vec::new();
        for entry in inventory.iter().filter(|entry| !entry.held && has_rule(&entry.key)) {
            let key = &entry.key;
            if let Some(served) = catalogue.any(&key.group, &key.version, &key.kind) {
                let key = Key { version: served.version.clone(), ..key.clone() };
                judged.push(Target { key, plural: served.plural.clone() });
            }
        }
        let looks = judged.into_iter().map(|target| async move { self.look_at(target).await });
        let all: Vec<Option<Unhealthy>> = stream::iter(looks).buffer_unordered(IN_FLIGHT).try_collect().await?;
        Ok(all.into_iter().flatten().collect())
    }

    async fn look_at(&self, target: Target) -> Result<Option<Unhealthy>, Error> {
        let about = About::object(&self.account, Verb::Get, &target.key, &target.plural);
        let answer = match self.requests.send(&path::object(&target), "application/json", None, &about).await {
            Ok(answer) => answer,
            Err(Trouble::NotFound) => {
                return Ok(Some(Unhealthy { key: target.key, why: "it does not exist".to_owned(), failed: false }));
            }
            Err(Trouble::NotServed) => {
                return Ok(Some(Unhealthy {
                    key: target.key,
                    why: "its kind is not served".to_owned(),
                    failed: false,
                }));
            }
            Err(trouble) => return Err(Error::one(&target.key, Verb::Get, trouble)),
        };
        let object: Value = serde_json::from_slice(&answer)
            .map_err(|_| Error::one(&target.key, Verb::Get, Trouble::Unreadable { what: "not an object" }))?;
        Ok(judge(&target.key, &object))
    }
}

/// Kinds that are judged by their status; all others work as soon as they exist. No Secret is among them: whole objects
/// are read here.
fn has_rule(key: &Key) -> bool {
    matches!(
        (key.group.as_str(), key.kind.as_str()),
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet")
            | ("batch", "Job")
            | ("", "PersistentVolumeClaim" | "Namespace")
            | ("apiextensions.k8s.io", "CustomResourceDefinition")
    )
}

/// What is missing for `object` to work; `None` where it works. Source: kstatus of sigs.k8s.io/cli-utils.
pub fn judge(key: &Key, object: &Value) -> Option<Unhealthy> {
    let waits = |why: String| Some(Unhealthy { key: key.clone(), why, failed: false });
    let fails = |why: &str| Some(Unhealthy { key: key.clone(), why: why.to_owned(), failed: true });
    if object["metadata"]["deletionTimestamp"].is_string() {
        return waits("it is being deleted".to_owned());
    }
    let status = &object["status"];
    let observed = status["observedGeneration"].as_i64();
    if observed.is_some_and(|seen| object["metadata"]["generation"].as_i64().is_some_and(|now| seen < now)) {
        return waits("its controller has not seen it yet".to_owned());
    }
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    let wanted = object["spec"]["replicas"].as_i64().unwrap_or(1);
    match (key.group.as_str(), key.kind.as_str()) {
        ("apps", "Deployment") => {
            if condition(status, "Progressing").is_some_and(|(_, reason)| reason == "ProgressDeadlineExceeded") {
                return fails("its rollout passed the deadline");
            }
            if observed.is_none() {
                return waits("its controller has not seen it yet".to_owned());
            }
            short(&waits, count("updatedReplicas"), wanted, "updated")
                .or_else(|| short(&waits, count("availableReplicas"), wanted, "available"))
                .or_else(|| (count("replicas") > wanted).then(|| waits("old replicas are ending".to_owned())).flatten())
        }
        ("apps", "StatefulSet") => short(&waits, count("readyReplicas"), wanted, "ready").or_else(|| {
            let rolls = object["spec"]["updateStrategy"]["type"] != "OnDelete";
            let partition = object["spec"]["updateStrategy"]["rollingUpdate"]["partition"].as_i64().unwrap_or(0);
            if rolls && partition == 0 { short(&waits, count("updatedReplicas"), wanted, "updated") } else { None }
        }),
        ("apps", "DaemonSet") => {
            if observed.is_none() {
                return waits("its controller has not seen it yet".to_owned());
            }
            let wanted = count("desiredNumberScheduled");
            short(&waits, count("updatedNumberScheduled"), wanted, "updated")
                .or_else(|| short(&waits, count("numberAvailable"), wanted, "available"))
        }
        ("batch", "Job") => {
            if condition(status, "Failed").is_some_and(|(holds, _)| holds) {
                return fails("it has failed");
            }
            let complete = condition(status, "Complete").is_some_and(|(holds, _)| holds);
            let started = status["startTime"].is_string();
            if complete || started { None } else { waits("it has not started".to_owned()) }
        }
        ("", "PersistentVolumeClaim") if status["phase"] != "Bound" => waits("it is not bound".to_owned()),
        ("", "Namespace") if status["phase"] != "Active" => waits("it is not active".to_owned()),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            let established = condition(status, "Established").is_some_and(|(holds, _)| holds);
            if established { None } else { waits("it is not established".to_owned()) }
        }
        _ => None,
    }
}

fn short(waits: &impl Fn(String) -> Option<Unhealthy>, found: i64, wanted: i64, adjective: &str) -> Option<Unhealthy> {
    if found < wanted { waits(format!("{found} of {wanted} replicas are {adjective}")) } else { None }
}

/// Whether a condition holds, and its reason.
fn condition<'a>(status: &'a Value, kind: &str) -> Option<(bool, &'a str)> {
    let found = status["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)?;
    Some((found["status"] == "True", found["reason"].as_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::judge;
    use crate::model::Key;

    fn why(group: &str, kind: &str, object: &serde_json::Value) -> Option<String> {
        let key = Key {
            group: group.to_owned(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            namespace: Some("shop".to_owned()),
            name: "web".to_owned(),
        };
        judge(&key, object).map(|unhealthy| unhealthy.why)
    }

    #[test]
    fn a_deployment_works_when_all_its_replicas_are_new_and_available() {
        let with = |status| json!({"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": status});
        let says = |status| why("apps", "Deployment", &with(status));
        assert_eq!(says(json!({})).as_deref(), Some("its controller has not seen it yet"));
        assert_eq!(
            says(json!({"observedGeneration": 1, "availableReplicas": 3})).as_deref(),
            Some("its controller has not seen it yet")
        );
        assert_eq!(
            says(json!({"observedGeneration": 2, "updatedReplicas": 3, "availableReplicas": 1})).as_deref(),
            Some("1 of 3 replicas are available")
        );
        assert_eq!(
            says(json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3})),
            None
        );
    }

    #[test]
    fn a_failed_job_is_not_waited_for() {
        let object =
            json!({"status": {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}});
        let key =
            Key { group: "batch".into(), version: "v1".into(), kind: "Job".into(), namespace: None, name: "a".into() };
        assert!(judge(&key, &object).unwrap().failed);
    }

    #[test]
    fn kinds_without_a_rule_work_when_they_exist() {
        assert_eq!(why("", "ConfigMap", &json!({"metadata": {}})), None);
    }
}
