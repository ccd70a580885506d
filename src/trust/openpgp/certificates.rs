//! The certificates an administrator listed. A key is known by its fingerprint; user ids are for display.

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::CertParser;
use sequoia_openpgp::parse::Parse as _;

use super::key::Candidate;
use super::packet;
use crate::trust::{ConfigError, ListedKey, envelope};

/// Upper bound on one file of certificates, in bytes.
const MAX_FILE: usize = 4 << 20;
const LABEL: &str = "PGP PUBLIC KEY BLOCK";

/// Packets a public certificate is made of: signature, public key, public subkey, user id, user attribute, padding.
const OF_CERTIFICATES: [u8; 6] = [2, 6, 14, 13, 17, 21];
/// Secret key, secret subkey.
const SECRET: [u8; 2] = [5, 7];

/// Certificates and whose they are.
#[derive(Debug, Default)]
pub(in crate::trust) struct Certificates {
    known: Vec<(String, Cert)>,
}

impl Certificates {
    /// Whether one is listed for `principal`.
    pub(in crate::trust) fn are_of(&self, principal: &str) -> bool {
        self.known.iter().any(|(name, _)| name == principal)
    }

    /// Adds the armored certificates in the file `name`, all of `principal`.
    pub(in crate::trust) fn add(&mut self, name: &str, principal: &str, text: &str) -> Result<(), ConfigError> {
        let refuse = |what: &str| ConfigError::new(name, None, what.to_owned());
        if text.len() > MAX_FILE {
            return Err(refuse("more than 4 MiB"));
        }
        if principal.is_empty() {
            return Err(refuse("no principal for these certificates"));
        }
        let mut found = 0;
        for block in blocks(text) {
            let bytes = envelope::open_pgp(&block, LABEL)
                .map_err(|fault| refuse(&format!("not an armored public certificate: {}", fault.fact)))?;
            refuse_other_packets(&bytes).map_err(|what| refuse(&what))?;
            let certificates = CertParser::from_bytes(&bytes).map_err(|_| refuse("the certificate cannot be read"))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|_| refuse("the certificate cannot be read"))?;
                if certificate.is_tsk() || certificate.unknowns().next().is_some() {
                    return Err(refuse("something in the certificate is not known"));
                }
                self.learn(principal, certificate).map_err(|_| refuse("the certificate cannot be read"))?;
                found += 1;
            }
        }
        if found == 0 { Err(refuse("no certificate in it")) } else { Ok(()) }
    }

    /// Whatever any copy of a certificate says counts for every copy: one may tell of a shorter life, another of the time
    /// before it was extended.
    fn learn(&mut self, principal: &str, mut certificate: Cert) -> sequoia_openpgp::Result<()> {
        let (fingerprint, mut listed) = (certificate.fingerprint(), false);
        for (name, known) in self.known.iter_mut().filter(|(_, known)| known.fingerprint() == fingerprint) {
            certificate = certificate.merge_public(known.clone())?;
            *known = certificate.clone();
            listed |= name == principal;
        }
        if !listed {
            self.known.push((principal.to_owned(), certificate));
        }
        Ok(())
    }

    /// The keys that are there to sign, as things are `now`; a certificate without any is listed by its primary key.
    pub(in crate::trust) fn keys(&self, now: i64) -> Vec<ListedKey> {
        let mut found = Vec::new();
        for (principal, cert) in &self.known {
            let candidates = cert.keys().map(|key| Candidate { principal, cert, key });
            let signing: Vec<Candidate<'_>> = candidates.filter(|candidate| candidate.signs(now)).collect();
            let primary = Candidate { principal, cert, key: cert.primary_key().into() };
            let shown = if signing.is_empty() { vec![primary] } else { signing };
            found.extend(shown.iter().map(|candidate| candidate.listed(now)));
        }
        found
    }

    /// Every key that one of these key ids or fingerprints names; without any, every key there is.
    pub(super) fn by_issuers(&self, issuers: &[Vec<u8>]) -> Vec<Candidate<'_>> {
        let named = |fingerprint: &[u8], v6: bool| {
            issuers.is_empty()
                || issuers.iter().any(|id| match id.len() {
                    8 if v6 => fingerprint.starts_with(id),
                    8 => fingerprint.ends_with(id),
                    _ => fingerprint == id,
                })
        };
        let mut found = Vec::new();
        for (principal, cert) in &self.known {
            for key in cert.keys() {
                if named(key.key().fingerprint().as_bytes(), key.key().version() == 6) {
                    found.push(Candidate { principal, cert, key });
                }
            }
        }
        found
    }
}

/// The armored blocks of a file; what stands between them is a block of its own and refused later.
fn blocks(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for line in text.lines() {
        let inside = found.last().is_some_and(|block| !block.is_empty());
        if !inside && line.trim().is_empty() {
            continue;
        }
        if let Some(block) = found.last_mut() {
            block.push_str(line);
            block.push('\n');
        }
        if line.trim_end().starts_with("-----END ") {
            found.push(String::new());
        }
    }
    found.retain(|block| !block.is_empty());
    found
}

fn refuse_other_packets(bytes: &[u8]) -> Result<(), String> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (tag, _, after) = packet::packet(rest).ok_or("a broken packet in the certificate")?;
        if SECRET.contains(&tag) {
            return Err(
                "a secret key is in it; export only the public certificate, and take this one for stolen".into()
            );
        }
        if !OF_CERTIFICATES.contains(&tag) {
            return Err(format!("a packet of type {tag} is in it, which is no part of a certificate"));
        }
        rest = after;
    }
    Ok(())
}
