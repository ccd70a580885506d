//! Random patches, replacements and variables for objects that were written.

use serde_json::{Value, json};

use super::manifests::{IMAGES, NAMES, Written, container, entries, scalar, text, variable, volume};
use crate::support::mutate::Random;

/// A strategic merge patch for `object`.
pub fn strategic(object: &Written, random: &mut Random) -> Value {
    let mut patch = object.head();
    if random.below(16) == 0 {
        patch["$patch"] = json!("delete");
        return patch;
    }
    for _ in 0..=random.below(3) {
        change(object, &mut patch, random);
    }
    patch
}

fn change(object: &Written, patch: &mut Value, random: &mut Random) {
    match random.below(4) {
        0 => patch["metadata"]["labels"] = json!({"app": random.one(&["new", "web"]), "count": 1}),
        1 => patch["metadata"]["annotations"] = entries(random, 3),
        _ if object.is_workload() => {
            let pod = pod(random);
            patch["spec"]["template"]["spec"] = pod;
            if random.below(3) == 0 {
                patch["spec"]["replicas"] = random.one(&[json!(5), json!(null)]).clone();
            }
            if random.below(6) == 0 {
                patch["spec"]["strategy"] = random
                    .one(&[json!({"$patch": "replace", "type": "Recreate"}), json!({"type": "Recreate"})])
                    .clone();
            }
        }
        _ => match object.kind {
            "ConfigMap" | "Secret" => patch["data"] = json!({"k0": text(random), "k1": null, "k7": text(random)}),
            "Pod" => patch["spec"] = pod(random),
            "CronJob" => patch["spec"]["jobTemplate"]["spec"]["template"]["spec"] = pod(random),
            "Service" => {
                patch["spec"]["ports"] = json!([{"port": 80, "protocol": "TCP", "nodePort": 30080},
                    {"port": 8080, "protocol": "TCP"}]);
            }
            "Thing" => {
                patch["spec"] = random
                    .one(&[
                        json!({"list": [{"name": "b", "v": 2}], "map": {"k0": null, "k9": "x"}}),
                        json!({"deep": {"none": null, "image": "new"}, "scalar": {"now": "a map"}}),
                        json!({"map": {"$patch": "replace", "only": "this"}}),
                        json!({"deep": null, "list": []}),
                        json!({"map": {"$patch": "delete"}}),
                    ])
                    .clone();
            }
            "ServiceAccount" => patch["secrets"] = json!([{"name": random.one(&NAMES)}]),
            "Ingress" => patch["spec"]["tls"] = json!([{"hosts": ["b.example"], "secretName": "web"}]),
            "Role" => patch["rules"] = json!([]),
            _ => patch["metadata"]["finalizers"] = json!(["example.org/c", "example.org/a"]),
        },
    }
}

fn pod(random: &mut Random) -> Value {
    let mut list = Vec::new();
    for number in 0..=random.below(2) {
        list.push(match random.below(6) {
            0 => json!({"name": format!("c{number}"), "$patch": "delete"}),
            1 => json!({"name": format!("c{number}"), "image": random.one(&IMAGES)}),
            2 => json!({"name": format!("c{number}"), "env": [variable("E1", random), {"name": "E0", "$patch": "delete"}]}),
            3 => json!({"name": format!("c{number}"), "ports": [{"containerPort": 80, "protocol": "TCP", "name": "web"}]}),
            4 => json!({"name": format!("c{number}"), "args": null, "env": [variable("E5", random), variable("E0", random)]}),
            _ => container(number + 4, random),
        });
    }
    let mut pod = json!({ "containers": list });
    match random.below(8) {
        0 => pod["volumes"] = json!([volume("v1", random), volume("v2", random)]),
        1 => pod["volumes"] = json!([{"name": "v0", "$patch": "delete"}]),
        2 => pod["volumes"] = json!([volume("v7", random)]),
        3 => pod["nodeSelector"] = json!({"zone": "a", "old": null}),
        4 => pod["tolerations"] = json!([{"key": "k2"}]),
        5 => pod["$patch"] = json!("replace"),
        _ => {}
    }
    pod
}

/// A JSON patch that mostly fits `object`.
pub fn json_patch(object: &Written, random: &mut Random) -> Value {
    let operations: Vec<Value> = (0..=random.below(3)).map(|_| operation(object, random)).collect();
    json!(operations)
}

