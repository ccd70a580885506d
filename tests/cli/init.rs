//! `gitwarrant init` on a real working copy.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use gitwarrant::api::Repository;

use crate::support::repo::Repo;
use crate::support::signing::Signers;

const SIGNERS: &str = "alice@example.org namespaces=\"git\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKt3dCfrw8vsIUaS7cbrJHQ6UOFBvXiVwJZXTbXmOaLD\n";

fn init(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gitwarrant")).arg("init").arg(dir).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn manifest_names_address_branch_root_and_signers() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(dir.path());
    let commit = repo.commit("keys/allowed_signers", SIGNERS);
    fs::write(dir.path().join("keys/revoked"), "# nobody yet\n").unwrap();
    let signers = Signers::new();
    let certificate = signers.certificate(&signers.gpg_key("bob@example.org", "ed25519"));
    fs::write(dir.path().join("keys/bob.asc"), &certificate).unwrap();
    repo.git(&["remote", "add", "origin", "git@git.example.org:team/fleet.git"]);
    let output = init(dir.path(), &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let armor: String = certificate.lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect();
    let expected = format!(
        "apiVersion: v1
kind: ConfigMap
metadata:
  name: fleet-signers
  namespace: gitwarrant-system
data:
  allowed_signers: |
    {SIGNERS}  bob.asc: |
{armor}---
apiVersion: gitwarrant.io/v1alpha1
kind: Repository
metadata:
  name: fleet
spec:
  url: ssh://git@git.example.org/team/fleet.git
  ref:
    branch: main
  secretRef:
    name: git
  trust:
    root: {commit}
    signersFrom:
    - configMap: fleet-signers
"
    );
    assert_eq!(text(&output.stdout), expected);
    assert!(text(&output.stderr).contains("Secret `git` with `identity`"));
}

#[test]
fn manifest_is_a_repository_that_the_definition_takes() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(dir.path());
    let commit = repo.commit("a", "a");
    let output = init(dir.path(), &["--url", "https://git.example.org/infra", "-o", "json"]);
    let read: Repository = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read.metadata.name.as_deref(), Some("infra"));
    assert_eq!(read.spec.trust.root, commit);
    assert_eq!(read.spec.trust.signers_from[0].config_map, "infra-signers");
    assert!(text(&output.stderr).contains("signers: none in keys/"));
}

#[test]
fn signers_that_the_agent_would_refuse_are_not_printed() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(dir.path());
    let nameless = SIGNERS.strip_prefix("alice@example.org namespaces=\"git\" ").unwrap();
    repo.commit("keys/allowed_signers", &format!("# as in the .pub file\n{nameless}"));
    let output = init(dir.path(), &["--url", "https://git.example.org/infra"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    let expected = "error[bad-configuration]: keys/allowed_signers:2: the line begins with a key; it must begin with the \
                    signer's NAME: `NAME namespaces=\"git\" TYPE KEY`";
    assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
}

#[test]
fn what_cannot_be_pinned_or_asked_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], code: &str| {
        let output = init(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        assert!(text(&output.stderr).contains(&format!("error[{code}]: ")), "{}", text(&output.stderr));
    };
    refused(&[], "not-a-repository");
    let repo = Repo::init(dir.path());
    refused(&[], "no-url");
    refused(&["--url", "https://git.example.org/a"], "no-commit");
    let commit = repo.commit("a", "a");
    refused(&["--url", "file:///srv/a"], "bad-url");
    repo.commit("keys/eve.asc", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n");
    refused(&["--url", "https://git.example.org/a"], "private-key");
    repo.git(&["checkout", "-q", &commit]);
    refused(&["--url", "https://git.example.org/a"], "no-branch");
}

#[test]
fn a_commit_that_origin_has_not_shown_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(dir.path());
    let shown = repo.commit("keys/allowed_signers", SIGNERS);
    repo.git(&["remote", "add", "origin", "http://git.example.org/fleet.git"]);
    repo.git(&["update-ref", "refs/remotes/origin/main", &shown]);
    let talk = |output: &Output| text(&output.stderr).to_owned();
    let told = talk(&init(dir.path(), &[]));
    assert!(!told.contains("push before") && told.contains("plain http"), "{told}");
    repo.commit("more", "1");
    let told = talk(&init(&dir.path().join("keys"), &[]));
    assert!(told.contains(&format!("origin/main was at {}", &shown[..7])), "{told}");
}
