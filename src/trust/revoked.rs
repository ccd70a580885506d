//! Keys withdrawn by the administrator: public keys or certificates one a line, or an OpenSSH key revocation list (KRL).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::ConfigError;
use super::allowed_signers;
use super::krl::{self, Krl};
use super::sshsig::{Certificate, Presented, PublicKey};

/// Keys that sign nothing any more, whatever another file says.
#[derive(Debug, Default)]
pub(super) struct Revoked {
    keys: Vec<PublicKey>,
    lists: Vec<Krl>,
}

impl Revoked {
    /// Adds the file `name`.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), ConfigError> {
        let refuse = |line, what: String| ConfigError::new(name, line, what);
        if bytes.len() > allowed_signers::MAX_FILE {
            return Err(refuse(None, format!("more than {} bytes", allowed_signers::MAX_FILE)));
        }
        if let Some(list) = binary_list(bytes) {
            self.lists.push(Krl::read(&list).map_err(|what| refuse(None, what))?);
            return Ok(());
        }
        let text = std::str::from_utf8(bytes).map_err(|_| refuse(None, "neither text nor a KRL".into()))?;
        for (number, line) in text.split('\n').enumerate() {
            let line = line.trim_matches([' ', '\t', '\r']);
            if !line.is_empty() && !line.starts_with('#') {
                self.keys.push(key(line).map_err(|what| refuse(Some(number + 1), what))?);
            }
        }
        Ok(())
    }

    /// Whether the key, the key of the certificate, or its authority is withdrawn.
    pub(super) fn withdraws(&self, by: &Presented) -> bool {
        match by {
            Presented::Key(key) => self.withdraws_key(key),
            Presented::Certificate(certificate) => {
                self.withdraws_key(&certificate.key)
                    || self.withdraws_key(&certificate.authority)
                    || self.lists.iter().any(|list| list.withdraws_certificate(certificate))
            }
        }
    }

    fn withdraws_key(&self, key: &PublicKey) -> bool {
        self.keys.contains(key) || self.lists.iter().any(|list| list.withdraws_key(key))
    }
}

/// The key on a line. A certificate stands for the key that it is about, as in ssh-keygen: with that key it is withdrawn.
fn key(line: &str) -> Result<PublicKey, String> {
    let blob = allowed_signers::wire_form(line)?;
    if !Certificate::is_one(&blob) {
        return allowed_signers::key(&blob);
    }
    Certificate::read(&blob)
        .map(|certificate| certificate.key)
        .ok_or_else(|| "the certificate is not well-formed".to_owned())
}

/// A KRL as it is, or in base64 with or without armor lines.
fn binary_list(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.starts_with(krl::MAGIC) {
        return Some(bytes.to_vec());
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let body: String = text.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).ok().filter(|list| list.starts_with(krl::MAGIC))
}
