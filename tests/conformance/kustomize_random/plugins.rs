//! Random configurations of the built-in generators and transformers, and of the fields that transformers change.

use serde_json::{Value, json};

use super::manifests::{NAMES, Written, text};
use super::patches::{json_patch, replacement, strategic, target};
use super::writer::yaml;
use crate::support::mutate::Random;

/// A document of one of the built-in transformers.
pub fn transformer(objects: &[Written], random: &mut Random) -> Value {
    let name = json!([{"path": "metadata/name"}]);
    let object = (!objects.is_empty()).then(|| random.one(objects).clone());
    let (kind, more) = match (random.below(14), object) {
        (0, _) => ("PrefixTransformer", json!({"prefix": "t-", "fieldSpecs": name})),
        (1, _) => ("SuffixTransformer", json!({"suffix": "-t", "fieldSpecs": name})),
        (2, _) => ("PrefixSuffixTransformer", json!({"prefix": "u-", "suffix": "-u", "fieldSpecs": name})),
        (3, _) => ("LabelTransformer", json!({"labels": {"l": random.one(&["m", "1"])}, "fieldSpecs": specs(random)})),
        (4, _) => (
            "AnnotationsTransformer",
            json!({"annotations": {"q": random.one(&["r", "0755", "true"])}, "fieldSpecs": specs(random)}),
        ),
        (5, _) => {
            let subjects = random.one(&["none", "defaultOnly", "allServiceAccounts"]);
            let spec = json!([{"path": "metadata/name", "kind": "Namespace", "create": true},
                {"path": "metadata/namespace", "create": true}]);
            let unset = random.below(2) == 0;
            (
                "NamespaceTransformer",
                json!({"unsetOnly": unset, "setRoleBindingSubjects": subjects, "fieldSpecs": spec}),
            )
        }
        (6, _) => (
            "ImageTagTransformer",
            json!({"imageTag": {"name": random.one(&["nginx", "host:5000/team/web"]), "newTag": "7"},
                "fieldSpecs": [{"path": "spec/deep/image", "kind": "Thing"}]}),
        ),
        (7, Some(object)) => (
            "ReplicaCountTransformer",
            json!({"replica": {"name": object.name, "count": 4}, "fieldSpecs":
                [{"path": "spec/replicas", "create": true, "kind": "Deployment"},
                 {"path": "spec/replicas", "create": true, "kind": "Thing"}]}),
        ),
        (8, Some(object)) => {
            let patch = strategic(&object, random);
            ("PatchStrategicMergeTransformer", json!({ "patches": yaml(&patch, random) }))
        }
        (9, Some(object)) => {
            let operations = json_patch(&object, random).to_string();
            let target = json!({"kind": object.kind, "name": object.name});
            ("PatchJson6902Transformer", json!({"target": target, "jsonOp": operations}))
        }
        (10, Some(object)) => {
            let patch = json_patch(&object, random);
            ("PatchTransformer", json!({"target": target(&object, random), "patch": patch.to_string()}))
        }
        (11, Some(object)) => {
            let into = random.one(objects).clone();
            ("ReplacementTransformer", json!({ "replacements": [replacement(&object, &into, random)] }))
        }
        (12, _) => (
            "ValueAddTransformer",
            json!({"value": random.one(&["v", "x/y"]), "targets": [{"fieldPath": "metadata/annotations/path",
                "filePathPosition": random.below(3)}]}),
        ),
        (_, _) => ("LabelTransformer", json!({"labels": {"l2": "m"}, "fieldSpecs": specs(random)})),
    };
    let mut plugin = json!({"apiVersion": "builtin", "kind": kind, "metadata": {"name": "plugin"}});
    if kind == "NamespaceTransformer" {
        plugin["metadata"]["namespace"] = json!(random.one(&["one", "four"]));
    }
    for (key, value) in more.as_object().unwrap() {
        plugin[key] = value.clone();
    }
    plugin
}

/// Fields that hold mappings, made where they are missing.
fn specs(random: &mut Random) -> Value {
    random
        .one(&[
            json!([{"path": "metadata/labels", "create": true}]),
            json!([{"path": "metadata/annotations", "create": true}, {"path": "spec/map", "kind": "Thing"}]),
            json!([{"path": "spec/template/metadata/annotations", "create": true, "kind": "Deployment"}]),
            json!([{"path": "spec/made/here", "create": true, "group": "example.org"}]),
            json!([{"path": "spec/list[]/labels", "create": true, "kind": "Thing", "version": "v1"}]),
        ])
        .clone()
}

/// A document of one of the built-in generators.
pub fn generator(random: &mut Random) -> Value {
    let mut plugin = json!({"apiVersion": "builtin", "kind": random.one(&["ConfigMapGenerator", "SecretGenerator"]),
        "metadata": {"name": random.one(&NAMES)}, "literals": ["g=1", format!("h={}", text(random))]});
    match random.below(5) {
        0 => plugin["behavior"] = json!("merge"),
        1 => plugin["behavior"] = json!("replace"),
        2 => plugin["options"] = json!({"disableNameSuffixHash": true, "labels": {"gen": "plugin"}}),
        3 => plugin["metadata"]["namespace"] = json!("one"),
        _ => {}
    }
    plugin
}

/// A file of `configurations`.
pub fn configuration(random: &mut Random) -> Value {
    random
        .one(&[
            json!({"nameReference": [{"kind": "ConfigMap", "version": "v1",
                "fieldSpecs": [{"kind": "Thing", "path": "spec/list/name"}]}]}),
            json!({"namePrefix": [{"path": "metadata/name", "kind": "Thing"}], "commonLabels":
                [{"path": "spec/map", "kind": "Thing", "create": true}]}),
            json!({"images": [{"path": "spec/deep/image", "kind": "Thing"}], "replicas":
                [{"path": "spec/count", "kind": "Thing", "create": true}]}),
            json!({"varReference": [{"path": "data", "kind": "ConfigMap"}], "commonAnnotations":
                [{"path": "spec/map", "kind": "Thing"}]}),
            json!({"namespace": [{"path": "spec/space", "kind": "Thing", "create": true}], "nameSuffix":
                [{"path": "spec/deep/image", "kind": "Thing"}, {"path": "metadata/name"}]}),
        ])
        .clone()
}
