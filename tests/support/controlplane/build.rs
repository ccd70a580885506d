//! Builds the Go module `tests/controlplane` once for its sources, into `target/controlplane/DIGEST`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::tools;

/// The Kubernetes version that `go.mod` pins; clients cannot parse the server's version without it.
const KUBERNETES: (&str, &str, &str) = ("1", "37", "v1.37.2");

/// Packages compiled in a first build, to say how far it is.
const PACKAGES: usize = 2350;

/// The built program. Says on stderr how far the first build is, which takes minutes.
pub fn program() -> Result<PathBuf, String> {
    let go = tools::find("go")?;
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/controlplane");
    let folder = tools::target_folder().join("controlplane");
    let said = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(said)?;
    // Two test binaries started side by side build once.
    let lock = File::create(folder.join("lock")).map_err(said)?;
    lock.lock().map_err(said)?;
    let program = folder.join(digest(&module).map_err(said)?).join("controlplane");
    if !program.is_file() {
        let unfinished = folder.join("unfinished");
        compile(&go, &module, &unfinished)?;
        fs::create_dir_all(program.parent().expect("it lies in a folder")).map_err(said)?;
        fs::rename(&unfinished, &program).map_err(said)?;
    }
    Ok(program)
}

/// Names the build: the module's files and the flags.
fn digest(module: &Path) -> std::io::Result<String> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(module)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.sort();
    let mut hash = Sha256::new();
    hash.update(linker_flags());
    for file in files {
        let bytes = fs::read(&file)?;
        hash.update(format!("{:?} {}\n", file.file_name(), bytes.len()));
        hash.update(bytes);
    }
    let first = u64::from_be_bytes(*hash.finalize().first_chunk().expect("a SHA-256 digest has 32 bytes"));
    Ok(format!("{first:016x}"))
}

fn linker_flags() -> String {
    let (major, minor, version) = KUBERNETES;
    let set = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].map(|package| {
        format!(
            "-X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor} \
             -X {package}.gitTreeState=clean"
        )
    });
    format!("-s -w {}", set.join(" "))
}

fn compile(go: &Path, module: &Path, output: &Path) -> Result<(), String> {
    let begin = Instant::now();
    let mut build = Command::new(go)
        .args(["build", "-v", "-trimpath", "-ldflags", &linker_flags(), "-o"])
        .arg(output)
        .arg(".")
        .current_dir(module)
        .env("GOWORK", "off")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", go.display()))?;
    let stderr = BufReader::new(build.stderr.take().expect("stderr is piped"));
    let (compiled, downloaded) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut complaints = Vec::new();
    let status = std::thread::scope(|scope| {
        scope.spawn(|| {
            for line in stderr.lines().map_while(Result::ok) {
                if line.starts_with("go: downloading ") {
                    downloaded.fetch_add(1, Ordering::Relaxed);
                } else if line.contains(' ') {
                    complaints.push(line);
                } else {
                    compiled.fetch_add(1, Ordering::Relaxed); // -v prints each package's path
                }
            }
        });
        loop {
            for _ in 0..50 {
                if let Some(status) = build.try_wait()? {
                    return Ok(status);
                }
                std::thread::sleep(Duration::from_millis(200));
            }
            let (modules, packages) = (downloaded.load(Ordering::Relaxed), compiled.load(Ordering::Relaxed));
            progress(&format!(
                "building the test control plane, this first time only: {} s, {modules} modules downloaded, \
                 {packages} of about {PACKAGES} packages compiled",
                begin.elapsed().as_secs()
            ));
        }
    });
    let status = status.map_err(|error: std::io::Error| format!("{}: {error}", go.display()))?;
    if status.success() {
        progress(&format!("the test control plane is built: {} s", begin.elapsed().as_secs()));
        return Ok(());
    }
    let last = &complaints[complaints.len().saturating_sub(15)..];
    Err(format!("`go build` in tests/controlplane ended with {status}:\n{}", last.join("\n")))
}

/// Past the test harness, which keeps back what `eprintln` says until a test has failed.
fn progress(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}
