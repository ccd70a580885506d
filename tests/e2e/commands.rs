//! The commands that talk to a cluster, as somebody at a terminal has them.

use std::process::{Command, Output};

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::scene::Scene;
use super::stage::play;
use crate::support::signing::{By, text};

fn gitwarrant(scene: &Scene, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitwarrant"));
    command.args(arguments).arg("--kubeconfig").arg(scene.stage.kubeconfig()).output().unwrap()
}

/// What a turn that was asked for came to: exit code and line.
fn reconciled(scene: &Scene) -> (Option<i32>, String) {
    let ended = gitwarrant(scene, &["reconcile", "sync", "app", "-n", &scene.name, "--wait", "--timeout", "1m"]);
    (ended.status.code(), text(&ended))
}

#[test]
fn reconcile_follows_the_turn_to_its_end_and_says_what_came_of_it() {
    play("reconcile", async |scene| {
        // So long that nothing but what is asked for happens.
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene
            .declare_with(|repository, sync| {
                repository["spec"]["interval"] = json!("1h");
                sync["spec"]["interval"] = json!("1h");
            })
            .await;
        scene.applied(&commit).await;
        scene.write_map("settings", "red");
        let next = scene.commit_good();
        scene.git(&["push", "--quiet", "origin", &format!("{next}:refs/heads/main")]);
        assert_eq!(reconciled(scene), (Some(0), format!("Sync/app: Applied at main@{next}\n")));
        assert_eq!(scene.value("settings").await.as_deref(), Some("red"));
        scene.write_map("settings", "green");
        let bad = scene.commit(By::Nobody);
        scene.git(&["push", "--quiet", "origin", &format!("{bad}:refs/heads/main")]);
        let (code, line) = reconciled(scene);
        assert_eq!(code, Some(1));
        assert!(line.starts_with(&format!("Sync/app: Unsigned: commit {}", &bad[..7])), "{line}");
        assert!(line.ends_with(&format!("main@{next} stays applied\n")), "{line}");
        let rest = json!({"spec": {"suspend": true}});
        scene.syncs().patch("app", &PatchParams::default(), &Patch::Merge(&rest)).await.unwrap();
        let (code, line) = reconciled(scene);
        assert_eq!(
            (code, line.as_str()),
            (Some(1), "Sync/app: the Sync is suspended; it rests until spec.suspend is false\n")
        );
        let absent = gitwarrant(scene, &["reconcile", "sync", "absent", "-n", &scene.name]);
        assert_eq!(absent.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&absent.stderr).starts_with("error[not-found]: Sync/absent"));
    });
}

#[test]
fn get_shows_what_is_applied_where_and_on_whose_word() {
    play("get", async |scene| {
        let commit = scene.begin().await;
        let shown = gitwarrant(scene, &["get", "syncs", "-n", &scene.name]);
        let table = text(&shown);
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["NAME", "READY", "REASON", "REVISION", "SIGNER", "HELD", "AGE"]);
        let revision = format!("main@{}", &commit[..7]);
        assert_eq!(lines[1][..5], ["app", "True", "Applied", revision.as_str(), "alice"]);
        let everywhere = text(&gitwarrant(scene, &["get", "syncs", "-A"]));
        assert!(everywhere.starts_with("NAMESPACE"), "{everywhere}");
        assert!(everywhere.lines().any(|line| line.starts_with(&scene.name)), "{everywhere}");
        let named = gitwarrant(scene, &["get", "repository", &scene.name, "-o", "name"]);
        assert_eq!(text(&named), format!("repository.gitwarrant.io/{}\n", scene.name));
        let json = gitwarrant(scene, &["get", "warrants", "app", "-n", &scene.name, "-o", "json"]);
        let read: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(read["apiVersion"], "cli.gitwarrant.io/v1");
        assert_eq!(read["items"][0]["spec"]["applied"], json!(commit));
        let wide = text(&gitwarrant(scene, &["get", "syncs", "app", "-n", &scene.name, "-o", "wide"]));
        assert!(wide.contains(&format!("applied main@{commit}")), "{wide}");
        let absent = gitwarrant(scene, &["get", "syncs", "absent", "-n", &scene.name]);
        assert_eq!((absent.status.code(), absent.stdout.len()), (Some(2), 0));
        let nothing = gitwarrant(scene, &["get", "syncs", "-n", "default"]);
        assert_eq!((nothing.status.code(), nothing.stdout.len()), (Some(0), 0));
        assert_eq!(String::from_utf8_lossy(&nothing.stderr), "there is no Sync in namespace default\n");
    });
}
