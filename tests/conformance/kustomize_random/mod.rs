//! Random kustomizations, rendered here and by the real kustomize.
//!
//! `GITWARRANT_SEEDS` is their number (200 unless told), `GITWARRANT_SEED` the first. A case that differs is written to
//! `target/tmp/kustomize-seeds/SEED`.

mod layers;
mod manifests;
mod patches;
mod plugins;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use gitwarrant::model::RepoPath;
use serde_json::{Value, json};

use super::kustomize::{PLAIN, compare, rendered};
use crate::support::reference::Renderer;

/// A kustomization and everything below it: files by path.
pub struct Case {
    /// Texts by path.
    pub files: BTreeMap<String, String>,
    /// The folder that is rendered.
    pub root: String,
}

#[test]
fn random_kustomizations_render_as_kustomize_renders_them() {
    let number = |name: &str, otherwise: u64| {
        std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect("a number of seeds"))
    };
    let (first, count) = (number("GITWARRANT_SEED", 1), number("GITWARRANT_SEEDS", 200));
    let (next, built) = (AtomicU64::new(first), AtomicUsize::new(0));
    let differing = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let mut real = Renderer::start().unwrap();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    let case = layers::case(seed);
                    match judge(&case, &mut real) {
                        Ok(Outcome::Built) => drop(built.fetch_add(1, Ordering::Relaxed)),
                        Ok(Outcome::Refused) => {}
                        Err(difference) => drop(differing.lock().unwrap().insert(seed, (difference, case))),
                    }
                }
            });
        }
    });
    let differing = differing.into_inner().unwrap();
    let built = built.into_inner();
    println!("kustomize: {count} random cases, {built} built by both, {} differ", differing.len());
    let mut report = String::new();
    for (seed, (difference, case)) in &differing {
        report += &format!("seed {seed}: {difference}\n");
        write(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("kustomize-seeds").join(seed.to_string()), case);
    }
    assert!(report.is_empty(), "{report}");
    assert!(built as u64 * 2 > count, "most cases must build, or little is compared");
}

enum Outcome {
    Built,
    Refused,
}

/// Compares both; that both refuse is agreement.
fn judge(case: &Case, real: &mut Renderer) -> Result<Outcome, String> {
    let question = json!({"root": case.root, "files": case.files}).to_string();
    let answer: Value = serde_json::from_str(&real.ask(&question).unwrap()).unwrap();
    let files = case.files.iter().map(|(path, text)| (RepoPath::parse(path).unwrap(), text.clone().into_bytes()));
    let found = rendered(files.collect(), &RepoPath::root().resolve(&case.root).unwrap(), PLAIN);
    match (answer["error"].as_str(), found) {
        (Some(_), Err(_)) => Ok(Outcome::Refused),
        (Some(error), Ok(_)) => Err(format!("renders, and should not: {error}")),
        (None, Err(code)) => Err(format!("fails as {code}, and should render")),
        (None, Ok(found)) => compare(answer["objects"].as_array().unwrap(), &found).map(|()| Outcome::Built),
    }
}

fn write(folder: &Path, case: &Case) {
    for (path, text) in &case.files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}
