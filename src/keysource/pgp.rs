//! OpenPGP: data keys in encrypted messages with integrity protection, and nothing else.

use std::io::{Read, Write};

use openpgp::armor;
use openpgp::cert::CertParser;
use openpgp::crypto::SessionKey;
use openpgp::packet::key::{SecretParts, UnspecifiedRole};
use openpgp::packet::{Key, PKESK, SKESK};
use openpgp::parse::stream::{DecryptionHelper, DecryptorBuilder, MessageLayer, MessageStructure, VerificationHelper};
use openpgp::parse::{PacketParser, PacketParserResult, Parse};
use openpgp::policy::StandardPolicy;
use openpgp::serialize::Serialize;
use openpgp::serialize::stream::{Armorer, Encryptor, LiteralWriter, Message};
use openpgp::types::{HashAlgorithm, SymmetricAlgorithm};
use openpgp::{Cert, KeyHandle, Packet};
use sequoia_openpgp as openpgp;

use super::packets::{self, Packet as Framed};
use super::{MAX_KEY, Miss, Unwrapped, ocb, seipd};
use crate::secret::{Draft, Secret};

/// A private key that can decrypt.
pub(super) struct PrivateKey {
    key: Key<SecretParts, UnspecifiedRole>,
    certificate: String,
}

/// Why a text is not a set of usable private keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyError {
    #[error("not an armored OpenPGP private key")]
    Malformed,
    #[error("the key is protected by a passphrase; export it without one, nobody is asked here")]
    Protected,
    #[error("it holds no private key that can decrypt")]
    Empty,
}

/// Session keys of one message that may be for a key here. sops writes one, GnuPG's `encrypt-to` adds some; each costs an
/// operation with a private key.
const MAX_PKESKS: usize = 4;

/// Bytes of a decrypted message, compressed packets and headers included.
const MAX_MESSAGE: usize = 64 << 10;

/// The keys in an armored file; expired and revoked ones too, as they still have to open old files.
pub(super) fn private_keys(file: &[u8]) -> Result<Vec<PrivateKey>, KeyError> {
    let mut keys = Vec::new();
    for cert in CertParser::from_bytes(file).map_err(|_| KeyError::Malformed)? {
        let cert = cert.map_err(|_| KeyError::Malformed)?;
        let certificate = cert.fingerprint().to_hex();
        for found in cert.keys().secret() {
            let key = found.key().clone();
            if !key.pk_algo().for_encryption() {
                continue;
            }
            if key.secret().is_encrypted() {
                return Err(KeyError::Protected);
            }
            keys.push(PrivateKey { key, certificate: certificate.clone() });
        }
    }
    if keys.is_empty() { Err(KeyError::Empty) } else { Ok(keys) }
}

impl PrivateKey {
    /// Its public name: the fingerprint of the certificate it belongs to.
    pub(super) fn name(&self) -> String {
        format!("pgp {}", self.certificate)
    }

    /// Whether `pkesk` names this key, or nobody.
    fn may_open(&self, pkesk: &PKESK) -> bool {
        pkesk.recipient().is_none_or(|recipient| {
            recipient.aliases(KeyHandle::from(self.key.fingerprint()))
                || recipient.aliases(KeyHandle::from(self.key.keyid()))
        })
    }
}

/// The data key in the armored message `enc`, opened with any of `keys`; at most [`MAX_KEY`] bytes.
pub(super) fn open(enc: &str, keys: &[PrivateKey]) -> Result<Unwrapped, Miss> {
    let mut bytes = Vec::new();
    armor::Reader::from_bytes(enc.as_bytes(), armor::ReaderMode::Tolerant(Some(armor::Kind::Message)))
        .take(enc.len() as u64)
        .read_to_end(&mut bytes)
        .map_err(|_| Miss::Unusable("an OpenPGP entry is not an armored message"))?;
    let packets = packets::split(&bytes).ok_or(Miss::Unusable("an OpenPGP entry is not a message"))?;
    let (mut pkesks, container) = shape(packets)?;
    pkesks.retain(|pkesk| keys.iter().any(|key| key.may_open(pkesk)));
    if pkesks.is_empty() {
        return Err(Miss::NotOurs);
    }
    if pkesks.len() > MAX_PKESKS {
        return Err(Miss::Unusable("an OpenPGP entry holds more session keys for the keys here than sops writes"));
    }
    let mut other_cipher = false;
    let own = session_keys(&pkesks, keys, None).find_map(|(algorithm, key, by)| {
        let algorithm = algorithm?;
        other_cipher |=
            !matches!(algorithm, SymmetricAlgorithm::AES128 | SymmetricAlgorithm::AES192 | SymmetricAlgorithm::AES256);
        let algorithm = u8::from(algorithm);
        let opened = container.body.expose(|body| match container.tag {
            packets::OCB => ocb::open(body, algorithm, &key, MAX_MESSAGE),
            _ => seipd::open(body, algorithm, &key, sha1),
        });
        opened.map(|opened| (opened, by.name()))
    });
    match own {
        Some((opened, by)) => Ok(Unwrapped { key: opened.expose(literal).ok_or(DAMAGED)?, by }),
        None if container.tag == packets::SEIPD => {
            open_by_library(&container, &pkesks, keys).map_err(|miss| if other_cipher { OTHER_CIPHER } else { miss })
        }
        None => Err(DAMAGED),
    }
}

