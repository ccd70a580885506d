//! OpenSSH key revocation lists. Anything in one that is not understood refuses it: it might withdraw somebody.
//!
//! Source: OpenSSH, PROTOCOL.krl.

use ring::digest;

use super::sshsig::{Certificate, Cut, PublicKey, Wire};

/// What a binary list begins with.
pub(super) const MAGIC: &[u8] = b"SSHKRL\n\0";

const CERTIFICATES: u8 = 1;
const EXPLICIT_KEY: u8 = 2;
const FINGERPRINT_SHA1: u8 = 3;
const FINGERPRINT_SHA256: u8 = 5;
const SERIAL_LIST: u8 = 0x20;
const SERIAL_RANGE: u8 = 0x21;
const SERIAL_BITMAP: u8 = 0x22;
const KEY_ID: u8 = 0x23;

/// A revocation list.
#[derive(Debug, Default)]
pub(super) struct Krl {
    keys: Vec<PublicKey>,
    /// SHA-1 of wire forms: whoever makes two keys of one hash loses both.
    sha1: Vec<Vec<u8>>,
    sha256: Vec<Vec<u8>>,
    certificates: Vec<ByAuthority>,
}

/// Certificates of one authority, or of all.
#[derive(Debug)]
struct ByAuthority {
    /// `None` for all.
    authority: Option<PublicKey>,
    serials: Vec<Serials>,
    key_ids: Vec<Vec<u8>>,
}

/// Serial numbers.
#[derive(Debug)]
enum Serials {
    One(u64),
    /// Both ends included.
    Range(u64, u64),
    /// From a first number on, one bit each: of the last byte the lowest is the first.
    Bitmap(u64, Vec<u8>),
}

impl Krl {
    /// Reads a binary list.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let cut = |Cut| "the KRL is cut short".to_owned();
        let mut wire = Wire::new(bytes);
        if wire.bytes(MAGIC.len()).map_err(cut)? != MAGIC || wire.u32().map_err(cut)? != 1 {
            return Err("not a KRL of version 1".into());
        }
        for _ in 0..3 {
            wire.u64().map_err(cut)?; // version of the list, date, flags
        }
        wire.string().map_err(cut)?; // reserved
        wire.string().map_err(cut)?; // comment
        let mut list = Self::default();
        while !wire.is_empty() {
            let kind = wire.byte().map_err(cut)?;
            let section = wire.string().map_err(cut)?;
            match kind {
                CERTIFICATES => list.certificates.push(ByAuthority::read(section)?),
                EXPLICIT_KEY => {
                    for blob in strings(section).map_err(cut)? {
                        list.keys.push(key(blob)?);
                    }
                }
                FINGERPRINT_SHA1 => list.sha1.extend(hashes(section, &digest::SHA1_FOR_LEGACY_USE_ONLY)?),
                FINGERPRINT_SHA256 => list.sha256.extend(hashes(section, &digest::SHA256)?),
                other => return Err(format!("section {other} of the KRL is not supported")),
            }
        }
        Ok(list)
    }

    /// Whether the key is withdrawn.
    pub(super) fn withdraws_key(&self, key: &PublicKey) -> bool {
        let listed = |hashes: &[Vec<u8>], algorithm| {
            !hashes.is_empty() && {
                let hash = digest::digest(algorithm, key.blob());
                hashes.iter().any(|one| one == hash.as_ref())
            }
        };
        self.keys.contains(key)
            || listed(&self.sha1, &digest::SHA1_FOR_LEGACY_USE_ONLY)
            || listed(&self.sha256, &digest::SHA256)
    }

    /// Whether the certificate is withdrawn by serial number or key id.
    pub(super) fn withdraws_certificate(&self, certificate: &Certificate) -> bool {
        let by_it =
            |entry: &&ByAuthority| entry.authority.as_ref().is_none_or(|authority| *authority == certificate.authority);
        self.certificates.iter().filter(by_it).any(|entry| {
            let serial = certificate.serial;
            // Zero means that the authority does not number its certificates.
            let numbered = serial != 0 && entry.serials.iter().any(|serials| serials.contain(serial));
            numbered || entry.key_ids.contains(&certificate.key_id)
        })
    }
}

impl ByAuthority {
    fn read(section: &[u8]) -> Result<Self, String> {
        let cut = |Cut| "a certificate section of the KRL is cut short".to_owned();
        let mut wire = Wire::new(section);
        let authority = Some(wire.string().map_err(cut)?).filter(|blob| !blob.is_empty()).map(key).transpose()?;
        wire.string().map_err(cut)?; // reserved
        let mut entry = Self { authority, serials: Vec::new(), key_ids: Vec::new() };
        while !wire.is_empty() {
            let kind = wire.byte().map_err(cut)?;
            let mut part = Wire::new(wire.string().map_err(cut)?);
            match kind {
                SERIAL_LIST => {
                    while !part.is_empty() {
                        entry.serials.push(Serials::One(part.u64().map_err(cut)?));
                    }
                }
                SERIAL_RANGE => {
                    let (from, to) = (part.u64().map_err(cut)?, part.u64().map_err(cut)?);
                    part.end().map_err(cut)?;
                    if from > to {
                        return Err(format!("the KRL has a range of serial numbers from {from} down to {to}"));
                    }
                    entry.serials.push(Serials::Range(from, to));
                }
                SERIAL_BITMAP => {
                    let offset = part.u64().map_err(cut)?;
                    let bitmap = part.string().map_err(cut)?;
                    part.end().map_err(cut)?;
                    entry.serials.push(Serials::Bitmap(offset, bitmap.to_vec()));
                }
                KEY_ID => {
                    while !part.is_empty() {
                        entry.key_ids.push(part.string().map_err(cut)?.to_vec());
                    }
                }
                other => return Err(format!("certificate section {other} of the KRL is not supported")),
            }
        }
        Ok(entry)
    }
}

impl Serials {
    fn contain(&self, serial: u64) -> bool {
        match self {
            Serials::One(one) => *one == serial,
            Serials::Range(from, to) => (*from..=*to).contains(&serial),
            Serials::Bitmap(first, bits) => serial.checked_sub(*first).is_some_and(|bit| {
                let from_end = usize::try_from(bit / 8).ok().and_then(|byte| bits.len().checked_sub(byte + 1));
                from_end.is_some_and(|byte| bits[byte] >> (bit % 8) & 1 == 1)
            }),
        }
    }
}

/// A key that a list names. One that cannot be read could be anybody's.
fn key(blob: &[u8]) -> Result<PublicKey, String> {
    PublicKey::read(blob).ok_or_else(|| "the KRL names a key that is not well-formed or of an unknown type".to_owned())
}

fn hashes(section: &[u8], algorithm: &digest::Algorithm) -> Result<Vec<Vec<u8>>, String> {
    let hashes = strings(section).map_err(|Cut| "the KRL is cut short".to_owned())?;
    match hashes.iter().find(|hash| hash.len() != algorithm.output_len()) {
        Some(hash) => Err(format!("the KRL has a hash of {} bytes, not {}", hash.len(), algorithm.output_len())),
        None => Ok(hashes.into_iter().map(<[u8]>::to_vec).collect()),
    }
}

fn strings(section: &[u8]) -> Result<Vec<&[u8]>, Cut> {
    let mut wire = Wire::new(section);
    let mut found = Vec::new();
    while !wire.is_empty() {
        found.push(wire.string()?);
    }
    Ok(found)
}
