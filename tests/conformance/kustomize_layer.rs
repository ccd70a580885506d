//! What a Sync lays over a kustomization, with the meaning that Flux gives its fields.

use std::collections::BTreeMap;

use gitwarrant::keysource::Keyring;
use gitwarrant::kustomize::{Layer, Options, Variable, Variables, gather_under, render_under};
use gitwarrant::model::{Node, RepoPath, show};
use gitwarrant::secret::Secret;
use gitwarrant::sops;
use gitwarrant::trust::Tree;
use serde_json::{Value, json};

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: ${n}\n  \
                          template: {spec: {containers: [{name: c, image: 'nginx:1'}]}}\n";

/// Renders `files` in folder `app` under `layer`; sealed values come out as `<sealed>`.
fn render(layer: &Layer, files: &[(&str, &str)]) -> Result<Vec<Value>, String> {
    let files = files.iter().map(|(path, text)| (RepoPath::parse(path).unwrap(), text.as_bytes().to_vec()));
    let files: BTreeMap<_, _> = files.collect();
    let path = RepoPath::parse("app").unwrap();
    let sources = gather_under(layer, Tree::local(files), &path, &Options::AGENT).map_err(|e| e.to_string())?;
    let Ok(keys) = Keyring::read(Vec::new()) else { panic!("no keys are a set of keys") };
    let Ok(opened) = sops::unseal(sources, &keys) else { panic!("nothing is sealed here") };
    let rendered = render_under(layer, opened, &path, &Options::AGENT).map_err(|errors| errors.to_string())?;
    let shown = |body| serde_json::from_str(&show::json(&Node::Map(body))).unwrap();
    Ok(rendered.objects().iter().map(|object| shown(object.body().share())).collect())
}

fn fields(fields: &Value) -> Layer {
    Layer::read(fields.to_string()).unwrap()
}

fn with_variables(pairs: &[(&str, &str)]) -> Layer {
    let mut variables = Variables::default();
    for (name, text) in pairs {
        variables.insert(name, Variable::Open((*text).to_owned())).unwrap();
    }
    let mut layer = Layer::default();
    layer.variables = Some(variables);
    layer
}

fn config_map(data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n{data}")
}

#[test]
fn names_namespace_and_images_take_the_place_of_those_of_the_kustomization() {
    let layer = fields(&json!({"namespace": "shop", "namePrefix": "x-", "nameSuffix": "-y",
        "images": [{"name": "nginx", "newTag": "2"}, {"name": "other", "newTag": "3"}]}));
    let kustomization = "namespace: was\nnamePrefix: was-\nresources: [d.yaml]\nimages: [{name: nginx, newTag: was}]\n";
    let objects = render(&layer, &[("app/kustomization.yaml", kustomization), ("app/d.yaml", DEPLOYMENT)]).unwrap();
    assert_eq!(objects[0]["metadata"], json!({"name": "x-web-y", "namespace": "shop"}));
    assert_eq!(objects[0]["spec"]["template"]["spec"]["containers"][0]["image"], "nginx:2");
    assert_eq!(objects[0]["spec"]["replicas"], "${n}", "without variables nothing is evaluated");
}

#[test]
fn patches_and_components_come_after_those_of_the_kustomization() {
    let layer = fields(&json!({
        "patches": [{"patch": "[{op: replace, path: /spec/replicas, value: 5}]", "target": {"kind": "Deploy.*"}}],
        "components": ["../part"],
    }));
    let part = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncommonAnnotations: {from: part}\n";
    let files = [
        (
            "app/kustomization.yaml",
            "resources: [d.yaml]\npatches: [{patch: '[{op: replace, path: /spec/replicas, value: 4}]', target: {kind: Deployment}}]\n",
        ),
        ("app/d.yaml", DEPLOYMENT),
        ("part/kustomization.yaml", part),
    ];
    let objects = render(&layer, &files).unwrap();
    assert_eq!(objects[0]["spec"]["replicas"], 5);
    assert_eq!(objects[0]["metadata"]["annotations"]["from"], "part");
    let cyclic = fields(&json!({"components": ["../"]}));
    assert!(render(&cyclic, &files).is_err());
    let outside = fields(&json!({"components": ["../../part"]}));
    assert!(render(&outside, &files).is_err());
}

#[test]
fn a_patch_of_a_sync_names_no_file() {
    assert!(Layer::read(json!({"patches": [{"path": "p.yaml"}]}).to_string()).is_err());
}

#[test]
fn a_folder_without_a_kustomization_is_every_manifest_below_it_under_the_layer() {
    let layer = fields(&json!({"namespace": "shop"}));
    let map = config_map("  k: v\n");
    let files = [
        ("app/a.yaml", map.as_str()),
        ("app/deep/d.yml", DEPLOYMENT),
        ("app/README.md", "not: a manifest"),
        ("app/own/kustomization.yaml", "namePrefix: own-\nresources: [s.yaml]\n"),
        ("app/own/s.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"),
    ];
    let names: Vec<_> = render(&layer, &files).unwrap().iter().map(|object| object["metadata"].clone()).collect();
    let all = |name: &str| json!({"name": name, "namespace": "shop"});
    assert_eq!(names, [all("a"), all("web"), all("own-s")]);
}

