//! Structured logs with the libraries' own talk capped.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// How much of our own is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Only what is broken.
    Error,
    /// And what a person must act on.
    Warn,
    /// And what changed.
    Info,
    /// And each stage.
    Debug,
}

/// Starts logging to stderr, once a process.
///
/// The Kubernetes and HTTP libraries are capped at `error`: kube logs whole response bodies at `warn` when they do not
/// decode, and such a body can hold a Secret. `RUST_LOG` is not read, so nothing outside can lift the cap.
pub fn start(level: Level, json: bool) {
    let ours = match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
    };
    // kube's own error level carries no bodies; everything not named stays silent below `error`.
    let filter = EnvFilter::new(format!("error,kube=off,kube_client=off,hyper=off,reqwest=off,gitwarrant={ours}"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour());
    // A second start (tests run several agents in one process) keeps the first subscriber.
    let started = if json { builder.json().flatten_event(true).try_init() } else { builder.compact().try_init() };
    drop(started);
}

/// Only for a person at a terminal, who has not asked for none. Source: no-color.org.
fn colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|said| said.is_empty())
}
