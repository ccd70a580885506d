//! Whose rights count, and what pruning never does.

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::scene::{Scene, is, rewrite};
use super::stage::play;
use crate::support::signing::By;
use crate::support::story::cluster::until;
use crate::support::story::world::HOME;

async fn merge(scene: &Scene, change: Value) {
    scene.syncs().patch("app", &PatchParams::default(), &Patch::Merge(&change)).await.unwrap();
}

#[test]
fn object_that_the_account_may_not_write_is_named_and_the_other_sync_goes_on() {
    play("denied", async |scene| {
        scene.write("other/kustomization.yaml", "resources: [free.yaml]\n");
        let namespace = scene.name.clone();
        let free = |value: &str| {
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: free, namespace: {namespace}}}\ndata: {{value: \"{value}\"}}\n"
            )
        };
        scene.write("other/free.yaml", &free("1"));
        scene.begin().await;
        let mut other = scene.sync_manifest();
        other["metadata"]["name"] = json!("other");
        other["spec"]["path"] = json!("./other");
        scene.stage.admin.put(&other).await.unwrap();
        scene.comes("free", "1").await;
        let looks = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"name": "looks", "namespace": scene.name},
            "rules": [{"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["get", "list"]}],
        });
        let bound = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "looks", "namespace": scene.name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "looks"},
            "subjects": [{"kind": "ServiceAccount", "namespace": scene.name, "name": "applier"}],
        });
        scene.stage.admin.put(&looks).await.unwrap();
        scene.stage.admin.put(&bound).await.unwrap();
        scene.may(&format!("{}:applier", scene.name), ("list", "networking.k8s.io", "ingresses")).await;
        scene.takes(&["settings.yaml", "limits.yaml", "door.yaml"]);
        scene.write(
            "app/door.yaml",
            &format!(
                "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: door, namespace: {}}}\n\
                 spec: {{defaultBackend: {{service: {{name: door, port: {{number: 80}}}}}}}}\n",
                scene.name
            ),
        );
        scene.write("other/free.yaml", &free("2"));
        let commit = scene.commit_good();
        scene.push(&commit).await;
        let message = scene.refused(&commit, "NotAllowed").await;
        assert!(message.contains("patch") && message.contains("Ingress") && message.contains("door"), "{message}");
        assert!(message.contains(&format!("{}/applier", scene.name)), "the account is not named: {message}");
        scene.comes("free", "2").await;
        scene.syncs().delete("other", &DeleteParams::default()).await.unwrap();
    });
}

#[test]
fn account_of_another_namespace_is_out_of_reach() {
    play("no-account", async |scene| {
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene.declare_with(|_, sync| sync["spec"]["serviceAccountName"] = json!("kube-system:admin")).await;
        let sync = scene.sync("it is not ready", |sync| is(sync, "Ready", "False").is_some()).await;
        assert!(is(&sync, "Ready", "False").unwrap().1.contains("kube-system:admin"));
        assert_eq!(scene.value("settings").await, None);
    });
}

#[test]
fn rights_of_the_agent_itself_are_never_used() {
    play("own-account", async |scene| {
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene.declare_with(|repository, _| repository["spec"]["allowedNamespaces"] = json!([HOME])).await;
        let syncs = scene.stage.admin.ours(Some(HOME), "Sync", "syncs");
        // Blanks around a header's value are nothing to the API server.
        for (account, why) in
            [("gitwarrant", "OwnAccount"), ("gitwarrant ", "ApiUnreadable"), ("gitwarrant\t", "ApiUnreadable")]
        {
            let mut sync = scene.sync_manifest();
            sync["metadata"] = json!({"name": scene.name, "namespace": HOME});
            sync["spec"]["serviceAccountName"] = json!(account);
            scene.stage.admin.put(&sync).await.unwrap();
            let stalled = async || {
                let sync = syncs.get_opt(&scene.name).await.unwrap()?;
                is(&sync, "Stalled", "True").filter(|(reason, _)| reason == why)
            };
            if let Err(reason) = until("it is refused", stalled).await {
                panic!("{account:?}: {reason}; {:?}", syncs.get(&scene.name).await.unwrap().data["status"]);
            }
            syncs.delete(&scene.name, &DeleteParams::default()).await.unwrap();
            let gone = async || syncs.get_opt(&scene.name).await.unwrap().is_none().then_some(());
            until("it is gone", gone).await.unwrap();
        }
        assert_eq!(scene.value("settings").await, None);
    });
}

