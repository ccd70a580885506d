//! What is applied while a newer commit was verified and cannot be brought to the cluster: the last good one, as far as
//! the newer one has not taken its place.

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::rbac::v1::Role;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::json;

use super::scene::{Scene, is};
use super::stage::play;
use crate::support::story::cluster::until;

fn services(scene: &Scene) -> Api<Service> {
    Api::namespaced(scene.stage.admin.client().clone(), &scene.name)
}

fn write_service(scene: &Scene, port: u32) {
    let manifest = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: door, namespace: {}}}\n\
         spec: {{sessionAffinity: None, ports: [{{port: {port}}}]}}\n",
        scene.name
    );
    scene.write("app/door.yaml", &manifest);
}

/// Waits until Service `door` is as the last good commit has it.
async fn door(scene: &Scene) {
    let services = services(scene);
    let right = async || {
        let spec = services.get_opt("door").await.unwrap()?.spec?;
        (spec.ports?.first()?.port == 80 && spec.session_affinity? == "None").then_some(())
    };
    if let Err(reason) = until("Service door is as it was", right).await {
        panic!("{reason}; {}", scene.seen().await);
    }
}

#[test]
fn what_the_api_server_does_not_take_stays_as_the_last_good_commit_has_it() {
    play("rejected", async |scene| {
        scene.takes(&["settings.yaml", "limits.yaml", "door.yaml"]);
        write_service(scene, 80);
        scene.begin().await;
        door(scene).await;
        scene.write_map("settings", "red");
        write_service(scene, 70_000);
        let commit = scene.commit_good();
        scene.push(&commit).await;
        let message = scene.refused(&commit, "Rejected").await;
        assert!(message.contains("Service") && message.contains("door") && message.contains("patch"), "{message}");
        let sync = scene.syncs().get("app").await.unwrap();
        assert!(is(&sync, "Verified", "True").is_some(), "its signature is good");
        // What the newer commit could change stays changed, and is held.
        scene.comes("settings", "red").await;
        scene.holds("red").await;
        let edit = json!({"spec": {"sessionAffinity": "ClientIP"}});
        services(scene).patch("door", &PatchParams::default(), &Patch::Merge(&edit)).await.unwrap();
        door(scene).await;
        services(scene).delete("door", &DeleteParams::default()).await.unwrap();
        door(scene).await;
        scene.event("DriftCorrected").await;
        // What was made anew meanwhile is still ours when it leaves the repository.
        scene.takes(&["settings.yaml", "limits.yaml"]);
        let next = scene.ship().await;
        assert!(services(scene).get_opt("door").await.unwrap().is_none(), "it is orphaned since {next}");
    });
}

#[test]
fn deletions_that_are_held_stay_so_while_the_last_good_commit_is_brought_again() {
    play("still-held", async |scene| {
        scene.begin().await;
        scene.takes(&["fresh.yaml", "door.yaml"]);
        scene.write_map("fresh", "1");
        write_service(scene, 70_000);
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene.refused(&commit, "Rejected").await;
        scene.poke().await;
        write_service(scene, 80);
        scene.ship().await;
        door(scene).await;
        let sync = scene.syncs().get("app").await.unwrap();
        let waiting = sync.data["status"]["heldDeletions"].to_string();
        assert!(waiting.contains("settings") && waiting.contains("limits"), "{waiting}");
        assert_eq!(scene.value("settings").await.as_deref(), Some("blue"));
        assert_eq!(scene.value("limits").await.as_deref(), Some("12"));
    });
}

