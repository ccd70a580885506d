//! A long judgement that is broken off is gone on with, and what is gone on with is no way past judging.

use std::cell::RefCell;

use gitwarrant::git::{Commit, Fetched, Objects, Oid};
use gitwarrant::trust::{Base, Checkpoint, Mode, PathRuleText, Policy, PolicyInput, Reason, SignersText, verify_from};
use jiff::Timestamp;
use ssh_key::PrivateKey;

use super::place::{DAY, HOUR, THEN};
use crate::support::loom::{Loom, Thread, private};
use crate::support::signing::Signers;

const LENGTH: usize = 2_500;

/// A line of signed commits on an unsigned one.
struct Line {
    loom: Loom,
    folder: tempfile::TempDir,
    tree: Oid,
    alice: PrivateKey,
    policy: PolicyInput,
    commits: Vec<Oid>,
    now: i64,
}

impl Line {
    fn new() -> Self {
        let signers = Signers::new();
        let alice = signers.ssh_key("alice@example.org", "ed25519");
        let loom = Loom::default();
        let tree = loom.tree(&[("readme", loom.blob(b"hello\n"))]);
        let root = loom.commit(&Thread { tree, parents: &[], date: THEN, message: "root" }, None);
        let listed = SignersText {
            name: "signers".into(),
            allowed_signers: Some(Signers::allowed_signers(&[&alice])),
            ..SignersText::default()
        };
        let policy = PolicyInput { root: root.to_string(), signers: vec![listed], ..PolicyInput::default() };
        let (alice, folder) = (private(&alice), tempfile::tempdir().unwrap());
        Self { loom, folder, tree, alice, policy, commits: vec![root], now: THEN + DAY }
    }

    fn add(&mut self, parents: &[Oid], by: Option<&PrivateKey>) -> Oid {
        let at = self.commits.len();
        let date = THEN + HOUR + i64::try_from(at).unwrap();
        let id = self.loom.commit(&Thread { tree: self.tree, parents, date, message: &format!("step {at}") }, by);
        self.commits.push(id);
        id
    }

    /// Signed commits on top of the last.
    fn grow(&mut self, count: usize) -> Oid {
        let alice = self.alice.clone();
        for _ in 0..count {
            self.add(&[*self.commits.last().unwrap()], Some(&alice));
        }
        *self.commits.last().unwrap()
    }

    fn store(&self) -> Objects {
        self.loom.store(self.folder.path())
    }

    /// How many commits were judged, and the last checkpoint on the way.
    fn judge(
        &self,
        objects: &Objects,
        head: Oid,
        base: &Base,
        from: Option<&Checkpoint>,
    ) -> (Result<usize, Reason>, Option<Checkpoint>) {
        let last = RefCell::new(None);
        let commit = Commit { reference: "refs/heads/main".into(), head, tag: None };
        let (policy, now) = (Policy::read(&self.policy).unwrap(), Timestamp::from_second(self.now).unwrap());
        let reached = |checkpoint| drop(last.replace(Some(checkpoint)));
        let fetched = Fetched::new(commit, objects.clone());
        let judged = verify_from(fetched, &policy, (base, from), None, now, &reached);
        (judged.map(|judged| judged.judged().len()).map_err(|refusal| refusal.reason()), last.into_inner())
    }
}

#[test]
fn what_was_judged_is_not_judged_again_after_a_break() {
    let mut line = Line::new();
    let head = line.grow(LENGTH);
    let (objects, base) = (line.store(), Base::default());
    let (judged, reached) = line.judge(&objects, head, &base, None);
    assert_eq!(judged, Ok(2_500));
    let reached = reached.unwrap();
    assert_eq!(reached.commit, line.commits[2_000]);
    assert_eq!(line.judge(&objects, head, &base, Some(&reached)).0, Ok(500));
    // The branch has grown meanwhile.
    let later = line.grow(1_000);
    let (judged, next) = line.judge(&line.store(), later, &base, Some(&reached));
    assert_eq!(judged, Ok(1_500));
    assert_eq!(next.unwrap().at, reached.at, "it is as old as the first of them");
    // The head is judged always.
    let at_head = Checkpoint { commit: later, ..reached };
    assert_eq!(line.judge(&line.store(), later, &base, Some(&at_head)).0, Ok(1));
}

