//! Histories as attackers, careless mergers and bent servers make them; every case made here by the real git, gpg and
//! ssh-keygen.

use std::path::{Path, PathBuf};

use gitwarrant::git::{Fetched, Repository};
use gitwarrant::trust::{
    Base, BindCommitter, ConfigError, Mode, PathRuleText, Policy, PolicyInput, Reason, SignersText, verify,
};
use jiff::Timestamp;

use crate::support::signing::{By, GpgKey, Signers, SshKey, run};

/// 2026-06-01T00:00:00Z: the pinned commit is made then, and judged a day later.
const THEN: i64 = 1_780_272_000;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// A repository with a pinned unsigned commit, and the people who may sign.
struct Place {
    signers: Signers,
    kept: tempfile::TempDir,
    repository: PathBuf,
    root: String,
    alice: SshKey,
    bob: SshKey,
    policy: PolicyInput,
    base: Base,
    now: i64,
}

impl Place {
    fn new() -> Self {
        let signers = Signers::new();
        let kept = tempfile::tempdir().unwrap();
        let repository = kept.path().join("repo");
        signers.init(&repository);
        let alice = signers.ssh_key("alice@example.org", "ed25519");
        let bob = signers.ssh_key("bob@example.org", "ed25519");
        std::fs::create_dir_all(repository.join("prod")).unwrap();
        std::fs::write(repository.join("prod/app.yaml"), "a: 1\n\nb: 1\n\nc: 1\n\nd: 1\n").unwrap();
        std::fs::write(repository.join("readme"), "hello\n").unwrap();
        let root = signers.commit(&repository, "root", By::Nobody, THEN);
        let allowed_signers = Some(Signers::allowed_signers(&[&alice, &bob]));
        let policy = PolicyInput {
            root: root.clone(),
            signers: vec![SignersText { name: "signers".into(), allowed_signers, ..SignersText::default() }],
            ..PolicyInput::default()
        };
        Self { signers, kept, repository, root, alice, bob, policy, base: Base::default(), now: THEN + DAY }
    }

    /// Changes a file and commits it `after` seconds from the pinned commit.
    fn commit(&self, path: &str, text: &str, by: By<'_>, after: i64) -> String {
        let file = self.repository.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
        self.signers.commit(&self.repository, path, by, THEN + after)
    }

    fn git(&self, arguments: &[&str]) {
        run(self.signers.git(&self.repository, THEN).args(arguments));
    }

    fn applied(&mut self, id: &str) {
        self.base.applied = Some(id.parse().unwrap());
    }

    fn allow(&mut self, text: String) {
        self.policy.signers[0].allowed_signers = Some(text);
    }

    fn certify(&mut self, key: &GpgKey) {
        let certificate = self.signers.certificate(key);
        self.policy.signers[0].openpgp = vec![(key.principal.clone(), certificate)];
    }

    fn judge_at(&self, reference: &str) -> Result<Vec<String>, Reason> {
        let policy = Policy::read(&self.policy).unwrap();
        let repository = Repository::open(&self.repository).unwrap();
        let (mut commit, objects) = repository.resolve(reference).unwrap().into_parts();
        if reference.starts_with("refs/") {
            commit.reference = reference.to_owned();
        }
        let now = Timestamp::from_second(self.now).unwrap();
        verify(Fetched::new(commit, objects), &policy, &self.base, None, now)
            .map(|verified| verified.judged().iter().map(|one| one.signer.clone()).collect())
            .map_err(|refusal| refusal.reason())
    }

    fn judge(&self) -> Result<Vec<String>, Reason> {
        self.judge_at("HEAD")
    }

    /// Replaces HEAD by an object made of `raw`, whatever git thinks of it.
    fn forge(&self, raw: &[u8]) {
        let file = self.kept.path().join("raw");
        std::fs::write(&file, raw).unwrap();
        let mut hash = self.signers.git(&self.repository, THEN);
        hash.args(["hash-object", "-t", "commit", "-w", "--literally"]).arg(&file);
        let id = String::from_utf8(run(&mut hash).stdout).unwrap();
        std::fs::write(self.repository.join(".git/refs/heads/main"), id).unwrap();
    }

