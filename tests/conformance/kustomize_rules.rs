//! Single rules of kustomize that no collection of cases tells apart. Expected values are those of kustomize 5.8.2.

use std::collections::BTreeMap;

use gitwarrant::model::RepoPath;
use serde_json::{Value, json};

use super::kustomize::{PLAIN, rendered};

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

/// What the folder at the top makes of `m.yaml` and further files.
fn render(kustomization: &str, manifest: &str, more: &[(&str, &str)]) -> Result<Vec<Value>, String> {
    let kustomization = format!("resources: [m.yaml]\n{kustomization}");
    let mut files = vec![("kustomization.yaml", kustomization.as_str()), ("m.yaml", manifest)];
    files.extend(more);
    let files = files.into_iter().map(|(path, text)| (RepoPath::parse(path).unwrap(), text.as_bytes().to_vec()));
    rendered(files.collect::<BTreeMap<_, _>>(), &RepoPath::root(), PLAIN)
}

fn one(kustomization: &str, manifest: &str) -> Result<Value, String> {
    render(kustomization, manifest, &[]).map(|mut objects| objects.swap_remove(0))
}

#[test]
fn admission_policies_are_in_no_namespace() {
    for (kind, api_version, namespace) in [
        ("ValidatingAdmissionPolicy", "admissionregistration.k8s.io/v1", json!(null)),
        ("ValidatingAdmissionPolicyBinding", "admissionregistration.k8s.io/v1", json!(null)),
        ("ValidatingAdmissionPolicy", "admissionregistration.k8s.io/v1beta1", json!("shop")),
    ] {
        let manifest = format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n");
        assert_eq!(one("namespace: shop\n", &manifest).unwrap()["metadata"]["namespace"], namespace, "{kind}");
    }
}

#[test]
fn a_key_that_begins_with_a_nul_is_refused_and_stands_for_no_other() {
    // Keys of a patch that are no texts are compared by what is written.
    let patched = |patch: &str| {
        let patch = format!("{MAP}data: {patch}\n");
        render("patches: [{path: p.yaml}]\n", &format!("{MAP}data: {{k: v, '5': v}}\n"), &[("p.yaml", &patch)])
    };
    assert_eq!(patched("{5: hit}").unwrap()[0]["data"], json!({"k": "v", "5": "hit"}));
    for patch in [r#"{"\0k": hit}"#, r#"{"\0005": hit}"#, r#"{k: v, <<: {"\0k": hit}}"#] {
        assert_eq!(patched(patch), Err("patch-invalid".to_owned()), "{patch}");
    }
    let written = one("namePrefix: p-\n", &format!("{MAP}data: {{\"\\0k\": v}}\n"));
    assert_eq!(written, Err("unserializable-value".to_owned()));
}

#[test]
fn no_field_of_a_definition_of_custom_resources_is_an_image() {
    let manifest = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a}\n\
                    spec: {containers: [{image: nginx}], template: {spec: {containers: [{image: nginx}]}}}\n";
    let specs = "images: [{name: nginx, newTag: '2'}]\nconfigurations: [c.yaml]\n";
    let config = "images: [{path: spec/containers/image, create: true}]\n";
    let found = render(specs, manifest, &[("c.yaml", config)]).unwrap();
    assert_eq!(found[0]["spec"]["containers"][0]["image"], "nginx");
    let other = manifest.replace("CustomResourceDefinition", "Other");
    assert_eq!(render(specs, &other, &[("c.yaml", config)]).unwrap()[0]["spec"]["containers"][0]["image"], "nginx:2");
}

