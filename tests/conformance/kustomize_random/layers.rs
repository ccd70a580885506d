//! Random bases, components and overlays.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Case;
use super::manifests::{NAMES, Written, object, text};
use super::patches::{json_patch, replacement, strategic, target, var};
use super::plugins::{configuration, generator, transformer};
use super::writer::yaml;
use crate::support::mutate::Random;

/// The case of `seed`.
pub fn case(seed: u64) -> Case {
    let mut making =
        Making { random: Random::new(seed.wrapping_mul(0x5851_F42D_4C95_7F2D)), files: BTreeMap::new(), folders: 0 };
    let depth = 1 + making.random.below(3);
    let (root, _) = making.layer(depth, true);
    Case { files: making.files, root }
}

struct Making {
    random: Random,
    files: BTreeMap<String, String>,
    folders: usize,
}

impl Making {
    /// A kustomization with `depth` levels at and below it, and the objects that it makes.
    fn layer(&mut self, depth: usize, is_top: bool) -> (String, Vec<Written>) {
        let folder = self.folder(if is_top { "top" } else { "base" });
        let mut fields = Map::new();
        let (mut resources, mut objects) = (Vec::new(), Vec::new());
        if depth > 1 {
            for _ in 0..=usize::from(self.random.below(4) == 0) {
                let (base, below) = self.layer(depth - 1, false);
                resources.push(json!(format!("../{base}")));
                objects.extend(below);
            }
        }
        if depth == 1 || self.random.below(3) == 0 {
            for file in 0..=self.random.below(2) {
                let name = format!("r{file}.yaml");
                objects.extend(self.manifests(&format!("{folder}/{name}")));
                resources.push(json!(name));
            }
        }
        fields.insert("resources".to_owned(), json!(resources));
        if self.random.below(5) == 0 {
            let part = self.component(&objects);
            fields.insert("components".to_owned(), json!([format!("../{part}")]));
        }
        let changes = 1 + self.random.below(3);
        for _ in 0..changes {
            self.change(&folder, &objects, &mut fields);
        }
        if is_top && self.random.below(10) == 0 {
            fields.insert("sortOptions".to_owned(), json!({"order": self.random.one(&["legacy", "fifo"])}));
        }
        if is_top && self.random.below(10) == 0 {
            let wanted = ["originAnnotations", "transformerAnnotations", "managedByLabel"];
            fields.insert("buildMetadata".to_owned(), json!([self.random.one(&wanted), self.random.one(&wanted)]));
        }
        self.kustomization(&folder, "Kustomization", fields);
        (folder, objects)
    }

    fn component(&mut self, objects: &[Written]) -> String {
        let folder = self.folder("part");
        let mut fields = Map::new();
        for _ in 0..=self.random.below(2) {
            self.change(&folder, objects, &mut fields);
        }
        self.kustomization(&folder, "Component", fields);
        folder
    }

    fn folder(&mut self, what: &str) -> String {
        self.folders += 1;
        format!("{what}{}", self.folders)
    }

    fn kustomization(&mut self, folder: &str, kind: &str, fields: Map<String, Value>) {
        let mut text = String::new();
        if kind == "Component" {
            text += "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n";
        }
        text += &yaml(&Value::Object(fields), &mut self.random);
        self.files.insert(format!("{folder}/kustomization.yaml"), text);
    }

    fn manifests(&mut self, path: &str) -> Vec<Written> {
        let mut text = String::new();
        let mut all = Vec::new();
        for number in 0..=self.random.below(3) {
            let (written, mut value) = object(&mut self.random);
            if self.random.below(20) == 0 {
                value = json!({"apiVersion": "v1", "kind": "List", "items": [value]});
            }
            if number > 0 {
                text += "---\n";
            }
            text += &yaml(&value, &mut self.random);
            all.push(written);
        }
        self.files.insert(path.to_owned(), text);
        all
    }

