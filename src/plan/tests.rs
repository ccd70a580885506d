use serde_json::json;

use super::{Refusal, Steps, steps};
use crate::model::Key;
use crate::plan::{
    Departed, Entry, Existing, HeldBecause, Identity, Inventory, Live, Located, Owner, Prune, SYNC_NAME, Target,
};
use crate::policy::written::object;
use crate::policy::{Item, Limits, admit_all};

fn owner() -> Owner {
    Owner { namespace: "team".to_owned(), name: "prod".to_owned() }
}

fn other() -> Owner {
    Owner { namespace: "team".to_owned(), name: "other".to_owned() }
}

fn manifest(kind: &str, name: &str) -> serde_json::Value {
    let group = match kind {
        "CustomResourceDefinition" => "apiextensions.k8s.io/v1",
        "Deployment" => "apps/v1",
        _ => "v1",
    };
    let mut whole = json!({"apiVersion": group, "kind": kind, "metadata": {"name": name}});
    if !matches!(kind, "Namespace" | "CustomResourceDefinition") {
        whole["metadata"]["namespace"] = json!("shop");
    }
    whole
}

fn key(kind: &str, name: &str) -> Key {
    object(&manifest(kind, name)).key()
}

fn existing(uid: &str, owner: Option<Owner>) -> Existing {
    Existing {
        uid: uid.to_owned(),
        resource_version: "1".to_owned(),
        outline: None,
        owner,
        kept: false,
        deleting: false,
    }
}

fn located(key: &Key, existing: Option<Existing>) -> Located {
    Located { target: Target { key: key.clone(), plural: "things".to_owned() }, existing }
}

/// Wanted objects, recorded objects that left, and what was found; the uid of `name` is `uid-name`.
struct Case {
    items: Vec<Item>,
    inventory: Inventory,
    live: Live,
}

impl Case {
    fn wanting(wanted: &[(&str, &str)]) -> Self {
        let objects = wanted.iter().map(|(kind, name)| object(&manifest(kind, name))).collect();
        let items = admit_all(objects, &Limits::default()).unwrap();
        let mut case = Self { items, inventory: Inventory::default(), live: Live::default() };
        for (kind, name) in wanted {
            case.live.found(key(kind, name), located(&key(kind, name), None));
        }
        case
    }

    /// Something is recorded, has left the repository, and is as `found` in the cluster.
    fn left(mut self, kind: &str, name: &str, found: Departed) -> Self {
        let key = key(kind, name);
        self.inventory.record(Entry::new(key.clone(), Some(format!("uid-{name}"))));
        self.live.left(Identity::from(&key), found);
        self
    }

    /// Something of ours has left the repository and still exists.
    fn ours_left(self, kind: &str, name: &str) -> Self {
        let found = located(&key(kind, name), Some(existing(&format!("uid-{name}"), Some(owner()))));
        self.left(kind, name, Departed::Present(Box::new(found)))
    }

    /// Something that is recorded and stays.
    fn stays(mut self, kind: &str, name: &str) -> Self {
        self.inventory.record(Entry::new(key(kind, name), Some(format!("uid-{name}"))));
        self
    }

    /// Everything recorded is held already, and was seen.
    fn all_held(mut self) -> Self {
        self.inventory = self.inventory.iter().map(|entry| Entry { held: true, ..entry.clone() }).collect();
        self
    }

    fn plan(self, prune: Prune) -> Result<Steps, Refusal> {
        steps(self.items, &self.inventory, &self.live, prune, &owner())
    }
}

fn deleted(steps: &Steps) -> Vec<&str> {
    steps.deletions.iter().map(|deletion| deletion.target.key.name.as_str()).collect()
}

fn held(steps: &Steps) -> Vec<(&str, HeldBecause)> {
    steps.held.iter().map(|held| (held.key.name.as_str(), held.because)).collect()
}

