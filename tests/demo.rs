//! `cargo demo`: tells the story of one signed commit, all the way into a real cluster, and of what does not get there.
//!
//! The steps are those that `cargo test` checks. Ends with 1 where one does not happen as told.

#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    clippy::format_push_string,
    reason = "a test ends at what is unexpected; clippy excuses only functions marked #[test]"
)]

#[allow(dead_code, reason = "shared with the suite, which uses more of it")]
mod support {
    pub mod controlplane;
    pub mod gitserver;
    pub mod signing;
    pub mod story;
    pub mod tools;
}

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use clap::Parser;

use support::story::{Heard, World, tell};

/// One signed commit, all the way into a real cluster.
#[derive(Parser)]
#[command(name = "cargo demo")]
struct Args {
    /// Leave everything running at the end, and say how to look around
    #[arg(long)]
    keep: bool,
}

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const QUIET: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

#[tokio::main]
async fn main() -> ExitCode {
    // The alias ends with `--` itself, so that both `cargo demo --keep` and `cargo demo -- --keep` are understood.
    let args = Args::parse_from(std::env::args().filter(|argument| argument != "--"));
    match demo(args.keep).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            anstream::eprintln!("{BAD}error{BAD:#}: {reason}");
            ExitCode::FAILURE
        }
    }
}

async fn demo(keep: bool) -> Result<(), String> {
    let begin = Instant::now();
    say(format_args!("{BOLD}gitwarrant{BOLD:#}  one signed commit, all the way into a real cluster\n"));
    let program = build_agent()?;
    let mut world = World::make(&program).await?;
    let control_plane = world.control_plane_took().as_secs_f64();
    say(format_args!(
        "  {GOOD}✔{GOOD:#} a control plane, a Git server, keys and the agent are there  {QUIET}{:.1} s, of which the control plane {control_plane:.1} s{QUIET:#}\n",
        begin.elapsed().as_secs_f64()
    ));
    let mut number = 0;
    let told = tell(&mut world, &mut |heard| print(&heard, &mut number)).await;
    if told.is_ok() {
        say(format_args!(
            "{GOOD}All {number} steps happened as told{GOOD:#}, in {:.1} s\n",
            begin.elapsed().as_secs_f64()
        ));
    }
    if keep {
        say(format_args!("Everything goes on until Ctrl-C. Look around:\n"));
        world.directions().iter().for_each(|line| say(format_args!("  {line}")));
        tokio::signal::ctrl_c().await.map_err(|error| error.to_string())?;
    }
    world.leave().await;
    told
}

fn print(heard: &Heard<'_>, number: &mut usize) {
    match heard {
        Heard::Begins(title) => {
            *number += 1;
            say(format_args!("{BOLD}{number}. {title}{BOLD:#}"));
        }
        Heard::Happened(saw, took) => {
            saw.iter().for_each(|line| say(format_args!("   {QUIET}{line}{QUIET:#}")));
            say(format_args!("   {GOOD}✔{GOOD:#} {:.2} s\n", took.as_secs_f64()));
        }
        Heard::Failed(reason, took) => say(format_args!("   {BAD}✗{BAD:#} {reason}  {:.2} s\n", took.as_secs_f64())),
    }
}

/// The real program; the demo does not contain it. Named together with the demo, which is there already, so that both
/// are built with the same features and no dependency is built twice.
fn build_agent() -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--locked"]);
    build.args(["--bin", "gitwarrant", "--example", "demo"]);
    // What `cargo run` tells the demo about itself; build scripts that look at it would run once more each time.
    let own = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(own)) {
        build.env_remove(name);
    }
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let ended = build.status().map_err(|error| format!("cargo: {error}"))?;
    if !ended.success() {
        return Err("the program does not build; see above".to_owned());
    }
    let profile = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = profile.ancestors().nth(2).ok_or("the demo lies in no target folder")?;
    Ok(folder.join("gitwarrant"))
}

/// Past any buffer, so that each line is there when it happens.
fn say(line: std::fmt::Arguments<'_>) {
    let mut out = anstream::stdout();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}
