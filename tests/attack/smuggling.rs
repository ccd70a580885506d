//! What is sealed, and every way in which a kustomization could bring it into the light, or ask about it.
//!
//! Each attempt is rendered with two secrets of the same length, one of which it guesses. All that can be seen of either,
//! output, errors and warnings, must be the same: what differs would tell one from the other.

use std::collections::BTreeMap;

use gitwarrant::keysource::Keyring;
use gitwarrant::kustomize::{Options, gather, render};
use gitwarrant::model::{Node, RepoPath, show};
use gitwarrant::policy::{Limits, admit};
use gitwarrant::secret::Secret;
use gitwarrant::sops::{self, Format, Recipients, Terms, seal};
use gitwarrant::trust::Tree;

const GUESS: &str = "qz-hidden-7f3a91";
const OTHER: &str = "xv-masked-2c8e40";
const BASE64: [&str; 2] = ["cXotaGlkZGVuLTdmM2E5MQ==", "eHYtbWFza2VkLTJjOGU0MA=="];

const BYSTANDERS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: open, labels: {app: web}}\ndata: {k: v, json: '{\"a\": \"b\"}'}\n---\n\
    apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1, template: {spec: {containers: [{name: c, image: 'nginx:1', \
    env: [{name: A, value: '$(PW)'}]}]}}}\n";

/// A Secret with `value`, encrypted.
fn sealed(value: &str) -> String {
    let encoded = BASE64[usize::from(value == OTHER)];
    encrypted(
        &format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\nstringData: {{pw: {value}, uri: 'db://u:{value}@h'}}\ndata: {{b: {encoded}}}\n"
        ),
        Format::Yaml,
        Some("^(data|stringData)$"),
    )
}

fn key() -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/sops/keys/one.agekey", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn encrypted(plain: &str, format: Format, selector: Option<&str>) -> String {
    let key = String::from_utf8(key()).unwrap();
    let recipient = key.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    let terms = Terms {
        groups: vec![Recipients { age: vec![recipient.to_owned()], pgp: Vec::new() }],
        selector: selector.map(|rule| ("encrypted_regex".to_owned(), rule.to_owned())),
        ..Terms::default()
    };
    seal(plain.as_bytes(), format, &terms, jiff::Timestamp::UNIX_EPOCH).unwrap()
}

/// All that can be seen of a render: what is printed, and what admission says.
fn seen(kustomization: &str, more: &[(&str, &str)], value: &str) -> String {
    let mut files = vec![
        ("app/kustomization.yaml", kustomization.to_owned()),
        ("app/db.yaml", sealed(value)),
        ("app/open.yaml", BYSTANDERS.to_owned()),
        ("app/pw.env", encrypted(&format!("pw={value}\n"), Format::Dotenv, None)),
        ("app/pw.txt", encrypted(value, Format::Binary, None)),
    ];
    files.extend(more.iter().map(|(path, text)| (*path, (*text).to_owned())));
    let files = files.into_iter().map(|(path, text)| (RepoPath::parse(path).unwrap(), text.into_bytes()));
    let path = RepoPath::parse("app").unwrap();
    let sources = match gather(Tree::local(files.collect::<BTreeMap<_, _>>()), &path, &Options::AGENT) {
        Ok(sources) => sources,
        Err(errors) => return format!("refused: {errors}"),
    };
    let Ok(keys) = Keyring::read(vec![("one.agekey".to_owned(), Secret::new(key()))]) else { panic!("a good key") };
    let opened = sops::unseal(sources, &keys).unwrap_or_else(|errors| panic!("{errors}"));
    match render(opened, &path, &Options::AGENT) {
        Err(errors) => format!("refused: {errors}"),
        Ok(rendered) => {
            let mut seen = String::new();
            for object in rendered.objects() {
                seen += &format!("{}\n{}\n", object.key(), show::yaml(&Node::Map(object.body().share())));
            }
            for warning in rendered.warnings() {
                seen += &format!("warning: {warning}\n");
            }
            match admit(rendered, &Limits::default()) {
                Ok(admitted) => seen + &format!("{} admitted", admitted.items().len()),
                Err(errors) => seen + &format!("refused: {errors}"),
            }
        }
    }
}

