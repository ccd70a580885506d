//! age: X25519, `ssh-ed25519`, `ssh-rsa`, and the post-quantum hybrid. No passphrases, no plugins.

use std::collections::HashSet;
use std::io::{Read, Write};

use age::armor::{ArmoredWriter, Format};
use age::secrecy::ExposeSecret;
use age_core::format::{FileKey, Stanza};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::hybrid::{self, Hybrid};
use super::{MAX_KEY, Miss, Unwrapped};
use crate::secret::{Draft, Secret};

/// A private key for age, with its public name.
pub(super) struct Identity {
    key: Key,
    recipient: String,
}

enum Key {
    X25519(age::x25519::Identity),
    Ssh(age::ssh::Identity),
    Hybrid(Box<Hybrid>),
}

/// Why a text is not an age identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum IdentityError {
    #[error("line {0} is not an age identity (`AGE-SECRET-KEY-1...` or `AGE-SECRET-KEY-PQ-1...`)")]
    Line(usize),
    #[error("line {0} is a plugin identity; plugins are not run")]
    Plugin(usize),
    #[error("it holds no identity")]
    Empty,
    #[error("not an OpenSSH private key")]
    NotSsh,
    #[error("the SSH key is protected by a passphrase; take the passphrase off (`ssh-keygen -p`)")]
    Protected,
    #[error("SSH keys for age must be ed25519 or rsa")]
    Unsupported,
}

/// The identities in the text of an identity file: one a line, comments and blank lines between them.
pub(super) fn identities(file: &[u8]) -> Result<Vec<Identity>, IdentityError> {
    let mut found = Vec::new();
    for (at, line) in file.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if !line.is_empty() && !line.starts_with(b"#") {
            found.push(identity(line, at + 1)?);
        }
    }
    if found.is_empty() { Err(IdentityError::Empty) } else { Ok(found) }
}

fn identity(line: &[u8], number: usize) -> Result<Identity, IdentityError> {
    if line.starts_with(b"AGE-PLUGIN-") {
        return Err(IdentityError::Plugin(number));
    }
    if let Some(hybrid) = Hybrid::parse(line) {
        let recipient = hybrid.recipient();
        return Ok(Identity { key: Key::Hybrid(Box::new(hybrid)), recipient });
    }
    let text = std::str::from_utf8(line).map_err(|_| IdentityError::Line(number))?;
    let key: age::x25519::Identity = text.parse().map_err(|_| IdentityError::Line(number))?;
    let recipient = key.to_public().to_string();
    Ok(Identity { key: Key::X25519(key), recipient })
}

/// The identity in an OpenSSH private key file.
pub(super) fn ssh_identity(file: &[u8]) -> Result<Identity, IdentityError> {
    let key = age::ssh::Identity::from_buffer(file, None).map_err(|_| IdentityError::NotSsh)?;
    match &key {
        age::ssh::Identity::Unencrypted(_) => {}
        age::ssh::Identity::Encrypted(_) => return Err(IdentityError::Protected),
        age::ssh::Identity::Unsupported(_) => return Err(IdentityError::Unsupported),
    }
    let recipient = age::ssh::Recipient::try_from(key.clone()).map_err(|_| IdentityError::Unsupported)?.to_string();
    Ok(Identity { key: Key::Ssh(key), recipient })
}

impl Identity {
    /// The public name.
    pub(super) fn recipient(&self) -> &str {
        &self.recipient
    }
}

impl age::Identity for Identity {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        match &self.key {
            Key::X25519(key) => key.unwrap_stanza(stanza),
            Key::Ssh(key) => key.unwrap_stanza(stanza),
            Key::Hybrid(key) => {
                let [encapsulated] = stanza.args.as_slice() else { return None };
                let file_key = (stanza.tag == Hybrid::STANZA).then(|| key.open(encapsulated, &stanza.body))??;
                Some(file_key.expose(|bytes| {
                    let bytes: &[u8; 16] = bytes.try_into().map_err(|_| age::DecryptError::InvalidHeader)?;
                    Ok(FileKey::init_with_mut(|key| key.copy_from_slice(bytes)))
                }))
            }
        }
    }

    /// Goes on behind a stanza that looked right: two SSH keys can share the short tag.
    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, age::DecryptError>> {
        let mut refusal = None;
        let mut failures = 0;
        for stanza in stanzas {
            match self.unwrap_stanza(stanza) {
                Some(Ok(key)) => return Some(Ok(key)),
                Some(Err(error)) => {
                    refusal = Some(Err(error));
                    failures += 1;
                }
                None => {}
            }
            if failures == MAX_LOOKALIKES {
                break;
            }
        }
        refusal
    }
}

