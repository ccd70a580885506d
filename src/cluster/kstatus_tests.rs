use serde_json::{Value, json};

use super::{has_rule, judge};
use crate::model::Key;

fn key(group: &str, kind: &str) -> Key {
    Key {
        group: group.to_owned(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        namespace: Some("shop".to_owned()),
        name: "web".to_owned(),
    }
}

fn why(group: &str, kind: &str, object: &Value) -> Option<String> {
    judge(&key(group, kind), object).map(|unhealthy| unhealthy.why)
}

fn fails(group: &str, kind: &str, object: &Value) -> bool {
    judge(&key(group, kind), object).unwrap().failed
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
fn a_failed_job_is_not_waited_for_and_a_suspended_one_works() {
    let with = |kind| json!({"status": {"conditions": [{"type": kind, "status": "True", "reason": "JobSuspended"}]}});
    assert!(fails("batch", "Job", &with("Failed")));
    assert_eq!(why("batch", "Job", &with("Suspended")), None);
}

#[test]
fn custom_resource_works_when_its_controller_says_so_about_this_generation() {
    let with = |condition: Value| {
        let object = json!({"metadata": {"generation": 2}, "status": {"conditions": [condition]}});
        why("cert-manager.io", "Certificate", &object)
    };
    let ready = |status: &str, seen: i64| {
        with(json!({"type": "Ready", "status": status, "reason": "DoesNotExist", "observedGeneration": seen}))
    };
    assert_eq!(ready("False", 2).as_deref(), Some("it is not ready (DoesNotExist)"));
    assert_eq!(ready("Unknown", 2).as_deref(), Some("it is not ready (DoesNotExist)"));
    assert_eq!(ready("True", 1).as_deref(), Some("its controller has not seen it yet"));
    assert_eq!(ready("True", 2), None);
    let reconciling = with(json!({"type": "Reconciling", "status": "True", "reason": "Progressing"}));
    assert_eq!(reconciling.as_deref(), Some("it is being reconciled (Progressing)"));
    let stalled = json!({"status": {"conditions": [{"type": "Stalled", "status": "True"}]}});
    assert!(fails("source.example.com", "Chart", &stalled));
    let older = json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 1}});
    assert_eq!(why("example.com", "Any", &older).as_deref(), Some("its controller has not seen it yet"));
    assert_eq!(why("example.com", "Any", &json!({"metadata": {"generation": 1}})), None);
}

#[test]
fn what_a_controller_writes_about_an_object_is_not_repeated() {
    for reason in ["hunter2 is wrong", "a\nb", &"x".repeat(101)] {
        let object = json!({"status": {"conditions": [
            {"type": "Ready", "status": "False", "reason": reason, "message": "password hunter2 is wrong"}]}});
        assert_eq!(why("example.com", "Database", &object).as_deref(), Some("it is not ready"));
    }
}

#[test]
fn a_pod_works_when_it_is_ready_or_done() {
    let pod = |status: Value| json!({"metadata": {}, "status": status});
    assert_eq!(why("", "Pod", &pod(json!({}))).as_deref(), Some("it does not run yet"));
    assert_eq!(why("", "Pod", &pod(json!({"phase": "Running"}))).as_deref(), Some("it runs, and is not ready"));
    let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    assert_eq!(why("", "Pod", &pod(ready)), None);
    assert_eq!(why("", "Pod", &pod(json!({"phase": "Succeeded"}))), None);
    assert!(fails("", "Pod", &pod(json!({"phase": "Failed"}))));
    let waiting = json!([{"name": "a", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
    assert!(fails("", "Pod", &pod(json!({"phase": "Running", "containerStatuses": waiting}))));
}

#[test]
fn replica_sets_load_balancers_api_services_and_definitions_are_judged() {
    let set = json!({"spec": {"replicas": 2}, "status": {"fullyLabeledReplicas": 2, "availableReplicas": 1}});
    assert_eq!(why("apps", "ReplicaSet", &set).as_deref(), Some("1 of 2 replicas are available"));
    assert_eq!(why("", "Service", &json!({"spec": {"type": "LoadBalancer"}})).as_deref(), Some("it has no address"));
    assert_eq!(why("", "Service", &json!({"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}})), None);
    assert_eq!(why("", "Service", &json!({"spec": {"type": "ExternalName"}})), None);
    let served = |status: &str| {
        let condition = json!({"type": "Available", "status": status, "reason": "MissingEndpoints"});
        why("apiregistration.k8s.io", "APIService", &json!({"status": {"conditions": [condition]}}))
    };
    assert_eq!(served("False").as_deref(), Some("it is not available (MissingEndpoints)"));
    assert_eq!(served("True"), None);
    let names = json!({"status": {"conditions": [{"type": "NamesAccepted", "status": "False", "reason": "Taken"}]}});
    assert!(fails("apiextensions.k8s.io", "CustomResourceDefinition", &names));
}

#[test]
fn kinds_without_a_rule_work_when_they_exist_and_no_secret_is_read() {
    assert_eq!(why("", "ConfigMap", &json!({"metadata": {}})), None);
    for (group, kind) in [("", "Secret"), ("", "ConfigMap"), ("rbac.authorization.k8s.io", "Role")] {
        assert!(!has_rule(&key(group, kind)), "{kind}");
    }
    for (group, kind) in [("", "Pod"), ("cert-manager.io", "Certificate"), ("gateway.networking.k8s.io", "Gateway")] {
        assert!(has_rule(&key(group, kind)), "{kind}");
    }
}
