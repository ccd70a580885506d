//! `gitwarrant build`, as scripts see it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn build(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitwarrant"));
    command.arg("build").arg(folder).args(arguments).env_remove("SOPS_AGE_KEY").env_remove("SOPS_AGE_KEY_FILE");
    command.output().expect("run the program that was just built")
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn overlay() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &[
            ("base/kustomization.yaml", "resources: [cm.yaml]\n"),
            ("base/cm.yaml", "kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\ndata: {k: 'yes'}\n"),
            ("prod/kustomization.yaml", "resources: [../base]\nnamePrefix: p-\n"),
        ],
    );
    folder
}

#[test]
fn objects_are_printed_as_yaml_with_sorted_keys() {
    let folder = overlay();
    let output = build(&folder.path().join("prod"), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "apiVersion: v1\ndata:\n  k: \"yes\"\nkind: ConfigMap\nmetadata:\n  name: p-a\n");
}

#[test]
fn json_is_one_list() {
    let folder = overlay();
    let output = build(&folder.path().join("prod"), &["-o", "json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let wanted = json!([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "p-a"}, "data": {"k": "yes"}}]);
    assert_eq!(found, wanted);
}

#[test]
fn a_refusal_prints_nothing_on_stdout_and_names_file_and_code() {
    let folder = overlay();
    write(folder.path(), &[("prod/kustomization.yaml", "resources: [../base, nothing.yaml]\n")]);
    let output = build(&folder.path().join("prod"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let talk = String::from_utf8(output.stderr).unwrap();
    let place = format!("{}/prod/kustomization.yaml:1", folder.path().canonicalize().unwrap().display());
    assert!(talk.starts_with(&format!("error[missing-file]: {place}: there is neither")), "{talk}");
}

#[test]
fn a_file_above_the_kustomization_needs_the_flag() {
    let folder = overlay();
    write(folder.path(), &[("prod/kustomization.yaml", "resources: [../base/cm.yaml]\n")]);
    let refused = build(&folder.path().join("prod"), &[]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("error[load-restriction]"));
    assert!(build(&folder.path().join("prod"), &["--load-restrictor", "none"]).status.success());
}

#[test]
fn a_folder_that_is_not_there_is_an_operation_that_failed() {
    let output = build(Path::new("/there/is/no/such/folder"), &[]);
    assert_eq!(output.status.code(), Some(2));
}

/// A secretGenerator over a file of variables that is sealed for a key of the fixtures.
fn generated(value: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &[
            ("kustomization.yaml", "secretGenerator: [{name: db, envs: [db.env]}]\n"),
            ("clear/db.env", &format!("word={value}\n")),
        ],
    );
    let recipient = std::fs::read_to_string(key()).unwrap();
    let recipient = recipient.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    let mut encrypt = Command::new(env!("CARGO_BIN_EXE_gitwarrant"));
    encrypt.args(["encrypt", "db.env", "--age", recipient]).current_dir(folder.path().join("clear"));
    let sealed = encrypt.output().unwrap();
    assert!(sealed.status.success(), "{}", String::from_utf8_lossy(&sealed.stderr));
    std::fs::write(folder.path().join("db.env"), sealed.stdout).unwrap();
    std::fs::remove_dir_all(folder.path().join("clear")).unwrap();
    folder
}

fn key() -> String {
    format!("{}/tests/fixtures/sops/keys/one.agekey", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_name_that_gives_a_short_secret_away_is_warned_of_with_the_way_out() {
    let warned = |folder: &Path| {
        let output = build(folder, &["--age-key-file", &key()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (out, talk) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(!format!("{out}{talk}").contains("hunter2") && !out.contains("aHVudGVyMg"), "{out}{talk}");
        talk
    };
    let short = generated("hunter2");
    let talk = warned(short.path());
    let file = short.path().canonicalize().unwrap().join("kustomization.yaml");
    assert!(talk.starts_with(&format!("warning: {}", file.display())), "{talk}");
    assert!(talk.contains("disableNameSuffixHash"), "{talk}");
    let way_out = "secretGenerator: [{name: db, envs: [db.env], options: {disableNameSuffixHash: true}}]\n";
    write(short.path(), &[("kustomization.yaml", way_out)]);
    assert_eq!(warned(short.path()), "");
    assert_eq!(warned(generated("a-secret-of-more-than-sixteen-letters").path()), "");
}

#[test]
fn the_digest_is_the_same_wherever_the_tree_lies() {
    let told = |folder: &Path| String::from_utf8(build(&folder.join("prod"), &["-v"]).stderr).unwrap();
    let (one, other) = (overlay(), overlay());
    // Of one line: {"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"p-a"},"data":{"k":"yes"}}
    let digest = "c901c3eadf90a12d73bda094011a40bef8899c283d4332aa6b113b32b1074cf2";
    assert_eq!(told(one.path()), format!("1 objects, sha256:{digest} (decrypted values left out)\n"));
    assert_eq!(told(one.path()), told(other.path()));
}

#[test]
fn the_digest_is_never_that_of_what_is_revealed() {
    let folder = generated("hunter2");
    write(
        folder.path(),
        &[(
            "kustomization.yaml",
            "secretGenerator: [{name: db, envs: [db.env], options: {disableNameSuffixHash: true}}]\n",
        )],
    );
    let told = |more: &[&str]| {
        let key = key();
        let mut arguments = vec!["-v", "--age-key-file", &key];
        arguments.extend(more);
        let output = build(folder.path(), &arguments);
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(told(&[]).ends_with(" (decrypted values left out)\n"), "{}", told(&[]));
    assert_eq!(told(&["--reveal"]), told(&[]));
}

/// The exit code, and what was said, in `folder`, about the kustomization in `below`.
fn told(folder: &Path, below: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitwarrant"));
    let output = command.args(["build", below]).args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_decrypted_value_that_people_could_read_is_refused_and_nothing_is_printed() {
    let folder = generated("a-secret-of-more-than-sixteen-letters");
    write(folder.path(), &[("kustomization.yaml", "configMapGenerator: [{name: db, envs: [db.env]}]\n")]);
    for reveal in [&[][..], &["--reveal"]] {
        let (code, out, talk) = told(folder.path(), ".", &[&["--age-key-file", &key()], reveal].concat());
        assert_eq!((code, out.as_str()), (Some(1), ""), "{talk}");
        assert!(talk.starts_with("error[sealed-outside-secret]: kustomization.yaml"), "{talk}");
        assert!(talk.contains("data.word holds a decrypted value"), "{talk}");
    }
}

#[test]
fn what_the_agent_refuses_and_kustomize_renders_is_rendered_with_a_warning() {
    let folder = overlay();
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: v}\n";
    write(folder.path(), &[("base/s.yaml", secret), ("base/kustomization.yaml", "resources: [cm.yaml, s.yaml]\n")]);
    let (code, out, talk) = told(folder.path(), "prod", &[]);
    assert_eq!(code, Some(0), "{talk}");
    assert!(out.ends_with("kind: Secret\nmetadata:\n  name: p-s\nstringData:\n  k: v\n"), "{out}");
    assert!(talk.starts_with("warning[plain-secret]: base/s.yaml:1: Secret/p-s: the agent refuses this: "), "{talk}");
    assert!(talk.contains("allowPlainSecrets: true") && talk.lines().count() == 1, "{talk}");
    let (code, out, strictly) = told(folder.path(), "prod", &["--strict"]);
    assert_eq!((code, out.as_str(), strictly), (Some(1), "", talk));
}

#[test]
fn every_place_leads_from_the_working_folder_to_file_and_line() {
    let folder = overlay();
    write(folder.path(), &[("prod/kustomization.yaml", "resources:\n- ../base\n- no.yaml\n")]);
    let said = |from: &str, below: &str| told(&folder.path().join(from), below, &[]).2;
    assert!(said(".", "prod").starts_with("error[missing-file]: prod/kustomization.yaml:3: "));
    assert!(said("prod", ".").starts_with("error[missing-file]: ../prod/kustomization.yaml:3: "));
    write(folder.path(), &[("prod/kustomization.yaml", "resources: [../base]\nimages:\n- nme: a\n")]);
    assert!(said(".", "prod").starts_with("error[unknown-or-bad-field]: prod/kustomization.yaml:3: images: unknown"));
    write(folder.path(), &[("prod/kustomization.yaml", "resources: [../base]\nnamespace: a\nnamespace: b\n")]);
    let (code, out, talk) = told(folder.path(), "prod", &[]);
    assert!(code == Some(0) && out.contains("  namespace: b\n"), "{out}");
    assert!(talk.starts_with("warning: prod/kustomization.yaml:3: `namespace` is there already, in line 2"), "{talk}");
}
