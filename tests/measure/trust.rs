//! Judging: signatures a second beside their bare mathematics, long histories, and a check that finds nothing new.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use gitwarrant::git::{Checked, Commit, Connection, Fetched, Mirror, Oid, Plain, Reference, Remote, Url};
use gitwarrant::trust::{Base, Policy, PolicyInput, SignersText, verify};
use jiff::Timestamp;
use sequoia_openpgp::cert::{CertBuilder, CipherSuite};
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::serialize::{Serialize as _, SerializeInto as _};
use sequoia_openpgp::types::{HashAlgorithm, SignatureType};
use sequoia_openpgp::{Cert, armor};
use ssh_key::{HashAlg, PrivateKey, SshSig};

use super::report::{Report, cpu, process};
use crate::support::gitserver::GitServer;
use crate::support::loom::{Loom, Thread, private, unsigned};
use crate::support::signing::{Signers, run};

/// 2026-06-01T00:00:00Z.
const THEN: i64 = 1_780_272_000;
/// Signatures of one kind that are timed.
const SIGNATURES: usize = 1000;
/// Rounds of each, of which the best counts: the machine may do other things too. Each round has signatures of its own,
/// because the OpenPGP library remembers those that it has found good.
const ROUNDS: usize = 3;

/// Measures.
pub fn measure(report: &mut Report) {
    ssh(report);
    openpgp(report, "ed25519 OpenPGP", CipherSuite::Cv25519);
    openpgp(report, "RSA-4096 OpenPGP", CipherSuite::RSA4k);
    growth(report);
    quiet(report);
}

/// A line of signed commits on a pinned one, in a bare repository.
struct Line {
    folder: tempfile::TempDir,
    policy: PolicyInput,
    head: Oid,
}

impl Line {
    fn new(signers: SignersText, count: usize, mut sign: impl FnMut(&Loom, &Thread<'_>) -> Oid) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let loom = Loom::default();
        let tree = loom.tree(&[("readme", loom.blob(b"hello\n"))]);
        let root = loom.commit(&Thread { tree, parents: &[], date: THEN, message: "root" }, None);
        let mut head = root;
        for step in 1..=count {
            let (message, parents) = (format!("step {step}"), [head]);
            head = sign(&loom, &Thread { tree, parents: &parents, date: THEN + at(step), message: &message });
        }
        let policy = PolicyInput { root: root.to_string(), signers: vec![signers], ..PolicyInput::default() };
        run(git(folder.path()).args(["init", "--bare", "--quiet", "--initial-branch=main", "."]));
        loom.store(&folder.path().join("objects"));
        run(git(folder.path()).args(["update-ref", "refs/heads/main", &head.to_string()]));
        run(git(folder.path()).args(["repack", "-adFq", "--window=0"]));
        Self { folder, policy, head }
    }

    /// How long the whole judgement takes.
    fn judged(&self, count: usize) -> Duration {
        let objects = self.folder.path().join("objects");
        let policy = Policy::read(&self.policy).unwrap();
        let now = Timestamp::from_second(THEN + at(count) + 60).unwrap();
        let objects = gitwarrant::git::Objects::open(&objects, gitwarrant::git::Algorithm::Sha1).unwrap();
        let commit = Commit { reference: "refs/heads/main".into(), head: self.head, tag: None };
        let begin = Instant::now();
        let verified = verify(Fetched::new(commit, objects), &policy, &Base::default(), None, now);
        let took = begin.elapsed();
        assert_eq!(verified.map(|verified| verified.judged().len()).ok(), Some(count));
        took
    }
}

/// Commits come every ten seconds.
fn at(step: usize) -> i64 {
    i64::try_from(step).unwrap() * 10
}

/// The shorter of each pair of times over all rounds, in signatures a second: the bare mathematics, and ours.
fn best(mut round: impl FnMut() -> (Duration, Duration)) -> (f64, f64) {
    let rounds: Vec<(Duration, Duration)> = (0..ROUNDS).map(|_| round()).collect();
    let rate = |times: Option<Duration>| SIGNATURES as f64 / times.unwrap().as_secs_f64();
    (rate(rounds.iter().map(|round| round.0).min()), rate(rounds.iter().map(|round| round.1).min()))
}

fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    git
}

fn alice() -> (SignersText, PrivateKey) {
    let signers = Signers::new();
    let alice = signers.ssh_key("alice@example.org", "ed25519");
    let allowed_signers = Some(Signers::allowed_signers(&[&alice]));
    (SignersText { name: "signers".into(), allowed_signers, ..SignersText::default() }, private(&alice))
}

fn payload(thread: &Thread<'_>) -> Vec<u8> {
    let (headers, message) = unsigned(thread);
    format!("{headers}\n{message}").into_bytes()
}

fn ssh(report: &mut Report) {
    let (theirs, ours) = best(|| {
        let (signers, key) = alice();
        let mut bare: Vec<(Vec<u8>, SshSig)> = Vec::new();
        let line = Line::new(signers, SIGNATURES, |loom, thread| {
            let payload = payload(thread);
            let signature = key.sign("git", HashAlg::Sha512, &payload).unwrap();
            bare.push((payload, signature));
            loom.commit(thread, Some(&key))
        });
        let public = key.public_key();
        let theirs = timed(|| bare.iter().all(|(payload, made)| public.verify("git", payload, made).is_ok()));
        (theirs, line.judged(SIGNATURES))
    });
    report.beside("ed25519 SSH, judged", ours, "ssh-key alone", theirs, "signatures/s");
}

fn timed(work: impl FnOnce() -> bool) -> Duration {
    let begin = Instant::now();
    assert!(work());
    begin.elapsed()
}

