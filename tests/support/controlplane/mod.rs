//! A real Kubernetes control plane for tests and the demo.
//!
//! In this order: the cluster of `GITWARRANT_TEST_KUBECONFIG`; `etcd` and `kube-apiserver` out of `KUBEBUILDER_ASSETS`
//! (no controllers there: see [`ControlPlane::has_controllers`]); the Go module `tests/controlplane`, built once.

mod assets;
mod build;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::tools;

/// How long the parts may take to serve. Usual: 5 s, several times that on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// A running control plane. Ends when it is dropped, and with this process however that ends.
pub struct ControlPlane {
    kubeconfig: PathBuf,
    controllers: bool,
    /// The processes, each of which ends when its standard input closes.
    parts: Vec<Child>,
    folder: Option<tempfile::TempDir>,
    took: Duration,
}

impl ControlPlane {
    /// The one that all tests of this binary share; they keep apart by the names of their namespaces.
    ///
    /// # Panics
    /// When it cannot be had, with the reason.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<ControlPlane> = OnceLock::new();
        SHARED.get_or_init(|| Self::start().unwrap_or_else(|reason| panic!("no control plane: {reason}")))
    }

    /// One of its own, or the given cluster.
    pub fn start() -> Result<Self, String> {
        let set = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
        let Some(given) = set("GITWARRANT_TEST_KUBECONFIG") else { return Self::start_own() };
        let kubeconfig = PathBuf::from(given);
        if !kubeconfig.is_file() {
            return Err(format!("GITWARRANT_TEST_KUBECONFIG: {} is not a file", kubeconfig.display()));
        }
        Ok(Self { kubeconfig, controllers: true, parts: Vec::new(), folder: None, took: Duration::ZERO })
    }

    /// One of its own, whatever cluster is given: for what nobody wants on a cluster that others use.
    pub fn start_own() -> Result<Self, String> {
        let begin = Instant::now();
        let set = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
        let mut plane = if let Some(binaries) = set("KUBEBUILDER_ASSETS") {
            let folder = temporary()?;
            let parts = assets::start(Path::new(&binaries), folder.path())?;
            let kubeconfig = assets::kubeconfig(folder.path());
            Self { kubeconfig, controllers: false, parts, folder: Some(folder), took: Duration::ZERO }
        } else {
            Self::from_module(&build::program()?)?
        };
        plane.took = begin.elapsed();
        Ok(plane)
    }

    fn from_module(program: &Path) -> Result<Self, String> {
        let folder = temporary()?;
        let log = tools::target_folder().join("controlplane/last.log");
        let file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut part = Command::new(program)
            .args(["up", "--temporary", "--audit", "--dir"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let stdout = part.stdout.take().expect("stdout is piped");
        let (say, hear) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdout).read_line(&mut line);
            drop(say.send(read.map(|_| line)));
        });
        let line = hear.recv_timeout(PATIENCE).ok().and_then(Result::ok);
        let Some(kubeconfig) = line.as_deref().and_then(|line| line.trim().strip_prefix("READY ")).map(PathBuf::from)
        else {
            drop(part.kill());
            return Err(format!("it was not ready within {PATIENCE:?}; it said:\n{}", tools::tail(&log)));
        };
        Ok(Self { kubeconfig, controllers: true, parts: vec![part], folder: Some(folder), took: Duration::ZERO })
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Whether Deployments become Available, namespaces are emptied and owners' children collected. Not so with
    /// `KUBEBUILDER_ASSETS`, which holds no controller manager: what needs them says that it was not checked.
    pub fn has_controllers(&self) -> bool {
        self.controllers
    }

    /// How long it took from asking to serving, a first build included.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// The log of every request so far, one JSON object a line; `None` on a cluster that is not ours.
    pub fn audit_log(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.path().join("audit.log")).filter(|path| path.is_file())
    }

    /// A client with the administrator's rights, for the runtime it is made in.
    pub async fn client(&self) -> Result<kube::Client, String> {
        client(&self.kubeconfig).await
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        for part in &mut self.parts {
            drop(part.stdin.take());
        }
        for part in &mut self.parts {
            drop(part.wait());
        }
    }
}

/// A client by the kubeconfig in `file`.
pub async fn client(file: &Path) -> Result<kube::Client, String> {
    // An error means that it is installed already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let kubeconfig = kube::config::Kubeconfig::read_from(file).map_err(|error| said(&error))?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default())
        .await
        .map_err(|error| said(&error))?;
    kube::Client::try_from(config).map_err(|error| said(&error))
}

fn temporary() -> Result<tempfile::TempDir, String> {
    tempfile::Builder::new().prefix("gitwarrant-controlplane-").tempdir().map_err(|error| error.to_string())
}
