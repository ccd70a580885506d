//! `gitwarrant keys` on files made by the real ssh-keygen and gpg.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::signing::{Signers, run, text};

fn keys(command: &str, file: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_gitwarrant"));
    program.args(["keys", command]).arg(file).args(["--at", "2026-06-10T00:00:00Z"]);
    program.args(arguments).output().unwrap()
}

fn shown(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn every_listed_key_is_shown_with_what_it_is_for() {
    let (signers, dir) = (Signers::new(), tempfile::tempdir().unwrap());
    let alice = signers.ssh_key("alice@example.org", "ed25519");
    let forge = signers.ssh_key("forge", "ecdsa");
    let bob = signers.gpg_key_at("bob@example.org", "ed25519", "20260101T000000", "20260620T000000");
    let file = dir.path().join("repository.yaml");
    let repository = json!({
        "apiVersion": "gitwarrant.io/v1alpha1", "kind": "Repository", "metadata": {"name": "fleet"},
        "spec": {"url": "https://git.example.org/fleet.git", "ref": {"branch": "main"}, "trust": {
            "root": "4f1c2d9e00112233445566778899aabbccddeeff",
            "signers": {
                "allowedSigners": Signers::allowed_signers(&[&alice, &forge]),
                "openpgp": [{"principal": "bob@example.org", "certificate": signers.certificate(&bob)}],
            },
            "mergeOnly": ["forge"],
            "pathRules": [{"paths": ["prod/**"], "signers": ["bob@example.org"]}],
        }},
    });
    std::fs::write(&file, serde_yaml::to_string(&repository).unwrap()).unwrap();
    let output = keys("list", &file, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output.stderr));
    let lines: Vec<Vec<&str>> = shown(&output.stdout).lines().map(|line| line.split_whitespace().collect()).collect();
    let fingerprint = |key: &str| {
        let printed = text(&run(Command::new("ssh-keygen").args(["-l", "-f", key])));
        printed.split(' ').nth(1).unwrap().to_owned()
    };
    let public =
        |key: &crate::support::signing::SshKey| fingerprint(key.private.with_extension("pub").to_str().unwrap());
    assert_eq!(lines[0], ["SIGNER", "TYPE", "FINGERPRINT", "SCOPE", "EXPIRES"]);
    assert_eq!(lines[1], ["alice@example.org", "ssh", &public(&alice), "nothing", "-"]);
    assert_eq!(lines[2], ["forge", "ssh", &public(&forge), "merges", "-"]);
    assert_eq!(lines[3][..5], ["bob@example.org", "openpgp", &bob.fingerprint, "prod/**", "2026-06-20"]);
    assert_eq!(keys("check", &file, &[]).status.code(), Some(0));
    let late = keys("check", &file, &["--at", "2026-07-01T00:00:00Z"]);
    assert_eq!(late.status.code(), Some(2), "a time twice");
}

#[test]
fn keys_that_cannot_sign_any_more_are_findings() {
    let (signers, dir) = (Signers::new(), tempfile::tempdir().unwrap());
    let alice = signers.ssh_key("alice@example.org", "ed25519");
    let bob = signers.gpg_key_at("bob@example.org", "ed25519", "20260101T000000", "20260601T000000");
    let file = dir.path().join("allowed_signers");
    for (options, found) in [
        ("", None),
        ("valid-before=\"20260601\" ", Some("its time is over")),
        ("valid-after=\"20270601\" ", Some("its time has not come")),
        ("namespaces=\"file\" ", Some("its line is not for git")),
    ] {
        std::fs::write(&file, format!("alice@example.org {options}{}\n", alice.public)).unwrap();
        let output = keys("check", &file, &[]);
        assert_eq!(output.status.code(), Some(i32::from(found.is_some())), "{options}");
        assert!(found.is_none_or(|found| shown(&output.stdout).contains(found)), "{options}: {output:?}");
    }
    std::fs::write(&file, "# nobody yet\n").unwrap();
    let output = keys("check", &file, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(shown(&output.stdout).contains("no key is listed"), "{output:?}");
    std::fs::write(&file, "alice@example.org ssh-ed25519 AAAA\n").unwrap();
    let output = keys("check", &file, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(shown(&output.stderr).starts_with("error[bad-configuration]"));
    let certificate = dir.path().join("bob.asc");
    std::fs::write(&certificate, signers.certificate(&bob)).unwrap();
    let output = keys("check", &certificate, &["-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["keys"][0]["fingerprint"], bob.fingerprint.as_str());
    assert!(value["findings"][0].as_str().unwrap().contains("expired"), "{value}");
    assert_eq!(keys("list", &dir.path().join("absent"), &[]).status.code(), Some(2));
}

#[test]
fn a_threshold_that_nobody_can_meet_is_a_finding() {
    let (signers, dir) = (Signers::new(), tempfile::tempdir().unwrap());
    let (alice, bob) = (signers.ssh_key("alice", "ed25519"), signers.ssh_key("bob", "ed25519"));
    let file = dir.path().join("repository.yaml");
    for (threshold, code) in [(2, Some(0)), (5, Some(1))] {
        let repository = json!({
            "apiVersion": "gitwarrant.io/v1alpha1", "kind": "Repository", "metadata": {"name": "fleet"},
            "spec": {"url": "https://git.example.org/fleet.git", "ref": {"branch": "main"}, "trust": {
                "root": "4f1c2d9e00112233445566778899aabbccddeeff", "threshold": threshold,
                "signers": {"allowedSigners": Signers::allowed_signers(&[&alice, &bob])},
            }},
        });
        std::fs::write(&file, serde_yaml::to_string(&repository).unwrap()).unwrap();
        let output = keys("check", &file, &[]);
        assert_eq!(output.status.code(), code, "{output:?}");
        let finding = "✗ spec.trust.threshold: 5 people have to sign, and only 2 can; every head would be refused\n";
        assert_eq!(shown(&output.stdout), if threshold == 5 { finding } else { "" });
    }
}
