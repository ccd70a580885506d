//! Random files through the real sops: what we seal it opens, what it seals we open, to the same bytes.
//!
//! `GITWARRANT_RANDOM_FILES` is their number (100 unless told), `GITWARRANT_RANDOM_SEED` where the random numbers start.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use gitwarrant::keysource::{Keyring, pgp};
use gitwarrant::secret::Secret;
use gitwarrant::sops::{Creation, Extract, Format, Recipients, Terms, creation, decrypt, decrypt_part, seal};

use crate::support::gotool::SOPS;
use crate::support::mutate::Random;
use crate::support::{documents, tools};

/// Rules by the first letters of a file's name; of recipients and selectors each.
const RULES: [(&str, &str); 12] = [
    ("plain", "age: ONE"),
    ("two", "age: 'ONE,TWO', encrypted_regex: '^(data|stringData)$'"),
    ("clear", "age: ONE, unencrypted_regex: '^(kind|spec)|é|^#'"),
    ("suffix", "age: ONE, encrypted_suffix: _secret"),
    ("open", "age: ONE, unencrypted_suffix: _open, mac_only_encrypted: true"),
    ("mac", "age: ONE, encrypted_regex: 'a', mac_only_encrypted: true"),
    ("comment", "age: ONE, encrypted_comment_regex: 'sops:enc'"),
    ("uncomment", "age: ONE, unencrypted_comment_regex: 'sops:clear'"),
    ("hybrid", "age: HYBRID"),
    ("ed", "age: ED25519"),
    ("shamir", "shamir_threshold: 2, key_groups: [{age: [ONE]}, {age: [TWO]}, {age: [HYBRID]}]"),
    ("pgp", "pgp: PGP"),
];

const FORMATS: [(&str, &str); 5] =
    [("yaml", "yaml"), ("json", "json"), ("dotenv", "env"), ("ini", "ini"), ("binary", "bin")];

/// Keys, creation rules and the real program.
struct World {
    folder: tempfile::TempDir,
    sops: PathBuf,
    rules: String,
    certificate: String,
    keys: Keyring,
}