/// Opens the armored file `enc` with the first of `identities` it is for; at most [`MAX_KEY`] bytes.
pub(super) fn open(enc: &str, identities: &[Identity]) -> Result<Unwrapped, Miss> {
    let bytes = dearmor(enc).ok_or(Miss::Unusable("an age entry is not an armored age file"))?;
    let damaged = Miss::Unusable("an age entry was changed or cut short");
    if stanzas(&bytes) > MAX_STANZAS {
        return Err(Miss::Unusable("an age entry is for more recipients than sops writes"));
    }
    let mut for_us = false;
    for identity in identities {
        let decryptor = age::Decryptor::new_buffered(bytes.as_slice()).map_err(|_| damaged)?;
        if decryptor.is_scrypt() {
            return Err(Miss::Unusable("an age entry is protected by a passphrase"));
        }
        match decryptor.decrypt(std::iter::once(identity as &dyn age::Identity)) {
            Ok(payload) => {
                let key = read(payload).ok_or(damaged)?;
                return Ok(Unwrapped { key, by: identity.recipient.clone() });
            }
            Err(age::DecryptError::NoMatchingKeys) => {}
            Err(_) => for_us = true,
        }
    }
    Err(if for_us { damaged } else { Miss::NotOurs })
}

/// Stanzas of one entry. sops writes one; each costs an operation with the private key.
const MAX_STANZAS: usize = 128;

/// Stanzas that are marked as for a key and do not open with it. The mark of an SSH key has 32 bits, and RSA is slow.
const MAX_LOOKALIKES: usize = 2;

/// The stanzas in the header of an age file.
fn stanzas(file: &[u8]) -> usize {
    let header = file.split(|&byte| byte == b'\n').take_while(|line| !line.starts_with(b"---"));
    header.filter(|line| line.starts_with(b"-> ")).count()
}

fn read(mut payload: impl Read) -> Option<Secret> {
    // One byte more than may be: what fills it is too long.
    let mut key = Draft::with_capacity(MAX_KEY + 1);
    std::io::copy(&mut payload.by_ref().take(MAX_KEY as u64 + 1), &mut key).ok()?;
    Some(key.seal())
}

/// The bytes of the one armored file that `text` is: 64 columns, canonical base64, blank lines around it.
fn dearmor(text: &str) -> Option<Vec<u8>> {
    let mut lines = text.trim().lines();
    if lines.next()? != "-----BEGIN AGE ENCRYPTED FILE-----" {
        return None;
    }
    let mut digits = String::with_capacity(text.len());
    let mut last_was_short = false;
    loop {
        let line = lines.next()?;
        if line == "-----END AGE ENCRYPTED FILE-----" {
            break;
        }
        if last_was_short || line.is_empty() || line.len() > COLUMNS {
            return None;
        }
        last_was_short = line.len() < COLUMNS;
        digits.push_str(line);
    }
    if lines.next().is_some() {
        return None;
    }
    STANDARD.decode(digits).ok()
}

/// Columns of an armored line.
const COLUMNS: usize = 64;

/// Why something was not encrypted for a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a recipient of age that can be encrypted for (`age1...`, `age1pq1...`, `ssh-ed25519 ...`, `ssh-rsa ...`)")]
pub struct RecipientError;

