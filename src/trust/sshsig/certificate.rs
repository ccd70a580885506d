//! OpenSSH user certificates.
//!
//! Source: OpenSSH, PROTOCOL.certkeys. Taken apart on raw bytes, so that the authority's signature is checked over what
//! was sent and not over what was understood.

use super::key::PublicKey;
use super::wire::{Cut, Wire, put_string};
use crate::trust::Reason;
use crate::trust::fault::{Fault, Judgement};

const SUFFIX: &str = "-cert-v01@openssh.com";
const USER: u32 = 1;
/// Upper bound on principals. Source: OpenSSH, `SSHKEY_CERT_MAX_PRINCIPALS`.
const MAX_PRINCIPALS: usize = 256;

/// A certificate as it was presented; its authority is not believed yet.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) key: PublicKey,
    pub(crate) authority: PublicKey,
    pub(crate) serial: u64,
    pub(crate) key_id: Vec<u8>,
    pub(crate) principals: Vec<String>,
    kind: u32,
    after: u64,
    before: u64,
    critical: Vec<String>,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl Certificate {
    /// Whether `blob` says that it is a certificate.
    pub(crate) fn is_one(blob: &[u8]) -> bool {
        Wire::new(blob).string().is_ok_and(|name| name.ends_with(SUFFIX.as_bytes()))
    }

    /// Whether keys of the type that `blob` names are known.
    pub(crate) fn is_of_known_type(blob: &[u8]) -> bool {
        let name = Wire::new(blob).string().ok().and_then(|name| std::str::from_utf8(name).ok());
        name.is_some_and(|name| plain_type(name).is_some())
    }

    /// Takes a certificate apart.
    pub(crate) fn read(blob: &[u8]) -> Option<Self> {
        Self::read_wire(blob).ok().flatten()
    }

    fn read_wire(blob: &[u8]) -> Result<Option<Self>, Cut> {
        let mut wire = Wire::new(blob);
        let Some(plain) = std::str::from_utf8(wire.string()?).ok().and_then(plain_type) else { return Ok(None) };
        wire.string()?; // the nonce
        let mut key = Vec::new();
        put_string(&mut key, plain.name.as_bytes());
        for _ in 0..plain.fields {
            put_string(&mut key, wire.string()?);
        }
        let serial = wire.u64()?;
        let kind = wire.u32()?;
        let key_id = wire.string()?.to_vec();
        let principals = strings(wire.string()?)?;
        let (after, before) = (wire.u64()?, wire.u64()?);
        let critical = strings(wire.string()?)?;
        strings(wire.string()?)?; // extensions grant rights of a session, of which a signature uses none
        let reserved = wire.string()?;
        let authority = wire.string()?;
        let signed = blob[..blob.len() - wire.left()].to_vec();
        let signature = wire.string()?.to_vec();
        wire.end()?;
        let (Some(key), Some(authority)) = (PublicKey::read(&key), PublicKey::read(authority)) else { return Ok(None) };
        if !reserved.is_empty() || critical.len() % 2 != 0 || principals.len() > MAX_PRINCIPALS {
            return Ok(None);
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        let Some(principals) = principals.into_iter().map(text).collect::<Option<Vec<_>>>() else { return Ok(None) };
        let names = critical.iter().step_by(2).map(|name| String::from_utf8_lossy(name).into_owned());
        let critical = names.collect();
        Ok(Some(Self { key, authority, serial, key_id, principals, kind, after, before, critical, signed, signature }))
    }

    /// Whether the authority named in it signed it, for a user, with nothing in it that cannot be enforced.
    /// An authority that is a security key must have been touched.
    pub(crate) fn check(&self) -> Judgement<()> {
        self.authority.refuse_weak()?;
        if !self.authority.verify(&self.signed, &self.signature)?.present {
            let fact = format!("the authority's security key {} was not touched", self.authority.fingerprint());
            return Err(Fault::new(Reason::UserPresenceMissing, fact));
        }
        if self.kind != USER {
            return Err(Fault::new(Reason::UnknownSigner, "the certificate is not a user certificate"));
        }
        match self.critical.iter().find(|name| *name != "verify-required") {
            Some(name) => {
                let fact = format!("the certificate's critical option `{}` cannot be kept", name.escape_debug());
                Err(Fault::new(Reason::UnsupportedCertificate, fact))
            }
            None => Ok(()),
        }
    }

    /// Whether the certificate asks for a PIN or finger on the security key.
    pub(crate) fn requires_verification(&self) -> bool {
        self.critical.iter().any(|name| name == "verify-required")
    }

    /// Whether it is in force `at` seconds after 1970: `valid after <= at < valid before`.
    pub(crate) fn valid_at(&self, at: i64) -> bool {
        u64::try_from(at).is_ok_and(|at| self.after <= at && at < self.before)
    }
}

struct Plain {
    name: &'static str,
    /// Strings of the key behind its type.
    fields: usize,
}

fn plain_type(certificate: &str) -> Option<Plain> {
    // The two types of security keys carry their vendor suffix inside the certificate's name.
    let (name, fields) = match certificate.strip_suffix(SUFFIX)? {
        "ssh-ed25519" => ("ssh-ed25519", 1),
        "ssh-rsa" => ("ssh-rsa", 2),
        "ecdsa-sha2-nistp256" => ("ecdsa-sha2-nistp256", 2),
        "ecdsa-sha2-nistp384" => ("ecdsa-sha2-nistp384", 2),
        "ecdsa-sha2-nistp521" => ("ecdsa-sha2-nistp521", 2),
        "sk-ssh-ed25519" => ("sk-ssh-ed25519@openssh.com", 2),
        "sk-ecdsa-sha2-nistp256" => ("sk-ecdsa-sha2-nistp256@openssh.com", 3),
        _ => return None,
    };
    Some(Plain { name, fields })
}

fn strings(bytes: &[u8]) -> Result<Vec<&[u8]>, Cut> {
    let mut wire = Wire::new(bytes);
    let mut found = Vec::new();
    while !wire.is_empty() {
        found.push(wire.string()?);
    }
    Ok(found)
}