fn openpgp(report: &mut Report, what: &str, suite: CipherSuite) {
    let made = std::time::UNIX_EPOCH + Duration::from_secs(u64::try_from(THEN - 86400).unwrap());
    let builder = CertBuilder::new().set_cipher_suite(suite).set_creation_time(made);
    let (cert, _) = builder.add_userid("carol").set_primary_key_flags(flags()).generate().unwrap();
    let mut pair = cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let mut sign = |date: i64, payload: &[u8]| {
        let then = std::time::UNIX_EPOCH + Duration::from_secs(u64::try_from(date).unwrap());
        let builder = SignatureBuilder::new(SignatureType::Binary).set_hash_algo(HashAlgorithm::SHA512);
        builder.set_signature_creation_time(then).unwrap().sign_message(&mut pair, payload).unwrap()
    };
    let key = cert.primary_key().key();
    let (theirs, ours) = best(|| {
        let mut bare: Vec<(Vec<u8>, Signature)> = Vec::new();
        let line = Line::new(listed(&cert), SIGNATURES, |loom, thread| {
            let payload = payload(thread);
            // Two over the same: one for the bare mathematics, and one that it has not seen.
            bare.push((payload.clone(), reread(&sign(thread.date - 1, &payload))));
            let mut armored = armor::Writer::new(Vec::new(), armor::Kind::Signature).unwrap();
            sequoia_openpgp::Packet::from(sign(thread.date, &payload)).serialize(&mut armored).unwrap();
            loom.signed(thread, &String::from_utf8(armored.finalize().unwrap()).unwrap())
        });
        let theirs = timed(|| bare.iter().all(|(payload, made)| made.verify_message(key, payload).is_ok()));
        (theirs, line.judged(SIGNATURES))
    });
    report.beside(format!("{what}, judged"), ours, "sequoia alone", theirs, "signatures/s");
}

fn flags() -> sequoia_openpgp::types::KeyFlags {
    sequoia_openpgp::types::KeyFlags::empty().set_certification().set_signing()
}

fn reread(signature: &Signature) -> Signature {
    use sequoia_openpgp::parse::Parse as _;
    let bytes = sequoia_openpgp::Packet::from(signature.clone()).to_vec().unwrap();
    match sequoia_openpgp::Packet::from_bytes(&bytes).unwrap() {
        sequoia_openpgp::Packet::Signature(signature) => signature,
        other => panic!("a signature was written, {:?} was read", other.tag()),
    }
}

fn listed(cert: &Cert) -> SignersText {
    let text = String::from_utf8(cert.armored().to_vec().unwrap()).unwrap();
    let openpgp = vec![("carol@example.org".to_owned(), text)];
    SignersText { name: "signers".into(), openpgp, ..SignersText::default() }
}

/// The whole program over histories of different length.
fn growth(report: &mut Report) {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_gitwarrant"));
    for (count, times) in [(100, 10), (1_000, 5), (10_000, 3), (100_000, 1)] {
        let (signers, key) = alice();
        let allowed = signers.allowed_signers.clone().unwrap();
        let line = Line::new(signers, count, |loom, thread| loom.commit(thread, Some(&key)));
        let file = line.folder.path().join("repository.yaml");
        let resource = serde_json::json!({
            "apiVersion": "gitwarrant.io/v1alpha1",
            "kind": "Repository",
            "metadata": {"name": "long"},
            "spec": {
                "url": "https://git.example.org/long.git",
                "ref": {"branch": "main"},
                "trust": {"root": line.policy.root, "signers": {"allowedSigners": allowed}},
            },
        });
        std::fs::write(&file, resource.to_string()).unwrap();
        let now = Timestamp::from_second(THEN + at(count) + 60).unwrap().to_string();
        let folder = line.folder.path().to_str().unwrap();
        let arguments = ["verify", folder, "--repository", file.to_str().unwrap(), "--at", &now, "-o", "sarif"];
        let cost = process(times, &program, &arguments, &[]);
        report.row(format!("{count} new commits, wall time"), cost.wall.as_secs_f64() * 1e3, "ms");
        report.row(format!("{count} new commits, peak memory"), cost.peak, "MiB");
    }
}

/// What it costs to learn that a branch did not move.
fn quiet(report: &mut Report) {
    const CHECKS: u32 = 300;
    let (signers, key) = alice();
    let line = Line::new(signers, 10, |loom, thread| loom.commit(thread, Some(&key)));
    let server = GitServer::start(line.folder.path());
    let url = Url::parse(&server.url(""), Plain::Allow).unwrap();
    let transport = Connection::new(Remote::new(url)).unwrap();
    let reference = Reference::Branch("main".into());
    let known = Commit { reference: "refs/heads/main".into(), head: line.head, tag: None };
    let check = || assert_eq!(Mirror::check(&transport, &reference, Some(&known)).unwrap(), Checked::Unmoved);
    check();
    let posted: usize = server.seen().iter().map(|seen| seen.body.len()).sum();
    let (before, begin) = (cpu(std::process::id()), Instant::now());
    (0..CHECKS).for_each(|_| check());
    let spent = cpu(std::process::id()).saturating_sub(before) / CHECKS;
    report.row(
        "unmoved branch, wall time (git http-backend answers)",
        begin.elapsed().as_secs_f64() * 1e3 / f64::from(CHECKS),
        "ms",
    );
    report.row("unmoved branch, CPU time (loopback server included)", spent.as_secs_f64() * 1e3, "ms");
    report.row("unmoved branch, bytes posted", posted as f64, "B");
}
