//! Keys, certificates and files of signers as attackers and tired administrators make them.

use gitwarrant::trust::{Policy, Reason};

use super::place::{HOUR, Place, config_error};
use crate::support::signing::{By, Signers, SshKey, run};

#[test]
fn ssh_keys_of_every_type_are_believed() {
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let mut place = Place::new();
        let key = place.signers.ssh_key("carol@example.org", kind);
        place.allow(Signers::allowed_signers(&[&key]));
        place.commit("a", "1", By::Ssh(&key), HOUR);
        assert_eq!(place.judge(), Ok(vec!["carol@example.org".into()]), "{kind}");
    }
}

#[test]
fn openpgp_keys_of_every_type_are_believed() {
    let curves = ["nistp256", "nistp384", "nistp521", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"];
    for (algorithm, expected) in ["ed25519", "rsa2048", "rsa3072"]
        .into_iter()
        .chain(curves)
        .map(|algorithm| (algorithm, Ok(vec!["carol@example.org".to_owned()])))
        .chain([("rsa1024", Err(Reason::WeakKey)), ("secp256k1", Err(Reason::UnsupportedSignature))])
    {
        let mut place = Place::new();
        let key = place.signers.gpg_key("carol@example.org", algorithm);
        place.certify(&key);
        place.commit("a", "1", By::Gpg(&key), HOUR);
        assert_eq!(place.judge(), expected, "{algorithm}");
    }
}

#[test]
fn a_key_nobody_listed_is_refused() {
    let mut place = Place::new();
    let mallory = place.signers.ssh_key("alice@example.org", "ecdsa");
    place.commit("a", "1", By::Ssh(&mallory), HOUR);
    assert_eq!(place.judge(), Err(Reason::UnknownSigner), "the name in a key's comment proves nothing");
    let gpg = place.signers.gpg_key("alice@example.org", "ed25519");
    place.commit("a", "2", By::Gpg(&gpg), 2 * HOUR);
    place.allow(Signers::allowed_signers(&[&mallory]));
    assert_eq!(place.judge(), Err(Reason::UnknownSigner), "nor does a user id");
}

#[test]
fn options_of_allowed_signers_are_kept() {
    let mut place = Place::new();
    place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    let key = place.alice.public.clone();
    for (options, expected) in [
        ("namespaces=\"git,file\"", Ok(())),
        ("namespaces=\"file\"", Err(Reason::KeyNotValidForNamespace)),
        ("namespaces=\"!git,*\"", Err(Reason::KeyNotValidForNamespace)),
        ("valid-after=\"20260601010000Z\",valid-before=\"20260601010000Z0\"", Err(Reason::BadConfiguration)),
        ("valid-before=\"20260601010000\"", Ok(())),
        ("valid-before=\"20260601005959Z\"", Err(Reason::KeyNotValidAtTime)),
        ("valid-after=\"20260601010000Z\"", Ok(())),
        ("valid-after=\"20260601010001Z\"", Err(Reason::KeyNotValidAtTime)),
        ("cert-authority", Err(Reason::UnknownSigner)),
        ("no-touch-required", Err(Reason::BadConfiguration)),
    ] {
        place.allow(format!("alice@example.org {options} {key}\n"));
        let found = match Policy::read(&place.policy) {
            Ok(_) => place.judge().map(drop),
            Err(_) => Err(Reason::BadConfiguration),
        };
        assert_eq!(found, expected, "{options}");
    }
}

#[test]
fn a_line_that_cannot_be_read_refuses_everything_and_is_named() {
    let mut place = Place::new();
    place.allow(format!("alice@example.org {}\nbob@example.org ssh-ed25519 AAAA\n", place.alice.public));
    let error = config_error(&place.policy);
    assert_eq!((error.file.as_str(), error.line), ("signers/allowed_signers", Some(2)));
}

#[test]
fn withdrawn_keys_sign_nothing_by_list_and_by_krl() {
    let mut place = Place::new();
    place.commit("a", "1", By::Ssh(&place.alice), HOUR);
    place.policy.signers[0].revoked = Some(place.bob.public.clone().into_bytes());
    assert!(place.judge().is_ok());
    place.policy.signers[0].revoked = Some(place.alice.public.clone().into_bytes());
    assert_eq!(place.judge(), Err(Reason::RevokedKey));
    for (withdrawn, expected) in [(&place.alice, Err(Reason::RevokedKey)), (&place.bob, Ok(()))] {
        let krl = place.kept.path().join("krl");
        let public = withdrawn.private.with_extension("pub");
        run(std::process::Command::new("ssh-keygen").args(["-q", "-k", "-f"]).arg(&krl).arg(public));
        place.policy.signers[0].revoked = Some(std::fs::read(&krl).unwrap());
        assert_eq!(place.judge().map(drop), expected);
    }
    place.policy.signers[0].revoked = None;
    place.policy.revoked_principals = vec!["alice@example.org".into()];
    assert_eq!(place.judge(), Err(Reason::RevokedKey));
}

#[test]
fn user_certificates_count_under_their_authority_alone() {
    let mut place = Place::new();
    let authority = place.signers.ssh_key("ca", "ed25519");
    let certify = |place: &Place, options: &[&str]| {
        let mut keygen = std::process::Command::new("ssh-keygen");
        keygen.args(["-q", "-I", "id", "-s"]).arg(&authority.private).args(options);
        run(keygen.arg(place.bob.private.with_extension("pub")));
        let certificate = place.bob.private.to_str().unwrap().to_owned() + "-cert.pub";
        SshKey { principal: String::new(), private: certificate.into(), public: String::new() }
    };
    let line = |options: &str| format!("*@example.org {options} {}\n", authority.public);
    place.allow(line("cert-authority"));
    let window = "20260531000000Z:20260602000000Z";
    for (options, expected) in [
        (vec!["-n", "bob@example.org", "-V", window], Ok(vec!["bob@example.org".to_owned()])),
        (vec!["-n", "bob@elsewhere.org", "-V", window], Err(Reason::UnknownSigner)),
        (vec!["-n", "bob@example.org", "-V", "20260501000000Z:20260531000000Z"], Err(Reason::KeyNotValidAtTime)),
        (vec!["-h", "-n", "bob@example.org", "-V", window], Err(Reason::UnknownSigner)),
        (vec!["-n", "bob@example.org", "-V", window, "-O", "force-command=x"], Err(Reason::UnsupportedCertificate)),
    ] {
        place.git(&["reset", "-q", "--hard", &place.root]);
        let by = certify(&place, &options);
        place.commit("a", "1", By::Ssh(&by), HOUR);
        assert_eq!(place.judge(), expected, "{options:?}");
    }
    let by = certify(&place, &["-n", "bob@example.org", "-V", window]);
    place.git(&["reset", "-q", "--hard", &place.root]);
    place.commit("a", "1", By::Ssh(&by), HOUR);
    place.allow(line(""));
    assert_eq!(place.judge(), Err(Reason::UnknownSigner), "an authority that is listed as a key");
    place.allow(line("cert-authority"));
    place.policy.signers[0].revoked = Some(authority.public.clone().into_bytes());
    assert_eq!(place.judge(), Err(Reason::RevokedKey));
}

#[test]
fn an_expired_openpgp_key_signs_nothing_after_its_end() {
    let mut place = Place::new();
    let key = place.signers.gpg_key("carol@example.org", "ed25519");
    place.commit("a", "1", By::Gpg(&key), 11 * HOUR);
    let mut expire = place.signers.gpg();
    expire.args(["--faked-system-time=20260601T010000!", "--quick-set-expire", &key.fingerprint, "20260601T120000"]);
    run(&mut expire);
    place.certify(&key);
    assert!(place.judge().is_ok(), "signed before its end, though judged after it");
    let late = place.signers.gpg_key("late", "ed25519");
    place.commit("a", "2", By::Gpg(&late), 20 * HOUR);
    let mut expire = place.signers.gpg();
    expire.args(["--faked-system-time=20260601T010000!", "--quick-set-expire", &late.fingerprint, "20260601T120000"]);
    run(&mut expire);
    let certificate = place.signers.certificate(&late);
    place.policy.signers[0].openpgp.push(("late".into(), certificate));
    assert_eq!(place.judge(), Err(Reason::KeyNotValidAtTime));
}

#[test]
fn secret_keys_and_junk_among_the_certificates_refuse_everything() {
    let mut place = Place::new();
    let key = place.signers.gpg_key("carol@example.org", "ed25519");
    place.certify(&key);
    let public = place.policy.signers[0].openpgp[0].1.clone();
    let output = run(place.signers.gpg().args(["--armor", "--export-secret-keys", &key.fingerprint]));
    let secret = String::from_utf8(output.stdout).unwrap();
    for bad in [
        secret,
        String::new(),
        "carol".into(),
        format!("{public}more\n"),
        public.replace("PUBLIC KEY BLOCK", "MESSAGE"),
    ] {
        place.policy.signers[0].openpgp[0].1 = bad.clone();
        assert_eq!(config_error(&place.policy).code(), "bad-configuration", "{bad:?}");
    }
    place.policy.signers[0].openpgp[0].1 = format!("{public}\n{public}");
    assert!(Policy::read(&place.policy).is_ok(), "several certificates in one file");
}
