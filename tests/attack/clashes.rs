//! Path rules over merges that no machine can decide: what is undecided is asked about path by path, and nothing below it
//! is lost from sight.

use gitwarrant::git::{Commit, Fetched, Oid};
use gitwarrant::trust::{Base, PathRuleText, Policy, PolicyInput, Reason, SignersText, verify};
use jiff::Timestamp;
use ssh_key::PrivateKey;

use super::merges::{Files, files, tree, with};
use super::place::{DAY, HOUR, THEN};
use crate::support::loom::{Loom, Thread, private};
use crate::support::signing::{Signers, run};

const FILE: &str = "100644";

/// A history in which production is bob's alone, and everything else also alice's.
struct World {
    loom: Loom,
    folder: tempfile::TempDir,
    alice: PrivateKey,
    bob: PrivateKey,
    allowed: String,
    date: std::cell::Cell<i64>,
}

impl World {
    fn new() -> Self {
        let signers = Signers::new();
        let [alice, bob] = ["alice", "bob"].map(|who| signers.ssh_key(who, "ed25519"));
        let allowed = Signers::allowed_signers(&[&alice, &bob]);
        let [alice, bob] = [&alice, &bob].map(private);
        let folder = tempfile::tempdir().unwrap();
        run(signers.git(folder.path(), THEN).args(["init", "--quiet", "."]));
        Self { loom: Loom::default(), folder, alice, bob, allowed, date: THEN.into() }
    }

    fn commit(&self, files: &Files, parents: &[Oid], by: Option<&PrivateKey>) -> Oid {
        self.date.set(self.date.get() + 60);
        let thread = Thread { tree: tree(&self.loom, files), parents, date: self.date.get(), message: "a step" };
        self.loom.commit(&thread, by)
    }

    fn judge(&self, prod: &str, root: Oid, head: Oid) -> Result<(), Reason> {
        let rule = |path: &str, names: &[&str]| PathRuleText {
            paths: vec![path.to_owned()],
            signers: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let policy = PolicyInput {
            root: root.to_string(),
            signers: vec![SignersText {
                name: "signers".into(),
                allowed_signers: Some(self.allowed.clone()),
                ..SignersText::default()
            }],
            path_rules: vec![rule(prod, &["bob"]), rule("**", &["alice", "bob"])],
            ..PolicyInput::default()
        };
        let objects = self.loom.store(&self.folder.path().join(".git/objects"));
        let commit = Commit { reference: "refs/heads/main".into(), head, tag: None };
        let now = Timestamp::from_second(THEN + DAY + HOUR).unwrap();
        let policy = Policy::read(&policy).unwrap();
        verify(Fetched::new(commit, objects), &policy, &Base::default(), None, now)
            .map(drop)
            .map_err(|refusal| refusal.reason())
    }
}

fn without(base: &Files, folder: &str) -> Files {
    base.iter().filter(|(path, _)| !path.starts_with(folder)).map(|(path, file)| (path.clone(), file.clone())).collect()
}

#[test]
fn a_file_in_the_place_of_a_folder_takes_nothing_below_it_out_of_sight() {
    let world = World::new();
    let (alice, bob) = (Some(&world.alice), Some(&world.bob));
    let first = files(&[("staging/a", FILE, "0")]);
    let full = with(&first, &[("clusters/prod/policy", FILE, "deny all"), ("clusters/prod/app", FILE, "1")]);
    let root = world.commit(&first, &[], None);
    let main = world.commit(&with(&full, &[("staging/a", FILE, "1")]), &[root], bob);
    let side = world.commit(&with(&first, &[("clusters", FILE, "a plain file")]), &[root], alice);
    let gone = files(&[("staging/a", FILE, "1")]);
    for (what, merged, found) in [
        ("the file wins", with(&gone, &[("clusters", FILE, "a plain file")]), Err(Reason::PathNotAuthorised)),
        ("both are gone", gone.clone(), Err(Reason::PathNotAuthorised)),
        ("one of her own is there", with(&gone, &[("clusters/mine", FILE, "1")]), Err(Reason::PathNotAuthorised)),
        ("the folder stays as it was", with(&full, &[("staging/a", FILE, "1")]), Ok(())),
    ] {
        let head = world.commit(&merged, &[main, side], alice);
        assert_eq!(world.judge("clusters/prod/**", root, head), found, "{what}");
    }
}

#[test]
fn a_file_that_clashes_is_asked_for_where_neither_it_nor_the_folder_is_left() {
    let world = World::new();
    let (alice, bob) = (Some(&world.alice), Some(&world.bob));
    let first = files(&[("staging/a", FILE, "0")]);
    let root = world.commit(&first, &[], None);
    let full = with(&first, &[("prod/policy.yaml", FILE, "deny all")]);
    let main = world.commit(&full, &[root], bob);
    let side = world.commit(&with(&first, &[("prod/policy.yaml/x", FILE, "hers")]), &[root], alice);
    for parents in [[main, side], [side, main]] {
        let gone = world.commit(&first, &parents, alice);
        assert_eq!(world.judge("prod/*.yaml", root, gone), Err(Reason::PathNotAuthorised));
        let kept = world.commit(&full, &parents, alice);
        assert_eq!(world.judge("prod/*.yaml", root, kept), Err(Reason::PathNotAuthorised), "no machine decides it");
        let kept = world.commit(&full, &parents, bob);
        assert_eq!(world.judge("prod/*.yaml", root, kept), Ok(()));
    }
}

#[test]
fn histories_that_cross_very_often_hide_no_deletion() {
    let world = World::new();
    let alice = Some(&world.alice);
    let first = files(&[("prod/policy", FILE, "deny all"), ("staging/a", FILE, "0"), ("staging/b", FILE, "0")]);
    let state =
        |a: usize, b: usize| with(&first, &[("staging/a", FILE, &a.to_string()), ("staging/b", FILE, &b.to_string())]);
    let root = world.commit(&first, &[], None);
    let (mut one, mut other) = (world.commit(&state(1, 0), &[root], alice), world.commit(&state(0, 1), &[root], alice));
    for level in 1..12 {
        let merged = state(level, level);
        let (left, right) = (world.commit(&merged, &[one, other], alice), world.commit(&merged, &[other, one], alice));
        one = world.commit(&state(level + 1, level), &[left], alice);
        other = world.commit(&state(level, level + 1), &[right], alice);
        let good = state(level + 1, level + 1);
        let honest = world.commit(&good, &[one, other], alice);
        assert_eq!(world.judge("prod/**", root, honest), Ok(()), "{level} crossings, and what both sides made");
        let bent = world.commit(&without(&good, "prod/"), &[one, other], alice);
        assert_eq!(world.judge("prod/**", root, bent), Err(Reason::PathNotAuthorised), "{level} crossings");
    }
}
