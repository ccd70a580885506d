//! Path rules: what counts as a change of a path, by whom, and in which commit.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use gitwarrant::trust::{Mode, PathRuleText, Reason};

use super::place::{HOUR, Place, THEN};
use crate::support::signing::{By, Signers, run};

/// `prod` is Bob's, everything else Alice's and Bob's.
fn prod_is_bobs(place: &mut Place) {
    rules(place, &[("prod/**", "bob"), ("**", "alice bob")]);
}

fn rules(place: &mut Place, rules: &[(&str, &str)]) {
    let rule = |(path, names): &(&str, &str)| PathRuleText {
        paths: vec![(*path).into()],
        signers: names.split(' ').filter(|name| !name.is_empty()).map(|name| format!("{name}@example.org")).collect(),
    };
    place.policy.path_rules = rules.iter().map(rule).collect();
}

/// What is decided about one change of Alice's, made by `change` in the working copy.
fn by_alice(change: impl Fn(&Path)) -> Result<(), Reason> {
    let mut place = Place::new();
    prod_is_bobs(&mut place);
    std::os::unix::fs::symlink("app.yaml", place.repository.join("prod/link")).unwrap();
    let applied = place.commit("staging/app.yaml", "a: 1\n", By::Nobody, HOUR);
    place.applied(&applied);
    change(&place.repository);
    place.signers.commit(&place.repository, "change", By::Ssh(&place.alice), THEN + 2 * HOUR);
    place.judge().map(drop)
}

