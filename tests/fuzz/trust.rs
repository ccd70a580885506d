//! Signed objects, signatures and files of signers, bent: nothing is believed that nobody signed.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitwarrant::git::{Algorithm, Canned, Commit, Fetched, Mirror, Offer, Oid, Reference};
use gitwarrant::model::RepoPath;
use gitwarrant::trust::{Mode, Policy, PolicyInput, Reason, Verified, verify};
use jiff::Timestamp;

use crate::attack::place::{HOUR, Place, THEN};
use crate::support::loom::{Loom, Thread};
use crate::support::mutate::fuzz;
use crate::support::repo::git;
use crate::support::signing::{By, GpgKey, run};

/// A place whose policy also believes carol, who has an OpenPGP key, and where raw objects are planted.
struct Bench {
    place: Place,
    carol: GpgKey,
    loom: Loom,
}

impl Bench {
    fn new() -> Self {
        let mut place = Place::new();
        let carol = place.signers.gpg_key("carol@example.org", "ed25519");
        place.certify(&carol);
        Self { place, carol, loom: Loom::default() }
    }

    fn raw(&self, id: &str) -> Vec<u8> {
        let kind = run(git(&self.place.repository).args(["cat-file", "-t", id])).stdout;
        let kind = String::from_utf8(kind).unwrap();
        run(git(&self.place.repository).args(["cat-file", kind.trim(), id])).stdout
    }

    /// The head as it is judged when it stands on the pinned commit.
    fn judge(&self, policy: &Policy, head: Oid, tag: Option<Oid>) -> Result<Verified<Commit>, Reason> {
        let objects = self.loom.store_loose(&self.place.repository.join(".git/objects"));
        let reference = if tag.is_some() { "refs/tags/v1.0.0" } else { "refs/heads/main" };
        let fetched = Fetched::new(Commit { reference: reference.into(), head, tag }, objects);
        let now = Timestamp::from_second(self.place.now).unwrap();
        verify(fetched, policy, &self.place.base, None, now).map_err(|refusal| refusal.reason())
    }

    fn policy(&self) -> Policy {
        Policy::read(&self.place.policy).unwrap()
    }

    /// Commits on the pinned one: alice's by SSH, carol's by OpenPGP, bob's merge of both.
    fn commits(&self) -> Vec<Vec<u8>> {
        let place = &self.place;
        let one = place.commit("a", "1", By::Ssh(&place.alice), HOUR);
        place.git(&["checkout", "-q", "-b", "side", &place.root]);
        let two = place.commit("b", "1", By::Gpg(&self.carol), HOUR);
        let three = place.signers.merge(&place.repository, "main", By::Ssh(&place.bob), place.now - 12 * HOUR);
        [one, two, three].iter().map(|id| self.raw(id)).collect()
    }
}

/// The commit without its signature header, and that header's lines.
fn apart(raw: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let start = raw.windows(8).position(|part| part == b"\ngpgsig ")? + 1;
    let mut end = start;
    loop {
        end += raw[end..].iter().position(|&byte| byte == b'\n')? + 1;
        if raw.get(end) != Some(&b' ') {
            break;
        }
    }
    Some(([&raw[..start], &raw[end..]].concat(), raw[start..end].to_vec()))
}

/// The bytes inside the armor of a signature header.
fn inside(header: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(header.to_vec()).unwrap();
    let lines = text.lines().map(|line| line.trim_start_matches("gpgsig").trim());
    // Five characters are a checksum of OpenPGP; a lone `=` may be padding on a line of its own.
    let sum = |line: &str| line.starts_with('=') && line.len() == 5;
    let body: String = lines.filter(|line| !line.starts_with('-') && !sum(line) && !line.is_empty()).collect();
    STANDARD.decode(body).unwrap()
}

fn with_header(payload: &[u8], armor: &str) -> Vec<u8> {
    let end = payload.windows(2).position(|part| part == b"\n\n").unwrap() + 1;
    let header = format!("gpgsig {}\n", armor.trim_end().replace('\n', "\n "));
    [&payload[..end], header.as_bytes(), &payload[end..]].concat()
}

fn armored(label: &str, bytes: &[u8]) -> String {
    let blank = if label.starts_with("PGP") { "\n" } else { "" };
    format!("-----BEGIN {label}-----\n{blank}{}\n-----END {label}-----\n", STANDARD.encode(bytes))
}

