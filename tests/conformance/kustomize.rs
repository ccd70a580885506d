//! Every open case of the collection, compared as JSON values, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use gitwarrant::keysource::Keyring;
use gitwarrant::kustomize::{LoadRestrictor, Options, Order, PlainFolders, gather, render};
use gitwarrant::model::{RepoPath, wire};
use gitwarrant::sops;
use gitwarrant::trust::Tree;
use serde_json::{Value, json};

use crate::support::corpora;

/// Cases that differ, each with the reason. A case here that agrees fails the test.
const KNOWN_GAPS: &[(&str, &str)] = &[
    (
        "filter--replacement.Filter--TestValueInlineStructuredData--replacement_yaml_field_in_configmap--0--0",
        "quotes and flow style inside a text are not kept; DIFFERENCES",
    ),
    ("merge2--element-014--0", "a schema in a comment; DIFFERENCES"),
    ("merge2--element-016--0", "a schema in a comment; DIFFERENCES"),
    ("namespaces--TestNameReferenceDeploymentIssue3489--0", "leaves the tree; DIFFERENCES"),
    ("own--gen-options--0", "a key that looks like a boolean; DIFFERENCES"),
    ("own--repl-structured-json--0", "would lose data; DIFFERENCES"),
    ("own--repl-structured-yaml--0", "would lose data; DIFFERENCES"),
    ("own--smp-delete-from-primitive-list--0", "a duplicate key; DIFFERENCES"),
    ("own--smp-port-without-protocol--0", "would lose data; DIFFERENCES"),
    ("own--yaml-null-forms--0", "a null left out in flow style; DIFFERENCES"),
    (
        "patchtransformer.PatchTransformer--TestPatchTransformerNotAllowedMultipleJsonPatches--0",
        "would lose data; DIFFERENCES",
    ),
    ("patchtransformer.PatchTransformer--TestPatchTransformerSimilarArrays--0", "would lose data; DIFFERENCES"),
];

#[test]
fn open_kustomize_cases_render_as_kustomize_does() {
    let Some(collection) = corpora::collection("kustomize") else {
        println!("collection absent: kustomize");
        return;
    };
    let mut cases: Vec<_> =
        std::fs::read_dir(collection.join("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    let (next, differing) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = case.file_name().unwrap().to_string_lossy().into_owned();
                    if let Err(difference) = judge(case) {
                        differing.lock().unwrap().insert(name, difference);
                    }
                }
            });
        }
    });
    let differing = differing.into_inner().unwrap();
    println!("kustomize: {} of {} cases agree", cases.len() - differing.len(), cases.len());
    let known: BTreeSet<&str> = KNOWN_GAPS.iter().map(|(name, _)| *name).collect();
    let mut report = String::new();
    for (name, difference) in differing.iter().filter(|(name, _)| !known.contains(name.as_str())) {
        writeln!(report, "{name}: {difference}").unwrap();
    }
    for name in known.iter().filter(|name| !differing.contains_key(**name)) {
        writeln!(report, "{name}: agrees now; take it off the list of known gaps").unwrap();
    }
    assert!(report.is_empty(), "{report}");
}

/// `kustomize build`, objects in the order of the files.
pub const PLAIN: Options =
    Options { load_restrictor: LoadRestrictor::Root, plain_folders: PlainFolders::Refused, order: Order::AsWritten };

#[test]
fn committed_cases_render_as_the_real_kustomize_did() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/kustomize/cases");
    let mut count = 0;
    for case in std::fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()) {
        let root = std::fs::read_to_string(case.join("root")).unwrap();
        let path = RepoPath::root().resolve(root.trim()).unwrap();
        let found = output(&case.join("input"), &path, PLAIN).unwrap();
        let expected: Vec<Value> = serde_json::from_slice(&std::fs::read(case.join("expected.json")).unwrap()).unwrap();
        compare(&expected, &found).unwrap_or_else(|difference| panic!("{}: {difference}", case.display()));
        count += 1;
    }
    assert_eq!(count, 5);
}

