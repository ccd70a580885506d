//! Real tools that are Go programs, built once at a pinned version into `target/gotools`.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use super::tools;

/// A program, and where it is from.
pub struct GoTool {
    /// Its name.
    pub name: &'static str,
    /// The package `go install` takes.
    pub package: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The variable that names a program to be used instead.
    pub variable: &'static str,
}

/// The reference for everything in `src/sops`.
pub const SOPS: GoTool =
    GoTool { name: "sops", package: "github.com/getsops/sops/v3/cmd/sops", version: "v3.13.3", variable: "SOPS" };

impl GoTool {
    /// The built program, or the one line that says what is missing.
    pub fn program(&self) -> Result<PathBuf, String> {
        if let Some(given) = std::env::var_os(self.variable).filter(|path| !path.is_empty()) {
            let given = PathBuf::from(given);
            return if given.is_file() { Ok(given) } else { Err(format!("{}: no such program", self.variable)) };
        }
        let folder = tools::target_folder().join("gotools").join(format!("{}-{}", self.name, self.version));
        let said = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir_all(&folder).map_err(said)?;
        // Tests side by side build once.
        let lock = File::create(folder.join("lock")).map_err(said)?;
        lock.lock().map_err(said)?;
        let program = folder.join(self.name);
        if !program.is_file() {
            let go = tools::find("go")?;
            let unfinished = folder.join("unfinished");
            let package = format!("{}@{}", self.package, self.version);
            // Past the test harness, which keeps back what `eprintln` says until a test has failed.
            drop(writeln!(std::io::stderr(), "building {package}, this first time only: some minutes"));
            let mut install = Command::new(go);
            install.args(["install", "-trimpath", "-ldflags", "-s -w", &package]);
            tools::run(install.env("GOBIN", &unfinished).env("GOFLAGS", "").env("GOWORK", "off"))?;
            fs::rename(unfinished.join(self.name), &program).map_err(said)?;
        }
        Ok(program)
    }
}