impl World {
    fn new() -> Result<Self, String> {
        let sops = SOPS.program()?;
        let folder = tempfile::tempdir().unwrap();
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sops/keys");
        let read = |name: &str| fs::read_to_string(keys.join(name)).unwrap();
        let recipient = |name: &str| {
            read(name)
                .lines()
                .find_map(|line| line.strip_prefix("# public key: "))
                .expect("age-keygen says it")
                .to_owned()
        };

        // gpg wants a home of its own, with a short path for its sockets.
        let home = folder.path().join("gpg");
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let gpg = tools::find("gpg")?;
        let gpg = |arguments: &[&str]| {
            tools::run(Command::new(&gpg).arg("--homedir").arg(&home).arg("--batch").args(arguments))
        };
        gpg(&["--quiet", "--import", keys.join("pgp.asc").to_str().unwrap()])?;
        let certificate = gpg(&["--armor", "--export"])?;
        let listed = gpg(&["--with-colons", "--list-keys"])?;
        let fingerprint = listed.lines().find_map(|line| line.strip_prefix("fpr:")).expect("a fingerprint");
        let fingerprint = fingerprint.trim_matches(':').to_owned();

        let ssh = folder.path().join("ssh");
        fs::write(&ssh, read("ed25519.sshkey")).unwrap();
        fs::set_permissions(&ssh, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let public = tools::run(Command::new(tools::find("ssh-keygen")?).arg("-y").arg("-f").arg(&ssh))?;
        let public = public.split_whitespace().take(2).collect::<Vec<_>>().join(" ");

        let rules = RULES.map(|(name, rule)| format!("- {{path_regex: '^{name}-', {rule}}}\n")).concat();
        let rules = format!("creation_rules:\n{rules}")
            .replace("ONE", &recipient("one.agekey"))
            .replace("TWO", &recipient("two.agekey"))
            .replace("HYBRID", &recipient("hybrid.agekey"))
            .replace("ED25519", &public)
            .replace("PGP", &fingerprint);
        fs::write(folder.path().join(".sops.yaml"), &rules).unwrap();
        let identities: Vec<String> = ["one", "two", "hybrid"].map(|name| read(&format!("{name}.agekey"))).into();
        fs::write(folder.path().join("keys.txt"), identities.concat()).unwrap();

        let key = |name: &str| (name.to_owned(), Secret::new(read(name).into_bytes()));
        let keys = ["one.agekey", "two.agekey", "hybrid.agekey", "ed25519.sshkey", "pgp.asc"].map(key).into();
        Ok(Self { folder, sops, rules, certificate, keys: Keyring::read(keys).unwrap() })
    }

    fn sops(&self, arguments: &[&str]) -> Result<Vec<u8>, String> {
        let folder = self.folder.path();
        let output = Command::new(&self.sops)
            .args(arguments)
            .current_dir(folder)
            .env("HOME", folder)
            .env("GNUPGHOME", folder.join("gpg"))
            .env("SOPS_AGE_KEY_FILE", folder.join("keys.txt"))
            .env("SOPS_AGE_SSH_PRIVATE_KEY_FILE", folder.join("ssh"))
            .env("SOPS_DISABLE_VERSION_CHECK", "1")
            .output()
            .unwrap();
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn terms(&self, path: &str) -> Terms {
        let Creation { groups, threshold, selector, mac_only_encrypted } = creation(&self.rules, path).unwrap();
        let certificate = |name: &String| {
            assert!(pgp::is_named(&self.certificate, name).unwrap());
            self.certificate.clone()
        };
        let groups = groups.into_iter();
        let groups =
            groups.map(|group| Recipients { age: group.age, pgp: group.pgp.iter().map(certificate).collect() });
        Terms { groups: groups.collect(), threshold, selector, mac_only_encrypted }
    }

    /// One document through both programs.
    fn both_ways(&self, name: &str, format: Format, plain: &[u8]) -> Result<Agreement, String> {
        let kind = format.name();
        fs::write(self.folder.path().join(name), plain).unwrap();
        let types = ["--input-type", kind, "--output-type", kind];
        let theirs = self.sops(&[&["encrypt"], &types[..], &[name]].concat());
        let ours = seal(plain, format, &self.terms(name), jiff::Timestamp::now());
        let (theirs, ours) = match (theirs, ours) {
            (Ok(theirs), Ok(ours)) => (theirs, ours),
            (Err(_), _) => return Ok(Agreement::NotTaken),
            (Ok(_), Err(error)) => return Err(format!("we do not seal it: {error}")),
        };
        let sealed = format!("{name}.sealed");
        // With rules about comments sops makes files that it does not open itself: it writes a comment elsewhere than it was.
        fs::write(self.folder.path().join(&sealed), &theirs).unwrap();
        let Ok(own) = self.sops(&[&["decrypt"], &types[..], &[&sealed]].concat()) else {
            return Ok(Agreement::NotTaken);
        };
        fs::write(self.folder.path().join(&sealed), &ours).unwrap();
        let opened = self.sops(&[&["decrypt"], &types[..], &[&sealed]].concat());
        let opened = opened.map_err(|error| format!("sops does not open ours: {error}"))?;
        let found = decrypt(name, &theirs, format, format, &self.keys);
        let found = found.map_err(|error| format!("we do not open that of sops: {error}"))?;
        found.text.expose(|found| {
            if found == opened {
                return Ok(Agreement::Bytes);
            }
            // Where a comment is attached may differ, and sops loses some: nothing authenticates them, and nobody acts on them.
            for (who, other) in [("sops opens ours to", opened.as_slice()), ("we open that of sops to", found)] {
                let lost = comments(other).iter().zip(comments(&own)).any(|(other, own)| *other < own);
                if format != Format::Yaml || tree(other)? != tree(&own)? || lost {
                    let shown = String::from_utf8_lossy;
                    return Err(format!("sops opens its own to\n{}\n{who}\n{}", shown(&own), shown(other)));
                }
            }
            Ok(Agreement::ButForPlacesOfComments)
        })
    }
}

/// How far both programs agree on a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Agreement {
    /// sops itself does not take it, or does not open what it made of it.
    NotTaken,
    Bytes,
    ButForPlacesOfComments,
}

/// Documents as another library reads them, without comments.
fn tree(text: &[u8]) -> Result<Vec<String>, String> {
    let documents = serde_yaml::Deserializer::from_slice(text);
    let read = |document| {
        let value: serde_yaml::Value =
            serde::Deserialize::deserialize(document).map_err(|error: serde_yaml::Error| error.to_string())?;
        Ok(format!("{value:?}"))
    };
    documents.map(read).collect()
}

/// How often each comment is there that random documents have.
fn comments(text: &[u8]) -> Vec<usize> {
    let text = String::from_utf8_lossy(text).into_owned();
    documents::COMMENTS.iter().map(|comment| text.matches(&format!("# {comment}")).count()).collect()
}

#[test]
fn the_real_sops_opens_what_we_seal_and_we_open_what_it_seals() {
    let number = |variable: &str, otherwise: u64| {
        std::env::var(variable).ok().map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let (count, seed) = (number("GITWARRANT_RANDOM_FILES", 100), number("GITWARRANT_RANDOM_SEED", 1));
    let world = World::new().unwrap_or_else(|why| panic!("{why}"));
    let (next, outcomes, failures) = (AtomicU64::new(0), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        return;
                    }
                    let mut random = Random::new(seed.wrapping_mul(1 << 32).wrapping_add(at));
                    let (kind, suffix) = FORMATS[[0, 0, 0, 0, 1, 1, 2, 3, 4][random.below(9)]];
                    let (rule, _) = *random.one(&RULES);
                    let (name, plain) = (format!("{rule}-{at}.{suffix}"), documents::random(kind, &mut random));
                    match world.both_ways(&name, Format::named(kind).unwrap(), &plain) {
                        Ok(agreement) => outcomes.lock().unwrap().push(agreement),
                        Err(why) => {
                            let clear = String::from_utf8_lossy(&plain).into_owned();
                            failures.lock().unwrap().push(format!("{name}: {why}\nin clear:\n{clear}"));
                        }
                    }
                }
            });
        }
    });
    let (outcomes, failures) = (outcomes.into_inner().unwrap(), failures.into_inner().unwrap());
    let counted = |wanted| outcomes.iter().filter(|&&outcome| outcome == wanted).count();
    let (bytes, comments) = (counted(Agreement::Bytes), counted(Agreement::ButForPlacesOfComments));
    println!(
        "sops both ways: {count} files, {bytes} the same bytes, {comments} but for places of comments, {} not taken by sops, {} differ",
        counted(Agreement::NotTaken),
        failures.len()
    );
    let first: Vec<&String> = failures.iter().take(5).collect();
    assert!(failures.is_empty(), "{} of {count} files differ, among them\n{first:#?}", failures.len());
    assert!((bytes + comments) as u64 * 10 >= count * 9, "sops takes too few of {count} documents");
}

