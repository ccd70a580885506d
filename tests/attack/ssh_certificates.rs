//! SSH certificates and lists of withdrawn keys, honest and bent byte by byte.

use std::path::PathBuf;
use std::process::Command;

use gitwarrant::trust::{Policy, Reason};
use ssh_key::PrivateKey;

use super::place::{HOUR, Place, THEN, config_error};
use crate::support::loom::private;
use crate::support::signing::{By, SshKey, run};
use crate::support::sshwire::{
    Certificate, armored, line, message, public, put, security_key, signed, strings, touched,
};

/// A place with an unsigned head, where an authority may certify people of example.org, and bob's key is his alone.
struct Scene {
    place: Place,
    unsigned: String,
    ca: SshKey,
    authority: PrivateKey,
    bob: PrivateKey,
}

impl Scene {
    fn new() -> Self {
        let mut place = Place::new();
        place.commit("a", "1", By::Nobody, HOUR);
        let ca = place.signers.ssh_key("ca", "ed25519");
        let (authority, bob) = (private(&ca), private(&place.bob));
        place.allow(line("*@example.org", "cert-authority ", &public(&authority)));
        Self { unsigned: place.raw_head(), place, ca, authority, bob }
    }

    fn certificate(&self) -> Certificate {
        Certificate::new(&self.bob, "bob@example.org", &self.authority)
    }

    /// The head, signed by bob, who shows `key`.
    fn shown(&self, key: &[u8]) -> Result<Vec<String>, Reason> {
        self.place.forge(self.unsigned.as_bytes());
        self.place.sign_head(|file| {
            let payload = std::fs::read(file).unwrap();
            armored(key, &signed(&self.bob, &message(&payload)))
        });
        self.place.judge()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.kept.path().join(name)
    }

    /// A list made by `ssh-keygen -k` of these orders; numbers and ids are those of `authority`.
    fn krl(&self, orders: &str, authority: Option<&SshKey>) -> Vec<u8> {
        std::fs::write(self.file("orders"), format!("{orders}\n")).unwrap();
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-k", "-f"]).arg(self.file("krl"));
        if let Some(authority) = authority {
            keygen.arg("-s").arg(authority.private.with_extension("pub"));
        }
        run(keygen.arg(self.file("orders")));
        std::fs::read(self.file("krl")).unwrap()
    }

    fn revoke(&mut self, list: Vec<u8>) {
        self.place.policy.signers[0].revoked = Some(list);
    }
}

#[allow(clippy::unnecessary_wraps, reason = "what a verdict is compared with")]
fn bob() -> Result<Vec<String>, Reason> {
    Ok(vec!["bob@example.org".to_owned()])
}

#[test]
fn certificates_built_here_are_those_of_ssh_keygen() {
    let scene = Scene::new();
    let blob = scene.certificate().by(&scene.authority);
    std::fs::write(scene.file("cert.pub"), line("", "", &blob).trim_start()).unwrap();
    let listed = run(Command::new("ssh-keygen").arg("-L").arg("-f").arg(scene.file("cert.pub"))).stdout;
    let listed = String::from_utf8(listed).unwrap();
    assert!(listed.contains("user certificate") && listed.contains("bob@example.org"), "{listed}");
    assert_eq!(scene.shown(&blob), bob());
}

#[test]
fn a_certificate_is_in_force_from_its_first_second_to_before_its_last() {
    let scene = Scene::new();
    let at = u64::try_from(THEN + HOUR).unwrap();
    for (after, before, expected) in [
        (at, at + 1, bob()),
        (at + 1, u64::MAX, Err(Reason::KeyNotValidAtTime)),
        (0, at, Err(Reason::KeyNotValidAtTime)),
        (at, at, Err(Reason::KeyNotValidAtTime)),
    ] {
        let certificate = Certificate { after, before, ..scene.certificate() };
        assert_eq!(scene.shown(&certificate.by(&scene.authority)), expected, "{after} {before}");
    }
}

