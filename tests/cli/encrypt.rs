//! `encrypt` as scripts see it. That the real sops opens what it writes is proved in `conformance::sops_both_ways`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sops").join(path)
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gitwarrant")).args(arguments).current_dir(folder).env_clear().output().unwrap()
}

fn recipient(name: &str) -> String {
    let text = std::fs::read_to_string(fixture(&format!("keys/{name}.agekey"))).unwrap();
    text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned()
}

const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n    name: db\nstringData:\n    password: hunter2\n";

/// A folder with a Secret and creation rules.
fn folder(rules: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("prod")).unwrap();
    std::fs::write(folder.path().join("prod/db.yaml"), SECRET).unwrap();
    std::fs::write(folder.path().join(".sops.yaml"), rules).unwrap();
    folder
}

fn opens(folder: &Path, sealed: &[u8], key: &str) -> Vec<u8> {
    std::fs::write(folder.join("sealed.yaml"), sealed).unwrap();
    let key = fixture(&format!("keys/{key}"));
    let output = run(folder, &["decrypt", "sealed.yaml", "--age-key-file", key.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn the_rule_for_the_path_says_for_whom_and_what_is_encrypted() {
    let (one, two) = (recipient("one"), recipient("two"));
    let folder = folder(&format!(
        "creation_rules:\n- {{path_regex: ^prod/, age: '{one},{two}', encrypted_regex: ^(data|stringData)$}}\n- {{age: nobody}}\n"
    ));
    // From a folder below, the rules of the one above count, for the path as they see it.
    let output = run(&folder.path().join("prod"), &["encrypt", "db.yaml"]);
    let sealed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(sealed.contains("\n    name: db\n") && !sealed.contains("hunter2"), "{sealed}");
    assert!(sealed.contains(&format!("recipient: {one}")) && sealed.contains(&format!("recipient: {two}")));
    for key in ["one.agekey", "two.agekey"] {
        assert_eq!(opens(folder.path(), sealed.as_bytes(), key), SECRET.as_bytes());
    }
}

#[test]
fn a_link_has_the_rule_for_its_own_name() {
    let (one, two) = (recipient("one"), recipient("two"));
    let folder = folder(&format!("creation_rules:\n- {{path_regex: ^prod/, age: {one}}}\n- {{age: {two}}}\n"));
    std::os::unix::fs::symlink("prod/db.yaml", folder.path().join("link.yaml")).unwrap();
    std::fs::create_dir(folder.path().join("other")).unwrap();
    for (file, key) in [("link.yaml", "two"), ("other/../prod/db.yaml", "one"), ("./prod/db.yaml", "one")] {
        let output = run(folder.path(), &["encrypt", file]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(opens(folder.path(), &output.stdout, &format!("{key}.agekey")), SECRET.as_bytes(), "{file}");
    }
}

#[test]
fn flags_name_recipients_and_what_is_encrypted_without_any_rule() {
    let folder = folder("creation_rules: []\n");
    let output =
        run(folder.path(), &["encrypt", "prod/db.yaml", "--age", &recipient("one"), "--encrypted-suffix", "word"]);
    let sealed = String::from_utf8(output.stdout).unwrap();
    assert!(sealed.contains("encrypted_suffix: word") && sealed.contains("kind: Secret"), "{sealed}");
    assert_eq!(opens(folder.path(), sealed.as_bytes(), "one.agekey"), SECRET.as_bytes());
}

#[test]
fn each_failure_says_what_to_do_and_prints_no_ciphertext() {
    let one = recipient("one");
    for (rules, arguments, code, exit) in [
        ("creation_rules: [{path_regex: other, age: a}]", &[][..], "no-rule", 2),
        ("creation_rules: [{kms: arn}]", &[], "bad-rules", 2),
        ("creation_rules: [{age: a, path_regex: '('}]", &[], "bad-rules", 2),
        ("creation_rule: [{age: a}]", &[], "bad-rules", 2),
        ("creation_rules: [{pgp: 85D77543B3D624B63CEA9E6DBC17301B491B3F21}]", &[], "no-public-key", 2),
        ("creation_rules: [{age: nobody}]", &[], "bad-recipient", 1),
        ("creation_rules: [{key_groups: [{age: [ONE]}, {age: [ONE]}], shamir_threshold: 3}]", &[], "bad-threshold", 1),
        ("creation_rules: [{age: ONE}]", &["--input-type", "json"], "bad-format", 1),
        ("creation_rules: [{age: ONE}]", &["--encrypted-regex", "a", "--encrypted-suffix", "b"], "", 2),
    ] {
        let folder = folder(&rules.replace("ONE", &one));
        let output = run(folder.path(), &[&["encrypt", "prod/db.yaml"], arguments].concat());
        let talk = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(exit), "{rules}: {talk}");
        assert!(code.is_empty() || talk.starts_with(&format!("error[{code}]: ")), "{rules}: {talk}");
        assert!(output.stdout.is_empty() && !talk.contains("hunter2"));
    }
}

#[test]
fn what_is_encrypted_already_is_not_encrypted_again() {
    let folder = folder("creation_rules: []\n");
    let case = fixture("cases/yaml-secret/input");
    let arguments = ["encrypt", case.to_str().unwrap(), "--input-type", "yaml", "--age", &recipient("one")];
    let output = run(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error[already-encrypted]: "));
}

#[test]
fn another_name_decides_about_rule_and_format() {
    let folder = folder(&format!("creation_rules:\n- {{path_regex: '\\.enc\\.yaml$', age: {}}}\n", recipient("one")));
    std::fs::rename(folder.path().join("prod/db.yaml"), folder.path().join("plain.txt")).unwrap();
    let refused = run(folder.path(), &["encrypt", "plain.txt"]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("no creation rule is for plain.txt"));
    let output = run(folder.path(), &["encrypt", "plain.txt", "--filename-override", "prod/db.enc.yaml"]);
    assert_eq!(opens(folder.path(), &output.stdout, "one.agekey"), SECRET.as_bytes());
}

#[test]
fn a_file_is_encrypted_where_it_is_with_its_permissions_and_nothing_is_left_beside_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder("creation_rules: []\n");
    let file = folder.path().join("prod/db.yaml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let output = run(folder.path(), &["encrypt", "-i", "prod/db.yaml", "--age", &recipient("one")]);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let sealed = std::fs::read(&file).unwrap();
    assert!(!String::from_utf8_lossy(&sealed).contains("hunter2"));
    assert_eq!(opens(folder.path(), &sealed, "one.agekey"), SECRET.as_bytes());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path().join("prod")).unwrap().count(), 1);
    // A refusal leaves the file as it was: sealed twice it could not be opened as the agent does.
    let again = run(folder.path(), &["encrypt", "-i", "prod/db.yaml", "--age", &recipient("one")]);
    assert!(!again.status.success());
    assert_eq!(std::fs::read(&file).unwrap(), sealed);
}

#[test]
fn an_empty_file_is_taken_for_one_that_a_shell_has_emptied() {
    let folder = folder("creation_rules: []\n");
    std::fs::write(folder.path().join("prod/db.yaml"), "").unwrap();
    let output = run(folder.path(), &["encrypt", "prod/db.yaml", "--age", &recipient("one")]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(String::from_utf8(output.stderr).unwrap().contains("prod/db.yaml: the file is empty; did `>` write to"));
}
