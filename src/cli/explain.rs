//! `gitwarrant explain`: the long help for a code.

use super::{Console, Failure, Outcome};
use crate::model::Explained;
use crate::trust::Reason;
use crate::{plan, policy, sops};

/// Arguments of `explain`.
#[derive(clap::Args)]
pub struct Args {
    /// A code of a refused history, an encrypted file, a refused object or plan, as it stands in `error[CODE]` or in a condition (`PlainSecret`); all of them where absent
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// Runs it.
pub fn run(args: &Args, console: Console<'_>) -> Result<Outcome, Failure> {
    let written = match &args.code {
        None => list(console),
        Some(code) => explain(&named(code)?, console),
    };
    written.map_err(|error| Failure::because("output", "the explanation cannot be written", &error))?;
    Ok(Outcome::Fine)
}

/// Everything that is explained, in the order in which a commit meets it.
fn all() -> Vec<Explained> {
    let history =
        Reason::ALL.iter().map(|reason| Explained::new(reason.code(), reason.what(), reason.why(), reason.remedy()));
    history.chain(sops::EXPLAINED).chain(policy::EXPLAINED).chain(plan::EXPLAINED).collect()
}

/// What this code means, as commands write it (`plain-secret`) or as conditions do (`PlainSecret`). A word may be said of
/// several things.
pub(super) fn named(code: &str) -> Result<Vec<Explained>, Failure> {
    let plain = |code: &str| code.replace('-', "").to_ascii_lowercase();
    let wanted = plain(code);
    let found: Vec<Explained> = all().into_iter().filter(|one| plain(one.code) == wanted).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let shown: String = code.chars().take(60).flat_map(char::escape_default).collect();
    Err(Failure::new("unknown-code", format!("`{shown}` is not explained; its own message says what to do")).help(
        "`gitwarrant explain` lists the codes that are: of histories, encrypted files, refused objects and plans",
    ))
}

/// What it says, why it matters and what to do.
pub(super) fn explain(meanings: &[Explained], console: Console<'_>) -> std::io::Result<()> {
    meanings.iter().try_for_each(|Explained { code, what, why, remedy }| {
        writeln!(console.out, "{code}\n  what        {what}\n  why         {why}\n  what to do  {remedy}")
    })
}

fn list(console: Console<'_>) -> std::io::Result<()> {
    let all = all();
    let width = all.iter().map(|one| one.code.len()).max().unwrap_or(0);
    all.iter().try_for_each(|one| writeln!(console.out, "{:width$}  {}", one.code, one.what))
}

#[cfg(test)]
mod tests {
    use super::{all, named};

    /// The words that stand behind an arrow in the function `code` of a module's errors.
    fn codes(source: &str) -> Vec<&str> {
        let code = source.split("fn code(").skip(1).map(|rest| rest.split("\n    }\n").next().unwrap());
        code.flat_map(|body| body.split("=> ").skip(1))
            .filter_map(|arm| arm.strip_prefix('"')?.split('"').next())
            .collect()
    }

    #[test]
    fn every_code_of_files_objects_and_plans_is_explained() {
        for (source, at_least) in [
            (include_str!("../sops/error.rs"), 15),
            (include_str!("../sops/seal.rs"), 6),
            (include_str!("../policy/error.rs"), 9),
            (include_str!("../plan/make.rs"), 3),
        ] {
            let codes = codes(source);
            assert!(codes.len() >= at_least, "{codes:?}");
            for code in codes {
                assert!(named(code).is_ok(), "{code} is not explained");
            }
        }
    }

    #[test]
    fn codes_are_known_as_conditions_write_them_and_a_word_for_two_things_is_explained_twice() {
        assert_eq!(named("PlainSecret").unwrap()[0].code, "plain-secret");
        assert_eq!(named("MacMismatch").unwrap()[0].code, "mac-mismatch");
        assert_eq!(named("duplicate-object").unwrap().len(), 2);
        assert!(named("no-such-code").is_err());
        assert!(all().iter().all(|one| !one.why.ends_with('.') && !one.remedy.ends_with('.')));
    }
}