    fn raw_head(&self) -> String {
        let output = run(self.signers.git(&self.repository, THEN).args(["cat-file", "commit", "HEAD"]));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn config_error(policy: &PolicyInput) -> ConfigError {
    Policy::read(policy).map(drop).unwrap_err()
}

#[test]
fn ssh_keys_of_every_type_are_believed() {
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let mut place = Place::new();
        let key = place.signers.ssh_key("carol@example.org", kind);
        place.allow(Signers::allowed_signers(&[&key]));
        place.commit("a", "1", By::Ssh(&key), HOUR);
        assert_eq!(place.judge(), Ok(vec!["carol@example.org".into()]), "{kind}");
    }
}

#[test]
fn openpgp_keys_of_every_type_are_believed() {
    for algorithm in ["ed25519", "nistp256", "rsa2048"] {
        let mut place = Place::new();
        let key = place.signers.gpg_key("carol@example.org", algorithm);
        place.certify(&key);
        place.commit("a", "1", By::Gpg(&key), HOUR);
        assert_eq!(place.judge(), Ok(vec!["carol@example.org".into()]), "{algorithm}");
    }
}

#[test]
fn the_pinned_commit_needs_no_signature_and_every_later_one_does() {
    let place = Place::new();
    assert_eq!(place.judge(), Ok(vec![]));
    place.commit("a", "1", By::Nobody, HOUR);
    assert_eq!(place.judge(), Err(Reason::Unsigned));
    place.commit("b", "1", By::Ssh(&place.alice), 2 * HOUR);
    assert_eq!(place.judge(), Err(Reason::Unsigned), "a signed commit on top vouches for nothing");
}

#[test]
fn an_unsigned_commit_under_a_signed_merge_is_refused_unless_merges_vouch() {
    let mut place = Place::new();
    place.git(&["checkout", "-q", "-b", "side"]);
    place.commit("side", "1", By::Nobody, HOUR);
    place.git(&["checkout", "-q", "main"]);
    place.signers.merge(&place.repository, "side", By::Ssh(&place.alice), THEN + 2 * HOUR);
    assert_eq!(place.judge(), Err(Reason::Unsigned));
    place.policy.mode = Mode::FirstParent;
    assert_eq!(place.judge(), Ok(vec!["alice@example.org".into()]));
}

#[test]
fn a_commit_changed_after_signing_is_refused() {
    let place = Place::new();
    place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    let raw = place.raw_head();
    place.forge(raw.replace("\n\na", "\n\nb").as_bytes());
    assert_eq!(place.judge(), Err(Reason::BadSignature));
    place.forge(raw.replacen("\n\na", "\n\na\0", 1).as_bytes());
    assert_eq!(place.judge(), Err(Reason::MalformedObject));
    let twice = raw.replacen("committer", "committer X <x@example.org> 1 +0000\ncommitter", 1);
    place.forge(twice.as_bytes());
    assert_eq!(place.judge(), Err(Reason::MalformedObject));
    place.forge(raw.replacen("-----END SSH SIGNATURE-----", "-----END SSH SIGNATURE-----\n more", 1).as_bytes());
    assert_eq!(place.judge(), Err(Reason::MalformedSignature));
}

#[test]
fn a_key_nobody_listed_is_refused() {
    let mut place = Place::new();
    let mallory = place.signers.ssh_key("alice@example.org", "ecdsa");
    place.commit("a", "1", By::Ssh(&mallory), HOUR);
    assert_eq!(place.judge(), Err(Reason::UnknownSigner), "the name in a key's comment proves nothing");
    let gpg = place.signers.gpg_key("alice@example.org", "ed25519");
    place.commit("a", "2", By::Gpg(&gpg), 2 * HOUR);
    place.allow(Signers::allowed_signers(&[&mallory]));
    assert_eq!(place.judge(), Err(Reason::UnknownSigner), "nor does a user id");
}

#[test]
fn options_of_allowed_signers_are_kept() {
    let mut place = Place::new();
    place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    let key = place.alice.public.clone();
    for (options, expected) in [
        ("namespaces=\"git,file\"", Ok(())),
        ("namespaces=\"file\"", Err(Reason::KeyNotValidForNamespace)),
        ("namespaces=\"!git,*\"", Err(Reason::KeyNotValidForNamespace)),
        ("valid-after=\"20260601010000Z\",valid-before=\"20260601010000Z0\"", Err(Reason::BadConfiguration)),
        ("valid-before=\"20260601010000\"", Ok(())),
        ("valid-before=\"20260601005959Z\"", Err(Reason::KeyNotValidAtTime)),
        ("valid-after=\"20260601010000Z\"", Ok(())),
        ("valid-after=\"20260601010001Z\"", Err(Reason::KeyNotValidAtTime)),
        ("cert-authority", Err(Reason::UnknownSigner)),
        ("no-touch-required", Err(Reason::BadConfiguration)),
    ] {
        place.allow(format!("alice@example.org {options} {key}\n"));
        let found = match Policy::read(&place.policy) {
            Ok(_) => place.judge().map(drop),
            Err(_) => Err(Reason::BadConfiguration),
        };
        assert_eq!(found, expected, "{options}");
    }
}

#[test]
fn a_line_that_cannot_be_read_refuses_everything_and_is_named() {
    let mut place = Place::new();
    place.allow(format!("alice@example.org {}\nbob@example.org ssh-ed25519 AAAA\n", place.alice.public));
    let error = config_error(&place.policy);
    assert_eq!((error.file.as_str(), error.line), ("signers/allowed_signers", Some(2)));
}

#[test]
fn withdrawn_keys_sign_nothing_by_list_and_by_krl() {
    let mut place = Place::new();
    place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    place.policy.signers[0].revoked = Some(place.bob.public.clone().into_bytes());
    assert!(place.judge().is_ok());
    place.policy.signers[0].revoked = Some(place.alice.public.clone().into_bytes());
    assert_eq!(place.judge(), Err(Reason::RevokedKey));
    for (withdrawn, expected) in [(&place.alice, Err(Reason::RevokedKey)), (&place.bob, Ok(()))] {
        let krl = place.kept.path().join("krl");
        let public = withdrawn.private.with_extension("pub");
        run(std::process::Command::new("ssh-keygen").args(["-q", "-k", "-f"]).arg(&krl).arg(public));
        place.policy.signers[0].revoked = Some(std::fs::read(&krl).unwrap());
        assert_eq!(place.judge().map(drop), expected);
    }
    place.policy.signers[0].revoked = None;
    place.policy.revoked_principals = vec!["alice@example.org".into()];
    assert_eq!(place.judge(), Err(Reason::RevokedKey));
}

#[test]
fn user_certificates_count_under_their_authority_alone() {
    let mut place = Place::new();
    let authority = place.signers.ssh_key("ca", "ed25519");
    let certify = |place: &Place, options: &[&str]| {
        let mut keygen = std::process::Command::new("ssh-keygen");
        keygen.args(["-q", "-I", "id", "-s"]).arg(&authority.private).args(options);
        run(keygen.arg(place.bob.private.with_extension("pub")));
        let certificate = place.bob.private.to_str().unwrap().to_owned() + "-cert.pub";
        SshKey { principal: String::new(), private: certificate.into(), public: String::new() }
    };
    let line = |options: &str| format!("*@example.org {options} {}\n", authority.public);
    place.allow(line("cert-authority"));
    let window = "20260531000000Z:20260602000000Z";
    for (options, expected) in [
        (vec!["-n", "bob@example.org", "-V", window], Ok(vec!["bob@example.org".to_owned()])),
        (vec!["-n", "bob@elsewhere.org", "-V", window], Err(Reason::UnknownSigner)),
        (vec!["-n", "bob@example.org", "-V", "20260501000000Z:20260531000000Z"], Err(Reason::KeyNotValidAtTime)),
        (vec!["-h", "-n", "bob@example.org", "-V", window], Err(Reason::UnknownSigner)),
        (vec!["-n", "bob@example.org", "-V", window, "-O", "force-command=x"], Err(Reason::UnsupportedCertificate)),
    ] {
        place.git(&["reset", "-q", "--hard", &place.root]);
        let by = certify(&place, &options);
        place.commit("a", "1", By::Ssh(&by), HOUR);
        assert_eq!(place.judge(), expected, "{options:?}");
    }
    let by = certify(&place, &["-n", "bob@example.org", "-V", window]);
    place.git(&["reset", "-q", "--hard", &place.root]);
    place.commit("a", "1", By::Ssh(&by), HOUR);
    place.allow(line(""));
    assert_eq!(place.judge(), Err(Reason::UnknownSigner), "an authority that is listed as a key");
    place.allow(line("cert-authority"));
    place.policy.signers[0].revoked = Some(authority.public.clone().into_bytes());
    assert_eq!(place.judge(), Err(Reason::RevokedKey));
}

#[test]
fn an_expired_openpgp_key_signs_nothing_after_its_end() {
    let mut place = Place::new();
    let key = place.signers.gpg_key("carol@example.org", "ed25519");
    place.commit("a", "1", By::Gpg(&key), 11 * HOUR);
    let mut expire = place.signers.gpg();
    expire.args(["--faked-system-time=20260601T010000!", "--quick-set-expire", &key.fingerprint, "20260601T120000"]);
    run(&mut expire);
    place.certify(&key);
    assert!(place.judge().is_ok(), "signed before its end, though judged after it");
    let late = place.signers.gpg_key("late", "ed25519");
    place.commit("a", "2", By::Gpg(&late), 20 * HOUR);
    let mut expire = place.signers.gpg();
    expire.args(["--faked-system-time=20260601T010000!", "--quick-set-expire", &late.fingerprint, "20260601T120000"]);
    run(&mut expire);
    let certificate = place.signers.certificate(&late);
    place.policy.signers[0].openpgp.push(("late".into(), certificate));
    assert_eq!(place.judge(), Err(Reason::KeyNotValidAtTime));
}

#[test]
fn back_dating_revives_no_retired_key() {
    let mut place = Place::new();
    place.now = THEN + 40 * DAY;
    let (alice, bob) = (place.alice.public.clone(), place.bob.public.clone());
    place.allow(format!("alice@example.org {alice}\nbob@example.org valid-before=\"20260605\" {bob}\n"));
    place.commit("a", "1", By::Ssh(&place.alice), 30 * DAY);
    let new = place.commit("b", "1", By::Ssh(&place.bob), 31 * DAY);
    assert_eq!(place.judge(), Err(Reason::KeyNotValidAtTime));
    place.git(&["reset", "-q", "--hard", &format!("{new}~1")]);
    place.commit("b", "1", By::Ssh(&place.bob), DAY);
    assert_eq!(place.judge(), Err(Reason::TimeRegression));
    place.git(&["reset", "-q", "--hard", &format!("{new}~1")]);
    place.commit("b", "1", By::Ssh(&place.alice), 41 * DAY);
    assert_eq!(place.judge(), Err(Reason::FutureDated));
}

#[test]
fn a_branch_that_goes_back_or_aside_is_refused_unless_exactly_that_was_asked_for() {
    let mut place = Place::new();
    let first = place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    let second = place.commit("a", "2", By::Ssh(&place.alice), 2 * HOUR);
    place.applied(&second);
    place.git(&["reset", "-q", "--hard", &first]);
    assert_eq!(place.judge(), Err(Reason::Rollback));
    place.policy.rollback_to = Some(place.root.clone());
    assert_eq!(place.judge(), Err(Reason::Rollback), "another commit was authorised");
    place.policy.rollback_to = Some(first.clone());
    assert_eq!(place.judge(), Ok(vec![]));
    place.commit("a", "3", By::Ssh(&place.alice), 3 * HOUR);
    assert_eq!(place.judge(), Err(Reason::NonFastForward));
    place.policy.root.clone_from(&second);
    assert_eq!(place.judge(), Err(Reason::TrustRootNotAncestor));
}

#[test]
fn what_was_applied_is_not_judged_again() {
    let mut place = Place::new();
    let unsigned = place.commit("a", "1", By::Nobody, HOUR);
    place.applied(&unsigned);
    place.commit("a", "2", By::Ssh(&place.bob), 2 * HOUR);
    assert_eq!(place.judge(), Ok(vec!["bob@example.org".into()]));
}

#[test]
fn replace_references_grafts_and_shallow_marks_count_for_nothing() {
    let place = Place::new();
    let good = place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    let bad = place.commit("a", "2", By::Nobody, 2 * HOUR);
    place.git(&["replace", &bad, &good]);
    assert_eq!(place.judge(), Err(Reason::Unsigned));
    place.commit("a", "3", By::Ssh(&place.alice), 3 * HOUR);
    let dot_git = place.repository.join(".git");
    std::fs::create_dir_all(dot_git.join("info")).unwrap();
    let head = place.signers.rev_parse(&place.repository, "HEAD");
    std::fs::write(dot_git.join("info/grafts"), format!("{head} {good}\n")).unwrap();
    assert_eq!(place.judge(), Err(Reason::Unsigned));
    std::fs::remove_file(dot_git.join("info/grafts")).unwrap();
    std::fs::write(dot_git.join("shallow"), format!("{head}\n")).unwrap();
    assert_eq!(place.judge(), Err(Reason::Unsigned));
}

#[test]
fn a_missing_object_is_no_shortcut() {
    let place = Place::new();
    let middle = place.commit("a", "1", By::Nobody, HOUR);
    place.commit("a", "2", By::Ssh(&place.alice), 2 * HOUR);
    std::fs::remove_file(loose(&place.repository, &middle)).unwrap();
    assert_eq!(place.judge(), Err(Reason::IncompleteHistory));
}

fn loose(repository: &Path, id: &str) -> PathBuf {
    repository.join(".git/objects").join(&id[..2]).join(&id[2..])
}

#[test]
fn promoters_and_thresholds_count_people_over_the_same_tree() {
    let mut place = Place::new();
    place.policy.promoters = vec!["bob@example.org".into()];
    place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    assert_eq!(place.judge(), Err(Reason::HeadNotPromoted));
    place.policy.promoters.clear();
    place.policy.threshold = 2;
    assert_eq!(place.judge(), Err(Reason::ThresholdNotMet));
    let second = place.signers.ssh_key("alice@example.org", "ecdsa");
    place.allow(Signers::allowed_signers(&[&place.alice, &place.bob, &second]));
    place.signers.commit(&place.repository, "approve", By::Ssh(&second), THEN + 2 * HOUR);
    assert_eq!(place.judge(), Err(Reason::ThresholdNotMet), "two keys of one principal");
    place.signers.commit(&place.repository, "approve", By::Ssh(&place.bob), THEN + 3 * HOUR);
    assert!(place.judge().is_ok());
    place.commit("a", "2", By::Ssh(&place.bob), 4 * HOUR);
    assert_eq!(place.judge(), Err(Reason::ThresholdNotMet), "an approval is for one tree");
}

fn prod_is_bobs(place: &mut Place) {
    let rule = |path: &str, names: &[&str]| PathRuleText {
        paths: vec![path.into()],
        signers: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    place.policy.path_rules =
        vec![rule("prod/**", &["bob@example.org"]), rule("**", &["alice@example.org", "bob@example.org"])];
}

#[test]
fn path_rules_hold_for_every_commit() {
    let mut place = Place::new();
    prod_is_bobs(&mut place);
    place.commit("readme", "new\n", By::Ssh(&place.alice), HOUR);
    place.commit("prod/app.yaml", "a: 2\n\nb: 1\n\nc: 1\n\nd: 1\n", By::Ssh(&place.bob), 2 * HOUR);
    assert!(place.judge().is_ok());
    place.commit("prod/new.yaml", "1", By::Ssh(&place.alice), 3 * HOUR);
    std::fs::remove_file(place.repository.join("prod/new.yaml")).unwrap();
    place.signers.commit(&place.repository, "undo", By::Ssh(&place.bob), THEN + 4 * HOUR);
    assert_eq!(place.judge(), Err(Reason::PathNotAuthorised), "changed and changed back");
}

/// Alice's branch changes `readme` and Bob's main line the last line of the app; then Alice merges as `edit` says.
fn merged(edit: impl Fn(&Place)) -> Result<Vec<String>, Reason> {
    let mut place = Place::new();
    prod_is_bobs(&mut place);
    let first = place.commit("prod/app.yaml", "a: 2\n\nb: 1\n\nc: 1\n\nd: 1\n", By::Ssh(&place.bob), HOUR);
    place.git(&["checkout", "-q", "-b", "side"]);
    place.commit("readme", "side\n", By::Ssh(&place.alice), 2 * HOUR);
    place.commit("prod/app.yaml", "a: 3\n\nb: 1\n\nc: 1\n\nd: 1\n", By::Ssh(&place.bob), 2 * HOUR);
    place.git(&["checkout", "-q", "main"]);
    assert_eq!(place.signers.rev_parse(&place.repository, "HEAD"), first);
    place.commit("prod/app.yaml", "a: 2\n\nb: 1\n\nc: 1\n\nd: 9\n", By::Ssh(&place.bob), 2 * HOUR);
    run(place.signers.git(&place.repository, THEN + 3 * HOUR).args(["merge", "-q", "--no-ff", "--no-commit", "side"]));
    edit(&place);
    place.signers.commit(&place.repository, "merge", By::Ssh(&place.alice), THEN + 3 * HOUR);
    place.judge()
}

#[test]
fn a_merge_as_git_makes_it_changes_nothing_by_itself() {
    assert!(merged(|_| {}).is_ok());
}

#[test]
fn a_merge_that_adds_or_drops_changes_is_the_mergers_own_change() {
    let app = |place: &Place, text: &str| std::fs::write(place.repository.join("prod/app.yaml"), text).unwrap();
    let evil = merged(|place| app(place, "evil: 1\n"));
    assert_eq!(evil, Err(Reason::PathNotAuthorised));
    let ours = merged(|place| app(place, "a: 2\n\nb: 1\n\nc: 1\n\nd: 9\n"));
    assert_eq!(ours, Err(Reason::PathNotAuthorised), "equal to one parent, and the other's change is lost");
    let elsewhere = merged(|place| std::fs::write(place.repository.join("readme"), "evil\n").unwrap());
    assert!(elsewhere.is_ok(), "she may change the readme");
}

#[test]
fn a_forges_key_may_merge_and_nothing_else() {
    let mut place = Place::new();
    let forge = place.signers.ssh_key("forge", "ed25519");
    place.allow(Signers::allowed_signers(&[&place.alice, &place.bob, &forge]));
    place.policy.merge_only = vec!["forge".into()];
    place.git(&["checkout", "-q", "-b", "side"]);
    place.commit("side", "1", By::Ssh(&place.alice), HOUR);
    place.git(&["checkout", "-q", "main"]);
    place.commit("main", "1", By::Ssh(&place.bob), HOUR);
    place.signers.merge(&place.repository, "side", By::Ssh(&forge), THEN + 2 * HOUR);
    assert_eq!(place.judge().map(|judged| judged[0].clone()), Ok("forge".into()));
    place.commit("a", "1", By::Ssh(&forge), 3 * HOUR);
    assert_eq!(place.judge(), Err(Reason::SignerNotAllowedForChange));
}

#[test]
fn the_committer_can_be_bound_to_the_signer() {
    let mut place = Place::new();
    place.policy.bind_committer = BindCommitter::Yes;
    place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    assert_eq!(place.judge(), Err(Reason::CommitterMismatch));
    place.allow(format!("somebody@example.org {}\n", place.alice.public));
    assert!(place.judge().is_ok());
}

#[test]
fn a_repository_cannot_widen_its_own_trust() {
    let mut place = Place::new();
    let carol = place.signers.ssh_key("carol@example.org", "ed25519");
    let both = Signers::allowed_signers(&[&place.alice, &place.bob]);
    let three = Signers::allowed_signers(&[&place.alice, &place.bob, &carol]);
    place.policy.root = place.commit("keys/signers", &both, By::Nobody, HOUR);
    place.policy.in_repository = Some("keys/signers".into());
    place.commit("keys/signers", &three, By::Ssh(&carol), 2 * HOUR);
    assert_eq!(place.judge(), Err(Reason::UnknownSigner), "she lists herself");
    place.git(&["reset", "-q", "--hard", &place.policy.root]);
    place.commit("keys/signers", &three, By::Ssh(&place.alice), 2 * HOUR);
    place.commit("a", "1", By::Ssh(&carol), 3 * HOUR);
    assert!(place.judge().is_ok(), "listed by somebody who was");
    place.policy.revoked_principals = vec!["carol@example.org".into()];
    assert_eq!(place.judge(), Err(Reason::RevokedKey), "the cluster's word stands above the repository's");
    place.policy.revoked_principals.clear();
    place.git(&["rm", "-q", "keys/signers"]);
    place.signers.commit(&place.repository, "rm", By::Ssh(&carol), THEN + 4 * HOUR);
    assert_eq!(place.judge(), Err(Reason::PolicyRemoved));
}

#[test]
fn in_head_mode_an_unjudged_parent_hands_out_no_trust() {
    let mut place = Place::new();
    let mallory = place.signers.ssh_key("mallory@example.org", "ed25519");
    let honest = Signers::allowed_signers(&[&place.alice]);
    place.policy.root = place.commit("signers", &honest, By::Nobody, HOUR);
    place.policy.in_repository = Some("signers".into());
    place.policy.mode = Mode::Head;
    place.commit("signers", &Signers::allowed_signers(&[&place.alice, &mallory]), By::Nobody, 2 * HOUR);
    place.commit("a", "1", By::Ssh(&mallory), 3 * HOUR);
    assert_eq!(place.judge(), Err(Reason::UnknownSigner));
}

#[test]
fn tags_are_bound_to_their_name_their_commit_and_their_order() {
    let mut place = Place::new();
    place.policy.mode = Mode::Tag;
    place.commit("a", "1", By::Nobody, HOUR);
    let tag = place.signers.tag(&place.repository, "v1.1.0", By::Ssh(&place.alice), THEN + HOUR);
    assert_eq!(place.judge_at("refs/tags/v1.1.0"), Ok(vec!["alice@example.org".into()]));
    place.git(&["update-ref", "refs/tags/v1.2.0", &tag]);
    assert_eq!(place.judge_at("refs/tags/v1.2.0"), Err(Reason::TagNameMismatch));
    place.signers.tag(&place.repository, "v1.3.0", By::Nobody, THEN + HOUR);
    assert_eq!(place.judge_at("refs/tags/v1.3.0"), Err(Reason::Unsigned));
    place.git(&["tag", "v1.4.0"]);
    assert_eq!(place.judge_at("refs/tags/v1.4.0"), Err(Reason::Unsigned), "a lightweight one");
    place.applied(&place.root.clone());
    place.base.applied_tag = Some("v1.1.0".into());
    assert_eq!(place.judge_at("refs/tags/v1.1.0"), Err(Reason::TagMoved));
    place.base.applied_tag = Some("v1.10.0".into());
    assert_eq!(place.judge_at("refs/tags/v1.1.0"), Err(Reason::Rollback));
}

#[test]
fn secret_keys_and_junk_among_the_certificates_refuse_everything() {
    let mut place = Place::new();
    let key = place.signers.gpg_key("carol@example.org", "ed25519");
    place.certify(&key);
    let public = place.policy.signers[0].openpgp[0].1.clone();
    let output = run(place.signers.gpg().args(["--armor", "--export-secret-keys", &key.fingerprint]));
    let secret = String::from_utf8(output.stdout).unwrap();
    for bad in [
        secret,
        String::new(),
        "carol".into(),
        format!("{public}more\n"),
        public.replace("PUBLIC KEY BLOCK", "MESSAGE"),
    ] {
        place.policy.signers[0].openpgp[0].1 = bad.clone();
        assert_eq!(config_error(&place.policy).code(), "bad-configuration", "{bad:?}");
    }
    place.policy.signers[0].openpgp[0].1 = format!("{public}\n{public}");
    assert!(Policy::read(&place.policy).is_ok(), "several certificates in one file");
}

#[test]
fn links_may_not_leave_the_repository() {
    for (target, expected) in
        [("readme", Ok(())), ("/etc/passwd", Err(Reason::UnsafeTree)), ("../x", Err(Reason::UnsafeTree))]
    {
        let place = Place::new();
        std::os::unix::fs::symlink(target, place.repository.join("link")).unwrap();
        place.signers.commit(&place.repository, "link", By::Ssh(&place.alice), THEN + HOUR);
        assert_eq!(place.judge().map(drop), expected, "{target}");
    }
}

#[test]
fn dropping_any_one_signature_from_an_accepted_history_refuses_it() {
    for dropped in 0..4 {
        let place = Place::new();
        for step in 0..4 {
            let by = if step == dropped { By::Nobody } else { By::Ssh(&place.alice) };
            place.commit("a", &step.to_string(), by, (step + 1) * HOUR);
        }
        assert_eq!(place.judge(), Err(Reason::Unsigned), "commit {dropped}");
    }
}
