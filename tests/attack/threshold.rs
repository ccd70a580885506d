//! Approvals: of whom, of what, and how often each counts.

use gitwarrant::trust::{Mode, Reason};

use super::place::{DAY, HOUR, Place, THEN};
use crate::support::signing::{By, Signers, run};

/// Alice's two changes of `a`, each approved by Bob; the second is applied. Tells the commit that approves the first.
fn two_approved_changes(place: &mut Place) -> String {
    place.policy.threshold = 2;
    place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    let first = place.signers.commit(&place.repository, "approve", By::Ssh(&place.bob), THEN + 2 * HOUR);
    place.commit("a", "2", By::Ssh(&place.alice), 3 * HOUR);
    let second = place.signers.commit(&place.repository, "approve", By::Ssh(&place.bob), THEN + 4 * HOUR);
    place.applied(&second);
    first
}

#[test]
fn one_signer_replays_no_old_approvals_by_merging_the_present_into_the_past() {
    for mode in [Mode::EveryCommit, Mode::Head] {
        let mut place = Place::new();
        place.policy.mode = mode;
        let first = two_approved_changes(&mut place);
        // The merge descends from what was applied, and its first parent is the approved past: a rollback by alice alone.
        place.git(&["checkout", "-q", &first]);
        let (alice, at) = (By::Ssh(&place.alice), THEN + 5 * HOUR);
        let merge = ["merge", "-q", "--no-ff", "--no-edit", "--strategy=ours", "main"];
        run(&mut place.signers.signing(&place.repository, alice, at, &merge));
        assert_eq!(place.judge(), Err(Reason::ThresholdNotMet), "{mode:?}");
        // Nor by one more empty commit on top.
        place.signers.commit(&place.repository, "again", alice, at + HOUR);
        assert_eq!(place.judge(), Err(Reason::ThresholdNotMet), "{mode:?}");
        place.signers.commit(&place.repository, "approve", By::Ssh(&place.bob), at + 2 * HOUR);
        assert!(place.judge().is_ok(), "{mode:?}: bob wants it back too");
    }
}

#[test]
fn one_signer_brings_back_no_branch_that_was_approved_and_left_aside() {
    for mode in [Mode::EveryCommit, Mode::Head] {
        let mut place = Place::new();
        place.policy.mode = mode;
        place.policy.threshold = 2;
        place.git(&["checkout", "-q", "-b", "old"]);
        place.commit("a", "old", By::Ssh(&place.alice), HOUR);
        place.signers.commit(&place.repository, "approve", By::Ssh(&place.bob), THEN + 2 * HOUR);
        place.git(&["checkout", "-q", "main"]);
        place.commit("a", "fix", By::Ssh(&place.alice), 3 * HOUR);
        let applied = place.signers.commit(&place.repository, "approve", By::Ssh(&place.bob), THEN + 4 * HOUR);
        place.applied(&applied);
        let carol = place.signers.ssh_key("carol@example.org", "ed25519");
        place.allow(Signers::allowed_signers(&[&place.alice, &place.bob, &carol]));
        place.git(&["checkout", "-q", "old"]);
        let merge = ["merge", "-q", "--no-ff", "--no-edit", "--strategy=ours", "main"];
        run(&mut place.signers.signing(&place.repository, By::Ssh(&carol), THEN + 5 * HOUR, &merge));
        assert_eq!(place.judge(), Err(Reason::ThresholdNotMet), "{mode:?}: nobody else approved it knowing of the fix");
        place.signers.commit(&place.repository, "approve", By::Ssh(&place.bob), THEN + 6 * HOUR);
        assert!(place.judge().is_ok(), "{mode:?}");
    }
}

#[test]
fn an_approval_counts_for_its_own_content_and_not_for_what_follows_or_comes_back() {
    let mut place = Place::new();
    two_approved_changes(&mut place);
    place.commit("a", "3", By::Ssh(&place.alice), 5 * HOUR);
    assert_eq!(place.judge(), Err(Reason::ThresholdNotMet));
    // Back to what bob approved twice before, by alice alone.
    place.commit("a", "2", By::Ssh(&place.alice), 6 * HOUR);
    assert_eq!(place.judge(), Err(Reason::ThresholdNotMet));
    place.signers.commit(&place.repository, "approve", By::Ssh(&place.bob), THEN + 7 * HOUR);
    assert!(place.judge().is_ok());
}

#[test]
fn what_was_applied_stays_approved_while_its_content_stays() {
    let mut place = Place::new();
    two_approved_changes(&mut place);
    place.signers.commit(&place.repository, "nothing", By::Ssh(&place.alice), THEN + 5 * HOUR);
    assert!(place.judge().is_ok(), "the line leads through what was applied, and nothing changes");
}

#[test]
fn a_change_in_the_approving_commit_is_no_approval() {
    let mut place = Place::new();
    place.policy.threshold = 2;
    place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    place.commit("b", "1", By::Ssh(&place.bob), 2 * HOUR);
    assert_eq!(place.judge(), Err(Reason::ThresholdNotMet));
}

#[test]
fn one_key_under_two_names_is_one_person() {
    let mut place = Place::new();
    place.policy.threshold = 2;
    let key = place.alice.public.clone();
    place.allow(format!(
        "alice@example.org valid-before=\"202606010130\" {key}\nalso@example.org valid-after=\"202606010130\" {key}\n"
    ));
    place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    place.signers.commit(&place.repository, "approve", By::Ssh(&place.alice), THEN + 2 * HOUR);
    assert_eq!(place.judge(), Err(Reason::ThresholdNotMet));
}

#[test]
fn unjudged_commits_bring_no_approval_of_a_retired_key() {
    for mode in [Mode::Head, Mode::Tag] {
        let mut place = Place::new();
        place.policy.mode = mode;
        place.policy.threshold = 2;
        place.now = THEN + 40 * DAY;
        let carol = place.signers.ssh_key("carol@example.org", "ed25519");
        let (all, retired) = (Signers::allowed_signers(&[&place.alice, &carol]), place.bob.public.clone());
        place.allow(format!("{all}bob@example.org valid-before=\"20260605\" {retired}\n"));
        let applied = place.commit("a", "1", By::Ssh(&place.alice), 30 * DAY);
        place.applied(&applied);
        place.commit("a", "2", By::Ssh(&place.bob), 2 * DAY);
        place.signers.commit(&place.repository, "head", By::Ssh(&place.alice), THEN + 31 * DAY);
        place.signers.tag(&place.repository, "v1.0.0", By::Ssh(&place.alice), THEN + 31 * DAY);
        let reference = if mode == Mode::Tag { "refs/tags/v1.0.0" } else { "HEAD" };
        assert_eq!(place.judge_at(reference), Err(Reason::ThresholdNotMet), "{mode:?}: bob's date is his own word");
        place.git(&["reset", "-q", "--hard", &applied]);
        place.git(&["tag", "-d", "v1.0.0"]);
        place.commit("a", "2", By::Ssh(&carol), 30 * DAY);
        place.signers.commit(&place.repository, "head", By::Ssh(&place.alice), THEN + 31 * DAY);
        place.signers.tag(&place.repository, "v1.0.0", By::Ssh(&place.alice), THEN + 31 * DAY);
        assert!(place.judge_at(reference).is_ok(), "{mode:?}");
    }
}
