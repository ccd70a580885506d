//! SSH keys, certificates and signatures byte by byte, so that tests can bend them.
//!
//! Source: OpenSSH, PROTOCOL.sshsig, PROTOCOL.certkeys, PROTOCOL.u2f.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;
use signature::Signer as _;
use ssh_key::PrivateKey;

/// Appends a string with its length.
pub fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).expect("a short string").to_be_bytes());
    out.extend(bytes);
}

/// Strings one behind the other.
pub fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    parts.iter().for_each(|part| put(&mut out, part));
    out
}

/// The public half in wire form.
pub fn public(key: &PrivateKey) -> Vec<u8> {
    key.public_key().to_bytes().expect("a public key has a wire form")
}

/// What is signed for a commit or tag whose signature covers `payload`.
pub fn message(payload: &[u8]) -> Vec<u8> {
    [b"SSHSIG".as_slice(), &strings(&[b"git", b"", b"sha512", &sha2::Sha512::digest(payload)])].concat()
}

/// A signature over `bytes`, in wire form.
pub fn signed(key: &PrivateKey, bytes: &[u8]) -> Vec<u8> {
    key.try_sign(bytes).expect("the key signs").try_into().expect("a signature has a wire form")
}

/// What a security key that holds `secret` answers when it is asked to sign `bytes`, in wire form.
pub fn touched(secret: &PrivateKey, bytes: &[u8], flags: u8) -> Vec<u8> {
    let counter = 7u32.to_be_bytes();
    let asked = [&sha2::Sha256::digest(b"ssh:")[..], &[flags], &counter, &sha2::Sha256::digest(bytes)].concat();
    let answer = secret.try_sign(&asked).expect("the key signs");
    let kind = if secret.algorithm().is_ed25519() { SK_ED25519 } else { SK_ECDSA };
    [&strings(&[kind.as_bytes(), answer.as_bytes()])[..], &[flags], &counter].concat()
}

/// The public key of the security key that holds `secret`, in wire form.
pub fn security_key(secret: &PrivateKey) -> Vec<u8> {
    let data = secret.public_key().key_data();
    match (data.ed25519(), data.ecdsa()) {
        (Some(key), _) => strings(&[SK_ED25519.as_bytes(), &key.0[..], b"ssh:"]),
        (None, Some(key)) => strings(&[SK_ECDSA.as_bytes(), b"nistp256", key.as_sec1_bytes(), b"ssh:"]),
        (None, None) => panic!("security keys are ed25519 or ecdsa"),
    }
}

/// A signature in armor, said to be by `key`.
pub fn armored(key: &[u8], signature: &[u8]) -> String {
    let envelope = [b"SSHSIG\0\0\0\x01".as_slice(), &strings(&[key, b"git", b"", b"sha512", signature])].concat();
    format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", STANDARD.encode(envelope))
}

/// The line of `allowed_signers` for `who`, with `options` (none, or ending in a blank) and a key in wire form.
pub fn line(who: &str, options: &str, key: &[u8]) -> String {
    let length = usize::from(key[3]);
    format!("{who} {options}{} {}\n", String::from_utf8_lossy(&key[4..4 + length]), STANDARD.encode(key))
}

/// A certificate to be made.
#[derive(Clone)]
pub struct Certificate {
    /// The key it is about, in wire form.
    pub key: Vec<u8>,
    /// Its number.
    pub serial: u64,
    /// 1 for users, 2 for hosts.
    pub kind: u32,
    /// Whom it speaks for.
    pub principals: Vec<String>,
    /// From when on, in seconds since 1970.
    pub after: u64,
    /// Until when; that second no more.
    pub before: u64,
    /// Critical options: name and data in turn.
    pub critical: Vec<Vec<u8>>,
    /// What should be empty.
    pub reserved: Vec<u8>,
    /// The authority's key as the certificate names it, in wire form.
    pub authority: Vec<u8>,
}

impl Certificate {
    /// One for `principal` about `key`, by `authority`, for ever.
    pub fn new(key: &PrivateKey, principal: &str, authority: &PrivateKey) -> Self {
        Self {
            key: public(key),
            serial: 7,
            kind: 1,
            principals: vec![principal.to_owned()],
            after: 0,
            before: u64::MAX,
            critical: Vec::new(),
            reserved: Vec::new(),
            authority: public(authority),
        }
    }

    /// The bytes that the authority signs.
    pub fn unsigned(&self) -> Vec<u8> {
        let length = 4 + usize::from(self.key[3]);
        let (name, fields) = (&self.key[4..length], &self.key[length..]);
        let name = [name.strip_suffix(b"@openssh.com").unwrap_or(name), b"-cert-v01@openssh.com"].concat();
        let principals: Vec<&[u8]> = self.principals.iter().map(String::as_bytes).collect();
        let critical: Vec<&[u8]> = self.critical.iter().map(Vec::as_slice).collect();
        let mut out = strings(&[&name, &[5; 32]]);
        out.extend(fields);
        out.extend(self.serial.to_be_bytes());
        out.extend(self.kind.to_be_bytes());
        out.extend(strings(&[b"laptop", &strings(&principals)]));
        out.extend(self.after.to_be_bytes());
        out.extend(self.before.to_be_bytes());
        out.extend(strings(&[&strings(&critical), &strings(&[b"permit-pty", b""]), &self.reserved, &self.authority]));
        out
    }

    /// With this signature of its authority, in wire form.
    pub fn with(&self, signature: &[u8]) -> Vec<u8> {
        let mut out = self.unsigned();
        put(&mut out, signature);
        out
    }

    /// Signed by `authority`.
    pub fn by(&self, authority: &PrivateKey) -> Vec<u8> {
        self.with(&signed(authority, &self.unsigned()))
    }
}

/// The type of security keys with Ed25519.
pub const SK_ED25519: &str = "sk-ssh-ed25519@openssh.com";
/// The type of security keys with NIST P-256.
pub const SK_ECDSA: &str = "sk-ecdsa-sha2-nistp256@openssh.com";
