//! `gitwarrant keys`: who is believed, and whether the files that say so are in order.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::verdict::plain;
use super::{Console, EXIT_CODES, Failure, Outcome, repository_file};
use crate::clock::{Clock as _, System};
use crate::trust::{ConfigError, ListedKey, Policy, PolicyInput, SignatureKind, SignersText};

/// Arguments of `keys`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show every listed key: whose, of what kind, what for, until when
    #[command(after_help = EXIT_CODES)]
    List(Subject),
    /// Find keys that are expired, withdrawn or weak, principals without a key, and files without any; exit code 1 where there are any
    #[command(after_help = EXIT_CODES)]
    Check(Subject),
}

#[derive(clap::Args)]
struct Subject {
    /// File with a Repository (and the ConfigMaps it names), an allowed_signers file, or an armored certificate
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// As if it were this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// How it is written
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    output: Output,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Output {
    /// One line a key
    Table,
    /// One object
    Json,
}

/// Runs it.
pub fn run(args: &Args, mut console: Console<'_>) -> Result<Outcome, Failure> {
    let (Command::List(subject) | Command::Check(subject)) = &args.command;
    let now = subject.at.unwrap_or_else(|| System.now());
    let unwritten = |error: io::Error| Failure::because("output", "the keys cannot be written", &error);
    let policy = match policy(&subject.file)? {
        Ok(policy) => policy,
        Err(error) => {
            writeln!(console.talk, "error[{}]: {error}", error.code()).map_err(unwritten)?;
            return Ok(Outcome::Finding);
        }
    };
    let keys = policy.keys(now);
    let mut findings: Vec<String> = keys.iter().filter_map(finding).collect();
    if keys.is_empty() {
        findings.push(format!("{}: no key is listed; every commit would be refused", subject.file.display()));
    }
    findings.extend(
        policy.absent(now).iter().map(|name| format!("{}: a rule names it, and no key is listed", plain(name))),
    );
    findings.extend(policy.short_of_threshold(now).map(|(people, threshold)| {
        format!(
            "spec.trust.threshold: {threshold} people have to sign, and only {people} can; every head would be refused"
        )
    }));
    let found = match (&args.command, subject.output) {
        (_, Output::Json) => writeln!(console.out, "{:#}", object(&keys, &findings)),
        (Command::List(_), Output::Table) => table(&keys, now, console.out),
        (Command::Check(_), Output::Table) => report(&keys, &findings, &mut console),
    };
    found.map_err(unwritten)?;
    Ok(match &args.command {
        Command::Check(_) if !findings.is_empty() => Outcome::Finding,
        Command::Check(_) | Command::List(_) => Outcome::Fine,
    })
}

/// Upper bound on a file that is no Repository, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// The policy in `file`, or one that believes the signers in it.
fn policy(file: &Path) -> Result<Result<Policy, ConfigError>, Failure> {
    let because = |error: &io::Error| Failure::because("unreadable-file", file.display(), error);
    let length = std::fs::metadata(file).map_err(|error| because(&error))?.len();
    if length > MAX_FILE {
        return repository_file::read(file).map(|read| read.map(|file| file.policy));
    }
    let text = std::fs::read_to_string(file).map_err(|error| because(&error))?;
    if text
        .lines()
        .any(|line| line.trim_start().starts_with("kind: Repository") || line.trim_start().starts_with("\"kind\""))
    {
        return repository_file::read(file).map(|read| read.map(|file| file.policy));
    }
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut signers = SignersText { name: file.display().to_string(), ..SignersText::default() };
    if text.trim_start().starts_with("-----BEGIN PGP") {
        signers.openpgp = vec![(name, text)];
    } else {
        signers.allowed_signers = Some(text);
    }
    // No history is judged by it.
    let root = "0".repeat(40);
    Ok(Policy::read(&PolicyInput { root, signers: vec![signers], ..PolicyInput::default() }))
}

fn finding(key: &ListedKey) -> Option<String> {
    let fault = key.fault.as_deref()?;
    Some(format!("{} {}: {}", plain(&key.principals.join(",")), key.fingerprint, plain(fault)))
}

fn table(keys: &[ListedKey], now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<[String; 5]> = keys.iter().map(|key| row(key, now)).collect();
    let head = ["SIGNER", "TYPE", "FINGERPRINT", "SCOPE", "EXPIRES"].map(str::to_owned);
    let rows: Vec<&[String; 5]> = std::iter::once(&head).chain(&rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 4] = [width(0), width(1), width(2), width(3)];
    for [signer, kind, fingerprint, scope, expires] in rows {
        let [a, b, c, d] = widths;
        writeln!(out, "{signer:a$}  {kind:b$}  {fingerprint:c$}  {scope:d$}  {expires}")?;
    }
    Ok(())
}

fn row(key: &ListedKey, now: Timestamp) -> [String; 5] {
    let expires = match (&key.fault, key.before) {
        (Some(fault), _) => format!("✗ {}", plain(fault)),
        (None, None) => "-".to_owned(),
        (None, Some(before)) => {
            let days = (before.as_second() - now.as_second()) / 86_400;
            let soon = if days < 30 { " ⚠" } else { "" };
            format!("{} (in {days} days){soon}", before.strftime("%Y-%m-%d"))
        }
    };
    let scope = if key.scope.is_empty() { "nothing".to_owned() } else { plain(&key.scope.join(",")) };
    [plain(&key.principals.join(",")), kind(key).to_owned(), key.fingerprint.clone(), scope, expires]
}

fn report(keys: &[ListedKey], findings: &[String], console: &mut Console<'_>) -> io::Result<()> {
    for finding in findings {
        writeln!(console.out, "✗ {finding}")?;
    }
    writeln!(console.talk, "{} keys · {} findings", keys.len(), findings.len())
}

fn object(keys: &[ListedKey], findings: &[String]) -> Value {
    let one = |key: &ListedKey| {
        json!({
            "principals": key.principals,
            "kind": kind(key),
            "fingerprint": key.fingerprint,
            "scope": key.scope,
            "validAfter": key.after.map(|time| time.to_string()),
            "validBefore": key.before.map(|time| time.to_string()),
            "fault": key.fault,
        })
    };
    json!({
        "apiVersion": "cli.gitwarrant.io/v1",
        "keys": keys.iter().map(one).collect::<Vec<_>>(),
        "findings": findings,
    })
}

fn kind(key: &ListedKey) -> &'static str {
    match (key.kind, key.authority) {
        (SignatureKind::Ssh, false) => "ssh",
        (SignatureKind::Ssh, true) => "ssh-ca",
        (SignatureKind::Pgp, _) => "openpgp",
    }
}
