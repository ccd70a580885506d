//! `gitwarrant build`.

use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::key_files::KeyFiles;
use super::repository_file::{self, fetched};
use super::verdict::Verdict;
use super::{Console, Failure, Outcome};
use crate::clock::{Clock as _, System};
use crate::git;
use crate::kustomize::{self, Code, LoadRestrictor, Options, Order, PlainFolders, Rendered};
use crate::model::yaml::{self, Limits};
use crate::model::{Node, Object, RepoPath, show, wire};
use crate::policy;
use crate::sops;
use crate::trust::{Base, Local, Origin, Signed, Sources, Tree, verify};

/// Arguments of `build`.
#[derive(clap::Args)]
pub struct Args {
    /// The folder with the kustomization
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The form of the output
    #[arg(short, long, value_enum, default_value_t = Output::Yaml)]
    output: Output,
    /// Print decrypted values in clear
    #[arg(long)]
    reveal: bool,
    /// Print nothing and exit with 1 where the agent would refuse any of it, for a Sync without exceptions
    #[arg(long)]
    strict: bool,
    /// Where files may be: below each kustomization, or anywhere in the tree
    #[arg(long, value_enum, default_value_t = Restrictor::Root)]
    load_restrictor: Restrictor,
    /// The top of the tree; bases may be anywhere in it. By default as far up as bases reach: to the top of the working
    /// copy, or three folders where there is none
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Render this revision of the repository that DIR lies in, judged first as `verify` does
    #[arg(long, value_name = "REV", requires = "repository", conflicts_with = "root")]
    at: Option<String>,
    /// File with the Repository whose `trust` decides about the revision
    #[arg(long, value_name = "FILE", requires = "at")]
    repository: Option<PathBuf>,
    /// Say how many objects there are, and the SHA-256 digest of them as JSON, one a line, decrypted values left out
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    keys: KeyFiles,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Output {
    /// A stream of documents
    Yaml,
    /// One list
    Json,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Restrictor {
    Root,
    None,
}

/// Runs it.
pub fn run(args: &Args, mut console: Console<'_>) -> Result<Outcome, Failure> {
    let options = Options {
        load_restrictor: match args.load_restrictor {
            Restrictor::Root => LoadRestrictor::Root,
            Restrictor::None => LoadRestrictor::None,
        },
        plain_folders: PlainFolders::Refused,
        order: Order::AsWritten,
    };
    if let (Some(revision), Some(file)) = (&args.at, &args.repository) {
        let (tree, path) = match judged(args, revision, file)? {
            Ok(judged) => judged,
            Err(verdict) => return refused_revision(&verdict, &mut console),
        };
        return match kustomize::gather(tree, &path, &options).map(Sources::judge_inputs) {
            Ok(Ok(sources)) => rendered(args, sources, (&path, ""), options, console),
            Ok(Err(refusal)) => refused_revision(&Verdict::Refused(refusal), &mut console),
            Err(errors) => Ok(refused("", console, &errors)),
        };
    }
    let (gathered, before) = gathered(args, options)?;
    match gathered {
        Ok((sources, path)) => rendered(args, sources, (&path, &before), options, console),
        Err(errors) => Ok(refused(&before, console, &errors)),
    }
}

/// The tree of the revision, and the folder in it; or why it is not accepted.
fn judged(args: &Args, revision: &str, file: &Path) -> Result<Result<(Tree<Signed>, RepoPath), Verdict>, Failure> {
    // The folder need not be there any more: it is one of the commit.
    let unreadable =
        |error: std::io::Error| Failure::because("missing-file", format!("{}", args.dir.display()), &error);
    let dir = args.dir.canonicalize().or_else(|_| std::path::absolute(&args.dir)).map_err(unreadable)?;
    let top = dir.ancestors().find(|folder| folder.join(".git").exists()).ok_or_else(|| {
        Failure::new("missing-file", format!("{} does not lie in a working copy of Git", args.dir.display()))
    })?;
    let below = dir.strip_prefix(top).ok().and_then(Path::to_str).unwrap_or_default();
    let path = RepoPath::root().resolve(if below.is_empty() { "." } else { below });
    let path = path.map_err(|error| Failure::because("usage", args.dir.display(), &error))?;
    let repository =
        git::Repository::open(top).map_err(|error| Failure::because(error.code(), top.display(), &error))?;
    let file = match repository_file::read(file)? {
        Ok(file) => file,
        Err(error) => return Ok(Err(Verdict::NoPolicy(error))),
    };
    let fetched = fetched(top, Some(revision), &repository, &file)?;
    Ok(match verify(fetched, &file.policy, &Base::default(), Some(&path), System.now()) {
        Ok(verified) => Ok((verified.into_tree(), path)),
        Err(refusal) => Err(Verdict::Refused(refusal)),
    })
}

fn refused_revision(verdict: &Verdict, console: &mut Console<'_>) -> Result<Outcome, Failure> {
    verdict.explain(console).map_err(|error| Failure::because("output", "the verdict cannot be written", &error))?;
    Ok(Outcome::Finding)
}

fn rendered<O: Origin>(
    args: &Args,
    sources: Sources<O>,
    (path, before): (&RepoPath, &str),
    options: Options,
    console: Console<'_>,
) -> Result<Outcome, Failure> {
    let Some(keys) = args.keys.open(console.talk)? else { return Ok(Outcome::Finding) };
    let opened = match sops::unseal(sources, &keys) {
        Ok(opened) => opened,
        Err(errors) => {
            for error in errors.iter() {
                drop(writeln!(console.talk, "error[{}]: {before}{error}", error.code()));
            }
            return Ok(Outcome::Finding);
        }
    };
    match kustomize::render(opened, path, &options) {
        Ok(rendered) => {
            for warning in rendered.warnings() {
                drop(writeln!(console.talk, "warning: {before}{warning}"));
            }
            match admitted(&rendered, before, args.strict, console.talk) {
                Outcome::Fine => print(args, rendered.objects(), console),
                Outcome::Finding => Ok(Outcome::Finding),
            }
        }
        // The agent refuses this; `kustomize build` prints nothing and is content, and so are scripts around it.
        Err(errors) if errors.iter().all(|error| error.code() == Code::EmptyRender) => {
            drop(writeln!(console.talk, "warning: {before}{errors}; a Sync of it would be refused"));
            if args.strict { Ok(Outcome::Finding) } else { print(args, &[], console) }
        }
        Err(errors) => Ok(refused(before, console, &errors)),
    }
}

/// Tells what the agent would not apply; unless it is looked at strictly, a finding only where printing it would show a
/// secret, because scripts around `kustomize build` are content with the rest.
fn admitted<O: Origin>(rendered: &Rendered<O>, before: &str, strict: bool, talk: &mut dyn Write) -> Outcome {
    let bounds = policy::Limits::default();
    // Beyond a bound nothing more is looked at, and what may be printed must be known of every object.
    let boundless = policy::Limits { objects: usize::MAX, leaves: usize::MAX, text: usize::MAX, ..bounds.clone() };
    for limits in [bounds, boundless] {
        match policy::check(rendered, &limits) {
            Ok(()) => return Outcome::Fine,
            Err(policy::Errors::Refused(errors)) => {
                for policy::Error { object, place, refusal, more } in &errors {
                    let more = if *more > 0 { format!(" (and {more} more)") } else { String::new() };
                    drop(if refusal.shows_a_secret() {
                        writeln!(talk, "error[{}]: {before}{place}: {object}: {refusal}{more}", refusal.code())
                    } else {
                        let code = refusal.code();
                        writeln!(
                            talk,
                            "warning[{code}]: {before}{place}: {object}: the agent refuses this: {refusal}{more}"
                        )
                    });
                }
                let shows = errors.iter().any(|error| error.refusal.shows_a_secret());
                return if shows || strict { Outcome::Finding } else { Outcome::Fine };
            }
            Err(errors @ (policy::Errors::Empty | policy::Errors::TooLarge { .. })) => {
                drop(writeln!(talk, "warning: the agent refuses this: {errors}"));
                if strict {
                    return Outcome::Finding;
                }
            }
        }
    }
    Outcome::Fine
}

fn refused(before: &str, console: Console<'_>, errors: &kustomize::Errors) -> Outcome {
    for error in errors.iter() {
        let before = if error.place().is_some() { before } else { "" };
        drop(writeln!(console.talk, "error[{}]: {before}{error}", error.code().as_str()));
    }
    if errors.more() > 0 {
        drop(writeln!(console.talk, "and {} more", errors.more()));
    }
    Outcome::Finding
}

/// What stands before every path of a message, so that it leads there from the working folder.
fn from_here(top: &Path) -> String {
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    match (top.strip_prefix(&here), here.strip_prefix(top)) {
        (Ok(below), _) if below.as_os_str().is_empty() => String::new(),
        (Ok(below), _) => format!("{}/", below.display()),
        (Err(_), Ok(above)) => "../".repeat(above.components().count()),
        (Err(_), Err(_)) => format!("{}/", top.display()),
    }
}

type Gathered = Result<(Sources<Local>, RepoPath), kustomize::Errors>;

/// The files that `dir` needs, out of the smallest tree that holds them all, and what stands before their paths.
fn gathered(args: &Args, options: Options) -> Result<(Gathered, String), Failure> {
    let absent = |error: &(dyn std::error::Error + 'static)| {
        Failure::because("missing-file", format!("{} is not a folder that can be read", args.dir.display()), error)
    };
    let dir = args.dir.canonicalize().map_err(|error| absent(&error))?;
    if !dir.is_dir() {
        return Err(Failure::new("missing-file", format!("{} is not a folder", args.dir.display())));
    }
    let tops = match &args.root {
        Some(root) => vec![root.canonicalize().map_err(|error| absent(&error))?],
        None => tops(&dir),
    };
    let mut outcome = None;
    for top in tops {
        let below = dir.strip_prefix(&top).ok().and_then(Path::to_str);
        let path = below.and_then(|below| RepoPath::root().resolve(if below.is_empty() { "." } else { below }).ok());
        let Some(path) = path else {
            let text = format!("{} is not below {}", args.dir.display(), top.display());
            return Err(Failure::new("usage", text));
        };
        let files = match git::files(&top) {
            Ok(files) => files,
            // A tree that is too large to read ends the search; what is known is what the smaller one said.
            Err(_) if outcome.is_some() => break,
            Err(error) => {
                return Err(Failure::because("unreadable", format!("{} cannot be read", top.display()), &error));
            }
        };
        let gathered = kustomize::gather(Tree::local(files), &path, &options).map(|sources| (sources, path));
        let leaves = |errors: &kustomize::Errors| errors.iter().any(|error| error.code() == Code::OutsideTree);
        let done = !gathered.as_ref().is_err_and(leaves);
        outcome = Some((gathered, from_here(&top)));
        if done {
            break;
        }
    }
    outcome.ok_or_else(|| Failure::new("missing-file", "there is no folder to look at"))
}

/// Folders that may be the top of the tree, the smallest first.
fn tops(dir: &Path) -> Vec<PathBuf> {
    const WITHOUT_GIT: usize = 4;
    let to_git = dir.ancestors().position(|folder| folder.join(".git").exists()).map(|depth| depth + 1);
    dir.ancestors().take(to_git.unwrap_or(WITHOUT_GIT)).map(Path::to_owned).collect()
}

fn print(args: &Args, objects: &[Object], console: Console<'_>) -> Result<Outcome, Failure> {
    let failed = |error: std::io::Error| Failure::because("output", "the objects could not be written", &error);
    if args.reveal {
        // Not through the console: it takes escape sequences out, and these bytes must arrive as they are.
        let mut out = std::io::stdout().lock();
        write(args, objects, &mut out).map_err(failed)?;
    } else {
        write(args, objects, console.out).map_err(failed)?;
    }
    if args.verbose {
        let mut digest = Sha256::new();
        // Masked even with `--reveal`: this goes to logs, and a hash of a short value tells it.
        for object in objects {
            digest.update(show::json(&Node::Map(object.body().share())));
            digest.update(b"\n");
        }
        let hex = digest.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        drop(writeln!(console.talk, "{} objects, sha256:{hex} (decrypted values left out)", objects.len()));
    }
    Ok(Outcome::Fine)
}

fn write(args: &Args, objects: &[Object], out: &mut dyn Write) -> std::io::Result<()> {
    let json = matches!(args.output, Output::Json);
    let mut start = if json { "[" } else { "" };
    for object in objects {
        out.write_all(start.as_bytes())?;
        start = if json { "," } else { "---\n" };
        match (args.reveal, args.output) {
            (false, Output::Json) => out.write_all(show::json(&Node::Map(object.body().share())).as_bytes())?,
            (true, Output::Json) => out.write_all(&wire::json_of_map(object.body()))?,
            (false, Output::Yaml) => out.write_all(show::yaml_sorted(object.body()).as_bytes())?,
            (true, Output::Yaml) => out.write_all(revealed(object).as_bytes())?,
        }
    }
    if json {
        out.write_all(if objects.is_empty() { b"[]\n" } else { b"]\n" })?;
    }
    out.flush()
}

/// An object as YAML, decrypted values in clear: it goes through the one serialiser that may see them.
fn revealed(object: &Object) -> String {
    let json = wire::json_of_map(object.body());
    let limits = Limits { bytes: usize::MAX, depth: 1024, values: usize::MAX, ..Limits::MANIFEST };
    let text = String::from_utf8_lossy(&json);
    match yaml::read(&text, limits).map(|mut documents| documents.pop()) {
        Ok(Some((Node::Map(map), _))) => show::yaml_sorted(&map),
        // JSON is YAML: nothing is lost, only the looks.
        Ok(_) | Err(_) => format!("{text}\n"),
    }
}
