//! Which SSH signatures count: revocation, mathematics, presence, and the lines of allowed_signers.

use super::Reason;
use super::allowed_signers::{AllowedSigners, Line};
use super::fault::{Fault, Judgement};
use super::revoked::Revoked;
use super::signer::Signer;
use super::sshsig::{Certificate, Presented, SshSig};
use super::verified::SignatureKind;

/// Comparisons of a letter that count as a step.
const STEP_LETTERS: u64 = 256;

/// Steps that [`judge`] takes beside the mathematics.
pub(super) fn effort(by: &Presented, allowed: &AllowedSigners) -> u64 {
    let letters: u64 = match by {
        Presented::Key(key) => {
            let lines = allowed.lines().iter().filter(|line| !line.authority && line.key == *key);
            lines.map(|line| line.principals.letters_compared()).sum()
        }
        Presented::Certificate(certificate) => {
            let lines = allowed.lines().iter().filter(|line| line.authority && line.key == certificate.authority);
            let names: u64 = certificate.principals.iter().map(|name| name.len() as u64 + 1).sum();
            lines.map(|line| line.principals.letters() * names).sum()
        }
    };
    letters / STEP_LETTERS
}

/// Upper bound on the principals of one key: they are compared with those that other files give it.
const MAX_NAMES: usize = 1000;

/// Upper bound on the principals in all lines of one key, in bytes: people are compared with each other by them.
const MAX_LETTERS: u64 = 16 << 10;

/// Judges the bytes inside `SSH SIGNATURE` armor over `payload`, for a commit made at `date`.
pub(super) fn judge(
    bytes: &[u8],
    payload: &[u8],
    date: i64,
    allowed: &AllowedSigners,
    revoked: &Revoked,
    no_touch: &[String],
) -> Judgement<Signer> {
    let signature = SshSig::read(bytes)?;
    let key = signature.by.key();
    let fingerprint = key.fingerprint();
    if revoked.withdraws(&signature.by) {
        return Err(Fault::new(Reason::RevokedKey, format!("key {fingerprint} or its authority is withdrawn")));
    }
    key.refuse_weak()?;
    let presence = signature.verify(payload, allowed.lines().iter().map(|line| &line.key))?;
    let signer = match &signature.by {
        Presented::Key(key) => {
            let lines = allowed.lines().iter().filter(|line| !line.authority && line.key == *key);
            by_key(lines.collect(), date, &fingerprint)?
        }
        Presented::Certificate(certificate) => by_certificate(certificate, date, allowed, &fingerprint)?,
    };
    if !presence.present && !signer.is_among(no_touch) {
        return Err(Fault::new(Reason::UserPresenceMissing, format!("security key {fingerprint} was not touched")));
    }
    if let Presented::Certificate(certificate) = &signature.by
        && certificate.requires_verification()
        && !presence.verified
    {
        let fact = format!("the certificate of {fingerprint} asks for a PIN or finger, and none was given");
        return Err(Fault::new(Reason::UserPresenceMissing, fact));
    }
    Ok(signer)
}

fn by_key(lines: Vec<&Line>, date: i64, fingerprint: &str) -> Judgement<Signer> {
    if lines.is_empty() {
        return Err(unknown(fingerprint));
    }
    let lines = in_force(lines, date, fingerprint)?;
    let names: Vec<String> = lines.iter().flat_map(|line| line.principals.names()).collect();
    signer(names, &lines, fingerprint)
}

fn by_certificate(
    certificate: &Certificate,
    date: i64,
    allowed: &AllowedSigners,
    fingerprint: &str,
) -> Judgement<Signer> {
    let by_authority = |line: &&Line| line.authority && line.key == certificate.authority;
    let lines: Vec<&Line> = allowed.lines().iter().filter(by_authority).collect();
    if lines.is_empty() {
        return Err(unknown(fingerprint));
    }
    certificate.check()?;
    let speaks = |line: &&Line| certificate.principals.iter().any(|name| line.principals.matches(name));
    let lines: Vec<&Line> = lines.into_iter().filter(speaks).collect();
    if lines.is_empty() {
        let fact = format!("no principal of the certificate of {fingerprint} may be certified by its authority");
        return Err(Fault::new(Reason::UnknownSigner, fact));
    }
    if !certificate.valid_at(date) {
        let fact = format!("the certificate of {fingerprint} was not in force at {}", super::time::show(date));
        return Err(Fault::new(Reason::KeyNotValidAtTime, fact));
    }
    let lines = in_force(lines, date, fingerprint)?;
    let certified = |name: &&String| lines.iter().any(|line| line.principals.matches(name));
    let names = certificate.principals.iter().filter(certified).cloned().collect();
    // The pattern of the line says whom the authority may certify, not whom this key speaks for.
    signer(names, &[], fingerprint)
}

/// The lines for git that are in force at `date`.
fn in_force<'a>(lines: Vec<&'a Line>, date: i64, fingerprint: &str) -> Judgement<Vec<&'a Line>> {
    let for_git: Vec<&Line> = lines.into_iter().filter(|line| line.for_git()).collect();
    if for_git.is_empty() {
        return Err(Fault::new(
            Reason::KeyNotValidForNamespace,
            format!("key {fingerprint} is listed, but not for git"),
        ));
    }
    let valid: Vec<&Line> = for_git.into_iter().filter(|line| line.valid_at(date)).collect();
    if valid.is_empty() {
        let fact = format!("key {fingerprint} was not in force at {}", super::time::show(date));
        return Err(Fault::new(Reason::KeyNotValidAtTime, fact));
    }
    Ok(valid)
}

fn signer(mut names: Vec<String>, lines: &[&Line], fingerprint: &str) -> Judgement<Signer> {
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Err(unknown(fingerprint));
    }
    if names.len() > MAX_NAMES {
        let fact = format!("key {fingerprint} stands for more than {MAX_NAMES} principals");
        return Err(Fault::new(Reason::LimitExceeded, fact));
    }
    let letters: u64 = lines.iter().map(|line| line.principals.letters()).sum();
    if letters > MAX_LETTERS {
        let fact = format!("the lines of key {fingerprint} have more than {MAX_LETTERS} bytes of principals");
        return Err(Fault::new(Reason::LimitExceeded, fact));
    }
    let speaks_for = lines.iter().map(|line| line.principals.clone()).collect();
    Ok(Signer { names, speaks_for, key: fingerprint.to_owned(), kind: SignatureKind::Ssh })
}

fn unknown(fingerprint: &str) -> Fault {
    Fault::new(Reason::UnknownSigner, format!("key {fingerprint} is not listed"))
}
