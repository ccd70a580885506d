//! SOPS: strict, in memory, MAC always.

mod check;
mod creation;
mod data_key;
mod decrypt;
mod error;
mod explained;
mod extract;
mod flatten;
mod floats;
mod formats;
mod leaf;
mod mac;
mod merge;
mod metadata;
mod open;
mod opened;
mod place;
mod seal;
mod selector;
mod shamir;
mod stamp;
mod strict;
mod tree;
mod unseal;

pub use check::{Check, check};
pub use creation::{Creation, CreationError, Group, creation};
pub use decrypt::{Decrypted, decrypt, decrypt_part};
pub use error::{Error, Errors, Fault};
pub use explained::EXPLAINED;
pub use extract::Extract;
pub use formats::Format;
pub use open::Warning;
pub use opened::{Contents, File, Opened};
pub use seal::{Recipients, SealError, Terms, seal};
pub use unseal::{encrypted_as, unseal};
