//! `decrypt --check` as scripts see it: what opens and what does not, and never any plaintext.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sops").join(path)
}

fn check(folder: &Path, arguments: &[&str]) -> Output {
    let key = fixture("keys/one.agekey");
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitwarrant"));
    command.args(["decrypt", "--check", "--age-key-file", key.to_str().unwrap()]).args(arguments);
    command.current_dir(folder).env_clear().output().unwrap()
}

/// A tree with cases of these names.
fn tree(cases: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (case, name) in cases {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(fixture(&format!("cases/{case}/input")), path).unwrap();
    }
    std::fs::write(folder.path().join("plain.yaml"), "kind: ConfigMap # sops: see mac\n").unwrap();
    folder
}

#[test]
fn a_tree_that_opens_is_a_table_and_exit_0() {
    let folder = tree(&[("yaml-secret", "a/db.yaml"), ("dotenv", "a/b/x.env"), ("binary", "z.key"), ("ini", "y.ini")]);
    let output = check(folder.path(), &["."]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("FILE") && lines[0].ends_with("MAC"));
    assert!(
        lines[1].starts_with("./a/b/x.env") && lines[1].contains("age×1       ✔ age1") && lines[1].ends_with("  ✔")
    );
    assert_eq!(lines[5], "4 ok · 0 failed · 1 not encrypted · no plaintext was written");
    assert!(!text.contains("puller") && output.stderr.is_empty());
}

#[test]
fn what_does_not_open_is_named_with_its_cause_and_remedy() {
    let folder =
        tree(&[("yaml-secret-pgp", "pgp.yaml"), ("edited-in-clear", "edited.yaml"), ("yaml-secret", "ok.yaml")]);
    let output = check(folder.path(), &["."]);
    assert_eq!(output.status.code(), Some(1));
    let talk = String::from_utf8(output.stderr).unwrap();
    assert!(talk.contains("error[mac-mismatch]: ./edited.yaml: "), "{talk}");
    assert!(talk.contains("error[no-usable-key]: ./pgp.yaml: no key of the keys given (age1"), "{talk}");
    assert!(talk.contains(") opens it (its recipients: pgp "), "{talk}");
    assert!(talk.contains("  = help: sops updatekeys ./pgp.yaml\n"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("1 ok · 2 failed"), "{text}");
    assert!(!format!("{text}{talk}").contains("puller") && !talk.contains("ENC["));
}

#[test]
fn the_same_is_told_to_programs() {
    let folder = tree(&[("yaml-mac-only", "m.yaml"), ("stranger-yaml-hybrid", "s.yaml")]);
    let output = check(folder.path(), &["-o", "json", "m.yaml", "s.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["apiVersion"], "cli.gitwarrant.io/v1");
    assert_eq!((&found["ok"], &found["failed"]), (&json!(1), &json!(1)));
    let files = &found["files"];
    assert_eq!(
        (&files[0]["file"], &files[0]["format"], &files[0]["mac"]),
        (&json!("m.yaml"), &json!("yaml"), &json!(true))
    );
    assert_eq!(files[0]["openedBy"][0], files[0]["recipients"][0]["name"]);
    assert!(files[0]["warnings"][0].as_str().unwrap().starts_with("only encrypted values are authenticated"));
    assert_eq!((&files[1]["mac"], &files[1]["openedBy"]), (&json!(null), &json!([])));
    assert_eq!(
        (&files[1]["error"]["code"], &files[1]["error"]["class"]),
        (&json!("no-usable-key"), &json!("Misconfigured"))
    );
}

#[test]
fn a_file_that_was_asked_for_must_be_encrypted_and_be_there() {
    let folder = tree(&[]);
    let output = check(folder.path(), &["plain.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error[no-metadata]: plain.yaml: "));
    assert_eq!(check(folder.path(), &["absent"]).status.code(), Some(2));
    assert_eq!(check(folder.path(), &["--output-type", "json", "plain.yaml"]).status.code(), Some(2));
}
