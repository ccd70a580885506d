//! OpenPGP signatures on commits: our own packet and envelope rules first, then sequoia's mathematics and certificates.

mod certificates;
mod key;
mod packet;
mod revocation;

pub(super) use certificates::Certificates;

use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::{Packet, PacketPile};

use super::Reason;
use super::fault::{Fault, Judgement};
use super::signer::Signer;
use super::time::{Skew, show};
use super::verified::SignatureKind;

/// Judges the bytes inside `PGP SIGNATURE` armor over `payload`, for a commit made at `date`, `now`.
pub(super) fn judge(
    bytes: &[u8],
    payload: &[u8],
    date: i64,
    now: i64,
    skew: Skew,
    trusted: &Certificates,
) -> Judgement<Signer> {
    let outline = packet::outline(bytes)?;
    judge_times(&outline, date, now, skew)?;
    let signature = parse(bytes)?;
    let mut candidates = trusted.by_issuers(&outline.issuers);
    if outline.issuers.is_empty() {
        candidates.retain(|candidate| candidate.made(&signature, payload));
    }
    let unknown = || {
        let named: Vec<String> = outline.issuers.iter().map(|id| hex(id)).collect();
        if named.is_empty() {
            return Fault::new(Reason::UnknownSigner, "no listed key made this signature");
        }
        Fault::new(Reason::UnknownSigner, format!("key {} is not listed", named.join(" or ")))
    };
    // Several certificates may hold the same key. One in which it is in order is enough, unless another revokes it.
    // Listed for several principals it speaks for each, as a key on several lines of allowed_signers does.
    let mut signer: Option<Signer> = None;
    let mut first_fault = None;
    for candidate in candidates {
        match candidate.judge(&signature, payload, outline.created) {
            Ok(key) => {
                let nobody = || Signer { names: vec![], speaks_for: vec![], key, kind: SignatureKind::Pgp };
                let signer = signer.get_or_insert_with(nobody);
                if !signer.is_among(&[candidate.principal.to_owned()]) {
                    signer.names.push(candidate.principal.to_owned());
                }
            }
            Err(fault) if fault.reason == Reason::RevokedKey => return Err(fault),
            Err(fault) => {
                first_fault.get_or_insert(fault);
            }
        }
    }
    signer.ok_or_else(|| first_fault.unwrap_or_else(unknown))
}

fn judge_times(outline: &packet::Outline, date: i64, now: i64, skew: Skew) -> Judgement<()> {
    let created = outline.created;
    if created > now.saturating_add(skew.future) {
        return Err(Fault::new(
            Reason::FutureDated,
            format!("the signature's time {} lies in the future", show(created)),
        ));
    }
    if (created - date).abs() > skew.backward {
        let fact = format!("the signature was made at {} and the commit at {}", show(created), show(date));
        return Err(Fault::new(Reason::SignatureTimeMismatch, fact));
    }
    match outline.expires {
        Some(expires) if expires <= now => {
            Err(Fault::new(Reason::SignatureExpired, format!("the signature expired at {}", show(expires))))
        }
        Some(_) | None => Ok(()),
    }
}

fn parse(bytes: &[u8]) -> Judgement<Signature> {
    let malformed = || Fault::new(Reason::MalformedSignature, "the OpenPGP signature packet cannot be read");
    let mut packets = PacketPile::from_bytes(bytes).map_err(|_| malformed())?.into_children();
    match (packets.next(), packets.next()) {
        (Some(Packet::Signature(signature)), None) => Ok(signature),
        _ => Err(malformed()),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
        text
    })
}
