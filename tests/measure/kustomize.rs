//! Rendering: in this process, and as a whole process beside the real kustomize.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use gitwarrant::git;
use gitwarrant::keysource::Keyring;
use gitwarrant::kustomize::{Options, gather, render};
use gitwarrant::model::RepoPath;
use gitwarrant::sops;
use gitwarrant::trust::Tree;

use super::report::{Report, median, process};
use crate::support::reference;

/// Measures.
pub fn measure(report: &mut Report) {
    let kustomize = reference::kustomize().unwrap_or_else(|why| panic!("{why}"));
    let sizes = [(2, 1, "3 objects", 100), (1_000, 50, "1,050 objects", 3), (4_750, 250, "5,000 objects", 1)];
    for (maps, deployments, what, times) in sizes {
        let made = Made::new(maps, deployments);
        made.in_process(report, what);
        made.whole_process(report, what, times, &kustomize);
    }
    // Where twice as much takes twice as long, this is the same.
    for (maps, deployments) in [(1_000, 50), (2_000, 100), (4_000, 200), (8_000, 400)] {
        let made = Made::new(maps, deployments);
        let took = median(5, || made.render()).as_secs_f64() * 1e6 / f64::from(maps + deployments);
        report.row(format!("{} objects, in process, each", maps + deployments), took, "us");
    }
}

/// A base and an overlay over it, in a folder.
struct Made {
    folder: tempfile::TempDir,
    files: BTreeMap<RepoPath, Vec<u8>>,
    objects: usize,
}

impl Made {
    fn new(maps: u32, deployments: u32) -> Self {
        const FILE: u32 = 100;
        let mut texts = vec![
            ("overlay/kustomization.yaml".to_owned(), OVERLAY.to_owned()),
            ("overlay/limits.yaml".to_owned(), LIMITS.to_owned()),
            ("base/workers.yaml".to_owned(), (0..deployments).map(|at| deployment(at, maps)).collect()),
        ];
        let mut base = "resources:\n- workers.yaml\n".to_owned();
        for first in (0..maps).step_by(FILE as usize) {
            let name = format!("config-{}.yaml", first / FILE);
            writeln!(base, "- {name}").unwrap();
            texts.push((format!("base/{name}"), (first..maps.min(first + FILE)).map(config_map).collect()));
        }
        texts.push(("base/kustomization.yaml".to_owned(), base));
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in texts {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let files = git::files(folder.path()).unwrap();
        Self { folder, files, objects: (maps + deployments) as usize }
    }

    fn render(&self) {
        let path = RepoPath::parse("overlay").unwrap();
        let sources = gather(Tree::local(self.files.clone()), &path, &Options::AGENT).unwrap();
        let opened = sops::unseal(sources, &Keyring::read(Vec::new()).unwrap()).unwrap();
        assert_eq!(render(opened, &path, &Options::AGENT).unwrap().objects().len(), self.objects);
    }

    fn in_process(&self, report: &mut Report, what: &str) {
        let took = median(11, || self.render());
        report.row(format!("{what}, in process"), took.as_secs_f64() * 1e3, "ms");
    }

    fn whole_process(&self, report: &mut Report, what: &str, times: u32, kustomize: &Path) {
        let overlay: PathBuf = self.folder.path().join("overlay");
        let overlay = overlay.to_str().unwrap();
        // The real one has no `--root`: it goes wherever paths lead.
        let root = self.folder.path().to_str().unwrap();
        let ours = process(
            times.max(10),
            Path::new(env!("CARGO_BIN_EXE_gitwarrant")),
            &["build", overlay, "--root", root],
            &[],
        );
        let theirs = process(times, kustomize, &["build", overlay], &[]);
        let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1e3;
        let what = |rest: &str| format!("{what}, whole process, {rest}");
        report.beside(what("CPU"), milliseconds(ours.cpu), "kustomize", milliseconds(theirs.cpu), "ms");
        report.beside(what("wall"), milliseconds(ours.wall), "kustomize", milliseconds(theirs.wall), "ms");
        report.beside(what("peak memory"), ours.peak, "kustomize", theirs.peak, "MiB");
    }
}

fn config_map(at: u32) -> String {
    format!(
        "---
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings-{at}
  labels: {{tier: \"t{}\"}}
data:
  level: \"{}\"
  endpoint: http://svc-{}.example.internal:8080/path/{at}
  flags.properties: |
    alpha={at}
    beta=on
    gamma={}
",
        at % 7,
        at % 5,
        at % 50,
        at * 31 % 1009
    )
}

/// One that names two of the config maps.
fn deployment(at: u32, maps: u32) -> String {
    let (one, other) = (at % maps, (at * 7 + 3) % maps);
    format!(
        "---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: worker-{at}
  labels: {{app: worker-{at}}}
spec:
  replicas: {}
  selector:
    matchLabels: {{app: worker-{at}}}
  template:
    metadata:
      labels: {{app: worker-{at}}}
    spec:
      containers:
      - name: main
        image: registry.example.com/team/worker:1.0
        envFrom:
        - configMapRef: {{name: settings-{one}}}
        env:
        - name: LEVEL
          valueFrom:
            configMapKeyRef: {{name: settings-{other}, key: level}}
        ports:
        - containerPort: 8080
      - name: side
        image: registry.example.com/team/side:2.0
      volumes:
      - name: conf
        configMap: {{name: settings-{other}}}
",
        1 + at % 3
    )
}

/// A bit of everything that people do in overlays.
const OVERLAY: &str = "resources:
- ../base
namePrefix: prod-
labels:
- pairs: {env: prod, owner: platform}
  includeSelectors: true
images:
- name: registry.example.com/team/worker
  newTag: \"1.7\"
- name: registry.example.com/team/side
  digest: sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3
patches:
- path: limits.yaml
  target: {kind: Deployment}
- target: {kind: Deployment, name: worker-1.*}
  patch: |-
    - op: replace
      path: /spec/replicas
      value: 5
";

const LIMITS: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: any
spec:
  template:
    spec:
      containers:
      - name: main
        resources:
          limits: {cpu: 500m, memory: 256Mi}
        env:
        - name: REGION
          value: eu-1
";