#[test]
fn definitions_are_written_first_and_every_object_names_its_owner() {
    let wanted =
        [("ConfigMap", "a"), ("Deployment", "web"), ("Namespace", "shop"), ("CustomResourceDefinition", "as.b.c")];
    let steps = Case::wanting(&wanted).plan(Prune::Fused).unwrap();
    let names: Vec<_> = steps.applies.iter().map(|apply| apply.target.key.name.as_str()).collect();
    assert_eq!(names, ["shop", "as.b.c", "a", "web"]);
    for apply in &steps.applies {
        let labels = apply.object.body().get("metadata").unwrap().at(&["labels", SYNC_NAME]).unwrap();
        assert_eq!(labels.as_text(), Some("prod"));
    }
}

#[test]
fn what_left_the_repository_is_deleted_with_its_uid() {
    let steps = Case::wanting(&[("ConfigMap", "a")])
        .stays("ConfigMap", "a")
        .ours_left("ConfigMap", "b")
        .plan(Prune::Fused)
        .unwrap();
    assert_eq!(deleted(&steps), ["b"]);
    assert_eq!(steps.deletions[0].uid, "uid-b");
}

#[test]
fn nothing_is_deleted_without_prune_and_it_stays_recorded() {
    let steps = Case::wanting(&[("ConfigMap", "a")])
        .stays("ConfigMap", "a")
        .ours_left("ConfigMap", "b")
        .plan(Prune::Off)
        .unwrap();
    assert_eq!(held(&steps), [("b", HeldBecause::PruneOff)]);
    assert_eq!((deleted(&steps).len(), steps.intended.len(), steps.departed.len()), (0, 2, 1));
}

#[test]
fn what_is_intended_is_everything_recorded_and_everything_wanted() {
    let steps = Case::wanting(&[("ConfigMap", "new")])
        .stays("ConfigMap", "a")
        .ours_left("ConfigMap", "b")
        .plan(Prune::Fused)
        .unwrap();
    let names: Vec<_> = steps.intended.iter().map(|entry| entry.key.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "new"]);
}

#[test]
fn an_object_that_is_made_again_is_intended_without_the_uid_it_had() {
    let mut case = Case::wanting(&[("ConfigMap", "a")]).stays("ConfigMap", "a");
    case.live.found(key("ConfigMap", "a"), located(&key("ConfigMap", "a"), None));
    let steps = case.plan(Prune::Fused).unwrap();
    let uids: Vec<_> = steps.intended.iter().map(|entry| entry.uid.clone()).collect();
    assert_eq!(
        uids,
        [None],
        "an agent that ends before it knows the new one would take its own object for a stranger's"
    );
}

#[test]
fn an_object_that_another_sync_owns_is_refused_and_named() {
    let mut case = Case::wanting(&[("ConfigMap", "a")]);
    case.live.found(key("ConfigMap", "a"), located(&key("ConfigMap", "a"), Some(existing("u", Some(other())))));
    let refusal = case.plan(Prune::Fused).err().unwrap();
    assert_eq!(
        refusal.to_string(),
        "apps/a.yaml:3: ConfigMap/shop/a is owned by Sync/team/other, which came first and keeps it. Remove it from one of the two, or move it as `gitwarrant explain owned-by-another` says"
    );
}

#[test]
fn a_label_does_not_take_an_object_from_the_sync_that_has_it_on_record() {
    let mut case = Case::wanting(&[("ConfigMap", "a")]).stays("ConfigMap", "a");
    let found = located(&key("ConfigMap", "a"), Some(existing("uid-a", Some(other()))));
    case.live.found(key("ConfigMap", "a"), found);
    assert_eq!(case.plan(Prune::Fused).unwrap().applies.len(), 1);

    let mut case = Case::wanting(&[("ConfigMap", "a")]).stays("ConfigMap", "a");
    let made_anew = located(&key("ConfigMap", "a"), Some(existing("uid-of-somebody", Some(other()))));
    case.live.found(key("ConfigMap", "a"), made_anew);
    assert!(matches!(case.plan(Prune::Fused), Err(Refusal::Foreign(_))));
}