#[test]
fn a_bent_commit_is_believed_only_with_the_bytes_that_were_signed() {
    let bench = Bench::new();
    let (seeds, policy) = (bench.commits(), bench.policy());
    let signed: Vec<Vec<u8>> = seeds.iter().map(|raw| apart(raw).unwrap().0).collect();
    for seed in &seeds {
        assert!(bench.judge(&policy, bench.loom.raw_commit(seed.clone()), None).is_ok());
    }
    let mut believed = 0;
    fuzz("trust commit", &seeds, |bytes| {
        if bench.judge(&policy, bench.loom.raw_commit(bytes.to_vec()), None).is_ok() {
            believed += 1;
            assert!(apart(bytes).is_some_and(|(payload, _)| signed.contains(&payload)));
        }
    });
    println!("{believed} believed, each over what was signed");
}

#[test]
fn bent_armor_is_believed_only_around_the_same_signature() {
    let bench = Bench::new();
    let (commits, policy) = (bench.commits(), bench.policy());
    let (payload, header) = apart(&commits[0]).unwrap();
    let text = String::from_utf8(header.clone()).unwrap().replacen("gpgsig ", "", 1).replace("\n ", "\n");
    fuzz("trust armor", &[text.into_bytes()], |bytes| {
        let Ok(armor) = std::str::from_utf8(bytes) else { return };
        let raw = with_header(&payload, armor);
        if bench.judge(&policy, bench.loom.raw_commit(raw.clone()), None).is_ok() {
            assert_eq!(inside(&apart(&raw).unwrap().1), inside(&header));
        }
    });
}

#[test]
fn bent_ssh_signatures_are_not_believed() {
    let bench = Bench::new();
    let (commits, policy) = (bench.commits(), bench.policy());
    let (payload, header) = apart(&commits[0]).unwrap();
    let other = inside(&apart(&commits[2]).unwrap().1);
    let seed = inside(&header);
    fuzz("trust SSHSIG", &[seed.clone(), other], |bytes| {
        let raw = with_header(&payload, &armored("SSH SIGNATURE", bytes));
        let found = bench.judge(&policy, bench.loom.raw_commit(raw), None);
        assert_eq!(found.is_ok(), bytes == seed);
    });
}

/// A signature packet of gpg without what nobody signs: all that is hashed, and the beginning of the digest with the
/// numbers.
fn signed_parts(packet: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let body = if packet[0].trailing_zeros() >= 2 { 2 } else { 3 };
    let length = |at: usize| usize::from(packet[at]) * 256 + usize::from(packet[at + 1]);
    let unsigned = body + 6 + length(body + 4);
    (packet[body..unsigned].to_vec(), packet[unsigned + 2 + length(unsigned)..].to_vec())
}

#[test]
fn bent_openpgp_packets_are_believed_only_with_what_is_hashed() {
    let mut bench = Bench::new();
    let (payload, header) = apart(&bench.commits()[1]).unwrap();
    let mut seeds = vec![inside(&header)];
    let file = bench.place.kept.path().join("payload");
    std::fs::write(&file, &payload).unwrap();
    for (who, algorithm) in [("dave@example.org", "rsa2048"), ("erin@example.org", "nistp256")] {
        let key = bench.place.signers.gpg_key(who, algorithm);
        let certificate = bench.place.signers.certificate(&key);
        bench.place.policy.signers[0].openpgp.push((who.to_owned(), certificate));
        let armor = bench.place.gpg_sign(&key, THEN + HOUR, &["--detach-sign"], &file);
        seeds.push(inside(armor.as_bytes()));
    }
    let policy = bench.policy();
    let judge = |bytes: &[u8]| {
        let raw = with_header(&payload, &armored("PGP SIGNATURE", bytes));
        bench.judge(&policy, bench.loom.raw_commit(raw), None)
    };
    assert!(seeds.iter().all(|seed| judge(seed).is_ok()));
    let signed: Vec<_> = seeds.iter().map(|seed| signed_parts(seed)).collect();
    let mut believed = 0;
    fuzz("trust OpenPGP packets", &seeds, |bytes| {
        if judge(bytes).is_ok() {
            believed += 1;
            let kept = |hashed: &[u8]| bytes.windows(hashed.len()).any(|part| part == hashed);
            assert!(signed.iter().any(|(hashed, numbers)| kept(hashed) && bytes.ends_with(numbers)));
        }
    });
    println!("{believed} believed, with what was signed as it was");
}

