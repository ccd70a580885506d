//! Shapes of histories: merges of every kind, branches from below the pinned commit, and where going back leads.

use gitwarrant::trust::{Mode, Reason};

use super::place::{DAY, HOUR, Place, THEN};
use crate::support::signing::{By, Signers, run};

/// Merges `branches` into what is checked out, by alice.
fn merge(place: &Place, branches: &[&str], after: i64) -> String {
    let arguments = [&["merge", "--quiet", "--no-ff", "--no-edit", "--allow-unrelated-histories"], branches].concat();
    run(&mut place.signers.signing(&place.repository, By::Ssh(&place.alice), THEN + after, &arguments));
    place.signers.rev_parse(&place.repository, "HEAD")
}

/// A branch from `from` with one commit, and back on main.
fn branch(place: &Place, name: &str, from: &str, by: By<'_>, after: i64) -> String {
    place.git(&["checkout", "-q", "-b", name, from]);
    let id = place.commit(name, "1", by, after);
    place.git(&["checkout", "-q", "main"]);
    id
}

#[test]
fn one_unsigned_branch_of_an_octopus_is_enough_to_refuse_it() {
    let mut place = Place::new();
    let root = place.root.clone();
    for (name, by) in [("one", By::Ssh(&place.alice)), ("two", By::Ssh(&place.bob)), ("three", By::Nobody)] {
        branch(&place, name, &root, by, HOUR);
    }
    place.commit("main", "1", By::Ssh(&place.bob), HOUR);
    place.git(&["branch", "before"]);
    merge(&place, &["one", "two"], 2 * HOUR);
    assert_eq!(place.judge().map(|judged| judged.len()), Ok(4));
    place.git(&["reset", "-q", "--hard", "before"]);
    merge(&place, &["one", "two", "three"], 2 * HOUR);
    assert_eq!(place.judge(), Err(Reason::Unsigned));
    place.policy.mode = Mode::FirstParent;
    assert_eq!(place.judge().map(|judged| judged.len()), Ok(2), "the merge vouches for all it merges");
    place.policy.mode = Mode::Head;
    assert_eq!(place.judge().map(|judged| judged.len()), Ok(1));
}

#[test]
fn a_criss_cross_of_signed_commits_is_judged_once_each() {
    let place = Place::new();
    branch(&place, "side", &place.root, By::Ssh(&place.bob), HOUR);
    place.commit("main", "1", By::Ssh(&place.alice), HOUR);
    place.git(&["branch", "old"]);
    merge(&place, &["side"], 2 * HOUR);
    place.git(&["checkout", "-q", "side"]);
    merge(&place, &["old"], 2 * HOUR);
    place.commit("side", "2", By::Ssh(&place.bob), 3 * HOUR);
    place.git(&["checkout", "-q", "main"]);
    place.commit("main", "2", By::Ssh(&place.alice), 3 * HOUR);
    merge(&place, &["side"], 4 * HOUR);
    assert_eq!(place.judge().map(|judged| judged.len()), Ok(7));
}

#[test]
fn what_leaves_the_pinned_line_below_the_root_is_new_and_judged() {
    for (by_bob, expected) in [(true, Ok(2)), (false, Err(Reason::Unsigned))] {
        let mut place = Place::new();
        let below = place.root.clone();
        place.policy.root = place.commit("a", "1", By::Nobody, HOUR);
        let by = if by_bob { By::Ssh(&place.bob) } else { By::Nobody };
        branch(&place, "side", &below, by, 2 * HOUR);
        merge(&place, &["side"], 3 * HOUR);
        assert_eq!(place.judge().map(|judged| judged.len()), expected);
        // Also where the pinned commit has been left behind by what is applied.
        let root = place.policy.root.clone();
        place.applied(&root);
        assert_eq!(place.judge().map(|judged| judged.len()), expected);
    }
}

#[test]
fn an_unrelated_history_is_judged_from_its_own_beginning() {
    for (by_bob, expected) in [(true, Ok(2)), (false, Err(Reason::Unsigned))] {
        let place = Place::new();
        place.git(&["checkout", "-q", "--orphan", "other"]);
        place.git(&["rm", "-rqf", "."]);
        let by = if by_bob { By::Ssh(&place.bob) } else { By::Nobody };
        place.commit("other", "1", by, HOUR);
        assert_eq!(place.judge(), Err(Reason::TrustRootNotAncestor), "by itself it is another repository");
        place.git(&["checkout", "-q", "main"]);
        merge(&place, &["other"], 2 * HOUR);
        assert_eq!(place.judge().map(|judged| judged.len()), expected);
    }
}