#[test]
fn an_object_of_a_sync_that_is_gone_is_adopted() {
    let case = || {
        let mut case = Case::wanting(&[("ConfigMap", "a")]);
        case.live.found(key("ConfigMap", "a"), located(&key("ConfigMap", "a"), Some(existing("u", Some(other())))));
        case
    };
    let mut gone = case();
    gone.live.disown(|owner| *owner != other());
    assert_eq!(gone.plan(Prune::Fused).unwrap().applies.len(), 1);
    let mut lives = case();
    lives.live.disown(|_| true);
    assert!(matches!(lives.plan(Prune::Fused), Err(Refusal::Foreign(_))));
}

#[test]
fn an_object_that_nobody_owns_is_adopted() {
    let mut case = Case::wanting(&[("ConfigMap", "a")]);
    case.live.found(key("ConfigMap", "a"), located(&key("ConfigMap", "a"), Some(existing("u", None))));
    assert_eq!(case.plan(Prune::Fused).unwrap().applies.len(), 1);
}

#[test]
fn pruning_keeps_what_another_sync_owns_or_somebody_made_anew() {
    let found =
        |uid: &str, owner| Departed::Present(Box::new(located(&key("ConfigMap", "b"), Some(existing(uid, owner)))));
    for departed in [found("uid-b", Some(other())), found("uid-b", None), found("uid-of-somebody", Some(owner()))] {
        let steps = Case::wanting(&[("ConfigMap", "a")]).stays("ConfigMap", "a").left("ConfigMap", "b", departed);
        let steps = steps.plan(Prune::Approved).unwrap();
        assert_eq!((deleted(&steps).len(), steps.lost.len(), steps.departed.len()), (0, 1, 0));
    }
}

#[test]
fn an_object_that_is_wanted_under_another_group_is_not_deleted_under_its_old_one() {
    let mut case = Case::wanting(&[("Deployment", "web")]).stays("ConfigMap", "a").ours_left("Service", "web");
    let (new, old) = (key("Deployment", "web"), key("Service", "web"));
    case.live.found(new.clone(), located(&new, Some(existing("uid-web", Some(owner())))));
    let steps = case.plan(Prune::Fused).unwrap();
    assert_eq!((deleted(&steps).len(), steps.lost), (0, vec![old]));
}

