//! `gitwarrant decrypt`.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::check::{self, Form};
use super::key_files::KeyFiles;
use super::{Console, Failure, Outcome};
use crate::sops::{self, Extract, Format};

/// Arguments of `decrypt`.
#[derive(clap::Args)]
pub struct Args {
    /// The encrypted file; with --check files and folders
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Say whether everything encrypted in PATHS can be opened, by which key, and whether the MAC holds; print no plaintext
    #[arg(long)]
    check: bool,
    /// The form of what --check says
    #[arg(short, long, value_enum, default_value_t = Form::Table, requires = "check")]
    output: Form,
    #[command(flatten)]
    keys: KeyFiles,
    /// The format of the file; by its name where not given
    #[arg(long, value_name = "TYPE", value_parser = format)]
    input_type: Option<Format>,
    /// The format to print; that of the file where not given
    #[arg(long, value_name = "TYPE", value_parser = format, conflicts_with = "check")]
    output_type: Option<Format>,
    /// Print only what stands there, as `["key"]["other"][0]`; a text without quotes and without a line end
    #[arg(long, value_name = "PATH", value_parser = part, conflicts_with = "check")]
    extract: Option<Extract>,
}

fn part(path: &str) -> Result<Extract, &'static str> {
    Extract::parse(path)
}

pub(super) fn format(name: &str) -> Result<Format, String> {
    Format::named(name).ok_or_else(|| "one of yaml, json, dotenv, ini, binary".to_owned())
}

/// Runs it.
pub fn run(args: &Args, mut console: Console<'_>) -> Result<Outcome, Failure> {
    let Some(keys) = args.keys.open(console.talk)? else { return Ok(Outcome::Finding) };
    if args.check {
        return check::run(&args.paths, args.input_type, args.output, &keys, console);
    }
    let [file] = args.paths.as_slice() else {
        return Err(Failure::new("usage", "one file at a time is decrypted").help("--check takes several"));
    };
    let name = file.display().to_string();
    let bytes = read(file)?;
    let input = args.input_type.unwrap_or_else(|| Format::of_path(&name));
    let output = args.output_type.unwrap_or(input);
    let decrypted = match &args.extract {
        None => sops::decrypt(&name, &bytes, input, output, &keys),
        Some(path) => sops::decrypt_part(&name, &bytes, input, (output, path), &keys),
    };
    let decrypted = match decrypted {
        Ok(decrypted) => decrypted,
        Err(error) => return Ok(refused(&mut console, error.code(), &error.to_string())),
    };
    for warning in decrypted.warnings {
        drop(writeln!(console.talk, "warning: {name}: {warning}"));
    }
    // Not through the console: it takes escape sequences out, and these bytes must arrive as they are.
    let mut out = std::io::stdout().lock();
    let written = decrypted.text.expose(|plain| out.write_all(plain).and_then(|()| out.flush()));
    written.map_err(|error| Failure::because("output", "the plaintext could not be written", &error))?;
    Ok(Outcome::Fine)
}

fn refused(console: &mut Console<'_>, code: &str, message: &str) -> Outcome {
    drop(writeln!(console.talk, "error[{code}]: {message}"));
    Outcome::Finding
}

/// The first bytes of a file, enough to open it or to refuse it for its size.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = path.display();
    let failed = |error: &std::io::Error| Failure::because("no-file", format!("{name} cannot be read"), error);
    // Larger files are refused by their first bytes; nothing is gained by reading on.
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_FILE), &mut bytes).map_err(|error| failed(&error))?;
    Ok(bytes)
}

/// More than the limit on an encrypted file, so that the refusal is that of the file.
const MAX_FILE: u64 = 6 << 20;