#[test]
fn another_folder_gets_no_inputs_from_who_may_not_change_it() {
    play("other-folder", async |scene| {
        let bob = scene.stage.signers.ssh_key("bob@e2e.example", "ed25519");
        // Bob's own folder, and one of Alice's that draws it in.
        scene.write_map("settings", "bobs");
        let commit = scene.commit(By::Ssh(&bob));
        scene.write("prod/kustomization.yaml", "resources: [../app]\nnameSuffix: -prod\n");
        let head = scene.commit_good();
        scene.push(&head).await;
        let alice = &scene.stage.alice;
        let signers = format!("{} {}\n{} {}\n", alice.principal, alice.public, bob.principal, bob.public);
        let rules = json!([
            {"paths": ["prod/**"], "signers": [alice.principal]},
            {"paths": ["**"], "signers": [alice.principal, bob.principal]},
        ]);
        scene
            .declare_with(|repository, _| {
                repository["spec"]["trust"]["signers"]["allowedSigners"] = json!(signers);
                repository["spec"]["trust"]["pathRules"] = rules;
            })
            .await;
        scene.applied(&head).await;
        merge(scene, json!({"spec": {"path": "./prod"}})).await;
        let message = scene.refused(&head, "PathNotAuthorised").await;
        assert!(message.contains(&commit[..7]) && message.contains("`app/"), "{message}");
        assert_eq!(scene.value("settings-prod").await, None);
        assert_eq!(scene.value("settings").await.as_deref(), Some("bobs"), "what was applied stays");
        merge(scene, json!({"spec": {"path": "./app"}})).await;
        scene.applied(&head).await;
    });
}

#[test]
fn namespace_that_the_repository_does_not_list_gets_nothing() {
    play("not-listed", async |scene| {
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene.declare_with(|repository, _| repository["spec"]["allowedNamespaces"] = json!(["elsewhere"])).await;
        let message = scene.not_ready("NamespaceNotAllowed").await;
        assert!(message.contains(&scene.name), "{message}");
        assert_eq!(scene.value("settings").await, None);
    });
}

#[test]
fn everything_at_once_is_never_pruned_until_somebody_names_the_commit() {
    play("everything", async |scene| {
        scene.begin().await;
        scene.takes(&["fresh.yaml"]);
        scene.write_map("fresh", "1");
        let commit = scene.ship().await;
        let sync = scene
            .sync("deletions are held", |sync| {
                is(sync, "Ready", "True").is_some_and(|(reason, _)| reason == "AppliedDeletionsHeld")
            })
            .await;
        let waiting = sync.data["status"]["heldDeletions"].to_string();
        assert!(waiting.contains("settings") && waiting.contains("limits"), "{waiting}");
        assert_eq!(scene.value("settings").await.as_deref(), Some("blue"));
        // The next turns see a larger inventory, and still hold.
        scene.write_map("fresh", "2");
        let next = scene.ship().await;
        scene.comes("fresh", "2").await;
        assert_eq!(scene.value("limits").await.as_deref(), Some("12"));
        merge(scene, json!({"metadata": {"annotations": {"gitwarrant.io/approve-prune": commit}}})).await;
        scene.poke().await;
        scene.write_map("fresh", "3");
        scene.ship().await;
        assert_eq!(scene.value("limits").await.as_deref(), Some("12"), "another commit was approved");
        let head = scene.git(&["rev-parse", "HEAD"]);
        assert_ne!(head, next);
        merge(scene, json!({"metadata": {"annotations": {"gitwarrant.io/approve-prune": head}}})).await;
        scene.sync("nothing is held", |sync| sync.data["status"]["heldDeletions"].is_null()).await;
        assert_eq!((scene.value("settings").await, scene.value("limits").await), (None, None));
    });
}

