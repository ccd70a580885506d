//! Encrypted files and keys, bent: what opens must hold what was sealed, and a refusal must say nothing of it.

use std::fs;
use std::path::{Path, PathBuf};

use gitwarrant::keysource::{KeySource, Keyring, Provider, Wrapped};
use gitwarrant::secret::Secret;
use gitwarrant::sops::{Format, Recipients, Terms, check, creation, decrypt, encrypted_as, seal};

use crate::support::mutate::fuzz;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sops")
}

fn keys() -> Keyring {
    let key = |name: &str| (name.to_owned(), Secret::new(fs::read(fixtures().join("keys").join(name)).unwrap()));
    let names = ["one.agekey", "two.agekey", "hybrid.agekey", "ed25519.sshkey", "rsa.sshkey", "pgp.asc"];
    Keyring::read(names.map(key).into()).unwrap()
}

/// The files of the real sops in `format`, good ones and bent ones.
fn files(format: Format) -> Vec<Vec<u8>> {
    let index = fs::read_to_string(fixtures().join("index.tsv")).unwrap();
    let names = index.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        (fields[1] == format.name()).then(|| fields[0].to_owned())
    });
    names.map(|name| fs::read(fixtures().join("cases").join(name).join("input")).unwrap()).collect()
}

/// Text that is only in the plaintext of the fixtures.
const SEALED: [&str; 4] = ["correct horse", "puller", "two words", "hidden too"];

/// A file is opened to its whole content or refused without a word of it; and every door says the same.
fn opens_whole_or_says_nothing(format: Format) {
    let keys = keys();
    fuzz(&format!("sops {}", format.name()), &files(format), |bytes| {
        let found = decrypt("x", bytes, format, format, &keys);
        let checked = check("x", bytes, format, &keys);
        let _ = encrypted_as("x", bytes);
        let Err(error) = found else {
            assert!(checked.mac == Some(true) && checked.refusal.is_none());
            return;
        };
        assert_eq!(checked.refusal.map(|refusal| refusal.code()), Some(error.code()));
        let told = format!("{error}{error:?}");
        assert!(SEALED.iter().all(|text| !told.contains(text)), "{told}");
        assert!(!told.contains("ENC["), "{told}");
    });
}

#[test]
fn bent_yaml_files_open_whole_or_are_refused() {
    opens_whole_or_says_nothing(Format::Yaml);
}

#[test]
fn bent_json_files_open_whole_or_are_refused() {
    opens_whole_or_says_nothing(Format::Json);
}

#[test]
fn bent_dotenv_files_open_whole_or_are_refused() {
    opens_whole_or_says_nothing(Format::Dotenv);
}

#[test]
fn bent_ini_files_open_whole_or_are_refused() {
    opens_whole_or_says_nothing(Format::Ini);
}

#[test]
fn bent_binary_files_open_whole_or_are_refused() {
    opens_whole_or_says_nothing(Format::Binary);
}

/// Only the block is bent, so that most inputs get as far as its rules.
#[test]
fn bent_metadata_never_opens_to_other_text() {
    let keys = keys();
    let good = fs::read(fixtures().join("cases/yaml-secret/input")).unwrap();
    let expected = fs::read(fixtures().join("cases/yaml-secret/expected")).unwrap();
    let at = good.windows(6).position(|window| window == b"\nsops:").unwrap();
    let (body, block) = good.split_at(at);
    let others =
        ["yaml-shamir", "yaml-two-recipients", "yaml-mac-only", "yaml-secret-pgp", "two-selectors"].map(|case| {
            let file = fs::read(fixtures().join("cases").join(case).join("input")).unwrap();
            let at = file.windows(6).position(|window| window == b"\nsops:").unwrap();
            file[at..].to_vec()
        });
    let seeds: Vec<Vec<u8>> = std::iter::once(block.to_vec()).chain(others).collect();
    fuzz("sops metadata", &seeds, |block| {
        let file = [body, block].concat();
        if let Ok(opened) = decrypt("x", &file, Format::Yaml, Format::Yaml, &keys) {
            // What is behind the block is unprotected only where it holds no value: comments, nulls, empty collections.
            opened.text.expose(|text| {
                let text = String::from_utf8_lossy(text);
                for line in String::from_utf8_lossy(&expected).lines().filter(|line| line.contains(": ")) {
                    assert!(text.contains(line), "{text}");
                }
            });
        }
    });
}

