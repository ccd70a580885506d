//! Syncs that wait for others.

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::scene::{Scene, is};
use super::stage::play;
use crate::support::story::cluster::until;

/// A second Sync, `other`, of folder `other`, which waits for `app`.
async fn declare_other(scene: &Scene, edit: impl FnOnce(&mut Value)) {
    let mut other = scene.sync_manifest();
    other["metadata"]["name"] = json!("other");
    other["spec"]["path"] = json!("./other");
    other["spec"]["dependsOn"] = json!([{"name": "app"}]);
    edit(&mut other);
    scene.stage.admin.put(&other).await.unwrap();
}

fn write_other(scene: &Scene, value: &str) {
    scene.write("other/kustomization.yaml", "resources: [free.yaml]\n");
    let namespace = &scene.name;
    let map = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: free, namespace: {namespace}}}\ndata: {{value: \"{value}\"}}\n"
    );
    scene.write("other/free.yaml", &map);
}

async fn other(scene: &Scene, what: &str, so: impl Fn(&DynamicObject) -> bool) -> DynamicObject {
    let asked = async || scene.syncs().get_opt("other").await.ok().flatten().filter(|sync| so(sync));
    match until(what, asked).await {
        Ok(sync) => sync,
        Err(reason) => panic!("{reason}; {}", scene.seen().await),
    }
}

#[test]
fn sync_waits_for_the_one_it_depends_on_and_its_own_drift_is_put_right_meanwhile() {
    play("depends", async |scene| {
        write_other(scene, "1");
        scene.begin().await;
        declare_other(scene, |_| ()).await;
        scene.comes("free", "1").await;
        // `app` cannot be brought to this commit: the API server does not take one of its objects.
        write_other(scene, "2");
        scene.takes(&["settings.yaml", "limits.yaml", "bad.yaml"]);
        let namespace = scene.name.clone();
        let bad = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: bad, namespace: {namespace}}}\nspec: {{ports: [{{port: 70000}}]}}\n"
        );
        scene.write("app/bad.yaml", &bad);
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene.refused(&commit, "Rejected").await;
        let waits =
            |sync: &DynamicObject| is(sync, "Ready", "False").is_some_and(|(reason, _)| reason == "DependencyNotReady");
        let sync = other(scene, "it waits", waits).await;
        let (_, message) = is(&sync, "Ready", "False").unwrap();
        assert!(message.contains("app of dependsOn is not ready at this commit"), "{message}");
        assert!(is(&sync, "Verified", "True").is_some(), "the commit is good, and only has to wait");
        assert!(is(&sync, "Reconciling", "True").is_some(), "it goes on by itself");
        assert!(is(&sync, "Stalled", "True").is_none());
        scene.maps().delete("free", &DeleteParams::default()).await.unwrap();
        scene.comes("free", "1").await;
        scene.takes(&["settings.yaml", "limits.yaml"]);
        scene.ship().await;
        scene.comes("free", "2").await;
        let sync = other(scene, "it is ready", |sync| is(sync, "Ready", "True").is_some()).await;
        assert!(is(&sync, "Reconciling", "True").is_none());
        scene.syncs().delete("other", &DeleteParams::default()).await.unwrap();
    });
}

fn bad_service(scene: &Scene, name: &str) -> String {
    let namespace = &scene.name;
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{ports: [{{port: 70000}}]}}\n"
    )
}

