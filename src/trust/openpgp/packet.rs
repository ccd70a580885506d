//! One OpenPGP signature packet, taken apart on raw bytes before any library sees it.
//!
//! Source: RFC 9580, sections 4.2 and 5.2.

use crate::trust::Reason;
use crate::trust::fault::{Fault, Judgement};

const SIGNATURE: u8 = 2;
/// Type of a signature over a binary document.
const BINARY_DOCUMENT: u8 = 0x00;

const CREATION_TIME: u8 = 2;
const EXPIRATION_TIME: u8 = 3;
const ISSUER: u8 = 16;
const SIGNERS_USER_ID: u8 = 28;
const EMBEDDED_SIGNATURE: u8 = 32;
const ISSUER_FINGERPRINT: u8 = 33;

/// Public-key algorithms whose S is a canonical scalar: EdDSA with MPIs (22), Ed25519 (27).
const EDDSA: u8 = 22;
const ED25519: u8 = 27;

/// What a signature packet says about itself.
#[derive(Debug)]
pub(super) struct Outline {
    /// Seconds since 1970.
    pub(super) created: i64,
    /// Seconds since 1970; `None` where it does not expire.
    pub(super) expires: Option<i64>,
    /// Key ids (8 bytes) and fingerprints (20 or 32 bytes) of the issuer.
    pub(super) issuers: Vec<Vec<u8>>,
}

/// Refuses everything but one signature packet over a binary document with a strong hash.
pub(super) fn outline(bytes: &[u8]) -> Judgement<Outline> {
    let (tag, body, rest) = packet(bytes).ok_or_else(|| malformed("not a whole OpenPGP packet"))?;
    if tag != SIGNATURE {
        return Err(malformed(format!("an OpenPGP packet of type {tag} where one signature is expected")));
    }
    if !rest.is_empty() {
        return Err(malformed("more behind the signature packet"));
    }
    let mut body = Bytes(body);
    let version = body.byte()?;
    if !matches!(version, 4 | 6) {
        return Err(Fault::new(Reason::UnsupportedSignature, format!("an OpenPGP signature of version {version}")));
    }
    let (kind, key_algorithm, hash) = (body.byte()?, body.byte()?, body.byte()?);
    if kind != BINARY_DOCUMENT {
        let fact = format!("an OpenPGP signature of type 0x{kind:02x} where 0x00 is expected");
        return Err(Fault::new(Reason::WrongSignatureType, fact));
    }
    // SHA-256, SHA-384, SHA-512.
    if !matches!(hash, 8..=10) {
        return Err(Fault::new(
            Reason::WeakAlgorithm,
            format!("OpenPGP hash algorithm {hash} is not SHA-2 (256, 384, 512)"),
        ));
    }
    let hashed = body.area(version)?;
    let unhashed = body.area(version)?;
    body.take(2)?; // the start of the digest
    if version == 6 {
        let salt = body.byte()?;
        body.take(salt.into())?;
    }
    refuse_loose_scalar(key_algorithm, body)?;
    let mut outline = read_hashed(hashed)?;
    read_unhashed(unhashed, &mut outline)?;
    Ok(outline)
}

fn read_hashed(area: &[u8]) -> Judgement<Outline> {
    let mut created = None;
    let mut lifetime = None;
    let mut issuers = Vec::new();
    for part in subpackets(area)? {
        let known = match part.kind {
            CREATION_TIME => {
                let time = part.seconds()?;
                if created.replace(time).is_some() {
                    return Err(malformed("two creation times"));
                }
                true
            }
            EXPIRATION_TIME => {
                let time = part.seconds()?;
                if lifetime.replace(time).is_some() {
                    return Err(malformed("two expiration times"));
                }
                true
            }
            ISSUER | ISSUER_FINGERPRINT => {
                issuers.push(part.issuer()?);
                true
            }
            SIGNERS_USER_ID => true,
            // Nothing else is known; of notations none, so that a critical one never is.
            _ => false,
        };
        if part.critical && !known {
            let fact = format!("critical sub-packet of type {} in the OpenPGP signature", part.kind);
            return Err(Fault::new(Reason::CriticalSubpacket, fact));
        }
    }
    let created = created.ok_or_else(|| malformed("no creation time"))?;
    // A lifetime of zero means that it does not expire.
    let expires = lifetime.filter(|&seconds| seconds != 0).map(|seconds| created + seconds);
    Ok(Outline { created, expires, issuers })
}

/// Nothing signs the unhashed area, so it may only hold what is checked by its own means.
fn read_unhashed(area: &[u8], outline: &mut Outline) -> Judgement<()> {
    let mut seen = Vec::new();
    for part in subpackets(area)? {
        match part.kind {
            kind if seen.contains(&kind) => return Err(malformed("an unhashed sub-packet is there twice")),
            ISSUER | ISSUER_FINGERPRINT => outline.issuers.push(part.issuer()?),
            EMBEDDED_SIGNATURE => {}
            kind => return Err(malformed(format!("sub-packet of type {kind} in the unhashed area"))),
        }
        seen.push(part.kind);
    }
    Ok(())
}