/// The first object that comes of a Deployment under `kustomization`, or why it is refused.
fn of_deployment(kustomization: &str) -> Result<Value, String> {
    const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, labels: {app: web}}\nspec: \
                              {template: {spec: {containers: [{name: c, image: x}]}}}\n";
    let files = [("kustomization.yaml", kustomization), ("d.yaml", DEPLOYMENT)];
    let files = files.map(|(path, text)| (RepoPath::parse(path).unwrap(), text.as_bytes().to_vec()));
    rendered(BTreeMap::from(files), &RepoPath::root(), PLAIN).map(|mut objects| objects.swap_remove(0))
}

/// Cases that the collection does not have; see `src/kustomize/DIFFERENCES.md`.
#[test]
fn own_differences_are_as_listed() {
    let patched = |target: &str, patch: &str| {
        of_deployment(&format!(
            "resources: [d.yaml]\npatches:\n- target: {{kind: {target}}}\n  patch: |\n    {patch}\n"
        ))
    };
    let head = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web";
    let found =
        patched("Deployment", &format!("{head}}}, spec: {{template: {{spec: {{containers: [{{image: y}}]}}}}}}}}"))
            .unwrap();
    assert_eq!(found["spec"]["template"]["spec"]["containers"], json!([{"image": "y"}, {"name": "c", "image": "x"}]));
    let found = patched("Deployment", &format!("{head}, labels: {{app: null, b: c}}}}}}")).unwrap();
    assert_eq!(found["metadata"]["labels"], json!({"b": "c"}));
    let found = patched("Deployment", &format!("{head}, labels: null}}}}")).unwrap();
    assert_eq!(found["metadata"], json!({"name": "web"}));
    let found = patched("Deployment", "- {op: copy, from: /metadata/annotations, path: /spec/copy}").unwrap();
    assert_eq!(found["spec"]["copy"], json!({}));
    assert_eq!(patched("Service", "- {op: nope, path: /a}").unwrap_err(), "json-patch-failed");
    let flow = "resources: [d.yaml]\npatches: [{target: {kind: Deployment}, patch: '[{op: remove, path: /spec}]'}]\n";
    assert_eq!(of_deployment(flow).unwrap().get("spec"), None);
    for (annotations, left) in [("null", None), ("{$patch: delete}", None), ("{$patch: replace, q: r}", Some("r"))] {
        let patch = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c, annotations: {annotations}}}}}");
        let found = of_deployment(&format!(
            "configMapGenerator: [{{name: c, literals: [a=b], options: {{annotations: {{x: w}}}}}}]\n\
             patches: [{{patch: '{patch}'}}]\n"
        ));
        let metadata = &found.unwrap()["metadata"];
        assert_eq!(metadata["name"], "c-4h2mbtbbt6", "{annotations}");
        assert_eq!((metadata["annotations"]["q"].as_str(), metadata["annotations"].get("x")), (left, None));
    }
}

/// Expected values are those of kustomize 5.8.2.
#[test]
fn what_random_cases_do_not_reach_is_as_in_kustomize() {
    let json = |operation: &str| {
        of_deployment(&format!(
            "resources: [d.yaml]\npatches:\n- target: {{kind: Deployment}}\n  patch: '[{operation}]'\n"
        ))
    };
    let found = json("{op: add, path: /metadata/annotations/a, value: b}").unwrap();
    assert_eq!(found["metadata"]["annotations"], json!({"a": "b"}));
    assert_eq!(json("{op: remove, path: /metadata/annotations}").unwrap()["metadata"].get("annotations"), None);
    assert!(json("{op: test, path: /metadata/annotations, value: null}").is_err());
    assert!(json("{op: test, path: /spec/not/there, value: null}").is_err());
    assert!(json("{op: test, path: /spec/there, value: null}").is_ok());
    let whole = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, $patch: replace, spec: {a: b}}";
    let found = of_deployment(&format!("resources: [d.yaml]\npatches:\n- patch: '{whole}'\n")).unwrap();
    assert_eq!(found["metadata"]["labels"], json!({"app": "web"}));
    // A field that a replacement makes has no type of its own until something is merged over it.
    let replacement = "resources: [d.yaml]\nreplacements:\n- source: {kind: Deployment, fieldPath: metadata.labels.app}\n  \
                       targets: [{select: {kind: Deployment}, fieldPaths: [spec.made], options: {create: true}}]\n";
    let label = |text: &str| format!("{replacement}labels: [{{pairs: {{app: '{text}'}}}}]\n");
    assert_eq!(of_deployment(&label("3")).unwrap()["spec"]["made"], 3);
}