/// Session keys for public keys, then exactly one integrity-protected container, and nothing behind it.
fn shape(packets: Vec<Framed>) -> Result<(Vec<PKESK>, Framed), Miss> {
    let mut pkesks = Vec::new();
    let mut container = None;
    for mut packet in packets {
        if container.is_some() {
            return Err(Miss::Unusable("an OpenPGP entry has something behind its encrypted content"));
        }
        match packet.tag {
            packets::PKESK => {
                packet.mend_rsa_length();
                // One that cannot be read is for somebody with newer keys than ours.
                if let Ok(Packet::PKESK(pkesk)) = packet.framed().expose(|bytes| Packet::from_bytes(bytes)) {
                    pkesks.push(pkesk);
                }
            }
            packets::SKESK | packets::MARKER => {}
            packets::SEIPD | packets::OCB => container = Some(packet),
            // Among them tag 9, encryption that anybody can bend.
            _ => return Err(Miss::Unusable("an OpenPGP entry is not an encrypted message with integrity protection")),
        }
    }
    match container {
        Some(container) if !pkesks.is_empty() => Ok((pkesks, container)),
        _ => Err(Miss::Unusable("an OpenPGP entry is not encrypted for a public key")),
    }
}

const OTHER_CIPHER: Miss = Miss::Unusable(
    "an OpenPGP entry is encrypted with another cipher than AES, which cannot be opened here (`gpg --cipher-algo AES256`)",
);

const DAMAGED: Miss = Miss::Unusable("an OpenPGP entry was changed or cut short");

/// Version 2 of the container, with AEAD, and ciphers other than AES.
fn open_by_library(container: &Framed, pkesks: &[PKESK], keys: &[PrivateKey]) -> Result<Unwrapped, Miss> {
    let mut message = Vec::new();
    for pkesk in pkesks {
        Packet::from(pkesk.clone()).serialize(&mut message).map_err(|_| DAMAGED)?;
    }
    container.framed().expose(|bytes| message.extend_from_slice(bytes));
    // The policy for signatures and expiry has no say: what was encrypted to an old key must still open.
    let policy = StandardPolicy::new();
    let helper = Helper { keys, by: None };
    let builder = DecryptorBuilder::from_bytes(&message).map_err(|_| DAMAGED)?.buffer_size(MAX_MESSAGE);
    let mut decryptor = builder.with_policy(&policy, None, helper).map_err(|_| DAMAGED)?;
    let key = read(&mut decryptor).ok_or(DAMAGED)?;
    // Only at the end of the message has its integrity been checked.
    match &decryptor.helper_ref().by {
        Some(by) if decryptor.message_processed() => Ok(Unwrapped { key, by: by.clone() }),
        _ => Err(DAMAGED),
    }
}

struct Helper<'a> {
    keys: &'a [PrivateKey],
    by: Option<String>,
}

impl VerificationHelper for Helper<'_> {
    fn get_certs(&mut self, _: &[KeyHandle]) -> openpgp::Result<Vec<Cert>> {
        Ok(Vec::new())
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        match structure.iter().next() {
            Some(MessageLayer::Encryption { .. }) => Ok(()),
            _ => Err(openpgp::Error::InvalidOperation("not encrypted".to_owned()).into()),
        }
    }
}

impl DecryptionHelper for Helper<'_> {
    fn decrypt(
        &mut self,
        pkesks: &[PKESK],
        _: &[SKESK],
        algorithm: Option<SymmetricAlgorithm>,
        decrypt: &mut dyn FnMut(Option<SymmetricAlgorithm>, &SessionKey) -> bool,
    ) -> openpgp::Result<Option<Cert>> {
        let fits = session_keys(pkesks, self.keys, algorithm).find(|(algorithm, key, _)| decrypt(*algorithm, key));
        let (.., by) = fits.ok_or_else(|| openpgp::Error::InvalidSessionKey("no key here".to_owned()))?;
        self.by = Some(by.name());
        Ok(None)
    }
}

