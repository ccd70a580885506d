//! What is recorded and told: the Warrant, verdicts, events, and what a changed policy says about what is applied.

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::scene::{Scene, is, now};
use super::stage::{play, play_alone};
use crate::support::signing::By;
use crate::support::story::cluster::until;

/// The state is lost: nothing new is applied, and the Sync says so.
async fn holds_and_alarms(scene: &mut Scene, words: &str) {
    scene.write_map("settings", "red");
    let commit = scene.commit_good();
    scene.push(&commit).await;
    let message = scene.not_ready("StateLost").await;
    assert!(message.contains(words), "{message}");
    let sync = scene.syncs().get("app").await.unwrap();
    assert!(is(&sync, "Stalled", "True").is_some());
    let asked = json!({"metadata": {"annotations": {"gitwarrant.io/requestedAt": words}}});
    scene.syncs().patch("app", &PatchParams::default(), &Patch::Merge(&asked)).await.unwrap();
    scene.sync("a turn was taken", |sync| sync.data["status"]["lastHandledRequestedAt"] == json!(words)).await;
    assert_eq!(scene.value("settings").await.as_deref(), Some("blue"));
}

fn restart(scene: &Scene) {
    scene.stage.agent(|agent| {
        agent.kill();
        agent.start().unwrap();
    });
}

fn as_new(mut object: DynamicObject) -> DynamicObject {
    object.metadata.resource_version = None;
    object.metadata.managed_fields = None;
    object.metadata.uid = None;
    object
}

#[test]
fn warrant_that_is_gone_holds_and_alarms_until_it_is_restored_also_after_a_restart() {
    play_alone("warrant-gone", async |scene| {
        scene.begin().await;
        let saved = as_new(scene.warrants().get("app").await.unwrap());
        scene.warrants().delete("app", &DeleteParams::default()).await.unwrap();
        holds_and_alarms(scene, "is gone").await;
        restart(scene);
        holds_and_alarms(scene, "gone").await;
        assert!(scene.warrants().get_opt("app").await.unwrap().is_none(), "a fresh one was begun");
        scene.warrants().create(&PostParams::default(), &saved).await.unwrap();
        scene.write_map("settings", "green");
        scene.ship().await;
        assert_eq!(scene.value("settings").await.as_deref(), Some("green"));
    });
}

#[test]
fn older_warrant_holds_and_alarms_also_after_a_restart() {
    play_alone("warrant-older", async |scene| {
        let first = scene.begin().await;
        let older = scene.warrants().get("app").await.unwrap();
        scene.write_map("limits", "13");
        scene.ship().await;
        let newer = scene.warrants().get("app").await.unwrap();
        let warrants = scene.warrants();
        let put = async |from: &DynamicObject| {
            let mut now = warrants.get("app").await.unwrap();
            now.data["spec"] = from.data["spec"].clone();
            warrants.replace("app", &PostParams::default(), &now).await.unwrap();
        };
        put(&older).await;
        assert_eq!(older.data["spec"]["applied"], json!(first));
        // The branch is pushed back, as whoever has bent the record would want it.
        scene.push(&first).await;
        let message = scene.not_ready("StateLost").await;
        assert!(message.contains("was seen before"), "{message}");
        restart(scene);
        scene.maps().delete("limits", &DeleteParams::default()).await.unwrap();
        let asked = json!({"metadata": {"annotations": {"gitwarrant.io/requestedAt": "after"}}});
        scene.syncs().patch("app", &PatchParams::default(), &Patch::Merge(&asked)).await.unwrap();
        scene.sync("a turn was taken", |sync| sync.data["status"]["lastHandledRequestedAt"] == json!("after")).await;
        let message = scene.not_ready("StateLost").await;
        assert!(message.contains("was seen before"), "{message}");
        assert_eq!(scene.value("limits").await, None, "the older commit was applied");
        put(&newer).await;
        scene.refused(&first, "Rollback").await;
        scene.comes("limits", "13").await;
    });
}