#[test]
fn a_patch_of_patches_json6902_names_one_object_and_is_a_list_of_operations() {
    let patched = |entry: &str| one(&format!("patchesJson6902: [{entry}]\n"), MAP);
    let add = r#"[{"op": "add", "path": "/data", "value": {"k": "v"}}]"#;
    let named = |patch: &str| patched(&format!("{{target: {{kind: ConfigMap, name: a}}, patch: '{patch}'}}"));
    assert_eq!(named(add).unwrap()["data"], json!({"k": "v"}));
    assert_eq!(named("- {op: add, path: /data, value: {k: v}}").unwrap()["data"], json!({"k": "v"}));
    assert_eq!(named("[]").unwrap_err(), "patch-invalid");
    assert_eq!(named("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}").unwrap_err(), "unknown-or-bad-field");
    assert_eq!(patched(&format!("{{target: {{kind: ConfigMap}}, patch: '{add}'}}")).unwrap_err(), "patch-invalid");
    assert_eq!(patched("{target: {name: a}}").unwrap_err(), "patch-invalid");
    let plugin = format!(
        "{{apiVersion: builtin, kind: PatchJson6902Transformer, metadata: {{name: t}}, target: {{kind: ConfigMap}}, jsonOp: '{add}'}}"
    );
    assert_eq!(one("transformers: [t.yaml]\n", MAP).unwrap_err(), "missing-file");
    assert_eq!(render("transformers: [t.yaml]\n", MAP, &[("t.yaml", &plugin)]).unwrap_err(), "patch-invalid");
}

#[test]
fn a_name_that_patches_json6902_changes_is_not_followed() {
    let manifest = format!(
        "{MAP}---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{volumes: [{{name: v, configMap: {{name: a}}}}]}}\n"
    );
    for (field, followed) in [("patches", "b"), ("patchesJson6902", "a")] {
        let patch = r#"[{"op": "replace", "path": "/metadata/name", "value": "b"}]"#;
        let patch = format!("{field}: [{{target: {{kind: ConfigMap, name: a}}, patch: '{patch}'}}]\n");
        let found = render(&patch, &manifest, &[]).unwrap();
        assert_eq!(found[0]["metadata"]["name"], "b");
        assert_eq!(found[1]["spec"]["volumes"][0]["configMap"]["name"], followed, "{field}");
    }
}

#[test]
fn a_json_patch_finds_annotations_wherever_kustomize_keeps_notes_of_its_own() {
    let patch = |field: &str, more: &str| {
        let operations = r#"[{"op": "add", "path": "/metadata/annotations/x", "value": "y"}]"#;
        format!("{more}{field}: [{{target: {{name: a}}, patch: '{operations}'}}]\n")
    };
    let annotations = json!({"x": "y"});
    let empty = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n";
    for manifest in [MAP, empty] {
        assert_eq!(one(&patch("patches", ""), manifest).unwrap()["metadata"]["annotations"], annotations);
    }
    assert_eq!(one(&patch("patchesJson6902", ""), MAP).unwrap_err(), "json-patch-failed");
    let renamed = one(&patch("patchesJson6902", "namePrefix: p-\n"), MAP).unwrap();
    assert_eq!(renamed["metadata"], json!({"name": "p-a", "annotations": annotations}));
}

#[test]
fn a_json_patch_may_replace_or_test_the_whole_object() {
    let patched = |operation: &str| {
        one(&format!("patches: [{{target: {{name: a}}, patch: '[{operation}]'}}]\n"), &format!("{MAP}data: {{k: v}}\n"))
    };
    let whole = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}"#;
    let replaced = patched(&format!(r#"{{"op": "replace", "path": "", "value": {whole}}}"#)).unwrap();
    assert_eq!(replaced, serde_json::from_str::<Value>(whole).unwrap());
    for operation in [
        r#"{"op": "replace", "path": "", "value": [1]}"#.to_owned(),
        r#"{"op": "replace", "path": "", "value": 1}"#.to_owned(),
        r#"{"op": "remove", "path": ""}"#.to_owned(),
        format!(r#"{{"op": "test", "path": "", "value": {whole}}}"#),
    ] {
        assert_eq!(patched(&operation).unwrap_err(), "json-patch-failed", "{operation}");
    }
}

#[test]
fn labels_of_patches_strategic_merge_are_texts() {
    let labels = |field: &str, labels: &str| {
        let patch = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, labels: {labels}}}}}");
        let entry = if field == "patches" { format!("{{patch: '{patch}'}}") } else { format!("'{patch}'") };
        one(&format!("{field}: [{entry}]\n"), MAP).unwrap()["metadata"]["labels"].clone()
    };
    assert_eq!(labels("patchesStrategicMerge", "{n: 1, t: true}"), json!({"n": "1", "t": "true"}));
    assert_eq!(labels("patches", "{n: 1, t: true}"), json!({"n": 1, "t": true}));
    assert_eq!(labels("patchesStrategicMerge", "{}"), Value::Null);
    assert_eq!(labels("patches", "{}"), json!({}));
}

