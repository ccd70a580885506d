//! `gitwarrant verify`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;

use super::repository_file::{self, RepositoryFile, fetched};
use super::verdict::{Heading, Verdict, plain};
use super::{Console, Failure, Outcome, explain, report, working_copy};
use crate::clock::{Clock as _, System};
use crate::git::{Commit, Oid, Repository};
use crate::kustomize;
use crate::model::RepoPath;
use crate::trust::{Base, Policy, Verified, verify};

/// Arguments of `verify`.
#[derive(clap::Args)]
#[command(
    override_usage = "gitwarrant verify --repository <FILE> [OPTIONS] [DIR]\n       gitwarrant verify --explain <CODE>"
)]
pub struct Args {
    /// A working copy or bare repository; read as data, its configuration and hooks count for nothing
    #[arg(default_value = ".", value_name = "DIR")]
    dir: PathBuf,
    /// File with the Repository whose `ref` and `trust` decide (and the ConfigMaps it names)
    #[arg(long, value_name = "FILE", required_unless_present = "explain")]
    repository: Option<PathBuf>,
    /// Judge this revision instead of what the Repository's reference points at
    #[arg(long, value_name = "REV")]
    head: Option<String>,
    /// The commit applied last: only what is new since then is judged
    #[arg(long, value_name = "OID")]
    applied: Option<String>,
    /// The tag applied last, in mode Tag
    #[arg(long, value_name = "TAG")]
    applied_tag: Option<String>,
    /// The folder that will be applied: path rules are asked about its inputs, and links may not leave it
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Judge as if it were this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
    /// How the verdict is written
    #[arg(short, long, visible_alias = "format", value_enum, default_value = "table", value_name = "FORMAT")]
    output: Output,
    /// Judge nothing: say what a code means, as `gitwarrant explain` does
    #[arg(long, value_name = "CODE")]
    explain: Option<String>,
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "no time; write it as 2026-06-01T12:00:00Z".to_owned())
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Output {
    /// One line a commit, and an explanation
    Table,
    /// One object
    Json,
    /// Workflow commands of GitHub Actions
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML, for the test reports of GitLab and Jenkins
    Junit,
}

/// Runs it.
pub fn run(args: &Args, mut console: Console<'_>) -> Result<Outcome, Failure> {
    if let Some(code) = &args.explain {
        explain::explain(&explain::named(code)?, console).map_err(|error| unwritten(&error))?;
        return Ok(Outcome::Fine);
    }
    let Some(file) = &args.repository else {
        return Err(Failure::new("usage", "--repository: a file that holds a Repository is needed"));
    };
    let started = Instant::now();
    let now = args.at.unwrap_or_else(|| System.now());
    let dir = working_copy::top(&args.dir);
    let repository =
        Repository::open(&dir).map_err(|error| Failure::because(error.code(), args.dir.display(), &error))?;
    if working_copy::holds(&dir, file) {
        drop(writeln!(
            console.talk,
            "warning: {} lies in the working copy that is judged: whoever commits there chooses whom to believe; keep it \
             elsewhere, or take it from a commit that was judged before",
            file.display()
        ));
    }
    let mut heading = None;
    let verdict = match repository_file::read(file)? {
        Err(error) => Verdict::NoPolicy(error),
        Ok(file) => {
            let base = base(args, &repository)?;
            let since = base.applied.unwrap_or(*file.policy.root());
            let judged = args.head.clone().unwrap_or_else(|| file.reference.to_string());
            let line = format!("{} ({}), {judged}", file.name, believed(&file.policy, now));
            heading = Some(Heading { repository: line, since, elapsed: started.elapsed() });
            judge(args, (&dir, &repository), &file, &base, now)?
        }
    };
    show(args.output, &verdict, heading, started, (&repository, file), &mut console)
        .map_err(|error| unwritten(&error))?;
    Ok(match verdict {
        Verdict::Accepted { .. } => Outcome::Fine,
        Verdict::Refused(_) | Verdict::NoPolicy(_) => Outcome::Finding,
    })
}

