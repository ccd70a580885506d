//! Syncs that wait until what they applied works.

use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::json;

use super::scene::{Scene, is};
use super::stage::play;

/// A Deployment of one replica, which needs a node with this label.
fn write_deployment(scene: &Scene, node: &str) {
    let namespace = &scene.name;
    let manifest = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: {namespace}}}\n\
         spec:\n  replicas: 1\n  strategy: {{type: Recreate}}\n  selector: {{matchLabels: {{app: web}}}}\n\
         \x20 template:\n    metadata: {{labels: {{app: web}}}}\n    spec:\n      nodeSelector: {{{node}}}\n\
         \x20     containers: [{{name: web, image: \"example.org/web:1\"}}]\n"
    );
    scene.write("app/web.yaml", &manifest);
    scene.takes(&["settings.yaml", "limits.yaml", "web.yaml"]);
}

#[test]
fn commit_that_does_not_work_yet_is_said_to_be_applied_and_not_ready() {
    play("health", async |scene| {
        let first = scene.commit_good();
        scene.push(&first).await;
        scene.declare_with(|_, sync| sync["spec"]["wait"] = json!(true)).await;
        scene.applied(&first).await;
        write_deployment(scene, "example.org/nowhere: \"yes\"");
        let commit = scene.commit_good();
        scene.push(&commit).await;
        let revision = json!(format!("main@{commit}"));
        let waits = |sync: &DynamicObject| {
            sync.data["status"]["lastAppliedRevision"] == revision
                && is(sync, "Ready", "Unknown")
                    .is_some_and(|(reason, message)| reason == "Progressing" && message.contains("0 of 1"))
        };
        let sync = scene.sync("it is applied, and waited for", waits).await;
        let (_, message) = is(&sync, "Ready", "Unknown").unwrap();
        assert!(message.contains("Deployment") && message.contains("web"), "{message}");
        assert!(is(&sync, "Reconciling", "True").is_some() && is(&sync, "Healthy", "Unknown").is_some());
        assert!(is(&sync, "Verified", "True").is_some());
        // The turn that waits gives way to the commit that mends it; its own time would be five minutes.
        write_deployment(scene, "");
        let commit = scene.commit_good();
        scene.push(&commit).await;
        let sync = scene.applied(&commit).await;
        assert!(is(&sync, "Healthy", "True").is_some() && is(&sync, "Reconciling", "True").is_none());
    });
}

#[test]
fn what_does_not_work_in_time_is_said_to_be_unhealthy() {
    play("unhealthy", async |scene| {
        write_deployment(scene, "example.org/nowhere: \"yes\"");
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene
            .declare_with(|_, sync| {
                sync["spec"]["wait"] = json!(true);
                sync["spec"]["timeout"] = json!("5s");
            })
            .await;
        let message = scene.not_ready("Unhealthy").await;
        assert!(message.contains("Deployment") && message.contains("web"), "{message}");
        let sync = scene.syncs().get("app").await.unwrap();
        assert!(is(&sync, "Healthy", "False").is_some() && is(&sync, "Verified", "True").is_some());
        assert_eq!(sync.data["status"]["lastAppliedRevision"], json!(format!("main@{commit}")));
    });
}

#[test]
fn what_left_the_repository_and_is_kept_need_not_work() {
    play("leftover", async |scene| {
        write_deployment(scene, "example.org/nowhere: \"yes\"");
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene.declare_with(|_, sync| sync["spec"]["prune"] = json!(false)).await;
        scene.applied(&commit).await;
        let wait = json!({"spec": {"wait": true, "timeout": "10s"}});
        scene.syncs().patch("app", &PatchParams::default(), &Patch::Merge(&wait)).await.unwrap();
        scene.not_ready("Unhealthy").await;
        scene.takes(&["settings.yaml", "limits.yaml"]);
        let commit = scene.ship().await;
        let sync = scene.applied(&commit).await;
        assert!(is(&sync, "Healthy", "True").is_some(), "{}", scene.seen().await);
    });
}
