//! Whether a key of a certificate could sign at a moment: bound, with a back-signature, in force, not revoked, not weak.

use std::time::{Duration, SystemTime};

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::prelude::*;
use sequoia_openpgp::packet::{Signature, key};
use sequoia_openpgp::policy::{HashAlgoSecurity, Policy as _, StandardPolicy};
use sequoia_openpgp::types::{HashAlgorithm, PublicKeyAlgorithm, RevocationStatus, SignatureType};

use super::hex;
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
        let at = instant(created);
        if at < self.key.key().creation_time() || at < self.cert.primary_key().key().creation_time() {
            let fact = format!("the signature was made at {}, before key {name} was", show(created));
            return Err(Fault::new(Reason::KeyNotValidAtTime, fact));
        }
        if (self.key.key().version() == 6) != (signature.version() == 6) {
            let fact = format!("a signature of version {} by key {name} of another version", signature.version());
            return Err(Fault::new(Reason::BadSignature, fact));
        }
        signature
            .verify_message(self.key.key(), payload)
            .map_err(|_| Fault::new(Reason::BadSignature, format!("the signature by {name} does not fit")))?;
        self.refuse_revoked(&name, at)?;
        self.refuse_unbound(&name, at, created)?;
        Ok(name)
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
        let judged = self.refuse_weak(&name).and_then(|()| self.refuse_revoked(&name, at));
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

    /// A revocation counts even if it rests on a weak hash: whoever forges one can only take away.
    fn refuse_revoked(&self, name: &str, at: SystemTime) -> Judgement<()> {
        let lenient = lenient(at);
        let own = self.key.key().fingerprint();
        let of_subkey = self.cert.keys().subkeys().find(|subkey| subkey.key().fingerprint() == own);
        // The library forgets a retirement when a later binding follows; a retired key stays retired here.
        let retired = |mut statements: Vec<&Signature>| {
            statements.retain(|statement| statement.signature_creation_time().is_none_or(|when| when <= at));
            !statements.is_empty()
        };
        let own_statements = of_subkey.as_ref().map(|subkey| subkey.self_revocations().collect()).unwrap_or_default();
        if retired(own_statements) || retired(self.cert.primary_key().self_revocations().collect()) {
            return Err(Fault::new(Reason::RevokedKey, format!("key {name} is revoked")));
        }
        let of_subkey = of_subkey.as_ref().map(|subkey| subkey.revocation_status(&lenient, at));
        for status in of_subkey.into_iter().chain([self.cert.revocation_status(&lenient, at)]) {
            let revoked = match status {
                RevocationStatus::Revoked(_) => true,
                // By somebody else: counts where the certificate appoints anybody for it.
                RevocationStatus::CouldBe(_) => self.cert.revocation_keys(&lenient).next().is_some(),
                RevocationStatus::NotAsFarAsWeKnow => false,
            };
            if revoked {
                return Err(Fault::new(Reason::RevokedKey, format!("key {name} is revoked")));
            }
        }
        Ok(())
    }

    fn refuse_unbound(&self, name: &str, at: SystemTime, created: i64) -> Judgement<()> {
        let strict = strict(at);
        let Ok(valid) = self.key.clone().with_policy(&strict, at) else {
            return Err(self.why_unbound(name, at, created));
        };
        let flags = if self.key.primary() { valid.key_flags() } else { valid.binding_signature().key_flags() };
        if !flags.is_some_and(|flags| flags.for_signing()) {
            return Err(Fault::new(Reason::KeyNotSigningCapable, format!("key {name} is not marked for signing")));
        }
        if !self.key.primary() && !self.signed_back(valid.binding_signature(), &strict) {
            return Err(no_back_signature(name));
        }
        if valid.alive().is_err() {
            let fact = format!("key {name} was expired at {}", show(created));
            return Err(Fault::new(Reason::KeyNotValidAtTime, fact));
        }
        Ok(())
    }

    /// Whether the subkey itself signed that it belongs to the primary key.
    fn signed_back(&self, binding: &Signature, strict: &StandardPolicy<'_>) -> bool {
        let primary = self.cert.primary_key().key();
        let subkey = self.key.key().role_as_subordinate();
        binding.embedded_signatures().any(|back| {
            strict.signature(back, HashAlgoSecurity::CollisionResistance).is_ok()
                && back.verify_primary_key_binding(primary, subkey).is_ok()
        })
    }

    /// The reason why no binding holds at that time.
    fn why_unbound(&self, name: &str, at: SystemTime, created: i64) -> Fault {
        if self.key.clone().with_policy(&lenient(at), at).is_ok() {
            let fact = format!("key {name} is bound to its certificate by a weak hash or algorithm");
            return Fault::new(Reason::WeakAlgorithm, fact);
        }
        let lacks_back = |signature: &&Signature| {
            signature.typ() == SignatureType::SubkeyBinding
                && signature.key_flags().is_some_and(|flags| flags.for_signing())
                && signature.embedded_signatures().next().is_none()
        };
        if !self.key.primary() && self.cert.bad_signatures().any(|signature| lacks_back(&signature)) {
            return no_back_signature(name);
        }
        Fault::new(
            Reason::KeyNotValidAtTime,
            format!("key {name} was not bound to its certificate at {}", show(created)),
        )
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