fn operation(object: &Written, random: &mut Random) -> Value {
    let template = if object.kind == "CronJob" { "/spec/jobTemplate/spec/template" } else { "/spec/template" };
    match random.below(14) {
        12 => json!({"op": "add", "path": "/metadata/annotations/added", "value": text(random)}),
        13 => json!({"op": "replace", "path": "/metadata/annotations/k0", "value": text(random)}),
        0 => json!({"op": "add", "path": "/metadata/annotations", "value": {"j": text(random)}}),
        1 => json!({"op": "add", "path": "/metadata/labels", "value": {"j": "new"}}),
        2 => json!({"op": "replace", "path": "/metadata/labels/app", "value": "replaced"}),
        3 => json!({"op": "test", "path": "/metadata/name", "value": object.name}),
        4 => json!({"op": "copy", "from": "/metadata/name", "path": "/metadata/generateName"}),
        5 => json!({"op": "add", "path": "/spec", "value": {"whole": scalar(random), "list": [1, null, "0755"]}}),
        _ if object.is_workload() || object.kind == "CronJob" => match random.below(8) {
            0 => json!({"op": "replace", "path": format!("{template}/spec/containers/0/image"), "value": "json:2"}),
            1 => json!({"op": "add", "path": format!("{template}/spec/containers/-"), "value": container(7, random)}),
            2 => json!({"op": "remove", "path": format!("{template}/spec/containers/-1")}),
            3 => json!({"op": "add", "path": format!("{template}/spec/containers/0"), "value": container(8, random)}),
            4 => json!({"op": "move", "from": "/spec/selector", "path": format!("{template}/spec/moved")}),
            5 => json!({"op": "add", "path": format!("{template}/metadata/annotations"), "value": {"a~b/c": "1"}}),
            6 => json!({"op": "replace", "path": "/spec/replicas", "value": 9}),
            _ => json!({"op": "add", "path": format!("{template}/spec/nodeSelector"), "value": {"disk": "ssd"}}),
        },
        _ => match object.kind {
            "ConfigMap" | "Secret" => json!({"op": "add", "path": "/data", "value": {"only": text(random)}}),
            "Service" => json!({"op": "replace", "path": "/spec/ports/0/port", "value": 8080}),
            "Thing" => random
                .one(&[
                    json!({"op": "remove", "path": "/spec/list/0"}),
                    json!({"op": "add", "path": "/spec/list/1", "value": 0.5}),
                    json!({"op": "test", "path": "/spec/deep/none", "value": null}),
                    json!({"op": "remove", "path": "/spec/not/there"}),
                    json!({"op": "replace", "path": "/spec/map", "value": []}),
                ])
                .clone(),
            _ => json!({"op": "add", "path": "/metadata/namespace", "value": "json"}),
        },
    }
}

/// A selector that `object` fits, and perhaps others.
pub fn target(object: &Written, random: &mut Random) -> Value {
    match random.below(8) {
        0 => json!({"kind": object.kind}),
        1 => json!({"name": ".*b"}),
        2 => json!({"kind": format!("{}|Deployment", object.kind), "name": object.name}),
        3 => json!({"labelSelector": "app in (web, api), tier!=back"}),
        4 => json!({"group": "apps", "version": "v1"}),
        5 => json!({"annotationSelector": "k0"}),
        _ => json!({"kind": object.kind, "name": object.name}),
    }
}

/// A replacement from one object into another.
pub fn replacement(from: &Written, into: &Written, random: &mut Random) -> Value {
    let mut source = json!({"kind": from.kind, "name": from.name});
    match (from.kind, random.below(3)) {
        ("ConfigMap" | "Secret", 0) => source["fieldPath"] = json!("data.k0"),
        ("Deployment", 0) => source["fieldPath"] = json!("spec.template.spec.containers.0.image"),
        ("Deployment", 1) => source["fieldPath"] = json!("spec.template.spec.containers.[name=c0].name"),
        ("Thing", 0) => source["fieldPath"] = json!("spec.scalar"),
        _ => {}
    }
    if random.below(6) == 0 {
        source["options"] = json!({"delimiter": "-", "index": random.below(2)});
    }
    let path = match (into.kind, random.below(8)) {
        (_, 0 | 1) => "metadata.annotations.[example.org/put.here]",
        (_, 2) => "metadata.labels.put",
        ("Deployment" | "StatefulSet" | "DaemonSet" | "Job", 3) => "spec.template.spec.containers.[name=c0].image",
        ("Deployment" | "StatefulSet" | "DaemonSet" | "Job", 4) => {
            "spec.template.spec.containers.*.env.[name=E0].value"
        }
        ("Deployment" | "StatefulSet" | "DaemonSet" | "Job", _) => "spec.template.metadata.labels.app",
        ("Thing", 3) => "spec.list.[name=a].v",
        ("Thing", 4) => "spec.deep.none",
        ("Thing", _) => "spec.list.1.name",
        ("Service", _) => "spec.selector.app",
        ("ConfigMap", _) => "data.k0",
        _ => "metadata.annotations.put",
    };
    let mut target = json!({"select": {"kind": into.kind, "name": into.name}, "fieldPaths": [path]});
    match random.below(5) {
        0 => target["options"] = json!({"delimiter": ":", "index": 1}),
        1 => target["options"] = json!({"delimiter": "/", "index": -1, "create": true}),
        2 => {}
        _ => target["options"] = json!({"create": true}),
    }
    if random.below(6) == 0 {
        target["reject"] = json!([{"name": random.one(&NAMES)}]);
    }
    json!({"source": source, "targets": [target]})
}

/// A variable out of `from`.
pub fn var(name: &str, from: &Written, random: &mut Random) -> Value {
    let mut var = json!({"name": name,
        "objref": {"apiVersion": from.api_version, "kind": from.kind, "name": from.name}});
    match (from.kind, random.below(3)) {
        ("Deployment", 0) => var["fieldref"] = json!({"fieldpath": "spec.template.spec.containers[0].image"}),
        ("ConfigMap", 0) => var["fieldref"] = json!({"fieldpath": "data.k0"}),
        _ => {}
    }
    var
}
