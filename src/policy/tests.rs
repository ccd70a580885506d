use serde_json::json;

use super::{Errors, admit_all};
use crate::model::{Node, Object, Scalar};
use crate::policy::written::object;
use crate::policy::{Limits, OwnObjects, PlainSecrets, Refusal};
use crate::secret::Secret;

fn config_map(metadata: &serde_json::Value) -> serde_json::Value {
    let mut whole = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}});
    for (key, value) in metadata.as_object().unwrap() {
        whole["metadata"][key] = value.clone();
    }
    whole
}

#[allow(clippy::needless_pass_by_value)] // literals read better
fn judge(value: serde_json::Value, limits: &Limits) -> Result<Object, Vec<&'static str>> {
    match admit_all(vec![object(&value)], limits) {
        Ok(mut items) => Ok(items.remove(0).into_parts().0),
        Err(Errors::Refused(errors)) => Err(errors.iter().map(|error| error.refusal.code()).collect()),
        Err(other) => panic!("{other}"),
    }
}

fn codes(value: serde_json::Value) -> Vec<&'static str> {
    judge(value, &Limits::default()).err().unwrap_or_default()
}

#[test]
fn a_sealed_value_is_at_home_in_the_data_of_a_secret() {
    for field in ["data", "stringData"] {
        let whole =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, field: {"password": "SEALED"}});
        assert_eq!(codes(whole), [""; 0]);
    }
}

#[test]
fn a_sealed_value_anywhere_else_is_refused() {
    let secret = |field: serde_json::Value| {
        let mut whole = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
        whole.as_object_mut().unwrap().extend(field.as_object().unwrap().clone());
        whole
    };
    for whole in [
        secret(json!({"type": "SEALED"})),
        secret(json!({"data": {"a": {"b": "SEALED"}}})),
        secret(json!({"data": ["SEALED"]})),
        secret(json!({"data": "SEALED"})),
        secret(json!({"metadata": {"name": "a", "annotations": {"note": "SEALED"}}})),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"password": "SEALED"}}),
        json!({"apiVersion": "example.org/v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"password": "SEALED"}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"env": [{"value": "SEALED"}]}]}}),
    ] {
        assert_eq!(codes(whole)[0], "sealed-outside-secret");
    }
}

#[test]
fn a_refusal_names_object_field_and_place_and_no_value() {
    let whole = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}, "data": {"key": "SEALED"}});
    let Err(refused) = admit_all(vec![object(&whole)], &Limits::default()) else { panic!("admitted") };
    assert_eq!(
        refused.to_string(),
        "apps/a.yaml:3: ConfigMap/shop/a: data.key holds a decrypted value; it may end only in the data or stringData of a Secret"
    );
}

#[test]
fn string_data_becomes_data_so_that_a_key_that_left_is_removed() {
    let whole = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"},
        "data": {"open": "b2xk", "other": "b2xk"}, "stringData": {"open": "new", "sealed": "SEALED"}});
    let made = judge(whole, &Limits::default()).unwrap();
    assert!(made.body().get("stringData").is_none());
    let data = made.body().get("data").unwrap().as_map().unwrap();
    assert_eq!(data.get("open").unwrap().as_text(), Some("bmV3"));
    assert_eq!(data.get("other").unwrap().as_text(), Some("b2xk"));
    let Some(Node::Scalar(Scalar::Sealed(sealed))) = data.get("sealed") else { panic!("it was opened") };
    assert!(sealed.same(&Secret::new(b"eA==".to_vec())));
}

#[test]
fn what_is_still_encrypted_is_refused() {
    let with =
        |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": value}});
    assert_eq!(codes(with("ENC[AES256_GCM,data:p673w==,iv:YY=,tag:UQ==,type:str]")), ["still-encrypted"]);
    assert_eq!(
        codes(with("user=x\npassword=ENC[AES256_GCM,data:p673w==,iv:YY=,tag:UQ==,type:str]")),
        ["still-encrypted"]
    );
    let mut whole = with("open");
    whole["sops"] = json!({"mac": "x"});
    assert_eq!(codes(whole), ["still-encrypted"]);
}

#[test]
fn a_secret_that_was_never_encrypted_needs_permission() {
    let whole = || json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"password": "hunter2"}});
    assert_eq!(codes(whole()), ["plain-secret"]);
    assert!(judge(whole(), &Limits { plain_secrets: PlainSecrets::Allow, ..Limits::default() }).is_ok());
    assert_eq!(codes(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}})), [""; 0]);
}

#[test]
fn the_agent_cannot_be_changed_by_what_it_applies() {
    let all = [
        json!({"apiVersion": "gitwarrant.io/v1alpha1", "kind": "Repository", "metadata": {"name": "fleet"}}),
        json!({"apiVersion": "policy.gitwarrant.io/v1", "kind": "X", "metadata": {"name": "fleet"}}),
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "syncs.gitwarrant.io"}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "gitwarrant-system"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "signers", "namespace": "gitwarrant-system"}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "gitwarrant", "namespace": "gitwarrant-system"}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "gitwarrant-agent"}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "a"},
            "subjects": [{"kind": "ServiceAccount", "name": "gitwarrant", "namespace": "gitwarrant-system"}]}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "a", "namespace": "shop"},
            "subjects": [{"kind": "User", "name": "system:serviceaccount:gitwarrant-system:gitwarrant"}]}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "a"},
            "subjects": [{"kind": "Group", "name": "system:serviceaccounts:gitwarrant-system"}]}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "a"},
            "subjects": [{"kind": "Group", "name": "system:serviceaccounts"}]}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "a", "namespace": "shop"},
            "roleRef": {"kind": "ClusterRole", "name": "gitwarrant-tenant"},
            "subjects": [{"kind": "User", "name": "mallory"}]}),
    ];
    for whole in all {
        assert_eq!(codes(whole.clone()), ["agent-itself"], "{whole}");
        assert!(judge(whole, &Limits { own: OwnObjects::Allow, ..Limits::default() }).is_ok());
    }
    assert_eq!(codes(json!({"apiVersion": "notgitwarrant.io/v1", "kind": "X", "metadata": {"name": "a"}})), [""; 0]);
}

