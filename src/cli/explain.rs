//! `gitwarrant explain`: the long help for a code.

use super::{Console, Failure, Outcome};
use crate::trust::Reason;

/// Arguments of `explain`.
#[derive(clap::Args)]
pub struct Args {
    /// A code, as it stands in `error[CODE]`; all of them where absent
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// Runs it.
pub fn run(args: &Args, console: Console<'_>) -> Result<Outcome, Failure> {
    let written = match &args.code {
        None => list(console),
        Some(code) => explain(reason(code)?, console),
    };
    written.map_err(|error| Failure::because("output", "the explanation cannot be written", &error))?;
    Ok(Outcome::Fine)
}

/// The reason with this code.
pub(super) fn reason(code: &str) -> Result<Reason, Failure> {
    Reason::from_code(code).ok_or_else(|| {
        let shown: String = code.chars().take(60).flat_map(char::escape_default).collect();
        Failure::new("unknown-code", format!("`{shown}` is no code of a refused history"))
            .help("`gitwarrant explain` lists them")
    })
}

/// What it says, why it matters and what to do.
pub(super) fn explain(reason: Reason, console: Console<'_>) -> std::io::Result<()> {
    let (what, why, remedy) = (reason.what(), reason.why(), reason.remedy());
    writeln!(console.out, "{reason}\n  what        {what}\n  why         {why}\n  what to do  {remedy}")
}

fn list(console: Console<'_>) -> std::io::Result<()> {
    let width = Reason::ALL.iter().map(|reason| reason.code().len()).max().unwrap_or(0);
    for reason in Reason::ALL {
        writeln!(console.out, "{:width$}  {}", reason.code(), reason.what())?;
    }
    Ok(())
}
