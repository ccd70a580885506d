//! The agent as a process of its own, with its own, small rights.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use super::super::tools;
use super::cluster::{Administrator, documents};
use super::world::HOME;

/// The agent; ends with this value, as by `kill -9`.
pub struct Agent {
    /// The shell that it is tied to.
    process: Option<Child>,
    program: PathBuf,
    folder: PathBuf,
    starts: usize,
}

impl Agent {
    /// Prepared to start, with a token of its own ServiceAccount: it is no administrator here either. Its logs, its cache
    /// and its kubeconfig lie in `folder`.
    pub async fn of(admin: &Administrator, given: &Path, program: &Path, folder: &Path) -> Result<Self, String> {
        let accounts: Api<ServiceAccount> = Api::namespaced(admin.client().clone(), HOME);
        let wanted = TokenRequest {
            spec: TokenRequestSpec { audiences: Vec::new(), expiration_seconds: Some(86_400), ..Default::default() },
            ..Default::default()
        };
        let answer = accounts.create_token_request("gitwarrant", &PostParams::default(), &wanted).await;
        let answer = answer.map_err(|error| format!("a token for {HOME}/gitwarrant: {error}"))?;
        let token = answer.status.ok_or("the API server gave no token")?.token;
        let mut kubeconfig: Value = documents(given)?.remove(0);
        for user in kubeconfig["users"].as_array_mut().into_iter().flatten() {
            user["user"] = json!({"token": token});
        }
        let agent = Self { process: None, program: program.to_owned(), folder: folder.to_owned(), starts: 0 };
        let said = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::write(agent.kubeconfig(), kubeconfig.to_string()).map_err(said)?;
        fs::create_dir_all(agent.cache()).map_err(said)?;
        Ok(agent)
    }

    /// Starts it; what ran before has to be killed first.
    pub fn start(&mut self) -> Result<(), String> {
        self.start_with(&[])
    }

    /// Starts it with more flags.
    pub fn start_with(&mut self, more: &[&str]) -> Result<(), String> {
        self.starts += 1;
        let mut flags = vec![
            "agent".to_owned(),
            "--kubeconfig".to_owned(),
            self.kubeconfig().display().to_string(),
            "--listen".to_owned(),
            "127.0.0.1:0".to_owned(),
            "--cache".to_owned(),
            self.cache().display().to_string(),
        ];
        flags.extend(more.iter().map(|flag| (*flag).to_owned()));
        self.process = Some(tools::spawn_tied(&self.program, &flags, &self.log_file())?);
        Ok(())
    }

    /// Ends it at once, without a chance to tidy up.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.stdin.take());
            drop(process.wait());
        }
    }

    /// Empties its cache; it must not run.
    pub fn empty_cache(&self) -> Result<(), String> {
        let said = |error: std::io::Error| format!("{}: {error}", self.cache().display());
        fs::remove_dir_all(self.cache()).map_err(said)?;
        fs::create_dir_all(self.cache()).map_err(said)
    }

    /// Its program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Its process.
    pub fn id(&self) -> Option<u32> {
        let shell = self.process.as_ref()?.id();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).ok()?;
        let is_agent = |child: &&str| {
            fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|name| name.trim_end() == "gitwarrant")
        };
        children.split_whitespace().find(is_agent)?.parse().ok()
    }

    /// The most memory it has had resident so far, in bytes.
    pub fn peak_memory(&self) -> Option<u64> {
        let child = self.id()?;
        let status = fs::read_to_string(format!("/proc/{child}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
    }

    /// What it has logged, all starts together.
    pub fn log(&self) -> String {
        let log = |start| fs::read_to_string(self.folder.join(format!("agent-{start}.log"))).unwrap_or_default();
        (1..=self.starts).map(log).collect()
    }

    /// The log since the last start.
    pub fn log_file(&self) -> PathBuf {
        self.folder.join(format!("agent-{}.log", self.starts))
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.join("agent.kubeconfig")
    }

    fn cache(&self) -> PathBuf {
        self.folder.join("cache")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}
