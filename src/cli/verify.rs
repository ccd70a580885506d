//! `gitwarrant verify`.

use super::{Console, Failure, Outcome};

/// Arguments of `verify`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs it.
pub fn run(_args: &Args, _console: Console<'_>) -> Result<Outcome, Failure> {
    Err(Failure::new("not-built", "this command is not built yet"))
}