#[test]
fn warrant_that_somebody_else_wrote_holds_and_alarms() {
    play("warrant-changed", async |scene| {
        let first = scene.begin().await;
        scene.write_map("limits", "13");
        scene.ship().await;
        let mut bent = scene.warrants().get("app").await.unwrap();
        let saved = bent.data["spec"].clone();
        bent.data["spec"]["applied"] = json!(first);
        bent.data["spec"]["generation"] = json!(saved["generation"].as_u64().unwrap() + 1);
        scene.warrants().replace("app", &PostParams::default(), &bent).await.unwrap();
        holds_and_alarms(scene, "was changed by somebody else").await;
        assert_eq!(scene.value("limits").await.as_deref(), Some("13"));
        scene.event("StateLost").await;
        let mut now = scene.warrants().get("app").await.unwrap();
        now.data["spec"] = saved;
        scene.warrants().replace("app", &PostParams::default(), &now).await.unwrap();
        scene.poke().await;
        scene.comes("settings", "red").await;
    });
}

#[test]
fn warrant_of_a_newer_version_is_not_guessed_at() {
    play("warrant-newer", async |scene| {
        scene.begin().await;
        let newer = json!({"spec": {"epoch": 7}});
        scene.warrants().patch("app", &PatchParams::default(), &Patch::Merge(&newer)).await.unwrap();
        scene.write_map("settings", "red");
        let commit = scene.commit_good();
        scene.push(&commit).await;
        let message = scene.not_ready("Unreadable").await;
        assert!(message.contains(&format!("Warrant {}/app", scene.name)), "{message}");
        assert_eq!(scene.value("settings").await.as_deref(), Some("blue"));
    });
}

#[test]
fn warrant_of_another_repository_holds_and_alarms() {
    play("warrant-other", async |scene| {
        scene.begin().await;
        // The same url, pinned elsewhere: what was applied says nothing about it.
        let elsewhere = scene.commit_good();
        pin(scene, &elsewhere).await;
        holds_and_alarms(scene, "was begun from").await;
    });
}

async fn pin(scene: &Scene, root: &str) {
    let pinned = json!({"spec": {"trust": {"root": root}}});
    scene.repositories().patch(&scene.name, &PatchParams::default(), &Patch::Merge(&pinned)).await.unwrap();
}

#[test]
fn root_that_was_pinned_wrongly_is_corrected_while_nothing_is_applied() {
    play("pinned-wrongly", async |scene| {
        let namespace = &scene.name;
        let bad = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: bad, namespace: {namespace}}}\nspec: {{ports: [{{port: 70000}}]}}\n"
        );
        scene.write("app/bad.yaml", &bad);
        scene.takes(&["settings.yaml", "limits.yaml", "bad.yaml"]);
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene.declare().await;
        scene.refused(&commit, "Rejected").await;
        let spec = scene.warrants().get("app").await.unwrap().data["spec"].clone();
        assert_eq!((&spec["root"], &spec["applied"]), (&json!(scene.root), &Value::Null));
        pin(scene, &commit).await;
        scene.takes(&["settings.yaml", "limits.yaml"]);
        let next = scene.ship().await;
        let spec = scene.warrants().get("app").await.unwrap().data["spec"].clone();
        assert_eq!((&spec["root"], &spec["applied"]), (&json!(commit), &json!(next)));
    });
}

#[test]
fn who_pins_what_is_applied_goes_on_from_there_and_no_further_back() {
    play("pinned-anew", async |scene| {
        let first = scene.begin().await;
        pin(scene, &first).await;
        scene.write_map("settings", "red");
        let second = scene.ship().await;
        scene.comes("settings", "red").await;
        assert_eq!(scene.warrants().get("app").await.unwrap().data["spec"]["root"], json!(first));
        // What lies before the pin is as old as before.
        scene.push(&first).await;
        scene.refused(&first, "Rollback").await;
        scene.push(&second).await;
        scene.applied(&second).await;
    });
}

#[test]
fn sync_that_is_made_again_starts_from_the_root_and_keeps_what_runs() {
    play("made-again", async |scene| {
        let commit = scene.begin().await;
        let before = scene.maps().get("settings").await.unwrap().metadata.uid;
        scene.syncs().delete("app", &DeleteParams::default()).await.unwrap();
        let gone = async || scene.syncs().get_opt("app").await.unwrap().is_none().then_some(());
        until("the Sync is gone", gone).await.unwrap();
        scene.stage.admin.put(&scene.sync_manifest()).await.unwrap();
        scene.applied(&commit).await;
        assert_eq!(scene.maps().get("settings").await.unwrap().metadata.uid, before);
    });
}