#[test]
fn every_kind_of_change_below_a_path_is_one() {
    let refused = Err(Reason::PathNotAuthorised);
    let rename = |from: &'static str, to: &'static str| {
        move |root: &Path| std::fs::rename(root.join(from), root.join(to)).unwrap()
    };
    assert_eq!(by_alice(|root| std::fs::write(root.join("staging/app.yaml"), "a: 2\n").unwrap()), Ok(()));
    assert_eq!(by_alice(rename("prod/app.yaml", "staging/moved.yaml")), refused, "moved away");
    assert_eq!(by_alice(rename("staging/app.yaml", "prod/moved.yaml")), refused, "moved in");
    assert_eq!(by_alice(rename("prod", "production")), refused, "the folder");
    assert_eq!(by_alice(|root| std::fs::remove_file(root.join("prod/app.yaml")).unwrap()), refused, "deleted");
    assert_eq!(by_alice(|root| std::fs::remove_dir_all(root.join("prod")).unwrap()), refused, "all of it");
    let executable = |root: &Path| {
        std::fs::set_permissions(root.join("prod/app.yaml"), std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    assert_eq!(by_alice(executable), refused, "its mode alone");
    let retarget = |root: &Path| {
        std::fs::remove_file(root.join("prod/link")).unwrap();
        std::os::unix::fs::symlink("../readme", root.join("prod/link")).unwrap();
    };
    assert_eq!(by_alice(retarget), refused, "where a link leads");
    let to_folder = |root: &Path| {
        std::fs::remove_file(root.join("prod/app.yaml")).unwrap();
        std::fs::create_dir(root.join("prod/app.yaml")).unwrap();
        std::fs::write(root.join("prod/app.yaml/x"), "").unwrap();
    };
    assert_eq!(by_alice(to_folder), refused, "a folder in its place");
    let to_file = |root: &Path| {
        std::fs::remove_dir_all(root.join("prod")).unwrap();
        std::fs::write(root.join("prod"), "").unwrap();
    };
    assert_eq!(by_alice(to_file), refused, "a file in the folder's place");
    let to_link = |root: &Path| {
        std::fs::remove_dir_all(root.join("prod")).unwrap();
        std::os::unix::fs::symlink("staging", root.join("prod")).unwrap();
    };
    assert_eq!(by_alice(to_link), refused, "a link in the folder's place");
    let other_case = |root: &Path| {
        std::fs::create_dir(root.join("Prod")).unwrap();
        std::fs::write(root.join("Prod/app.yaml"), "").unwrap();
    };
    assert_eq!(by_alice(other_case), Ok(()), "names differ by case");
    assert_eq!(by_alice(|root| std::fs::write(root.join("prod.yaml"), "").unwrap()), Ok(()), "beside the folder");
}

#[test]
fn the_first_rule_that_matches_decides_and_none_means_nobody() {
    let decided = |given: &[(&str, &str)], path: &str| {
        let mut place = Place::new();
        rules(&mut place, given);
        place.commit(path, "1", By::Ssh(&place.alice), HOUR);
        place.judge().map(drop)
    };
    let refused = Err(Reason::PathNotAuthorised);
    assert_eq!(decided(&[("**", "alice"), ("prod/**", "bob")], "prod/a"), Ok(()), "the wider one comes first");
    assert_eq!(decided(&[("prod/**", "bob"), ("**", "alice")], "prod/a"), refused);
    assert_eq!(decided(&[("prod/**", "alice")], "other"), refused, "no rule says anything");
    assert_eq!(decided(&[("*", "alice")], "top"), Ok(()));
    assert_eq!(decided(&[("*", "alice")], "below/top"), refused, "one star stays in its folder");
    assert_eq!(decided(&[("**/*.md", "alice")], "docs/a/b.md"), Ok(()));
    assert_eq!(decided(&[("**/*.md", "alice")], "b.md"), Ok(()));
    assert_eq!(decided(&[("docs/", "alice")], "docs/a/b"), Ok(()));
    assert_eq!(decided(&[("docs", "alice")], "docs/a"), refused, "a folder's name alone is not what it holds");
    assert_eq!(decided(&[("prod/**", ""), ("**", "alice")], "prod/a"), refused, "a rule for nobody");
}

#[test]
fn an_empty_commit_needs_no_right_to_any_path() {
    let mut place = Place::new();
    rules(&mut place, &[("**", "bob")]);
    place.signers.commit(&place.repository, "nothing", By::Ssh(&place.alice), THEN + HOUR);
    assert!(place.judge().is_ok());
}

#[derive(Clone, Copy)]
enum Side {
    Writes(&'static str),
    Deletes,
}

/// Both sides, by Bob, change `prod/app.yaml`; `by` merges and leaves what `result` says there.
fn conflict(by_bob: bool, main: Side, side: Side, result: Side) -> Result<(), Reason> {
    let mut place = Place::new();
    prod_is_bobs(&mut place);
    let does = |place: &Place, what: Side| {
        let file = place.repository.join("prod/app.yaml");
        match what {
            Side::Writes(text) => std::fs::write(file, text).unwrap(),
            Side::Deletes => drop(std::fs::remove_file(file)),
        }
    };
    place.git(&["branch", "side"]);
    does(&place, main);
    place.signers.commit(&place.repository, "main", By::Ssh(&place.bob), THEN + HOUR);
    place.git(&["checkout", "-q", "side"]);
    does(&place, side);
    place.signers.commit(&place.repository, "side", By::Ssh(&place.bob), THEN + HOUR);
    place.git(&["checkout", "-q", "main"]);
    let merge = ["merge", "-q", "--no-ff", "--no-commit", "side"];
    drop(place.signers.git(&place.repository, THEN + 2 * HOUR).args(merge).output().unwrap());
    does(&place, result);
    let by = if by_bob { By::Ssh(&place.bob) } else { By::Ssh(&place.alice) };
    place.signers.commit(&place.repository, "merge", by, THEN + 2 * HOUR);
    let parents = place.raw_head().lines().filter(|line| line.starts_with("parent ")).count();
    assert_eq!(parents, 2);
    place.judge().map(drop)
}

#[test]
fn whoever_decides_a_conflict_needs_the_right_to_it() {
    use Side::{Deletes, Writes};
    let refused = Err(Reason::PathNotAuthorised);
    for (main, side) in [(Writes("x\n"), Writes("y\n")), (Writes("x\n"), Deletes), (Deletes, Writes("y\n"))] {
        for result in [main, side, Writes("z\n")] {
            assert_eq!(conflict(false, main, side, result), refused, "by alice");
            assert_eq!(conflict(true, main, side, result), Ok(()), "by bob");
        }
    }
    assert_eq!(conflict(false, Deletes, Deletes, Deletes), Ok(()), "both did the same");
    assert_eq!(conflict(false, Writes("x\n"), Writes("x\n"), Writes("x\n")), Ok(()));
    assert_eq!(conflict(false, Writes("x\n"), Writes("x\n"), Writes("z\n")), refused);
}

#[test]
fn a_change_that_follows_a_file_into_a_folder_is_the_mergers() {
    // Bob moves a file into prod; Alice changes it where it was; the merge carries her change to its new place.
    for by_bob in [false, true] {
        let mut place = Place::new();
        prod_is_bobs(&mut place);
        let lines = "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\n";
        let applied = place.commit("staging/app.yaml", lines, By::Nobody, HOUR);
        place.applied(&applied);
        place.git(&["checkout", "-q", "-b", "side"]);
        place.commit("staging/app.yaml", &lines.replace("a: 1", "a: evil"), By::Ssh(&place.alice), 2 * HOUR);
        place.git(&["checkout", "-q", "main"]);
        place.git(&["mv", "staging/app.yaml", "prod/moved.yaml"]);
        place.signers.commit(&place.repository, "move", By::Ssh(&place.bob), THEN + 2 * HOUR);
        let by = if by_bob { By::Ssh(&place.bob) } else { By::Ssh(&place.alice) };
        place.signers.merge(&place.repository, "side", by, THEN + 3 * HOUR);
        let moved = std::fs::read_to_string(place.repository.join("prod/moved.yaml")).unwrap();
        assert!(moved.contains("a: evil"), "git follows the file");
        let expected = if by_bob { Ok(()) } else { Err(Reason::PathNotAuthorised) };
        assert_eq!(place.judge().map(drop), expected);
    }
}

#[test]
fn a_criss_cross_merge_that_git_makes_by_itself_changes_nothing() {
    let mut place = Place::new();
    prod_is_bobs(&mut place);
    let app = |first: &str, last: &str| format!("a: {first}\n\nb: 1\n\nc: 1\n\nd: {last}\n");
    place.git(&["branch", "side"]);
    place.commit("prod/app.yaml", &app("2", "1"), By::Ssh(&place.bob), HOUR);
    place.git(&["branch", "old"]);
    place.git(&["checkout", "-q", "side"]);
    place.commit("prod/app.yaml", &app("1", "2"), By::Ssh(&place.bob), HOUR);
    place.git(&["branch", "old-side"]);
    let merge = |place: &Place, branch: &str, after: i64| {
        drop(place.signers.merge(&place.repository, branch, By::Ssh(&place.alice), THEN + after));
    };
    merge(&place, "old", 2 * HOUR);
    place.commit("prod/app.yaml", &app("2", "3"), By::Ssh(&place.bob), 3 * HOUR);
    place.git(&["checkout", "-q", "main"]);
    merge(&place, "old-side", 2 * HOUR);
    place.commit("prod/app.yaml", &app("3", "2"), By::Ssh(&place.bob), 3 * HOUR);
    merge(&place, "side", 4 * HOUR);
    assert_eq!(std::fs::read_to_string(place.repository.join("prod/app.yaml")).unwrap(), app("3", "3"));
    assert!(place.judge().is_ok());
    std::fs::write(place.repository.join("prod/app.yaml"), app("3", "2")).unwrap();
    run(place.signers.git(&place.repository, THEN + 4 * HOUR).args(["add", "-A"]));
    let amend = ["commit", "-q", "--amend", "--no-edit"];
    run(&mut place.signers.signing(&place.repository, By::Ssh(&place.alice), THEN + 4 * HOUR, &amend));
    assert_eq!(place.judge(), Err(Reason::PathNotAuthorised));
}

/// The forge merges `side`, made by `change` from the pinned commit, into main, which has a change of its own.
fn forge_merges(change: impl Fn(&Place), main: impl Fn(&Place), arguments: &[&str]) -> Result<(), Reason> {
    let mut place = Place::new();
    let forge = place.signers.ssh_key("forge", "ed25519");
    place.allow(Signers::allowed_signers(&[&place.alice, &place.bob, &forge]));
    place.policy.merge_only = vec!["forge".into()];
    place.git(&["checkout", "-q", "-b", "side"]);
    change(&place);
    place.git(&["checkout", "-q", "main"]);
    main(&place);
    let merge = [&["merge", "-q", "--no-ff", "--no-edit"], arguments, &["side"]].concat();
    run(&mut place.signers.signing(&place.repository, By::Ssh(&forge), THEN + 2 * HOUR, &merge));
    place.judge().map(drop)
}

#[test]
fn a_forge_merges_whatever_git_merges_without_asking() {
    let refused = Err(Reason::SignerNotAllowedForChange);
    let app = |first: &str, last: &str| format!("a: {first}\n\nb: 1\n\nc: 1\n\nd: {last}\n");
    let writes = |path: &'static str, text: String| {
        move |place: &Place| drop(place.commit(path, &text, By::Ssh(&place.alice), HOUR))
    };
    let nothing = |_: &Place| {};
    assert_eq!(forge_merges(writes("a", "1".into()), nothing, &[]), Ok(()), "nothing happened on main");
    let empty = |place: &Place| drop(place.signers.commit(&place.repository, "x", By::Ssh(&place.alice), THEN + HOUR));
    assert_eq!(forge_merges(empty, nothing, &[]), Ok(()), "nothing happened at all");
    let (first, last) = (writes("prod/app.yaml", app("2", "1")), writes("prod/app.yaml", app("1", "2")));
    assert_eq!(forge_merges(&first, &last, &[]), Ok(()), "both ends of one file");
    assert_eq!(forge_merges(&first, &last, &["-X", "ours"]), Ok(()), "there is nothing to decide");
    let other = writes("prod/app.yaml", app("3", "1"));
    assert_eq!(forge_merges(&first, &other, &["-X", "ours"]), refused, "decided");
    assert_eq!(forge_merges(&first, &last, &["-s", "ours"]), refused, "dropped");
    let moves = |place: &Place| {
        place.git(&["mv", "prod/app.yaml", "prod/moved.yaml"]);
        place.signers.commit(&place.repository, "move", By::Ssh(&place.bob), THEN + HOUR);
    };
    assert_eq!(forge_merges(&first, moves, &[]), Ok(()), "the change follows the file");
    assert_eq!(forge_merges(moves, &first, &[]), Ok(()), "also the other way round");
    let adds_beside = writes("prod/new.yaml", "1".into());
    let empties = |place: &Place| {
        place.git(&["rm", "-rq", "prod"]);
        place.signers.commit(&place.repository, "rm", By::Ssh(&place.bob), THEN + HOUR);
    };
    assert_eq!(forge_merges(adds_beside, empties, &[]), Ok(()), "a file is added where all others go");
}

#[test]
fn a_forge_brings_no_unrelated_repository_in() {
    let mut place = Place::new();
    let forge = place.signers.ssh_key("forge", "ed25519");
    place.allow(Signers::allowed_signers(&[&place.alice, &place.bob, &forge]));
    place.git(&["checkout", "-q", "--orphan", "other"]);
    place.git(&["rm", "-rqf", "."]);
    place.commit("other/evil.yaml", "1", By::Ssh(&place.alice), HOUR);
    place.git(&["checkout", "-q", "main"]);
    let merge = ["merge", "-q", "--no-edit", "--allow-unrelated-histories", "other"];
    run(&mut place.signers.signing(&place.repository, By::Ssh(&forge), THEN + 2 * HOUR, &merge));
    assert!(place.judge().is_ok());
    place.policy.merge_only = vec!["forge".into()];
    assert_eq!(place.judge(), Err(Reason::SignerNotAllowedForChange));
}

#[test]
fn a_forge_makes_no_octopus() {
    let mut place = Place::new();
    let forge = place.signers.ssh_key("forge", "ed25519");
    place.allow(Signers::allowed_signers(&[&place.alice, &place.bob, &forge]));
    place.policy.merge_only = vec!["forge".into()];
    for name in ["one", "two"] {
        place.git(&["checkout", "-q", "-b", name, &place.root]);
        place.commit(name, "1", By::Ssh(&place.alice), HOUR);
    }
    place.git(&["checkout", "-q", "main"]);
    place.commit("main", "1", By::Ssh(&place.bob), HOUR);
    let merge = ["merge", "-q", "--no-ff", "--no-edit", "one", "two"];
    run(&mut place.signers.signing(&place.repository, By::Ssh(&forge), THEN + 2 * HOUR, &merge));
    assert_eq!(place.judge(), Err(Reason::SignerNotAllowedForChange));
    place.policy.mode = Mode::FirstParent;
    assert_eq!(place.judge(), Err(Reason::SignerNotAllowedForChange));
}