#[test]
fn a_bent_tag_is_believed_only_with_the_bytes_that_were_signed() {
    let mut bench = Bench::new();
    bench.place.policy.mode = Mode::Tag;
    let place = &bench.place;
    place.commit("a", "1", By::Nobody, HOUR);
    let ids = [By::Ssh(&place.alice), By::Gpg(&bench.carol)].map(|by| {
        let id = place.signers.tag(&place.repository, "v1.0.0", by, place.now - 12 * HOUR);
        place.git(&["tag", "-d", "v1.0.0"]);
        id
    });
    let head: Oid = place.signers.rev_parse(&place.repository, "HEAD").parse().unwrap();
    let seeds: Vec<Vec<u8>> = ids.iter().map(|id| bench.raw(id)).collect();
    let payload = |raw: &[u8]| {
        let armor = raw.windows(11).position(|part| part == b"-----BEGIN ");
        raw[..armor.unwrap_or(raw.len())].to_vec()
    };
    let (signed, policy): (Vec<Vec<u8>>, _) = (seeds.iter().map(|raw| payload(raw)).collect(), bench.policy());
    for seed in &seeds {
        assert!(bench.judge(&policy, head, Some(bench.loom.raw_tag(seed.clone()))).is_ok());
    }
    fuzz("trust tag", &seeds, |bytes| {
        if bench.judge(&policy, head, Some(bench.loom.raw_tag(bytes.to_vec()))).is_ok() {
            assert!(signed.contains(&payload(bytes)));
        }
    });
}

#[test]
fn what_a_bent_folder_shows_stays_inside_the_repository() {
    let bench = Bench::new();
    let blob = bench.loom.blob(b"readme");
    let link = bench.loom.blob(b"a/readme");
    let below = bench.loom.tree(&[("readme", blob)]);
    let entry = |mode: &str, name: &str, id: Oid| [format!("{mode} {name}\0").as_bytes(), id.as_bytes()].concat();
    let seeds = [
        [entry("40000", "a", below), entry("100644", "b.yaml", blob), entry("120000", "link", link)].concat(),
        [entry("100755", ".gitignore", blob), entry("100644", "..b", blob), entry("40000", "prod", below)].concat(),
    ];
    let mut believed = 0;
    fuzz("trust tree", &seeds, |bytes| {
        let tree = bench.loom.raw_tree(bytes.to_vec());
        let head = bench.loom.commit(&Thread { tree, parents: &[], date: bench.place.now, message: "x" }, None);
        let input = PolicyInput { root: head.to_string(), ..bench.place.policy.clone() };
        if let Ok(verified) = bench.judge(&Policy::read(&input).unwrap(), head, None) {
            believed += 1;
            for path in verified.into_tree().below(&RepoPath::root()) {
                let odd = |part: &str| matches!(part.to_ascii_lowercase().as_str(), "" | "." | ".." | ".git" | "git~1");
                assert!(!path.as_str().split('/').any(odd) && !path.as_str().contains(['\\', '\0']), "{path}");
            }
        }
    });
    println!("{believed} folders believed");
}

#[test]
fn bent_allowed_signers_believe_no_key_that_is_not_in_them() {
    let bench = Bench::new();
    let head = bench.loom.raw_commit(bench.commits()[0].clone());
    let key = |public: &str| public.split(' ').nth(1).unwrap().to_owned();
    let (alice, bob) = (&bench.place.alice.public, &bench.place.bob.public);
    let seeds = [
        format!("alice@example.org {alice}\n# bob\nbob@example.org namespaces=\"git\" {bob}\n"),
        format!("\"*@example.org,!bob@example.org\" valid-after=\"20260101Z\",valid-before=\"20270101\" {alice}\n"),
        format!("*@example.org cert-authority {bob}\r\nalice@example.org\t{alice} comment\n\n"),
    ];
    let mut believed = 0;
    let seeds = seeds.map(String::into_bytes);
    fuzz("trust allowed_signers", &seeds, |bytes| {
        let mut input = bench.place.policy.clone();
        let text = String::from_utf8_lossy(bytes).into_owned();
        input.signers[0].allowed_signers = Some(text.clone());
        if let Ok(policy) = Policy::read(&input)
            && bench.judge(&policy, head, None).is_ok()
        {
            believed += 1;
            assert!(text.contains(&key(alice)));
        }
    });
    println!("{believed} times alice was believed");
}

