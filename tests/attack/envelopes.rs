//! Signatures that real tools make, and other verifiers take, that prove less than they seem to.

use std::path::Path;
use std::process::Command;

use gitwarrant::trust::Reason;

use super::place::{DAY, HOUR, Place, THEN};
use crate::support::signing::{By, GpgKey, run};

/// A place with an unsigned commit on top, and an OpenPGP key that is listed.
fn place() -> (Place, GpgKey) {
    let mut place = Place::new();
    let key = place.signers.gpg_key("carol@example.org", "rsa3072");
    place.certify(&key);
    place.commit("a", "1\n", By::Nobody, HOUR);
    (place, key)
}

fn with_gpg(arguments: &[&str]) -> Result<Vec<String>, Reason> {
    let (place, key) = place();
    place.sign_head(|file| place.gpg_sign(&key, THEN + HOUR, arguments, file));
    place.judge()
}

#[test]
fn openpgp_signatures_over_a_binary_document_by_sha2_are_believed() {
    for digest in ["SHA256", "SHA384", "SHA512"] {
        assert_eq!(
            with_gpg(&["--digest-algo", digest, "--detach-sign"]),
            Ok(vec!["carol@example.org".into()]),
            "{digest}"
        );
    }
    let notation = ["--sig-notation", "reviewed@example.org=yes", "--detach-sign"];
    assert!(with_gpg(&notation).is_ok(), "a notation that is not critical");
    let comment = ["--comment", "hello", "--detach-sign"];
    assert!(with_gpg(&comment).is_ok(), "an armor header");
}

#[test]
fn openpgp_signatures_of_other_kinds_are_refused() {
    for (arguments, expected) in [
        (&["--digest-algo", "SHA1", "--detach-sign"][..], Reason::WeakAlgorithm),
        (&["--digest-algo", "RIPEMD160", "--detach-sign"], Reason::WeakAlgorithm),
        (&["--digest-algo", "SHA224", "--detach-sign"], Reason::WeakAlgorithm),
        (&["--textmode", "--detach-sign"], Reason::WrongSignatureType),
        (&["--sig-notation", "!reviewed@example.org=yes", "--detach-sign"], Reason::CriticalSubpacket),
        (&["--sign"], Reason::UnsupportedSignature),
        (&["--clear-sign"], Reason::UnsupportedSignature),
        (&["--default-sig-expire", "20260601T020000", "--detach-sign"], Reason::SignatureExpired),
    ] {
        assert_eq!(with_gpg(arguments), Err(expected), "{arguments:?}");
    }
}

#[test]
fn openpgp_signature_time_stays_with_the_commit() {
    for (at, expected) in [
        (THEN + HOUR + DAY, Ok(())),
        (THEN + HOUR + DAY + 1, Err(Reason::SignatureTimeMismatch)),
        (THEN + HOUR - DAY - 1, Err(Reason::SignatureTimeMismatch)),
        (THEN + 400 * DAY, Err(Reason::FutureDated)),
        (1_750_000_000, Err(Reason::SignatureTimeMismatch)),
    ] {
        let (mut place, key) = place();
        place.now = THEN + 2 * DAY;
        // A key that signs before it was made needs gpg's own consent.
        let arguments = ["--ignore-time-conflict", "--ignore-valid-from", "--detach-sign"];
        place.sign_head(|file| place.gpg_sign(&key, at, &arguments, file));
        assert_eq!(place.judge().map(drop), expected, "{at}");
    }
}

