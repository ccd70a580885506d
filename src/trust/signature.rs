//! Who signed a commit or tag: from its payload and armor to a signer.

use super::Reason;
use super::allowed_signers::AllowedSigners;
use super::envelope::{self, Envelope};
use super::fault::{Fault, Judgement};
use super::openpgp::{self, Certificates};
use super::payload::Signed;
use super::policy::Policy;
use super::signer::Signer;
use super::ssh;
use super::sshsig::SshSig;

/// Whose signatures count.
#[derive(Clone, Copy)]
pub(super) struct Believed<'a> {
    pub(super) allowed: &'a AllowedSigners,
    pub(super) certificates: &'a Certificates,
}

/// The signer of something made at `date`, judged `now`.
pub(super) fn judge(
    object: &Signed,
    date: i64,
    now: i64,
    policy: &Policy,
    believed: Believed<'_>,
) -> Judgement<Signer> {
    let payload = &object.payload;
    let signer = match open(object)? {
        Envelope::Ssh(bytes) => {
            let (revoked, no_touch) = (&policy.revoked, &policy.no_touch_allowed);
            ssh::judge(&bytes, payload, date, believed.allowed, revoked, no_touch)?
        }
        Envelope::OpenPgp(bytes) => openpgp::judge(&bytes, payload, date, now, policy.skew, believed.certificates)?,
    };
    if signer.may_be(&policy.revoked_principals) {
        return Err(Fault::new(Reason::RevokedKey, format!("{} may sign nothing any more", signer.names.join(","))));
    }
    Ok(signer)
}

/// Refuses what nobody listed in the repository can have made, before anybody reads there who is listed.
pub(super) fn refuse_hopeless(object: &Signed, date: i64, now: i64, policy: &Policy) -> Judgement<()> {
    match open(object)? {
        Envelope::Ssh(bytes) => SshSig::read(&bytes).map(drop),
        Envelope::OpenPgp(bytes) => {
            openpgp::judge(&bytes, &object.payload, date, now, policy.skew, &Certificates::default()).map(drop)
        }
    }
}

/// Steps that it takes to find out in `allowed` for whom the key may speak: names are compared with patterns, and whoever
/// pushes chooses both.
pub(super) fn effort(object: &Signed, allowed: &AllowedSigners) -> Judgement<u64> {
    match open(object)? {
        Envelope::Ssh(bytes) => Ok(ssh::effort(&SshSig::read(&bytes)?.by, allowed)),
        Envelope::OpenPgp(_) => Ok(0),
    }
}

fn open(object: &Signed) -> Judgement<Envelope> {
    let armor = object.signature.as_ref().ok_or_else(|| Fault::new(Reason::Unsigned, "it is not signed"))?;
    envelope::open(armor)
}
