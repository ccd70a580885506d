//! Beside git and ssh-keygen: what they say of a head's signature and what we say of the head. Each disagreement is
//! printed with the rule that explains it; one that no rule explains fails.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use gitwarrant::git::{Commit, Fetched, Repository};
use gitwarrant::trust::{Base, Mode, Policy, PolicyInput, Reason, verify};
use jiff::Timestamp;

use super::trust::{Case, cases};
use crate::attack::place::{DAY, HOUR, Place};
use crate::support::corpora::collection;
use crate::support::signing::{By, Signers, run};

/// Something to be judged by us and by them.
struct Question {
    id: String,
    repository: PathBuf,
    head: String,
    reference: String,
    policy: PolicyInput,
    base: Base,
    now: i64,
}

/// What we say.
enum Ours {
    Accepted,
    /// The reason, and whether it is about the head (or its tag) itself.
    Refused(Reason, bool),
}

/// What git says of the head, and gpg's words about the key where it was asked.
struct Theirs {
    good: bool,
    words: String,
}

impl Question {
    fn ours(&self) -> Ours {
        let Ok(policy) = Policy::read(&self.policy) else { return Ours::Refused(Reason::BadConfiguration, false) };
        let repository = Repository::open(&self.repository).unwrap();
        let (commit, objects) = repository.resolve(&self.head).unwrap().into_parts();
        let head = commit.head;
        let fetched = Fetched::new(Commit { reference: self.reference.clone(), ..commit }, objects);
        match verify(fetched, &policy, &self.base, None, Timestamp::from_second(self.now).unwrap()) {
            Ok(_) => Ours::Accepted,
            Err(refusal) => Ours::Refused(refusal.reason(), refusal.at() == Some(&head)),
        }
    }

