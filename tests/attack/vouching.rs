//! Who vouches for what: modes in which not every commit is judged, keys of forges, and keys of many hands.

use std::collections::BTreeSet;

use gitwarrant::git::{Fetched, Repository};
use gitwarrant::kustomize;
use gitwarrant::model::RepoPath;
use gitwarrant::trust::{BindCommitter, Mode, PathRuleText, Policy, Reason, verify};
use jiff::Timestamp;

use super::place::{DAY, HOUR, Place, THEN};
use crate::support::signing::{By, Signers};

const TAG: &str = "refs/tags/v1.0.0";

fn prod_is_bobs(place: &mut Place) {
    let rule = |path: &str, names: &[&str]| PathRuleText {
        paths: vec![path.into()],
        signers: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    place.policy.path_rules =
        vec![rule("prod/**", &["bob@example.org"]), rule("**", &["alice@example.org", "bob@example.org"])];
}

#[test]
fn a_merge_that_vouches_for_a_branch_needs_the_right_to_all_it_brings() {
    let mut place = Place::new();
    prod_is_bobs(&mut place);
    place.policy.mode = Mode::FirstParent;
    place.git(&["checkout", "-q", "-b", "side"]);
    place.commit("prod/app.yaml", "evil: 1\n", By::Nobody, HOUR);
    place.git(&["checkout", "-q", "main"]);
    place.commit("readme", "2\n", By::Ssh(&place.alice), HOUR);
    place.git(&["branch", "before"]);
    place.signers.merge(&place.repository, "side", By::Ssh(&place.alice), THEN + 2 * HOUR);
    assert_eq!(place.judge(), Err(Reason::PathNotAuthorised), "the merge is mechanical, and nobody else was asked");
    place.git(&["reset", "-q", "--hard", "before"]);
    place.signers.merge(&place.repository, "side", By::Ssh(&place.bob), THEN + 2 * HOUR);
    assert!(place.judge().is_ok());
}

#[test]
fn a_head_or_tag_that_vouches_alone_needs_the_right_to_all_that_is_new() {
    for mode in [Mode::Head, Mode::Tag] {
        let mut place = Place::new();
        prod_is_bobs(&mut place);
        place.policy.mode = mode;
        place.commit("prod/app.yaml", "evil: 1\n", By::Nobody, HOUR);
        place.commit("readme", "2\n", By::Ssh(&place.alice), 2 * HOUR);
        place.signers.tag(&place.repository, "v1.0.0", By::Ssh(&place.alice), THEN + 2 * HOUR);
        let reference = if mode == Mode::Tag { TAG } else { "HEAD" };
        assert_eq!(place.judge_at(reference), Err(Reason::PathNotAuthorised), "{mode:?}");
        place.git(&["tag", "-d", "v1.0.0"]);
        place.commit("readme", "3\n", By::Ssh(&place.bob), 3 * HOUR);
        place.signers.tag(&place.repository, "v1.0.0", By::Ssh(&place.bob), THEN + 3 * HOUR);
        assert!(place.judge_at(reference).is_ok(), "{mode:?}");
    }
}

#[test]
fn unjudged_commits_do_not_lead_the_date_back_to_a_retired_key() {
    for mode in [Mode::Head, Mode::Tag] {
        let mut place = Place::new();
        place.policy.mode = mode;
        place.now = THEN + 40 * DAY;
        let (alice, bob) = (place.alice.public.clone(), place.bob.public.clone());
        place.allow(format!("alice@example.org {alice}\nbob@example.org valid-before=\"20260605\" {bob}\n"));
        let applied = place.commit("a", "1", By::Ssh(&place.alice), 30 * DAY);
        place.applied(&applied);
        // Unsigned steps back below the key's end; only what lies on top of them is asked about.
        place.commit("a", "2", By::Nobody, 2 * DAY);
        place.commit("a", "3", By::Ssh(&place.bob), 2 * DAY + HOUR);
        place.signers.tag(&place.repository, "v1.0.0", By::Ssh(&place.bob), THEN + 2 * DAY + HOUR);
        let reference = if mode == Mode::Tag { TAG } else { "HEAD" };
        assert_eq!(place.judge_at(reference), Err(Reason::TimeRegression), "{mode:?}");
    }
}

#[test]
fn the_target_of_a_signed_tag_keeps_to_the_grammar() {
    let mut place = Place::new();
    place.policy.mode = Mode::Tag;
    place.commit("a", "1", By::Nobody, HOUR);
    let raw = place.raw_head();
    let tree = raw.lines().next().unwrap();
    place.forge(raw.replacen("author", &format!("{tree}\nauthor"), 1).as_bytes());
    place.signers.tag(&place.repository, "v1.0.0", By::Ssh(&place.alice), THEN + 2 * HOUR);
    assert_eq!(place.judge_at(TAG), Err(Reason::MalformedObject));
}

#[test]
fn a_tag_is_bound_to_its_tagger_where_committers_are_bound() {
    let mut place = Place::new();
    place.policy.mode = Mode::Tag;
    place.commit("a", "1", By::Nobody, HOUR);
    place.signers.tag(&place.repository, "v1.0.0", By::Ssh(&place.alice), THEN + 2 * HOUR);
    assert!(place.judge_at(TAG).is_ok());
    place.policy.bind_committer = BindCommitter::Yes;
    assert_eq!(place.judge_at(TAG), Err(Reason::CommitterMismatch), "somebody@example.org tagged it");
}

#[test]
fn a_forge_vouches_for_nothing_that_it_merges_in_any_mode() {
    let people = |names: &[&str]| -> Result<Vec<String>, Reason> {
        Ok(names
            .iter()
            .map(|name| if *name == "forge" { "forge".into() } else { format!("{name}@example.org") })
            .collect())
    };
    // Who made the two commits of the branch, who commits on main beside it, and what is said of it in which mode.
    let judged = |side: [bool; 2], main: Option<bool>, mode: Mode| {
        let mut place = Place::new();
        let forge = place.signers.ssh_key("forge", "ed25519");
        place.allow(Signers::allowed_signers(&[&place.alice, &place.bob, &forge]));
        place.policy.merge_only = vec!["forge".into()];
        place.policy.mode = mode;
        let by = |signed: bool| if signed { By::Ssh(&place.alice) } else { By::Nobody };
        place.git(&["checkout", "-q", "-b", "side"]);
        place.commit("evil.yaml", "1", by(side[0]), HOUR);
        place.commit("other.yaml", "1", by(side[1]), HOUR);
        place.git(&["checkout", "-q", "main"]);
        if let Some(signed) = main {
            place.commit("main", "1", by(signed), HOUR);
        }
        place.signers.merge(&place.repository, "side", By::Ssh(&forge), THEN + 2 * HOUR);
        place.judge()
    };
    for mode in [Mode::EveryCommit, Mode::FirstParent, Mode::Head] {
        assert_eq!(judged([false, true], None, mode), Err(Reason::Unsigned), "{mode:?}: below the branch's end");
        assert_eq!(judged([true, false], Some(true), mode), Err(Reason::Unsigned), "{mode:?}: the branch's end");
        assert_eq!(judged([true, true], Some(false), mode), Err(Reason::Unsigned), "{mode:?}: main");
        assert_eq!(judged([true, true], None, mode), people(&["forge", "alice", "alice"]), "{mode:?}");
        assert_eq!(judged([true, true], Some(true), mode), people(&["forge", "alice", "alice", "alice"]), "{mode:?}");
    }
}

#[test]
fn what_somebody_vouched_for_is_not_asked_of_a_forge_that_merges_it_again() {
    let mut place = Place::new();
    let forge = place.signers.ssh_key("forge", "ed25519");
    place.allow(Signers::allowed_signers(&[&place.alice, &place.bob, &forge]));
    place.policy.merge_only = vec!["forge".into()];
    place.policy.mode = Mode::FirstParent;
    place.git(&["checkout", "-q", "-b", "side"]);
    place.commit("side", "1", By::Nobody, HOUR);
    place.git(&["checkout", "-q", "main"]);
    place.signers.merge(&place.repository, "side", By::Ssh(&place.alice), THEN + 2 * HOUR);
    place.git(&["checkout", "-q", "side"]);
    place.commit("side", "2", By::Ssh(&place.bob), 3 * HOUR);
    place.git(&["checkout", "-q", "main"]);
    place.signers.merge(&place.repository, "side", By::Ssh(&forge), THEN + 4 * HOUR);
    let names = ["forge", "bob@example.org", "alice@example.org"].map(ToOwned::to_owned);
    assert_eq!(place.judge(), Ok(names.to_vec()));
    // Another forge's merge within what is brought in is judged like all else there.
    place.git(&["checkout", "-q", "-b", "inner", "side"]);
    place.commit("inner", "1", By::Nobody, 5 * HOUR);
    place.git(&["checkout", "-q", "side"]);
    place.signers.merge(&place.repository, "inner", By::Ssh(&place.bob), THEN + 6 * HOUR);
    place.git(&["checkout", "-q", "main"]);
    place.signers.merge(&place.repository, "side", By::Ssh(&forge), THEN + 7 * HOUR);
    assert_eq!(place.judge(), Err(Reason::Unsigned), "on a branch nobody vouches by merging");
}

#[test]
fn a_forge_releases_nobodys_change_of_a_path() {
    let mut place = Place::new();
    let forge = place.signers.ssh_key("forge", "ed25519");
    place.allow(Signers::allowed_signers(&[&place.alice, &place.bob, &forge]));
    place.policy.merge_only = vec!["forge".into()];
    place.policy.mode = Mode::FirstParent;
    prod_is_bobs(&mut place);
    for rule in &mut place.policy.path_rules {
        rule.signers.push("forge".into());
    }
    for (name, by, expected) in
        [("one", By::Ssh(&place.alice), Err(Reason::PathNotAuthorised)), ("two", By::Ssh(&place.bob), Ok(()))]
    {
        place.git(&["checkout", "-q", "-b", name, &place.root]);
        place.commit("prod/app.yaml", &format!("{name}: 1\n"), by, HOUR);
        place.git(&["checkout", "-q", "main"]);
        place.git(&["reset", "-q", "--hard", &place.root]);
        place.signers.merge(&place.repository, name, By::Ssh(&forge), THEN + 2 * HOUR);
        assert_eq!(place.judge().map(drop), expected, "{name}");
    }
}

#[test]
fn a_forges_key_releases_nothing() {
    let mut place = Place::new();
    place.policy.mode = Mode::Tag;
    place.policy.merge_only = vec!["bob@example.org".into()];
    place.commit("a", "1", By::Nobody, HOUR);
    place.signers.tag(&place.repository, "v1.0.0", By::Ssh(&place.bob), THEN + 2 * HOUR);
    assert_eq!(place.judge_at(TAG), Err(Reason::SignerNotAllowedForChange));
}

#[test]
fn a_forges_key_approves_nothing() {
    let mut place = Place::new();
    place.policy.threshold = 2;
    place.policy.merge_only = vec!["bob@example.org".into()];
    place.git(&["branch", "side"]);
    place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    place.git(&["checkout", "-q", "side"]);
    place.signers.commit(&place.repository, "nothing", By::Ssh(&place.alice), THEN + HOUR);
    place.git(&["checkout", "-q", "main"]);
    // The tree is alice's; pressing the forge's button once more is no second person.
    place.signers.merge(&place.repository, "side", By::Ssh(&place.bob), THEN + 2 * HOUR);
    assert_eq!(place.judge(), Err(Reason::ThresholdNotMet));
    place.policy.merge_only.clear();
    assert!(place.judge().is_ok());
}

#[test]
fn a_key_listed_for_whoever_fits_a_pattern_is_bound_by_what_binds_any_of_them() {
    let mut place = Place::new();
    let (alice, bob) = (place.alice.public.clone(), place.bob.public.clone());
    place.allow(format!("*@example.org {alice}\nbob@example.org {bob}\n"));
    place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    assert!(place.judge().is_ok());
    place.policy.merge_only = vec!["noreply@example.org".into()];
    assert_eq!(place.judge(), Err(Reason::SignerNotAllowedForChange));
    place.policy.merge_only.clear();
    place.policy.revoked_principals = vec!["carol@example.org".into()];
    assert_eq!(place.judge(), Err(Reason::RevokedKey), "she may hold it");
    place.policy.revoked_principals.clear();
    place.policy.threshold = 2;
    place.signers.commit(&place.repository, "approve", By::Ssh(&place.bob), THEN + 2 * HOUR);
    assert_eq!(place.judge(), Err(Reason::ThresholdNotMet), "bob may hold both keys");
    let carol = place.signers.ssh_key("carol@example.com", "ed25519");
    place.allow(format!("*@example.org {alice}\n{}", Signers::allowed_signers(&[&carol])));
    place.git(&["reset", "-q", "--hard", "HEAD~1"]);
    place.signers.commit(&place.repository, "approve", By::Ssh(&carol), THEN + 2 * HOUR);
    assert!(place.judge().is_ok(), "she cannot be one of them");
}

/// Whether what `folder` draws in may be applied, judged and gathered as the agent does.
fn inputs_of(place: &Place, folder: &str) -> Result<BTreeSet<String>, Reason> {
    let policy = Policy::read(&place.policy).unwrap();
    let (commit, objects) = Repository::open(&place.repository).unwrap().resolve("HEAD").unwrap().into_parts();
    let folder = RepoPath::parse(folder).unwrap();
    let now = Timestamp::from_second(place.now).unwrap();
    let verified = verify(Fetched::new(commit, objects), &policy, &place.base, Some(&folder), now)
        .map_err(|refusal| refusal.reason())?;
    let tree = verified.into_tree();
    let files = tree.below(&RepoPath::root()).map(ToString::to_string).collect();
    let sources = kustomize::gather(tree, &folder, &kustomize::Options::AGENT).unwrap();
    sources.judge_inputs().map(|_| files).map_err(|refusal| refusal.reason())
}

/// Stages a link, in place of whatever lies there.
fn stage_link(place: &Place, link: &str, target: &str) {
    let path = place.repository.join(link);
    place.git(&["rm", "-rq", "--ignore-unmatch", link]);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(target, path).unwrap();
    place.git(&["add", "--", link]);
}

fn rules(place: &mut Place, rules: &[(&str, &str)]) {
    let rule = |(path, names): &(&str, &str)| PathRuleText {
        paths: vec![(*path).into()],
        signers: names.split(' ').map(|name| format!("{name}@example.org")).collect(),
    };
    place.policy.path_rules = rules.iter().map(rule).collect();
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n  a: '1'\n";

#[test]
fn a_link_outside_the_applied_folder_is_no_way_around_its_path_rule() {
    // What the link shows is changed, where it lies.
    let mut place = Place::new();
    rules(&mut place, &[("apps/bob/**", "bob"), ("**", "alice")]);
    stage_link(&place, "base", "apps/bob");
    place.commit("apps/bob/kustomization.yaml", "resources:\n- map.yaml\n", By::Nobody, HOUR);
    place.commit("apps/bob/map.yaml", MAP, By::Nobody, HOUR);
    let applied = place.commit("prod/kustomization.yaml", "resources:\n- ../base\n", By::Nobody, HOUR);
    place.applied(&applied);
    assert!(inputs_of(&place, "prod").is_ok());
    place.commit("apps/bob/map.yaml", &MAP.replace('1', "2"), By::Ssh(&place.bob), 2 * HOUR);
    assert_eq!(inputs_of(&place, "prod"), Err(Reason::PathNotAuthorised));
    assert!(inputs_of(&place, "apps/bob").is_ok(), "his own");

    // The link itself is turned to what others have written.
    let mut place = Place::new();
    rules(&mut place, &[("current", "bob"), ("**", "alice")]);
    for release in ["v1", "v2"] {
        place.commit(&format!("releases/{release}/kustomization.yaml"), "resources:\n- map.yaml\n", By::Nobody, HOUR);
        place.commit(&format!("releases/{release}/map.yaml"), &MAP.replace('1', release), By::Nobody, HOUR);
    }
    stage_link(&place, "current", "releases/v1");
    let applied = place.commit("prod/kustomization.yaml", "resources:\n- ../current\n", By::Nobody, HOUR);
    place.applied(&applied);
    stage_link(&place, "current", "releases/v2");
    place.signers.commit(&place.repository, "newer", By::Ssh(&place.bob), THEN + 2 * HOUR);
    assert_eq!(inputs_of(&place, "prod"), Err(Reason::PathNotAuthorised));

    // A folder is replaced by a link to another one.
    let mut place = Place::new();
    rules(&mut place, &[("base/**", "bob alice"), ("**", "alice")]);
    place.commit("base/web/kustomization.yaml", "resources: []\n", By::Nobody, HOUR);
    let applied = place.commit("prod/kustomization.yaml", "resources:\n- ../base/web\n", By::Nobody, HOUR);
    place.applied(&applied);
    stage_link(&place, "base/web", "evil");
    place.commit("base/evil/map.yaml", MAP, By::Ssh(&place.bob), 2 * HOUR);
    place.commit("base/evil/kustomization.yml", "resources:\n- map.yaml\n", By::Ssh(&place.bob), 2 * HOUR);
    assert_eq!(inputs_of(&place, "prod"), Err(Reason::PathNotAuthorised));
}

#[test]
fn what_a_rule_lets_somebody_change_inside_the_applied_folder_is_theirs() {
    let mut place = Place::new();
    rules(&mut place, &[("prod/apps/**", "bob"), ("**", "alice")]);
    place.commit("prod/apps/map.yaml", MAP, By::Nobody, HOUR);
    let applied = place.commit("prod/kustomization.yaml", "resources:\n- apps/map.yaml\n", By::Nobody, HOUR);
    place.applied(&applied);
    place.commit("prod/apps/map.yaml", &MAP.replace('1', "2"), By::Ssh(&place.bob), 2 * HOUR);
    assert!(inputs_of(&place, "prod").is_ok());
    place.commit("prod/kustomization.yaml", "resources: []\n", By::Ssh(&place.bob), 3 * HOUR);
    assert_eq!(inputs_of(&place, "prod"), Err(Reason::PathNotAuthorised));
}

#[test]
fn a_base_outside_the_applied_folder_is_no_way_around_its_path_rule() {
    let mut place = Place::new();
    prod_is_bobs(&mut place);
    let kustomization = |resource: &str| format!("resources:\n- {resource}\n");
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n  a: '1'\n";
    place.commit("staging/kustomization.yaml", &kustomization("map.yaml"), By::Ssh(&place.bob), HOUR);
    place.commit("staging/map.yaml", map, By::Ssh(&place.bob), HOUR);
    let applied = place.commit("prod/kustomization.yaml", &kustomization("../staging"), By::Ssh(&place.bob), 2 * HOUR);
    assert!(inputs_of(&place, "prod").is_ok());
    place.applied(&applied);
    place.commit("staging/other.yaml", map, By::Ssh(&place.alice), 3 * HOUR);
    assert!(inputs_of(&place, "prod").is_ok(), "nothing that prod draws in");
    place.commit("staging/map.yaml", &map.replace('1', "2"), By::Ssh(&place.alice), 4 * HOUR);
    assert_eq!(inputs_of(&place, "prod"), Err(Reason::PathNotAuthorised));
    assert!(inputs_of(&place, "staging").is_ok(), "she may change staging itself");
}
