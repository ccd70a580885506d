//! `gitwarrant decrypt`.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::check::{self, Form};
use super::{Console, Failure, Outcome};
use crate::keysource::Keyring;
use crate::secret::Secret;
use crate::sops::{self, Format, Warning};

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
    /// A file of age identities
    #[arg(long, value_name = "FILE")]
    age_key_file: Vec<PathBuf>,
    /// A file of armored OpenPGP private keys, without a passphrase
    #[arg(long, value_name = "FILE")]
    pgp_key_file: Vec<PathBuf>,
    /// An OpenSSH private key that age encrypts for, without a passphrase
    #[arg(long, value_name = "FILE")]
    ssh_key_file: Vec<PathBuf>,
    /// The format of the file; by its name where not given
    #[arg(long, value_name = "TYPE", value_parser = format)]
    input_type: Option<Format>,
    /// The format to print; that of the file where not given
    #[arg(long, value_name = "TYPE", value_parser = format, conflicts_with = "check")]
    output_type: Option<Format>,
}

pub(super) fn format(name: &str) -> Result<Format, String> {
    Format::named(name).ok_or_else(|| "one of yaml, json, dotenv, ini, binary".to_owned())
}

/// Runs it.
pub fn run(args: &Args, mut console: Console<'_>) -> Result<Outcome, Failure> {
    let keys = match Keyring::read(key_files(&args.age_key_file, &args.pgp_key_file, &args.ssh_key_file)?) {
        Ok(keys) => keys,
        Err(error) => return Ok(refused(&mut console, error.code(), &error.to_string())),
    };
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
    let decrypted = match sops::decrypt(&name, &bytes, input, output, &keys) {
        Ok(decrypted) => decrypted,
        Err(error) => return Ok(refused(&mut console, error.code(), &error.to_string())),
    };
    for warning in decrypted.warnings {
        drop(writeln!(console.talk, "warning: {name}: {}", told(warning)));
    }
    // Not through the console: it takes escape sequences out, and these bytes must arrive as they are.
    let mut out = std::io::stdout().lock();
    let written = decrypted.text.expose(|plain| out.write_all(plain).and_then(|()| out.flush()));
    written.map_err(|error| Failure::because("output", "the plaintext could not be written", &error))?;
    Ok(Outcome::Fine)
}

/// A warning as a sentence.
pub(super) fn told(warning: Warning) -> &'static str {
    match warning {
        Warning::MacOnlyEncrypted => {
            "only encrypted values are authenticated; what stands in clear may have been changed"
        }
    }
}

fn refused(console: &mut Console<'_>, code: &str, message: &str) -> Outcome {
    drop(writeln!(console.talk, "error[{code}]: {message}"));
    Outcome::Finding
}

/// Bytes of a file of keys.
const MAX_KEY_FILE: u64 = 1 << 20;

/// The keys of the flags and of the environment, named as in a Secret.
pub(super) fn key_files(age: &[PathBuf], pgp: &[PathBuf], ssh: &[PathBuf]) -> Result<Vec<(String, Secret)>, Failure> {
    let mut files = Vec::new();
    for (paths, suffix) in [(age, "agekey"), (pgp, "asc"), (ssh, "sshkey")] {
        for path in paths {
            files.push((format!("{}.{suffix}", path.display()), read_key(path)?));
        }
    }
    if let Some(path) = std::env::var_os("SOPS_AGE_KEY_FILE").filter(|path| !path.is_empty()) {
        files.push(("SOPS_AGE_KEY_FILE.agekey".to_owned(), read_key(Path::new(&path))?));
    }
    if let Some(path) = std::env::var_os("SOPS_AGE_SSH_PRIVATE_KEY_FILE").filter(|path| !path.is_empty()) {
        files.push(("SOPS_AGE_SSH_PRIVATE_KEY_FILE.sshkey".to_owned(), read_key(Path::new(&path))?));
    }
    if let Some(keys) = std::env::var_os("SOPS_AGE_KEY").filter(|keys| !keys.is_empty()) {
        // sops takes several, with blanks between them; an identity has none.
        let mut lines = keys.into_encoded_bytes();
        lines.iter_mut().filter(|byte| **byte == b' ').for_each(|byte| *byte = b'\n');
        files.push(("SOPS_AGE_KEY.agekey".to_owned(), Secret::new(lines)));
    }
    Ok(files)
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

fn read_key(path: &Path) -> Result<Secret, Failure> {
    if path.to_string_lossy().to_ascii_uppercase().contains("SECRET-KEY-") {
        let help = "write it into a file that only you can read, or set SOPS_AGE_KEY; this one has been seen by now";
        return Err(
            Failure::new("no-key-file", "a private key stands where the name of its file is expected").help(help)
        );
    }
    let name = path.display();
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::because("no-key-file", format!("the key file {name} cannot be read"), error)
    };
    let size = std::fs::metadata(path).map_err(|error| failed(&error))?.len();
    if size > MAX_KEY_FILE {
        return Err(Failure::new("no-key-file", format!("the key file {name} has more than {MAX_KEY_FILE} bytes")));
    }
    // Sized once: `read` does not leave copies behind where the capacity suffices.
    std::fs::read(path).map(Secret::new).map_err(|error| failed(&error))
}
