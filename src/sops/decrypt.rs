//! One file, for the command line: from its bytes to what `sops decrypt` prints.

use super::data_key::data_key;
use super::error::Error;
use super::extract::{Extract, extract};
use super::formats::{self, Format};
use super::metadata::Metadata;
use super::open::{self, Located, Warning};
use super::strict;
use crate::keysource::KeySource;
use crate::secret::Secret;

/// A file in clear.
pub struct Decrypted {
    /// Its bytes, as `sops decrypt` writes them.
    pub text: Secret,
    /// What somebody should know about it.
    pub warnings: Vec<Warning>,
}

/// Opens `bytes`, which are called `name` in errors, and writes them as `output`.
pub fn decrypt(
    name: &str,
    bytes: &[u8],
    input: Format,
    output: Format,
    keys: &dyn KeySource,
) -> Result<Decrypted, Error> {
    run(bytes, input, (output, None), keys).map_err(|Located { fault, place }| fault.at(name, place))
}

/// As [`decrypt`]; writes of it only the part that `path` names.
pub fn decrypt_part(
    name: &str,
    bytes: &[u8],
    input: Format,
    (output, path): (Format, &Extract),
    keys: &dyn KeySource,
) -> Result<Decrypted, Error> {
    run(bytes, input, (output, Some(path)), keys).map_err(|Located { fault, place }| fault.at(name, place))
}

fn run(
    bytes: &[u8],
    input: Format,
    (output, path): (Format, Option<&Extract>),
    keys: &dyn KeySource,
) -> Result<Decrypted, Located> {
    let mut read = formats::read(bytes, input)?;
    let metadata = Metadata::read(&read.block)?;
    let key = data_key(&metadata, keys)?;
    strict::check_claims(&read.documents, input)?;
    let warnings = open::open(&mut read.documents, &metadata, &key)?;
    strict::check(&read.documents)?;
    let text = match path {
        None => formats::write(&read.documents, output)?,
        Some(path) => extract(read.documents, path, output)?,
    };
    Ok(Decrypted { text, warnings })
}
