//! What somebody changes in the cluster is put right by being seen, not by being looked for; what nobody changes costs
//! no request.

use std::fmt::Write;
use std::io::{Read, Seek, SeekFrom};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use serde_json::{Value, json};

use super::scene::Scene;
use super::stage::play;
use crate::support::signing::By;
use crate::support::story::cluster::until;

/// Everything applied, with intervals that no claim lives to see the end of.
async fn begin_and_wait_for_nothing(scene: &mut Scene) -> String {
    let commit = scene.commit_good();
    scene.push(&commit).await;
    scene
        .declare_with(|repository, sync| {
            repository["spec"]["interval"] = json!("24h");
            sync["spec"]["interval"] = json!("24h");
        })
        .await;
    scene.applied(&commit).await;
    commit
}

#[test]
fn drift_is_put_right_long_before_the_interval_is_over() {
    play("seen", async |scene| {
        begin_and_wait_for_nothing(scene).await;
        scene.holds("blue").await;
        let told = scene.event("DriftCorrected").await.note.unwrap();
        assert!(told.contains("ConfigMap") && told.contains("settings") && told.contains("kubectl-edit"), "{told}");
        // Whoever takes our labels away hides the object from the watch, and is seen by that.
        let disown = json!({"metadata": {"labels": {"gitwarrant.io/sync-name": null}}, "data": {"value": "13"}});
        scene.maps().patch("limits", &PatchParams::default(), &Patch::Merge(&disown)).await.unwrap();
        scene.comes("limits", "12").await;
    });
}

#[test]
fn drift_is_put_right_long_before_the_interval_is_over_also_while_a_commit_is_refused() {
    play("seen-held", async |scene| {
        begin_and_wait_for_nothing(scene).await;
        scene.write_map("settings", "red");
        let bad = scene.commit(By::Nobody);
        scene.push(&bad).await;
        scene.refused(&bad, "Unsigned").await;
        scene.holds("blue").await;
    });
}

#[test]
fn objects_that_only_bear_the_labels_of_a_sync_are_left_alone() {
    play("forged", async |scene| {
        begin_and_wait_for_nothing(scene).await;
        let forged = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": "forged", "namespace": scene.name,
                "labels": {"gitwarrant.io/sync-name": "app", "gitwarrant.io/sync-namespace": scene.name},
            },
            "data": {"value": "theirs"},
        });
        scene.stage.admin.put(&forged).await.unwrap();
        scene.takes(&["settings.yaml"]);
        scene.ship().await;
        assert_eq!(scene.value("limits").await, None, "it has left the repository");
        assert_eq!(scene.value("forged").await.as_deref(), Some("theirs"), "it was never recorded");
    });
}

#[test]
fn huge_objects_that_bear_the_labels_of_a_sync_stop_nothing() {
    play("flood", async |scene| {
        scene.takes(&["settings.yaml", "limits.yaml", "third.yaml"]);
        scene.write_map("third", "3");
        begin_and_wait_for_nothing(scene).await;
        // 40 MiB of metadata, in one page of what is asked for by label.
        let long = "x".repeat(250 << 10);
        for number in 0..160 {
            let forged = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {
                    "name": format!("forged-{number}"), "namespace": scene.name, "annotations": {"long": long},
                    "labels": {"gitwarrant.io/sync-name": "app", "gitwarrant.io/sync-namespace": scene.name},
                },
            });
            let forged = serde_json::from_value(forged).unwrap();
            scene.maps().create(&PostParams::default(), &forged).await.unwrap();
        }
        scene.write_map("settings", "red");
        scene.ship().await;
        scene.holds("red").await;
        // One by one: all of them at once are more than an API server answers in time on a busy machine.
        for number in 0..160 {
            scene.maps().delete(&format!("forged-{number}"), &DeleteParams::default()).await.unwrap();
        }
    });
}

/// Requests that the account of the Sync has made since `from`, but for those that wait to be told something.
fn asked(scene: &Scene, from: u64) -> Vec<String> {
    let mut file = std::fs::File::open(scene.stage.audit_log().expect("our own control plane keeps one")).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    let account = format!("system:serviceaccount:{}:applier", scene.name);
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let by_account = events.filter(|event| event["impersonatedUser"]["username"] == json!(account));
    by_account.filter(|event| event["verb"] != "watch").map(|event| event["requestURI"].to_string()).collect()
}

