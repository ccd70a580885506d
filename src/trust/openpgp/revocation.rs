//! What withdraws a key: its certificate's own revocations, and those of whom the certificate appoints for it.

use std::time::SystemTime;

use sequoia_openpgp::cert::prelude::KeyAmalgamation;
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::policy::Policy;
use sequoia_openpgp::types::RevocationType;
use sequoia_openpgp::{Cert, Fingerprint, KeyHandle};

/// Whether the primary key or the subkey `own` of the certificate is revoked for what was signed at `at`.
///
/// Whoever revokes only takes away: neither a weak hash nor a part that nobody knows makes a revocation count less, nor
/// does a later self-signature, which the library lets bring a retired key back. A revocation by somebody else counts
/// where the certificate appoints its issuer; whether that one really made it cannot be told without its key.
pub(super) fn is_revoked(cert: &Cert, own: &Fingerprint, policy: &dyn Policy, at: SystemTime) -> bool {
    let primary = cert.primary_key();
    let subkey = cert.keys().subkeys().find(|subkey| subkey.key().fingerprint() == *own);
    let of_subkey = subkey.iter().flat_map(KeyAmalgamation::self_revocations);
    let mut by_itself = primary.self_revocations().chain(of_subkey);
    let of_subkey = subkey.iter().flat_map(KeyAmalgamation::other_revocations);
    let mut by_others = primary.other_revocations().chain(of_subkey);
    by_itself.any(|revocation| withdraws(revocation, at))
        || by_others.any(|revocation| withdraws(revocation, at) && is_appointed(cert, revocation, policy))
}

/// A hard one withdraws whatever was ever signed, a soft one (retired, superseded) only what was signed after it.
fn withdraws(revocation: &Signature, at: SystemTime) -> bool {
    let reason = revocation.reason_for_revocation();
    let hard = reason.is_none_or(|(reason, _)| reason.revocation_type() == RevocationType::Hard);
    hard || revocation.signature_creation_time().is_none_or(|made| made <= at)
}

fn is_appointed(cert: &Cert, revocation: &Signature, policy: &dyn Policy) -> bool {
    let issuers = revocation.get_issuers();
    cert.revocation_keys(policy).any(|appointed| {
        let (_, fingerprint) = appointed.revoker();
        let appointed = KeyHandle::from(fingerprint);
        issuers.iter().any(|issuer| issuer.aliases(&appointed))
    })
}