/// What can be seen, which must be the same whatever is sealed, and must not hold it.
fn told(kustomization: &str, more: &[(&str, &str)]) -> String {
    let (one, other) = (seen(kustomization, more, GUESS), seen(kustomization, more, OTHER));
    assert_eq!(one, other, "{kustomization}");
    // The guess itself stands in the attempt, and may be repeated; the other value is known to nobody.
    for hidden in [OTHER, BASE64[1], OTHER.to_uppercase().as_str()] {
        assert!(!other.contains(hidden), "{kustomization}: {other}");
    }
    one
}

const RESOURCES: &str = "resources: [db.yaml, open.yaml]\n";

/// Where an attempt leads: nowhere, or into the data of a Secret.
fn refused(fields: &str, more: &[(&str, &str)]) {
    let told = told(&format!("{RESOURCES}{fields}"), more);
    assert!(told.contains("refused: "), "{fields}: {told}");
}

fn admitted(fields: &str, more: &[(&str, &str)]) {
    let told = told(&format!("{RESOURCES}{fields}"), more);
    assert!(!told.contains("refused: "), "{fields}: {told}");
}

#[test]
fn no_replacement_brings_a_sealed_value_out_of_a_secret() {
    let replacement = |source: &str, select: &str, path: &str, options: &str| {
        format!(
            "replacements: [{{source: {{kind: Secret, name: db, fieldPath: {source}}}, targets: [{{select: {{{select}}}, \
             fieldPaths: ['{path}'], options: {{create: true{options}}}}}]}}]\n"
        )
    };
    for source in ["stringData.pw", "data.b", "stringData", "data"] {
        for (select, path) in [
            ("kind: ConfigMap", "data.k"),
            ("kind: ConfigMap", "data"),
            ("kind: ConfigMap", "data.json.a"),
            ("kind: ConfigMap", "metadata.name"),
            ("kind: ConfigMap", "metadata.labels.app"),
            ("kind: ConfigMap", "metadata.annotations.x"),
            ("kind: ConfigMap", "kind"),
            ("kind: ConfigMap", "apiVersion"),
            ("kind: Secret", "metadata.name"),
            ("kind: Secret", "metadata.namespace"),
            ("kind: Secret", "metadata.annotations.x"),
            ("kind: Secret", "metadata.labels"),
            ("kind: Secret", "type"),
            ("kind: Secret", "kind"),
            ("kind: Secret", "data.deep.er"),
            ("kind: Deployment", "spec.template.spec.containers.*.env.*.value"),
            ("kind: Deployment", "spec.template.spec.containers.[name=c].image"),
            ("kind: Deployment", "spec.replicas"),
        ] {
            refused(&replacement(source, select, path, ""), &[]);
            refused(&replacement(source, select, path, ", delimiter: ':', index: 0"), &[]);
        }
    }
    admitted(&replacement("stringData.pw", "kind: Secret", "stringData.copy", ""), &[]);
    // A part of it would be another length.
    let part = "replacements: [{source: {kind: Secret, fieldPath: stringData.uri, options: {delimiter: ':', index: 2}}, \
                targets: [{select: {kind: Secret}, fieldPaths: [stringData.x], options: {create: true}}]}]\n";
    refused(part, &[]);
    // Nor does a condition on the way ask about it.
    for path in [format!("stringData.[pw={GUESS}]"), format!("data.[={GUESS}]"), format!("stringData.pw.{GUESS}")] {
        told(&format!("{RESOURCES}{}", replacement("metadata.name", "kind: Secret", &path, "")), &[]);
    }
    for selector in [format!("labelSelector: 'pw={GUESS}'"), format!("annotationSelector: 'x={GUESS}'")] {
        let labelled = format!(
            "replacements:\n- {{source: {{kind: Secret, fieldPath: stringData.pw}}, targets: [{{select: {{kind: Secret}}, \
             fieldPaths: [metadata.labels.pw, metadata.annotations.x], options: {{create: true}}}}]}}\n\
             - {{source: {{kind: Deployment}}, targets: [{{select: {{{selector}}}, fieldPaths: [metadata.annotations.hit], \
             options: {{create: true}}}}]}}\n"
        );
        refused(&labelled, &[]);
    }
}