#[test]
fn armor_holds_exactly_one_signature_and_nothing_else() {
    let (place, key) = place();
    let unsigned = place.raw_head();
    let armor = place.kept.path().join("armor");
    place.sign_head(|file| {
        let text = place.gpg_sign(&key, THEN + HOUR, &["--detach-sign"], file);
        std::fs::write(&armor, &text).unwrap();
        text
    });
    assert!(place.judge().is_ok());
    let good = std::fs::read_to_string(&armor).unwrap();
    let certificate = place.signers.certificate(&key);
    let body = |text: &str| text.split_once("\n\n").unwrap().1.split_once("\n=").unwrap().0.to_owned();
    for (bad, expected) in [
        (format!("hello\n{good}"), Reason::MalformedSignature),
        (format!("{good}hello\n"), Reason::MalformedSignature),
        (format!("{good}{good}"), Reason::MalformedSignature),
        (good.replace("PGP SIGNATURE", "SSH SIGNATURE"), Reason::MalformedSignature),
        (good.replace("PGP SIGNATURE", "PGP MESSAGE"), Reason::UnsupportedSignature),
        (good.replace("PGP SIGNATURE", "SIGNED MESSAGE"), Reason::UnsupportedSignature),
        (good.replace("-----END PGP SIGNATURE-----\n", ""), Reason::MalformedSignature),
        (
            format!("-----BEGIN PGP SIGNATURE-----\n\n{}\n-----END PGP SIGNATURE-----\n", body(&certificate)),
            Reason::MalformedSignature,
        ),
        (good.replacen("\n\n", "\n\nAAAA", 1), Reason::MalformedSignature),
    ] {
        place.forge(unsigned.as_bytes());
        place.sign_head(|_| bad.clone());
        assert_eq!(place.judge(), Err(expected), "{bad}");
    }
}

#[test]
fn a_signature_over_another_commit_is_refused() {
    let (place, _) = place();
    place.commit("a", "2\n", By::Ssh(&place.alice), 2 * HOUR);
    let raw = place.raw_head();
    let start = raw.find("gpgsig ").unwrap();
    let armor = raw[start + 7..raw.find("\n\n").unwrap()].replace("\n ", "\n");
    place.git(&["reset", "-q", "--hard", &place.root]);
    place.commit("a", "3\n", By::Nobody, 3 * HOUR);
    place.sign_head(|_| armor);
    assert_eq!(place.judge(), Err(Reason::BadSignature));
}

/// What `ssh-keygen -Y sign` makes of `file`.
fn ssh_sign(place: &Place, arguments: &[&str], file: &Path) -> String {
    let signature = file.with_extension("sig");
    drop(std::fs::remove_file(&signature));
    let mut keygen = Command::new("ssh-keygen");
    run(keygen.args(["-q", "-Y", "sign", "-f"]).arg(&place.alice.private).args(arguments).arg(file));
    std::fs::read_to_string(signature).unwrap()
}

#[test]
fn ssh_signatures_count_in_their_namespace_with_a_strong_hash() {
    for (arguments, expected) in [
        (&["-n", "git"][..], Ok(())),
        (&["-n", "git", "-O", "hashalg=sha256"], Ok(())),
        (&["-n", "file"], Err(Reason::WrongNamespace)),
        (&["-n", "Git"], Err(Reason::WrongNamespace)),
        (&["-n", "git,file"], Err(Reason::WrongNamespace)),
    ] {
        let (place, _) = place();
        place.sign_head(|file| ssh_sign(&place, arguments, file));
        assert_eq!(place.judge().map(drop), expected, "{arguments:?}");
    }
}

#[test]
fn ssh_armor_is_read_at_any_width_and_with_nothing_around_it() {
    let (place, _) = place();
    let unsigned = place.raw_head();
    place.sign_head(|file| ssh_sign(&place, &["-n", "git"], file));
    let good = std::fs::read_to_string(place.kept.path().join("payload.sig")).unwrap();
    let mut lines = good.lines();
    let first = lines.next().unwrap();
    let body: String = lines.by_ref().take_while(|line| !line.starts_with("-----")).collect();
    let last = first.replace("BEGIN", "END");
    for (armor, expected) in [
        (format!("{first}\n{body}\n{last}\n"), Ok(())),
        (format!("{first}\n{}\n{}\n{last}\n", &body[..76], &body[76..]), Ok(())),
        (good.replace('\n', "\r\n"), Ok(())),
        (format!("{good}more\n"), Err(Reason::MalformedSignature)),
        (format!("{good}{good}"), Err(Reason::MalformedSignature)),
        (good.replace("SSH SIGNATURE", "PGP SIGNATURE"), Err(Reason::MalformedSignature)),
        (format!("{first}\n{body}AAAA\n{last}\n"), Err(Reason::MalformedSignature)),
    ] {
        place.forge(unsigned.as_bytes());
        place.sign_head(|_| armor.clone());
        assert_eq!(place.judge().map(drop), expected, "{armor}");
    }
}

