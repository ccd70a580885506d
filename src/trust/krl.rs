//! OpenSSH key revocation lists. Anything in one that is not understood refuses it: it might withdraw somebody.
//!
//! Source: OpenSSH, PROTOCOL.krl.

use sha2::Digest as _;

use super::sshsig::{Certificate, Cut, PublicKey, Wire};

/// What a binary list begins with.
pub(super) const MAGIC: &[u8] = b"SSHKRL\n\0";

const CERTIFICATES: u8 = 1;
const EXPLICIT_KEY: u8 = 2;
const FINGERPRINT_SHA256: u8 = 5;
const SERIAL_LIST: u8 = 0x20;
const SERIAL_RANGE: u8 = 0x21;
const SERIAL_BITMAP: u8 = 0x22;
const KEY_ID: u8 = 0x23;

/// A revocation list.
#[derive(Debug, Default)]
pub(super) struct Krl {
    /// Wire forms of keys.
    keys: Vec<Vec<u8>>,
    /// SHA-256 of wire forms.
    hashes: Vec<Vec<u8>>,
    certificates: Vec<ByAuthority>,
}

/// Certificates of one authority, or of all.
#[derive(Debug)]
struct ByAuthority {
    /// Wire form of the authority's key; empty for all.
    authority: Vec<u8>,
    /// Serial numbers, both ends included.
    serials: Vec<(u64, u64)>,
    key_ids: Vec<Vec<u8>>,
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
                EXPLICIT_KEY => list.keys.extend(strings(section).map_err(cut)?),
                FINGERPRINT_SHA256 => list.hashes.extend(strings(section).map_err(cut)?),
                other => return Err(format!("section {other} of the KRL is not supported")),
            }
        }
        Ok(list)
    }

    /// Whether the key is withdrawn.
    pub(super) fn withdraws_key(&self, key: &PublicKey) -> bool {
        let hash = sha2::Sha256::digest(key.blob()).to_vec();
        self.keys.iter().any(|blob| blob == key.blob()) || self.hashes.contains(&hash)
    }

    /// Whether the certificate is withdrawn by serial number or key id.
    pub(super) fn withdraws_certificate(&self, certificate: &Certificate) -> bool {
        let by_it =
            |entry: &&ByAuthority| entry.authority.is_empty() || entry.authority == certificate.authority.blob();
        self.certificates.iter().filter(by_it).any(|entry| {
            let serial = certificate.serial;
            // Zero means that the authority does not number its certificates.
            let numbered = serial != 0 && entry.serials.iter().any(|(from, to)| (*from..=*to).contains(&serial));
            numbered || entry.key_ids.contains(&certificate.key_id)
        })
    }
}

impl ByAuthority {
    fn read(section: &[u8]) -> Result<Self, String> {
        let cut = |Cut| "a certificate section of the KRL is cut short".to_owned();
        let mut wire = Wire::new(section);
        let authority = wire.string().map_err(cut)?.to_vec();
        wire.string().map_err(cut)?; // reserved
        let mut entry = Self { authority, serials: Vec::new(), key_ids: Vec::new() };
        while !wire.is_empty() {
            let kind = wire.byte().map_err(cut)?;
            let mut part = Wire::new(wire.string().map_err(cut)?);
            match kind {
                SERIAL_LIST => {
                    while !part.is_empty() {
                        let serial = part.u64().map_err(cut)?;
                        entry.serials.push((serial, serial));
                    }
                }
                SERIAL_RANGE => {
                    entry.serials.push((part.u64().map_err(cut)?, part.u64().map_err(cut)?));
                    part.end().map_err(cut)?;
                }
                SERIAL_BITMAP => {
                    let offset = part.u64().map_err(cut)?;
                    let bitmap = part.string().map_err(cut)?;
                    part.end().map_err(cut)?;
                    entry
                        .serials
                        .extend(set_bits(bitmap).map(|bit| (offset.saturating_add(bit), offset.saturating_add(bit))));
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

fn set_bits(big_endian: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let bytes = (0u64..).step_by(8).zip(big_endian.iter().rev());
    bytes.flat_map(|(base, byte)| (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| base + bit))
}

fn strings(section: &[u8]) -> Result<Vec<Vec<u8>>, Cut> {
    let mut wire = Wire::new(section);
    let mut found = Vec::new();
    while !wire.is_empty() {
        found.push(wire.string()?.to_vec());
    }
    Ok(found)
}