#[test]
fn a_certificate_counts_for_its_named_users_alone() {
    let scene = Scene::new();
    let unknown = Err(Reason::UnknownSigner);
    for (kind, principals, expected) in [
        (1, &["bob@example.org"][..], bob()),
        (1, &["bob@elsewhere.org", "bob@example.org"], bob()),
        (1, &[], unknown.clone()),
        (1, &[""], unknown.clone()),
        (1, &["*"], unknown.clone()),
        (1, &["bob@example.org.evil"], unknown.clone()),
        (1, &["bob@EXAMPLE.org"], unknown.clone()),
        (2, &["bob@example.org"], unknown.clone()),
        (0, &["bob@example.org"], unknown.clone()),
        (3, &["bob@example.org"], unknown.clone()),
    ] {
        let principals: Vec<String> = principals.iter().map(|name| (*name).to_owned()).collect();
        let certificate = Certificate { kind, principals: principals.clone(), ..scene.certificate() };
        assert_eq!(scene.shown(&certificate.by(&scene.authority)), expected, "{kind} {principals:?}");
    }
}

#[test]
fn only_the_listed_authority_makes_certificates() {
    let mut scene = Scene::new();
    let mallory = private(&scene.place.signers.ssh_key("mallory", "ed25519"));
    let good = scene.certificate().by(&scene.authority);
    assert_eq!(scene.shown(&scene.certificate().by(&mallory)), Err(Reason::BadSignature), "in another's name");
    let own = Certificate { authority: public(&mallory), ..scene.certificate() };
    assert_eq!(scene.shown(&own.by(&mallory)), Err(Reason::UnknownSigner));
    let nested = Certificate { authority: good.clone(), ..scene.certificate() };
    assert_eq!(scene.shown(&nested.by(&scene.authority)), Err(Reason::MalformedSignature), "a certified authority");
    // The authority's line lets nobody sign who shows its key itself, and a key's line counts for no certificate of it.
    scene.bob = scene.authority.clone();
    assert_eq!(scene.shown(&public(&scene.authority)), Err(Reason::UnknownSigner));
    scene.bob = private(&scene.place.bob);
    scene.place.allow(line("bob@example.org", "", &public(&scene.bob)));
    assert_eq!(scene.shown(&good), Err(Reason::UnknownSigner));
    assert_eq!(scene.shown(&public(&scene.bob)), bob());
    scene.place.allow(line("bob@example.org", "", &good));
    assert!(config_error(&scene.place.policy).what.contains("cert-authority"), "a certificate is no key");
}

#[test]
fn options_of_an_authoritys_line_bind_its_certificates() {
    let mut scene = Scene::new();
    let (good, authority) = (scene.certificate().by(&scene.authority), public(&scene.authority));
    for (who, options, expected) in [
        ("bob@example.org", "cert-authority ", bob()),
        ("*,!bob@example.org", "cert-authority ", Err(Reason::UnknownSigner)),
        ("*", "namespaces=\"file\",cert-authority ", Err(Reason::KeyNotValidForNamespace)),
        ("*", "cert-authority,valid-before=\"20260601005959Z\" ", Err(Reason::KeyNotValidAtTime)),
        ("*", "CERT-AUTHORITY,valid-before=\"20260601010000Z\" ", bob()),
        ("*", "cert-authority,valid-after=\"202606010101\" ", Err(Reason::KeyNotValidAtTime)),
    ] {
        scene.place.allow(line(who, options, &authority));
        assert_eq!(scene.shown(&good), expected, "{who} {options}");
    }
}