/// Refuses an EdDSA signature whose S is not below the order of the curve: S and S+L sign the same.
fn refuse_loose_scalar(algorithm: u8, mut rest: Bytes<'_>) -> Judgement<()> {
    let scalar = match algorithm {
        EDDSA => {
            rest.mpi()?;
            rest.mpi()?
        }
        ED25519 => {
            rest.take(32)?;
            rest.take(32)?
        }
        _ => return Ok(()),
    };
    if !rest.0.is_empty() {
        return Err(malformed("more behind the numbers of the signature"));
    }
    // Little-endian, and as a number of the packet without its leading zeros, which are S's low bytes.
    let Some(missing) = 32usize.checked_sub(scalar.len()) else { return Err(bad_scalar()) };
    let mut padded = vec![0u8; missing];
    padded.extend(scalar);
    if padded.iter().rev().lt(GROUP_ORDER.iter()) { Ok(()) } else { Err(bad_scalar()) }
}

fn bad_scalar() -> Fault {
    Fault::new(Reason::BadSignature, "S of the EdDSA signature is not below the order of the curve")
}

/// The order of the group of Ed25519, big-endian.
///
/// Source: RFC 8032, section 5.1.
const GROUP_ORDER: [u8; 32] = [
    0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0xde, 0xf9, 0xde, 0xa2, 0xf7, 0x9c, 0xd6, 0x58, 0x12,
    0x63, 0x1a, 0x5c, 0xf5, 0xd3, 0xed,
];

/// Type, body and what follows of the first packet; `None` for indefinite lengths, which signatures never need.
pub(super) fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0usize, |sum, &byte| sum << 8 | usize::from(byte));
    let (tag, length, rest) = if first & 0x40 == 0 {
        let size = match first & 3 {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => return None,
        };
        let (length, rest) = rest.split_at_checked(size)?;
        (first >> 2 & 0x0f, number(length), rest)
    } else {
        let (length, rest) = new_length(rest)?;
        (first & 0x3f, length, rest)
    };
    let (body, rest) = rest.split_at_checked(length)?;
    Some((tag, body, rest))
}

/// A length of one, two or five bytes.
fn new_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..=191 => Some((first.into(), rest)),
        192..=223 => {
            let (&second, rest) = rest.split_first()?;
            Some(((usize::from(first) - 192) * 256 + usize::from(second) + 192, rest))
        }
        224..=254 => None,
        255 => {
            let (length, rest) = rest.split_at_checked(4)?;
            Some((length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)), rest))
        }
    }
}

struct Subpacket<'a> {
    kind: u8,
    critical: bool,
    value: &'a [u8],
}

impl Subpacket<'_> {
    fn seconds(&self) -> Judgement<i64> {
        let value: [u8; 4] = self.value.try_into().map_err(|_| malformed("a time that is not four bytes long"))?;
        Ok(u32::from_be_bytes(value).into())
    }

    /// The bytes that name a key.
    fn issuer(&self) -> Judgement<Vec<u8>> {
        match (self.kind, self.value) {
            (ISSUER, id) if id.len() == 8 => Ok(id.to_vec()),
            (ISSUER_FINGERPRINT, [4, id @ ..]) if id.len() == 20 => Ok(id.to_vec()),
            (ISSUER_FINGERPRINT, [6, id @ ..]) if id.len() == 32 => Ok(id.to_vec()),
            _ => Err(malformed("an issuer of wrong length or version")),
        }
    }
}

fn subpackets(mut area: &[u8]) -> Judgement<Vec<Subpacket<'_>>> {
    let mut found = Vec::new();
    while !area.is_empty() {
        let read = subpacket_length(area).and_then(|(length, rest)| rest.split_at_checked(length));
        let (part, rest) = read.ok_or_else(|| malformed("a sub-packet is cut short"))?;
        let (&kind, value) = part.split_first().ok_or_else(|| malformed("an empty sub-packet"))?;
        found.push(Subpacket { kind: kind & 0x7f, critical: kind & 0x80 != 0, value });
        area = rest;
    }
    Ok(found)
}

/// As [`new_length`], but here 224 to 254 begin lengths of two bytes too.
fn subpacket_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [first @ 224..=254, second, rest @ ..] => {
            Some(((usize::from(*first) - 192) * 256 + usize::from(*second) + 192, rest))
        }
        _ => new_length(bytes),
    }
}

#[derive(Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Judgement<&'a [u8]> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or_else(|| malformed("the signature packet is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Judgement<u8> {
        Ok(self.take(1)?[0])
    }

    /// A sub-packet area: its length in two bytes (version 4) or four (version 6).
    fn area(&mut self, version: u8) -> Judgement<&'a [u8]> {
        let length = self.take(if version == 6 { 4 } else { 2 })?;
        self.take(length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)))
    }

    /// A number with its length in bits before it.
    fn mpi(&mut self) -> Judgement<&'a [u8]> {
        let bits = self.take(2)?;
        let bits = usize::from(bits[0]) << 8 | usize::from(bits[1]);
        self.take(bits.div_ceil(8))
    }
}

fn malformed(fact: impl Into<String>) -> Fault {
    Fault::new(Reason::MalformedSignature, fact)
}
