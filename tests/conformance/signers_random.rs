//! Files of signers and of withdrawn keys drawn at random, beside ssh-keygen asked as git asks it.
//!
//! `GITWARRANT_RANDOM_SIGNERS` is how many (100 unless told). Whom we believe ssh-keygen believes too. Whom it believes and
//! we do not, a rule says so: an unreadable line refuses everything, also where ssh-keygen stops at an earlier one.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use gitwarrant::trust::{Policy, Reason};

use crate::attack::place::{HOUR, Place, THEN};
use crate::support::mutate::Random;
use crate::support::signing::{By, SshKey, run};

/// A repository with one commit by each of some people, and what their keys are.
struct Bench {
    place: Place,
    commits: Vec<(String, PathBuf, PathBuf)>,
    /// As they stand in files.
    keys: Vec<String>,
    /// Keys as nobody may write them.
    odd_keys: Vec<String>,
    /// Lists of withdrawn keys; the first is empty.
    revoked: Vec<Vec<u8>>,
}

const PRINCIPALS: [&str; 14] = [
    "alice@example.org",
    "bob@example.org",
    "carol@example.org,alice@example.org",
    "*@example.org",
    "*@example.org,!alice@example.org",
    "!bob@example.org,*",
    "\"alice@example.org\"",
    "\"al ice\"",
    "?lice@example.org",
    "*",
    "a*e@*.org",
    "ALICE@example.org",
    "bob@elsewhere.org",
    "!bob@example.org",
];
/// One for each way of matching the above.
const PEOPLE: [&str; 6] =
    ["alice@example.org", "bob@example.org", "carol@example.org", "al ice", "bob@elsewhere.org", "ALICE@example.org"];
const ODD_PRINCIPALS: [&str; 5] = ["a\"lice\"@example.org", "alice@example.org,", ",", "!", "\"alice@example.org"];
/// Around 2026-06-01T01:00:00Z, when the commits are made.
const OPTIONS: [&str; 21] = [
    "cert-authority",
    "CERT-AUTHORITY",
    "cert-authority",
    "namespaces=\"git\"",
    "Namespaces=\"file,git\"",
    "namespaces=\"file\"",
    "namespaces=\"!git,*\"",
    "namespaces=\"g?t\"",
    "namespaces=\"gi\\\"t\"",
    "valid-after=\"20260601010000Z\"",
    "valid-after=\"20260601010001Z\"",
    "valid-after=\"202606010100\"",
    "valid-after=\"20260601\"",
    "valid-after=\"20260602z\"",
    "valid-after=\"20250101UTC\"",
    "VALID-BEFORE=\"20260601010000Z\"",
    "valid-before=\"20260601005959utc\"",
    "valid-before=\"20260601\"",
    "valid-before=\"202606010101Z\"",
    "valid-before=\"20270101\"",
    "valid-before=\"99991231235959Z\"",
];
const ODD_OPTIONS: [&str; 16] = [
    "no-touch-required",
    "cert-authority,",
    ",cert-authority",
    "namespaces=git",
    "namespaces=\"git",
    "namespaces",
    "valid-after=\"2026\"",
    "valid-after=\"19700101Z\"",
    "valid-after=\"20261301\"",
    "valid-after=\"20260230\"",
    "valid-after=\"20260601T010000Z\"",
    "valid-before=\"+1d\"",
    "valid-before=\"\"",
    "verify-required",
    "cert-authority=\"yes\"",
    "!cert-authority",
];

