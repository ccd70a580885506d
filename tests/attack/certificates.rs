//! OpenPGP certificates that their holders, thieves or strangers have bent.

use std::time::Duration;

use gitwarrant::trust::Reason;
use sequoia_openpgp::Packet;
use sequoia_openpgp::packet::key::{KeyRole, SecretParts};
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::packet::signature::subpacket::{Subpacket, SubpacketTag, SubpacketValue};
use sequoia_openpgp::packet::{Key, Signature};
use sequoia_openpgp::types::ReasonForRevocation::{self, KeyCompromised, KeyRetired};
use sequoia_openpgp::types::{HashAlgorithm, RevocationKey, SignatureType};

use super::place::{DAY, HOUR, Place, THEN};
use crate::support::openpgp::{
    Primary, Sub, anonymous, certificate, detached, flags, head, key, pair, plain, public, revocation, signature,
};
use crate::support::signing::By;

/// When every key here was made.
const MADE: i64 = THEN - 100 * DAY;
/// When every commit here was made and signed.
const SIGNED: i64 = THEN + HOUR;

/// A place with a commit on top that `by` has signed.
fn place<R: KeyRole>(by: &Key<SecretParts, R>) -> Place {
    let place = Place::new();
    place.commit("a", "1\n", By::Nobody, HOUR);
    place.sign_head(|file| {
        let payload = std::fs::read(file).unwrap();
        detached(signature(SignatureType::Binary, SIGNED).sign_message(&mut pair(by), payload).unwrap())
    });
    place
}

fn judge(place: &mut Place, certificates: &[String]) -> Result<(), Reason> {
    let listed = certificates.iter().map(|text| ("carol@example.org".to_owned(), text.clone()));
    place.policy.signers[0].openpgp = listed.collect();
    place.judge().map(drop)
}

/// Adds a part of the packet that nobody knows and that must be understood.
fn critical(signature: SignatureBuilder) -> SignatureBuilder {
    let unknown = SubpacketValue::Unknown { tag: SubpacketTag::Unknown(77), body: b"?".to_vec() };
    signature
        .modify_hashed_area(|mut area| {
            area.add(Subpacket::new(unknown, true)?)?;
            Ok(area)
        })
        .unwrap()
}

/// A signature by `by` that `sub` belongs to `primary`.
fn back(by: &Sub, primary: &Primary, sub: &Sub, bent: SignatureBuilder) -> Signature {
    bent.sign_primary_key_binding(&mut pair(by), primary, sub).unwrap()
}

fn back_at(at: i64) -> SignatureBuilder {
    signature(SignatureType::PrimaryKeyBinding, at)
}

#[test]
fn a_subkey_signs_only_where_it_has_signed_that_it_belongs_there() {
    let (primary, sub, other): (Primary, Sub, Sub) = (key(MADE), key(MADE), key(MADE));
    let stranger: Primary = key(MADE);
    let mut place = place(&sub);
    let bound = |backs: Vec<Signature>| {
        let binding = signature(SignatureType::SubkeyBinding, MADE).set_key_flags(flags(true)).unwrap();
        let binding = binding.modify_unhashed_area(|mut area| {
            for back in backs {
                area.add(Subpacket::new(SubpacketValue::EmbeddedSignature(back), false)?)?;
            }
            Ok(area)
        });
        let binding = binding.unwrap().sign_subkey_binding(&mut pair(&primary), None, &sub).unwrap();
        let mut packets = head(&primary, vec![], plain(&primary, false)).unwrap();
        packets.extend([Packet::from(public(&sub)), binding.into()]);
        certificate(packets)
    };
    let good = || back(&sub, &primary, &sub, back_at(MADE));
    let short = || back_at(MADE).set_signature_validity_period(Duration::from_secs(1000)).unwrap();
    let weak = || back_at(MADE).set_hash_algo(HashAlgorithm::SHA1);
    for (what, backs, expected) in [
        ("its own", vec![good()], Ok(())),
        ("none", vec![], Err(Reason::MissingBackSignature)),
        ("another key's", vec![back(&other, &primary, &sub, back_at(MADE))], Err(Reason::MissingBackSignature)),
        ("for another", vec![back(&sub, &stranger, &sub, back_at(MADE))], Err(Reason::MissingBackSignature)),
        ("run out", vec![back(&sub, &primary, &sub, short())], Err(Reason::MissingBackSignature)),
        ("of later", vec![back(&sub, &primary, &sub, back_at(SIGNED + DAY))], Err(Reason::MissingBackSignature)),
        ("by SHA-1", vec![back(&sub, &primary, &sub, weak())], Err(Reason::WeakAlgorithm)),
        (
            "one that is its own and has run out, one in force that is not",
            vec![back(&sub, &primary, &sub, short()), back(&other, &primary, &sub, back_at(MADE))],
            Err(Reason::MissingBackSignature),
        ),
        (
            "one that is its own and by SHA-1, one by SHA-2 that is not",
            vec![back(&sub, &primary, &sub, weak()), back(&other, &primary, &sub, back_at(MADE))],
            Err(Reason::MissingBackSignature),
        ),
        ("another key's, and its own", vec![back(&other, &primary, &sub, back_at(MADE)), good()], Ok(())),
    ] {
        assert_eq!(judge(&mut place, &[bound(backs)]), expected, "{what}");
    }
}

