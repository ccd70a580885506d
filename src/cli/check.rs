//! `gitwarrant decrypt --check`: can everything be opened that is encrypted, and by which key? Prints no plaintext.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::decrypt::read;
use super::{Console, Failure, Outcome};
use crate::keysource::Keyring;
use crate::sops::{self, Check, Format, encrypted_as};

/// How the findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    /// For people
    Table,
    /// For programs
    Json,
}

/// What was found.
#[derive(Default)]
struct Found {
    files: Vec<(String, Format, Check)>,
    /// Files that are not encrypted.
    plain: usize,
}

/// Folders in folders, at most.
const MAX_DEPTH: usize = 64;
/// Files that are looked at, at most.
const MAX_FILES: usize = 100_000;

/// Checks every encrypted file of `paths`; folders are gone through, except for `.git` and links.
pub(super) fn run(
    paths: &[PathBuf],
    format: Option<Format>,
    form: Form,
    keys: &Keyring,
    mut console: Console<'_>,
) -> Result<Outcome, Failure> {
    let mut found = Found::default();
    for path in paths {
        if path.is_dir() {
            found.folder(path, keys, 0)?;
        } else {
            found.named(path, format, keys)?;
        }
    }
    let written = match form {
        Form::Table => found.table(&mut console),
        Form::Json => writeln!(console.out, "{:#}", found.json()),
    };
    written.map_err(|error| Failure::because("output", "the findings could not be written", &error))?;
    Ok(if found.failed() == 0 { Outcome::Fine } else { Outcome::Finding })
}

impl Found {
    /// A file that was asked for: one that is not encrypted is refused.
    fn named(&mut self, path: &Path, format: Option<Format>, keys: &Keyring) -> Result<(), Failure> {
        let (name, bytes) = (path.display().to_string(), read(path)?);
        let format = format.or_else(|| encrypted_as(&name, &bytes)).unwrap_or_else(|| Format::of_path(&name));
        self.checked(name, &bytes, format, keys);
        Ok(())
    }

    fn folder(&mut self, folder: &Path, keys: &Keyring, depth: usize) -> Result<(), Failure> {
        let failed =
            |error: &io::Error| Failure::because("no-file", format!("{} cannot be read", folder.display()), error);
        if depth == MAX_DEPTH {
            return Err(Failure::new("limit", format!("{}: more than {MAX_DEPTH} folders deep", folder.display())));
        }
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = entries.map_err(|error| failed(&error))?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let (path, kind) = (entry.path(), entry.file_type().map_err(|error| failed(&error))?);
            if kind.is_dir() && entry.file_name() != ".git" {
                self.folder(&path, keys, depth + 1)?;
            } else if kind.is_file() {
                if self.plain + self.files.len() == MAX_FILES {
                    return Err(Failure::new("limit", format!("more than {MAX_FILES} files")));
                }
                let (name, bytes) = (path.display().to_string(), read(&path)?);
                match encrypted_as(&name, &bytes) {
                    Some(format) => self.checked(name, &bytes, format, keys),
                    None => self.plain += 1,
                }
            }
        }
        Ok(())
    }

    fn checked(&mut self, name: String, bytes: &[u8], format: Format, keys: &Keyring) {
        let check = sops::check(&name, bytes, format, keys);
        self.files.push((name, format, check));
    }

    fn failed(&self) -> usize {
        self.files.iter().filter(|(.., check)| check.refusal.is_some()).count()
    }

    fn table(&self, console: &mut Console<'_>) -> io::Result<()> {
        let mut rows = vec![["FILE", "RECIPIENTS", "OPENED BY", "MAC"].map(str::to_owned)];
        rows.extend(self.files.iter().map(|(name, _, check)| {
            let opened_by: Vec<String> = check.opened_by.iter().map(|key| short(key)).collect();
            let opened_by =
                if opened_by.is_empty() { "✗".to_owned() } else { format!("✔ {}", opened_by.join(", ")) };
            let mac = check.mac.map_or("-", |holds| if holds { "✔" } else { "✗" });
            [name.clone(), counted(check), opened_by, mac.to_owned()]
        }));
        let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
        let [file, recipients, opened_by] = [width(0), width(1), width(2)];
        for [a, b, c, d] in &rows {
            writeln!(console.out, "{a:file$}  {b:recipients$}  {c:opened_by$}  {d}")?;
        }
        for (name, _, check) in &self.files {
            for warning in &check.warnings {
                writeln!(console.talk, "warning: {name}: {warning}")?;
            }
            if let Some(error) = &check.refusal {
                writeln!(console.talk, "error[{}]: {error}", error.code())?;
                if error.code() == "no-usable-key" {
                    writeln!(console.talk, "  = help: sops updatekeys {name}")?;
                }
            }
        }
        let failed = self.failed();
        let ok = self.files.len() - failed;
        writeln!(console.out, "{ok} ok · {failed} failed · {} not encrypted · no plaintext was written", self.plain)
    }

    /// One JSON object. Scripts rely on its fields.
    fn json(&self) -> Value {
        let failed = self.failed();
        json!({
            "apiVersion": "cli.gitwarrant.io/v1",
            "files": self.files.iter().map(|(name, format, check)| file(name, *format, check)).collect::<Vec<_>>(),
            "ok": self.files.len() - failed,
            "failed": failed,
            "notEncrypted": self.plain,
        })
    }
}

fn file(name: &str, format: Format, check: &Check) -> Value {
    let recipients = check.recipients.iter();
    json!({
        "file": name,
        "format": format.name(),
        "recipients": recipients.map(|(by, name)| json!({"provider": by.name(), "name": name})).collect::<Vec<_>>(),
        "openedBy": check.opened_by,
        "mac": check.mac,
        "warnings": check.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "error": check.refusal.as_ref().map(|error| json!({
            "code": error.code(),
            "class": format!("{:?}", error.class()),
            "place": error.place(),
            "message": error.to_string(),
        })),
    })
}

/// `age×2, pgp×1`
fn counted(check: &Check) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (provider, _) in &check.recipients {
        *counts.entry(provider.name()).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(provider, count)| format!("{provider}×{count}")).collect();
    if counts.is_empty() { "-".to_owned() } else { counts.join(", ") }
}

/// As much of a key's name as tells it from others.
fn short(key: &str) -> String {
    const SHOWN: usize = 24;
    let start: String = key.chars().take(SHOWN).collect();
    if start.len() < key.len() { format!("{start}…") } else { start }
}
