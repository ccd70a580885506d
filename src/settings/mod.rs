//! Flags and environment, parsed once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How the agent runs. Nothing here can weaken verification: trust is in the Repository alone.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Kubeconfig of the cluster to work in; without it, the configuration of the pod it runs in
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Namespace of the agent: credentials and signers are read there and nowhere else
    #[arg(long, env = "GITWARRANT_NAMESPACE", default_value = "gitwarrant-system", value_name = "NAMESPACE")]
    pub namespace: String,
    /// Address of /healthz, /readyz and /metrics
    #[arg(long, default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Folder in which the mirrors of repositories get a folder of their own, emptied at start. A cache, never believed
    #[arg(long, default_value = "/tmp", value_name = "FOLDER")]
    pub cache: PathBuf,
    /// What all mirrors may take before one of them may grow; the volume of the cache needs twice as much
    #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u32).range(64..), value_name = "MIB")]
    pub cache_mib: u32,
    /// Syncs worked on at the same time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64), value_name = "COUNT")]
    pub concurrency: u8,
    /// Log level: error, warn, info, debug
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    pub log_level: LogLevel,
    /// Log format
    #[arg(long, default_value = "json", value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// How much is logged. There is no `trace`: libraries write whole requests there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// Only what is broken.
    Error,
    /// And what a person must act on.
    Warn,
    /// And what changed.
    Info,
    /// And each stage.
    Debug,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Shortest interval between two turns, whatever a resource asks for.
///
/// Keeps a typing mistake (`1ms`) from becoming a load on the Git server.
pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