#[test]
fn a_revocation_counts_whatever_else_it_says() {
    let primary: Primary = key(MADE);
    let mut place = place(&primary);
    let (later, earlier) = (SIGNED + DAY / 2, SIGNED - DAY);
    let (compromised, retired) = (Some(KeyCompromised), Some(KeyRetired));
    for (what, bent, expected) in [
        ("compromised, told later", revocation(later, compromised), Err(Reason::RevokedKey)),
        ("without a reason", revocation(later, None), Err(Reason::RevokedKey)),
        ("of next year", revocation(THEN + 365 * DAY, compromised), Err(Reason::RevokedKey)),
        ("by SHA-1", revocation(later, compromised).set_hash_algo(HashAlgorithm::SHA1), Err(Reason::RevokedKey)),
        ("with what nobody knows", critical(revocation(later, compromised)), Err(Reason::RevokedKey)),
        ("retired, and then signed", revocation(earlier, retired), Err(Reason::RevokedKey)),
        ("retired with what nobody knows", critical(revocation(earlier, retired)), Err(Reason::RevokedKey)),
        ("signed, and then retired", revocation(later, retired), Ok(())),
    ] {
        let made = bent.sign_direct_key(&mut pair(&primary), None).unwrap();
        let listed = certificate(head(&primary, vec![made], plain(&primary, true)).unwrap());
        assert_eq!(judge(&mut place, &[listed]), expected, "{what}");
    }
}

#[test]
fn others_revoke_only_where_the_certificate_appoints_them() {
    let (primary, dave, erin): (Primary, Primary, Primary) = (key(MADE), key(MADE), key(MADE));
    let mut place = place(&primary);
    let appoints = || {
        let (algorithm, fingerprint) = (dave.pk_algo(), dave.fingerprint());
        let dave = RevocationKey::new(algorithm, fingerprint, false);
        let direct = signature(SignatureType::DirectKey, MADE).set_key_flags(flags(true)).unwrap();
        direct.set_revocation_key(dave).unwrap().sign_direct_key(&mut pair(&primary), None).unwrap()
    };
    let by = |who: &Primary, at: i64, reason: ReasonForRevocation| {
        revocation(at, Some(reason)).sign_direct_key(&mut pair(who), &public(&primary)).unwrap()
    };
    for (what, direct, expected) in [
        ("a stranger", vec![by(&erin, SIGNED - DAY, KeyCompromised)], Ok(())),
        ("a stranger, dave being appointed", vec![by(&erin, SIGNED - DAY, KeyCompromised), appoints()], Ok(())),
        ("dave", vec![by(&dave, SIGNED + 60, KeyCompromised), appoints()], Err(Reason::RevokedKey)),
        ("dave, who is not appointed", vec![by(&dave, SIGNED + 60, KeyCompromised)], Ok(())),
        ("dave, who retires it later", vec![by(&dave, SIGNED + 60, KeyRetired), appoints()], Ok(())),
    ] {
        let listed = certificate(head(&primary, direct, plain(&primary, true)).unwrap());
        assert_eq!(judge(&mut place, &[listed]), expected, "{what}");
    }
}

