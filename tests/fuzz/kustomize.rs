//! Kustomizations, manifests, patches, paths and variables, bent: a refusal or objects, in bounded time, twice the same.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gitwarrant::keysource::Keyring;
use gitwarrant::kustomize::{Layer, Options, Variable, Variables, gather_under, render_under};
use gitwarrant::model::{Node, RepoPath, show};
use gitwarrant::secret::Secret;
use gitwarrant::sops;
use gitwarrant::trust::Tree;

use crate::support::mutate::fuzz;

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, labels: {app: web}}\nspec:\n  \
    replicas: 1\n  template:\n    spec:\n      containers:\n      - {name: c, image: 'a/b:1', env: [{name: A, value: \"1\"}], \
    ports: [{containerPort: 80, protocol: TCP}]}\n      volumes: [{name: v, configMap: {name: conf}}]\n";
const MAP: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf, annotations: {a: b}}\ndata: {k: v, j: '{\"a\": [1]}'}\n";

/// Nothing of this size may take longer; the machine may be busy.
const BOUND: Duration = Duration::from_secs(5);

/// The rendered objects as JSON, or the errors.
fn render(layer: &Layer, files: &[(&str, &[u8])]) -> Result<String, String> {
    let files: BTreeMap<_, _> =
        files.iter().map(|(path, bytes)| (RepoPath::parse(path).unwrap(), bytes.to_vec())).collect();
    let path = RepoPath::parse("app").unwrap();
    let begin = Instant::now();
    let rendered = (|| {
        let sources = gather_under(layer, Tree::local(files), &path, &Options::AGENT).map_err(|e| e.to_string())?;
        let Ok(keys) = Keyring::read(Vec::new()) else { panic!("no keys are a set of keys") };
        let opened = sops::unseal(sources, &keys).map_err(|errors| errors.to_string())?;
        render_under(layer, opened, &path, &Options::AGENT).map_err(|errors| errors.to_string())
    })();
    assert!(begin.elapsed() < BOUND, "took {:?}", begin.elapsed());
    let objects = rendered?;
    Ok(objects.objects().iter().map(|object| show::json(&Node::Map(object.body().share()))).collect())
}

/// Renders twice: both must come to the same, and neither may say what is sealed.
fn same_twice(files: &[(&str, &[u8])]) {
    let first = render(&Layer::default(), files);
    assert_eq!(first, render(&Layer::default(), files));
}

fn bytes(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn bent_manifests_render_the_same_twice_or_are_refused() {
    let yaml = "a: &x {b: 1}\nc: {<<: *x, d: [~, 0x1F, 1e3, .inf, 2001-01-01, !!binary aGk=, |-\n  text\n]}\n";
    let list =
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n---\n# end\n";
    fuzz("kustomize manifest", &bytes(&[DEPLOYMENT, MAP, yaml, list]), |bent| same_twice(&[("app/a.yaml", bent)]));
}

#[test]
fn bent_kustomizations_render_the_same_twice_or_are_refused() {
    let seeds = [
        "resources: [d.yaml, m.yaml]\nnamePrefix: p-\nnamespace: n\ncommonLabels: {a: b}\nimages: [{name: a/b, newTag: '2'}]\n",
        "resources: [d.yaml]\ncomponents: [../part]\nreplicas: [{name: web, count: 3}]\nlabels: [{pairs: {x: y}, includeSelectors: true}]\n",
        "configMapGenerator: [{name: g, literals: [a=b], files: [x=d.yaml], envs: [e.env]}]\ngeneratorOptions: {immutable: true}\n",
        "resources: [m.yaml]\nvars: [{name: V, objref: {apiVersion: v1, kind: ConfigMap, name: conf}}]\nsortOptions: {order: legacy}\n",
        "resources: [d.yaml]\ntransformers:\n- |\n  apiVersion: builtin\n  kind: PrefixTransformer\n  metadata: {name: x}\n  prefix: q-\n  fieldSpecs: [{path: metadata/name}]\n",
    ];
    fuzz("kustomize kustomization", &bytes(&seeds), |bent| {
        same_twice(&[
            ("app/kustomization.yaml", bent),
            ("app/d.yaml", DEPLOYMENT.as_bytes()),
            ("app/m.yaml", MAP.as_bytes()),
            ("app/e.env", b"A=b\n# c\nD\n"),
            ("part/kustomization.yaml", b"kind: Component\nnameSuffix: -s\n"),
        ]);
    });
}

#[test]
fn bent_patches_render_the_same_twice_or_are_refused() {
    let seeds = [
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: c, $patch: delete}, {name: d, ports: [{containerPort: 80}]}]}}}\n",
        "kind: Deployment\nmetadata: {name: web, labels: {app: null}}\nspec: {$patch: replace, replicas: 2}\n",
        "- {op: add, path: /spec/template/spec/containers/-, value: {name: n}}\n- {op: remove, path: /spec/replicas}\n",
        r#"[{"op": "move", "from": "/metadata/labels", "path": "/spec/a~1b"}, {"op": "test", "path": "/spec/replicas", "value": 1}]"#,
    ];
    fuzz("kustomize patch", &bytes(&seeds), |bent| {
        let patches = match bent.len() % 2 {
            0 => "[{path: p.yaml, target: {name: web}}]",
            _ => "[{path: p.yaml}]",
        };
        let kustomization = format!("resources: [d.yaml]\npatches: {patches}\n");
        let first = ("app/kustomization.yaml", kustomization.as_bytes());
        same_twice(&[first, ("app/d.yaml", DEPLOYMENT.as_bytes()), ("app/p.yaml", bent)]);
    });
}

