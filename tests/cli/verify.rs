//! `gitwarrant verify` and `gitwarrant explain`, as scripts and people meet them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::signing::{By, Signers, SshKey, run};

const THEN: i64 = 1_780_272_000;

/// A repository of a pinned commit and one by alice, and a file with a Repository.
struct Scene {
    signers: Signers,
    kept: tempfile::TempDir,
    alice: SshKey,
    root: String,
}

impl Scene {
    fn new() -> Self {
        let (signers, kept) = (Signers::new(), tempfile::tempdir().unwrap());
        let alice = signers.ssh_key("alice@example.org", "ed25519");
        let repository = kept.path().join("repo");
        signers.init(&repository);
        let root = signers.commit(&repository, "root", By::Nobody, THEN);
        let scene = Self { signers, kept, alice, root };
        scene.write(&json!({}));
        scene.commit("a.yaml", "first", By::Ssh(&scene.alice));
        scene
    }

    fn repository(&self) -> PathBuf {
        self.kept.path().join("repo")
    }

    fn commit(&self, path: &str, message: &str, by: By<'_>) -> String {
        let file = self.repository().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, message).unwrap();
        self.signers.commit(&self.repository(), message, by, THEN + 3600)
    }

    /// Writes the Repository, with `more` in its trust.
    fn write(&self, more: &Value) {
        let mut trust = json!({
            "root": self.root,
            "signers": {"allowedSigners": Signers::allowed_signers(&[&self.alice])},
        });
        trust.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let repository = json!({
            "apiVersion": "gitwarrant.io/v1alpha1",
            "kind": "Repository",
            "metadata": {"name": "fleet"},
            "spec": {"url": "https://git.example.org/fleet.git", "ref": {"branch": "main"}, "trust": trust},
        });
        std::fs::write(self.file(), repository.to_string()).unwrap();
    }

    fn git(&self, arguments: &[&str]) {
        run(self.signers.git(&self.repository(), THEN).args(arguments));
    }

    fn file(&self) -> PathBuf {
        self.kept.path().join("repository.yaml")
    }

    fn verify(&self, arguments: &[&str]) -> Output {
        let mut command = gitwarrant(&["verify"]);
        command.arg(self.repository()).arg("--repository").arg(self.file()).args(["--at", "2026-06-02T00:00:00Z"]);
        command.args(arguments).output().unwrap()
    }
}