#[test]
fn sync_that_is_made_again_while_its_turn_waits_begins_anew_and_is_applied() {
    play("made-again-waiting", async |scene| {
        let namespace = &scene.name;
        let never = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: {namespace}}}\n\
             spec:\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n\
             \x20   spec:\n      nodeSelector: {{example.org/nowhere: \"yes\"}}\n\
             \x20     containers: [{{name: web, image: \"example.org/web:1\"}}]\n"
        );
        scene.write("app/web.yaml", &never);
        scene.takes(&["settings.yaml", "limits.yaml", "web.yaml"]);
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene.declare_with(|_, sync| sync["spec"]["wait"] = json!(true)).await;
        let waits = |sync: &DynamicObject| is(sync, "Ready", "Unknown").is_some();
        let first = scene.sync("it is waited for", waits).await.metadata.uid;
        scene.syncs().delete("app", &DeleteParams::default()).await.unwrap();
        // Again at once: the turn of the old one may not have ended, and its Warrant is still there.
        scene.stage.admin.put(&scene.sync_manifest()).await.unwrap();
        let sync = scene.applied(&commit).await;
        assert_ne!(sync.metadata.uid, first);
        let warrant = scene.warrants().get("app").await.unwrap();
        assert_eq!(json!(sync.metadata.uid), warrant.data["spec"]["syncUid"]);
        assert_eq!(sync.data["status"]["warrantGeneration"], warrant.data["spec"]["generation"]);
        scene.holds("blue").await;
    });
}

#[test]
fn rollback_to_lets_one_older_commit_in_once() {
    play_alone("rollback-to", async |scene| {
        let old = scene.begin().await;
        scene.write_map("settings", "red");
        let newer = scene.ship().await;
        let allow = json!({"spec": {"trust": {"rollbackTo": old}}});
        scene.repositories().patch(&scene.name, &PatchParams::default(), &Patch::Merge(&allow)).await.unwrap();
        scene.push(&old).await;
        scene.applied(&old).await;
        scene.comes("settings", "blue").await;
        let warrant = scene.warrants().get("app").await.unwrap();
        assert_eq!(warrant.data["spec"]["rolledBackTo"], json!(old));
        assert_eq!(warrant.data["spec"]["leftBehind"], json!([newer]));
        // Whoever has the server cannot bring back what the administrator left.
        scene.push(&newer).await;
        let message = scene.refused(&newer, "Rollback").await;
        assert!(message.contains("trust.rollbackTo"), "{message}");
        scene.holds("blue").await;
        scene.git(&["reset", "--quiet", "--hard", &old]);
        scene.write_map("settings", "red");
        scene.ship().await;
        scene.push(&old).await;
        scene.refused(&old, "Rollback").await;
        scene.holds("red").await;
        restart(scene);
        scene.holds("red").await;
        let asked = json!({"metadata": {"annotations": {"gitwarrant.io/requestedAt": "again"}}});
        scene.syncs().patch("app", &PatchParams::default(), &Patch::Merge(&asked)).await.unwrap();
        scene.sync("a turn was taken", |sync| sync.data["status"]["lastHandledRequestedAt"] == json!("again")).await;
        scene.refused(&old, "Rollback").await;
        assert_eq!(scene.value("settings").await.as_deref(), Some("red"));
    });
}