/// Takes one turn of the Sync that somebody asks for.
async fn turn(scene: &Scene, ask: &str) {
    let annotation = json!({"metadata": {"annotations": {"gitwarrant.io/requestedAt": ask}}});
    scene.syncs().patch("app", &PatchParams::default(), &Patch::Merge(&annotation)).await.unwrap();
    scene.sync("the turn was taken", |sync| sync.data["status"]["lastHandledRequestedAt"] == json!(ask)).await;
}

#[test]
fn quiet_turns_ask_nothing_about_objects_that_are_watched() {
    play("quiet", async |scene| {
        begin_and_wait_for_nothing(scene).await;
        let log = scene.stage.audit_log().expect("our own control plane keeps one");
        // The watch begins beside the first turn; one that is put right shows that it has begun.
        scene.maps().delete("limits", &DeleteParams::default()).await.unwrap();
        scene.comes("limits", "12").await;
        turn(scene, "settle").await;
        turn(scene, "settle again").await;
        let from = std::fs::metadata(&log).unwrap().len();
        for ask in ["one", "two", "three"] {
            turn(scene, ask).await;
        }
        assert_eq!(asked(scene, from), Vec::<String>::new());
        // What a commit adds is shown before it is recorded.
        scene.takes(&["settings.yaml", "limits.yaml", "third.yaml"]);
        scene.write_map("third", "3");
        scene.ship().await;
        turn(scene, "settle with more").await;
        turn(scene, "settle again with more").await;
        let from = std::fs::metadata(&log).unwrap().len();
        for ask in ["four", "five", "six"] {
            turn(scene, ask).await;
        }
        assert_eq!(asked(scene, from), Vec::<String>::new());
        scene.holds("blue").await;
        assert!(!asked(scene, from).is_empty(), "the account's requests are not told by this log");
    });
}

/// A definition of the kind Part of this group.
fn definition(group: &str) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: parts.{group}}}\n\
         spec:\n  group: {group}\n  scope: Namespaced\n  names: {{kind: Part, plural: parts, singular: part}}\n\
         \x20 versions:\n    - name: v1\n      served: true\n      storage: true\n\
         \x20     schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}\n"
    )
}

#[test]
fn definition_that_somebody_deleted_comes_back_with_all_its_objects() {
    play("kinds", async |scene| {
        let (group, namespace) = ("seen.example.com", scene.name.clone());
        let rights = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": namespace},
            "rules": [{
                "apiGroups": ["apiextensions.k8s.io", group], "resources": ["customresourcedefinitions", "parts"],
                "verbs": ["get", "list", "watch", "create", "patch", "delete"],
            }],
        });
        let bound = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": namespace},
            "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": "applier"}],
        });
        scene.stage.admin.put(&rights).await.unwrap();
        scene.stage.admin.put(&bound).await.unwrap();
        scene.may(&format!("{namespace}:applier"), ("watch", group, "parts")).await;
        let names = ["bolt", "nut", "screw"];
        let mut parts = definition(group);
        for name in names {
            let meta = format!("{{name: {name}, namespace: {namespace}}}");
            write!(parts, "---\napiVersion: {group}/v1\nkind: Part\nmetadata: {meta}\nspec: {{size: 7}}\n").unwrap();
        }
        scene.write("app/parts.yaml", &parts);
        scene.takes(&["settings.yaml", "limits.yaml", "parts.yaml"]);
        begin_and_wait_for_nothing(scene).await;
        let client = scene.stage.admin.client().clone();
        let definitions = Api::<CustomResourceDefinition>::all(client.clone());
        let name = format!("parts.{group}");
        let before = definitions.get(&name).await.unwrap().metadata.uid;
        definitions.delete(&name, &DeleteParams::default()).await.unwrap();
        let anew = async || definitions.get_opt(&name).await.unwrap().filter(|found| found.metadata.uid != before);
        until("the definition is made anew", anew).await.unwrap();
        let kind = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", "Part"), "parts");
        let of_kind = Api::<DynamicObject>::namespaced_with(client, &namespace, &kind);
        let all = async || of_kind.list(&ListParams::default()).await.ok().filter(|found| found.items.len() == 3);
        if let Err(reason) = until("all objects of the kind are back", all).await {
            panic!("{reason}; {}", scene.seen().await);
        }
    });
}
