//! The keys that open data keys (seam [`KeySource`]): one provider a file.

pub mod age;
mod bech32;
mod hybrid;
mod keyring;
mod ocb;
mod packets;
pub mod pgp;
mod seipd;

pub use keyring::{Error as KeyringError, Keyring};

use crate::secret::Secret;

/// Who wrapped a data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// age: X25519, SSH keys, the post-quantum hybrid.
    Age,
    /// OpenPGP.
    OpenPgp,
    /// AWS Key Management Service.
    AwsKms,
    /// Google Cloud KMS.
    GcpKms,
    /// Huawei Cloud KMS.
    HuaweiKms,
    /// Azure Key Vault.
    AzureKeyVault,
    /// HashiCorp Vault, transit engine.
    Vault,
}

impl Provider {
    /// The word that names it in messages.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Age => "age",
            Provider::OpenPgp => "pgp",
            Provider::AwsKms => "kms",
            Provider::GcpKms => "gcp_kms",
            Provider::HuaweiKms => "hckms",
            Provider::AzureKeyVault => "azure_kv",
            Provider::Vault => "hc_vault",
        }
    }
}

/// A data key, or a share of one, wrapped for somebody.
#[derive(Debug, Clone, Copy)]
pub struct Wrapped<'a> {
    /// By whom.
    pub provider: Provider,
    /// The wrapped key as it stands in the file.
    pub enc: &'a str,
}

/// Why a wrapped key was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// No key here is for it.
    NotOurs,
    /// It is not what its provider writes, or it was changed; says what.
    Unusable(&'static str),
}

/// Bytes of an unwrapped key at most: a share has 33, a key 32. More is never read.
pub const MAX_KEY: usize = 64;

/// An opened key.
pub struct Unwrapped {
    /// The key.
    pub key: Secret,
    /// The public name of what opened it.
    pub by: String,
}

/// Opens wrapped data keys. Synchronous and offline: what needs a network resolves before.
pub trait KeySource: Send + Sync {
    /// The key that `wrapped` holds.
    fn unwrap_key(&self, wrapped: Wrapped<'_>) -> Result<Unwrapped, Miss>;

    /// The public names of the keys at hand, for messages.
    fn recipients(&self) -> Vec<String>;

    /// What the keys are kept in, for messages: `Secret shop/sops-keys`.
    fn place(&self) -> &str;

    /// That there is no key at hand at all, and how to give one, for messages.
    fn none_given(&self) -> String {
        format!("there is no key in {}", self.place())
    }
}
