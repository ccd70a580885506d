//! A repository with a pinned commit and people who sign, made by the real git, gpg and ssh-keygen.

use std::path::{Path, PathBuf};

use gitwarrant::git::{Fetched, Repository};
use gitwarrant::trust::{Base, ConfigError, Policy, PolicyInput, Reason, SignersText, verify};
use jiff::Timestamp;

use crate::support::signing::{By, GpgKey, Signers, SshKey, run};

/// 2026-06-01T00:00:00Z: the pinned commit is made then, and judged a day later.
pub(crate) const THEN: i64 = 1_780_272_000;
pub(crate) const HOUR: i64 = 3600;
pub(crate) const DAY: i64 = 24 * HOUR;

/// A repository with a pinned unsigned commit, and the people who may sign.
pub(crate) struct Place {
    pub(crate) signers: Signers,
    pub(crate) kept: tempfile::TempDir,
    pub(crate) repository: PathBuf,
    pub(crate) root: String,
    pub(crate) alice: SshKey,
    pub(crate) bob: SshKey,
    pub(crate) policy: PolicyInput,
    pub(crate) base: Base,
    pub(crate) now: i64,
}

impl Place {
    pub(crate) fn new() -> Self {
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
    pub(crate) fn commit(&self, path: &str, text: &str, by: By<'_>, after: i64) -> String {
        let file = self.repository.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
        self.signers.commit(&self.repository, path, by, THEN + after)
    }

    pub(crate) fn git(&self, arguments: &[&str]) {
        run(self.signers.git(&self.repository, THEN).args(arguments));
    }

    pub(crate) fn applied(&mut self, id: &str) {
        self.base.applied = Some(id.parse().unwrap());
    }

    pub(crate) fn allow(&mut self, text: String) {
        self.policy.signers[0].allowed_signers = Some(text);
    }

    pub(crate) fn certify(&mut self, key: &GpgKey) {
        let certificate = self.signers.certificate(key);
        self.policy.signers[0].openpgp = vec![(key.principal.clone(), certificate)];
    }

    pub(crate) fn judge_at(&self, reference: &str) -> Result<Vec<String>, Reason> {
        let policy = Policy::read(&self.policy).unwrap();
        let repository = Repository::open(&self.repository).unwrap();
        let (mut commit, objects) = repository.resolve(reference).unwrap().into_parts();
        if reference.starts_with("refs/") {
            reference.clone_into(&mut commit.reference);
        }
        let now = Timestamp::from_second(self.now).unwrap();
        verify(Fetched::new(commit, objects), &policy, &self.base, None, now)
            .map(|verified| verified.judged().iter().map(|one| one.signer.clone()).collect())
            .map_err(|refusal| refusal.reason())
    }

    pub(crate) fn judge(&self) -> Result<Vec<String>, Reason> {
        self.judge_at("HEAD")
    }

    /// Replaces HEAD by an object made of `raw`, whatever git thinks of it.
    pub(crate) fn forge(&self, raw: &[u8]) {
        let file = self.kept.path().join("raw");
        std::fs::write(&file, raw).unwrap();
        let mut hash = self.signers.git(&self.repository, THEN);
        hash.args(["hash-object", "-t", "commit", "-w", "--literally"]).arg(&file);
        let id = String::from_utf8(run(&mut hash).stdout).unwrap();
        std::fs::write(self.repository.join(".git/refs/heads/main"), id).unwrap();
    }

    /// Signs HEAD, which is not signed, with what `sign` makes of the file that holds it: a whole armor.
    pub(crate) fn sign_head(&self, sign: impl FnOnce(&Path) -> String) {
        let (raw, file) = (self.raw_head(), self.kept.path().join("payload"));
        std::fs::write(&file, &raw).unwrap();
        let header = format!("gpgsig {}", sign(&file).trim_end().replace('\n', "\n "));
        let (headers, message) = raw.split_once("\n\n").unwrap();
        self.forge(format!("{headers}\n{header}\n\n{message}").as_bytes());
    }

    /// What gpg makes of `file` at `at` (seconds since 1970) by `key` with these arguments more.
    pub(crate) fn gpg_sign(&self, key: &GpgKey, at: i64, arguments: &[&str], file: &Path) -> String {
        let mut gpg = self.signers.gpg();
        let time = jiff::Timestamp::from_second(at).unwrap().strftime("%Y%m%dT%H%M%S!").to_string();
        gpg.args(["--faked-system-time", &time, "--armor", "--local-user", &format!("{}!", key.fingerprint)]);
        let output = run(gpg.args(arguments).arg("--output").arg("-").arg(file));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn raw_head(&self) -> String {
        let output = run(self.signers.git(&self.repository, THEN).args(["cat-file", "commit", "HEAD"]));
        String::from_utf8(output.stdout).unwrap()
    }
}

pub(crate) fn config_error(policy: &PolicyInput) -> ConfigError {
    Policy::read(policy).map(drop).unwrap_err()
}