#[test]
fn copies_of_a_certificate_are_read_as_one() {
    let primary: Primary = key(MADE);
    let mut place = place(&primary);
    let with = |at: i64, life: Option<i64>| {
        let bent = signature(SignatureType::PositiveCertification, at).set_key_flags(flags(true)).unwrap();
        let life = life.map(|end| Duration::from_secs((end - MADE).unsigned_abs()));
        certificate(head(&primary, vec![], vec![bent.set_key_validity_period(life).unwrap()]).unwrap())
    };
    let endless = with(MADE, None);
    let shortened = with(SIGNED - 10 * DAY, Some(SIGNED - DAY));
    assert_eq!(judge(&mut place, std::slice::from_ref(&endless)), Ok(()));
    assert_eq!(judge(&mut place, std::slice::from_ref(&shortened)), Err(Reason::KeyNotValidAtTime));
    for both in [[endless.clone(), shortened.clone()], [shortened, endless]] {
        assert_eq!(judge(&mut place, &both), Err(Reason::KeyNotValidAtTime), "whichever is listed first");
    }
    // As gpg leaves it after extending: nothing in it is as old as the commit.
    let extended = with(SIGNED + DAY / 2, Some(SIGNED + 900 * DAY));
    let before = with(MADE, Some(SIGNED + DAY / 4));
    assert_eq!(judge(&mut place, std::slice::from_ref(&extended)), Err(Reason::KeyNotValidAtTime));
    assert_eq!(judge(&mut place, &[extended, before]), Ok(()), "with the copy from before that");
}

#[test]
fn expiry_counts_at_the_second_of_the_signature() {
    let primary: Primary = key(MADE);
    let mut place = place(&primary);
    for (end, expected) in [(SIGNED, Err(Reason::KeyNotValidAtTime)), (SIGNED + 1, Ok(()))] {
        let life = Duration::from_secs((end - MADE).unsigned_abs());
        let bent = plain(&primary, true).remove(0).set_key_validity_period(life).unwrap();
        let listed = certificate(head(&primary, vec![], vec![bent]).unwrap());
        assert_eq!(judge(&mut place, &[listed]), expected, "{end}");
    }
}

#[test]
fn a_self_signature_is_by_sha2_and_understood() {
    let primary: Primary = key(MADE);
    let mut place = place(&primary);
    let plain = || plain(&primary, true).remove(0);
    for (what, bent, expected) in [
        ("SHA-1", plain().set_hash_algo(HashAlgorithm::SHA1), Err(Reason::WeakAlgorithm)),
        ("MD5", plain().set_hash_algo(HashAlgorithm::MD5), Err(Reason::WeakAlgorithm)),
        ("RIPEMD-160", plain().set_hash_algo(HashAlgorithm::RipeMD), Err(Reason::WeakAlgorithm)),
        ("SHA-256", plain().set_hash_algo(HashAlgorithm::SHA256), Ok(())),
        ("a critical part", critical(plain()), Err(Reason::KeyNotValidAtTime)),
        ("no signing", plain().set_key_flags(flags(false)).unwrap(), Err(Reason::KeyNotSigningCapable)),
    ] {
        let listed = certificate(head(&primary, vec![], vec![bent]).unwrap());
        assert_eq!(judge(&mut place, &[listed]), expected, "{what}");
    }
    let direct = signature(SignatureType::DirectKey, MADE).set_key_flags(flags(true)).unwrap();
    let direct = direct.sign_direct_key(&mut pair(&primary), None).unwrap();
    let nameless = vec![Packet::from(public(&primary)), direct.into()];
    assert_eq!(judge(&mut place, &[certificate(nameless)]), Ok(()), "user ids are for display");
}

/// A place whose head `primary` has signed, without a word of whose signature it is.
fn without_issuer(primary: &Primary) -> Place {
    let place = Place::new();
    place.commit("a", "1\n", By::Nobody, HOUR);
    place.sign_head(|file| detached(anonymous(primary, &std::fs::read(file).unwrap(), SIGNED)));
    place
}

#[test]
fn nobody_but_the_signer_is_meant_where_no_issuer_is_named() {
    let (primary, other): (Primary, Primary) = (key(MADE), key(MADE));
    let mut place = without_issuer(&primary);
    let listed = |key: &Primary, sign: bool| certificate(head(key, vec![], plain(key, sign)).unwrap());
    assert_eq!(judge(&mut place, &[listed(&other, true), listed(&primary, true)]), Ok(()));
    assert_eq!(judge(&mut place, &[listed(&other, true)]), Err(Reason::UnknownSigner));
    let both = [listed(&other, true), listed(&primary, false)];
    assert_eq!(judge(&mut place, &both), Err(Reason::KeyNotSigningCapable));
}
