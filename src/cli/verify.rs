//! `gitwarrant verify`.

use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;

use super::repository_file::{self, RepositoryFile};
use super::verdict::{Heading, Verdict};
use super::{Console, Failure, Outcome};
use crate::clock::{Clock as _, System};
use crate::git::{Commit, Fetched, Oid, Repository};
use crate::model::RepoPath;
use crate::trust::{Base, verify};

/// Arguments of `verify`.
#[derive(clap::Args)]
pub struct Args {
    /// A working copy or bare repository; read as data, its configuration and hooks count for nothing
    #[arg(default_value = ".", value_name = "DIR")]
    dir: PathBuf,
    /// File with the Repository whose `ref` and `trust` decide (and the ConfigMaps it names)
    #[arg(long, value_name = "FILE")]
    repository: PathBuf,
    /// Judge this revision instead of what the Repository's reference points at
    #[arg(long, value_name = "REV")]
    head: Option<String>,
    /// The commit applied last: only what is new since then is judged
    #[arg(long, value_name = "OID")]
    applied: Option<String>,
    /// The tag applied last, in mode Tag
    #[arg(long, value_name = "TAG")]
    applied_tag: Option<String>,
    /// The folder that will be applied
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Judge as if it were this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// How the verdict is written
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    output: Output,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Output {
    /// One line a commit, and an explanation
    Table,
    /// One object
    Json,
}

/// Runs it.
pub fn run(args: &Args, mut console: Console<'_>) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let repository = open(args)?;
    let mut heading = None;
    let verdict = match repository_file::read(&args.repository)? {
        Err(error) => Verdict::NoPolicy(error),
        Ok(file) => {
            let base = base(args, &repository)?;
            let since = base.applied.unwrap_or(*file.policy.root());
            let repository_line = format!("{} ({:?})", file.name, file.policy.mode());
            heading = Some(Heading { repository: repository_line, since, elapsed: started.elapsed() });
            judge(args, &repository, &file, &base)?
        }
    };
    show(args.output, &verdict, heading, started, &repository, &mut console)
        .map_err(|error| Failure::because("output", "the verdict cannot be written", &error))?;
    Ok(match verdict {
        Verdict::Accepted { .. } => Outcome::Fine,
        Verdict::Refused(_) | Verdict::NoPolicy(_) => Outcome::Finding,
    })
}

fn show(
    output: Output,
    verdict: &Verdict,
    heading: Option<Heading>,
    started: Instant,
    repository: &Repository,
    console: &mut Console<'_>,
) -> std::io::Result<()> {
    match (output, heading) {
        (Output::Json, _) => writeln!(console.out, "{:#}", verdict.json()),
        (Output::Table, Some(heading)) => {
            let heading = Heading { elapsed: started.elapsed(), ..heading };
            verdict.table(&heading, repository.objects(), console)
        }
        (Output::Table, None) => verdict.explain(console),
    }
}

fn judge(args: &Args, repository: &Repository, file: &RepositoryFile, base: &Base) -> Result<Verdict, Failure> {
    let path = args.path.as_deref().map(path).transpose()?;
    let fetched = fetched(args, repository, file)?;
    let head = fetched.what().head;
    let now = args.at.unwrap_or_else(|| System.now());
    Ok(match verify(fetched, &file.policy, base, path.as_ref(), now) {
        Ok(verified) => Verdict::Accepted { head, judged: verified.judged().to_vec() },
        Err(refusal) => Verdict::Refused(refusal),
    })
}

fn open(args: &Args) -> Result<Repository, Failure> {
    Repository::open(&args.dir).map_err(|error| Failure::because(error.code(), args.dir.display(), &error))
}

/// What is judged, always under the name of the Repository's own reference.
fn fetched(args: &Args, repository: &Repository, file: &RepositoryFile) -> Result<Fetched<Commit>, Failure> {
    let found = match &args.head {
        Some(revision) => repository.resolve(revision),
        None => repository.follow(&file.reference),
    };
    let failed = |error: crate::git::Error| Failure::because(error.code(), args.dir.display(), &error);
    let (mut commit, objects) = found.map_err(failed)?.into_parts();
    if let Some(name) = file.reference.full_name().map_err(failed)? {
        commit.reference = name;
    }
    Ok(Fetched::new(commit, objects))
}

fn base(args: &Args, repository: &Repository) -> Result<Base, Failure> {
    let full = |text: &str| match text.parse::<Oid>() {
        Ok(id) => Ok(id),
        Err(_) => repository
            .resolve(text)
            .map(|found| found.what().head)
            .map_err(|error| Failure::because(error.code(), "--applied", &error)),
    };
    Ok(Base { applied: args.applied.as_deref().map(full).transpose()?, applied_tag: args.applied_tag.clone() })
}

fn path(text: &str) -> Result<RepoPath, Failure> {
    RepoPath::root().resolve(text).map_err(|error| Failure::because("usage", "--path", &error))
}
