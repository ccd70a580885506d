use serde_json::json;

use super::StandIn;
use crate::cluster::{Applied, Error};
use crate::plan::{Identity, Inventory, Owner, Prune, steps};
use crate::policy::written::object;
use crate::policy::{Limits, admit_all};

fn owner(name: &str) -> Owner {
    Owner { namespace: "team".to_owned(), name: name.to_owned() }
}

/// One turn: `names` are the ConfigMaps in the repository.
fn turn(cluster: &StandIn, inventory: &Inventory, names: &[&str]) -> Result<Applied, Error> {
    let manifest = |name: &&str| {
        object(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}}))
    };
    let items = admit_all(names.iter().map(manifest).collect(), &Limits::default()).unwrap();
    let live = cluster.look(&items, inventory);
    let steps = steps(items, inventory, &live, Prune::Fused, &cluster.owner).unwrap();
    cluster.carry_out(steps)
}

fn config_map(name: &str) -> Identity {
    Identity {
        group: String::new(),
        kind: "ConfigMap".to_owned(),
        namespace: Some("shop".to_owned()),
        name: name.to_owned(),
    }
}

#[test]
fn the_stand_in_applies_leaves_alone_and_prunes() {
    let cluster = StandIn::new(owner("prod"));
    let first = turn(&cluster, &Inventory::default(), &["a", "b"]).unwrap();
    assert_eq!((first.changed.len(), first.unchanged, first.inventory.len()), (2, 0, 2));
    let second = turn(&cluster, &first.inventory, &["a", "b"]).unwrap();
    assert_eq!((second.changed.len(), second.unchanged), (0, 2));
    let third = turn(&cluster, &second.inventory, &["a"]).unwrap();
    assert_eq!(third.pruned.len(), 1);
    assert_eq!(cluster.objects(), [config_map("a")]);
}

#[test]
fn an_object_deleted_by_hand_comes_back() {
    let cluster = StandIn::new(owner("prod"));
    let first = turn(&cluster, &Inventory::default(), &["a", "b"]).unwrap();
    cluster.delete(&config_map("a"));
    assert_eq!(turn(&cluster, &first.inventory, &["a", "b"]).unwrap().changed.len(), 1);
}

#[test]
fn a_refused_object_is_named_and_nothing_is_pruned() {
    let cluster = StandIn::new(owner("prod"));
    let first = turn(&cluster, &Inventory::default(), &["a", "b"]).unwrap();
    cluster.deny(config_map("c"));
    let refused = turn(&cluster, &first.inventory, &["a", "c"]).unwrap_err();
    assert!(refused.to_string().starts_with("patch ConfigMap/shop/c: "), "{refused}");
    assert_eq!(cluster.objects(), [config_map("a"), config_map("b")]);
}

#[test]
fn another_sync_does_not_see_what_is_not_its_own_as_its_own() {
    let cluster = StandIn::new(owner("prod"));
    turn(&cluster, &Inventory::default(), &["a"]).unwrap();
    let beside = cluster.beside(owner("other"));
    let applied = turn(&beside, &Inventory::default(), &["b"]).unwrap();
    assert_eq!((applied.pruned.len(), beside.objects().len()), (0, 2));
}