/// Expected values are those of kustomize 5.8.2.
#[test]
fn a_text_put_on_a_null_is_refused_only_where_it_stays() {
    let render = |null: &str, value: &str, top: &str| {
        let manifest = format!("apiVersion: e/v1\nkind: Thing\nmetadata: {{name: a}}\nspec:\n  none: {null}\n");
        let base = format!(
            "resources: [m.yaml]\nreplacements:\n- sourceValue: '{value}'\n  targets: [{{select: {{kind: Thing}}, \
             fieldPaths: [spec.none]}}]\n"
        );
        let top = format!("resources: [../base]\n{top}");
        let files = [("base/m.yaml", manifest), ("base/kustomization.yaml", base), ("top/kustomization.yaml", top)];
        let files = files.map(|(path, text)| (RepoPath::parse(path).unwrap(), text.into_bytes()));
        rendered(BTreeMap::from(files), &RepoPath::parse("top").unwrap(), PLAIN)
    };
    for null in ["null", "~", "NULL", ""] {
        for value in ["", "~", "null"] {
            assert_eq!(render(null, value, "").unwrap()[0]["spec"], json!({"none": Value::Null}), "{value} on {null}");
        }
        assert_eq!(render(null, "text", "").unwrap_err(), "unserializable-value");
        let gone = "configMapGenerator: [{name: b}]\npatches: [{patch: '{apiVersion: e/v1, kind: Thing, metadata: {name: \
                    a}, $patch: delete}'}]\n";
        assert_eq!(render(null, "text", gone).unwrap().len(), 1);
    }
}

/// Expected names are those of kustomize 5.8.2.
#[test]
fn a_configuration_takes_the_place_of_the_default_also_above_its_base() {
    let files = [
        (
            "base/m.yaml",
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n{apiVersion: v1, kind: Secret, metadata: {name: b}}\n",
        ),
        ("base/kustomization.yaml", "resources: [m.yaml]\nnamePrefix: p-\nconfigurations: [c.yaml]\n"),
        ("base/c.yaml", "namePrefix: [{path: metadata/name, kind: Secret}]\n"),
        ("top/kustomization.yaml", "resources: [../base]\nnamePrefix: q-\n"),
    ];
    let files = BTreeMap::from(files.map(|(path, text)| (RepoPath::parse(path).unwrap(), text.as_bytes().to_vec())));
    for (folder, names) in [("base", ["a", "p-b"]), ("top", ["a", "q-p-b"])] {
        let found = rendered(files.clone(), &RepoPath::parse(folder).unwrap(), PLAIN).unwrap();
        let found: Vec<_> = found.iter().map(|object| object["metadata"]["name"].as_str().unwrap()).collect();
        assert_eq!(found, names, "{folder}");
    }
}

/// Compares one case with what the real kustomize did.
fn judge(case: &Path) -> Result<(), String> {
    let about: Value = serde_json::from_slice(&std::fs::read(case.join("case.json")).unwrap()).unwrap();
    let text = |name: &str| about[name].as_str().unwrap_or_default().to_owned();
    let options = &about["options"];
    let options = Options {
        load_restrictor: match options["load_restrictions"].as_str() {
            Some("LoadRestrictionsNone") => LoadRestrictor::None,
            _ => LoadRestrictor::Root,
        },
        plain_folders: PlainFolders::Refused,
        order: if options["reorder"] == "none" { Order::AsWritten } else { Order::Legacy },
    };
    let root = text("root");
    let path = RepoPath::root().resolve(if root.is_empty() { "." } else { &root }).unwrap();
    let found = output(&case.join("input"), &path, options);
    match (text("outcome").as_str(), found) {
        ("error", Err(code)) if code == text("error_class") => Ok(()),
        ("error", Err(code)) => Err(format!("fails as {code}, and should as {}", text("error_class"))),
        ("error", Ok(_)) => Err(format!("renders, and should fail as {}", text("error_class"))),
        (_, Err(code)) => Err(format!("fails as {code}")),
        (_, Ok(found)) => {
            let expected = std::fs::read(case.join("expected.json")).unwrap();
            let expected: Vec<Value> = serde_json::from_slice(&expected).unwrap();
            compare(&expected, &found)
        }
    }
}