#[test]
fn a_checkpoint_of_another_policy_version_base_branch_or_day_counts_for_nothing() {
    let mut line = Line::new();
    line.grow(LENGTH);
    let bad = line.add(&[*line.commits.last().unwrap()], None);
    let head = line.grow(10);
    let (objects, base) = (line.store(), Base::default());
    let (judged, reached) = line.judge(&objects, head, &base, None);
    assert_eq!(judged, Err(Reason::Unsigned));
    let reached = reached.unwrap();
    // Whoever can write one can also write what is applied: this is the one that is believed.
    let forged = Checkpoint { commit: bad, ..reached.clone() };
    assert_eq!(line.judge(&objects, head, &base, Some(&forged)).0, Ok(10));
    let refused = |line: &Line, checkpoint: &Checkpoint, base: &Base| {
        assert_eq!(line.judge(&objects, head, base, Some(checkpoint)).0, Err(Reason::Unsigned), "{checkpoint:?}");
    };
    refused(&line, &Checkpoint { base: line.commits[1], ..forged.clone() }, &base);
    refused(&line, &forged, &Base { applied: Some(line.commits[1]), ..Base::default() });
    refused(&line, &Checkpoint { policy: "0".repeat(64), ..forged.clone() }, &base);
    for version in ["", "0.0.1", "99.0.0"] {
        refused(&line, &Checkpoint { version: version.into(), ..forged.clone() }, &base);
    }
    let second = |seconds| Timestamp::from_second(seconds).unwrap();
    refused(&line, &Checkpoint { at: second(line.now - DAY - 1), ..forged.clone() }, &base);
    refused(&line, &Checkpoint { at: second(line.now + 1), ..forged.clone() }, &base);
    let aside = line.add(&[line.commits[2_400]], None);
    drop(line.store());
    refused(&line, &Checkpoint { commit: aside, ..forged.clone() }, &base);
    refused(&line, &Checkpoint { commit: line.commits[0], ..forged.clone() }, &base);
    // A signer who is withdrawn meanwhile makes another policy.
    line.policy.revoked_principals = vec!["alice@example.org".into()];
    assert_eq!(line.judge(&objects, head, &base, Some(&reached)).0, Err(Reason::RevokedKey));
}

#[test]
fn where_more_matters_than_each_commit_by_itself_there_is_no_checkpoint() {
    let mut line = Line::new();
    let head = line.grow(1_100);
    let (objects, base) = (line.store(), Base::default());
    let reached = line.judge(&objects, head, &base, None).1.unwrap();
    for mode in [Mode::FirstParent, Mode::EveryCommit] {
        line.policy.mode = mode;
        if mode == Mode::EveryCommit {
            let rule = PathRuleText { paths: vec!["**".into()], signers: vec!["alice@example.org".into()] };
            line.policy.path_rules = vec![rule];
        }
        let policy = Policy::read(&line.policy).unwrap().digest().to_owned();
        let (judged, next) = line.judge(&objects, head, &base, Some(&Checkpoint { policy, ..reached.clone() }));
        assert_eq!((judged, next), (Ok(1_100), None), "{mode:?}");
    }
}

#[test]
fn what_a_checkpoint_does_not_descend_from_is_judged() {
    let mut line = Line::new();
    let end = line.grow(1_500);
    let fork = line.commits[500];
    let bad = line.add(&[fork], None);
    let alice = line.alice.clone();
    let merge = line.add(&[end, bad], Some(&alice));
    let head = line.grow(5);
    let (objects, base) = (line.store(), Base::default());
    assert_eq!(line.judge(&objects, head, &base, None).0, Err(Reason::Unsigned));
    let reached = line.judge(&objects, end, &base, None).1.unwrap();
    assert_eq!(reached.commit, line.commits[1_000]);
    assert_eq!(line.judge(&objects, head, &base, Some(&reached)).0, Err(Reason::Unsigned));
    assert_eq!(line.judge(&objects, head, &base, Some(&Checkpoint { commit: merge, ..reached })).0, Ok(5));
}

#[test]
fn a_checkpoint_makes_nothing_below_the_pinned_root_a_witness() {
    let mut line = Line::new();
    let signers = Signers::new();
    let mallory = signers.ssh_key("mallory@example.org", "ed25519");
    let honest = line.policy.signers.remove(0).allowed_signers.unwrap();
    let hers = format!("{honest}{}", Signers::allowed_signers(&[&mallory]));
    let tree = |line: &Line, text: &str| line.loom.tree(&[("signers", line.loom.blob(text.as_bytes()))]);
    let (good, strange) = (tree(&line, &honest), tree(&line, &hers));
    let alice = line.alice.clone();
    let made = |line: &Line, tree, parents: &[Oid], after, by: Option<&PrivateKey>| {
        line.loom.commit(&Thread { tree, parents, date: THEN + after, message: "one" }, by)
    };
    let lists_her = made(&line, strange, &[], -2 * HOUR, None);
    let not_any_more = made(&line, good, &[lists_her], -HOUR, None);
    let root = made(&line, good, &[not_any_more], 0, None);
    // An honest branch from below the root leads every walk past it.
    let side = made(&line, good, &[not_any_more], 60, Some(&alice));
    (line.tree, line.commits) = (good, vec![root]);
    line.policy.root = root.to_string();
    line.policy.in_repository = Some("signers".into());
    line.add(&[root, side], Some(&alice));
    let end = line.grow(1_100);
    let evil = made(&line, strange, &[lists_her], 2 * HOUR, Some(&private(&mallory)));
    let head = line.add(&[end, evil], Some(&alice));
    let (objects, base) = (line.store(), Base::default());
    let (judged, reached) = line.judge(&objects, head, &base, None);
    assert_eq!(judged, Err(Reason::UnknownSigner));
    assert_eq!(line.judge(&objects, head, &base, Some(&reached.unwrap())).0, Err(Reason::UnknownSigner));
}
