//! Commits that nobody entitled has signed change nothing, say why, and leave the last good state held.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::scene::{Scene, is, now};
use super::stage::play;
use crate::support::signing::{By, run, text};
use crate::support::story::cluster::condition;
use crate::support::story::world::short;

/// Pushes `commit`, which must be refused for `reason`, named as `named`; what was applied stays and is held.
async fn refuses(scene: &mut Scene, good: &str, commit: &str, named: &str, reason: &str) {
    scene.push(commit).await;
    let message = scene.refused(commit, reason).await;
    assert!(message.contains(short(named)), "the commit is not named: {message}");
    let sync = scene.syncs().get("app").await.unwrap();
    let (status, why, message) = condition(&sync, "Verified").unwrap();
    assert_eq!((status.as_str(), why.as_str()), ("False", reason));
    assert!(message.contains(short(named)), "the commit is not named: {message}");
    assert_eq!(sync.data["status"]["lastAppliedRevision"], json!(format!("main@{good}")));
    assert!(is(&sync, "Fresh", "True").is_some(), "the remote did answer");
    scene.holds("blue").await;
}

#[test]
fn unsigned_commit_is_refused_and_the_last_good_state_is_held() {
    play("unsigned", async |scene| {
        let good = scene.begin().await;
        scene.write_map("settings", "red");
        let bad = scene.commit(By::Nobody);
        refuses(scene, &good, &bad, &bad, "Unsigned").await;
        scene.write_map("settings", "green");
        let on_top = scene.commit_good();
        refuses(scene, &good, &on_top, &bad, "Unsigned").await;
        scene.git(&["reset", "--quiet", "--hard", &good]);
        scene.write_map("settings", "yellow");
        scene.ship().await;
        assert_eq!(scene.value("settings").await.as_deref(), Some("yellow"));
    });
}

#[test]
fn commit_changed_after_signing_is_refused() {
    play("tampered", async |scene| {
        let good = scene.begin().await;
        scene.write_map("settings", "red");
        scene.commit_good();
        let object = scene.git(&["cat-file", "commit", "HEAD"]) + "\n";
        let changed = object.replace("\nChange", "\nChance");
        assert_ne!(object, changed);
        let file = scene.work.join("../tampered");
        fs::write(&file, changed).unwrap();
        let bad = scene.git(&["hash-object", "-t", "commit", "-w", file.to_str().unwrap()]);
        refuses(scene, &good, &bad, &bad, "BadSignature").await;
    });
}

#[test]
fn commit_of_an_unknown_signer_is_refused() {
    play("unknown-signer", async |scene| {
        let good = scene.begin().await;
        scene.write_map("settings", "red");
        let bad = scene.commit(By::Ssh(&scene.stage.mallory));
        refuses(scene, &good, &bad, &bad, "UnknownSigner").await;
    });
}

