//! Kustomizations made to hurt: each is refused, in under a second and without much memory.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use gitwarrant::keysource::Keyring;
use gitwarrant::kustomize::{Options, gather, render};
use gitwarrant::model::RepoPath;
use gitwarrant::policy::{Limits, admit};
use gitwarrant::sops;
use gitwarrant::trust::Tree;

type Files = Vec<(String, String)>;

/// Code of the refusal of folder `app`.
fn refusal(files: Files) -> &'static str {
    let files = files.into_iter().map(|(path, text)| (RepoPath::parse(&path).unwrap(), text.into_bytes()));
    let files: BTreeMap<_, _> = files.collect();
    let path = RepoPath::parse("app").unwrap();
    let begin = Instant::now();
    let code = (|| {
        let sources = match gather(Tree::local(files), &path, &Options::AGENT) {
            Ok(sources) => sources,
            Err(errors) => return errors.code(),
        };
        let Ok(keys) = Keyring::read(Vec::new()) else { panic!("no keys are a set of keys") };
        let Ok(opened) = sops::unseal(sources, &keys) else { return "unseal" };
        render(opened, &path, &Options::AGENT).map_or_else(|errors| errors.code(), |_| "rendered")
    })();
    // This binary is not optimised, and its machine may be busy: the bound tells what never ends from what is slow.
    assert!(begin.elapsed() < Duration::from_secs(20), "took {:?}", begin.elapsed());
    code
}

fn files(files: &[(&str, &str)]) -> Files {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

#[test]
fn a_kustomization_that_includes_itself_is_refused() {
    for resources in ["../app", ".", "..", "../other"] {
        let top = format!("resources: [{resources}]\n");
        let all = files(&[
            ("app/kustomization.yaml", &top),
            ("kustomization.yaml", "resources: [app]\n"),
            ("other/kustomization.yaml", "resources: [../app]\n"),
        ]);
        assert_eq!(refusal(all), "cycle", "{resources}");
    }
}

#[test]
fn two_to_the_power_of_twenty_ways_to_one_base_are_refused() {
    let mut all = files(&[("app/kustomization.yaml", "resources: [../l0, ../r0]\n")]);
    for level in 0..20 {
        for side in ["l", "r"] {
            let below = level + 1;
            all.push((
                format!("{side}{level}/kustomization.yaml"),
                format!("namePrefix: {side}-\nresources: [../l{below}, ../r{below}]\n"),
            ));
        }
    }
    for side in ["l", "r"] {
        all.push((format!("{side}20/kustomization.yaml"), "resources: [m.yaml]\n".to_owned()));
        all.push((format!("{side}20/m.yaml"), MAP.replace("name: a", &format!("name: {side}"))));
    }
    assert_eq!(refusal(all), "limit");
}

#[test]
fn a_tower_of_bases_is_refused() {
    let mut all = files(&[("app/kustomization.yaml", "resources: [../b0]\n")]);
    for level in 0..200 {
        all.push((format!("b{level}/kustomization.yaml"), format!("resources: [../b{}]\n", level + 1)));
    }
    assert_eq!(refusal(all), "limit");
}

#[test]
fn paths_that_leave_the_tree_are_refused() {
    for (field, code) in [
        ("resources: [../../etc]", "load-restriction"),
        ("resources: [/etc/passwd]", "missing-file"),
        ("components: [../../x]", "load-restriction"),
        ("patches: [{path: ../../../p.yaml}]", "load-restriction"),
        ("configMapGenerator: [{name: a, files: [k=../../etc/passwd]}]", "load-restriction"),
        ("secretGenerator: [{name: a, envs: [/proc/self/environ]}]", "missing-file"),
        ("openapi: {path: ../../x.json}", "load-restriction"),
    ] {
        assert_eq!(refusal(files(&[("app/kustomization.yaml", &format!("{field}\n"))])), code, "{field}");
    }
}

#[test]
fn what_is_fetched_or_run_is_refused() {
    for (field, code) in [
        ("resources: ['https://example.org/x?ref=main']", "remote-base"),
        ("resources: ['github.com/a/b']", "remote-base"),
        ("resources: ['git@example.org:a/b.git']", "remote-base"),
        ("helmCharts: [{name: x}]", "plugin-disabled"),
        ("generators: [g.yaml]", "plugin-disabled"),
    ] {
        let plugin = "apiVersion: v1\nkind: X\nmetadata:\n  name: x\n  annotations:\n    config.kubernetes.io/function: 'exec: {path: /bin/sh}'\n";
        let all = files(&[("app/kustomization.yaml", &format!("{field}\n")), ("app/g.yaml", plugin)]);
        assert_eq!(refusal(all), code, "{field}");
    }
}

#[test]
fn two_kustomizations_unknown_fields_and_colliding_objects_are_refused() {
    let two = files(&[("app/kustomization.yaml", "resources: []\n"), ("app/Kustomization", "resources: []\n")]);
    assert_eq!(refusal(two), "multiple-kustomization-files");
    for field in ["resource: [a]", "namePrefx: a", "patches: [{pach: x}]", "images: [{name: a, tag: b}]"] {
        assert_eq!(
            refusal(files(&[("app/kustomization.yaml", &format!("{field}\n"))])),
            "unknown-or-bad-field",
            "{field}"
        );
    }
    let twice =
        files(&[("app/kustomization.yaml", "resources: [a.yaml, b.yaml]\n"), ("app/a.yaml", MAP), ("app/b.yaml", MAP)]);
    assert_eq!(refusal(twice), "duplicate-id");
}

#[test]
fn bombs_of_aliases_and_depth_are_refused() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(laughs, "a{level}: &a{level} [{below}]").unwrap();
    }
    let deep = format!("a: {}1{}\n", "[".repeat(5000), "]".repeat(5000));
    let merged = format!("a: &a {{b: 1}}\nc:\n  <<: [{}]\n", vec!["*a"; 200_000].join(", "));
    for bomb in [laughs, deep, merged] {
        for path in ["app/m.yaml", "app/kustomization.yaml"] {
            let all = files(&[("app/kustomization.yaml", "resources: [m.yaml]\n"), (path, &format!("{MAP}{bomb}"))]);
            let all: BTreeMap<_, _> = all.into_iter().collect();
            let code = refusal(all.into_iter().collect());
            assert!(
                ["limit", "malformed-yaml", "unknown-or-bad-field", "missing-file"].contains(&code),
                "{path}: {code}"
            );
        }
    }
}