impl Bench {
    fn new() -> Self {
        let place = Place::new();
        let [authority, other] = ["ca", "other"].map(|name| place.signers.ssh_key(name, "ed25519"));
        let carol = place.signers.ssh_key("carol@example.org", "ecdsa");
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-I", "laptop", "-z", "7", "-n", "bob@example.org,bob@elsewhere.org"]);
        keygen.args(["-V", "20260531000000Z:20260602000000Z", "-s"]).arg(&authority.private);
        run(keygen.arg(place.bob.private.with_extension("pub")));
        let file = format!("{}-cert.pub", place.bob.private.display());
        let certificate = std::fs::read_to_string(&file).unwrap().trim_end().to_owned();
        let certified = SshKey { principal: String::new(), private: file.into(), public: certificate.clone() };
        let publics = [&place.alice, &place.bob, &carol, &authority, &other].map(|key| key.public.clone());
        let mut bench =
            Self { commits: Vec::new(), odd_keys: Vec::new(), revoked: vec![Vec::new()], keys: Vec::new(), place };
        for by in [&bench.place.alice, &bench.place.bob, &certified, &carol] {
            let commit = bench.commit(by, bench.commits.len());
            bench.commits.push(commit);
        }
        let [alice, bob, ..] = &publics;
        let (kind, encoded) = (alice.split(' ').next().unwrap(), alice.split(' ').nth(1).unwrap());
        bench.odd_keys = vec![
            certificate.clone(),
            format!("ssh-rsa {encoded}"),
            format!("{kind} {}", &encoded[..encoded.len() - 4]),
            format!("{kind} {}", &encoded[..40]),
            format!("{kind}{encoded}"),
            format!("ED25519 {encoded}"),
            kind.to_owned(),
            encoded.to_owned(),
            format!("{kind} {encoded}===="),
        ];
        for orders in [
            alice.clone(),
            format!("sha1: {alice}\nsha256: {bob}"),
            format!("sha256: {}", publics[3]),
            format!("key: {}", publics[2]),
        ] {
            let list = bench.krl(&orders, None);
            bench.revoked.push(list);
        }
        for (orders, by) in
            [("serial: 7", &authority), ("serial: 8-9", &authority), ("id: laptop", &other), ("id: laptop", &authority)]
        {
            let list = bench.krl(orders, Some(by));
            bench.revoked.push(list);
        }
        bench.revoked.push(format!("# gone\n\n{bob}\n").into_bytes());
        bench.revoked.push(format!("{}\r\n{certificate}", publics[2]).into_bytes());
        bench.revoked.push(publics[3].clone().into_bytes());
        bench.keys = publics.into();
        bench
    }

    /// A commit on the pinned one, with its payload and its signature in files.
    fn commit(&self, by: &SshKey, number: usize) -> (String, PathBuf, PathBuf) {
        self.place.git(&["reset", "-q", "--hard", &self.place.root]);
        let id = self.place.commit("a", "1", By::Ssh(by), HOUR);
        let raw = self.place.raw_head();
        let start = raw.find("gpgsig ").unwrap();
        let end = start + raw[start..].find("-----END SSH SIGNATURE-----\n").unwrap() + 28;
        let files = ["payload", "signature"].map(|name| self.place.kept.path().join(format!("{name}{number}")));
        std::fs::write(&files[0], format!("{}{}", &raw[..start], &raw[end..])).unwrap();
        std::fs::write(&files[1], raw[start + 7..end].replace("\n ", "\n")).unwrap();
        let [payload, signature] = files;
        (id, payload, signature)
    }

    fn krl(&self, orders: &str, authority: Option<&SshKey>) -> Vec<u8> {
        let [file, list] = ["orders", "krl"].map(|name| self.place.kept.path().join(name));
        std::fs::write(&file, format!("{orders}\n")).unwrap();
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-k", "-f"]).arg(&list);
        if let Some(authority) = authority {
            keygen.arg("-s").arg(authority.private.with_extension("pub"));
        }
        run(keygen.arg(&file));
        std::fs::read(list).unwrap()
    }

    /// A line, and whether everybody reads it alike.
    fn line(&self, random: &mut Random) -> (String, bool) {
        let odd = random.below(24);
        let who = if odd == 0 { random.one(&ODD_PRINCIPALS) } else { random.one(&PRINCIPALS) };
        let mut options: Vec<&str> = (0..random.below(3)).map(|_| *random.one(&OPTIONS)).collect();
        if odd == 1 {
            options.push(*random.one(&ODD_OPTIONS));
        }
        let key = if odd == 2 { random.one(&self.odd_keys) } else { random.one(&self.keys) };
        let blank = *random.one(&[" ", " ", "\t", "  \t"]);
        let name = |option: &&str| option.split('=').next().unwrap_or_default().to_ascii_lowercase();
        let mut names: Vec<String> = options.iter().map(name).filter(|name| name != "cert-authority").collect();
        names.sort();
        let twice = names.windows(2).any(|two| two[0] == two[1]);
        // A window that ends before it begins is an error to both.
        let window = names.iter().filter(|name| name.starts_with("valid-")).count() > 1;
        let options = if options.is_empty() { String::new() } else { format!("{}{blank}", options.join(",")) };
        let start = *random.one(&["", "", "", " ", "\t"]);
        let end = *random.one(&["", "", "", " ", "\r", " a comment"]);
        (format!("{start}{who}{blank}{options}{key}{end}"), odd > 2 && !twice && !window)
    }