#[test]
fn an_incomplete_answer_is_no_reason_to_forget_or_delete() {
    let steps = Case::wanting(&[("ConfigMap", "a")])
        .stays("ConfigMap", "a")
        .left("ConfigMap", "b", Departed::Unknown)
        .left("ConfigMap", "c", Departed::Gone)
        .plan(Prune::Approved)
        .unwrap();
    assert_eq!(held(&steps), [("b", HeldBecause::KindUnknown)]);
    assert_eq!(steps.departed.iter().map(|entry| entry.key.name.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn namespaces_definitions_and_volumes_go_only_with_approval() {
    let case = || {
        Case::wanting(&[("ConfigMap", "a")])
            .stays("ConfigMap", "a")
            .stays("ConfigMap", "a2")
            .ours_left("Namespace", "shop")
            .ours_left("CustomResourceDefinition", "as.b.c")
            .ours_left("PersistentVolumeClaim", "disk")
    };
    let fused = case().plan(Prune::Fused).unwrap();
    assert!(deleted(&fused).is_empty());
    assert!(
        fused.held.iter().all(|held| held.because == HeldBecause::Cascades || held.because == HeldBecause::KindUnknown)
    );
    assert!(deleted(&case().plan(Prune::Approved).unwrap()).is_empty(), "nobody has seen that they were held");
    let approved = case().all_held().plan(Prune::Approved).unwrap();
    assert_eq!(deleted(&approved)[0], "disk", "what needs definitions goes before them");
    assert_eq!(approved.deletions.len(), 3);
}

#[test]
fn nothing_is_deleted_when_everything_recorded_would_go() {
    let case = || Case::wanting(&[("ConfigMap", "new")]).ours_left("ConfigMap", "a").ours_left("ConfigMap", "b");
    let steps = case().plan(Prune::Fused).unwrap();
    assert_eq!(held(&steps), [("a", HeldBecause::Everything), ("b", HeldBecause::Everything)]);
    assert_eq!(deleted(&case().all_held().plan(Prune::Approved).unwrap()).len(), 2);
}

#[test]
fn an_approval_covers_what_was_held_and_the_fuse_counts_the_rest() {
    // One was held and approved; then every name changes, so that everything else leaves too.
    let case = Case::wanting(&[("ConfigMap", "x-a"), ("ConfigMap", "x-b")])
        .ours_left("ConfigMap", "seen")
        .all_held()
        .ours_left("ConfigMap", "a")
        .ours_left("ConfigMap", "b")
        .ours_left("Namespace", "shop");
    let before = case.inventory.clone();
    let steps = case.plan(Prune::Approved).unwrap();
    assert_eq!(deleted(&steps), ["seen"]);
    assert_eq!(
        held(&steps),
        [("shop", HeldBecause::Cascades), ("a", HeldBecause::Everything), ("b", HeldBecause::Everything)]
    );
    assert!(steps.intended.holds_more_than(&before), "the approval did not cover these");
    assert!(!before.holds_more_than(&steps.intended));
}

#[test]
fn an_approval_of_everything_but_one_does_not_take_the_last_one_along() {
    let steps = Case::wanting(&[("ConfigMap", "x-a")])
        .ours_left("ConfigMap", "seen")
        .all_held()
        .ours_left("ConfigMap", "a")
        .plan(Prune::Approved)
        .unwrap();
    assert_eq!((deleted(&steps), held(&steps)), (vec!["seen"], vec![("a", HeldBecause::Everything)]));
}

#[test]
fn a_held_deletion_stays_held_at_the_next_turn_too() {
    let case = Case::wanting(&[("ConfigMap", "new")]).ours_left("ConfigMap", "a").ours_left("ConfigMap", "b");
    let intended = case.plan(Prune::Fused).unwrap().intended;
    let mut next = Case::wanting(&[("ConfigMap", "new")]).ours_left("ConfigMap", "a").ours_left("ConfigMap", "b");
    next.inventory = intended.clone();
    let steps = next.plan(Prune::Fused).unwrap();
    assert_eq!(held(&steps), [("a", HeldBecause::HeldBefore), ("b", HeldBecause::HeldBefore)]);
    let mut approved = Case::wanting(&[("ConfigMap", "new")]).ours_left("ConfigMap", "a").ours_left("ConfigMap", "b");
    approved.inventory = intended;
    assert_eq!(deleted(&approved.plan(Prune::Approved).unwrap()).len(), 2);
}

#[test]
fn a_deletion_stays_held_while_the_last_good_commit_is_brought_again() {
    let mut case = Case::wanting(&[("ConfigMap", "a"), ("ConfigMap", "b")]);
    for name in ["a", "b"] {
        let entry = Entry { held: true, ..Entry::new(key("ConfigMap", name), Some(format!("uid-{name}"))) };
        case.inventory.record(entry);
    }
    let intended = case.ours_left("ConfigMap", "new").plan(Prune::LastGood).unwrap().intended;
    let held: Vec<_> = intended.iter().map(|entry| (entry.key.name.as_str(), entry.held)).collect();
    assert_eq!(held, [("a", true), ("b", true), ("new", false)]);
}

#[test]
fn what_cannot_be_looked_at_counts_as_leaving_and_is_held_when_it_can() {
    let names: Vec<String> = (0..12).map(|at| format!("old-{at}")).collect();
    let wanted: Vec<String> = (0..12).map(|at| format!("new-{at}")).collect();
    let wanted: Vec<(&str, &str)> = wanted.iter().map(|name| ("ConfigMap", name.as_str())).collect();
    for (prune, because) in [(Prune::Fused, HeldBecause::KindUnknown), (Prune::Off, HeldBecause::PruneOff)] {
        let case = names.iter().fold(Case::wanting(&wanted), |case, name| match prune {
            Prune::Fused => case.left("ConfigMap", name, Departed::Unknown),
            _ => case.ours_left("ConfigMap", name),
        });
        let steps = case.plan(prune).unwrap();
        assert!(steps.held.len() == 12 && steps.held.iter().all(|held| held.because == because));
        let next = names.iter().fold(Case::wanting(&wanted), |case, name| case.ours_left("ConfigMap", name));
        let steps = Case { inventory: steps.intended, ..next }.plan(Prune::Fused).unwrap();
        assert_eq!(deleted(&steps), [""; 0]);
        assert!(steps.held.iter().all(|held| held.because == HeldBecause::HeldBefore));
    }
}

#[test]
fn a_few_that_cannot_be_looked_at_are_not_held_for_that() {
    let wanted = [("ConfigMap", "a"), ("ConfigMap", "c")];
    let case = Case::wanting(&wanted).stays("ConfigMap", "a").stays("ConfigMap", "c");
    let steps = case.left("Widget", "b", Departed::Unknown).plan(Prune::Fused).unwrap();
    assert_eq!(held(&steps), [("b", HeldBecause::KindUnknown)]);
    assert!(steps.intended.iter().all(|entry| !entry.held));
}

#[test]
fn without_prune_nobody_is_asked_to_let_anything_be_looked_at() {
    let case = Case::wanting(&[("ConfigMap", "a")]).stays("ConfigMap", "a").left("Widget", "b", Departed::Unknown);
    assert_eq!(held(&case.plan(Prune::Off).unwrap()), [("b", HeldBecause::PruneOff)]);
}

#[test]
fn an_object_that_nobody_owns_is_intended_without_its_uid() {
    let mut case = Case::wanting(&[("ConfigMap", "a")]);
    case.live.found(key("ConfigMap", "a"), located(&key("ConfigMap", "a"), Some(existing("uid-a", None))));
    let intended = case.plan(Prune::Fused).unwrap().intended;
    assert_eq!(intended.iter().map(|entry| entry.uid.clone()).collect::<Vec<_>>(), [None]);
}

#[test]
fn more_than_ten_and_more_than_half_is_held_as_a_whole() {
    let mut case = Case::wanting(&[("ConfigMap", "a")]).stays("ConfigMap", "a");
    for number in 0..11 {
        case = case.ours_left("ConfigMap", &format!("b{number}"));
    }
    let steps = case.plan(Prune::Fused).unwrap();
    assert_eq!((deleted(&steps).len(), steps.held.len()), (0, 11));
    assert!(steps.held.iter().all(|held| held.because == HeldBecause::TooMany));
}

#[test]
fn the_live_annotation_keeps_an_object() {
    let mut kept = existing("uid-b", Some(owner()));
    kept.kept = true;
    let found = Departed::Present(Box::new(located(&key("ConfigMap", "b"), Some(kept))));
    let case = Case::wanting(&[("ConfigMap", "a")]).stays("ConfigMap", "a").left("ConfigMap", "b", found);
    assert_eq!(held(&case.plan(Prune::Approved).unwrap()), [("b", HeldBecause::ObjectSaysKeep)]);
}

#[test]
fn two_manifests_of_one_cluster_scoped_object_are_refused() {
    let role = |namespace: &str| {
        let mut whole =
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "a"}});
        whole["metadata"]["namespace"] = json!(namespace);
        object(&whole)
    };
    let items = admit_all(vec![role("x"), role("y")], &Limits::default()).unwrap();
    let mut live = Live::default();
    for namespace in ["x", "y"] {
        let named = role(namespace).key();
        let real = Key { namespace: None, ..named.clone() };
        live.found(named, located(&real, None));
    }
    let refusal = steps(items, &Inventory::default(), &live, Prune::Fused, &owner()).err().unwrap();
    assert_eq!(refusal.code(), "duplicate-object");
}

#[test]
fn what_was_not_looked_for_is_never_planned() {
    let mut case = Case::wanting(&[("ConfigMap", "a")]);
    case.live = Live::default();
    assert_eq!(case.plan(Prune::Fused).err(), Some(Refusal::NotSurveyed(key("ConfigMap", "a"))));
}