#[test]
fn half_written_commit_is_not_taken_back_while_a_newer_one_only_waits() {
    play("depends-half", async |scene| {
        write_other(scene, "1");
        scene.begin().await;
        declare_other(scene, |_| ()).await;
        scene.comes("free", "1").await;
        // `other` can be brought to this commit by half, and `app` as a whole.
        write_other(scene, "2");
        scene.write("other/kustomization.yaml", "resources: [free.yaml, denied.yaml]\n");
        scene.write("other/denied.yaml", &bad_service(scene, "denied"));
        scene.ship().await;
        let held = |reason: &'static str| {
            move |sync: &DynamicObject| is(sync, "Ready", "False").is_some_and(|(found, _)| found == reason)
        };
        other(scene, "it is half written", held("Rejected")).await;
        scene.comes("free", "2").await;
        // The next one waits for `app`, which cannot be brought to it.
        write_other(scene, "3");
        scene.takes(&["settings.yaml", "limits.yaml", "bad.yaml"]);
        scene.write("app/bad.yaml", &bad_service(scene, "bad"));
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene.refused(&commit, "Rejected").await;
        other(scene, "it waits", held("DependencyNotReady")).await;
        for ask in ["one", "two"] {
            let asked = json!({"metadata": {"annotations": {"gitwarrant.io/requestedAt": ask}}});
            scene.syncs().patch("other", &PatchParams::default(), &Patch::Merge(&asked)).await.unwrap();
            other(scene, "a turn was taken", |sync| sync.data["status"]["lastHandledRequestedAt"] == json!(ask)).await;
            assert_eq!(scene.value("free").await.as_deref(), Some("2"), "the last good commit was written over it");
        }
        scene.takes(&["settings.yaml", "limits.yaml"]);
        scene.ship().await;
        scene.comes("free", "3").await;
        scene.syncs().delete("other", &DeleteParams::default()).await.unwrap();
    });
}

#[test]
fn sync_that_depends_on_one_of_another_repository_waits_for_no_commit_of_it() {
    play("depends-across", async |scene| {
        write_other(scene, "1");
        scene.begin().await;
        let mut second = scene.repository_manifest();
        let name = format!("{}-second", scene.name);
        second["metadata"]["name"] = json!(name);
        second["spec"]["ref"] = json!({"branch": "side"});
        write_other(scene, "2");
        let commit = scene.commit_good();
        scene.git(&["push", "--quiet", "origin", &format!("{commit}:refs/heads/side")]);
        scene.stage.admin.put(&second).await.unwrap();
        declare_other(scene, |sync| sync["spec"]["repository"] = json!(name)).await;
        scene.comes("free", "2").await;
        let revision = json!(format!("side@{commit}"));
        other(scene, "it is ready", |sync| {
            is(sync, "Ready", "True").is_some() && sync.data["status"]["lastAppliedRevision"] == revision
        })
        .await;
        scene.syncs().delete("other", &DeleteParams::default()).await.unwrap();
        scene.repositories().delete(&name, &DeleteParams::default()).await.unwrap();
    });
}

#[test]
fn sync_begins_as_soon_as_the_one_it_waits_for_is_ready() {
    play("depends-woken", async |scene| {
        write_other(scene, "1");
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene.make_home().await;
        scene.stage.admin.put(&scene.repository_manifest()).await.unwrap();
        // Nobody lives to see the end of these.
        let slow = |sync: &mut Value| {
            sync["spec"]["interval"] = json!("24h");
            sync["spec"]["retryInterval"] = json!("24h");
        };
        let mut app = scene.sync_manifest();
        slow(&mut app);
        declare_other(scene, slow).await;
        let waits =
            |sync: &DynamicObject| is(sync, "Ready", "False").is_some_and(|(reason, _)| reason == "DependencyNotReady");
        other(scene, "it waits", waits).await;
        scene.stage.admin.put(&app).await.unwrap();
        scene.comes("free", "1").await;
        scene.syncs().delete("other", &DeleteParams::default()).await.unwrap();
    });
}

#[test]
fn syncs_that_wait_for_each_other_or_themselves_are_told_so() {
    play("depends-cycle", async |scene| {
        write_other(scene, "1");
        let commit = scene.commit_good();
        scene.push(&commit).await;
        let on_other = |sync: &mut Value| sync["spec"]["dependsOn"] = json!([{"name": "other"}]);
        scene.make_home().await;
        declare_other(scene, |_| ()).await;
        scene.declare_with(|_, sync| on_other(sync)).await;
        let round =
            |sync: &DynamicObject| is(sync, "Ready", "False").is_some_and(|(reason, _)| reason == "DependencyCycle");
        let sync = other(scene, "it is told", round).await;
        let (_, message) = is(&sync, "Ready", "False").unwrap();
        assert!(message.contains("other -> app -> other"), "{message}");
        declare_other(scene, on_other).await;
        let itself = |sync: &DynamicObject| {
            is(sync, "Ready", "False").is_some_and(|(_, message)| message.contains("other -> other"))
        };
        other(scene, "it is told", itself).await;
        scene.syncs().delete("other", &DeleteParams::default()).await.unwrap();
    });
}