#[test]
fn a_key_of_a_patch_that_is_no_text_means_the_text_of_the_object() {
    let patched = |key: &str| {
        let patch = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}, data: {{{key}: new}}}}");
        one(&format!("patches: [{{patch: '{patch}'}}]\n"), &format!("{MAP}data: {{'6443': old}}\n"))
    };
    for key in ["6443", "\"6443\""] {
        assert_eq!(patched(key).unwrap()["data"], json!({"6443": "new"}), "{key}");
    }
    assert_eq!(patched("9110").unwrap_err(), "unserializable-value");
    assert_eq!(patched("true").unwrap_err(), "unserializable-value");
    assert_eq!(one("", &format!("{MAP}data: {{6443: old}}\n")).unwrap_err(), "unserializable-value");
}

#[test]
fn items_of_a_list_among_other_documents_are_taken_apart_as_json() {
    let item = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, annotations: {octal: 0o7}}}";
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {item}\n");
    assert_eq!(one("", &list).unwrap()["metadata"]["annotations"]["octal"], "0o7");
    let among = format!("{list}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\n");
    let found = render("", &among, &[]).unwrap();
    assert_eq!(found[0]["kind"], "Secret");
    assert_eq!(found[1]["metadata"]["annotations"]["octal"], "7");
}

#[test]
fn a_component_that_makes_two_objects_one_is_refused() {
    let part = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n\
                replacements: [{sourceValue: a, targets: [{select: {name: b}, fieldPaths: [metadata.name]}]}]\n";
    let manifest = format!("{MAP}---\n{}", MAP.replace("name: a", "name: b"));
    let found = render("components: [part]\n", &manifest, &[("part/kustomization.yaml", part)]);
    assert_eq!(found.unwrap_err(), "duplicate-id");
}

#[test]
fn a_definition_of_custom_resources_is_no_document_of_crds() {
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a}\n";
    assert_eq!(render("crds: [c.yaml]\n", MAP, &[("c.yaml", definition)]).unwrap_err(), "openapi");
}

#[test]
fn labels_that_are_null_stay_null_where_nobody_asked_for_them() {
    let plugin = "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: t}\nlabels: {a: b}\nfieldSpecs: [{path: spec/x}]\n";
    let manifest = format!("{MAP}spec: {{x: null}}\n");
    let found = render("transformers: [t.yaml]\n", &manifest, &[("t.yaml", plugin)]).unwrap();
    assert_eq!(found[0]["spec"], json!({"x": null}));
}

