//! `decrypt` as scripts see it: output, exit codes, and silence on refusal.

#![expect(clippy::unwrap_used, reason = "tests; the lint knows only functions marked as such")]

use std::path::PathBuf;
use std::process::{Command, Output};

fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sops").join(path)
}

fn decrypt(case: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gitwarrant"))
        .arg("decrypt")
        .arg(fixture(&format!("cases/{case}/input")))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn key(name: &str) -> String {
    fixture(&format!("keys/{name}")).to_str().unwrap().to_owned()
}

fn expected(case: &str) -> Vec<u8> {
    std::fs::read(fixture(&format!("cases/{case}/expected"))).unwrap()
}

#[test]
fn plaintext_is_printed_as_sops_prints_it_with_each_kind_of_key() {
    for (case, flag, name) in [
        ("yaml-secret", "--age-key-file", "one.agekey"),
        ("yaml-secret-pgp", "--pgp-key-file", "pgp.asc"),
        ("yaml-ed25519", "--ssh-key-file", "ed25519.sshkey"),
    ] {
        let output = decrypt(case, &["--input-type", "yaml", flag, &key(name)], &[]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.stdout, expected(case));
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn keys_of_the_environment_are_those_of_sops() {
    let file = key("one.agekey");
    let identity = std::fs::read_to_string(&file).unwrap().lines().last().unwrap().to_owned();
    for environment in [("SOPS_AGE_KEY_FILE", file.as_str()), ("SOPS_AGE_KEY", identity.as_str())] {
        let output = decrypt("yaml-secret", &["--input-type", "yaml"], &[environment]);
        assert_eq!(output.stdout, expected("yaml-secret"));
    }
    let ssh = key("ed25519.sshkey");
    let output = decrypt("yaml-ed25519", &["--input-type", "yaml"], &[("SOPS_AGE_SSH_PRIVATE_KEY_FILE", &ssh)]);
    assert_eq!(output.stdout, expected("yaml-ed25519"));
}

#[test]
fn without_any_key_it_is_said_how_to_give_one_and_a_bad_one_is_named_as_given() {
    let talk = |arguments: &[&str]| {
        let output = decrypt("yaml-secret", &[&["--input-type", "yaml"], arguments].concat(), &[]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        String::from_utf8(output.stderr).unwrap()
    };
    let flags = "no key was given: --age-key-file, --pgp-key-file, --ssh-key-file, SOPS_AGE_KEY or SOPS_AGE_KEY_FILE (";
    let said = talk(&[]);
    assert!(said.starts_with("error[no-usable-key]: ") && said.contains(flags), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.key");
    std::fs::write(&bad, "nothing\n").unwrap();
    let said = talk(&["--age-key-file", bad.to_str().unwrap()]);
    assert!(said.starts_with(&format!("error[no-usable-key]: {}: line 1 is not", bad.display())), "{said}");
}

#[test]
fn a_refusal_prints_one_line_with_its_code_and_no_plaintext() {
    let key = key("one.agekey");
    for (case, code) in [("flipped-byte", "value-auth"), ("edited-in-clear", "mac-mismatch"), ("no-mac", "mac-missing")]
    {
        let output = decrypt(case, &["--input-type", "yaml", "--age-key-file", &key], &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        let talk = String::from_utf8(output.stderr).unwrap();
        assert!(talk.starts_with(&format!("error[{code}]: ")) && talk.lines().count() == 1, "{talk}");
        assert!(!talk.contains("puller") && !talk.contains("ENC["));
    }
}

#[test]
fn without_a_key_the_recipients_are_named() {
    let output = decrypt("yaml-secret", &["--input-type", "yaml"], &[]);
    assert_eq!(output.status.code(), Some(1));
    let talk = String::from_utf8(output.stderr).unwrap();
    assert!(talk.starts_with("error[no-usable-key]: ") && talk.contains("age1"), "{talk}");
}

#[test]
fn one_format_is_printed_as_another() {
    let output = decrypt(
        "yaml-suffix",
        &["--input-type", "yaml", "--output-type", "dotenv", "--age-key-file", &key("one.agekey")],
        &[],
    );
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "a_open=clear\nb=hidden\n");
}

#[test]
fn a_missing_file_or_an_unknown_format_is_a_usage_failure() {
    assert_eq!(decrypt("no-such-case", &[], &[]).status.code(), Some(2));
    assert_eq!(decrypt("yaml-secret", &["--input-type", "toml"], &[]).status.code(), Some(2));
    assert_eq!(decrypt("yaml-secret", &["--age-key-file", "/nonexistent"], &[]).status.code(), Some(2));
}
