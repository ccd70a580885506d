//! The keys that a command opens files with: of its flags, and of the variables that sops reads.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::Failure;
use crate::keysource::{Keyring, KeyringError};
use crate::secret::Secret;

/// Arguments of every command that opens files.
#[derive(clap::Args)]
pub(super) struct KeyFiles {
    /// A file of age identities; also the file that `SOPS_AGE_KEY_FILE` names, and the identities in `SOPS_AGE_KEY`
    #[arg(long = "age-key-file", value_name = "FILE")]
    age: Vec<PathBuf>,
    /// A file of armored OpenPGP private keys, without a passphrase
    #[arg(long = "pgp-key-file", value_name = "FILE")]
    pgp: Vec<PathBuf>,
    /// An OpenSSH private key that age encrypts for, without a passphrase; also that of `SOPS_AGE_SSH_PRIVATE_KEY_FILE`
    #[arg(long = "ssh-key-file", value_name = "FILE")]
    ssh: Vec<PathBuf>,
}

impl KeyFiles {
    /// The keys; `None` where one cannot be used, which has been told by then.
    pub(super) fn open(&self, talk: &mut dyn Write) -> Result<Option<Keyring>, Failure> {
        match Keyring::read(self.read()?) {
            Ok(keys) => Ok(Some(keys)),
            Err(error) => {
                drop(writeln!(talk, "error[{}]: {}", error.code(), told(&error)));
                Ok(None)
            }
        }
    }

    /// The keys of the flags and of the environment, named as in a Secret.
    fn read(&self) -> Result<Vec<(String, Secret)>, Failure> {
        let mut files = Vec::new();
        let flags = [(&self.age, AGE), (&self.pgp, PGP), (&self.ssh, SSH)];
        for (paths, suffix) in flags {
            for path in paths {
                files.push((format!("{}{suffix}", path.display()), read_key(path)?));
            }
        }
        for (variable, suffix) in [("SOPS_AGE_KEY_FILE", AGE), ("SOPS_AGE_SSH_PRIVATE_KEY_FILE", SSH)] {
            if let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) {
                let path = Path::new(&path);
                files.push((format!("{} ({variable}){suffix}", path.display()), read_key(path)?));
            }
        }
        if let Some(keys) = std::env::var_os("SOPS_AGE_KEY").filter(|keys| !keys.is_empty()) {
            // sops takes several, with blanks between them; an identity has none.
            let mut lines = keys.into_encoded_bytes();
            lines.iter_mut().filter(|byte| **byte == b' ').for_each(|byte| *byte = b'\n');
            files.push((format!("SOPS_AGE_KEY{AGE}"), Secret::new(lines)));
        }
        Ok(files)
    }
}

/// Endings that say the kind of key to [`Keyring::read`]; no file is called so here.
const AGE: &str = ".agekey";
const PGP: &str = ".asc";
const SSH: &str = ".sshkey";

/// The error with the file as it was given.
fn told(error: &KeyringError) -> String {
    match error {
        KeyringError::Unknown { .. } => error.to_string(),
        KeyringError::Unusable { name, why } => {
            let given = [AGE, PGP, SSH].iter().find_map(|suffix| name.strip_suffix(suffix));
            format!("{}: {why}", given.unwrap_or(name))
        }
    }
}

/// Bytes of a file of keys.
const MAX_KEY_FILE: u64 = 1 << 20;

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
