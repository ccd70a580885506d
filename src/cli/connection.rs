//! Which cluster a command talks to.

use std::path::PathBuf;

use crate::cluster::{Plain, PlainError};

use super::Failure;

/// Arguments of every command that talks to a cluster.
#[derive(clap::Args)]
pub struct Connection {
    /// Kubeconfig to use; otherwise KUBECONFIG, ~/.kube/config or the Pod's own account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

impl Connection {
    /// Runs `talk` with a connection.
    pub fn run<R>(&self, talk: impl AsyncFnOnce(Plain) -> Result<R, Failure>) -> Result<R, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::because("runtime", "threads cannot be started", &error))?;
        runtime.block_on(async {
            let plain = Plain::connect(self.kubeconfig.as_deref(), self.context.as_deref()).await;
            talk(plain.map_err(|error| failure("the cluster", &error))?).await
        })
    }
}

/// A failure about `what`.
pub fn failure(what: &str, error: &PlainError) -> Failure {
    let code = match error {
        PlainError::Configuration(_) | PlainError::Kubeconfig(_) => "kubeconfig",
        PlainError::Refused { code: 403, .. } => "not-allowed",
        PlainError::Refused { code: 404, .. } => "not-found",
        PlainError::Refused { .. } => "rejected",
        PlainError::Unreachable(_) => "api-unreachable",
    };
    Failure::because(code, what, error)
}
