//! A throw-away Git repository, made with the real git, away from the configuration of whoever runs the tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::tools;

/// A working copy.
pub struct Repo {
    dir: PathBuf,
}

impl Repo {
    /// Makes an empty one in `dir`, with branch `main`.
    pub fn init(dir: &Path) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let repo = Self { dir: dir.to_owned() };
        repo.git(&["init", "-q", "-b", "main", "."]);
        repo
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What `git` prints, without the line end.
    pub fn git(&self, arguments: &[&str]) -> String {
        tools::run(git(&self.dir).args(arguments)).unwrap_or_else(|error| panic!("{error}")).trim_end().to_owned()
    }

    /// Writes a file and commits it; the commit's full id.
    pub fn commit(&self, path: &str, content: &str) -> String {
        let file = self.dir.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
        self.git(&["add", "--", path]);
        self.git(&["commit", "-q", "-m", path]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// A bare copy of it in `dir`, with every reference.
    pub fn mirror(&self, dir: &Path) {
        self.git(&["clone", "-q", "--mirror", ".", dir.to_str().unwrap()]);
    }

    /// The pack that `git pack-objects` makes of these revisions and all that they need.
    pub fn pack(&self, revisions: &str) -> Vec<u8> {
        let mut command = git(&self.dir);
        command.args(["pack-objects", "--revs", "--stdout", "-q"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), revisions.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git pack-objects");
        output.stdout
    }
}

/// `git` in `dir`, with no configuration but the repository's own.
pub fn git(dir: &Path) -> Command {
    let mut command = Command::new(tools::find("git").unwrap_or_else(|missing| panic!("{missing}")));
    command.current_dir(dir).env_remove("GIT_DIR").env_remove("GIT_INDEX_FILE").env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_TERMINAL_PROMPT", "0");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "Alice").env(format!("GIT_{role}_EMAIL"), "alice@example.org");
    }
    command
}