#[test]
fn judging_goes_on_after_a_restart_from_where_the_record_says_and_by_the_same_policy_alone() {
    play_alone("judged-up-to", async |scene| {
        let good = scene.begin().await;
        let digest = scene.warrants().get("app").await.unwrap().data["spec"]["policyDigest"].clone();
        // Nobody can tell from outside where judging went on, but by a commit that it would refuse.
        scene.write_map("settings", "red");
        let unsigned = scene.commit(By::Nobody);
        scene.write_map("settings", "green");
        let head = scene.commit_good();
        scene.push(&head).await;
        scene.refused(&head, "Unsigned").await;
        let recorded = async |scene: &Scene, base: &str, digest: &Value, version: &str| {
            scene.stage.agent(crate::support::story::agent::Agent::kill);
            let mut warrant = scene.warrants().get("app").await.unwrap();
            warrant.data["spec"]["judgedUpTo"] = json!({
                "commit": unsigned, "base": base, "policyDigest": digest, "version": version,
                "at": jiff::Timestamp::now().to_string(),
            });
            scene.warrants().replace("app", &PostParams::default(), &warrant).await.unwrap();
            restart(scene);
        };
        let (this, root, other) = (env!("CARGO_PKG_VERSION"), scene.root.clone(), json!("0".repeat(64)));
        for (base, digest, version) in [(&root, &digest, this), (&good, &other, this), (&good, &digest, "0.0.1")] {
            recorded(scene, base, digest, version).await;
            let handled = format!("{base} {digest} {version}");
            let asked = json!({"metadata": {"annotations": {"gitwarrant.io/requestedAt": handled}}});
            scene.syncs().patch("app", &PatchParams::default(), &Patch::Merge(&asked)).await.unwrap();
            scene
                .sync("a turn was taken", |sync| sync.data["status"]["lastHandledRequestedAt"] == json!(handled))
                .await;
            scene.refused(&head, "Unsigned").await;
        }
        recorded(scene, &good, &digest, this).await;
        scene.applied(&head).await;
        scene.comes("settings", "green").await;
        let warrant = scene.warrants().get("app").await.unwrap();
        assert_eq!(warrant.data["spec"]["judgedUpTo"], Value::Null, "what is applied needs no checkpoint");
    });
}

#[test]
fn key_that_is_revoked_later_is_reported_about_what_is_applied_and_changes_nothing() {
    play("revoked-later", async |scene| {
        let carol = scene.stage.signers.ssh_key("revoked-carol", "ed25519");
        let both = format!("alice {}\nrevoked-carol {}\n", scene.stage.alice.public, carol.public);
        let map = |text: &str, revoked: Option<&str>| {
            let mut data = json!({"allowed_signers": text});
            if let Some(revoked) = revoked {
                data["revoked"] = json!(revoked);
            }
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "revoked-later", "namespace": "gitwarrant-system"}, "data": data,
            })
        };
        scene.stage.admin.put(&map(&both, None)).await.unwrap();
        let bad = scene.commit(By::Ssh(&carol));
        scene.push(&bad).await;
        scene
            .declare_with(|repository, _| {
                let trust = repository["spec"]["trust"].as_object_mut().unwrap();
                trust.remove("signers");
                trust.insert("signersFrom".to_owned(), json!([{"configMap": "revoked-later"}]));
            })
            .await;
        let sync = scene.applied(&bad).await;
        assert!(is(&sync, "Distrusted", "True").is_none());
        // The ConfigMap is read anew for every turn.
        scene.stage.admin.put(&map(&both, Some(&format!("{}\n", carol.public)))).await.unwrap();
        let distrusted = |sync: &DynamicObject| is(sync, "Distrusted", "True").is_some();
        let sync = scene.sync("it is reported", distrusted).await;
        let (reason, message) = is(&sync, "Distrusted", "True").unwrap();
        assert_eq!(reason, "RevokedKey");
        assert!(message.contains(&bad[..7]), "{message}");
        assert!(is(&sync, "Ready", "True").is_some(), "what runs, runs");
        scene.holds("blue").await;
        scene.event("Distrusted").await;
        // What is new is applied on top of it, and the report stays.
        scene.write_map("settings", "green");
        scene.ship().await;
        scene.sync("it is still reported", distrusted).await;
        scene.write_map("settings", "red");
        let refused = scene.commit(By::Ssh(&carol));
        scene.push(&refused).await;
        scene.refused(&refused, "RevokedKey").await;
        scene.stage.admin.put(&map(&both, None)).await.unwrap();
        scene.poke().await;
        scene.applied(&refused).await;
        scene.sync("the report is gone", |sync| !distrusted(sync)).await;
    });
}