#[test]
fn reserved_labels_and_annotations_are_refused() {
    assert_eq!(codes(config_map(&json!({"labels": {"gitwarrant.io/sync-name": "prod"}}))), ["reserved-name"]);
    assert_eq!(codes(config_map(&json!({"annotations": {"x.gitwarrant.io/a": "b"}}))), ["reserved-name"]);
    assert_eq!(codes(config_map(&json!({"labels": {"mygitwarrant.io/a": "b"}}))), [""; 0]);
}

#[test]
fn what_the_server_alone_writes_is_left_out() {
    let mut whole =
        config_map(&json!({"uid": "u", "resourceVersion": "7", "managedFields": [], "creationTimestamp": null,
        "deletionTimestamp": "2026-01-01T00:00:00Z", "generation": 2,
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "note": "kept"}}));
    whole["status"] = json!({"phase": "Active"});
    let kept = judge(whole, &Limits::default()).unwrap();
    assert!(kept.body().get("status").is_none());
    let metadata = kept.body().get("metadata").unwrap().as_map().unwrap();
    assert_eq!(metadata.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["annotations", "name", "namespace"]);
    assert_eq!(metadata.get("annotations").unwrap().as_map().unwrap().len(), 1);
}

#[test]
fn what_no_repository_can_know_is_refused() {
    assert_eq!(codes(config_map(&json!({"ownerReferences": [{"uid": "u"}]}))), ["malformed-manifest"]);
    assert_eq!(codes(config_map(&json!({"generateName": "a-"}))), ["malformed-manifest"]);
}

#[test]
fn names_that_no_server_takes_are_refused_with_their_place() {
    for name in ["Web", "a_b", "-a", "a/b", "a b", "a\nb", &"a".repeat(254)] {
        let whole = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        assert_eq!(codes(whole), ["malformed-manifest"], "{name:?}");
    }
    for (group, name) in [("rbac.authorization.k8s.io/v1", "system:Node"), ("v1", "kube-root-ca.crt")] {
        assert_eq!(codes(json!({"apiVersion": group, "kind": "X", "metadata": {"name": name}})), [""; 0]);
    }
    assert_eq!(codes(config_map(&json!({"namespace": "a.b"}))), ["malformed-manifest"]);
    assert_eq!(codes(config_map(&json!({"labels": {"app": "two words"}}))), ["malformed-manifest"]);
    assert_eq!(codes(config_map(&json!({"labels": {"app": "a".repeat(64)}}))), ["malformed-manifest"]);
    assert_eq!(codes(config_map(&json!({"annotations": {"a": 1}}))), ["malformed-manifest"]);
    assert_eq!(codes(config_map(&json!({"annotations": {"a": "x".repeat(262_145)}}))), ["malformed-manifest"]);
}

#[test]
fn the_same_object_under_two_versions_is_a_duplicate() {
    let of = |version: &str| {
        object(&json!({"apiVersion": format!("example.org/{version}"), "kind": "X", "metadata": {"name": "a"}}))
    };
    let Err(Errors::Refused(errors)) = admit_all(vec![of("v1"), of("v2")], &Limits::default()) else {
        panic!("admitted")
    };
    assert!(matches!(errors[..], [ref one] if matches!(one.refusal, Refusal::Duplicate { .. })));
}

#[test]
fn rendering_nothing_is_refused() {
    assert_eq!(admit_all(Vec::new(), &Limits::default()).err(), Some(Errors::Empty));
}

#[test]
fn too_much_is_refused_before_it_is_applied() {
    let many = |count: usize| {
        (0..count)
            .map(|at| object(&json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": format!("a{at}")}})))
            .collect()
    };
    let limits = Limits { objects: 3, leaves: 10, text: 1000, ..Limits::default() };
    assert!(admit_all(many(3), &limits).is_ok());
    assert!(matches!(admit_all(many(4), &limits), Err(Errors::TooLarge { what: "objects", .. })));
    assert!(matches!(
        admit_all(many(3), &Limits { leaves: 8, ..limits.clone() }),
        Err(Errors::TooLarge { what: "leaves", .. })
    ));
    assert!(matches!(
        admit_all(many(3), &Limits { text: 20, ..limits }),
        Err(Errors::TooLarge { what: "bytes of text", .. })
    ));
}

#[test]
fn an_object_without_a_version_is_refused_before_anything_is_applied() {
    let without = json!({"kind": "ConfigMap", "metadata": {"name": "a"}});
    assert_eq!(codes(without), ["malformed-manifest"]);
    for version in [json!(""), json!(null), json!(1), json!("apps/"), json!("/v1"), json!("a/b/c"), json!("V 1")] {
        let whole = json!({"apiVersion": version, "kind": "ConfigMap", "metadata": {"name": "a"}});
        assert_eq!(codes(whole), ["malformed-manifest"], "{version}");
    }
    for version in ["v1", "apps/v1", "networking.k8s.io/v1beta1"] {
        let whole = json!({"apiVersion": version, "kind": "ConfigMap", "metadata": {"name": "a"}});
        assert_eq!(codes(whole), [""; 0], "{version}");
    }
}