#[test]
fn common_metadata_is_set_on_every_object_and_never_evaluated() {
    let mut layer = with_variables(&[("n", "3")]);
    layer.labels.insert("team".to_owned(), "shop".to_owned());
    layer.annotations.insert("note".to_owned(), "${n}".to_owned());
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {team: was, own: kept}}\n";
    let objects = render(&layer, &[("app/a.yaml", map), ("app/d.yaml", DEPLOYMENT)]).unwrap();
    assert_eq!(objects[0]["metadata"]["labels"], json!({"team": "shop", "own": "kept"}));
    for object in &objects {
        assert_eq!(object["metadata"]["annotations"], json!({"note": "${n}"}));
    }
    assert_eq!(objects[1]["metadata"]["labels"], json!({"team": "shop"}));
}

#[test]
fn a_variable_takes_the_type_that_yaml_gives_it() {
    let thing = "apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: '${name}', labels: {n: '${n}', '${name}': x}}\n\
                 spec:\n  number: ${n}\n  quoted: ${q}\n  truth: ${t}\n  list: ${l}\n  nothing: ${e}\n  joined: v${n}\n  \
                 text: '${n}: x'\n  lines: |\n    ${n}\n    $$ $${n} $n\n  nested: ${none:-${n}}\n";
    let layer =
        with_variables(&[("name", "web"), ("n", "3"), ("q", "\"3\""), ("t", "true"), ("l", "[a, 1]"), ("e", "")]);
    let objects = render(&layer, &[("app/a.yaml", thing)]).unwrap();
    assert_eq!(objects[0]["metadata"], json!({"name": "web", "labels": {"n": "3", "web": "x"}}));
    assert_eq!(
        objects[0]["spec"],
        json!({"number": 3, "quoted": "3", "truth": true, "list": ["a", 1], "nothing": null, "joined": "v3",
            "text": "3: x", "lines": "3\n$ ${n} $n\n", "nested": 3})
    );
}

#[test]
fn data_stays_text_and_a_variable_makes_no_mapping() {
    let layer = with_variables(&[("n", "3"), ("m", "a: b"), ("e", "")]);
    let map = config_map("  number: ${n}\n  mapping: ${m}\n  empty: ${e}\n");
    let objects = render(&layer, &[("app/a.yaml", &map)]).unwrap();
    assert_eq!(objects[0]["data"], json!({"number": "3", "mapping": "a: b", "empty": ""}));
    let thing = "apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: a}\nspec: {x: '${m}'}\n";
    let error = render(&layer, &[("app/a.yaml", thing)]).unwrap_err();
    assert!(error.contains("app/a.yaml:1") && error.contains("is not one value"), "{error}");
}

#[test]
fn every_object_with_a_variable_that_is_not_set_is_named_at_once() {
    let layer = with_variables(&[]);
    let (one, two) = (config_map("  k: ${ONE}\n"), config_map("  k: ${TWO}\n").replace("name: a", "name: b"));
    let error = render(&layer, &[("app/a.yaml", &one), ("app/b.yaml", &two)]).unwrap_err();
    assert!(error.contains("`ONE` is not set") && error.contains("app/a.yaml:1"), "{error}");
    let all = error.contains("`TWO`") || error.contains("1 more");
    assert!(all, "{error}");
}

#[test]
fn an_object_that_says_so_keeps_its_dollar_signs() {
    let layer = with_variables(&[]);
    for what in ["labels", "annotations"] {
        let map = config_map("  k: ${HOME}\n").replace(
            "{name: a}",
            &format!("{{name: a, {what}: {{kustomize.toolkit.fluxcd.io/substitute: disabled}}}}"),
        );
        assert_eq!(render(&layer, &[("app/a.yaml", &map)]).unwrap()[0]["data"]["k"], "${HOME}");
    }
}

#[test]
fn what_a_secret_gives_is_sealed_wherever_it_ends() {
    let mut variables = Variables::default();
    variables.insert("pw", Variable::Sealed(Secret::new(b"hidden".to_vec()))).unwrap();
    let mut layer = Layer::default();
    layer.variables = Some(variables);
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {dsn: 'db://u:${pw}@h', plain: x}\n";
    let objects = render(&layer, &[("app/s.yaml", secret)]).unwrap();
    assert_eq!(objects[0]["stringData"]["dsn"], "<sealed>");
    assert_eq!(objects[0]["stringData"]["plain"], "x");
    let key = secret.replace("dsn:", "'${pw}':");
    let error = render(&layer, &[("app/s.yaml", &key)]).unwrap_err();
    assert!(error.contains("out of a Secret") && !error.contains("hidden"), "{error}");
}
