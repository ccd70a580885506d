//! Security keys, numbered certificates, the other hash, and bytes made to collide.

use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitwarrant::trust::Reason;
use ssh_key::PrivateKey;

use super::place::{HOUR, Place, THEN};
use crate::support::loom::private;
use crate::support::signing::{By, Signers, SshKey, run};
use crate::support::sshwire::{Certificate, armored, line, message, public, security_key, strings, touched};

/// The armor that a security key which holds `secret` makes for the file.
fn by_security_key(secret: &PrivateKey, file: &Path, flags: u8) -> String {
    let payload = std::fs::read(file).unwrap();
    armored(&security_key(secret), &touched(secret, &message(&payload), flags))
}

fn ssh_keygen_finds_it_good(file: &Path, armor: &str) -> bool {
    let signature = file.with_extension("sig");
    std::fs::write(&signature, armor).unwrap();
    let mut check = Command::new("ssh-keygen");
    check.args(["-Y", "check-novalidate", "-n", "git", "-s"]).arg(&signature);
    check.stdin(std::fs::File::open(file).unwrap()).stdout(Stdio::null()).stderr(Stdio::null());
    check.status().unwrap().success()
}

#[test]
fn a_security_key_counts_when_it_was_touched() {
    for (kind, flags, without, allowed) in [
        ("ed25519", 0x01, Ok(()), Ok(())),
        ("ed25519", 0x05, Ok(()), Ok(())),
        ("ed25519", 0x00, Err(Reason::UserPresenceMissing), Ok(())),
        ("ed25519", 0x04, Err(Reason::UserPresenceMissing), Ok(())),
        ("ecdsa", 0x01, Ok(()), Ok(())),
        ("ecdsa", 0x00, Err(Reason::UserPresenceMissing), Ok(())),
    ] {
        let mut place = Place::new();
        let secret = private(&place.signers.ssh_key("alice@example.org-2", kind));
        place.allow(line("alice@example.org", "", &security_key(&secret)));
        place.commit("a", "1", By::Nobody, HOUR);
        place.sign_head(|file| {
            let armor = by_security_key(&secret, file, flags);
            assert!(ssh_keygen_finds_it_good(file, &armor), "it is made as OpenSSH makes it");
            armor
        });
        assert_eq!(place.judge().map(drop), without, "flags {flags}");
        place.policy.no_touch_allowed = vec!["bob@example.org".into()];
        assert_eq!(place.judge().map(drop), without, "flags {flags}: bob need not, alice must");
        place.policy.no_touch_allowed = vec!["alice@example.org".into()];
        assert_eq!(place.judge().map(drop), allowed, "flags {flags}");
    }
}

#[test]
fn a_certificate_may_ask_for_a_pin_or_finger() {
    let mut place = Place::new();
    let (secret, authority) = (private(&place.alice), private(&place.signers.ssh_key("ca", "ed25519")));
    place.allow(line("*", "cert-authority ", &public(&authority)));
    place.policy.no_touch_allowed = vec!["alice@example.org".into()];
    place.commit("a", "1", By::Nobody, HOUR);
    let unsigned = place.raw_head();
    let plain =
        Certificate { key: security_key(&secret), ..Certificate::new(&secret, "alice@example.org", &authority) };
    let asks = Certificate { critical: vec![b"verify-required".to_vec(), Vec::new()], ..plain.clone() };
    for (certificate, flags, expected) in [
        (&plain, 0, Ok(())),
        (&plain, 1, Ok(())),
        (&asks, 5, Ok(())),
        (&asks, 1, Err(Reason::UserPresenceMissing)),
        (&asks, 0, Err(Reason::UserPresenceMissing)),
    ] {
        place.forge(unsigned.as_bytes());
        place.sign_head(|file| {
            let payload = std::fs::read(file).unwrap();
            armored(&certificate.by(&authority), &touched(&secret, &message(&payload), flags))
        });
        assert_eq!(place.judge().map(drop), expected, "{flags}");
    }
}

