//! Where the claims are played: one control plane and one agent for all of them, which come up with the first and end
//! with the process. Each claim has a scene of its own: namespace, Git server, Repository and Sync.
//!
//! Never a given cluster: agents are killed here, and records bent.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use tokio::runtime::Runtime;
use tokio::sync::RwLock;

use super::scene::Scene;
use crate::support::controlplane::ControlPlane;
use crate::support::signing::{Signers, SshKey};
use crate::support::story::agent::Agent;
use crate::support::story::cluster::Administrator;

/// What all scenes share.
pub struct Stage {
    pub admin: Administrator,
    pub signers: Signers,
    /// Whom every Repository believes.
    pub alice: SshKey,
    /// Whom none does.
    pub mallory: SshKey,
    agent: Mutex<Agent>,
    /// Held by every scene; alone by those that kill the agent or measure it.
    alone: RwLock<()>,
    runtime: Runtime,
    folder: PathBuf,
    plane: ControlPlane,
    /// Takes the folders away when this process ends, however that is.
    _sweeper: Child,
}

/// Plays a scene beside others.
pub fn play(name: &str, act: impl AsyncFnOnce(&mut Scene)) {
    let stage = Stage::shared();
    stage.runtime.block_on(async {
        let _together = stage.alone.read().await;
        Scene::play(stage, name, act).await;
    });
}

/// Plays a scene while no other is played.
pub fn play_alone(name: &str, act: impl AsyncFnOnce(&mut Scene)) {
    let stage = Stage::shared();
    stage.runtime.block_on(async {
        let _alone = stage.alone.write().await;
        Scene::play(stage, name, act).await;
    });
}

impl Stage {
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Stage> = OnceLock::new();
        SHARED.get_or_init(|| Self::build().unwrap_or_else(|reason| panic!("no stage: {reason}")))
    }

    fn build() -> Result<Self, String> {
        let plane = ControlPlane::start_own()?;
        let runtime = Runtime::new().map_err(|error| error.to_string())?;
        let folder = tempfile::Builder::new().prefix("gitwarrant-e2e-").tempdir().map_err(|error| error.to_string())?;
        let folder = folder.keep();
        let signers = Signers::new();
        let sweeper = sweep_after(&[&folder, signers.folder()])?;
        let (admin, agent) = runtime.block_on(async {
            let mut admin = Administrator::new(plane.client().await?);
            admin.install().await?;
            let program = Path::new(env!("CARGO_BIN_EXE_gitwarrant"));
            let mut agent = Agent::of(&admin, plane.kubeconfig(), program, &folder).await?;
            agent.start()?;
            Ok::<_, String>((admin, agent))
        })?;
        let (alice, mallory) = (signers.ssh_key("alice", "ed25519"), signers.ssh_key("mallory", "ed25519"));
        Ok(Self {
            admin,
            alice,
            mallory,
            signers,
            agent: Mutex::new(agent),
            alone: RwLock::new(()),
            runtime,
            folder,
            plane,
            _sweeper: sweeper,
        })
    }

    /// A new folder for the scene `name`.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The agent. Only a scene that is played alone may kill it.
    pub fn agent<T>(&self, act: impl FnOnce(&mut Agent) -> T) -> T {
        act(&mut self.agent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        self.plane.kubeconfig()
    }

    /// Every request so far, one JSON object a line.
    pub fn audit_log(&self) -> Option<PathBuf> {
        self.plane.audit_log()
    }
}

/// What is shared is never dropped; a process that notices the end of this one sweeps its folders away.
fn sweep_after(folders: &[&Path]) -> Result<Child, String> {
    let mut sweeper = Command::new("sh");
    sweeper.args(["-c", r#"cat >/dev/null; sleep 1; rm -rf "$@""#, "sh"]).args(folders);
    let sweeper = sweeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    sweeper.spawn().map_err(|error| format!("sh: {error}"))
}
