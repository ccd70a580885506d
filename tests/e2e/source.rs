//! A source that is absent, silent or closed prunes nothing: what was applied last is held, and the agent says that its
//! view is stale.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::scene::{Scene, is, now};
use super::stage::{play, play_alone};
use crate::support::gitserver::{Bend, GitServer, Guard};
use crate::support::signing::run;

/// The source shows nothing for `reason`: what is applied stays and is held.
async fn shows_nothing(scene: &mut Scene, reason: &str) {
    scene.poke().await;
    scene.not_ready(reason).await;
    let so = |object: &kube::api::DynamicObject| is(object, "Fresh", "False").is_some_and(|(found, _)| found == reason);
    scene.sync(&format!("Fresh=False, {reason}"), so).await;
    let repository = scene.repository(&format!("Fresh=False, {reason}"), so).await;
    assert!(is(&repository, "Ready", "False").is_some());
    assert_eq!(scene.value("limits").await.as_deref(), Some("12"), "something was pruned");
    scene.holds("blue").await;
}

/// The source shows a new commit again.
async fn recovers(scene: &mut Scene) {
    scene.write_map("settings", "green");
    scene.ship().await;
    let sync = scene.syncs().get("app").await.unwrap();
    assert!(is(&sync, "Fresh", "True").is_some());
    assert_eq!(scene.value("settings").await.as_deref(), Some("green"));
}

fn bare_git(scene: &Scene, arguments: &[&str]) {
    run(scene.stage.signers.git(&scene.bare, now()).args(arguments));
}

#[test]
fn branch_that_is_gone_prunes_nothing() {
    play("branch-gone", async |scene| {
        scene.begin().await;
        bare_git(scene, &["branch", "other", "main"]);
        bare_git(scene, &["update-ref", "-d", "refs/heads/main"]);
        shows_nothing(scene, "RefGone").await;
        recovers(scene).await;
    });
}

#[test]
fn repository_that_became_empty_prunes_nothing() {
    play("emptied", async |scene| {
        scene.begin().await;
        bare_git(scene, &["update-ref", "-d", "refs/heads/main"]);
        shows_nothing(scene, "EmptyRepository").await;
        recovers(scene).await;
    });
}

#[test]
fn server_that_is_down_prunes_nothing() {
    play("down", async |scene| {
        scene.begin().await;
        let served = scene.bare.parent().unwrap().to_owned();
        scene.server = GitServer::start(Path::new("/"));
        shows_nothing(scene, "Unreachable").await;
        scene.server = GitServer::start(&served);
        let moved = json!({"spec": {"url": scene.server.url("repo.git")}});
        let patch = (kube::api::PatchParams::default(), kube::api::Patch::Merge(&moved));
        scene.repositories().patch(&scene.name, &patch.0, &patch.1).await.unwrap();
        recovers(scene).await;
    });
}

#[test]
fn server_that_answers_with_its_own_failure_prunes_nothing() {
    play("failing", async |scene| {
        scene.begin().await;
        scene.server.bend(Bend::Status(503));
        shows_nothing(scene, "ServerError").await;
        scene.server.bend(Bend::Straight);
        recovers(scene).await;
    });
}

#[test]
fn server_that_wants_other_credentials_prunes_nothing() {
    play("unauthorized", async |scene| {
        scene.begin().await;
        scene.server.guard(Guard::alice());
        shows_nothing(scene, "Unauthorized").await;
        scene.server.guard(Guard::Open);
        recovers(scene).await;
    });
}

#[test]
fn repository_that_is_not_found_prunes_nothing() {
    play("not-found", async |scene| {
        scene.begin().await;
        scene.server.bend(Bend::Status(404));
        shows_nothing(scene, "NoRepository").await;
        scene.server.bend(Bend::Straight);
        recovers(scene).await;
    });
}

#[test]
fn pack_that_is_cut_or_bent_prunes_nothing() {
    play("bent-pack", async |scene| {
        scene.begin().await;
        scene.server.bend(Bend::Flip(30));
        scene.write_map("settings", "red");
        let commit = scene.commit_good();
        scene.push(&commit).await;
        shows_nothing(scene, "BadPack").await;
        scene.server.bend(Bend::Straight);
        recovers(scene).await;
    });
}

#[test]
fn server_that_shows_an_old_head_for_ever_is_called_stale_and_undoes_nothing() {
    play("frozen", async |scene| {
        let commit = scene.commit_good();
        scene.push(&commit).await;
        let impatient = |repository: &mut Value, _: &mut Value| {
            repository["spec"]["interval"] = json!("1s");
            repository["spec"]["trust"]["maxStaleness"] = json!("5s");
        };
        scene.declare_with(impatient).await;
        scene.applied(&commit).await;
        // What the server answers from now on is what it answered before; the agent's own clock tells.
        let stale = |object: &kube::api::DynamicObject| is(object, "Fresh", "False").is_some_and(|it| it.0 == "Stale");
        scene.sync("Fresh=False, Stale", stale).await;
        scene.repository("Fresh=False, Stale", stale).await;
        assert_eq!(scene.value("limits").await.as_deref(), Some("12"), "something was pruned");
        scene.holds("blue").await;
        let patient = json!({"spec": {"trust": {"maxStaleness": "24h"}}});
        let patch = (kube::api::PatchParams::default(), kube::api::Patch::Merge(&patient));
        scene.repositories().patch(&scene.name, &patch.0, &patch.1).await.unwrap();
        scene.sync("Fresh=True", |sync| is(sync, "Fresh", "True").is_some()).await;
    });
}

#[test]
fn remote_that_never_answers_keeps_no_other_sync_from_its_turn() {
    play_alone("silent", async |scene| {
        scene.stage.agent(|agent| {
            agent.kill();
            agent.start_with(&["--concurrency", "1"]).unwrap();
        });
        // It accepts, and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut repository = scene.repository_manifest();
        repository["metadata"]["name"] = json!("e2e-silent-remote");
        repository["spec"]["url"] = json!(format!("http://{}/repo.git", silent.local_addr().unwrap()));
        scene.make_home().await;
        scene.stage.admin.put(&repository).await.unwrap();
        for name in ["waits", "waits-too", "waits-as-well"] {
            let mut sync = scene.sync_manifest();
            sync["metadata"]["name"] = json!(name);
            sync["spec"]["repository"] = json!("e2e-silent-remote");
            scene.stage.admin.put(&sync).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        let begun = Instant::now();
        scene.begin().await;
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        let gone = kube::api::DeleteParams::default();
        scene.repositories().delete("e2e-silent-remote", &gone).await.unwrap();
        for name in ["waits", "waits-too", "waits-as-well"] {
            scene.syncs().delete(name, &gone).await.unwrap();
        }
        scene.stage.agent(|agent| {
            agent.kill();
            agent.start().unwrap();
        });
    });
}
