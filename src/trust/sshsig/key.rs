//! SSH public keys, and the mathematics of their signatures.

use std::sync::OnceLock;

use ed25519_dalek::VerifyingKey;
use signature::Verifier as _;
use ssh_key::public::KeyData;
use ssh_key::{HashAlg, Signature};

use super::wire::{Cut, Wire};
use crate::trust::Reason;
use crate::trust::fault::{Fault, Judgement};

/// RSA keys below this many bits are refused.
const MIN_RSA_BITS: usize = 2048;
/// RSA keys above this many bits are not computed with. Source: `rsa::RsaPublicKey::MAX_SIZE`.
const MAX_RSA_BITS: usize = 8192;
/// Somebody touched the security key.
///
/// Source: OpenSSH, PROTOCOL.u2f, "flags".
const USER_PRESENT: u8 = 0x01;
/// The security key asked for a PIN or a finger.
const USER_VERIFIED: u8 = 0x04;

/// A plain public key (no certificate); equal when the wire form is.
#[derive(Debug, Clone)]
pub(crate) struct PublicKey {
    blob: Vec<u8>,
    data: KeyData,
    /// An Ed25519 key as the point that it stands for, which takes a tenth of a verification to find; `None` where it
    /// stands for none.
    point: OnceLock<Option<VerifyingKey>>,
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.blob == other.blob
    }
}

/// What a security key says about the person before it; both are true for other keys, which cannot tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Presence {
    pub(crate) present: bool,
    pub(crate) verified: bool,
}

impl PublicKey {
    /// Reads the wire form; `None` for certificates, unknown types, and bytes that are not exactly one key.
    pub(crate) fn read(blob: &[u8]) -> Option<Self> {
        let mut wire = Wire::new(blob);
        let name = std::str::from_utf8(wire.string().ok()?).ok()?;
        signature_algorithms(name)?;
        let mut reader = blob;
        let data = <KeyData as ssh_key::encoding::Decode>::decode(&mut reader).ok()?;
        if is_compressed(&data) {
            return None;
        }
        reader.is_empty().then(|| Self { blob: blob.to_vec(), data, point: OnceLock::new() })
    }

    /// Whether keys of the type that `blob` names are known.
    pub(crate) fn is_of_known_type(blob: &[u8]) -> bool {
        let name = Wire::new(blob).string().ok().and_then(|name| std::str::from_utf8(name).ok());
        name.is_some_and(|name| signature_algorithms(name).is_some())
    }

    /// The type, such as `ssh-ed25519`.
    pub(crate) fn algorithm(&self) -> String {
        let mut wire = Wire::new(&self.blob);
        wire.string().map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default()
    }