#[test]
fn flags_of_a_security_key_are_signed() {
    let mut place = Place::new();
    let secret = private(&place.alice);
    place.allow(line("alice@example.org", "", &security_key(&secret)));
    place.commit("a", "1", By::Nobody, HOUR);
    place.sign_head(|file| {
        let armor = by_security_key(&secret, file, 0);
        let body: String = armor.lines().filter(|line| !line.starts_with('-')).collect();
        let mut bytes = STANDARD.decode(body).unwrap();
        let at = bytes.len() - 5;
        bytes[at] = 1;
        format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", STANDARD.encode(bytes))
    });
    assert_eq!(place.judge(), Err(Reason::BadSignature));
}

/// The neutral point as a key: with `S = 0` and the same point as `R`, every message is signed under it.
///
/// Source: RFC 8032, section 5.1.7: `[8][S]B = [8]R + [8][k]A'` holds with nothing on either side.
#[test]
fn a_key_under_which_anybody_can_sign_is_weak_even_when_it_is_listed() {
    let neutral = [&[1][..], &[0; 31]].concat();
    let blob = strings(&[b"ssh-ed25519", &neutral]);
    let armor = armored(&blob, &strings(&[b"ssh-ed25519", &[neutral.as_slice(), &[0; 32]].concat()]));
    let mut place = Place::new();
    place.allow(line("alice@example.org", "", &blob));
    place.commit("a", "1", By::Nobody, HOUR);
    place.sign_head(|_| armor);
    assert_eq!(place.judge(), Err(Reason::WeakKey));
}

/// Bob's certificate number 7 with the id `laptop`, by `authority`.
fn certificate(place: &Place, authority: &SshKey) -> SshKey {
    let mut keygen = Command::new("ssh-keygen");
    keygen.args([
        "-q",
        "-I",
        "laptop",
        "-z",
        "7",
        "-n",
        "bob@example.org",
        "-V",
        "20260531000000Z:20260602000000Z",
        "-s",
    ]);
    run(keygen.arg(&authority.private).arg(place.bob.private.with_extension("pub")));
    let file = format!("{}-cert.pub", place.bob.private.display());
    SshKey { principal: String::new(), private: file.into(), public: String::new() }
}

#[test]
fn certificates_are_withdrawn_by_number_range_and_id_of_their_authority_alone() {
    let mut place = Place::new();
    let [authority, other] = ["ca", "other"].map(|name| place.signers.ssh_key(name, "ed25519"));
    place.allow(format!("*@example.org cert-authority {}\n", authority.public));
    let by = certificate(&place, &authority);
    place.commit("a", "1", By::Ssh(&by), HOUR);
    assert!(place.judge().is_ok());
    let (list, orders) = (place.kept.path().join("krl"), place.kept.path().join("orders"));
    let revoked = Err(Reason::RevokedKey);
    for (order, of, expected) in [
        ("serial: 7", Some(&authority), revoked),
        ("serial: 6", Some(&authority), Ok(())),
        ("serial: 3-9", Some(&authority), revoked),
        ("serial: 1-6\nserial: 8-99", Some(&authority), Ok(())),
        ("serial: 1\nserial: 3\nserial: 5\nserial: 7\nserial: 9", Some(&authority), revoked),
        ("serial: 7", Some(&other), Ok(())),
        ("id: laptop", Some(&authority), revoked),
        ("id: desktop", Some(&authority), Ok(())),
        ("id: laptop", Some(&other), Ok(())),
        ("BOB", None, revoked),
        ("sha256: BOB", None, revoked),
        ("sha256: CA", None, revoked),
    ] {
        let order = order.replace("BOB", &place.bob.public).replace("CA", &authority.public);
        std::fs::write(&orders, format!("{order}\n")).unwrap();
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-k", "-f"]).arg(&list);
        if let Some(of) = of {
            keygen.arg("-s").arg(of.private.with_extension("pub"));
        }
        run(keygen.arg(&orders));
        place.policy.signers[0].revoked = Some(std::fs::read(&list).unwrap());
        assert_eq!(place.judge().map(drop), expected, "{order}");
    }
}

