//! Signers files in the repository: who may say who is listed, and what reading them may cost.

use std::process::Command;
use std::time::{Duration, Instant};

use gitwarrant::trust::{Mode, Reason};

use super::place::{HOUR, Place, THEN};
use crate::support::loom::{Loom, Thread, private};
use crate::support::signing::{By, Signers, SshKey};

const FILE: &str = "signers";

fn branch(place: &Place, name: &str, at: &str) {
    place.git(&["checkout", "-q", "-B", name, at]);
}

/// In mode Head, with alice listed in the pinned commit; and somebody who is not.
fn alice_alone() -> (Place, SshKey) {
    let mut place = Place::new();
    place.policy.root = place.commit(FILE, &Signers::allowed_signers(&[&place.alice]), By::Nobody, HOUR);
    place.policy.in_repository = Some(FILE.into());
    place.policy.mode = Mode::Head;
    let mallory = place.signers.ssh_key("mallory@example.org", "ed25519");
    (place, mallory)
}

/// Merges `branch` into main.
fn merge(place: &Place, branch: &str, by: By<'_>, hours: i64) {
    place.git(&["checkout", "-q", "main"]);
    place.signers.merge(&place.repository, branch, by, THEN + hours * HOUR);
}

#[test]
fn a_branch_from_below_the_pinned_root_is_no_witness_of_who_is_listed() {
    let mut place = Place::new();
    let mallory = place.signers.ssh_key("mallory@example.org", "ed25519");
    place.policy.in_repository = Some(FILE.into());
    place.commit(FILE, &Signers::allowed_signers(&[&place.alice, &mallory]), By::Nobody, HOUR);
    place.git(&["branch", "strange"]);
    let honest = Signers::allowed_signers(&[&place.alice, &place.bob]);
    place.policy.root = place.commit(FILE, &honest, By::Nobody, 2 * HOUR);
    branch(&place, "evil", "strange");
    place.commit("evil", "1", By::Ssh(&mallory), 3 * HOUR);
    merge(&place, "evil", By::Ssh(&place.alice), 4);
    assert_eq!(place.judge(), Err(Reason::UnknownSigner));
    place.git(&["reset", "-q", "--hard", &place.policy.root]);
    branch(&place, "good", "strange");
    place.commit("good", "1", By::Ssh(&place.alice), 3 * HOUR);
    merge(&place, "good", By::Ssh(&place.alice), 4);
    assert!(place.judge().is_ok(), "whoever is listed at the root may have branched off before");
}

#[test]
fn what_somebody_only_vouched_for_is_no_witness_of_who_is_listed() {
    let mut place = Place::new();
    let [mallory, forge] = ["mallory@example.org", "forge"].map(|who| place.signers.ssh_key(who, "ed25519"));
    let honest = Signers::allowed_signers(&[&place.alice, &place.bob, &forge]);
    let hers = Signers::allowed_signers(&[&place.alice, &place.bob, &forge, &mallory]);
    place.policy.in_repository = Some(FILE.into());
    place.policy.root = place.commit(FILE, &honest, By::Nobody, HOUR);
    place.policy.mode = Mode::FirstParent;
    place.policy.merge_only = vec!["forge".into()];
    // Lists her, and does not any more: nothing of it shows in what alice merges.
    branch(&place, "strange", "main");
    place.commit(FILE, &hers, By::Nobody, 2 * HOUR);
    branch(&place, "clean", "strange");
    place.commit(FILE, &honest, By::Nobody, 3 * HOUR);
    place.commit("clean", "1", By::Nobody, 3 * HOUR);
    place.git(&["checkout", "-q", "main"]);
    place.commit("main", "1", By::Ssh(&place.alice), 3 * HOUR);
    merge(&place, "clean", By::Ssh(&place.alice), 4);
    let vouched = place.signers.rev_parse(&place.repository, "HEAD");
    for applied in [false, true] {
        if applied {
            place.applied(&vouched);
        }
        for (by, found) in [(&mallory, Err(Reason::UnknownSigner)), (&place.bob, Ok(()))] {
            place.git(&["checkout", "-q", "main"]);
            place.git(&["reset", "-q", "--hard", &vouched]);
            branch(&place, "more", "strange");
            place.commit("more", "1", By::Ssh(by), 5 * HOUR);
            merge(&place, "more", By::Ssh(&forge), 6);
            assert_eq!(place.judge().map(drop), found, "{}, applied before: {applied}", by.principal);
        }
    }
}

#[test]
fn what_a_forge_merges_into_is_a_witness_only_if_it_was_judged() {
    let mut place = Place::new();
    let [mallory, forge] = ["mallory@example.org", "forge"].map(|who| place.signers.ssh_key(who, "ed25519"));
    place.policy.in_repository = Some(FILE.into());
    place.policy.mode = Mode::Head;
    place.policy.merge_only = vec!["forge".into()];
    place.commit(FILE, &Signers::allowed_signers(&[&forge, &mallory]), By::Nobody, HOUR);
    place.git(&["branch", "strange"]);
    let honest = Signers::allowed_signers(&[&place.alice, &forge]);
    place.policy.root = place.commit(FILE, &honest, By::Nobody, 2 * HOUR);
    // The forge merges main into her branch, which then becomes main.
    branch(&place, "evil", "strange");
    place.commit("evil", "1", By::Ssh(&mallory), 3 * HOUR);
    place.signers.merge(&place.repository, "main", By::Ssh(&forge), THEN + 4 * HOUR);
    assert_eq!(place.judge(), Err(Reason::UnknownSigner));
}