#[test]
fn no_transformer_makes_an_object_deeper_than_a_file_may_be() {
    let dots = "a.".repeat(5000);
    let slashes = "a/".repeat(5000);
    let patched = |operations: &str| format!("patches: [{{target: {{kind: ConfigMap}}, patch: '[{operations}]'}}]\n");
    let mut copies = Vec::new();
    let mut adds = Vec::new();
    for level in 0..129 {
        adds.push(format!(r#"{{"op": "add", "path": "/data{}", "value": {{}}}}"#, "/a".repeat(level + 1)));
        if level < 10 {
            copies.push(r#"{"op": "copy", "from": "/data", "path": "/data/a"}"#);
        }
    }
    let value = format!(
        "transformers: [\"{{apiVersion: builtin, kind: ValueAddTransformer, metadata: {{name: x}}, value: v, targets: [{{fieldPath: spec/{slashes}a}}]}}\"]\n"
    );
    for (what, fields) in [
        (
            "a replacement",
            format!(
                "replacements: [{{source: {{kind: ConfigMap, fieldPath: data.k}}, targets: [{{select: {{kind: ConfigMap}}, fieldPaths: [spec.{dots}a], options: {{create: true}}}}]}}]\n"
            ),
        ),
        (
            "the source of a replacement",
            format!(
                "replacements: [{{source: {{kind: ConfigMap, fieldPath: data.{dots}k}}, targets: [{{select: {{kind: ConfigMap}}, fieldPaths: [data.k]}}]}}]\n"
            ),
        ),
        ("labels", format!("labels: [{{pairs: {{a: b}}, fields: [{{path: spec/{slashes}a, create: true}}]}}]\n")),
        ("a value", value),
        ("copies", patched(&vec![copies.join(","); 20].join(","))),
        ("additions", patched(&adds.join(","))),
        (
            "a variable",
            format!(
                "vars: [{{name: A, objref: {{apiVersion: v1, kind: ConfigMap, name: a}}, fieldref: {{fieldpath: data.{dots}k}}}}]\n"
            ),
        ),
    ] {
        let all = files(&[
            ("app/kustomization.yaml", &format!("resources: [m.yaml]\n{fields}")),
            ("app/m.yaml", &format!("{MAP}data: {{k: v}}\n")),
        ]);
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let code = thread.spawn(move || refusal(all)).unwrap().join().unwrap();
        assert_eq!(code, "limit", "{what}");
    }
}

/// What is said against folder `app`, by the renderer or by admission.
fn said(files: Files) -> String {
    let files = files.into_iter().map(|(path, text)| (RepoPath::parse(&path).unwrap(), text.into_bytes()));
    let path = RepoPath::parse("app").unwrap();
    let sources = match gather(Tree::local(files.collect::<BTreeMap<_, _>>()), &path, &Options::AGENT) {
        Ok(sources) => sources,
        Err(errors) => return errors.to_string(),
    };
    let Ok(keys) = Keyring::read(Vec::new()) else { panic!("no keys are a set of keys") };
    let Ok(opened) = sops::unseal(sources, &keys) else { return "unseal".to_owned() };
    match render(opened, &path, &Options::AGENT) {
        Err(errors) => errors.to_string(),
        Ok(rendered) => admit(rendered, &Limits::default()).err().map_or_else(String::new, |errors| errors.to_string()),
    }
}

/// The same in a process of its own, which has 512 MiB: a failed allocation ends it, and it alone.
fn refusal_in_little_memory(files: &Files) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v 524288; exec \"$0\" build app --root ."]).arg(env!("CARGO_BIN_EXE_gitwarrant"));
    let output = command.current_dir(folder.path()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    errors
        .split_once("error[")
        .and_then(|(_, rest)| rest.split_once(']'))
        .map_or_else(|| format!("{}: {errors}", output.status), |(code, _)| code.to_owned())
}

#[test]
fn no_transformer_multiplies_what_is_read_until_memory_is_gone() {
    let replacement = "- {source: {kind: ConfigMap, fieldPath: data.k}, targets: [{select: {kind: ConfigMap}, fieldPaths: [data.k], \
                       options: {delimiter: '|', index: -1}}]}\n";
    let copies: Vec<String> =
        (0..40).map(|at| format!(r#"{{"op": "copy", "from": "/data", "path": "/data/a{at}"}}"#)).collect();
    let copies = format!("patches: [{{target: {{kind: ConfigMap}}, patch: '[{}]'}}]\n", copies.join(","));
    let big = "x".repeat(4 << 20);
    let entries = |entry: &dyn Fn(usize) -> String, count: usize| (0..count).map(entry).collect::<Vec<_>>().join(", ");
    let generated =
        |field: &str| format!("{field}: [{{name: g, files: [{}]}}]\n", entries(&|at| format!("k{at}=big"), 400));
    let maps: String = (0..400).map(|at| MAP.replace("name: a", &format!("name: m{at}")) + "---\n").collect();
    let many = |fields: &str| {
        let files =
            [("app/kustomization.yaml", format!("resources: [many.yaml]\n{fields}")), ("app/many.yaml", maps.clone())];
        files.map(|(path, text)| (path.to_owned(), text)).to_vec()
    };
    let one = |fields: &str| {
        let text = format!("resources: [m.yaml]\n{fields}");
        files(&[
            ("app/kustomization.yaml", &text),
            ("app/m.yaml", &format!("{MAP}data: {{k: v}}\n")),
            ("app/big", &big),
        ])
    };
    let patch = |patch: &str| {
        let mut all = many("patches: [{path: p.yaml, target: {kind: ConfigMap}}]\n");
        all.push(("app/p.yaml".to_owned(), patch.to_owned()));
        all
    };
    let vars = "vars: [{name: A, objref: {apiVersion: v1, kind: ConfigMap, name: a}, fieldref: {fieldpath: metadata.annotations.a}}]\n\
                configurations: [c.yaml]\n";
    let mut vars = one(&format!(
        "{vars}commonAnnotations: {{a: {big}}}\npatches: [{{target: {{kind: ConfigMap}}, patch: '[{{op: add, path: /data/k, value: {}}}]'}}]\n",
        "$(A)".repeat(400)
    ));
    vars.push(("app/c.yaml".to_owned(), "varReference: [{path: data}]\n".to_owned()));
    let mut bases = files(&[
        ("base/kustomization.yaml", "resources: [m.yaml]\n"),
        ("base/m.yaml", &format!("{MAP}data: {{k: {big}}}\n")),
    ]);
    for at in 0..400 {
        bases.push((format!("app/l{at}/kustomization.yaml"), format!("namePrefix: l{at}-\nresources: [../../base]\n")));
    }
    bases.push((
        "app/kustomization.yaml".to_owned(),
        format!("resources: [{}]\n", entries(&|at| format!("l{at}"), 400)),
    ));
    for (what, files) in [
        ("a text joined with itself", one(&format!("replacements:\n{}", replacement.repeat(40)))),
        ("an object copied into itself", one(&copies)),
        ("a file in many entries of a Secret", one(&generated("secretGenerator"))),
        ("a file in many entries of a ConfigMap", one(&generated("configMapGenerator"))),
        ("an annotation on many objects", many(&format!("commonAnnotations: {{a: {big}}}\n"))),
        ("a prefix on many objects", many(&format!("namePrefix: {big}\n"))),
        ("a patch of many objects", patch(&format!("{MAP}data: {{k: {big}}}\n"))),
        ("a JSON patch of many objects", patch(&format!("[{{op: add, path: /data, value: {{k: {big}}}}}]\n"))),
        ("a variable in one text", vars),
        ("a base in many places", bases),
        (
            "many files",
            (0..33)
                .map(|at| (format!("app/big{at}"), big.clone()))
                .chain([(
                    "app/kustomization.yaml".to_owned(),
                    format!("configMapGenerator: [{{name: g, files: [{}]}}]\n", entries(&|at| format!("big{at}"), 33)),
                )])
                .collect(),
        ),
    ] {
        assert_eq!(refusal_in_little_memory(&files), "limit", "{what}");
    }
}

#[test]
fn lists_that_multiply_each_other_are_refused() {
    let list = |entry: &dyn Fn(usize) -> String, count: usize| (0..count).map(entry).collect::<Vec<_>>().join(", ");
    let maps: String = (0..2_000).map(|at| MAP.replace("name: a", &format!("name: m{at}")) + "---\n").collect();
    let keys = list(&|at| format!("k{at}: v"), 5_000);
    let over = |resources: &str, fields: &str| {
        files(&[("app/kustomization.yaml", &format!("resources: [m.yaml]\n{fields}")), ("app/m.yaml", resources)])
    };
    let map = format!("{MAP}data: {{{keys}}}\n");
    let literals = list(&|at| format!("l{at}=v"), 5_000);
    let mut merged = files(&[
        (
            "app/kustomization.yaml",
            &format!(
                "resources: [../base]\nconfigMapGenerator: [{{name: g, behavior: merge, literals: [{literals}]}}]\n"
            ),
        ),
        ("base/kustomization.yaml", "configMapGenerator: [{name: g, envs: [e]}]\n"),
    ]);
    merged.push(("base/e".to_owned(), (0..5_000).map(|at| format!("e{at}=v\n")).collect()));
    let reference = |at| format!("{{path: a{at}, kind: ConfigMap}}");
    let mut referring = over(&maps, "configurations: [c.yaml]\n");
    let configuration = format!("nameReference: [{{kind: Secret, fieldSpecs: [{}]}}]\n", list(&reference, 12_000));
    referring.push(("app/c.yaml".to_owned(), configuration));
    let patch = |_| "{target: {kind: Secret}, patch: '[{op: remove, path: /data}]'}".to_owned();
    let replacement = |_| "{sourceValue: a, targets: [{select: {kind: Secret}, fieldPaths: [data.k]}]}".to_owned();
    let operation = |at| format!("{{op: add, path: /data/k{}, value: w}}", at % 5_000);
    let operations = format!("patches: [{{target: {{kind: ConfigMap}}, patch: '[{}]'}}]\n", list(&operation, 5_000));
    let image = |at| format!("{{name: i{at}, newTag: v}}");
    for (what, files) in [
        ("very many patches", over(MAP, &format!("patches: [{}]\n", list(&patch, 5_001)))),
        ("very many images", over(MAP, &format!("images: [{}]\n", list(&image, 5_001)))),
        ("patches by objects", over(&maps, &format!("patches: [{}]\n", list(&patch, 800)))),
        ("replacements by objects", over(&maps, &format!("replacements: [{}]\n", list(&replacement, 800)))),
        ("images by objects", over(&maps, &format!("images: [{}]\n", list(&image, 1_500)))),
        ("operations by keys", over(&map, &operations)),
        ("keys by keys", merged),
        ("fields by objects", referring),
    ] {
        assert_eq!(refusal(files), "limit", "{what}");
    }
}

#[test]
fn a_refusal_is_short_whatever_is_wrong() {
    let key = "k".repeat(1 << 20);
    let leaves = vec!["'ENC[]'"; 20_000].join(", ");
    let all = files(&[
        ("app/kustomization.yaml", "resources: [m.yaml]\n"),
        ("app/m.yaml", &format!("{MAP}data:\n  ? {key}\n  : [{leaves}]\n")),
    ]);
    let text = said(all);
    assert!(text.contains("is still encrypted by SOPS"), "{text}");
    assert!(text.ends_with("(and 19990 more)"), "{text}");
    assert!(text.len() < 8_000, "{} bytes", text.len());

    let entries: Vec<String> = (0..5_000).map(|at| format!("missing{at}-{}", "x".repeat(500))).collect();
    let text = said(files(&[("app/kustomization.yaml", &format!("resources: [{}]\n", entries.join(", ")))]));
    assert!(text.ends_with("and 4900 more"), "{text}");
    assert!(text.len() < 250_000, "{} bytes", text.len());
    // What a person can read is told completely.
    let text = said(files(&[("app/kustomization.yaml", &format!("resources: [{}]\n", entries[..50].join(", ")))]));
    assert_eq!(text.lines().count(), 50);
}

#[test]
fn long_lists_take_no_quadratic_time() {
    let missing: Vec<String> = (0..2_000).map(|at| format!("missing{at}")).collect();
    let all = files(&[("app/kustomization.yaml", &format!("resources: [{}]\n", missing.join(", ")))]);
    assert_eq!(refusal(all), "missing-file");
    let transformer = "apiVersion: builtin\nkind: PrefixTransformer\nmetadata: {name: t}\nprefix: p-\n";
    let all = files(&[
        (
            "app/kustomization.yaml",
            &format!("resources: [m.yaml]\ntransformers: [{}]\n", vec!["t.yaml"; 2_000].join(", ")),
        ),
        ("app/t.yaml", &format!("{transformer}# {}\n", "x".repeat(1 << 20))),
        ("app/m.yaml", MAP),
    ]);
    assert_eq!(refusal(all), "duplicate-id");
    let maps: String = (0..10_001).map(|at| MAP.replace("name: a", &format!("name: m{at}")) + "---\n").collect();
    assert_eq!(refusal(files(&[("app/kustomization.yaml", "resources: [m.yaml]\n"), ("app/m.yaml", &maps)])), "limit");
    let ports = |from: usize| (from..from + 20_000).map(|at| format!("{{name: n{at}}}")).collect::<Vec<_>>().join(", ");
    let deployment = |from: usize| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec: {{template: {{spec: {{containers: [{}]}}}}}}\n",
            ports(from)
        )
    };
    let all = files(&[
        ("app/kustomization.yaml", "resources: [m.yaml]\npatches: [{path: p.yaml}]\n"),
        ("app/m.yaml", &deployment(0)),
        ("app/p.yaml", &deployment(10_000)),
    ]);
    assert_eq!(refusal(all), "rendered");
}

#[test]
fn regular_expressions_take_no_exponential_time() {
    let long = "a".repeat(30_000);
    for pattern in ["(a+)+$", "(a|a)*b", "(.*)*x", "a{1,900}{1,900}", "((a{0,90}){0,90}){0,90}"] {
        let kustomization = format!(
            "resources: [m.yaml]\npatches: [{{patch: '[{{op: remove, path: /data}}]', target: {{name: '{pattern}'}}}}]\n\
             replacements: [{{source: {{kind: ConfigMap}}, targets: [{{select: {{name: '{pattern}'}}, fieldPaths: ['data.[x={pattern}]']}}]}}]\n\
             images: [{{name: '{pattern}', newTag: b}}]\n"
        );
        let map = format!("{MAP}data: {{x: {long}}}\nspec: {{containers: [{{image: {long}}}]}}\n");
        // Whether it fits is not the question.
        refusal(files(&[("app/kustomization.yaml", &kustomization), ("app/m.yaml", &map)]));
    }
}

#[test]
fn an_ambiguous_reference_is_refused() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {volumes: [{name: v, configMap: {name: a}}]}}}\n";
    let all = files(&[
        ("app/kustomization.yaml", "namePrefix: p-\nresources: [../one, ../two, d.yaml]\n"),
        ("app/d.yaml", deployment),
        ("one/kustomization.yaml", "namePrefix: one-\nresources: [m.yaml]\n"),
        ("one/m.yaml", MAP),
        ("two/kustomization.yaml", "namePrefix: two-\nresources: [m.yaml]\n"),
        ("two/m.yaml", MAP),
    ]);
    assert_eq!(refusal(all), "ambiguous-reference");
}