/// The rendered objects, or the code of the first error.
fn output(input: &Path, path: &RepoPath, options: Options) -> Result<Vec<Value>, String> {
    let mut files = BTreeMap::new();
    read(input, input, &mut files);
    rendered(files, path, options)
}

/// The same of files.
pub fn rendered(files: BTreeMap<RepoPath, Vec<u8>>, path: &RepoPath, options: Options) -> Result<Vec<Value>, String> {
    let sources = gather(Tree::local(files), path, &options).map_err(|errors| errors.code().to_owned())?;
    let Ok(keys) = Keyring::read(Vec::new()) else { panic!("no keys are a set of keys") };
    let opened = sops::unseal(sources, &keys).map_err(|errors| errors.code().to_owned())?;
    match render(opened, path, &options) {
        Ok(rendered) => {
            let objects = rendered.objects().iter();
            Ok(objects.map(|object| serde_json::from_slice(&wire::json_of_map(object.body())).unwrap()).collect())
        }
        // kustomize prints nothing and succeeds.
        Err(errors) if errors.code() == "empty-render" => Ok(Vec::new()),
        Err(errors) => Err(errors.code().to_owned()),
    }
}

fn read(top: &Path, folder: &Path, files: &mut BTreeMap<RepoPath, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(top, &path, files);
        } else {
            let name = path.strip_prefix(top).unwrap().to_string_lossy().into_owned();
            let mut bytes = std::fs::read(&path).unwrap();
            if let Ok(text) = std::str::from_utf8(&bytes) {
                // The place where the case was when it was made.
                bytes = text.replace("@@CASE_ROOT@@", "/made/here").into_bytes();
            }
            files.insert(RepoPath::parse(&name).unwrap(), bytes);
        }
    }
}

/// Compares as the comparer of the collection does: by position, numbers by value, everything else exactly.
pub fn compare(expected: &[Value], found: &[Value]) -> Result<(), String> {
    let name = |object: &Value| format!("{}/{}", object["kind"], object["metadata"]["name"]).replace('"', "");
    if expected.len() != found.len() {
        return Err(format!("{} objects, and should be {}", found.len(), expected.len()));
    }
    for (wanted, got) in expected.iter().zip(found) {
        if name(wanted) != name(got) {
            return Err(format!("{} where {} should be", name(got), name(wanted)));
        }
        difference(wanted, got, &mut String::new()).map_err(|at| format!("{}: {at}", name(wanted)))?;
    }
    Ok(())
}

fn difference(wanted: &Value, got: &Value, at: &mut String) -> Result<(), String> {
    let deeper = |at: &mut String, key: &str, wanted: &Value, got: &Value| {
        let length = at.len();
        write!(at, "/{key}").unwrap();
        difference(wanted, got, at)?;
        at.truncate(length);
        Ok::<(), String>(())
    };
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            for (key, value) in wanted {
                let found = got.get(key).ok_or_else(|| format!("{at}/{key} is missing"))?;
                deeper(at, key, value, found)?;
            }
            match got.keys().find(|key| !wanted.contains_key(*key)) {
                Some(key) => Err(format!("{at}/{key} is too much")),
                None => Ok(()),
            }
        }
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => wanted
            .iter()
            .zip(got)
            .enumerate()
            .try_for_each(|(number, (wanted, got))| deeper(at, &number.to_string(), wanted, got)),
        (Value::Number(wanted), Value::Number(got)) if wanted.as_f64() == got.as_f64() => Ok(()),
        (wanted, got) if wanted == got => Ok(()),
        (wanted, got) => Err(format!("{at} is {got}, and should be {wanted}")),
    }
}