/// Every session key that `keys` find in `pkesks`, lazily.
fn session_keys<'a>(
    pkesks: &'a [PKESK],
    keys: &'a [PrivateKey],
    algorithm: Option<SymmetricAlgorithm>,
) -> impl Iterator<Item = (Option<SymmetricAlgorithm>, SessionKey, &'a PrivateKey)> + 'a {
    pkesks.iter().flat_map(move |pkesk| {
        keys.iter().filter(move |key| key.may_open(pkesk)).filter_map(move |key| {
            let mut pair = key.key.clone().into_keypair().ok()?;
            let (algorithm, session) = pkesk.decrypt(&mut pair, algorithm)?;
            Some((algorithm, session, key))
        })
    })
}

fn sha1(bytes: &[u8]) -> Option<[u8; 20]> {
    let mut hash = HashAlgorithm::SHA1.context().ok()?.for_digest();
    hash.update(bytes);
    let mut digest = [0; 20];
    hash.digest(&mut digest).ok()?;
    Some(digest)
}

/// The content of the one literal packet in decrypted packets, compressed or not; signatures beside it are not looked at.
fn literal(decrypted: &[u8]) -> Option<Secret> {
    let mut found = None;
    for packet in packets::split(decrypted)? {
        let content = match packet.tag {
            packets::LITERAL => packet.content()?,
            packets::COMPRESSED => packet.framed().expose(decompressed)?,
            ONE_PASS | SIGNATURE | packets::MARKER => continue,
            _ => return None,
        };
        let fits = content.expose(<[u8]>::len) <= MAX_KEY;
        if !fits || found.replace(content).is_some() {
            return None;
        }
    }
    found
}

const SIGNATURE: u8 = 2;
const ONE_PASS: u8 = 4;

/// The content of the one literal packet inside of a compressed one.
fn decompressed(packet: &[u8]) -> Option<Secret> {
    let mut next = PacketParser::from_bytes(packet).ok()?;
    let mut found = None;
    while let PacketParserResult::Some(mut parser) = next {
        match parser.packet {
            Packet::Literal(_) if found.is_some() => return None,
            Packet::Literal(_) => found = Some(read(&mut parser)?),
            Packet::CompressedData(_) | Packet::OnePassSig(_) | Packet::Signature(_) => {}
            _ => return None,
        }
        next = parser.recurse().ok()?.1;
    }
    found
}

fn read(content: &mut impl Read) -> Option<Secret> {
    // One byte more than may be: what fills it is too long.
    let mut key = Draft::with_capacity(MAX_KEY + 1);
    let read = std::io::copy(&mut content.take(MAX_KEY as u64 + 1), &mut key).ok()?;
    (read <= MAX_KEY as u64).then(|| key.seal())
}

/// Why something was not encrypted for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    /// Not a certificate.
    #[error("not an armored OpenPGP certificate")]
    Malformed,
    /// No key in it may be encrypted for.
    #[error("the certificate has no live key for encryption")]
    NoKey,
}

/// Whether `name` (a fingerprint or key id, as `.sops.yaml` has it) is that of the armored `certificate` or a key in it.
pub fn is_named(certificate: &str, name: &str) -> Result<bool, RecipientError> {
    let cert = Cert::from_bytes(certificate.as_bytes()).map_err(|_| RecipientError::Malformed)?;
    let name = name.trim_end_matches('!').replace(' ', "").to_ascii_uppercase();
    let name = name.strip_prefix("0X").unwrap_or(&name);
    // Eight digits name millions of keys.
    Ok(name.len() >= 16 && cert.keys().any(|key| key.key().fingerprint().to_hex().ends_with(name)))
}

/// `key` as an armored message for the armored `certificate`, and the certificate's fingerprint.
pub fn wrap(key: &Secret, certificate: &str, now: jiff::Timestamp) -> Result<(String, String), RecipientError> {
    let cert = Cert::from_bytes(certificate.as_bytes()).map_err(|_| RecipientError::Malformed)?;
    let policy = StandardPolicy::new();
    let recipients = cert
        .keys()
        .with_policy(&policy, std::time::SystemTime::from(now))
        .supported()
        .alive()
        .revoked(false)
        .for_storage_encryption()
        .for_transport_encryption();
    let mut armored = Vec::new();
    let written = (|| {
        let message = Armorer::new(Message::new(&mut armored)).build()?;
        let message = Encryptor::for_recipients(message, recipients).build()?;
        let mut message = LiteralWriter::new(message).build()?;
        key.expose(|plain| message.write_all(plain))?;
        message.finalize()
    })();
    written.map_err(|_| RecipientError::NoKey)?;
    let armored = String::from_utf8(armored).map_err(|_| RecipientError::Malformed)?;
    Ok((cert.fingerprint().to_hex(), armored))
}
