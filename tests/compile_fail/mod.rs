//! What must not compile, does not: each case beside this file fails with exactly the errors of its `.stderr`.
//!
//! Compiled by plain `rustc` against the library that this test was linked with. (`trybuild` would check all
//! dependencies once more in a folder of its own, which takes minutes.) After an intended change,
//! `BLESS=1 cargo test compile_fail` writes the `.stderr` files anew; read what changed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the library and everything it depends on.
fn artifacts() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.parent().unwrap().to_path_buf()
}

/// The library of crate `name`: the newest, because older builds stay beside it.
fn library(artifacts: &Path, name: &str) -> PathBuf {
    let (begin, end) = (format!("lib{name}-"), ".rlib");
    let built = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (name.starts_with(&begin) && name.ends_with(end)).then(|| path.metadata().unwrap().modified().unwrap())
    };
    let files = std::fs::read_dir(artifacts).unwrap().map(|entry| entry.unwrap().path());
    let (_, path) = files.filter_map(|path| Some((built(&path)?, path))).max().expect("the test is linked with it");
    path
}

/// What `rustc` says about `case`, one line an error; empty where it compiles.
fn errors(case: &Path) -> String {
    let artifacts = artifacts();
    let output = Command::new("rustc")
        .current_dir(case.parent().unwrap())
        .args(["--edition=2024", "--crate-type=bin", "--emit=metadata", "--error-format=short"])
        .args(["--color=never", "--cap-lints=allow", "--out-dir", env!("CARGO_TARGET_TMPDIR")])
        .args(["gitwarrant", "serde"].map(|name| format!("--extern={name}={}", library(&artifacts, name).display())))
        .arg(format!("-Ldependency={}", artifacts.display()))
        .arg(case.file_name().unwrap())
        .output()
        .expect("rustc is in PATH where cargo is");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.success(), !said.contains("error"), "{said}");
    // Whether rustc writes `Debug` or `std::fmt::Debug` depends on what else the library calls so.
    let said = said.replace("std::fmt::", "");
    said.lines().filter(|line| line.contains(": error")).map(|line| format!("{line}\n")).collect()
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("mod.rs"))
        .collect();
    cases.sort();
    cases
}

#[test]
fn forged_proofs_applied_directories_and_logged_secrets_do_not_compile() {
    let mut wrong = Vec::new();
    for case in cases() {
        let (found, expected) = (errors(&case), case.with_extension("stderr"));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&expected, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        if found.is_empty() || found != expected {
            wrong.push(format!("{}\nexpected:\n{expected}found:\n{found}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_may_compile_does() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("lends.rs");
    let text =
        "fn main() { gitwarrant::secret::Secret::new(Vec::new()).share().expose(|plain| assert!(plain.is_empty())) }";
    std::fs::write(&case, text).unwrap();
    assert_eq!(errors(&case), "");
}