#[test]
fn no_variable_brings_a_sealed_value_out_of_a_secret() {
    for field in ["stringData.pw", "data.b", "stringData.uri"] {
        let var = format!(
            "vars: [{{name: PW, objref: {{apiVersion: v1, kind: Secret, name: db}}, fieldref: {{fieldpath: {field}}}}}]\n"
        );
        refused(&var, &[]);
        let config = "varReference: [{kind: ConfigMap, path: data}, {path: metadata/annotations}]\n";
        let annotated = format!("{var}configurations: [c.yaml]\ncommonAnnotations: {{x: 'a$(PW)b'}}\n");
        refused(&annotated, &[("app/c.yaml", config)]);
    }
}

#[test]
fn no_patch_brings_a_sealed_value_out_of_a_secret() {
    let json = |operations: &str| format!("patches: [{{target: {{kind: Secret}}, patch: '{operations}'}}]\n");
    for (op, from) in [("copy", "/stringData/pw"), ("move", "/data/b"), ("copy", "/stringData"), ("move", "/data")] {
        for to in [
            "/metadata/annotations/x",
            "/metadata/name",
            "/metadata/labels",
            "/kind",
            "/type",
            "/x",
            "/metadata/namespace",
        ] {
            refused(&json(&format!(r#"[{{"op": "{op}", "from": "{from}", "path": "{to}"}}]"#)), &[]);
        }
    }
    // The object itself becomes one that anybody may read.
    for operations in [
        r#"[{"op": "replace", "path": "/kind", "value": "ConfigMap"}]"#,
        r#"[{"op": "replace", "path": "/apiVersion", "value": "example.org/v1"}]"#,
        r#"[{"op": "move", "from": "/stringData", "path": "/spec"}, {"op": "move", "from": "/data", "path": "/status"}]"#,
    ] {
        refused(&json(operations), &[]);
    }
    refused(
        "patches: [{target: {kind: Secret}, options: {allowKindChange: true}, patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: db}}'}]\n",
        &[],
    );
    // Questions: does it hold this value?
    for (path, value) in [("/stringData/pw", GUESS), ("/data/b", BASE64[0])] {
        let test = json(&format!(r#"[{{"op": "test", "path": "{path}", "value": "{value}"}}]"#));
        refused(&test, &[]);
    }
    let whole = json(&format!(r#"[{{"op": "test", "path": "/data", "value": {{"b": "{}"}}}}]"#, BASE64[0]));
    refused(&whole, &[]);
    for merged in [
        format!("{{apiVersion: v1, kind: Secret, metadata: {{name: db}}, stringData: {{pw: {GUESS}}}}}"),
        "{apiVersion: v1, kind: Secret, metadata: {name: db}, stringData: {pw: null}, data: {$patch: delete}}"
            .to_owned(),
        "{apiVersion: v1, kind: Secret, metadata: {name: db}, stringData: {pw: {a: b}}}".to_owned(),
    ] {
        told(&format!("{RESOURCES}patches: [{{patch: \"{merged}\"}}]\n"), &[]);
    }
}

#[test]
fn a_list_is_not_merged_by_a_sealed_value() {
    // The name of a container, sealed, and a patch that guesses it.
    let plain = |value: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d, finalizers: [{value}]}}\nspec: {{template: {{spec: {{containers: [{{name: {value}, image: a}}]}}}}}}\n"
        )
    };
    let patch = format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: d, finalizers: [{GUESS}]}}, spec: {{template: {{spec: {{containers: [{{name: {GUESS}, image: b}}]}}}}}}}}"
    );
    let kustomization =
        format!("resources: [d.yaml]\npatches: [{{patch: \"{patch}\"}}]\nimages: [{{name: a, newTag: x}}]\n");
    let sealed = |value: &str| encrypted(&plain(value), Format::Yaml, Some("^(containers|finalizers)$"));
    let (one, other) = (
        seen(&kustomization, &[("app/d.yaml", &sealed(GUESS))], "unused"),
        seen(&kustomization, &[("app/d.yaml", &sealed(OTHER))], "unused"),
    );
    assert_eq!(one, other);
    assert!(one.contains("refused: ") && !other.contains(OTHER), "{other}");
}