#[test]
fn bent_revocation_lists_are_read_whole_or_refuse_everything() {
    let bench = Bench::new();
    let place = &bench.place;
    let head = bench.loom.raw_commit(bench.commits()[0].clone());
    let (list, orders) = (place.kept.path().join("krl"), place.kept.path().join("orders"));
    let (alice, bob) = (place.alice.private.with_extension("pub"), place.bob.private.with_extension("pub"));
    std::fs::write(&orders, format!("serial: 1\nserial: 5-900\nid: somebody\nsha256: {}\n", place.alice.public))
        .unwrap();
    let krl = |arguments: &[&Path]| {
        run(Command::new("ssh-keygen").args(["-q", "-k", "-f"]).arg(&list).args(arguments));
        std::fs::read(&list).unwrap()
    };
    let seeds = [krl(&[&alice]), krl(&[&bob]), krl(&[Path::new("-s"), &bob, &orders])];
    let judge = |bytes: &[u8]| {
        let mut input = place.policy.clone();
        input.signers[0].revoked = Some(bytes.to_vec());
        let policy = Policy::read(&input).ok()?;
        Some(bench.judge(&policy, head, None).map(drop))
    };
    assert_eq!(judge(&seeds[0]), Some(Err(Reason::RevokedKey)));
    assert_eq!(judge(&seeds[1]), Some(Ok(())));
    assert_eq!(judge(&seeds[2]), Some(Err(Reason::RevokedKey)));
    let mut read = 0;
    fuzz("trust KRL", &seeds, |bytes| {
        if let Some(found) = judge(bytes) {
            read += 1;
            assert!(matches!(found, Ok(()) | Err(Reason::RevokedKey)));
        }
    });
    println!("{read} lists read");
}

#[test]
fn bent_certificates_believe_no_key_that_is_not_in_them() {
    let bench = Bench::new();
    let head = bench.loom.raw_commit(bench.commits()[1].clone());
    let dave = bench.place.signers.gpg_key("dave@example.org", "rsa2048");
    let decoded = |key: &GpgKey| run(bench.place.signers.gpg().args(["--export", &key.fingerprint])).stdout;
    let carol = decoded(&bench.carol);
    // The body of the first packet is the primary key.
    let primary = carol[2..2 + usize::from(carol[1])].to_vec();
    let mut believed = 0;
    fuzz("trust certificates", &[carol.clone(), decoded(&dave)], |bytes| {
        let mut input = bench.place.policy.clone();
        input.signers[0].openpgp[0].1 = armored("PGP PUBLIC KEY BLOCK", bytes);
        if let Ok(policy) = Policy::read(&input)
            && bench.judge(&policy, head, None).is_ok()
        {
            believed += 1;
            assert!(bytes.windows(primary.len()).any(|part| part == primary));
        }
    });
    println!("{believed} times carol was believed");
}

#[test]
fn a_bent_pack_brings_the_very_objects_or_nothing() {
    let bench = Bench::new();
    let commits = bench.commits();
    let head: Oid = bench.place.signers.rev_parse(&bench.place.repository, "HEAD").parse().unwrap();
    let pack = |arguments: &[&str]| {
        let list = run(git(&bench.place.repository).args(["rev-list", "--objects", "HEAD"])).stdout;
        let file = bench.place.kept.path().join("list");
        std::fs::write(&file, list).unwrap();
        let mut pack = git(&bench.place.repository);
        pack.args(["pack-objects", "--stdout", "-q"]).args(arguments).stdin(std::fs::File::open(&file).unwrap());
        let output = pack.output().unwrap();
        assert!(output.status.success());
        output.stdout
    };
    let policy = bench.policy();
    let seeds = [pack(&[]), pack(&["--window=0"]), pack(&["--delta-base-offset", "--depth=50"])];
    let offer = Offer { name: "refs/heads/main".into(), id: head };
    let reference = Reference::Branch("main".into());
    let folder = tempfile::tempdir().unwrap();
    let mut taken = 0;
    let bent = |bytes: &[u8]| {
        let canned = Canned::new(Algorithm::Sha1, Some(offer.clone()), resummed(bytes));
        let mut mirror = Mirror::new(folder.path());
        if let Ok(fetched) = mirror.fetch(&canned, &reference) {
            taken += 1;
            if let Ok(raw) = fetched.objects().read(&head, 1 << 20) {
                assert_eq!(raw.bytes, commits[2]);
            }
            let (commit, objects) = fetched.into_parts();
            let now = Timestamp::from_second(bench.place.now).unwrap();
            let found = verify(Fetched::new(commit, objects), &policy, &bench.place.base, None, now);
            let internal = found.is_err_and(|refusal| refusal.reason() == Reason::Internal);
            assert!(!internal, "judging broke off");
        }
    };
    fuzz("trust pack", &seeds, bent);
    println!("{taken} packs taken");
}

/// The pack with its checksum set right, as a server would that bends packs.
fn resummed(pack: &[u8]) -> Vec<u8> {
    let body = &pack[..pack.len().saturating_sub(20)];
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(body);
    [body, hasher.try_finalize().map(|sum| sum.as_bytes().to_vec()).unwrap_or_default().as_slice()].concat()
}