/// Only one envelope is bent: it must open to the value that was sealed, or not at all.
#[test]
fn bent_envelopes_never_open_to_another_value() {
    let keys = keys();
    let good = fs::read_to_string(fixtures().join("cases/yaml-secret/input")).unwrap();
    let expected = fs::read(fixtures().join("cases/yaml-secret/expected")).unwrap();
    let begin = good.find("ENC[").unwrap();
    let begin = good[begin..].find("json: ENC[").unwrap() + begin + "json: ".len();
    let end = begin + good[begin..].find(']').unwrap() + 1;
    let envelopes: Vec<Vec<u8>> =
        good.split('\n').filter_map(|line| line.find("ENC[").map(|at| line[at..].into())).collect();
    fuzz("sops envelope", &envelopes, |envelope| {
        let file = [&good.as_bytes()[..begin], envelope, &good.as_bytes()[end..]].concat();
        if let Ok(opened) = decrypt("x", &file, Format::Yaml, Format::Yaml, &keys) {
            let text = opened.text.expose(|text| String::from_utf8_lossy(text).into_owned());
            let value = String::from_utf8_lossy(&expected).into_owned();
            let value = value.lines().find(|line| line.contains("correct horse")).unwrap().to_owned();
            assert!(text.contains(&value), "{text}");
        }
    });
}

#[test]
fn bent_wrapped_keys_open_to_the_same_key_or_not_at_all() {
    let keys = keys();
    let mut seeds = Vec::new();
    for case in ["yaml-secret", "yaml-secret-pgp", "yaml-hybrid", "yaml-ed25519", "yaml-rsa"] {
        let file = fs::read_to_string(fixtures().join("cases").join(case).join("input")).unwrap();
        let lines = file.lines().skip_while(|line| !line.contains("-----BEGIN "));
        let mut armored: Vec<&str> = Vec::new();
        for line in lines {
            armored.push(line.trim());
            if line.contains("-----END ") {
                break;
            }
        }
        seeds.push(armored.join("\n").into_bytes());
    }
    let open = |bytes: &[u8], provider| {
        let enc = std::str::from_utf8(bytes).ok()?;
        keys.unwrap_key(Wrapped { provider, enc }).ok().map(|opened| opened.key)
    };
    let both = [Provider::Age, Provider::OpenPgp];
    let good: Vec<Secret> = seeds.iter().flat_map(|seed| both.map(|provider| open(seed, provider))).flatten().collect();
    assert_eq!(good.len(), seeds.len());
    fuzz("wrapped keys", &seeds, |bytes| {
        for opened in both.into_iter().filter_map(|provider| open(bytes, provider)) {
            assert!(good.iter().any(|key| key.same(&opened)), "another key came out");
        }
    });
}

#[test]
fn bent_key_files_are_read_or_refused_without_repeating_them() {
    for suffix in ["agekey", "asc", "sshkey"] {
        let files = fs::read_dir(fixtures().join("keys")).unwrap().map(|entry| entry.unwrap().path());
        let seeds: Vec<Vec<u8>> = files
            .filter(|path| path.extension().is_some_and(|found| found == suffix))
            .map(|path| fs::read(path).unwrap())
            .collect();
        fuzz(&format!("keys *.{suffix}"), &seeds, |bytes| {
            let read = Keyring::read(vec![(format!("k.{suffix}"), Secret::new(bytes.to_vec()))]);
            if let Err(error) = read {
                let told = format!("{error}{error:?}");
                let lines = bytes.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
                assert!(lines.filter(|line| line.len() > 40).all(|line| !told.contains(line)), "{told}");
            }
        });
    }
}

#[test]
fn bent_documents_are_sealed_so_that_they_open_again() {
    let (identity, recipient) = gitwarrant::keysource::age::generate();
    let keys = Keyring::read(vec![("a.agekey".to_owned(), identity)]).unwrap();
    let groups = vec![Recipients { age: vec![recipient], pgp: Vec::new() }];
    let terms = Terms { groups, ..Terms::default() };
    let plain = |case: &str| fs::read(fixtures().join("cases").join(case).join("expected")).unwrap();
    for (format, cases) in [
        (Format::Yaml, &["yaml-types", "yaml-documents"][..]),
        (Format::Json, &["json-types"]),
        (Format::Dotenv, &["dotenv"]),
        (Format::Ini, &["ini"]),
        (Format::Binary, &["binary"]),
    ] {
        let seeds: Vec<Vec<u8>> = cases.iter().map(|case| plain(case)).collect();
        fuzz(&format!("seal {}", format.name()), &seeds, |bytes| {
            let Ok(sealed) = seal(bytes, format, &terms, jiff::Timestamp::UNIX_EPOCH) else { return };
            let opened = check("x", sealed.as_bytes(), format, &keys);
            if let Some(error) = opened.refusal {
                // A Secret's values must be texts, and what is written must be readable: nothing else may go wrong.
                assert_eq!(error.code(), "policy", "{error}\n{sealed}");
            }
        });
    }
}

#[test]
fn bent_creation_rules_are_followed_or_refused() {
    let rules = "creation_rules:\n- {path_regex: 'a.*', age: 'x,y', encrypted_regex: '^(data)$'}\n- {pgp: [AB], mac_only_encrypted: true}\n";
    let groups = "creation_rules: [{shamir_threshold: 2, key_groups: [{age: [x]}, {pgp: [y]}]}]\n";
    fuzz("creation rules", &[rules.into(), groups.into()], |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        if let Ok(found) = creation(text, "abc.yaml") {
            assert!(!found.groups.is_empty());
        }
    });
}