/// `key` withdrawn by its holder for gpg's reason `code` (1 compromised, 3 no longer used), at `at`.
fn revoke(place: &Place, key: &GpgKey, code: &str, at: &str) -> std::path::PathBuf {
    let file = place.kept.path().join(format!("revocation-{code}"));
    let answers = place.kept.path().join("answers");
    std::fs::write(&answers, format!("y\n{code}\n\ny\n")).unwrap();
    let mut gpg = place.signers.gpg();
    gpg.args([&format!("--faked-system-time={at}!"), "--no-batch", "--yes", "--command-file"]).arg(answers);
    gpg.args(["--pinentry-mode", "loopback", "--passphrase", "", "--output"]).arg(&file);
    run(gpg.args(["--gen-revoke", &key.fingerprint]));
    file
}

#[test]
fn a_retired_openpgp_key_stays_retired_whatever_it_says_later() {
    let (mut place, key) = place();
    place.now = THEN + 20 * DAY;
    place.sign_head(|file| place.gpg_sign(&key, THEN + HOUR, &["--detach-sign"], file));
    place.git(&["branch", "before"]);
    place.commit("a", "2\n", By::Nobody, 6 * DAY);
    place.sign_head(|file| place.gpg_sign(&key, THEN + 6 * DAY, &["--detach-sign"], file));
    let retired = revoke(&place, &key, "3", "20260603T000000");
    let mut renew = place.signers.gpg();
    renew.args(["--faked-system-time=20260605T000000!", "--quick-set-expire", &key.fingerprint, "20300101T000000"]);
    // The holder's copy says both: retired, and bound anew after that. (gpg keeps the newest binding alone.)
    run(&mut renew);
    run(place.signers.gpg().arg("--import").arg(&retired));
    let never_renewed = place.policy.signers[0].openpgp.clone();
    place.certify(&key);
    let first = place.signers.rev_parse(&place.repository, "before");
    place.applied(&first);
    assert_eq!(place.judge(), Err(Reason::RevokedKey));
    place.policy.signers[0].openpgp = never_renewed;
    assert!(place.judge().is_ok(), "where nobody told of it");
}

#[test]
fn a_retired_openpgp_keys_older_signatures_stay_good() {
    let (mut place, key) = place();
    place.now = THEN + 20 * DAY;
    place.sign_head(|file| place.gpg_sign(&key, THEN + HOUR, &["--detach-sign"], file));
    place.git(&["branch", "before"]);
    place.commit("a", "2\n", By::Nobody, 6 * DAY);
    place.sign_head(|file| place.gpg_sign(&key, THEN + 6 * DAY, &["--detach-sign"], file));
    let retired = revoke(&place, &key, "3", "20260603T000000");
    run(place.signers.gpg().arg("--import").arg(&retired));
    place.certify(&key);
    assert_eq!(place.judge(), Err(Reason::RevokedKey));
    place.git(&["reset", "-q", "--hard", "before"]);
    assert!(place.judge().is_ok());
}

#[test]
fn a_compromised_openpgp_key_never_signed_anything() {
    let (mut place, key) = place();
    place.now = THEN + 20 * DAY;
    place.sign_head(|file| place.gpg_sign(&key, THEN + HOUR, &["--detach-sign"], file));
    let revocation = revoke(&place, &key, "1", "20260610T000000");
    assert!(place.judge().is_ok());
    run(place.signers.gpg().arg("--import").arg(&revocation));
    place.certify(&key);
    assert_eq!(place.judge(), Err(Reason::RevokedKey));
}