#[test]
fn tag_never_goes_back_nor_moves() {
    play("tags", async |scene| {
        let tag = async |scene: &mut Scene, name: &str| {
            scene.stage.signers.tag(&scene.work, name, By::Ssh(&scene.stage.alice), now());
            scene.git(&["push", "--quiet", "--force", "origin", &format!("refs/tags/{name}")]);
            scene.poke().await;
        };
        scene.commit_good();
        tag(scene, "v1.1.0").await;
        scene
            .declare_with(|repository, _| {
                repository["spec"]["ref"] = json!({"tag": "v1.1.0"});
                repository["spec"]["trust"]["mode"] = json!("Tag");
            })
            .await;
        scene.comes("settings", "blue").await;
        scene.sync("it is applied", |sync| is(sync, "Ready", "True").is_some()).await;
        records_tag(scene, "v1.1.0").await;
        scene.holds("blue").await;
        // The same name at a later commit.
        scene.write_map("settings", "red");
        scene.commit_good();
        scene.git(&["tag", "-d", "v1.1.0"]);
        tag(scene, "v1.1.0").await;
        scene.not_ready("TagMoved").await;
        scene.holds("blue").await;
        // A later commit under a lower version.
        tag(scene, "v1.0.9").await;
        let follow = |tag: &str| json!({"spec": {"ref": {"tag": tag}}});
        let patch = async |scene: &Scene, change: Value| {
            scene.repositories().patch(&scene.name, &PatchParams::default(), &Patch::Merge(&change)).await.unwrap();
        };
        patch(scene, follow("v1.0.9")).await;
        scene.not_ready("Rollback").await;
        scene.holds("blue").await;
        tag(scene, "v1.2.0").await;
        patch(scene, follow("v1.2.0")).await;
        scene.comes("settings", "red").await;
        records_tag(scene, "v1.2.0").await;
    });
}

/// Waits until the Warrant names the tag, its object and its commit.
async fn records_tag(scene: &Scene, name: &str) {
    let (object, commit) = (scene.git(&["rev-parse", name]), scene.git(&["rev-parse", &format!("{name}^{{commit}}")]));
    let expected = [("tag", name), ("tagObject", &object), ("applied", &commit)];
    let recorded = async || {
        let warrant = scene.warrants().get_opt("app").await.unwrap()?;
        expected.iter().all(|(field, value)| warrant.data["spec"][*field] == json!(value)).then_some(())
    };
    until(&format!("the Warrant records {expected:?}"), recorded).await.unwrap();
}

#[test]
fn each_transition_has_an_event_and_the_repository_says_who_signed() {
    const PASSWORD: &str = "never-in-an-event-7f3a";
    play("events", async |scene| {
        scene.takes(&["settings.yaml", "limits.yaml", "db.enc.yaml"]);
        scene.write("app/db.enc.yaml", &scene.sealed_secret("db", PASSWORD));
        let good = scene.begin().await;
        let applied = scene.event("Applied").await;
        assert!(applied.note.unwrap().contains(&format!("main@{good} is applied, signed by alice")));
        assert_eq!(applied.type_.as_deref(), Some("Normal"));
        let verified = |commit: &str| {
            let (revision, commit) = (json!(format!("main@{commit}")), json!(commit));
            move |one: &DynamicObject| {
                let status = &one.data["status"];
                status["verified"]["revision"] == revision
                    && status["verified"]["commit"] == commit
                    && status["verified"]["signer"] == "alice"
                    && status["rejected"].is_null()
            }
        };
        scene.repository("it says who signed", verified(&good)).await;
        scene.write_map("settings", "red");
        let bad = scene.commit(By::Nobody);
        scene.push(&bad).await;
        scene.refused(&bad, "Unsigned").await;
        let refused = scene.event("Unsigned").await;
        assert_eq!(refused.type_.as_deref(), Some("Warning"));
        assert!(refused.note.unwrap().contains(&bad[..7]));
        let rejected =
            scene.repository("it says what was refused", |one| !one.data["status"]["rejected"].is_null()).await;
        let status = &rejected.data["status"];
        assert_eq!(status["rejected"], json!({"head": bad, "commit": bad, "reason": "unsigned"}));
        assert_eq!(status["verified"]["commit"], json!(good));
        scene.holds("blue").await;
        scene.event("DriftCorrected").await;
        scene.git(&["reset", "--quiet", "--hard", &good]);
        scene.takes(&["settings.yaml", "db.enc.yaml"]);
        let next = scene.ship().await;
        scene.event("Recovered").await;
        let pruned = scene.event("Pruned").await;
        assert!(pruned.note.unwrap().contains("limits"));
        scene.repository("it says who signed", verified(&next)).await;
        scene.takes(&["fresh.yaml"]);
        scene.write_map("fresh", "1");
        scene.ship().await;
        scene.event("DeletionsHeld").await;
        scene.nowhere(&[PASSWORD]).await;
    });
}