    fn file(&self, random: &mut Random) -> (String, bool) {
        let mut text = String::new();
        let mut plain = true;
        for _ in 0..random.below(4) {
            let (line, alike) = self.line(random);
            text.push_str(&line);
            text.push('\n');
            plain &= alike;
            let between = *random.one(&["", "", "# nobody\n", "\n", "  \t# x\n"]);
            text.push_str(between);
        }
        if random.below(4) == 0 {
            text.pop();
        }
        (text, plain)
    }

    /// Whether ssh-keygen finds somebody who signed: asked as git does it, or else about each of `people`. Git stops at the
    /// first line with the key, and by rule 5 any line may authorise.
    fn theirs(&self, number: usize, allowed: &str, revoked: &[u8], people: &[&str]) -> bool {
        let (_, payload, signature) = &self.commits[number];
        let [file, list] = ["allowed", "revoked"].map(|name| self.place.kept.path().join(name));
        std::fs::write(&file, allowed).unwrap();
        std::fs::write(&list, revoked).unwrap();
        let keygen = |what: &str| {
            let mut keygen = Command::new("ssh-keygen");
            keygen.env("TZ", "UTC").args(["-Y", what, "-Overify-time=20260601010000"]).arg("-f").arg(&file);
            keygen.arg("-s").arg(signature);
            keygen
        };
        let ask = |command: &mut Command| -> Output {
            command.stdin(std::fs::File::open(payload).unwrap()).stdout(Stdio::piped()).stderr(Stdio::null());
            command.spawn().unwrap().wait_with_output().unwrap()
        };
        let found = ask(&mut keygen("find-principals"));
        let names = String::from_utf8_lossy(&found.stdout).into_owned();
        let names = names.lines().filter(|_| found.status.success()).chain(people.iter().copied());
        let mut verified = names.map(|name| {
            let mut verify = keygen("verify");
            ask(verify.args(["-n", "git", "-I", name, "-r"]).arg(&list)).status.success()
        });
        verified.any(|good| good)
    }
}

#[test]
fn nobody_is_believed_whom_ssh_keygen_does_not_believe() {
    let count = std::env::var("GITWARRANT_RANDOM_SIGNERS").map_or(100, |count| count.parse().expect("a number"));
    let (mut bench, mut random) = (Bench::new(), Random::new(7));
    bench.place.base.applied = None;
    let mut agreed = [0; 2];
    let mut wrong = Vec::new();
    for _ in 0..count {
        let (allowed, plain) = bench.file(&mut random);
        let number = random.below(bench.commits.len());
        let revoked = if random.below(3) == 0 { random.one(&bench.revoked).clone() } else { Vec::new() };
        bench.place.policy.signers[0].allowed_signers = Some(allowed.clone());
        bench.place.policy.signers[0].revoked = Some(revoked.clone());
        let head = bench.commits[number].0.clone();
        let ours = match Policy::read(&bench.place.policy) {
            Ok(_) => bench.place.judge_at(&head).map(drop),
            Err(_) => Err(Reason::BadConfiguration),
        };
        let people: &[&str] = if ours.is_ok() { &PEOPLE } else { &[] };
        let theirs = bench.theirs(number, &allowed, &revoked, people);
        let right = match (&ours, theirs) {
            (Ok(()), true) | (Err(_), false) => ours != Err(Reason::BadConfiguration) || !plain,
            // Rule 0.
            (Err(Reason::BadConfiguration), true) => !plain,
            (Err(_), true) | (Ok(()), false) => false,
        };
        agreed[usize::from(theirs)] += u32::from(right);
        if !right {
            let said = if theirs { "believes" } else { "does not believe" };
            wrong.push(format!(
                "commit {number}: {ours:?}, ssh-keygen {said} it; revoked {}\n{allowed}",
                revoked.escape_ascii()
            ));
        }
    }
    println!("{count} files: {} refused and {} believed as ssh-keygen does", agreed[0], agreed[1]);
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(THEN + HOUR, 1_780_275_600, "the time that ssh-keygen is told");
}