#[test]
fn no_generator_brings_a_sealed_value_into_a_config_map_or_a_name() {
    for input in ["envs: [pw.env]", "files: [pw.txt]", "files: [k=db.yaml]"] {
        refused(
            &format!("configMapGenerator: [{{name: g, {input}, options: {{disableNameSuffixHash: true}}}}]\n"),
            &[],
        );
        admitted(&format!("secretGenerator: [{{name: g, {input}, options: {{disableNameSuffixHash: true}}}}]\n"), &[]);
    }
    refused(
        "configMapGenerator: [{name: open, behavior: merge, envs: [pw.env], options: {disableNameSuffixHash: true}}]\n",
        &[],
    );
    // Two keys of one name are refused whether or not the values agree.
    refused(&format!("secretGenerator: [{{name: g, envs: [pw.env], literals: [pw={GUESS}]}}]\n"), &[]);
}

#[test]
fn a_name_made_from_little_that_is_sealed_is_warned_of_whatever_stands_beside_it() {
    let secret = |value: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: short, annotations: {{a: a text of many letters that are open}}}}\n\
             stringData: {{pw: {value}}}\n"
        );
        encrypted(&text, Format::Yaml, Some("^stringData$"))
    };
    let joined = "secretGenerator: [{name: g, literals: ['pw=a text of many letters that are open']}]\n\
                  replacements: [{source: {kind: Secret, name: short, fieldPath: stringData.pw}, targets: [{select: {kind: Secret, name: g}, \
                  fieldPaths: [data.pw], options: {delimiter: '=', index: 1}}]}]\n";
    for fields in ["secretGenerator: [{name: g, files: [k=short.yaml]}]\n", joined] {
        let warned = |value: &str| {
            let seen =
                seen(&format!("resources: [short.yaml]\n{fields}"), &[("app/short.yaml", &secret(value))], GUESS);
            assert!(!seen.contains("refused: "), "{seen}");
            seen.contains("warning: app/kustomization.yaml")
        };
        assert_eq!([warned("hunter2"), warned("a-value-of-more-than-sixteen-letters")], [true, false], "{fields}");
    }
    // An object that anybody may read gets no such name at all: the refusal would tell it.
    let told = told("configMapGenerator: [{name: g, envs: [pw.env]}]\n", &[]);
    assert!(told.contains("refused: app/kustomization.yaml") && told.contains("ConfigMap/g: "), "{told}");
}