#[test]
fn what_left_the_repository_and_cannot_be_looked_at_is_told_and_goes_once_it_can() {
    play("unseen", async |scene| {
        scene.takes(&["settings.yaml", "limits.yaml", "door.yaml"]);
        write_service(scene, 80);
        scene.begin().await;
        door(scene).await;
        let roles = scene.stage.admin.client().clone();
        let roles = Api::<Role>::namespaced(roles, &scene.name);
        let (account, right) = (format!("{}:applier", scene.name), ("get", "", "services"));
        let full = roles.get("applier").await.unwrap().rules;
        let narrow = json!({"rules": [{"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["*"]}]});
        roles.patch("applier", &PatchParams::default(), &Patch::Merge(&narrow)).await.unwrap();
        scene.may_not(&account, right).await;
        scene.takes(&["settings.yaml", "limits.yaml"]);
        scene.ship().await;
        let waits = |sync: &DynamicObject| sync.data["status"]["heldDeletions"].to_string().contains("door");
        let sync = scene.sync("it is told", waits).await;
        let message = is(&sync, "Ready", "True").unwrap().1;
        assert!(message.contains("cannot be looked at") && message.contains("door"), "{message}");
        assert!(services(scene).get_opt("door").await.unwrap().is_some());
        let full = Patch::Merge(json!({"rules": full}));
        roles.patch("applier", &PatchParams::default(), &full).await.unwrap();
        scene.may(&account, right).await;
        scene.poke().await;
        scene.sync("nothing is held", |sync| sync.data["status"]["heldDeletions"].is_null()).await;
        assert!(services(scene).get_opt("door").await.unwrap().is_none());
    });
}

#[test]
fn two_syncs_that_are_made_together_do_not_both_get_the_same_object() {
    play("together", async |scene| {
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene.declare_with(|repository, _| repository["spec"]["suspend"] = json!(true)).await;
        let mut second = scene.sync_manifest();
        second["metadata"]["name"] = json!("second");
        scene.stage.admin.put(&second).await.unwrap();
        let syncs = scene.syncs();
        let both = async |what: &str, so: &dyn Fn(&[DynamicObject; 2]) -> bool| {
            let seen = async || {
                let both = [syncs.get("app").await.ok()?, syncs.get("second").await.ok()?];
                so(&both).then_some(both)
            };
            until(what, seen).await.unwrap()
        };
        both("both rest", &|both| both.iter().all(|sync| is(sync, "Ready", "Unknown").is_some())).await;
        // Now both begin at the same moment.
        let go_on = Patch::Merge(json!({"spec": {"suspend": false}}));
        scene.repositories().patch(&scene.name, &PatchParams::default(), &go_on).await.unwrap();
        let is_refused =
            |sync: &DynamicObject| is(sync, "Ready", "False").is_some_and(|(reason, _)| reason == "OwnedByAnother");
        let settled = |both: &[DynamicObject; 2]| {
            let ready = both.iter().filter(|sync| is(sync, "Ready", "True").is_some()).count();
            ready == 1 && both.iter().filter(|sync| is_refused(sync)).count() == 1
        };
        let found = both("one has all of it, and the other says so", &settled).await;
        let winner = found.iter().find(|sync| !is_refused(sync)).unwrap().metadata.name.clone().unwrap();
        for name in ["settings", "limits"] {
            let labels = scene.maps().get(name).await.unwrap().metadata.labels.unwrap();
            assert_eq!(labels["gitwarrant.io/sync-name"], winner);
        }
        syncs.delete("second", &DeleteParams::default()).await.unwrap();
    });
}

#[test]
fn last_good_commit_is_held_while_the_newest_has_no_plan() {
    play("no-plan", async |scene| {
        scene.begin().await;
        let owned = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": "theirs", "namespace": scene.name,
                "labels": {"gitwarrant.io/sync-name": "first", "gitwarrant.io/sync-namespace": scene.name},
            },
            "data": {"value": "theirs"},
        });
        scene.declare_resting("first").await;
        scene.stage.admin.put(&owned).await.unwrap();
        scene.takes(&["settings.yaml", "limits.yaml", "theirs.yaml"]);
        scene.write_map("settings", "red");
        scene.write_map("theirs", "ours");
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene.refused(&commit, "OwnedByAnother").await;
        scene.holds("blue").await;
        scene.maps().delete("limits", &DeleteParams::default()).await.unwrap();
        scene.comes("limits", "12").await;
        scene.event("DriftCorrected").await;
        scene.takes(&["settings.yaml"]);
        scene.ship().await;
        assert_eq!(scene.value("limits").await, None, "it is orphaned");
        assert_eq!(scene.value("theirs").await.as_deref(), Some("theirs"));
        scene.syncs().delete("first", &DeleteParams::default()).await.unwrap();
    });
}

#[test]
fn sync_under_a_new_name_takes_over_what_the_old_one_left() {
    play("renamed", async |scene| {
        let commit = scene.begin().await;
        let uid = async |name: &str| scene.maps().get(name).await.unwrap().metadata.uid;
        let before = (uid("settings").await, uid("limits").await);
        scene.syncs().delete("app", &DeleteParams::default()).await.unwrap();
        let mut renamed = scene.sync_manifest();
        renamed["metadata"]["name"] = json!("renamed");
        scene.stage.admin.put(&renamed).await.unwrap();
        let revision = json!(format!("main@{commit}"));
        let syncs = scene.syncs();
        let applied = async || {
            let sync = syncs.get("renamed").await.ok()?;
            (sync.data["status"]["lastAppliedRevision"] == revision && is(&sync, "Ready", "True").is_some())
                .then_some(())
        };
        if let Err(reason) = until("it is applied under the new name", applied).await {
            panic!("{reason}; {}", scene.seen().await);
        }
        assert_eq!((uid("settings").await, uid("limits").await), before);
        let labels = scene.maps().get("settings").await.unwrap().metadata.labels.unwrap();
        assert_eq!(labels["gitwarrant.io/sync-name"], "renamed");
        scene.syncs().delete("renamed", &DeleteParams::default()).await.unwrap();
    });
}

#[test]
fn object_is_moved_between_two_syncs_that_live_on_as_explain_says() {
    play("moved", async |scene| {
        scene.write("other/kustomization.yaml", "resources: []\n");
        scene.begin().await;
        let mut other = scene.sync_manifest();
        (other["metadata"]["name"], other["spec"]["path"]) = (json!("other"), json!("./other"));
        scene.stage.admin.put(&other).await.unwrap();
        let before = scene.maps().get("limits").await.unwrap().metadata.uid;
        let maps = scene.maps();
        let edit = async |change: serde_json::Value| {
            maps.patch("limits", &PatchParams::default(), &Patch::Merge(&change)).await.unwrap();
        };
        edit(json!({"metadata": {"annotations": {"kustomize.toolkit.fluxcd.io/prune": "disabled"}}})).await;
        scene.write("other/kustomization.yaml", "resources: [limits.yaml]\n");
        std::fs::rename(scene.work.join("app/limits.yaml"), scene.work.join("other/limits.yaml")).unwrap();
        scene.takes(&["settings.yaml"]);
        let commit = scene.commit_good();
        scene.push(&commit).await;
        let syncs = scene.syncs();
        let told = async |name: &str, what: &str, so: &dyn Fn(&kube::api::DynamicObject) -> bool| {
            let asked = async || syncs.get(name).await.ok().filter(|sync| so(sync));
            if let Err(reason) = until(what, asked).await {
                panic!("{reason}; {}", scene.seen().await);
            }
        };
        told("other", "it is refused", &|sync| {
            is(sync, "Ready", "False").is_some_and(|(reason, _)| reason == "OwnedByAnother")
        })
        .await;
        let revision = json!(format!("main@{commit}"));
        told("app", "it has left", &|sync| sync.data["status"]["lastAppliedRevision"] == revision).await;
        edit(json!({"metadata": {"labels": {"gitwarrant.io/sync-name": "other"}}})).await;
        let ready = |sync: &kube::api::DynamicObject| {
            is(sync, "Ready", "True").is_some() && sync.data["status"]["lastAppliedRevision"] == revision
        };
        told("other", "it is taken over", &ready).await;
        let recorded = async |name: &str| {
            let warrant = scene.warrants().get(name).await.unwrap();
            warrant.data["spec"]["inventory"].to_string().contains("limits").then_some(())
        };
        until("the old one forgets it", async || recorded("app").await.is_none().then_some(())).await.unwrap();
        assert!(recorded("other").await.is_some());
        assert_eq!(scene.maps().get("limits").await.unwrap().metadata.uid, before);
        scene.syncs().delete("other", &DeleteParams::default()).await.unwrap();
    });
}
