//! `gitwarrant build --at`: what is rendered is what the commit holds, and only if the commit is accepted.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::signing::{By, Signers};

const THEN: i64 = 1_780_272_000;

/// A repository with a pinned commit, and one by alice that brings the kustomization `app`.
struct Scene {
    signers: Signers,
    kept: tempfile::TempDir,
    /// The commit by alice.
    first: String,
}

impl Scene {
    fn new() -> Self {
        let (signers, kept) = (Signers::new(), tempfile::tempdir().unwrap());
        let alice = signers.ssh_key("alice@example.org", "ed25519");
        let repository = kept.path().join("repo");
        signers.init(&repository);
        let root = signers.commit(&repository, "root", By::Nobody, THEN);
        let trust = json!({"root": root, "signers": {"allowedSigners": Signers::allowed_signers(&[&alice])}});
        let file = json!({
            "apiVersion": "gitwarrant.io/v1alpha1",
            "kind": "Repository",
            "metadata": {"name": "fleet"},
            "spec": {"url": "https://git.example.org/fleet.git", "ref": {"branch": "main"}, "trust": trust},
        });
        std::fs::write(kept.path().join("repository.yaml"), file.to_string()).unwrap();
        let mut scene = Self { signers, kept, first: String::new() };
        scene.write("app/kustomization.yaml", "resources: [cm.yaml]\n");
        scene.write_map("signed");
        scene.first = scene.signers.commit(&scene.repository(), "first", By::Ssh(&alice), THEN + 3600);
        scene
    }

    fn repository(&self) -> PathBuf {
        self.kept.path().join("repo")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.repository().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn write_map(&self, value: &str) {
        let map = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{k: {value}}}\n");
        self.write("app/cm.yaml", &map);
    }

    fn build(&self, revision: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gitwarrant"));
        command.arg("build").arg(self.repository().join("app")).args(["-o", "json", "--at", revision]);
        command.arg("--repository").arg(self.kept.path().join("repository.yaml"));
        command.output().unwrap()
    }

    /// The value that comes out of an accepted revision.
    fn value(&self, revision: &str) -> Value {
        let output = self.build(revision);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()[0]["data"]["k"].clone()
    }
}

#[test]
fn a_verified_commit_is_rendered_whatever_lies_in_the_working_copy() {
    let scene = Scene::new();
    scene.write_map("edited");
    assert_eq!(scene.value("HEAD"), "signed");
    std::fs::remove_dir_all(scene.repository().join("app")).unwrap();
    assert_eq!(scene.value("main"), "signed");
}

#[test]
fn a_commit_that_is_not_accepted_is_not_rendered() {
    let scene = Scene::new();
    scene.write_map("unsigned");
    scene.signers.commit(&scene.repository(), "second", By::Nobody, THEN + 7200);
    let output = scene.build("HEAD");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("error[unsigned]"));
    assert_eq!(scene.value(&scene.first), "signed", "what came before it stays accepted");
}

#[test]
fn a_revision_without_a_policy_is_wrong_usage() {
    let scene = Scene::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitwarrant"));
    let output = command.arg("build").arg(scene.repository().join("app")).args(["--at", "HEAD"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}