#[test]
fn ssh_signature_made_for_another_purpose_is_refused() {
    play("wrong-namespace", async |scene| {
        let good = scene.begin().await;
        scene.write_map("settings", "red");
        let program = scene.work.join("../sign-file");
        fs::write(&program, "#!/bin/sh\nshift 4\nexec ssh-keygen -Y sign -n file \"$@\"\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        scene.git(&["config", "gpg.ssh.program", program.to_str().unwrap()]);
        let bad = scene.commit_good();
        refuses(scene, &good, &bad, &bad, "WrongNamespace").await;
    });
}

#[test]
fn commit_dated_after_its_key_expired_is_refused() {
    play("expired", async |scene| {
        let key = scene.stage.signers.ssh_key("carol", "ed25519");
        let expired = jiff::Timestamp::from_second(now() - 600).unwrap().strftime("%Y%m%d%H%M%SZ").to_string();
        let good = scene.stage.signers.commit(&scene.work, "Early", By::Ssh(&key), now() - 1200);
        scene.push(&good).await;
        let line = format!("carol valid-before=\"{expired}\" {}\n", key.public);
        let root_signer = format!("alice {}\n", scene.stage.alice.public);
        scene
            .declare_with(|repository, _| {
                repository["spec"]["trust"]["signers"]["allowedSigners"] = json!(root_signer + &line);
            })
            .await;
        scene.applied(&good).await;
        scene.write_map("settings", "red");
        let bad = scene.stage.signers.commit(&scene.work, "Late", By::Ssh(&key), now());
        refuses(scene, &good, &bad, &bad, "KeyNotValidAtTime").await;
    });
}

#[test]
fn force_push_to_an_older_or_unrelated_commit_is_refused_and_the_newer_one_held() {
    play("rollback", async |scene| {
        let old = scene.begin().await;
        scene.write_map("settings", "red");
        let newer = scene.ship().await;
        scene.push(&old).await;
        scene.refused(&old, "Rollback").await;
        scene.holds("red").await;
        scene.git(&["reset", "--quiet", "--hard", &old]);
        scene.write_map("settings", "green");
        let aside = scene.commit_good();
        scene.push(&aside).await;
        scene.refused(&aside, "NonFastForward").await;
        scene.holds("red").await;
        scene.push(&newer).await;
        scene.applied(&newer).await;
    });
}

#[test]
fn repository_without_trust_is_refused_by_the_api_server() {
    play("no-trust", async |scene| {
        let mut repository = scene.repository_manifest();
        repository["spec"].as_object_mut().unwrap().remove("trust");
        let refused = scene.stage.admin.put(&repository).await.unwrap_err();
        assert!(refused.contains("spec.trust") && refused.contains("422"), "{refused}");
    });
}

#[test]
fn field_of_trust_that_nobody_knows_stalls_and_nothing_is_applied() {
    play("unknown-field", async |scene| {
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene.declare_with(|repository, _| repository["spec"]["trust"]["pathRulez"] = json!([])).await;
        let message = scene.not_ready("RepositoryUnreadable").await;
        assert!(message.contains("pathRulez"), "{message}");
        let sync = scene.syncs().get("app").await.unwrap();
        assert!(is(&sync, "Stalled", "True").is_some());
        let repository =
            scene.repository("it is stalled", |repository| is(repository, "Stalled", "True").is_some()).await;
        assert!(is(&repository, "Ready", "False").unwrap().1.contains("pathRulez"));
        assert_eq!(scene.value("settings").await, None);
    });
}

#[test]
fn unreadable_line_of_signers_stalls_naming_it_and_nothing_is_applied() {
    play("unreadable-signer", async |scene| {
        let commit = scene.commit_good();
        scene.push(&commit).await;
        let lines = format!("alice {}\nbob ssh-ed25519 not-base64\n", scene.stage.alice.public);
        scene
            .declare_with(|repository, _| repository["spec"]["trust"]["signers"]["allowedSigners"] = json!(lines))
            .await;
        let message = scene.not_ready("BadConfiguration").await;
        assert!(message.contains("spec.trust.signers/allowed_signers:2"), "{message}");
        let sync = scene.syncs().get("app").await.unwrap();
        assert!(is(&sync, "Stalled", "True").is_some());
        scene.repository("it is stalled", |repository| is(repository, "Stalled", "True").is_some()).await;
        assert_eq!(scene.value("settings").await, None);
    });
}

#[test]
fn trust_that_becomes_unreadable_refuses_what_is_new_and_keeps_what_runs() {
    play("half-read", async |scene| {
        let good = scene.begin().await;
        let broken = json!({"spec": {"trust": {"signers": {"allowedSigners": "alice\n"}}}});
        let patch = (kube::api::PatchParams::default(), kube::api::Patch::Merge(&broken));
        scene.repositories().patch(&scene.name, &patch.0, &patch.1).await.unwrap();
        scene.not_ready("BadConfiguration").await;
        scene.write_map("settings", "red");
        let next = scene.commit_good();
        scene.push(&next).await;
        scene.not_ready("BadConfiguration").await;
        assert_eq!(scene.value("settings").await.as_deref(), Some("blue"));
        scene.stage.admin.put(&scene.repository_manifest()).await.unwrap();
        scene.poke().await;
        scene.applied(&next).await;
        assert_eq!(text(&run(scene.stage.signers.git(&scene.work, 0).args(["rev-parse", "HEAD~1"]))).trim(), good);
    });
}