#[test]
fn exceptions_and_names_that_whoever_pushes_has_chosen_take_no_time() {
    let (place, mallory) = alice_alone();
    let begin = Instant::now();
    let line = format!("{}{} {}\n", "a,".repeat(600), vec!["!b"; 600].join(","), mallory.public);
    place.commit(FILE, &line.repeat(200), By::Nobody, 2 * HOUR);
    place.commit("x", "1", By::Ssh(&mallory), 3 * HOUR);
    assert_eq!(place.judge(), Err(Reason::LimitExceeded));
    assert!(begin.elapsed() < Duration::from_secs(20), "took {:?}", begin.elapsed());
}

#[test]
fn signers_files_of_many_parents_take_no_memory() {
    let place = Place::new();
    let mallory = place.signers.ssh_key("mallory@example.org", "ed25519");
    let root = place.commit(FILE, &Signers::allowed_signers(&[&place.alice]), By::Nobody, HOUR);
    let loom = Loom::default();
    // A modulus of a few bits: the shortest line there is.
    let line = "a ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQM=\n";
    let root = root.parse().unwrap();
    let parents: Vec<_> = (0..64)
        .map(|at| {
            let file = format!("# {at}\n{}", line.repeat((1 << 20) / line.len() - 1));
            let tree = loom.tree(&[(FILE, loom.blob(file.as_bytes()))]);
            loom.commit(&Thread { tree, parents: &[root], date: THEN + 2 * HOUR, message: "lists many" }, None)
        })
        .collect();
    let tree = loom.tree(&[(FILE, loom.blob(b""))]);
    let thread = Thread { tree, parents: &parents, date: THEN + 3 * HOUR, message: "has many parents" };
    let head = loom.commit(&thread, Some(&private(&mallory)));
    loom.store(&place.repository.join(".git/objects"));
    let file = place.kept.path().join("repository.yaml");
    let declared = format!(
        "apiVersion: gitwarrant.io/v1alpha1\nkind: Repository\nmetadata: {{name: r}}\nspec:\n  url: https://example.org/r.git\n  \
         ref: {{branch: main}}\n  trust: {{root: {root}, inRepository: {{path: {FILE}}}}}\n"
    );
    std::fs::write(&file, declared).unwrap();
    // The process has 512 MiB: a failed allocation ends it.
    let mut verify = Command::new("sh");
    verify.args([
        "-c",
        "ulimit -v 524288; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_gitwarrant"),
        "verify",
        "-o",
        "json",
    ]);
    verify.args(["--head", &head.to_string(), "--repository"]).arg(&file).arg(&place.repository);
    let output = verify.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told} {}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("\"reason\": \"unsigned\""), "its parents are: {told}");
}

#[test]
fn who_was_listed_since_the_root_may_make_what_an_order_goes_back_to() {
    let mut place = Place::new();
    let carol = place.signers.ssh_key("carol@example.org", "ed25519");
    place.policy.root = place.commit(FILE, &Signers::allowed_signers(&[&place.alice]), By::Nobody, HOUR);
    place.policy.in_repository = Some(FILE.into());
    place.commit(FILE, &Signers::allowed_signers(&[&place.alice, &carol]), By::Ssh(&place.alice), 2 * HOUR);
    let before = place.commit("a", "1", By::Ssh(&place.alice), 3 * HOUR);
    let bad = place.commit("a", "2", By::Ssh(&place.alice), 4 * HOUR);
    place.git(&["reset", "-q", "--hard", &before]);
    let fix = place.commit("a", "3", By::Ssh(&carol), 5 * HOUR);
    place.policy.rollback_to = Some(fix);
    for applied in [&before, &bad] {
        place.applied(applied);
        assert_eq!(place.judge(), Ok(vec!["carol@example.org".into()]));
    }
}

#[test]
fn a_line_of_very_many_principals_refuses_the_file_and_takes_no_time() {
    let (place, mallory) = alice_alone();
    let begin = Instant::now();
    let line = format!("{} {}\n", vec!["a"; 100_000].join(","), mallory.public);
    place.commit(FILE, &line, By::Nobody, 2 * HOUR);
    place.commit("x", "1", By::Ssh(&mallory), 3 * HOUR);
    assert_eq!(place.judge(), Err(Reason::BadConfiguration));
    // Very many lines of one key are as many principals.
    place.git(&["reset", "-q", "--hard", &place.policy.root]);
    let lines: Vec<String> = (0..1001).map(|at| format!("a{at} {}\n", mallory.public)).collect();
    place.commit(FILE, &lines.concat(), By::Nobody, 2 * HOUR);
    place.commit("x", "1", By::Ssh(&mallory), 3 * HOUR);
    assert_eq!(place.judge(), Err(Reason::LimitExceeded));
    assert!(begin.elapsed() < Duration::from_secs(20), "took {:?}", begin.elapsed());
}