#[test]
fn approval_that_still_stands_lets_nothing_else_go_whoever_changes_a_variable() {
    play("approved-once", async |scene| {
        let prefix = |value: &str| {
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "names", "namespace": scene.name}, "data": {"PREFIX": value},
            })
        };
        let (plain, other) = (prefix(""), prefix("other-"));
        let write = |scene: &Scene, name: &str, value: &str| {
            scene.write_map(name, value);
            rewrite(&scene.work.join(format!("app/{name}.yaml")), |text| {
                text.replace(&format!("name: {name}"), &format!("name: \"${{PREFIX}}{name}\""))
            });
        };
        ["settings", "limits"].iter().for_each(|name| write(scene, name, "1"));
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene.make_home().await;
        scene.stage.admin.put(&plain).await.unwrap();
        let variables = json!({"substituteFrom": [{"kind": "ConfigMap", "name": "names"}]});
        scene.declare_with(|_, sync| sync["spec"]["postBuild"] = variables).await;
        scene.applied(&commit).await;
        scene.takes(&["fresh.yaml", "second.yaml"]);
        ["fresh", "second"].iter().for_each(|name| write(scene, name, "1"));
        let commit = scene.ship().await;
        let waits = |what: &'static str| {
            move |sync: &DynamicObject| sync.data["status"]["heldDeletions"].to_string().contains(what)
        };
        scene.sync("two wait", waits("settings")).await;
        merge(scene, json!({"metadata": {"annotations": {"gitwarrant.io/approve-prune": commit}}})).await;
        scene.sync("nothing is held", |sync| sync.data["status"]["heldDeletions"].is_null()).await;
        assert_eq!((scene.value("settings").await, scene.value("limits").await), (None, None));
        // The annotation stays, and somebody who may write nothing but this ConfigMap renames everything.
        scene.stage.admin.put(&other).await.unwrap();
        scene.comes("other-fresh", "1").await;
        let sync = scene.sync("two others wait", waits("second")).await;
        let message = is(&sync, "Ready", "True").unwrap().1;
        assert!(message.contains("an approval counts once: remove the annotation"), "{message}");
        scene.maps().delete("other-fresh", &DeleteParams::default()).await.unwrap();
        scene.comes("other-fresh", "1").await;
        assert_eq!(scene.value("fresh").await.as_deref(), Some("1"));
        assert_eq!(scene.value("second").await.as_deref(), Some("1"));
        // Whoever approves again, having seen what waits, is followed.
        merge(scene, json!({"metadata": {"annotations": {"gitwarrant.io/approve-prune": null}}})).await;
        let asks = |sync: &DynamicObject| is(sync, "Ready", "True").is_some_and(|(_, told)| told.contains("full id"));
        scene.sync("it asks for the approval", asks).await;
        merge(scene, json!({"metadata": {"annotations": {"gitwarrant.io/approve-prune": commit}}})).await;
        scene.sync("nothing is held", |sync| sync.data["status"]["heldDeletions"].is_null()).await;
        assert_eq!((scene.value("fresh").await, scene.value("second").await), (None, None));
    });
}

/// The Sync rests while `limits` leaves the repository and somebody does `meanwhile` to the object.
async fn leaves_while_resting(scene: &mut Scene, meanwhile: impl AsyncFnOnce(&Scene)) {
    scene.begin().await;
    merge(scene, json!({"spec": {"suspend": true}})).await;
    scene.sync("it rests", |sync| is(sync, "Ready", "Unknown").is_some()).await;
    meanwhile(scene).await;
    scene.takes(&["settings.yaml"]);
    scene.write_map("settings", "green");
    let commit = scene.commit_good();
    scene.push(&commit).await;
    merge(scene, json!({"spec": {"suspend": false}})).await;
    scene.applied(&commit).await;
    let warrant = scene.warrants().get("app").await.unwrap();
    let recorded = warrant.data["spec"]["inventory"].to_string();
    assert!(recorded.contains("settings") && !recorded.contains("limits"), "{recorded}");
}

#[test]
fn object_that_somebody_deleted_and_made_again_is_not_pruned() {
    play("remade", async |scene| {
        leaves_while_resting(scene, async |scene| {
            let mut map = scene.maps().get("limits").await.unwrap();
            scene.maps().delete("limits", &DeleteParams::default()).await.unwrap();
            map.metadata.uid = None;
            map.metadata.resource_version = None;
            map.metadata.managed_fields = None;
            scene.maps().create(&kube::api::PostParams::default(), &map).await.unwrap();
        })
        .await;
        assert_eq!(scene.value("limits").await.as_deref(), Some("12"));
    });
}