    /// Adds one thing to the kustomization.
    #[allow(clippy::too_many_lines, reason = "one table of changes, read as one")]
    fn change(&mut self, folder: &str, objects: &[Written], fields: &mut Map<String, Value>) {
        let random = &mut self.random;
        // Each layer adds keys of its own: kustomize shares what it adds between fields, and changes them all with one.
        let place = folder;
        let entries = fields.get("labels").and_then(Value::as_array).map_or(0, Vec::len);
        let (has_vars, has_transformers) = (fields.contains_key("vars"), fields.contains_key("transformers"));
        let mut add = |name: &str, entry: Value| {
            if let Value::Array(list) = fields.entry(name).or_insert_with(|| json!([])) {
                list.push(entry);
            }
        };
        match random.below(27) {
            0 => drop(fields.insert("namePrefix".to_owned(), json!(random.one(&["a-", "b-"])))),
            1 => drop(fields.insert("nameSuffix".to_owned(), json!(random.one(&["-x", "-v2"])))),
            2 | 3 => drop(fields.insert("namespace".to_owned(), json!(random.one(&["one", "three"])))),
            4 => drop(fields.insert("commonLabels".to_owned(), json!({(format!("team-{place}")): random.one(&NAMES)}))),
            5 | 6 => add(
                "labels",
                json!({"pairs": {(format!("env-{place}-{entries}")): random.one(&["prod", "1"])}, "includeSelectors": random.below(4) == 0,
                    "includeTemplates": random.below(2) == 0, "includeVolumeClaimTemplates": random.below(3) == 0}),
            ),
            7 => drop(fields.insert(
                "commonAnnotations".to_owned(),
                json!({(format!("note-{place}")): text(random).replace('$', "%")}),
            )),
            8 | 9 => {
                let name = *random.one(&["nginx", "host:5000/team/web", "busybox", "registry/a/.", "other", "web-app"]);
                let entry = random
                    .one(&[
                        json!({"name": name, "newTag": "9.9"}),
                        json!({"name": name, "newName": "mirror:5000/x", "newTag": "1"}),
                        json!({"name": name, "digest": "sha256:beef"}),
                        json!({"name": name, "newName": "mirror/y"}),
                        json!({"name": name, "newTag": "2", "digest": "sha256:beef"}),
                        json!({"name": name, "tagSuffix": "-s"}),
                    ])
                    .clone();
                add("images", entry);
            }
            10 => {
                let scaled = |object: &&Written| matches!(object.kind, "Deployment" | "StatefulSet");
                if let Some(object) = objects.iter().rfind(scaled) {
                    add("replicas", json!({"name": object.name, "count": 7}));
                }
            }
            11..=13 if !objects.is_empty() => {
                let object = random.one(objects).clone();
                let patch = yaml(&strategic(&object, random), random);
                let entry = match random.below(4) {
                    0 => json!({"patch": patch, "target": target(&object, random)}),
                    1 => {
                        let name = format!("patch{}.yaml", self.files.len());
                        self.files.insert(format!("{folder}/{name}"), patch);
                        json!({"path": name})
                    }
                    _ => json!({ "patch": patch }),
                };
                add("patches", with_options(entry, random));
            }
            14 | 15 if !objects.is_empty() => {
                let object = random.one(objects).clone();
                let patch = json_patch(&object, random);
                let patch = if random.below(2) == 0 { yaml(&patch, random) } else { patch.to_string() };
                add("patches", json!({"patch": patch, "target": target(&object, random)}));
            }
            16 | 17 => self.generator(folder, fields),
            18 | 19 if !objects.is_empty() => {
                let (from, into) = (random.one(objects).clone(), random.one(objects).clone());
                add("replacements", replacement(&from, &into, random));
            }
            20 if !objects.is_empty() => {
                let from = random.one(objects).clone();
                // Each name once in a whole case, or everything is refused for that.
                let name = if self.files.keys().any(|path| path.contains("top")) { "V1" } else { "V0" };
                if !has_vars {
                    add("vars", var(name, &from, random));
                }
            }
            21 if !objects.is_empty() => {
                let object = random.one(objects).clone();
                let patch = strategic(&object, random);
                add("patchesStrategicMerge", json!(yaml(&patch, random)));
            }
            22 if !objects.is_empty() => {
                let object = random.one(objects).clone();
                let (group, version) = object.api_version.split_once('/').unwrap_or(("", object.api_version));
                let target = json!({"group": group, "version": version, "kind": object.kind, "name": object.name});
                let patch = json_patch(&object, random).to_string();
                add("patchesJson6902", json!({"target": target, "patch": patch}));
            }
            23 => {
                let name = format!("config{}.yaml", self.files.len());
                self.files.insert(format!("{folder}/{name}"), yaml(&configuration(random), random));
                add("configurations", json!(name));
            }
            24 => {
                let plugin = generator(random);
                add("generators", json!(yaml(&plugin, random)));
            }
            _ => {
                if !has_transformers {
                    let plugin = transformer(objects, random);
                    add("transformers", json!(yaml(&plugin, random)));
                }
            }
        }
    }

    fn generator(&mut self, folder: &str, fields: &mut Map<String, Value>) {
        let random = &mut self.random;
        let field = *random.one(&["configMapGenerator", "secretGenerator"]);
        let mut entry =
            json!({"name": random.one(&NAMES), "literals": [format!("k0={}", text(random)), "k8='quoted'"]});
        match random.below(6) {
            0 | 1 => entry["behavior"] = json!("merge"),
            2 => entry["behavior"] = json!("replace"),
            _ => {}
        }
        if random.below(3) == 0 {
            let name = format!("file{}.txt", self.files.len());
            self.files.insert(
                format!("{folder}/{name}"),
                format!("{}{}", text(random), "long text ".repeat(random.below(12))),
            );
            entry["files"] = json!([name.clone(), format!("as={name}")]);
        }
        if random.below(4) == 0 {
            let name = format!("env{}.env", self.files.len());
            self.files.insert(
                format!("{folder}/{name}"),
                "# a comment\nONE=1\n  TWO = spaced \nBARE\nQUOTED=\"q\"\n".to_owned(),
            );
            entry["envs"] = json!([name]);
        }
        if random.below(4) == 0 {
            entry["options"] = json!({"disableNameSuffixHash": random.below(2) == 0, "immutable": random.below(2) == 0,
                "labels": {"gen": "own"}, "annotations": {"made": text(random)}});
        }
        if random.below(6) == 0 {
            entry["namespace"] = json!("one");
        }
        if field == "secretGenerator" && random.below(3) == 0 {
            entry["type"] = json!("kubernetes.io/tls");
        }
        if random.below(6) == 0 {
            fields.insert(
                "generatorOptions".to_owned(),
                json!({"labels": {"gen": "all"}, "disableNameSuffixHash": random.below(3) == 0}),
            );
        }
        if let Value::Array(list) = fields.entry(field).or_insert_with(|| json!([])) {
            list.push(entry);
        }
    }
}

/// A strategic merge patch with leave to change more.
fn with_options(mut entry: Value, random: &mut Random) -> Value {
    match random.below(8) {
        0 => entry["options"] = json!({"allowNameChange": true}),
        1 => entry["options"] = json!({"allowKindChange": true}),
        _ => {}
    }
    entry
}
