//! OpenPGP certificates as no tool makes them, each signature in them made one by one. Made by sequoia's packets.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sequoia_openpgp::crypto::hash::Hash as _;
use sequoia_openpgp::crypto::{KeyPair, Signer as _, mpi};
use sequoia_openpgp::packet::key::{Key4, KeyRole, PrimaryRole, PublicParts, SecretParts, SubordinateRole};
use sequoia_openpgp::packet::signature::subpacket::{Subpacket, SubpacketArea, SubpacketValue};
use sequoia_openpgp::packet::signature::{Signature4, SignatureBuilder};
use sequoia_openpgp::packet::{Key, Signature, UserID};
use sequoia_openpgp::serialize::SerializeInto as _;
use sequoia_openpgp::types::{Curve, HashAlgorithm, KeyFlags, ReasonForRevocation, SignatureType, Timestamp};
use sequoia_openpgp::{Packet, Result};

/// A key that may lead a certificate.
pub type Primary = Key<SecretParts, PrimaryRole>;
/// A key that a certificate may hold.
pub type Sub = Key<SecretParts, SubordinateRole>;

/// A new key of Ed25519, made at `created` (seconds since 1970).
pub fn key<R: KeyRole>(created: i64) -> Key<SecretParts, R> {
    let mut key = Key4::<SecretParts, R>::generate_ecc(true, Curve::Ed25519).expect("a key");
    key.set_creation_time(instant(created)).expect("a time after 1970");
    key.into()
}

/// The key to sign with.
pub fn pair<R: KeyRole>(key: &Key<SecretParts, R>) -> KeyPair {
    key.clone().into_keypair().expect("it has its secret")
}

/// A signature of `kind` to be made at `at` (seconds since 1970), by SHA-512 unless it is changed.
pub fn signature(kind: SignatureType, at: i64) -> SignatureBuilder {
    let signature = SignatureBuilder::new(kind).set_hash_algo(HashAlgorithm::SHA512);
    signature.set_signature_creation_time(instant(at)).expect("a time after 1970")
}

/// Says that a key may sign, or with `sign` false only that it may certify.
pub fn flags(sign: bool) -> KeyFlags {
    if sign { KeyFlags::empty().set_signing() } else { KeyFlags::empty().set_certification() }
}

/// The primary key and a user id that the key binds to itself as `bent` says, with `direct` signatures before that.
pub fn head(primary: &Primary, direct: Vec<Signature>, bent: Vec<SignatureBuilder>) -> Result<Vec<Packet>> {
    let user = UserID::from("Carol <carol@example.org>");
    let mut packets = vec![Packet::from(public(primary))];
    packets.extend(direct.into_iter().map(Packet::from));
    packets.push(user.clone().into());
    for signature in bent {
        packets.push(signature.sign_userid_binding(&mut pair(primary), None, &user)?.into());
    }
    Ok(packets)
}

/// A self-signature that is in order, made with the key: it certifies, and signs where `sign` says so.
pub fn plain(primary: &Primary, sign: bool) -> Vec<SignatureBuilder> {
    let created = primary.creation_time().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let signature = signature(SignatureType::PositiveCertification, i64::try_from(created).expect("a small number"));
    vec![signature.set_key_flags(flags(sign)).expect("flags")]
}

/// A revocation of the primary key itself for `reason`, as `bent` says.
pub fn revocation(at: i64, reason: Option<ReasonForRevocation>) -> SignatureBuilder {
    let signature = signature(SignatureType::KeyRevocation, at);
    match reason {
        Some(reason) => signature.set_reason_for_revocation(reason, b"test").expect("a reason"),
        None => signature,
    }
}

/// The key without its secret.
pub fn public<R: KeyRole>(key: &Key<SecretParts, R>) -> Key<PublicParts, R> {
    key.clone().take_secret().0
}

/// A signature over `message` that says nothing of who made it.
pub fn anonymous(key: &Primary, message: &[u8], at: i64) -> Signature {
    let time = SubpacketValue::SignatureCreationTime(Timestamp::try_from(instant(at)).expect("after 1970"));
    let hashed = SubpacketArea::new(vec![Subpacket::new(time, false).expect("small")]).expect("an area");
    let made = |prefix, mpis| {
        let (area, kind) = (hashed.clone(), SignatureType::Binary);
        Signature4::new(kind, key.pk_algo(), HashAlgorithm::SHA512, area, SubpacketArea::default(), prefix, mpis)
    };
    let mut hash = HashAlgorithm::SHA512.context().expect("it is there").for_signature(4);
    hash.update(message);
    made([0; 2], mpi::Signature::Ed25519 { s: Box::new([0; 64]) }).hash(&mut hash).expect("it is hashed");
    let digest = hash.into_digest().expect("64 bytes");
    let mpis = pair(key).sign(HashAlgorithm::SHA512, &digest).expect("it signs");
    made([digest[0], digest[1]], mpis).into()
}

/// The packets as a certificate's file has them.
pub fn certificate(packets: Vec<Packet>) -> String {
    let bytes: Vec<u8> = packets.iter().flat_map(|packet| packet.to_vec().expect("packets of our own")).collect();
    armored("PGP PUBLIC KEY BLOCK", &bytes)
}

/// A detached signature as a commit has it.
pub fn detached(signature: Signature) -> String {
    armored("PGP SIGNATURE", &Packet::from(signature).to_vec().expect("a packet of our own"))
}

fn armored(label: &str, bytes: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n\n{}\n-----END {label}-----\n", STANDARD.encode(bytes))
}

fn instant(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())
}