#[test]
fn going_back_is_judged_by_the_pinned_root_too() {
    let mut place = Place::new();
    let below = place.root.clone();
    let root = place.commit("a", "1", By::Nobody, HOUR);
    place.policy.root.clone_from(&root);
    let old = place.commit("a", "2", By::Ssh(&place.alice), 2 * HOUR);
    let applied = place.commit("a", "3", By::Ssh(&place.alice), 3 * HOUR);
    place.applied(&applied);
    let back_to = |place: &mut Place, to: &str, authorised: &str| {
        place.git(&["reset", "-q", "--hard", to]);
        place.policy.rollback_to = Some(authorised.to_owned());
        place.judge()
    };
    for mode in [Mode::EveryCommit, Mode::FirstParent, Mode::Head] {
        place.policy.mode = mode;
        assert_eq!(back_to(&mut place, &below, &below), Err(Reason::TrustRootNotAncestor), "{mode:?}");
        assert_eq!(back_to(&mut place, &root, &root), Ok(vec![]), "{mode:?}");
        assert_eq!(back_to(&mut place, &old, &old), Ok(vec![]), "{mode:?}");
        assert_eq!(back_to(&mut place, &old, &root), Err(Reason::Rollback), "{mode:?}");
        assert_eq!(back_to(&mut place, &applied, &old), Ok(vec![]), "{mode:?}: nothing moves");
    }
}

#[test]
fn going_aside_where_it_was_asked_for_is_judged_all_the_same() {
    for (by_bob, expected) in [(true, Ok(1)), (false, Err(Reason::Unsigned))] {
        let mut place = Place::new();
        let by = if by_bob { By::Ssh(&place.bob) } else { By::Nobody };
        let aside = branch(&place, "side", &place.root, by, HOUR);
        let applied = place.commit("a", "1", By::Ssh(&place.alice), 2 * HOUR);
        place.applied(&applied);
        place.git(&["checkout", "-q", "side"]);
        assert_eq!(place.judge(), Err(Reason::NonFastForward));
        place.policy.rollback_to = Some(aside);
        assert_eq!(place.judge().map(|judged| judged.len()), expected);
    }
}

#[test]
fn what_is_applied_must_lie_on_the_first_parent_line_where_only_that_is_judged() {
    let mut place = Place::new();
    let side = branch(&place, "side", &place.root, By::Ssh(&place.bob), HOUR);
    place.commit("main", "1", By::Ssh(&place.alice), HOUR);
    merge(&place, &["side"], 2 * HOUR);
    place.applied(&side);
    assert_eq!(place.judge().map(|judged| judged.len()), Ok(2));
    place.policy.mode = Mode::Head;
    assert_eq!(place.judge().map(|judged| judged.len()), Ok(1));
    place.policy.mode = Mode::FirstParent;
    assert_eq!(place.judge(), Err(Reason::FirstParentDiscontinuity));
    // The pinned root is no exception.
    place.base.applied = None;
    place.policy.root = side;
    assert_eq!(place.judge(), Err(Reason::FirstParentDiscontinuity));
}

#[test]
fn an_unsigned_commit_on_the_first_parent_line_is_refused() {
    let mut place = Place::new();
    place.policy.mode = Mode::FirstParent;
    branch(&place, "side", &place.root, By::Nobody, HOUR);
    place.commit("main", "1", By::Nobody, HOUR);
    merge(&place, &["side"], 2 * HOUR);
    assert_eq!(place.judge(), Err(Reason::Unsigned));
}

#[test]
fn no_mode_goes_back_or_aside_by_itself() {
    for mode in [Mode::EveryCommit, Mode::FirstParent, Mode::Head] {
        let mut place = Place::new();
        place.policy.mode = mode;
        let first = place.commit("a", "1", By::Ssh(&place.alice), HOUR);
        let second = place.commit("a", "2", By::Ssh(&place.alice), 2 * HOUR);
        place.applied(&second);
        assert_eq!(place.judge(), Ok(vec![]), "{mode:?}: it is applied");
        place.git(&["reset", "-q", "--hard", &first]);
        assert_eq!(place.judge(), Err(Reason::Rollback), "{mode:?}");
        place.commit("a", "3", By::Ssh(&place.alice), 3 * HOUR);
        assert_eq!(place.judge(), Err(Reason::NonFastForward), "{mode:?}");
    }
}

#[test]
fn a_clone_that_was_cut_off_proves_nothing() {
    let mut place = Place::new();
    place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    place.commit("a", "2", By::Ssh(&place.alice), 2 * HOUR);
    let (from, to) = (format!("file://{}", place.repository.display()), place.kept.path().join("shallow"));
    place.git(&["clone", "-q", "--depth=1", &from, to.to_str().unwrap()]);
    place.repository = to;
    assert_eq!(place.judge(), Err(Reason::IncompleteHistory));
    place.policy.mode = Mode::Head;
    assert_eq!(place.judge(), Err(Reason::IncompleteHistory));
}

