//! The real kustomize, built once from the Go module `tests/kustomize-reference` into `target/kustomize-reference`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use sha2::{Digest, Sha256};

use super::tools;

/// Linked like a release: small, and with the version that it puts into labels.
const LINKING: &str = "-s -w -X sigs.k8s.io/kustomize/api/provenance.version=kustomize/v5.8.2";

/// A process that renders one kustomization after the other with kustomize's own libraries.
pub struct Renderer {
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Renderer {
    /// Starts it; builds it first where that has not been done, which takes a minute.
    pub fn start() -> Result<Self, String> {
        let program = built("renderer", ".")?;
        let said = |error: std::io::Error| format!("{}: {error}", program.display());
        let mut process = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(said)?;
        let questions = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("stdout is piped"));
        Ok(Self { process, questions, answers })
    }

    /// Sends a line, and returns the line that comes back.
    pub fn ask(&mut self, line: &str) -> Result<String, String> {
        let said = |error: std::io::Error| format!("the reference renderer: {error}");
        let questions = self.questions.as_mut().expect("stdin is open until the end");
        questions.write_all(line.as_bytes()).and_then(|()| questions.write_all(b"\n")).map_err(said)?;
        questions.flush().map_err(said)?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).map_err(said)?;
        if answer.is_empty() { Err("the reference renderer has ended".to_owned()) } else { Ok(answer) }
    }
}

impl Drop for Renderer {
    fn drop(&mut self) {
        // It ends with its input.
        self.questions = None;
        drop(self.process.wait());
    }
}

/// The real program: the one that `KUSTOMIZE` names, or built here.
pub fn kustomize() -> Result<PathBuf, String> {
    match std::env::var_os("KUSTOMIZE").map(PathBuf::from) {
        Some(path) if path.is_file() => Ok(path),
        Some(path) => Err(format!("KUSTOMIZE names {}, which is not a file", path.display())),
        None => built("kustomize", "sigs.k8s.io/kustomize/kustomize/v5"),
    }
}

fn built(name: &str, package: &str) -> Result<PathBuf, String> {
    let go = tools::find("go")?;
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kustomize-reference");
    let folder = tools::target_folder().join("kustomize-reference");
    let said = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(said)?;
    // Test binaries started side by side build once.
    let lock = File::create(folder.join("lock")).map_err(said)?;
    lock.lock().map_err(said)?;
    let mut hash = Sha256::new();
    hash.update(LINKING);
    for file in ["go.mod", "go.sum", "main.go"] {
        hash.update(fs::read(module.join(file)).map_err(said)?);
    }
    let digest = u64::from_be_bytes(*hash.finalize().first_chunk().expect("a SHA-256 digest has 32 bytes"));
    let program = folder.join(format!("{digest:016x}")).join(name);
    if !program.is_file() {
        drop(writeln!(std::io::stderr(), "building {name} of kustomize, this first time only: about a minute"));
        let unfinished = folder.join("unfinished");
        let mut build = Command::new(go);
        build.args(["build", "-trimpath", "-ldflags", LINKING, "-o"]).arg(&unfinished).arg(package);
        tools::run(build.current_dir(&module).env("GOWORK", "off").stdin(Stdio::null()))?;
        fs::create_dir_all(program.parent().expect("it lies in a folder")).map_err(said)?;
        fs::rename(&unfinished, &program).map_err(said)?;
    }
    Ok(program)
}