fn unwritten(error: &std::io::Error) -> Failure {
    Failure::because("output", "the verdict cannot be written", error)
}

fn show(
    output: Output,
    verdict: &Verdict,
    heading: Option<Heading>,
    started: Instant,
    (repository, policy): (&Repository, &Path),
    console: &mut Console<'_>,
) -> std::io::Result<()> {
    match (output, heading) {
        (Output::Json, _) => writeln!(console.out, "{:#}", verdict.json()),
        (Output::Github, _) => report::github(verdict, repository.objects(), console.out),
        (Output::Sarif, _) => writeln!(console.out, "{:#}", report::sarif(verdict, repository.objects(), policy)),
        (Output::Junit, _) => report::junit(verdict, repository.objects(), console.out),
        (Output::Table, Some(heading)) => {
            let heading = Heading { elapsed: started.elapsed(), ..heading };
            verdict.table(&heading, repository.objects(), console)
        }
        (Output::Table, None) => verdict.explain(console),
    }
}

/// Who is believed, in a few words.
fn believed(policy: &Policy, now: Timestamp) -> String {
    let keys = policy.keys(now);
    let mut people: Vec<&str> = keys.iter().flat_map(|key| &key.principals).map(String::as_str).collect();
    people.sort_unstable();
    people.dedup();
    let signers = match (policy.signers_file(), people.len()) {
        (Some(file), _) => format!("signers in {file}"),
        (None, 1) => "1 signer".to_owned(),
        (None, count) => format!("{count} signers"),
    };
    let forges = people.iter().filter(|name| policy.is_merge_only(name));
    let forges = forges.map(|name| format!(", {}: merges only", plain(name))).collect::<Vec<_>>().concat();
    format!("{:?}, {signers}{forges}", policy.mode())
}

fn judge(
    args: &Args,
    (dir, repository): (&Path, &Repository),
    file: &RepositoryFile,
    base: &Base,
    now: Timestamp,
) -> Result<Verdict, Failure> {
    let path = args.path.as_deref().map(path).transpose()?;
    let fetched = fetched(dir, args.head.as_deref(), repository, file)?;
    match verify(fetched, &file.policy, base, path.as_ref(), now) {
        Ok(verified) => inputs(verified, path.as_ref()),
        Err(refusal) => Ok(Verdict::Refused(refusal)),
    }
}

/// Also judges what the applied folder draws in from elsewhere, as far as its bases can be followed: where they cannot,
/// nothing would be applied, and `build` says why.
fn inputs(verified: Verified<Commit>, path: Option<&RepoPath>) -> Result<Verdict, Failure> {
    let head = verified.commit().head;
    let accepted = Verdict::Accepted { head, judged: verified.judged().to_vec() };
    let Some(path) = path else { return Ok(accepted) };
    let tree = verified.into_tree();
    if !path.is_root() && !tree.is_folder(path) {
        let text = format!("--path: {} is good, and has no folder `{path}`", head.short());
        return Err(Failure::new("missing-file", text));
    }
    let Ok(sources) = kustomize::gather(tree, path, &kustomize::Options::AGENT) else { return Ok(accepted) };
    Ok(sources.judge_inputs().map_or_else(Verdict::Refused, |_| accepted))
}

fn base(args: &Args, repository: &Repository) -> Result<Base, Failure> {
    let full = |text: &str| match text.parse::<Oid>() {
        Ok(id) => Ok(id),
        Err(_) => repository
            .resolve(text)
            .map(|found| found.what().head)
            .map_err(|error| Failure::because(error.code(), "--applied", &error)),
    };
    let applied = args.applied.as_deref().map(full).transpose()?;
    Ok(Base { applied, applied_tag: args.applied_tag.clone(), left_behind: Vec::new() })
}

fn path(text: &str) -> Result<RepoPath, Failure> {
    RepoPath::root().resolve(text).map_err(|error| Failure::because("usage", "--path", &error))
}
