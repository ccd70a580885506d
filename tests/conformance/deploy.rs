//! The shipped manifests give the agent no more than it needs.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

/// Every document of `deploy/base` and `deploy/rbac`.
fn shipped() -> Vec<Value> {
    let mut documents = Vec::new();
    for folder in ["deploy/base", "deploy/rbac"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            documents.extend(serde_yaml::Deserializer::from_str(&text).map(|one| Value::deserialize(one).unwrap()));
        }
    }
    assert!(documents.len() > 8, "the manifests were not found");
    documents
}

fn of_kind<'a>(documents: &'a [Value], kinds: &[&str]) -> Vec<&'a Value> {
    documents.iter().filter(|one| kinds.contains(&one["kind"].as_str().unwrap())).collect()
}

fn texts(rule: &Value, field: &str) -> Vec<String> {
    let all = rule[field].as_array().cloned().unwrap_or_default();
    all.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Each rule with the name of its role.
fn rules(documents: &[Value]) -> Vec<(String, Value)> {
    let roles = of_kind(documents, &["Role", "ClusterRole"]);
    let named = |role: &Value, rule: &Value| (role["metadata"]["name"].as_str().unwrap().to_owned(), rule.clone());
    roles.iter().flat_map(|role| role["rules"].as_array().unwrap().iter().map(|rule| named(role, rule))).collect()
}

#[test]
fn no_role_holds_a_wildcard_or_a_way_to_more_rights() {
    for (role, rule) in rules(&shipped()) {
        for field in ["apiGroups", "resources", "verbs"] {
            assert!(!texts(&rule, field).iter().any(|text| text.contains('*')), "{role}: {field} holds a wildcard");
        }
        for verb in ["escalate", "bind", "delete", "deletecollection"] {
            assert!(!texts(&rule, "verbs").iter().any(|text| text == verb), "{role} may {verb}");
        }
        assert!(texts(&rule, "nonResourceURLs").is_empty(), "{role}");
    }
}

#[test]
fn secrets_are_read_by_name_and_never_listed() {
    for (role, rule) in rules(&shipped()) {
        if texts(&rule, "resources").iter().any(|resource| resource == "secrets") {
            assert_eq!(texts(&rule, "verbs"), ["get"], "{role}");
        }
    }
}

#[test]
fn what_is_bound_to_the_whole_cluster_neither_impersonates_nor_reads_secrets() {
    let documents = shipped();
    let bindings = of_kind(&documents, &["ClusterRoleBinding"]);
    let bound: Vec<&str> = bindings.iter().map(|binding| binding["roleRef"]["name"].as_str().unwrap()).collect();
    assert_eq!(bound, ["gitwarrant"]);
    let mut roles = of_kind(&documents, &["ClusterRole"]);
    roles.retain(|role| role["metadata"]["name"] == "gitwarrant");
    assert_eq!(roles.len(), 1);
    for rule in roles[0]["rules"].as_array().unwrap() {
        assert!(!texts(rule, "verbs").iter().any(|verb| verb == "impersonate"), "{rule}");
        assert!(!texts(rule, "resources").iter().any(|one| one == "secrets" || one == "serviceaccounts"), "{rule}");
    }
}

#[test]
fn the_namespace_enforces_the_restricted_standard_and_the_pod_meets_it() {
    let documents = shipped();
    let namespace = of_kind(&documents, &["Namespace"])[0];
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    let deployment = of_kind(&documents, &["Deployment"])[0];
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    for unwanted in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod[unwanted].is_null(), "{unwanted}");
    }
    for container in pod["containers"].as_array().unwrap() {
        let security = &container["securityContext"];
        assert_eq!(security["allowPrivilegeEscalation"], false);
        assert_eq!(security["readOnlyRootFilesystem"], true);
        assert_eq!(security["capabilities"], serde_json::json!({"drop": ["ALL"]}));
        assert!(container["readinessProbe"].is_object() && container["livenessProbe"].is_object());
    }
    for volume in pod["volumes"].as_array().unwrap() {
        assert!(volume["emptyDir"].is_object(), "{volume}");
    }
}
