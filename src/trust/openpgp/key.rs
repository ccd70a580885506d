//! Whether a key of a certificate could sign at a moment: bound, with a back-signature, in force, not revoked, not weak.

use std::time::{Duration, SystemTime};

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::prelude::*;
use sequoia_openpgp::crypto::mpi;
use sequoia_openpgp::packet::{Signature, key};
use sequoia_openpgp::policy::{HashAlgoSecurity, Policy as _, StandardPolicy};
use sequoia_openpgp::types::{HashAlgorithm, PublicKeyAlgorithm, SignatureType};

use super::hex;
use super::revocation::is_revoked;
use crate::trust::Reason;
use crate::trust::fault::{Fault, Judgement};
use crate::trust::time::show;
use crate::trust::{ListedKey, SignatureKind};

const MIN_RSA_BITS: usize = 2048;

/// A listed key that a signature names.
pub(super) struct Candidate<'a> {
    pub(super) principal: &'a str,
    pub(super) cert: &'a Cert,
    pub(super) key: ErasedKeyAmalgamation<'a, key::PublicParts>,
}

impl Candidate<'_> {
    /// The key's fingerprint, if it made this signature at `created` and could.
    pub(super) fn judge(&self, signature: &Signature, payload: &[u8], created: i64) -> Judgement<String> {
        let name = hex(self.key.key().fingerprint().as_bytes());
        self.refuse_weak(&name)?;
        self.refuse_unknown(&name)?;
        let at = instant(created);
        if at < self.key.key().creation_time() || at < self.cert.primary_key().key().creation_time() {
            let fact = format!("the signature was made at {}, before key {name} was", show(created));
            return Err(Fault::new(Reason::KeyNotValidAtTime, fact));
        }
        if (self.key.key().version() == 6) != (signature.version() == 6) {
            let fact = format!("a signature of version {} by key {name} of another version", signature.version());
            return Err(Fault::new(Reason::BadSignature, fact));
        }
        if !self.made(signature, payload) {
            return Err(Fault::new(Reason::BadSignature, format!("the signature by {name} does not fit")));
        }
        self.refuse_revoked(&name, at)?;
        self.refuse_unbound(&name, at, created)?;
        Ok(name)
    }

    /// Whether the key made this signature over `payload`.
    pub(super) fn made(&self, signature: &Signature, payload: &[u8]) -> bool {
        // The two bytes of the digest that stand in the packet are signed by nobody; where they could be anything, one
        // signature would make as many commits as there are pairs of bytes.
        signature.verify_message(self.key.key(), payload).is_ok()
            && signature.computed_digest().is_some_and(|digest| digest.starts_with(signature.digest_prefix()))
    }

    /// Whether some binding, in force at `now` or not, says that the key is there to sign.
    pub(super) fn signs(&self, now: i64) -> bool {
        let lenient = lenient(instant(now));
        let valid = self.key.clone().with_policy(&lenient, instant(now));
        valid.is_ok_and(|valid| valid.for_signing())
    }

    /// The key as people look at it.
    pub(super) fn listed(&self, now: i64) -> ListedKey {
        let name = hex(self.key.key().fingerprint().as_bytes());
        let at = instant(now);
        let judged = self.refuse_weak(&name).and_then(|()| self.refuse_unknown(&name));
        let judged = judged.and_then(|()| self.refuse_revoked(&name, at));
        let judged = judged.and_then(|()| self.refuse_unbound(&name, at, now));
        let time = |time: SystemTime| jiff::Timestamp::try_from(time).ok();
        let lenient = lenient(at);
        let expires = self.key.clone().with_policy(&lenient, at).ok().and_then(|valid| valid.key_expiration_time());
        ListedKey {
            principals: vec![self.principal.to_owned()],
            kind: SignatureKind::Pgp,
            fingerprint: name,
            authority: false,
            scope: Vec::new(),
            after: time(self.key.key().creation_time()),
            before: expires.and_then(time),
            fault: judged.err().map(|fault| fault.fact),
        }
    }

    fn refuse_unknown(&self, name: &str) -> Judgement<()> {
        let key = self.key.key();
        let known = match key.mpis() {
            mpi::PublicKey::ECDSA { curve, .. } | mpi::PublicKey::EdDSA { curve, .. } => curve.is_supported(),
            _ => key.pk_algo().is_supported(),
        };
        if known {
            return Ok(());
        }
        let fact = format!("key {name} has an algorithm or a curve that is not known here");
        Err(Fault::new(Reason::UnsupportedSignature, fact))
    }

    /// Also the primary key counts: it is what bound the subkey.
    fn refuse_weak(&self, name: &str) -> Judgement<()> {
        for key in [self.key.key(), self.cert.primary_key().key().role_as_unspecified()] {
            let bits = key.mpis().bits().unwrap_or(0);
            #[allow(deprecated)] // the old algorithms must be named to be refused
            let weak = match key.pk_algo() {
                PublicKeyAlgorithm::DSA | PublicKeyAlgorithm::ElGamalEncryptSign => true,
                PublicKeyAlgorithm::RSAEncryptSign | PublicKeyAlgorithm::RSASign | PublicKeyAlgorithm::RSAEncrypt => {
                    bits < MIN_RSA_BITS
                }
                _ => false,
            };
            if weak {
                let fact = format!("key {name} or its primary key is {} with {bits} bits", key.pk_algo());
                return Err(Fault::new(Reason::WeakKey, fact));
            }
        }
        Ok(())
    }

    fn refuse_revoked(&self, name: &str, at: SystemTime) -> Judgement<()> {
        if is_revoked(self.cert, &self.key.key().fingerprint(), &lenient(at), at) {
            return Err(Fault::new(Reason::RevokedKey, format!("key {name} is revoked")));
        }
        Ok(())
    }

    fn refuse_unbound(&self, name: &str, at: SystemTime, created: i64) -> Judgement<()> {
        let strict = strict(at);
        let Ok(valid) = self.key.clone().with_policy(&strict, at) else {
            return Err(self.why_unbound(name, &strict, at, created));
        };
        let flags = if self.key.primary() { valid.key_flags() } else { valid.binding_signature().key_flags() };
        if !flags.is_some_and(|flags| flags.for_signing()) {
            return Err(Fault::new(Reason::KeyNotSigningCapable, format!("key {name} is not marked for signing")));
        }
        if !self.key.primary() && !self.signed_back(valid.binding_signature(), &strict, at) {
            return Err(no_back_signature(name));
        }
        if valid.alive().is_err() {
            let fact = format!("key {name} was expired at {}", show(created));
            return Err(Fault::new(Reason::KeyNotValidAtTime, fact));
        }
        Ok(())
    }

    /// Whether the subkey itself signed, in this binding and in force at that time, that it belongs to the primary key.
    fn signed_back(&self, binding: &Signature, strict: &StandardPolicy<'_>, at: SystemTime) -> bool {
        let primary = self.cert.primary_key().key();
        let subkey = self.key.key().role_as_subordinate();
        binding.embedded_signatures().any(|back| {
            back.signature_alive(at, Duration::ZERO).is_ok()
                && strict.signature(back, HashAlgoSecurity::CollisionResistance).is_ok()
                && back.verify_primary_key_binding(primary, subkey).is_ok()
        })
    }

    /// Whether the primary key, at that time, called this subkey one for signing, and the subkey did not sign back.
    fn lacks_back_signature(&self, strict: &StandardPolicy<'_>, at: SystemTime) -> bool {
        let primary = self.cert.primary_key().key();
        let subkey = self.key.key().role_as_subordinate();
        let by_primary = |binding: &Signature| {
            let mut hash = binding.hash_algo().context().ok()?.for_signature(binding.version());
            binding.hash_subkey_binding(&mut hash, primary, subkey).ok()?;
            binding.verify_digest(primary, hash.into_digest().ok()?).ok()
        };
        // Where the back-signature is missing or somebody else's, the library calls the whole binding bad.
        let mut bindings = self.key.self_signatures().chain(self.cert.bad_signatures());
        bindings.any(|binding| {
            binding.typ() == SignatureType::SubkeyBinding
                && binding.key_flags().is_some_and(|flags| flags.for_signing())
                && binding.signature_alive(at, Duration::ZERO).is_ok()
                && by_primary(binding).is_some()
                && !self.signed_back(binding, strict, at)
        })
    }

    /// The reason why no binding holds at that time.
    fn why_unbound(&self, name: &str, strict: &StandardPolicy<'_>, at: SystemTime, created: i64) -> Fault {
        if self.key.clone().with_policy(&lenient(at), at).is_ok() {
            let fact = format!("key {name} is bound to its certificate by a weak hash or algorithm");
            return Fault::new(Reason::WeakAlgorithm, fact);
        }
        if !self.key.primary() && self.lacks_back_signature(strict, at) {
            return no_back_signature(name);
        }
        let fact = format!(
            "key {name} was not bound to its certificate at {}; gpg leaves older self-signatures out when it extends a \
             key: list a copy from before that too",
            show(created)
        );
        Fault::new(Reason::KeyNotValidAtTime, fact)
    }
}

fn no_back_signature(name: &str) -> Fault {
    let fact = format!("subkey {name} did not sign that it belongs to this certificate");
    Fault::new(Reason::MissingBackSignature, fact)
}

const WEAK: [HashAlgorithm; 3] = [HashAlgorithm::MD5, HashAlgorithm::SHA1, HashAlgorithm::RipeMD];

/// What a self-signature must rest on: SHA-2, and what sequoia thinks strong.
fn strict(at: SystemTime) -> StandardPolicy<'static> {
    let mut policy = StandardPolicy::at(at);
    for hash in WEAK {
        policy.reject_hash(hash);
    }
    policy
}

/// For statements that only take away, and to tell why a strict judgement failed.
fn lenient(at: SystemTime) -> StandardPolicy<'static> {
    let mut policy = StandardPolicy::at(at);
    for hash in WEAK {
        policy.accept_hash(hash);
    }
    policy
}

fn instant(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