/// What `src/kustomize/DIFFERENCES.md` says of this file; here the values are ours.
#[test]
fn further_differences_are_as_listed() {
    let deployment = |pod: &str| {
        format!("apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec: {{template: {{spec: {pod}}}}}\n")
    };
    let merged = |there: &str, patch: &str| {
        let patch = format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: a}}, spec: {{template: {{spec: {patch}}}}}}}"
        );
        one(&format!("patches: [{{patch: '{patch}'}}]\n"), &deployment(there)).unwrap()["spec"]["template"]["spec"]
            .clone()
    };
    assert_eq!(
        merged("{containers: [{name: c, args: [x]}]}", "{containers: [{name: c, $patch: replace, image: y}]}"),
        json!({"containers": [{"name": "c", "image": "y"}]})
    );
    assert_eq!(
        merged("{hostNetwork: true}", "{volumes: [{$patch: replace}, {name: v}]}"),
        json!({"hostNetwork": true, "volumes": [{"name": "v"}]})
    );
    let patched = |operation: &str| {
        let manifest = format!("{MAP}spec: {{large: 9007199254740993}}\n");
        one(&format!("patches: [{{target: {{name: a}}, patch: '[{operation}]'}}]\n"), &manifest)
    };
    let numbers = patched(r#"{"op": "add", "path": "/spec/more", "value": 9007199254740995}"#).unwrap();
    assert_eq!(numbers["spec"], json!({"large": 9_007_199_254_740_993_i64, "more": 9_007_199_254_740_995_i64}));
    let missing = r#"{"op": "copy", "from": "/spec/none", "path": "/spec/copy"}"#;
    assert_eq!(patched(missing).unwrap_err(), "json-patch-failed");
    let bare = r#"{"op": "add", "path": "spec/copy", "value": 1}"#;
    assert_eq!(patched(bare).unwrap_err(), "json-patch-failed");
    let generator = "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: g}\nenv: e.env\n";
    let found = render("generators: [g.yaml]\n", MAP, &[("g.yaml", generator), ("e.env", "k=v\n")]).unwrap();
    assert_eq!(found[1]["data"], json!({"k": "v"}));
    let annotated = one("commonAnnotations: {'2': one, 'true': two}\n", MAP).unwrap();
    assert_eq!(annotated["metadata"]["annotations"], json!({"2": "one", "true": "two"}));
    let annotation = |value: &str| {
        let manifest =
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n    x: {value}\n");
        one("", &manifest).map(|object| object["metadata"]["annotations"]["x"].clone())
    };
    assert_eq!(annotation("[a]"), Ok(json!(["a"])));
    assert_eq!(annotation(".inf"), Err("unserializable-value".to_owned()));
    assert_eq!(annotation("!!int a"), Err("unserializable-value".to_owned()));
    let value = |text: &str| one("", &format!("{MAP}spec: {text}\n")).unwrap()["spec"].clone();
    assert_eq!(value(r#""\/ \ud83d\ude00""#), "/ \u{1f600}");
    assert_eq!(value("[2001-12-14t21:59:43.10-05:00]"), json!(["2001-12-14T21:59:43.1-05:00"]));
}

#[test]
fn objects_that_a_patch_has_made_the_same_are_refused() {
    let two = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: one}\n---\n\
               apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: two}\n";
    let into = |namespace: &str| {
        let add = format!(r#"[{{"op": "add", "path": "/metadata/namespace", "value": "{namespace}"}}]"#);
        format!("{{target: {{kind: ConfigMap, namespace: one}}, patch: '{add}'}}")
    };
    let built = |patches: String| render(&format!("patches: [{patches}]\n"), two, &[]).map(|objects| objects.len());
    assert_eq!(built(into("three")), Ok(2));
    assert_eq!(built(into("two")), Err("duplicate-id".to_owned()));
    // Even where a later patch would make them two again.
    let merge = "{target: {name: none}, patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}'}";
    let gone =
        "{target: {namespace: two}, patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, $patch: delete}'}";
    assert_eq!(built(format!("{}, {merge}, {gone}", into("two"))), Err("duplicate-id".to_owned()));
}

#[test]
fn behind_a_component_special_fields_of_a_configuration_drop_the_general_ones() {
    let config = "namePrefix: [{kind: Thing, path: metadata/name}]\n";
    let part = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncommonAnnotations: {c: d}\n";
    let name = |kustomization: &str| {
        let files = [("kustomization.yaml", kustomization), ("c.yaml", config), ("part/kustomization.yaml", part)];
        let base = [("base/kustomization.yaml", "resources: [m.yaml]\n"), ("base/m.yaml", MAP)];
        let files = files.into_iter().chain(base);
        let files = files.map(|(path, text)| (RepoPath::parse(path).unwrap(), text.as_bytes().to_vec()));
        rendered(files.collect(), &RepoPath::root(), PLAIN).unwrap()[0]["metadata"]["name"].clone()
    };
    assert_eq!(name("resources: [base]\nnamePrefix: p-\nconfigurations: [c.yaml]\n"), "p-a");
    assert_eq!(name("resources: [base]\nnamePrefix: p-\nconfigurations: [c.yaml]\ncomponents: [part]\n"), "a");
}