#[test]
fn bent_replacement_paths_render_the_same_twice_or_are_refused() {
    let seeds = [
        "spec.template.spec.containers.[name=c].image",
        "metadata.annotations.[a.b/c]",
        "data.j.a.0",
        "spec.*.*.x",
        r"data.a\.b",
        "spec.template.spec.containers.-1.env.*.value",
    ];
    fuzz("kustomize replacement path", &bytes(&seeds), |bent| {
        let path = serde_json::to_string(&String::from_utf8_lossy(bent)).unwrap();
        let kustomization = format!(
            "resources: [d.yaml, m.yaml]\nreplacements:\n- source: {{kind: ConfigMap, fieldPath: {path}}}\n  targets: [{{select: {{kind: Deployment}}, fieldPaths: [spec.replicas]}}]\n\
             - source: {{kind: ConfigMap}}\n  targets: [{{select: {{name: web|conf}}, fieldPaths: [{path}], options: {{create: true, delimiter: '/', index: 1}}}}]\n"
        );
        same_twice(&[
            ("app/kustomization.yaml", kustomization.as_bytes()),
            ("app/d.yaml", DEPLOYMENT.as_bytes()),
            ("app/m.yaml", MAP.as_bytes()),
        ]);
    });
}

#[test]
fn bent_variables_never_tell_what_is_sealed() {
    let seeds = [
        "${a}",
        "${pw}",
        "${a:-${pw}}",
        "${a//x/${pw}}",
        "${#pw}",
        "${pw:0:1}",
        "${pw^^}",
        "$${pw} ${a%%*.}",
        "${b:=x}${a: -1}",
    ];
    fuzz("kustomize variables", &bytes(&seeds), |bent| {
        let mut variables = Variables::default();
        variables.insert("a", Variable::Open("x.y.z".to_owned())).unwrap();
        variables.insert("pw", Variable::Sealed(Secret::new(b"ZQSECRETQZ".to_vec()))).unwrap();
        let mut layer = Layer::default();
        layer.variables = Some(variables);
        let value = serde_json::to_string(&String::from_utf8_lossy(bent)).unwrap();
        let secret =
            format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{k: {value}, {value}: v}}\n");
        let found = render(&layer, &[("app/s.yaml", secret.as_bytes())]);
        let text = found.unwrap_or_else(|error| error).to_ascii_uppercase();
        assert!(!text.contains("ZQSECRETQZ"), "{text}");
    });
}

/// A map that has another order in each render would show.
#[test]
fn two_hundred_renders_are_the_same() {
    let kustomization = "resources: [d.yaml, m.yaml]\nnamePrefix: p-\nnamespace: shop\n\
        labels: [{pairs: {a: one, b: two, c: three, d: four}, includeSelectors: true}]\n\
        commonAnnotations: {a: one, b: two, c: three, d: four}\n\
        configMapGenerator: [{name: g, literals: [a=1, b=2, c=3, d=4], options: {labels: {e: f, g: h, i: j}}}]\n\
        secretGenerator: [{name: s, literals: [a=1, b=2, c=3, d=4], options: {annotations: {e: f, g: h, i: j}}}]\n\
        images: [{name: a/b, newTag: '2'}]\nbuildMetadata: [originAnnotations, managedByLabel, transformerAnnotations]\n\
        patches: [{patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: conf}, data: {z: a, y: b, x: c, w: d}}'}]\n\
        replacements: [{source: {kind: ConfigMap, name: conf, fieldPath: data.k}, \
        targets: [{select: {kind: Deployment}, fieldPaths: [spec.q, spec.r], options: {create: true}}]}]\n";
    let files = [
        ("app/kustomization.yaml", kustomization.as_bytes()),
        ("app/d.yaml", DEPLOYMENT.as_bytes()),
        ("app/m.yaml", MAP.as_bytes()),
    ];
    let first = render(&Layer::default(), &files).unwrap();
    for _ in 1..200 {
        assert_eq!(render(&Layer::default(), &files).as_ref(), Ok(&first));
    }
}
