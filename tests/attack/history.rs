//! Histories as attackers, careless mergers and bent servers make them; every case made here by the real git and
//! ssh-keygen.

use std::path::{Path, PathBuf};

use gitwarrant::trust::{BindCommitter, Mode, PathRuleText, Reason};

use super::place::{DAY, HOUR, Place, THEN};
use crate::support::signing::{By, Signers, run};

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
fn what_a_rollback_left_does_not_come_back_by_itself_or_in_a_merge() {
    let mut place = Place::new();
    let first = place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    let left = place.commit("a", "2", By::Ssh(&place.alice), 2 * HOUR);
    place.applied(&first);
    assert!(place.judge().is_ok());
    place.base.left_behind = vec![left.parse().unwrap()];
    assert_eq!(place.judge(), Err(Reason::Rollback));
    // What lies between has a good signature as well.
    let further = place.commit("a", "3", By::Ssh(&place.alice), 3 * HOUR);
    place.base.left_behind = vec![further.parse().unwrap()];
    place.git(&["reset", "-q", "--hard", &left]);
    assert_eq!(place.judge(), Err(Reason::Rollback), "part of what was left");
    place.base.left_behind = vec!["1".repeat(40).parse().unwrap()];
    assert_eq!(place.judge(), Err(Reason::Rollback), "nobody can tell of what is not there");
    place.base.left_behind = vec![left.parse().unwrap()];
    place.git(&["branch", "left"]);
    place.git(&["reset", "-q", "--hard", &first]);
    let onwards = place.commit("b", "1", By::Ssh(&place.alice), 3 * HOUR);
    assert!(place.judge().is_ok(), "the branch goes on without it");
    place.applied(&onwards);
    place.signers.merge(&place.repository, "left", By::Ssh(&place.alice), THEN + 4 * HOUR);
    assert_eq!(place.judge(), Err(Reason::Rollback));
    // `rollbackTo` may also name what lies ahead; then what was left is part of all that follows.
    place.base.left_behind = vec![first.parse().unwrap()];
    assert!(place.judge().is_ok());
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
fn a_tag_of_a_lower_version_is_a_rollback_whatever_stands_before_the_number() {
    let mut place = Place::new();
    place.policy.mode = Mode::Tag;
    let commit = place.commit("a", "1", By::Nobody, HOUR);
    place.applied(&commit);
    let accepted = Ok(vec!["alice@example.org".to_owned()]);
    for (applied, name, expected) in [
        ("app/10.0.0", "app/9.0.0", Err(Reason::Rollback)),
        ("app/9.0.0", "app/10.0.0", accepted.clone()),
        ("v1.2.3", "v1.2.3-rc.1", Err(Reason::Rollback)),
        ("my-app-1.2.3", "my-app-1.2.3-rc.1", Err(Reason::Rollback)),
        ("my-app-1.2.3-rc.1", "my-app-1.2.3", accepted.clone()),
        ("release-10", "release-9", Err(Reason::Rollback)),
        ("v1.0.0", "v1", accepted.clone()),
        ("nightly", "v1.0.0", accepted),
    ] {
        place.signers.tag(&place.repository, name, By::Ssh(&place.alice), THEN + HOUR);
        place.base.applied_tag = Some(applied.into());
        assert_eq!(place.judge_at(&format!("refs/tags/{name}")), expected, "{applied} -> {name}");
        place.git(&["tag", "--delete", name]);
    }
}

#[test]
fn an_older_release_comes_back_only_where_it_was_asked_for() {
    let mut place = Place::new();
    place.policy.mode = Mode::Tag;
    let old = place.commit("a", "1", By::Nobody, HOUR);
    place.signers.tag(&place.repository, "v1.0.0", By::Ssh(&place.alice), THEN + HOUR);
    let new = place.commit("a", "2", By::Nobody, 2 * HOUR);
    place.signers.tag(&place.repository, "v2.0.0", By::Ssh(&place.alice), THEN + 2 * HOUR);
    place.applied(&new);
    place.base.applied_tag = Some("v2.0.0".into());
    let first = "refs/tags/v1.0.0";
    assert_eq!(place.judge_at(first), Err(Reason::Rollback));
    place.policy.rollback_to = Some(new.clone());
    assert_eq!(place.judge_at(first), Err(Reason::Rollback), "another commit was authorised");
    place.policy.rollback_to = Some(old.clone());
    assert_eq!(place.judge_at(first), Ok(vec!["alice@example.org".into()]));
    // The same name on another commit is no release but a tag that moved, and what is not signed is none.
    place.git(&["tag", "--delete", "v2.0.0"]);
    place.git(&["checkout", "-q", &old]);
    place.signers.tag(&place.repository, "v2.0.0", By::Ssh(&place.alice), THEN + 3 * HOUR);
    assert_eq!(place.judge_at("refs/tags/v2.0.0"), Err(Reason::TagMoved));
    place.signers.tag(&place.repository, "v1.5.0", By::Nobody, THEN + 3 * HOUR);
    assert_eq!(place.judge_at("refs/tags/v1.5.0"), Err(Reason::Unsigned));
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
