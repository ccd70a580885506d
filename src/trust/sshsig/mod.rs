//! SSH signatures (SSHSIG) on commits.
//!
//! Source: OpenSSH, PROTOCOL.sshsig.

mod certificate;
mod key;
mod wire;

pub(crate) use certificate::Certificate;
pub(crate) use key::PublicKey;
pub(super) use wire::{Cut, Wire};

use sha2::Digest as _;

use crate::trust::Reason;
use crate::trust::fault::{Fault, Judgement};
use key::Presence;
use wire::put_string;

/// The only namespace in which a signature counts.
pub(super) const NAMESPACE: &str = "git";
const MAGIC: &[u8] = b"SSHSIG";

/// Who presents a signature.
#[derive(Debug)]
pub(super) enum Presented {
    /// A key.
    Key(PublicKey),
    /// A key with a certificate.
    Certificate(Box<Certificate>),
}

/// An SSH signature whose mathematics was not checked yet.
#[derive(Debug)]
pub(super) struct SshSig {
    pub(super) by: Presented,
    hash: Hash,
    signature: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Hash {
    Sha256,
    Sha512,
}

impl Presented {
    /// The key that made the signature.
    pub(super) fn key(&self) -> &PublicKey {
        match self {
            Presented::Key(key) => key,
            Presented::Certificate(certificate) => &certificate.key,
        }
    }
}

impl SshSig {
    /// Reads the bytes inside the armor.
    pub(super) fn read(bytes: &[u8]) -> Judgement<Self> {
        let parts =
            Parts::read(bytes).map_err(|Cut| malformed("the envelope is cut short or goes on behind its end"))?;
        if parts.magic != MAGIC {
            return Err(malformed("the envelope does not begin with SSHSIG"));
        }
        if parts.version != 1 {
            return Err(Fault::new(Reason::UnsupportedSignature, format!("SSHSIG version {}", parts.version)));
        }
        if parts.namespace != NAMESPACE.as_bytes() {
            let fact = format!("the namespace is `{}`, not `{NAMESPACE}`", parts.namespace.escape_ascii());
            return Err(Fault::new(Reason::WrongNamespace, fact));
        }
        if !parts.reserved.is_empty() {
            return Err(malformed("the reserved field is not empty"));
        }
        let hash = match parts.hash {
            b"sha256" => Hash::Sha256,
            b"sha512" => Hash::Sha512,
            other => {
                let fact = format!("the message is hashed with `{}`", other.escape_ascii());
                return Err(Fault::new(Reason::WeakAlgorithm, fact));
            }
        };
        Ok(Self { by: presented(parts.key)?, hash, signature: parts.signature.to_vec() })
    }

    /// Checks the mathematics over `payload`. Where the key is among `known`, what is known of it already is used.
    pub(super) fn verify<'a>(
        &'a self,
        payload: &[u8],
        mut known: impl Iterator<Item = &'a PublicKey>,
    ) -> Judgement<Presence> {
        let (name, digest) = match self.hash {
            Hash::Sha256 => ("sha256", sha2::Sha256::digest(payload).to_vec()),
            Hash::Sha512 => ("sha512", sha2::Sha512::digest(payload).to_vec()),
        };
        let mut message = MAGIC.to_vec();
        for part in [NAMESPACE.as_bytes(), b"", name.as_bytes(), &digest] {
            put_string(&mut message, part);
        }
        let key = self.by.key();
        known.find(|known| *known == key).unwrap_or(key).verify(&message, &self.signature)
    }
}

struct Parts<'a> {
    magic: &'a [u8],
    version: u32,
    key: &'a [u8],
    namespace: &'a [u8],
    reserved: &'a [u8],
    hash: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Cut> {
        let mut wire = Wire::new(bytes);
        let parts = Self {
            magic: wire.bytes(MAGIC.len())?,
            version: wire.u32()?,
            key: wire.string()?,
            namespace: wire.string()?,
            reserved: wire.string()?,
            hash: wire.string()?,
            signature: wire.string()?,
        };
        wire.end()?;
        Ok(parts)
    }
}

fn presented(blob: &[u8]) -> Judgement<Presented> {
    if Certificate::is_one(blob) {
        if !Certificate::is_of_known_type(blob) {
            return Err(Fault::new(Reason::UnsupportedCertificate, "the certificate is of a type that is not known"));
        }
        return Certificate::read(blob)
            .map(|certificate| Presented::Certificate(Box::new(certificate)))
            .ok_or_else(|| malformed("the certificate in the signature is not well-formed"));
    }
    if Wire::new(blob).string().is_ok() && !PublicKey::is_of_known_type(blob) {
        return Err(Fault::new(
            Reason::UnsupportedSignature,
            "the key in the signature is of a type that is not known",
        ));
    }
    PublicKey::read(blob)
        .map(Presented::Key)
        .ok_or_else(|| malformed("the public key in the signature is not well-formed"))
}

fn malformed(fact: impl Into<String>) -> Fault {
    Fault::new(Reason::MalformedSignature, fact)
}
