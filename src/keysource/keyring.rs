//! The keys of one Sync, or of one call of the command line.

use super::age::{Identity, identities, open as open_age, ssh_identity};
use super::{KeySource, Miss, Provider, Unwrapped, Wrapped, pgp};
use crate::secret::Secret;

/// Private keys for age and OpenPGP. Holds secrets: neither `Debug` nor `Clone`.
#[derive(Default)]
pub struct Keyring {
    age: Vec<Identity>,
    pgp: Vec<pgp::PrivateKey>,
    place: Place,
}

/// What keys are kept in.
#[derive(Default)]
enum Place {
    /// Flags and variables of the command line.
    #[default]
    CommandLine,
    /// A Sync that says nothing about decryption.
    NotSet,
    /// A Secret, by its name.
    Secret(String),
}

/// An entry that cannot be used. Names the entry, never what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Its name says no kind of key.
    #[error("entry {name:?} is no kind of key; name it *.agekey, *.asc or *.sshkey")]
    Unknown {
        /// The entry.
        name: String,
    },
    /// Not what its name says, or not usable without asking somebody.
    #[error("entry {name:?}: {why}")]
    Unusable {
        /// The entry.
        name: String,
        /// Why.
        why: String,
    },
}

impl Error {
    /// The stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Unknown { .. } => "unknown-key",
            Error::Unusable { .. } => "no-usable-key",
        }
    }
}

impl Keyring {
    /// No keys; files that are not encrypted need none.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads keys named as in a Flux Secret: `*.agekey`, `*.asc`, `*.sshkey`.
    ///
    /// # Errors
    /// At the first entry of another name, or that is not usable: half a set of keys would look like a whole one.
    pub fn read(files: Vec<(String, Secret)>) -> Result<Self, Error> {
        let mut keys = Self::default();
        for (name, file) in files {
            let unusable = |why: String| Error::Unusable { name: name.clone(), why };
            match name.rsplit_once('.').map(|(_, suffix)| suffix) {
                Some("agekey") => {
                    let found = file.expose(identities).map_err(|error| unusable(error.to_string()))?;
                    keys.age.extend(found);
                }
                Some("sshkey") => {
                    keys.age.push(file.expose(ssh_identity).map_err(|error| unusable(error.to_string()))?);
                }
                Some("asc") => {
                    let found = file.expose(pgp::private_keys).map_err(|error| unusable(error.to_string()))?;
                    keys.pgp.extend(found);
                }
                _ => return Err(Error::Unknown { name }),
            }
        }
        Ok(keys)
    }
}

impl Keyring {
    /// The keys of a Sync that says nothing about decryption: none.
    pub fn not_set() -> Self {
        Self { place: Place::NotSet, ..Self::default() }
    }

    /// The same keys, said to be kept in the Secret `name` when one is missing.
    #[must_use]
    pub fn kept_in(self, name: impl Into<String>) -> Self {
        Self { place: Place::Secret(name.into()), ..self }
    }
}

impl KeySource for Keyring {
    fn unwrap_key(&self, wrapped: Wrapped<'_>) -> Result<Unwrapped, Miss> {
        match wrapped.provider {
            Provider::Age => open_age(wrapped.enc, &self.age),
            Provider::OpenPgp => pgp::open(wrapped.enc, &self.pgp),
            Provider::AwsKms | Provider::GcpKms | Provider::HuaweiKms | Provider::AzureKeyVault | Provider::Vault => {
                Err(Miss::NotOurs)
            }
        }
    }

    fn recipients(&self) -> Vec<String> {
        let mut names: Vec<String> = self.age.iter().map(|key| key.recipient().to_owned()).collect();
        for key in &self.pgp {
            let name = key.name();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn place(&self) -> &str {
        match &self.place {
            Place::CommandLine => "the keys given",
            Place::NotSet => "spec.decryption (which is not set)",
            Place::Secret(name) => name,
        }
    }

    fn none_given(&self) -> String {
        match &self.place {
            Place::CommandLine => {
                "no key was given: --age-key-file, --pgp-key-file, --ssh-key-file, SOPS_AGE_KEY or SOPS_AGE_KEY_FILE"
                    .to_owned()
            }
            Place::NotSet => "no key was given: set spec.decryption.secretRef".to_owned(),
            Place::Secret(name) => format!("{name} holds no key: add a recipient's private key there"),
        }
    }
}