#[test]
fn repositories_of_the_other_hash_are_judged_by_their_own_header() {
    let mut place = Place::new();
    let repository = place.kept.path().join("sha256");
    std::fs::create_dir(&repository).unwrap();
    let mut init = place.signers.git(&repository, THEN);
    run(init.args(["init", "--quiet", "--object-format=sha256", "--initial-branch=main"]));
    place.repository = repository;
    place.policy.root = place.signers.commit(&place.repository, "root", By::Nobody, THEN);
    assert_eq!(place.policy.root.len(), 64);
    place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    assert_eq!(place.judge(), Ok(vec!["alice@example.org".into()]));
    let raw = place.raw_head();
    place.forge(raw.replacen("gpgsig-sha256 ", "gpgsig ", 1).as_bytes());
    assert!(matches!(place.judge(), Err(Reason::Unsigned | Reason::MalformedSignature)), "the other hash's header");
    place.forge(raw.replacen("\n\na", "\n\nb", 1).as_bytes());
    assert_eq!(place.judge(), Err(Reason::BadSignature));
}

#[test]
fn an_id_of_the_other_hash_is_no_pinned_commit() {
    let mut place = Place::new();
    place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    place.policy.root = "ab".repeat(32);
    assert_eq!(place.judge(), Err(Reason::BadConfiguration));
}

/// The first 320 bytes of a file that was made to have another with the same SHA-1.
///
/// Source: Stevens et al., "The first collision for full SHA-1" (2017), shattered-1.pdf.
const SHATTERED: &str = "255044462d312e330a25e2e3cfd30a0a0a312030206f626a0a3c3c2f57696474682032203020522f4865696768742033203020522f547970652034203020522f537562747970652035203020522f46696c7465722036203020522f436f6c6f7253706163652037203020522f4c656e6774682038203020522f42697473506572436f6d706f6e656e7420383e3e0a73747265616d0affd8fffe00245348412d3120697320646561642121212121852fec092339759c39b1a1c63c4c97e1fffe017346dc9166b67e118f029ab621b2560ff9ca67cca8c7f85ba84c79030c2b3de218f86db3a90901d5df45c14f26fedfb3dc38e96ac22fe7bd728f0e45bce046d23c570feb141398bb552ef5a0a82be331fea48037b8b5d71f0e332edf93ac3500eb4ddc0decc1a864790c782c76215660dd309791d06bd0af3f98cda4bc4629b1";

#[test]
fn bytes_made_to_collide_have_no_id() {
    let bytes: Vec<u8> =
        (0..SHATTERED.len()).step_by(2).map(|at| u8::from_str_radix(&SHATTERED[at..at + 2], 16).unwrap()).collect();
    let hash = |bytes: &[u8]| {
        let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
        hasher.update(bytes);
        hasher.try_finalize().is_ok()
    };
    assert!(!hash(&bytes), "the hash that ids are made with in this build tells such bytes");
    let mut bent = bytes.clone();
    bent[200] ^= 1;
    assert!(hash(&bent), "and takes all others");
    // In a blob the header moves the blocks, so nothing collides, and git reads it too.
    let place = Place::new();
    std::fs::write(place.repository.join("shattered"), &bytes).unwrap();
    place.signers.commit(&place.repository, "blob", By::Ssh(&place.alice), THEN + HOUR);
    assert!(place.judge().is_ok());
}

#[test]
fn a_key_in_two_certificates_speaks_for_both_principals() {
    let mut place = Place::new();
    let key = place.signers.gpg_key("carol@example.org", "ed25519");
    let certificate = place.signers.certificate(&key);
    place.policy.signers[0].openpgp =
        ["carol@example.org", "dave@example.org"].map(|name| (name.to_owned(), certificate.clone())).into();
    place.commit("a", "1", By::Gpg(&key), HOUR);
    place.policy.revoked_principals = vec!["dave@example.org".into()];
    assert_eq!(place.judge(), Err(Reason::RevokedKey), "he holds it too");
    place.policy.revoked_principals.clear();
    place.policy.threshold = 2;
    place.signers.commit(&place.repository, "approve", By::Gpg(&key), THEN + 2 * HOUR);
    assert_eq!(place.judge(), Err(Reason::ThresholdNotMet));
    place.allow(Signers::allowed_signers(&[&place.alice]));
    place.signers.commit(&place.repository, "approve", By::Ssh(&place.alice), THEN + 3 * HOUR);
    assert!(place.judge().is_ok());
}