fn gitwarrant(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitwarrant"));
    command.args(arguments).current_dir(Path::new("/"));
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn accepted_history_is_a_table_and_exit_code_zero() {
    let scene = Scene::new();
    let output = scene.verify(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    assert!(lines[0].starts_with("Repository  fleet (EveryCommit, 1 signer), branch main"), "{lines:?}");
    assert!(lines[1].contains("ssh  alice@example.org  SHA256:") && lines[1].ends_with("  first"), "{lines:?}");
    assert!(lines[2].starts_with("1 verified · 0 failed"), "{lines:?}");
    assert!(output.stderr.is_empty());
}

#[test]
fn refused_history_names_commit_file_reason_and_what_to_do() {
    let scene = Scene::new();
    let bad = scene.commit("prod/rbac.yaml", "tweak rbac", By::Nobody);
    scene.commit("b.yaml", "later", By::Ssh(&scene.alice));
    let output = scene.verify(&[]);
    assert_eq!(output.status.code(), Some(1));
    let (out, talk) = (text(&output.stdout), text(&output.stderr));
    assert!(out.contains(&format!("✗ {}", &bad[..7])) && out.contains("tweak rbac"), "{out}");
    assert!(talk.starts_with(&format!("error[unsigned]: commit {}", &bad[..7])), "{talk}");
    assert!(talk.contains("--> prod/rbac.yaml"), "{talk}");
    assert!(talk.contains("signature does not vouch for it") && talk.contains("gitwarrant explain unsigned"), "{talk}");
}

#[test]
fn terminals_obey_nothing_in_a_subject_or_file_name() {
    let scene = Scene::new();
    scene.commit("a\u{1b}[2J.yaml", "wipe\u{1b}[2J\u{202e}dekcirt", By::Nobody);
    for format in ["table", "json", "github", "sarif", "junit"] {
        let output = scene.verify(&["--format", format]);
        for bytes in [&output.stdout, &output.stderr] {
            assert!(!text(bytes).contains(['\u{1b}', '\u{202e}']), "{format}: {}", text(bytes).escape_debug());
        }
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn github_gets_one_workflow_command() {
    let scene = Scene::new();
    let output = scene.verify(&["--format", "github"]);
    assert!(text(&output.stdout).starts_with("::notice title=accepted::1 new commit"), "{}", text(&output.stdout));
    scene.commit("a,b:c.yaml", "50%::set-output", By::Nobody);
    let output = scene.verify(&["--format", "github"]);
    let out = text(&output.stdout);
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.starts_with("::error file=a%2Cb%3Ac.yaml,title=unsigned::commit "), "{out}");
    assert!(out.contains("50%25") && out.contains("%0A"), "{out}");
}

#[test]
fn sarif_names_rule_file_and_commit() {
    let scene = Scene::new();
    let sarif = |output: &Output| serde_json::from_slice::<Value>(&output.stdout).unwrap();
    let accepted = sarif(&scene.verify(&["--format", "sarif"]));
    assert_eq!((&accepted["version"], &accepted["runs"][0]["results"]), (&json!("2.1.0"), &json!([])));
    let bad = scene.commit("prod/rbac x.yaml", "tweak", By::Nobody);
    let refused = sarif(&scene.verify(&["--format", "sarif"]));
    let result = &refused["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "unsigned");
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(refused["runs"][0]["tool"]["driver"]["rules"][index]["id"], "unsigned");
    assert_eq!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "prod/rbac%20x.yaml");
    assert_eq!(result["partialFingerprints"]["commit/v1"], bad.as_str());
    // Nothing of the history is at fault here, and GitHub takes no result without a file.
    scene.write(&json!({"signers": {"allowedSigners": "alice@example.org ssh-ed25519 AAAA"}}));
    let refused = sarif(&scene.verify(&["--format", "sarif"]));
    let file = &refused["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(file.as_str(), scene.file().to_str());
}

#[test]
fn junit_has_a_test_for_each_commit_and_a_failure_that_says_why() {
    let scene = Scene::new();
    let forge = scene.signers.ssh_key("web-flow", "ed25519");
    let allowed = Signers::allowed_signers(&[&scene.alice, &forge]);
    scene.write(&json!({"signers": {"allowedSigners": allowed}, "mergeOnly": ["web-flow"]}));
    let table = scene.verify(&[]);
    assert!(
        text(&table.stdout)
            .starts_with("Repository  fleet (EveryCommit, 2 signers, web-flow: merges only), branch main"),
        "{table:?}"
    );
    let accepted = scene.verify(&["--format", "junit"]);
    assert_eq!(accepted.status.code(), Some(0));
    let out = text(&accepted.stdout);
    assert!(out.contains("tests=\"1\" failures=\"0\"") && out.contains(" first (alice@example.org)\"/>"), "{out}");
    scene.commit("a.yaml", "<tweak> & \"more\"", By::Nobody);
    let refused = scene.verify(&["--format", "junit"]);
    assert_eq!(refused.status.code(), Some(1));
    let out = text(&refused.stdout);
    assert!(
        out.contains("tests=\"2\" failures=\"1\"") && out.contains("<failure type=\"unsigned\" message=\"commit "),
        "{out}"
    );
    assert!(out.contains("&lt;tweak&gt; &amp; &quot;more&quot;") && !out.contains("<tweak>"), "{out}");
    scene.write(&json!({"signers": {"allowedSigners": "alice@example.org ssh-ed25519 AAAA"}}));
    let out = scene.verify(&["--format", "junit"]);
    assert!(text(&out.stdout).contains("name=\"trust configuration\""), "{out:?}");
}

#[test]
fn unreadable_trust_is_a_finding_and_a_missing_file_a_failure() {
    let scene = Scene::new();
    scene.write(&json!({"signers": {"allowedSigners": "alice@example.org ssh-ed25519 AAAA"}}));
    for format in ["table", "json", "github", "sarif", "junit"] {
        let output = scene.verify(&["--format", format]);
        assert_eq!(output.status.code(), Some(1), "{format}");
        assert!(
            [&output.stdout, &output.stderr].iter().any(|bytes| text(bytes).contains("bad-configuration")),
            "{format}"
        );
    }
    scene.write(&json!({"skipVerification": true}));
    assert_eq!(scene.verify(&[]).status.code(), Some(1), "an unknown field");
    std::fs::remove_file(scene.file()).unwrap();
    assert_eq!(scene.verify(&[]).status.code(), Some(2));
}

#[test]
fn a_misspelt_field_has_its_file_and_line() {
    let scene = Scene::new();
    let written = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: s}\n---\napiVersion: gitwarrant.io/v1alpha1\n\
                kind: Repository\nmetadata: {name: fleet}\nspec:\n  url: https://git.example.org/fleet.git\n  \
                ref: {branch: main}\n  trust:\n    signerFrom: [{configMap: s}]\n";
    std::fs::write(scene.file(), written).unwrap();
    let output = scene.verify(&[]);
    assert_eq!(output.status.code(), Some(1));
    let talk = text(&output.stderr);
    assert!(talk.contains(&format!("{}:12: ", scene.file().display())), "{talk}");
    assert!(talk.contains("unknown field `signerFrom`"), "{talk}");
}

#[test]
fn what_a_folder_draws_in_is_judged_with_it() {
    let scene = Scene::new();
    let bob = scene.signers.ssh_key("bob@example.org", "ed25519");
    scene.write(&json!({
        "signers": {"allowedSigners": Signers::allowed_signers(&[&scene.alice, &bob])},
        "pathRules": [
            {"paths": ["prod/**"], "signers": ["bob@example.org"]},
            {"paths": ["**"], "signers": ["alice@example.org", "bob@example.org"]},
        ],
    }));
    scene.commit("prod/kustomization.yaml", "resources: [../base]", By::Ssh(&bob));
    scene.commit("base/kustomization.yaml", "resources: [map.yaml]", By::Ssh(&bob));
    let applied = scene.commit("base/map.yaml", "apiVersion: v1", By::Ssh(&bob));
    scene.commit("base/map.yaml", "apiVersion: v2", By::Ssh(&scene.alice));
    let output = scene.verify(&["--applied", &applied]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let output = scene.verify(&["--applied", &applied, "--path", "prod", "-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&shown["reason"], &shown["files"]), (&json!("path-not-authorised"), &json!(["base/map.yaml"])));
}

#[test]
fn every_code_is_explained() {
    let output = gitwarrant(&["explain"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let list = text(&output.stdout);
    for code in list.lines().map(|line| line.split(' ').next().unwrap()) {
        let one = gitwarrant(&["explain", code]).output().unwrap();
        assert!(text(&one.stdout).contains("what to do"), "{code}");
        let same = gitwarrant(&["verify", "--explain", code]).output().unwrap();
        assert_eq!(one.stdout, same.stdout, "{code}");
    }
    assert!(list.lines().count() > 30 && list.contains("unsigned ") && list.contains("plain-secret "));
    let unknown = gitwarrant(&["explain", "signed"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).starts_with("error[unknown-code]"));
}

#[test]
fn a_reader_who_leaves_ends_it_without_a_word() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = gitwarrant(&["explain"]).stdout(writer).output().unwrap();
    // 128 and the number of SIGPIPE, as of a program that knows nothing of it.
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(141), ""));
}

#[test]
fn a_repository_file_that_lies_in_what_it_judges_is_warned_of() {
    let scene = Scene::new();
    let inside = scene.repository().join("fleet.yaml");
    std::fs::copy(scene.file(), &inside).unwrap();
    let mut command = gitwarrant(&["verify", "--at", "2026-06-02T00:00:00Z", "--repository"]);
    let output = command.arg(&inside).arg(scene.repository()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let talk = text(&output.stderr);
    assert!(talk.starts_with("warning: ") && talk.contains("whoever commits there chooses whom to believe"), "{talk}");
}

#[test]
fn revisions_lead_back_as_in_git_and_a_subfolder_means_its_working_copy() {
    let scene = Scene::new();
    let first = scene.signers.rev_parse(&scene.repository(), "HEAD");
    scene.git(&["checkout", "-q", "-b", "side"]);
    scene.commit("sub/b.yaml", "side", By::Ssh(&scene.alice));
    scene.git(&["checkout", "-q", "main"]);
    scene.commit("sub/c.yaml", "second", By::Ssh(&scene.alice));
    scene.signers.merge(&scene.repository(), "side", By::Ssh(&scene.alice), THEN + 7200);
    for revision in ["HEAD~1", "HEAD^", "HEAD^2", "HEAD~2", "HEAD^2~1", "main^^", "HEAD^0", "HEAD^1~0"] {
        let mut command = gitwarrant(&["verify", "-o", "json", "--at", "2026-06-02T00:00:00Z", "--head", revision]);
        command.arg("--repository").arg(scene.file()).current_dir(scene.repository().join("sub"));
        let output = command.output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
        let by_git = scene.signers.rev_parse(&scene.repository(), revision);
        assert_eq!((&told["head"], &told["verdict"]), (&json!(by_git), &json!("accept")), "{revision}");
    }
    assert_eq!(scene.signers.rev_parse(&scene.repository(), "HEAD~2"), first);
    for (revision, why) in [
        ("HEAD~9", "goes further back than the history that is here"),
        ("HEAD^3", "goes further back than the history that is here"),
        ("HEAD^{tree}", "has an operator other than `~` and `^`"),
        ("HEAD~\u{e9}", "has an operator other than `~` and `^`"),
        ("HEAD~99999999999999999999", "goes too far back"),
    ] {
        let output = scene.verify(&["--head", revision]);
        assert_eq!(output.status.code(), Some(2), "{revision}");
        assert!(text(&output.stderr).contains(why), "{revision}: {}", text(&output.stderr));
    }
}

#[test]
fn a_folder_that_is_not_in_the_commit_is_no_path() {
    let scene = Scene::new();
    scene.commit("apps/a.yaml", "apps", By::Ssh(&scene.alice));
    assert_eq!(scene.verify(&["--path", "apps"]).status.code(), Some(0));
    let output = scene.verify(&["--path", "app"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("has no folder `app`"), "{}", text(&output.stderr));
}

#[test]
fn a_forges_key_that_merge_only_misspells_is_no_configuration() {
    let scene = Scene::new();
    scene.write(&json!({"mergeOnly": ["alice@example.com"]}));
    let output = scene.verify(&["-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["reason"], "bad-configuration");
    assert!(told["message"].as_str().unwrap().contains("no key is listed for `alice@example.com`"), "{told}");
}