#[test]
fn what_a_certificate_asks_and_cannot_be_kept_refuses_it() {
    let scene = Scene::new();
    let option = |name: &str, data: &[u8]| vec![name.as_bytes().to_vec(), data.to_vec()];
    for (critical, expected) in [
        (option("unknown@example.org", b""), Err(Reason::UnsupportedCertificate)),
        (option("source-address", &strings(&[b"10.0.0.0/8"])), Err(Reason::UnsupportedCertificate)),
        // Of a person; a plain key cannot tell, and asks nobody.
        (option("verify-required", b""), bob()),
        (vec![b"verify-required".to_vec()], Err(Reason::MalformedSignature)),
    ] {
        let certificate = Certificate { critical: critical.clone(), ..scene.certificate() };
        assert_eq!(scene.shown(&certificate.by(&scene.authority)), expected, "{critical:?}");
    }
}

#[test]
fn certificates_that_end_elsewhere_than_they_say_are_malformed() {
    let scene = Scene::new();
    let good = scene.certificate().by(&scene.authority);
    let reserved = Certificate { reserved: vec![0], ..scene.certificate() };
    let longer = [good.as_slice(), b"\0"].concat();
    for bad in [reserved.by(&scene.authority), longer, good[..good.len() - 1].to_vec(), good[..60].to_vec()] {
        assert_eq!(scene.shown(&bad), Err(Reason::MalformedSignature));
    }
    let mut other = scene.certificate();
    other.key.splice(0..15, strings(&[b"ssh-new"]));
    assert_eq!(scene.shown(&other.by(&scene.authority)), Err(Reason::UnsupportedCertificate));
    assert_eq!(scene.shown(&strings(&[b"ssh-new", &[7; 32]])), Err(Reason::UnsupportedSignature));
}