#[test]
fn a_part_of_a_file_is_written_as_sops_extracts_it() {
    let world = World::new().unwrap_or_else(|why| panic!("{why}"));
    let yaml = "db:\n  password: hunter2\n  port: 5432\n  up: true\n  load: 1.5\n  since: 2026-01-02\n  none: null\n  \
                empty: \"\"\n  lines: \"a\\nb\\n\"\n  odd: \"- x\"\n  'a b': c\n  list: [a, 1, {x: 'y', z: [1, 2]}, [], {}]\n  \
                # comment\n  map: {}\n";
    let files = [
        ("plain-part.yaml", Format::Yaml, yaml),
        (
            "plain-part.json",
            Format::Json,
            "{\"db\": {\"password\": \"hunter2\", \"port\": 5432, \"list\": [1, [\"a\"]]}}",
        ),
        ("plain-part.env", Format::Dotenv, "db=hunter2\nport=5432\n"),
        ("plain-part.ini", Format::Ini, "[db]\npassword = hunter2\nport = 5432\n"),
    ];
    let leaves =
        ["password", "port", "up", "load", "since", "none", "empty", "lines", "odd", "a b", "list", "map", "gone"];
    let paths = leaves.map(|leaf| format!("[\"db\"][\"{leaf}\"]"));
    let deeper = ["[0]", "[2]", "[2]['x']", "[2][\"z\"]", "[2][\"z\"][1]", "[3]", "[4]", "[9]", "[\"a\"]"];
    let paths = paths.into_iter().chain(deeper.map(|step| format!("[\"db\"][\"list\"]{step}")));
    let paths: Vec<String> = paths.chain(["[\"db\"]", "[\"port\"]"].map(str::to_owned)).collect();
    let (mut compared, mut there) = (0, 0);
    for (name, format, plain) in files {
        let sealed = seal(plain.as_bytes(), format, &world.terms(name), jiff::Timestamp::now()).unwrap();
        fs::write(world.folder.path().join(name), &sealed).unwrap();
        for output in [format, Format::Json, Format::Yaml] {
            for path in &paths {
                let types = ["--input-type", format.name(), "--output-type", output.name()];
                let theirs = world.sops(&[&["decrypt", "--extract", path], &types[..], &[name]].concat());
                let part = Extract::parse(path).unwrap();
                let ours = decrypt_part(name, sealed.as_bytes(), format, (output, &part), &world.keys);
                let ours = ours.map(|part| part.text.expose(<[u8]>::to_vec)).map_err(|error| error.to_string());
                let shown = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
                let (found, wanted) = (ours.as_deref().map(shown), theirs.as_deref().map(shown));
                assert_eq!(found.as_ref().ok(), wanted.as_ref().ok(), "{name} as {}, {path}: {found:?}", output.name());
                compared += 1;
                there += usize::from(ours.is_ok());
            }
        }
    }
    assert_eq!((compared, there), (288, 89));
}