#[test]
fn object_that_another_sync_took_over_is_not_pruned() {
    play("adopted", async |scene| {
        leaves_while_resting(scene, async |scene| {
            let adopt = json!({"metadata": {"labels": {"gitwarrant.io/sync-name": "another"}}});
            scene.maps().patch("limits", &PatchParams::default(), &Patch::Merge(&adopt)).await.unwrap();
        })
        .await;
        assert_eq!(scene.value("limits").await.as_deref(), Some("12"));
    });
}

#[test]
fn object_that_another_sync_owns_is_not_taken_from_it() {
    play("owned", async |scene| {
        scene.make_home().await;
        scene.declare_resting("first").await;
        let owned = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": "settings", "namespace": scene.name,
                "labels": {"gitwarrant.io/sync-name": "first", "gitwarrant.io/sync-namespace": scene.name},
            },
            "data": {"value": "theirs"},
        });
        scene.stage.admin.put(&owned).await.unwrap();
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene.declare().await;
        let message = scene.refused(&commit, "OwnedByAnother").await;
        assert!(message.contains("settings") && message.contains("first"), "{message}");
        // The next turn, which reads what this one told, comes to the same.
        merge(scene, json!({"metadata": {"annotations": {"gitwarrant.io/requestedAt": "next"}}})).await;
        scene.sync("a turn was taken", |sync| sync.data["status"]["lastHandledRequestedAt"] == json!("next")).await;
        scene.refused(&commit, "OwnedByAnother").await;
        assert_eq!(scene.value("settings").await.as_deref(), Some("theirs"));
        assert_eq!(scene.value("limits").await, None, "nothing of the commit is applied");
        scene.syncs().delete("first", &DeleteParams::default()).await.unwrap();
    });
}

#[test]
fn suspended_sync_or_repository_does_nothing() {
    play("suspended", async |scene| {
        scene.begin().await;
        merge(scene, json!({"spec": {"suspend": true}})).await;
        scene.sync("it rests", |sync| is(sync, "Ready", "Unknown").is_some()).await;
        scene.write_map("settings", "green");
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene.repository("the head is seen", |one| one.data["status"]["fetched"]["commit"] == json!(commit)).await;
        rests(scene, "s1").await;
        let suspend = |on: bool| json!({"spec": {"suspend": on}});
        scene.repositories().patch(&scene.name, &PatchParams::default(), &Patch::Merge(&suspend(true))).await.unwrap();
        merge(scene, suspend(false)).await;
        rests(scene, "s2").await;
        scene.repositories().patch(&scene.name, &PatchParams::default(), &Patch::Merge(&suspend(false))).await.unwrap();
        scene.applied(&commit).await;
    });
}

/// A turn that is asked for is taken, and changes nothing.
async fn rests(scene: &Scene, ask: &str) {
    scene.maps().delete("limits", &DeleteParams::default()).await.ok();
    merge(scene, json!({"metadata": {"annotations": {"gitwarrant.io/requestedAt": ask}}})).await;
    scene.sync("the turn was taken", |sync| sync.data["status"]["lastHandledRequestedAt"] == json!(ask)).await;
    assert_eq!(scene.value("settings").await.as_deref(), Some("blue"));
    assert_eq!(scene.value("limits").await, None);
}

#[test]
fn variables_are_read_with_the_rights_of_the_account_and_not_with_the_agents() {
    play("variables", async |scene| {
        scene.begin().await;
        let meta = |name: &str| json!({"name": name, "namespace": scene.name});
        for object in [
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("colours"), "data": {"colour": "green"}}),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta("others"), "stringData": {"colour": "hunter2"}}),
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("weak")}),
        ] {
            scene.stage.admin.put(&object).await.unwrap();
        }
        merge(scene, json!({"spec": {"postBuild": {"substituteFrom": [{"kind": "ConfigMap", "name": "colours"}]}}}))
            .await;
        scene.write_map("settings", "${colour}");
        scene.ship().await;
        scene.comes("settings", "green").await;
        let borrowed = json!({"substituteFrom": [{"kind": "Secret", "name": "others"}]});
        merge(scene, json!({"spec": {"serviceAccountName": "weak", "postBuild": borrowed}})).await;
        let refused = |sync: &kube::api::DynamicObject| {
            is(sync, "Ready", "False")
                .is_some_and(|(_, message)| message.contains("weak") && message.contains("secrets"))
        };
        scene.sync("the account may not read it", refused).await;
        assert_eq!(scene.value("settings").await.as_deref(), Some("green"));
    });
}