    fn theirs(&self, folder: &Path) -> Theirs {
        let home = folder.join("g");
        std::fs::create_dir_all(&home).unwrap();
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
        let (allowed, revoked, gpg) = (folder.join("allowed"), folder.join("revoked"), folder.join("gpg"));
        let time = Timestamp::from_second(self.now).unwrap().strftime("%Y%m%dT%H%M%S!");
        std::fs::write(&gpg, format!("#!/bin/sh\nexec gpg --faked-system-time {time} \"$@\"\n")).unwrap();
        std::fs::set_permissions(&gpg, std::fs::Permissions::from_mode(0o700)).unwrap();
        let signers = &self.policy.signers[0];
        std::fs::write(&allowed, signers.allowed_signers.clone().unwrap_or_default()).unwrap();
        std::fs::write(&revoked, signers.revoked.clone().unwrap_or_default()).unwrap();
        for (_, certificate) in &signers.openpgp {
            let file = folder.join("certificate");
            std::fs::write(&file, certificate).unwrap();
            let mut import = Command::new("gpg");
            import.env("GNUPGHOME", &home).args(["--batch", "--quiet", "--import"]).arg(&file);
            // A broken one is imported by nobody, and the answer then is no.
            quiet(&mut import);
        }
        let mut git = Command::new("git");
        git.arg("-C").arg(&self.repository).env("GNUPGHOME", &home).env("LC_ALL", "C").env("TZ", "UTC");
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for (name, value) in [("ssh.allowedSignersFile", &allowed), ("ssh.revocationFile", &revoked), ("program", &gpg)]
        {
            git.arg("-c").arg(format!("gpg.{name}={}", value.display()));
        }
        git.args(["-c", "gpg.ssh.program=ssh-keygen", "-c", "safe.directory=*", "verify-commit", "--raw", &self.head]);
        let output = quiet(&mut git);
        Theirs { good: output.status.success(), words: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    /// Why we accept what git does not.
    fn why_accepted(&self, theirs: &Theirs) -> Option<&'static str> {
        let chosen = [Some(self.policy.root.as_str()), self.policy.rollback_to.as_deref()];
        let applied = self.base.applied.map(|id| id.to_string());
        if self.policy.mode == Mode::Tag {
            Some("rule 7: the tag is the authority, its commit needs no signature")
        } else if chosen.contains(&Some(&self.head)) || applied.as_ref() == Some(&self.head) {
            Some("rule 6: what is pinned, applied or chosen by the administrator is not judged")
        } else if theirs.words.contains("REVKEYSIG") {
            Some("rule 4: a retired key's older signatures stay good; gpg refuses them all")
        } else if theirs.words.contains("EXPKEYSIG") {
            Some("rule 4: expiry counts at the time of the signature; gpg judges at the time of asking")
        } else if self.policy.in_repository.is_some() {
            Some("rule 10: the signers are listed in the repository, which git was not told")
        } else {
            None
        }
    }
}

/// Why we refuse a head whose signature git finds good.
fn why_refused(reason: Reason, of_head: bool) -> Option<&'static str> {
    if !of_head {
        return Some("rules 6 to 11: git looks at the head alone, and what is refused is another object or the whole");
    }
    Some(match reason {
        Reason::BadConfiguration => "rule 0: a line or option that cannot be read refuses everything",
        Reason::CorruptObject | Reason::IncompleteHistory | Reason::LimitExceeded => "rule 1: objects and limits",
        Reason::MalformedObject => "rule 2: git reads commits that two readers may take differently",
        Reason::MalformedSignature => "rule 3: exactly one armor block with exactly one signature, nothing around it",
        Reason::UnsupportedSignature => "rule 3: OpenPGP and SSH signatures of the known versions only",
        Reason::WeakAlgorithm | Reason::WeakKey => "rules 4 and 5: SHA-2, RSA from 2048 bits, no DSA",
        Reason::WrongSignatureType => "rule 4: binary documents only, so that line ends cannot change",
        Reason::CriticalSubpacket | Reason::SignatureExpired | Reason::SignatureTimeMismatch => {
            "rule 4: sub-packets and times"
        }
        Reason::UserPresenceMissing | Reason::UnsupportedCertificate => {
            "rule 5: touch and critical options are asked for"
        }
        Reason::TrustRootNotAncestor | Reason::Rollback | Reason::NonFastForward => "rule 6: where the head may lie",
        Reason::FirstParentDiscontinuity => "rule 7: the line has to lead through what was applied",
        Reason::TagNameMismatch | Reason::TagMoved | Reason::TagTargetNotCommit => "rule 7: tags",
        Reason::FutureDated | Reason::TimeRegression => "rule 8: dates",
        Reason::CommitterMismatch
        | Reason::HeadNotPromoted
        | Reason::SignerNotAllowedForChange
        | Reason::PathNotAuthorised
        | Reason::ThresholdNotMet => "rule 9: who",
        Reason::PolicyRemoved => "rule 10: the signers file",
        Reason::UnsafeTree => "rule 11: trees",
        Reason::RevokedKey | Reason::KeyNotSigningCapable | Reason::MissingBackSignature => "rule 4: state of the key",
        // These git must see as we do: a head that is not signed, or not by them, or not like this.
        Reason::Unsigned
        | Reason::UnknownSigner
        | Reason::BadSignature
        | Reason::WrongNamespace
        | Reason::KeyNotValidForNamespace
        | Reason::KeyNotValidAtTime
        | Reason::Internal => return None,
    })
}

/// Disagreements that no general rule explains, each with its own reason.
const ALONE: &[(&str, &str)] = &[
    ("H025", "inputs: replace references count for nothing; git verifies what the head is replaced by"),
    ("P067", "rule 4: S of an EdDSA signature is canonical; libgcrypt takes S and S + L for the same"),
];

fn compare(questions: &[Question]) {
    let (mut unexplained, mut explained) = (Vec::new(), 0);
    for question in questions {
        let folder = tempfile::Builder::new().prefix("gw").tempdir_in("/tmp").unwrap();
        let (ours, theirs) = (question.ours(), question.theirs(folder.path()));
        let (said, why) = match (&ours, theirs.good) {
            (Ours::Accepted, true) | (Ours::Refused(..), false) => continue,
            (Ours::Accepted, false) => ("accepted, git: no".to_owned(), question.why_accepted(&theirs)),
            (Ours::Refused(reason, of_head), true) => {
                let listed = question.policy.in_repository.is_some();
                let listed =
                    listed.then_some("rule 10: judged by the signers files of the parents, which git was not told");
                (format!("{}, git: good", reason.code()), why_refused(*reason, *of_head).or(listed))
            }
        };
        let alone = ALONE.iter().find(|(id, _)| *id == question.id).map(|(_, why)| *why);
        match why.or(alone) {
            Some(why) => {
                explained += 1;
                println!("{}: {said}; {why}", question.id);
            }
            None => unexplained.push(format!("{}: {said}: {}", question.id, theirs.words.trim())),
        }
    }
    println!("{} heads, {explained} disagreements explained", questions.len());
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
}

