//! Every open case about histories, tags, objects, trees and signatures: by verdict and by reason.

use std::path::{Path, PathBuf};
use std::process::Command;

use gitwarrant::git::Repository;
use gitwarrant::trust::{Base, BindCommitter, Mode, PathRuleText, Policy, PolicyInput, Reason, SignersText, verify};
use jiff::Timestamp;
use serde_json::Value;

use crate::support::corpora::collection;
use crate::support::signing::run;

/// Cases that are known not to be decided as required, each with its reason. It only shrinks.
const GAPS: &[(&str, &str)] = &[];

#[test]
fn every_open_case_is_decided_as_required() {
    let Some(folder) = collection("attacks") else {
        println!("collection absent: attacks");
        return;
    };
    let cases = cases(&folder);
    let mut wrong = Vec::new();
    for case in &cases {
        let gap = GAPS.iter().find(|(id, _)| *id == case.id);
        match (case.complaint(&case.decide()), gap) {
            (None, None) | (Some(_), Some(_)) => {}
            (None, Some((id, _))) => wrong.push(format!("{id}: decided as required; take it off the list of gaps")),
            (Some(complaint), None) => wrong.push(complaint),
        }
    }
    println!("{} cases, {} of them known gaps", cases.len(), GAPS.len());
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn the_command_line_decides_as_the_library_does() {
    let Some(folder) = collection("attacks") else {
        println!("collection absent: attacks");
        return;
    };
    let cases = cases(&folder);
    let differs = |case: &Case| {
        let (library, command) = (case.decide(), case.decide_by_command());
        (library != command).then(|| format!("{}: the library says {library:?}, the command {command:?}", case.id))
    };
    let wrong: Vec<String> = cases.iter().filter_map(differs).collect();
    println!("{} cases by the command line", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `Ok` where accepted, the code of the reason where refused.
type Decision = Result<(), String>;

pub(super) struct Case {
    pub(super) id: String,
    folder: PathBuf,
    pub(super) told: Value,
}

pub(super) fn cases(folder: &Path) -> Vec<Case> {
    let mut found: Vec<Case> = std::fs::read_dir(folder.join("cases"))
        .expect("the collection has cases")
        .map(|entry| {
            let folder = entry.expect("a folder").path();
            let case = std::fs::read(folder.join("case.json")).expect("a case.json");
            let case: Value = serde_json::from_slice(&case).expect("JSON");
            Case { id: text(&case["id"]), folder, told: case }
        })
        .collect();
    found.sort_by(|one, other| one.id.cmp(&other.id));
    found
}

impl Case {
    fn complaint(&self, decision: &Decision) -> Option<String> {
        let expected = &self.told["expected"];
        let found = match decision {
            Ok(()) => "accept".to_owned(),
            Err(code) => format!("reject {code}"),
        };
        let right = match (text(&expected["verdict"]).as_str(), decision) {
            ("accept", Ok(())) => true,
            ("accept", Err(_)) => expected["fail_closed_ok"] == Value::Bool(true),
            (_, Ok(())) => false,
            (_, Err(code)) => {
                *code == text(&expected["reason"]) || texts(&expected["also_acceptable_reasons"]).contains(code)
            }
        };
        let title = text(&self.told["title"]);
        (!right).then(|| format!("{} {title}: {} required, {found} found", self.id, expected))
    }

    fn decide(&self) -> Decision {
        let (_kept, repository) = self.unpack();
        let policy = &self.told["trust"]["policy"];
        let code = |reason: Reason| reason.code().to_owned();
        let read = Policy::read(&self.policy()).map_err(|_| code(Reason::BadConfiguration))?;
        let repository = Repository::open(&repository).expect("the case's repository");
        let fetched = repository.resolve(&text(&self.told["head"])).expect("the case's head");
        let (mut commit, objects) = fetched.into_parts();
        commit.reference = text(&policy["ref"]);
        let base = self.base();
        let now = Timestamp::from_second(policy["now"].as_i64().expect("a time")).expect("a time");
        let fetched = gitwarrant::git::Fetched::new(commit, objects);
        verify(fetched, &read, &base, None, now).map(drop).map_err(|refusal| code(refusal.reason()))
    }

    pub(super) fn base(&self) -> Base {
        let policy = &self.told["trust"]["policy"];
        Base {
            applied: policy["last_applied"].as_str().map(|id| id.parse().expect("an id")),
            applied_tag: policy["require_signed_tag"]["last_applied_tag"].as_str().map(str::to_owned),
            left_behind: Vec::new(),
        }
    }

    fn decide_by_command(&self) -> Decision {
        let (kept, repository) = self.unpack();
        let policy = &self.told["trust"]["policy"];
        let file = kept.path().join("repository.yaml");
        std::fs::write(&file, serde_json::to_vec(&self.resource()).expect("JSON")).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_gitwarrant"));
        command.arg("verify").arg(&repository).arg("--repository").arg(&file);
        command.args(["--head", &text(&self.told["head"]), "-o", "json"]);
        command.args([
            "--at",
            &Timestamp::from_second(policy["now"].as_i64().expect("a time")).expect("a time").to_string(),
        ]);
        if let Some(applied) = policy["last_applied"].as_str() {
            command.args(["--applied", applied]);
        }
        if let Some(tag) = policy["require_signed_tag"]["last_applied_tag"].as_str() {
            command.args(["--applied-tag", tag]);
        }
        let output = command.output().expect("the program was built");
        let shown: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}: no JSON: {}", self.id, String::from_utf8_lossy(&output.stderr)));
        assert_eq!(shown["apiVersion"], "cli.gitwarrant.io/v1");
        match (text(&shown["verdict"]).as_str(), output.status.code()) {
            ("accept", Some(0)) => Ok(()),
            ("reject", Some(1)) => Err(text(&shown["reason"])),
            other => panic!("{}: {other:?}", self.id),
        }
    }

    pub(super) fn unpack(&self) -> (tempfile::TempDir, PathBuf) {
        let kept = tempfile::tempdir().expect("a folder");
        run(Command::new("tar").arg("-xzf").arg(self.folder.join("repo.git.tar.gz")).arg("-C").arg(kept.path()));
        let repository =
            std::fs::read_dir(kept.path()).expect("unpacked").next().expect("a repository").expect("it").path();
        (kept, repository)
    }

    fn file(&self, name: &Value) -> Option<String> {
        let name = name.as_str()?;
        Some(String::from_utf8(std::fs::read(self.folder.join(name)).expect("a trust file")).expect("UTF-8"))
    }

    fn openpgp(&self) -> Vec<(String, String)> {
        let listed = self.told["trust"]["openpgp"].as_array().cloned().unwrap_or_default();
        listed.iter().map(|one| (text(&one["principal"]), self.file(&one["file"]).expect("a certificate"))).collect()
    }

    fn in_repository(&self) -> Option<String> {
        text(&self.told["trust"]["policy"]["signers_source"]).strip_prefix("in-repo:").map(str::to_owned)
    }

    pub(super) fn policy(&self) -> PolicyInput {
        let trust = &self.told["trust"];
        let policy = &trust["policy"];
        let signers = SignersText {
            name: "trust".into(),
            allowed_signers: self.file(&trust["ssh_allowed_signers"]),
            openpgp: self.openpgp(),
            revoked: self.file(&trust["ssh_revoked_keys"]).map(String::into_bytes),
        };
        let rules = policy["path_rules"].as_array().cloned().unwrap_or_default();
        PolicyInput {
            root: text(&policy["trust_root"]),
            signers: vec![signers],
            in_repository: self.in_repository(),
            mode: match text(&policy["mode"]).as_str() {
                "every-commit" => Mode::EveryCommit,
                "first-parent" => Mode::FirstParent,
                "head" => Mode::Head,
                "tag" => Mode::Tag,
                other => panic!("{}: mode {other}", self.id),
            },
            promoters: texts(&policy["promoters"]),
            threshold: u32::try_from(policy["threshold"].as_u64().unwrap_or(1)).expect("a small number"),
            path_rules: rules
                .iter()
                .map(|rule| PathRuleText { paths: texts(&rule["paths"]), signers: texts(&rule["signers"]) })
                .collect(),
            merge_only: texts(&policy["merge_only_signers"]),
            bind_committer: if policy["bind_committer"] == true { BindCommitter::Yes } else { BindCommitter::No },
            rollback_to: policy["authorised_rollback_to"].as_str().map(str::to_owned),
            max_future_skew: policy["max_future_skew_s"].as_u64(),
            max_backward_skew: policy["max_backward_skew_s"].as_u64(),
            ..PolicyInput::default()
        }
    }

    /// The same as a custom resource.
    fn resource(&self) -> Value {
        let policy = self.policy();
        let signers = &policy.signers[0];
        let openpgp: Vec<Value> = signers
            .openpgp
            .iter()
            .map(|(principal, certificate)| serde_json::json!({"principal": principal, "certificate": certificate}))
            .collect();
        let mut trust = serde_json::json!({
            "root": policy.root,
            "signers": {"allowedSigners": signers.allowed_signers, "openpgp": openpgp},
            "mode": match policy.mode {
                Mode::EveryCommit => "EveryCommit",
                Mode::FirstParent => "FirstParent",
                Mode::Head => "Head",
                Mode::Tag => "Tag",
            },
            "threshold": policy.threshold,
            "promoters": policy.promoters,
            "mergeOnly": policy.merge_only,
            "pathRules": policy.path_rules.iter()
                .map(|rule| serde_json::json!({"paths": rule.paths, "signers": rule.signers}))
                .collect::<Vec<_>>(),
            "maxFutureSkew": format!("{}s", policy.max_future_skew.expect("given")),
            "maxBackwardSkew": format!("{}s", policy.max_backward_skew.expect("given")),
        });
        if let Some(revoked) = &signers.revoked {
            trust["signers"]["revoked"] = String::from_utf8_lossy(revoked).into();
        }
        if let Some(path) = &policy.in_repository {
            trust["inRepository"] = serde_json::json!({"path": path});
        }
        if let Some(id) = &policy.rollback_to {
            trust["rollbackTo"] = id.as_str().into();
        }
        let reference = text(&self.told["trust"]["policy"]["ref"]);
        serde_json::json!({
            "apiVersion": "gitwarrant.io/v1alpha1",
            "kind": "Repository",
            "metadata": {"name": "case"},
            "spec": {"url": "https://git.example.org/case.git", "ref": {"name": reference}, "trust": trust},
        })
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().map(|list| list.iter().map(text).collect()).unwrap_or_default()
}
