//! `gitwarrant agent`.

use crate::settings::{LogFormat, LogLevel, Settings};
use crate::telemetry::{self, Level};

use super::{Console, Failure, Outcome};

/// Arguments of `agent`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
}

/// Runs the agent until it is told to end.
pub fn run(args: Args, _console: Console<'_>) -> Result<Outcome, Failure> {
    let level = match args.settings.log_level {
        LogLevel::Error => Level::Error,
        LogLevel::Warn => Level::Warn,
        LogLevel::Info => Level::Info,
        LogLevel::Debug => Level::Debug,
    };
    telemetry::start(level, args.settings.log_format == LogFormat::Json);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::because("runtime", "the agent cannot start its threads", &error))?;
    let ended = runtime.block_on(crate::agent::run(args.settings));
    // A commit that is still judged has no end that anybody could tell it, and changes nothing.
    runtime.shutdown_background();
    ended.map_err(|error| Failure::because(error.code(), "the agent cannot work", &error))?;
    Ok(Outcome::Fine)
}