fn quiet(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

#[test]
fn every_disagreement_with_git_over_the_open_cases_has_its_rule() {
    let Some(folder) = collection("attacks") else {
        println!("collection absent: attacks");
        return;
    };
    let cases = cases(&folder);
    let unpacked: Vec<_> = cases.iter().map(Case::unpack).collect();
    let question = |(case, (_, repository)): (&Case, &(tempfile::TempDir, PathBuf))| {
        let (policy, told) = (case.policy(), &case.told["trust"]["policy"]);
        Question {
            id: case.id.clone(),
            repository: repository.clone(),
            head: case.told["head"].as_str().unwrap().to_owned(),
            reference: told["ref"].as_str().unwrap_or_default().to_owned(),
            base: case.base(),
            now: told["now"].as_i64().unwrap(),
            policy,
        }
    };
    let questions: Vec<Question> = cases.iter().zip(&unpacked).map(question).collect();
    compare(&questions);
}

#[test]
fn every_disagreement_with_git_over_our_own_commits_has_its_rule() {
    let mut place = Place::new();
    let carol = place.signers.gpg_key("carol@example.org", "ed25519");
    let late = place.signers.gpg_key_at("late@example.org", "rsa2048", "20260101T000000", "20260601T120000");
    let short = {
        let key = place.signers.ssh_key("short@example.org", "rsa");
        // ssh-keygen makes no shorter ones any more than 1024 bits; git takes them.
        run(Command::new("sh").arg("-c").arg(format!(
            "rm {0} {0}.pub && ssh-keygen -q -N '' -t rsa -b 1024 -C short@example.org -f {0}",
            key.private.display()
        )));
        let public = std::fs::read_to_string(key.private.with_extension("pub")).unwrap().trim_end().to_owned();
        crate::support::signing::SshKey { public, ..key }
    };
    let unlisted = place.signers.ssh_key("mallory@example.org", "ecdsa");
    place.policy.signers[0].openpgp =
        [&carol, &late].map(|key| (key.principal.clone(), place.signers.certificate(key))).into_iter().collect();
    let (alice, bob) = (place.alice.public.clone(), place.bob.public.clone());
    let known = format!("alice@example.org {alice}\nbob@example.org valid-before=\"202606010200\" {bob}\n");
    place.allow(known + &Signers::allowed_signers(&[&short]));
    let mut questions = Vec::new();
    let all = [
        ("alice", By::Ssh(&place.alice), HOUR),
        ("bob in time", By::Ssh(&place.bob), HOUR),
        ("bob too late", By::Ssh(&place.bob), 3 * HOUR),
        ("short key", By::Ssh(&short), HOUR),
        ("unlisted", By::Ssh(&unlisted), HOUR),
        ("nobody", By::Nobody, HOUR),
        ("carol", By::Gpg(&carol), HOUR),
        ("expired since", By::Gpg(&late), HOUR),
    ];
    for (id, by, after) in all {
        place.git(&["reset", "-q", "--hard", &place.root]);
        let head = place.commit("a", id, by, after);
        questions.push((id, head, place.policy.clone()));
        let mut withdrawn = place.policy.clone();
        withdrawn.signers[0].revoked = Some(alice.clone().into_bytes());
        questions.push((id, questions.last().unwrap().1.clone(), withdrawn));
    }
    let question = |(id, head, policy): (&str, String, PolicyInput)| Question {
        id: id.to_owned(),
        repository: place.repository.clone(),
        head,
        reference: "refs/heads/main".into(),
        policy,
        base: Base::default(),
        now: place.now + DAY,
    };
    let questions: Vec<Question> = questions.into_iter().map(question).collect();
    compare(&questions);
}