/// `key` as an armored age file for `recipient` (`age1...`, `age1pq1...`, or a line of an SSH public key file).
pub fn wrap(key: &Secret, recipient: &str) -> Result<String, RecipientError> {
    let armored = |recipient: &dyn age::Recipient| {
        let encryptor = age::Encryptor::with_recipients(std::iter::once(recipient)).map_err(|_| RecipientError)?;
        let mut armored = Vec::new();
        let written = (|| {
            let armor = ArmoredWriter::wrap_output(&mut armored, Format::AsciiArmor)?;
            let mut payload = encryptor.wrap_output(armor)?;
            key.expose(|plain| payload.write_all(plain))?;
            payload.finish()?.finish()
        })();
        written.map_err(|_| RecipientError)?;
        String::from_utf8(armored).map_err(|_| RecipientError)
    };
    if recipient.starts_with("ssh-") {
        armored(&recipient.parse::<age::ssh::Recipient>().map_err(|_| RecipientError)?)
    } else if let Some(hybrid) = hybrid::Recipient::parse(recipient) {
        armored(&hybrid)
    } else {
        armored(&recipient.parse::<age::x25519::Recipient>().map_err(|_| RecipientError)?)
    }
}

impl age::Recipient for hybrid::Recipient {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        let sealed = self.seal(file_key.expose_secret());
        let (argument, body) = sealed.ok_or_else(|| std::io::Error::other("the file key was not encapsulated"))?;
        let stanza = Stanza { tag: Hybrid::STANZA.to_owned(), args: vec![argument], body };
        Ok((vec![stanza], HashSet::from(["postquantum".to_owned()])))
    }
}

/// A new X25519 key: the line for an identity file, and the recipient.
pub fn generate() -> (Secret, String) {
    let identity = age::x25519::Identity::generate();
    let line = identity.to_string();
    (Secret::new(line.expose_secret().as_bytes().to_vec()), identity.to_public().to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use age::armor::{ArmoredWriter, Format};

    use super::{IdentityError, dearmor, generate, identities, open, wrap};
    use crate::keysource::Miss;
    use crate::secret::Secret;

    #[test]
    fn what_is_wrapped_for_a_key_is_opened_by_it_alone() {
        let (line, recipient) = generate();
        let (other, _) = generate();
        let enc = wrap(&Secret::new(vec![5; 32]), &recipient).unwrap();
        let keys = line.expose(identities).unwrap();
        assert_eq!(keys[0].recipient(), recipient);
        assert!(open(&enc, &keys).unwrap().key.same(&Secret::new(vec![5; 32])));
        let others = other.expose(identities).unwrap();
        assert_eq!(open(&enc, &others).err(), Some(Miss::NotOurs));
    }

    #[test]
    fn an_entry_for_more_recipients_than_sops_writes_is_not_tried() {
        let keys: Vec<_> = (0..129).map(|_| generate()).collect();
        let wrapped_for = |count: usize| {
            let recipients: Vec<age::x25519::Recipient> =
                keys.iter().map(|key| key.1.parse().unwrap()).take(count).collect();
            let recipients = recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
            let mut armored = Vec::new();
            let armor = ArmoredWriter::wrap_output(&mut armored, Format::AsciiArmor).unwrap();
            let mut payload = age::Encryptor::with_recipients(recipients).unwrap().wrap_output(armor).unwrap();
            payload.write_all(&[5; 32]).unwrap();
            payload.finish().unwrap().finish().unwrap();
            String::from_utf8(armored).unwrap()
        };
        let identity = keys[0].0.expose(identities).unwrap();
        assert!(open(&wrapped_for(100), &identity).is_ok());
        let too_many = open(&wrapped_for(129), &identity).err();
        assert_eq!(too_many, Some(Miss::Unusable("an age entry is for more recipients than sops writes")));
    }

    #[test]
    fn armor_is_read_strictly() {
        let (_, recipient) = generate();
        let enc = wrap(&Secret::new(vec![5; 32]), &recipient).unwrap();
        assert!(dearmor(&enc).is_some());
        assert!(dearmor(&format!("\n\n{}\n\n", enc.replace('\n', "\r\n"))).is_some());
        for bent in
            [format!("x{enc}"), format!("{enc}x"), enc.replace("-----BEGIN", "----BEGIN"), enc.replacen('\n', "", 2)]
        {
            assert!(dearmor(&bent).is_none());
        }
    }

    #[test]
    fn a_line_that_is_no_identity_is_refused_by_its_number() {
        assert_eq!(identities(b"# comment\n\nhello\n").err(), Some(IdentityError::Line(3)));
        assert_eq!(identities(b"AGE-PLUGIN-YUBIKEY-1QQ\n").err(), Some(IdentityError::Plugin(1)));
        assert_eq!(identities(b"# nothing\n").err(), Some(IdentityError::Empty));
    }
}
