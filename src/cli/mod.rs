//! The command line: one file a command, each `Args` and `run`, no logic of its own.
//!
//! Data goes to stdout, talk to stderr. Exit codes: 0 fine, 1 a finding, 2 usage or operation failed.

mod agent;
mod build;
mod check;
mod connection;
mod decrypt;
mod encrypt;
mod explain;
mod failure;
mod get;
mod init;
mod key_files;
mod keys;
mod reconcile;
mod report;
mod repository_file;
mod verdict;
mod verify;
mod working_copy;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use failure::Failure;

/// Applies only commits whose signatures it has verified.
#[derive(Parser)]
#[command(name = "gitwarrant", version, about, propagate_version = true, disable_help_subcommand = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// At the end of every help.
const EXIT_CODES: &str =
    "Exit codes: 0 fine; 1 a finding: refused, or the input is not what it has to be; 2 usage, or the operation failed";

#[derive(Subcommand)]
enum Command {
    /// Judge a repository's history by the trust of a Repository file
    #[command(after_help = EXIT_CODES)]
    Verify(verify::Args),
    /// Show who is believed, or check the files that say so
    #[command(after_help = EXIT_CODES)]
    Keys(keys::Args),
    /// Say what a code means, why it matters and what to do
    #[command(after_help = EXIT_CODES)]
    Explain(explain::Args),
    /// Render a folder as the agent would, and say what of it the agent would refuse
    #[command(after_help = EXIT_CODES)]
    Build(build::Args),
    /// Open a SOPS file, MAC always checked
    #[command(after_help = EXIT_CODES)]
    Decrypt(decrypt::Args),
    /// Encrypt a file as SOPS does, by the rules of .sops.yaml
    #[command(after_help = EXIT_CODES)]
    Encrypt(encrypt::Args),
    /// Print the Repository manifest for a working copy
    #[command(after_help = EXIT_CODES)]
    Init(init::Args),
    /// Run the agent: in a cluster, or against a kubeconfig
    #[command(after_help = EXIT_CODES)]
    Agent(agent::Args),
    /// Show repositories, syncs and warrants of the cluster
    #[command(after_help = EXIT_CODES)]
    Get(get::Args),
    /// Ask the agent for a turn now
    #[command(after_help = EXIT_CODES)]
    Reconcile(reconcile::Args),
}

/// What a command found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Fine, or no difference: exit code 0.
    Fine,
    /// Refused, differs, not ready, cannot be opened: exit code 1.
    Finding,
}

/// Where a command writes.
pub struct Console<'a> {
    /// Data, for programs and people.
    pub out: &'a mut dyn Write,
    /// Talk, for people.
    pub talk: &'a mut dyn Write,
}

/// Runs the program with the process's own arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            let code = if usage.use_stderr() { 2 } else { 0 };
            drop(usage.print());
            return ExitCode::from(code);
        }
    };
    let console = Console { out: &mut anstream::stdout(), talk: &mut anstream::stderr() };
    let result = match cli.command {
        Command::Verify(args) => verify::run(&args, console),
        Command::Keys(args) => keys::run(&args, console),
        Command::Explain(args) => explain::run(&args, console),
        Command::Build(args) => build::run(&args, console),
        Command::Decrypt(args) => decrypt::run(&args, console),
        Command::Encrypt(args) => encrypt::run(&args, console),
        Command::Init(args) => init::run(&args, console),
        Command::Agent(args) => agent::run(args, console),
        Command::Get(args) => get::run(&args, console),
        Command::Reconcile(args) => reconcile::run(&args, console),
    };
    match result {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Finding) => ExitCode::from(1),
        // As of a program that the closed pipe has ended: 128 and the number of SIGPIPE.
        Err(failure) if failure.is_unread() => ExitCode::from(141),
        Err(failure) => {
            drop(writeln!(anstream::stderr(), "{failure}"));
            ExitCode::from(2)
        }
    }
}
