//! Whether a file can be opened, without letting go of anything that is in it.

use super::data_key::data_key;
use super::error::Error;
use super::formats::{self, Format};
use super::metadata::Metadata;
use super::open::{self, Located, Warning};
use super::strict;
use crate::keysource::{KeySource, Provider};

/// What is known of a file.
#[derive(Debug, Default)]
pub struct Check {
    /// Whom its data key, or parts of it, are wrapped for; as the file says, which nothing authenticates.
    pub recipients: Vec<(Provider, String)>,
    /// The public names of the keys that opened it.
    pub opened_by: Vec<String>,
    /// Whether its MAC holds; nothing where it was not reached.
    pub mac: Option<bool>,
    /// What somebody should know about it.
    pub warnings: Vec<Warning>,
    /// Why it does not open.
    pub refusal: Option<Error>,
}

/// Opens `bytes`, which are called `name` in errors, and tells how that went. What was opened is wiped.
pub fn check(name: &str, bytes: &[u8], format: Format, keys: &dyn KeySource) -> Check {
    let mut found = Check::default();
    if let Err(Located { fault, place }) = run(&mut found, bytes, format, keys) {
        let error = fault.at(name, place);
        if matches!(error.code(), "mac-mismatch" | "mac-undecryptable") {
            found.mac = Some(false);
        }
        found.refusal = Some(error);
    }
    found
}

fn run(found: &mut Check, bytes: &[u8], format: Format, keys: &dyn KeySource) -> Result<(), Located> {
    let mut read = formats::read(bytes, format)?;
    let metadata = Metadata::read(&read.block)?;
    let entries = metadata.groups.iter().flatten();
    found.recipients = entries.map(|entry| (entry.provider, entry.recipient.clone())).collect();
    let key = data_key(&metadata, keys)?;
    found.opened_by.clone_from(&key.by);
    strict::check_claims(&read.documents, format)?;
    found.warnings = open::open(&mut read.documents, &metadata, &key)?;
    found.mac = Some(true);
    strict::check(&read.documents)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::keysource::{Keyring, Provider, age::generate};
    use crate::sops::{Format, Recipients, Terms, seal};

    #[test]
    fn recipients_the_key_that_opens_and_the_mac_are_told() {
        let (identity, recipient) = generate();
        let (_, other) = generate();
        let keys = Keyring::read(vec![("a.agekey".to_owned(), identity)]).unwrap();
        let group = Recipients { age: vec![other.clone(), recipient.clone()], pgp: Vec::new() };
        let selector = Some(("encrypted_suffix".to_owned(), "b".to_owned()));
        let terms = Terms { groups: vec![group], selector, ..Terms::default() };
        let now = "2026-11-23T17:00:00Z".parse().unwrap();
        let sealed = seal(b"a: 1\nb: 2\n", Format::Yaml, &terms, now).unwrap();

        let found = check("x.yaml", sealed.as_bytes(), Format::Yaml, &keys);
        assert_eq!(found.recipients, [(Provider::Age, other), (Provider::Age, recipient.clone())]);
        assert_eq!((found.opened_by, found.mac), (vec![recipient.clone()], Some(true)));

        let found = check("x.yaml", sealed.replace("a: 1", "a: 2").as_bytes(), Format::Yaml, &keys);
        assert_eq!((found.opened_by, found.mac), (vec![recipient], Some(false)));
        assert_eq!(found.refusal.unwrap().code(), "mac-mismatch");

        let found = check("x.yaml", sealed.as_bytes(), Format::Yaml, &Keyring::empty());
        assert_eq!((found.opened_by.len(), found.mac), (0, None));
        assert_eq!(found.refusal.unwrap().code(), "no-usable-key");
    }
}