    /// The wire form.
    pub(crate) fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// `SHA256:` and the unpadded base64 of the hash, as ssh-keygen prints it.
    pub(crate) fn fingerprint(&self) -> String {
        self.data.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Refuses DSA keys, RSA keys that are too short or too long, and Ed25519 keys under which anybody can sign.
    pub(crate) fn refuse_weak(&self) -> Judgement<()> {
        let weak = |what: String| Err(Fault::new(Reason::WeakKey, what));
        match &self.data {
            KeyData::Dsa(_) => weak(format!("key {} is a DSA key", self.fingerprint())),
            KeyData::Rsa(rsa) => {
                let bytes = rsa.n().as_positive_bytes().unwrap_or_default();
                let unused = bytes.first().map_or(0, |first| first.leading_zeros() as usize);
                let bits = (bytes.len() * 8).saturating_sub(unused);
                if bits < MIN_RSA_BITS {
                    return weak(format!("RSA key {} has {bits} bits, {MIN_RSA_BITS} are needed", self.fingerprint()));
                }
                if bits > MAX_RSA_BITS {
                    let fact = format!("RSA key {} has {bits} bits, {MAX_RSA_BITS} are checked", self.fingerprint());
                    return Err(Fault::new(Reason::LimitExceeded, fact));
                }
                Ok(())
            }
            KeyData::Ed25519(_) | KeyData::SkEd25519(_) if self.point().is_some_and(VerifyingKey::is_weak) => {
                weak(format!("Ed25519 key {} is of small order", self.fingerprint()))
            }
            _ => Ok(()),
        }
    }

    fn point(&self) -> Option<&VerifyingKey> {
        let key = match &self.data {
            KeyData::Ed25519(key) => key,
            KeyData::SkEd25519(key) => key.public_key(),
            _ => return None,
        };
        self.point.get_or_init(|| VerifyingKey::from_bytes(&key.0).ok()).as_ref()
    }

    /// Checks `signature` (wire form) over `message`.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Judgement<Presence> {
        let key_type = self.algorithm();
        let read = || -> Result<(&[u8], &[u8], Presence), Cut> {
            let mut wire = Wire::new(signature);
            let name = wire.string()?;
            let value = wire.string()?;
            let mut presence = Presence { present: true, verified: true };
            if name.starts_with(b"sk-") {
                let flags = wire.byte()?;
                wire.u32()?;
                presence = Presence { present: flags & USER_PRESENT != 0, verified: flags & USER_VERIFIED != 0 };
            }
            wire.end()?;
            Ok((name, value, presence))
        };
        let malformed =
            || Fault::new(Reason::MalformedSignature, "the signature inside the envelope is not well-formed");
        let (name, value, presence) = read().map_err(|Cut| malformed())?;
        let name = std::str::from_utf8(name).map_err(|_| malformed())?;
        if matches!(name, "ssh-rsa" | "ssh-dss") {
            return Err(Fault::new(Reason::WeakAlgorithm, format!("`{name}` signs with SHA-1")));
        }
        if !signature_algorithms(&key_type).is_some_and(|allowed| allowed.contains(&name)) {
            let fact = format!("a signature of type `{}` by a key of type `{key_type}`", name.escape_debug());
            return Err(Fault::new(Reason::BadSignature, fact));
        }
        let fits = if matches!(self.data, KeyData::Ed25519(_)) {
            let signature = ed25519_dalek::Signature::from_slice(value).map_err(|_| malformed())?;
            self.point().is_some_and(|point| point.verify(message, &signature).is_ok())
        } else {
            let signature = Signature::try_from(signature).map_err(|_| malformed())?;
            self.data.verify(message, &signature).is_ok()
        };
        if !fits {
            let fact = format!("the signature by {} does not fit", self.fingerprint());
            return Err(Fault::new(Reason::BadSignature, fact));
        }
        Ok(presence)
    }
}

/// Whether it is a point in short form: OpenSSH takes none, and a key must have one wire form only to be found withdrawn.
fn is_compressed(data: &KeyData) -> bool {
    match data {
        KeyData::Ecdsa(key) => key.as_sec1_bytes().first() != Some(&4),
        KeyData::SkEcdsaSha2NistP256(key) => key.ec_point().as_bytes().first() != Some(&4),
        _ => false,
    }
}

/// The signature types a key type may make; `None` for key types that are not known.
fn signature_algorithms(key_type: &str) -> Option<&'static [&'static str]> {
    Some(match key_type {
        "ssh-ed25519" => &["ssh-ed25519"],
        "ssh-rsa" => &["rsa-sha2-256", "rsa-sha2-512"],
        "ecdsa-sha2-nistp256" => &["ecdsa-sha2-nistp256"],
        "ecdsa-sha2-nistp384" => &["ecdsa-sha2-nistp384"],
        "ecdsa-sha2-nistp521" => &["ecdsa-sha2-nistp521"],
        "sk-ssh-ed25519@openssh.com" => &["sk-ssh-ed25519@openssh.com"],
        "sk-ecdsa-sha2-nistp256@openssh.com" => &["sk-ecdsa-sha2-nistp256@openssh.com"],
        // Read, so that a signature by it is refused as weak and not as unknown.
        "ssh-dss" => &[],
        _ => return None,
    })
}