#[test]
fn dates_are_compared_with_those_of_every_parent_also_of_unjudged_ones() {
    // A pinned commit from the future is believed itself, and what follows must not run back against it.
    let mut place = Place::new();
    place.policy.root = place.commit("a", "1", By::Nobody, 40 * DAY);
    assert_eq!(place.judge(), Ok(vec![]));
    place.commit("a", "2", By::Ssh(&place.alice), HOUR);
    assert_eq!(place.judge(), Err(Reason::TimeRegression));

    // The second parent counts like the first.
    let mut place = Place::new();
    place.now = THEN + 10 * DAY;
    branch(&place, "side", &place.root, By::Ssh(&place.bob), 5 * DAY);
    place.commit("main", "1", By::Ssh(&place.alice), HOUR);
    place.git(&["branch", "before"]);
    merge(&place, &["side"], 4 * DAY);
    assert!(place.judge().is_ok(), "exactly a day");
    place.git(&["reset", "-q", "--hard", "before"]);
    merge(&place, &["side"], 4 * DAY - 1);
    assert_eq!(place.judge(), Err(Reason::TimeRegression));
    place.policy.mode = Mode::FirstParent;
    assert_eq!(place.judge(), Err(Reason::TimeRegression));
    place.policy.max_backward_skew = Some(86401);
    assert!(place.judge().is_ok());
}

#[test]
fn the_signers_file_of_every_parent_must_list_who_merges() {
    let mut place = Place::new();
    let carol = place.signers.ssh_key("carol@example.org", "ed25519");
    let (two, three) = (
        Signers::allowed_signers(&[&place.alice, &place.bob]),
        Signers::allowed_signers(&[&place.alice, &place.bob, &carol]),
    );
    place.policy.root = place.commit("signers", &two, By::Nobody, HOUR);
    place.policy.in_repository = Some("signers".into());
    let root = place.policy.root.clone();
    branch(&place, "side", &root, By::Ssh(&place.bob), 2 * HOUR);
    place.commit("signers", &three, By::Ssh(&place.alice), 2 * HOUR);
    place.git(&["branch", "before"]);
    let merge = |place: &Place, by| drop(place.signers.merge(&place.repository, "side", by, THEN + 3 * HOUR));
    merge(&place, By::Ssh(&carol));
    assert_eq!(place.judge(), Err(Reason::UnknownSigner), "the side does not know her");
    place.git(&["reset", "-q", "--hard", "before"]);
    merge(&place, By::Ssh(&place.alice));
    assert!(place.judge().is_ok());
    place.commit("a", "1", By::Ssh(&carol), 4 * HOUR);
    assert!(place.judge().is_ok(), "the merged file lists her");
    // An unrelated history has no such file at its beginning.
    place.git(&["checkout", "-q", "--orphan", "other"]);
    place.git(&["rm", "-rqf", "."]);
    place.commit("other", "1", By::Ssh(&place.bob), 5 * HOUR);
    place.git(&["checkout", "-q", "main"]);
    self::merge(&place, &["other"], 6 * HOUR);
    assert_eq!(place.judge(), Err(Reason::UnknownSigner));
}

#[test]
fn a_signers_file_that_cannot_be_read_or_is_no_file_stops_there() {
    let honest = |place: &mut Place| {
        let text = Signers::allowed_signers(&[&place.alice, &place.bob]);
        place.policy.root = place.commit("keys/signers", &text, By::Nobody, HOUR);
        place.policy.in_repository = Some("keys/signers".into());
        text
    };
    let mut place = Place::new();
    let text = honest(&mut place);
    place.git(&["checkout", "-q", "-b", "side"]);
    place.commit("keys/signers", "alice@example.org ssh-ed25519 AAAA\n", By::Ssh(&place.alice), 2 * HOUR);
    assert_eq!(place.judge(), Err(Reason::BadConfiguration));
    place.commit("keys/signers", &text, By::Ssh(&place.alice), 3 * HOUR);
    place.git(&["checkout", "-q", "main"]);
    place.commit("a", "1", By::Ssh(&place.bob), 3 * HOUR);
    merge(&place, &["side"], 4 * HOUR);
    assert_eq!(place.judge(), Err(Reason::BadConfiguration), "put right again and merged: it stood in the history");

    let mut place = Place::new();
    let text = honest(&mut place);
    place.git(&["mv", "keys", "moved"]);
    place.signers.commit(&place.repository, "moved", By::Ssh(&place.alice), THEN + 2 * HOUR);
    assert_eq!(place.judge(), Err(Reason::PolicyRemoved));
    place.commit("keys/signers", &text, By::Ssh(&place.alice), 3 * HOUR);
    assert_eq!(place.judge(), Err(Reason::PolicyRemoved), "and restored");

    let mut place = Place::new();
    let text = honest(&mut place);
    std::fs::write(place.repository.join("elsewhere"), text).unwrap();
    std::fs::remove_file(place.repository.join("keys/signers")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", place.repository.join("keys/signers")).unwrap();
    place.signers.commit(&place.repository, "link", By::Ssh(&place.alice), THEN + 2 * HOUR);
    assert_eq!(place.judge(), Err(Reason::PolicyRemoved), "a link is not judged by what it shows");
}