#[test]
fn weak_authorities_and_weak_signatures_of_theirs_certify_nobody() {
    let mut scene = Scene::new();
    let rsa = |bits: &str| {
        let file = scene.file(&format!("rsa{bits}"));
        run(Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-N", "", "-b", bits, "-f"]).arg(&file));
        PrivateKey::read_openssh_file(&file).unwrap()
    };
    let (short, long) = (rsa("1024"), rsa("2048"));
    for (authority, expected) in [(&short, Err(Reason::WeakKey)), (&long, bob())] {
        scene.place.allow(line("*", "cert-authority ", &public(authority)));
        let certificate = Certificate { authority: public(authority), ..scene.certificate() };
        assert_eq!(scene.shown(&certificate.by(authority)), expected);
    }
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ssh-rsa", "-I", "laptop", "-n", "bob@example.org", "-s"]).arg(scene.file("rsa2048"));
    run(keygen.arg(scene.place.bob.private.with_extension("pub")));
    let sha1 = std::fs::read_to_string(format!("{}-cert.pub", scene.place.bob.private.display())).unwrap();
    let sha1 = sha1.parse::<ssh_key::Certificate>().unwrap().to_bytes().unwrap();
    assert_eq!(scene.shown(&sha1), Err(Reason::WeakAlgorithm));
}

#[test]
fn an_authority_on_a_security_key_must_be_touched_to_certify() {
    let mut scene = Scene::new();
    let certificate = Certificate { authority: security_key(&scene.authority), ..scene.certificate() };
    scene.place.allow(line("*", "cert-authority ", &certificate.authority));
    for (flags, expected) in [(1, bob()), (0, Err(Reason::UserPresenceMissing))] {
        let shown = certificate.with(&touched(&scene.authority, &certificate.unsigned(), flags));
        assert_eq!(scene.shown(&shown), expected, "{flags}");
    }
}

#[test]
fn rsa_keys_are_neither_short_nor_endless() {
    let mut scene = Scene::new();
    for (bits, expected) in [("1024", Err(Reason::WeakKey)), ("2047", Err(Reason::WeakKey)), ("2048", Ok(()))] {
        let file = scene.file(&format!("rsa{bits}"));
        run(Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-N", "", "-b", bits, "-f"]).arg(&file));
        scene.bob = PrivateKey::read_openssh_file(&file).unwrap();
        scene.place.allow(line("bob@example.org", "", &public(&scene.bob)));
        assert_eq!(scene.shown(&public(&scene.bob)).map(drop), expected, "{bits}");
    }
    let endless = strings(&[b"ssh-rsa", &[1, 0, 1], &[0x7f; 2048]]);
    assert_eq!(scene.shown(&endless), Err(Reason::LimitExceeded));
}

#[test]
fn a_key_has_one_wire_form() {
    let mut scene = Scene::new();
    let carol = private(&scene.place.signers.ssh_key("carol@example.org", "ecdsa"));
    let point = carol.public_key().key_data().ecdsa().unwrap().as_sec1_bytes().to_vec();
    let short = [&[2 + (point[64] & 1)][..], &point[1..33]].concat();
    let compressed = strings(&[b"ecdsa-sha2-nistp256", b"nistp256", &short]);
    scene.place.allow(line("carol@example.org", "", &public(&carol)));
    scene.bob = carol;
    assert!(scene.shown(&public(&scene.bob)).is_ok());
    assert_eq!(scene.shown(&compressed), Err(Reason::MalformedSignature));
    scene.place.allow(line("carol@example.org", "", &compressed));
    assert!(Policy::read(&scene.place.policy).is_err(), "or it could not be found on a list of withdrawn keys");
}

#[test]
fn a_certificate_on_a_list_of_withdrawn_keys_withdraws_its_key() {
    let mut scene = Scene::new();
    let good = scene.certificate().by(&scene.authority);
    let listed = line("", "", &good).trim_start().to_owned();
    scene.revoke(listed.clone().into_bytes());
    assert_eq!(scene.shown(&good), Err(Reason::RevokedKey));
    scene.place.allow(line("bob@example.org", "", &public(&scene.bob)));
    assert_eq!(scene.shown(&public(&scene.bob)), Err(Reason::RevokedKey), "as ssh-keygen does");
    scene.revoke(listed.replacen("ssh-ed25519-cert", "ssh-rsa-cert", 1).into_bytes());
    assert!(Policy::read(&scene.place.policy).is_err(), "another type than it says");
    // In a KRL a certificate's number stands for it, under its authority.
    std::fs::write(scene.file("cert.pub"), &listed).unwrap();
    run(Command::new("ssh-keygen").args(["-q", "-k", "-f"]).arg(scene.file("krl")).arg(scene.file("cert.pub")));
    scene.revoke(std::fs::read(scene.file("krl")).unwrap());
    scene.place.allow(line("*", "cert-authority ", &public(&scene.authority)));
    assert_eq!(scene.shown(&good), Err(Reason::RevokedKey));
    let next = Certificate { serial: 8, ..scene.certificate() };
    assert_eq!(scene.shown(&next.by(&scene.authority)), bob());
}

#[test]
fn keys_are_withdrawn_by_every_kind_of_hash() {
    let mut scene = Scene::new();
    let good = scene.certificate().by(&scene.authority);
    let (bobs, cas) = (scene.place.bob.public.clone(), scene.ca.public.clone());
    let fingerprint = |file: PathBuf| {
        let said = run(Command::new("ssh-keygen").arg("-lf").arg(file.with_extension("pub"))).stdout;
        String::from_utf8(said).unwrap().split(' ').nth(1).unwrap().to_owned()
    };
    let alices = scene.place.alice.public.clone();
    let hash = fingerprint(scene.place.bob.private.clone());
    for (orders, expected) in [
        (format!("sha1: {bobs}"), Err(Reason::RevokedKey)),
        (format!("sha1: {cas}"), Err(Reason::RevokedKey)),
        (format!("sha1: {alices}"), bob()),
        (format!("sha256: {bobs}"), Err(Reason::RevokedKey)),
        (format!("hash: {hash}"), Err(Reason::RevokedKey)),
        (format!("key: {bobs}"), Err(Reason::RevokedKey)),
        (format!("key: {alices}\nsha1: {alices}\nsha256: {alices}"), bob()),
    ] {
        let list = scene.krl(&orders, None);
        scene.revoke(list);
        assert_eq!(scene.shown(&good), expected, "{orders}");
    }
}

#[test]
fn numbers_are_withdrawn_in_every_form_of_a_list() {
    let mut scene = Scene::new();
    let top = u64::MAX;
    for (orders, serial, expected) in [
        ("serial: 1\nserial: 3\nserial: 4\nserial: 9\nserial: 200".to_owned(), 9, Err(Reason::RevokedKey)),
        ("serial: 1\nserial: 3\nserial: 4\nserial: 9\nserial: 200".to_owned(), 8, bob()),
        (format!("serial: {}\nserial: {top}", top - 2), top, Err(Reason::RevokedKey)),
        (format!("serial: {}\nserial: {top}", top - 2), top - 1, bob()),
        (format!("serial: 5-{top}"), top - 9, Err(Reason::RevokedKey)),
        (format!("serial: 5-{top}"), 4, bob()),
        (format!("serial: 1-{top}"), 0, bob()),
    ] {
        let list = scene.krl(&orders, Some(&scene.ca));
        scene.revoke(list);
        let certificate = Certificate { serial, ..scene.certificate() };
        assert_eq!(scene.shown(&certificate.by(&scene.authority)), expected, "{orders} {serial}");
    }
}

/// A list whose one section is of `kind`, made by hand.
fn list(kind: u8, section: &[u8]) -> Vec<u8> {
    let mut list = b"SSHKRL\n\0\0\0\0\x01".to_vec();
    list.extend([0; 24]);
    list.extend(strings(&[b"", b""]));
    list.push(kind);
    put(&mut list, section);
    list
}

#[test]
fn a_list_that_is_not_understood_to_its_end_refuses_everything() {
    let mut scene = Scene::new();
    let key = public(&scene.bob);
    // Certificate sections for all authorities.
    let numbers = |kind: u8, part: &[u8]| {
        let mut section = strings(&[b"", b""]);
        section.push(kind);
        put(&mut section, part);
        list(1, &section)
    };
    let mut bits = 64u64.to_be_bytes().to_vec();
    put(&mut bits, &[1]);
    let range = |from: u64, to: u64| [from.to_be_bytes(), to.to_be_bytes()].concat();
    for good in [
        list(2, &strings(&[&key])),
        list(3, &strings(&[&[7; 20]])),
        list(5, &strings(&[&[7; 32]])),
        numbers(0x21, &range(7, 7)),
        numbers(0x22, &bits),
    ] {
        scene.revoke(good);
        assert!(Policy::read(&scene.place.policy).is_ok());
    }
    let mut of_version_2 = list(2, &strings(&[&key]));
    of_version_2[11] = 2;
    for bad in [
        list(4, &strings(&[&key, b"signature"])),
        list(255, &strings(&[b"extension", b"\0", b""])),
        list(9, b""),
        list(2, &strings(&[&key[..key.len() - 1]])),
        list(2, &key),
        list(3, &strings(&[&[7; 32]])),
        list(5, &strings(&[&[7; 20]])),
        numbers(0x21, &range(8, 7)),
        numbers(0x22, &bits[..10]),
        numbers(0x39, b""),
        list(1, &strings(&[b"no key", b""])),
        [list(2, &strings(&[&key])), vec![2]].concat(),
        of_version_2,
        b"SSHKRL\n\0".to_vec(),
        format!("{}\nnobody\n", scene.place.alice.public).into_bytes(),
        b"SHA256:uNiVztksCsDhcc0u9e8BrpD1mC7ERYDnDWHIKCWMVdo\n".to_vec(),
    ] {
        scene.revoke(bad.clone());
        assert_eq!(config_error(&scene.place.policy).code(), "bad-configuration", "{}", bad.escape_ascii());
    }
}