#[test]
fn what_says_how_to_render_tells_nothing_that_is_encrypted_in_it() {
    let list = |kind: &str| format!("apiVersion: v1\nkind: {kind}\nmetadata: {{name: x}}\n");
    for (field, plain) in [
        ("configurations: [x.yaml]\n", format!("namePrefix: [{{path: {GUESS}}}]\n")),
        ("openapi: {path: x.yaml}\n", format!("definitions: {{{GUESS}: {{}}}}\n")),
        (
            "crds: [x.yaml]\n",
            format!(
                "example.Web:\n  Schema:\n    properties:\n      apiVersion: {{type: string}}\n      kind: {{type: string}}\n      \
                 metadata: {{type: object}}\n      spec: {{x-kubernetes-object-ref-api-version: v1, \
                 x-kubernetes-object-ref-kind: {GUESS}}}\n"
            ),
        ),
        (
            "replacements: [{path: x.yaml}]\n",
            format!("sourceValue: {GUESS}\ntargets: [{{select: {{kind: ConfigMap}}, fieldPaths: [data.k]}}]\n"),
        ),
        (
            "transformers: [x.yaml]\n",
            format!(
                "{}prefix: {GUESS}\nfieldSpecs: [{{path: metadata/name}}]\n",
                list("PrefixTransformer").replace("v1", "builtin")
            ),
        ),
        (
            "generators: [x.yaml]\n",
            format!("{}literals: ['a={GUESS}']\n", list("ConfigMapGenerator").replace("v1", "builtin")),
        ),
        (
            "patches: [{path: x.yaml}]\n",
            format!("{}data: {{x: {GUESS}}}\n", list("ConfigMap").replace("name: x", "name: open")),
        ),
    ] {
        let hidden = ["path", "definitions", "x-kubernetes-.*", "sourceValue", "prefix", "literals", "data"];
        let rule = format!("^({})$", hidden.join("|"));
        let other = plain.replace(GUESS, OTHER);
        // A JSON patch is no case: a list at the top is nothing that sops takes.
        let (one, two) = (encrypted(&plain, Format::Yaml, Some(&rule)), encrypted(&other, Format::Yaml, Some(&rule)));
        let kustomization = format!("{RESOURCES}{field}");
        let (one, two) = (
            seen(&kustomization, &[("app/x.yaml", &one)], "unused"),
            seen(&kustomization, &[("app/x.yaml", &two)], "unused"),
        );
        assert_eq!(one, two, "{field}");
        assert!(!two.contains(OTHER), "{field}: {two}");
        let says_how = ["configurations", "openapi", "crds", "replacements"].iter().any(|name| field.starts_with(name));
        assert!(!says_how || two.contains("must not be encrypted"), "{field}: {two}");
    }
}

#[test]
fn no_wrapper_and_no_note_brings_a_sealed_value_out() {
    let list = |value: &str| {
        encrypted(
            &format!(
                "apiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: ConfigMap, metadata: {{name: l}}, stringData: {{pw: {value}}}}}\n"
            ),
            Format::Yaml,
            Some("^stringData$"),
        )
    };
    let kustomization = "resources: [l.yaml]\nbuildMetadata: [originAnnotations, transformerAnnotations]\n";
    for value in [GUESS, OTHER] {
        let seen = seen(kustomization, &[("app/l.yaml", &list(value))], value);
        assert!(seen.contains("refused: ") && !seen.contains(value), "{seen}");
    }
    admitted("buildMetadata: [originAnnotations, transformerAnnotations, managedByLabel]\nnamePrefix: p-\n", &[]);
    admitted("sortOptions: {order: legacy}\nlabels: [{pairs: {a: b}, includeSelectors: true}]\n", &[]);
    // A transformer that writes at a path writes over it, or refuses; it repeats nothing.
    let specs = [
        ("PrefixTransformer", format!("prefix: {GUESS}")),
        ("SuffixTransformer", "suffix: x".to_owned()),
        ("LabelTransformer", "labels: {a: b}".to_owned()),
        ("ReplicaCountTransformer", "replica: {name: db, count: 3}".to_owned()),
        ("ImageTagTransformer", format!("imageTag: {{name: {GUESS}, newTag: hit}}")),
    ];
    for (kind, fields) in specs {
        for path in ["stringData/pw", "data/b", "stringData"] {
            let plugin = format!(
                "apiVersion: builtin\nkind: {kind}\nmetadata: {{name: t}}\n{fields}\nfieldSpecs: [{{path: {path}}}, {{path: {path}, kind: Secret, create: true}}]\n"
            );
            told(&format!("{RESOURCES}transformers: [t.yaml]\n"), &[("app/t.yaml", &plugin)]);
        }
    }
    let reference = "nameReference: [{kind: ConfigMap, fieldSpecs: [{kind: Secret, path: stringData/pw}]}]\n";
    let named = BYSTANDERS.replace("name: open", &format!("name: {GUESS}"));
    told(
        &format!("{RESOURCES}namePrefix: p-\nconfigurations: [c.yaml]\n"),
        &[("app/c.yaml", reference), ("app/open.yaml", &named)],
    );
}
