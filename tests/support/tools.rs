//! Programs that tests and the demo need: found, or missed in one line that says how to get them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Where to get each program, as the sentence that ends a run without it.
const SOURCES: [(&str, &str); 5] = [
    ("go", "install Go 1.26 or newer from https://go.dev/dl (or point GITWARRANT_TEST_KUBECONFIG at a cluster)"),
    ("git", "install git 2.34 or newer (Debian: apt-get install git)"),
    ("gpg", "install GnuPG 2.2 or newer (Debian: apt-get install gnupg)"),
    ("openssl", "install OpenSSL 3 (Debian: apt-get install openssl)"),
    ("ssh-keygen", "install OpenSSH 8.2 or newer (Debian: apt-get install openssh-client)"),
];

/// The path of program `name`, or the one line that says how to get it.
pub fn find(name: &str) -> Result<PathBuf, String> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    if let Some(path) = std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file()) {
        return Ok(path);
    }
    let how = SOURCES.iter().find(|(tool, _)| *tool == name).map_or("install it", |(_, how)| how);
    Err(format!("`{name}` is needed and is not in PATH: {how}"))
}

/// What `command` printed on stdout; otherwise its command line and what it said.
pub fn run(command: &mut Command) -> Result<String, String> {
    let Output { status, stdout, stderr } =
        command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    Err(format!("{command:?} ended with {status}:\n{}", String::from_utf8_lossy(&stderr).trim_end()))
}

/// Runs `program` below a shell that ends it when its own standard input closes: the one sign of this process's end
/// that also comes after SIGKILL. What it says goes to `log`.
pub fn spawn_tied(program: &Path, flags: &[String], log: &Path) -> Result<Child, String> {
    let file = std::fs::File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
    Command::new("sh")
        .args(["-c", r#""$@" & part=$!; cat >/dev/null; kill -9 "$part""#, "sh"])
        .arg(program)
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))
}

/// The last lines of a log, for an error.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    format!("{}\n(all of it: {})", lines[lines.len().saturating_sub(15)..].join("\n"), log.display())
}

/// Cargo's target folder, by where the running test or demo lies in it (`target/PROFILE/{deps,examples}/NAME`).
pub fn target_folder() -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    program.ancestors().nth(3).map(Path::to_path_buf).expect("cargo puts programs three folders deep")
}
