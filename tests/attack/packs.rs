//! Packs as no honest server writes them, and servers that never come to an end.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use gitwarrant::git::{
    Algorithm, Canned, Connection, Error, Mirror, Offer, Oid, Plain, Reference, Remote, Transport, Url,
};

use crate::support::loom::{deflate_stored, entry_header};
use crate::support::repo::Repo;

const BLOB: u8 = 3;
const OFFSET_DELTA: u8 = 6;
const REFERENCE_DELTA: u8 = 7;

fn main_branch() -> Reference {
    Reference::Branch("main".into())
}

/// What becomes of `pack` when it is offered under the id `wanted`: taken or not, and how many files stay behind.
fn fetch(pack: Vec<u8>, wanted: Oid) -> (Result<(), Error>, usize) {
    let folder = tempfile::tempdir().unwrap();
    let offer = Offer { name: "refs/heads/main".into(), id: wanted };
    let canned = Canned::new(Algorithm::Sha1, Some(offer), pack);
    let mut mirror = Mirror::new(folder.path());
    let seam: &dyn Transport = &canned;
    let fetched = mirror.fetch(seam, &main_branch()).map(drop);
    (fetched, files_below(folder.path()))
}

fn files_below(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

fn somebody() -> Oid {
    "00000000000000000000000000000000000000aa".parse().unwrap()
}

/// A pack of these entries, with its checksum.
fn pack(entries: &[Vec<u8>]) -> Vec<u8> {
    let count = u32::try_from(entries.len()).unwrap();
    let mut pack = [b"PACK\0\0\0\x02".as_slice(), &count.to_be_bytes(), &entries.concat()].concat();
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(&pack);
    pack.extend(hasher.try_finalize().unwrap().as_bytes());
    pack
}

fn entry(kind: u8, base: &[u8], content: &[u8]) -> Vec<u8> {
    let mut entry = Vec::new();
    entry_header(&mut entry, kind, content.len());
    entry.extend(base);
    deflate_stored(&mut entry, content);
    entry
}

/// Where an offset delta's base lies, as a distance back.
///
/// Source: gitformat-pack(5), "offset encoding".
fn distance(mut back: usize) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(back & 127).unwrap()];
    back >>= 7;
    while back > 0 {
        back -= 1;
        bytes.push(0x80 | u8::try_from(back & 127).unwrap());
        back >>= 7;
    }
    bytes.reverse();
    bytes
}

/// A number of seven bits a byte, low ones first.
fn size(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push(0x80 | u8::try_from(value & 127).unwrap());
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

#[test]
fn a_pack_that_inflates_without_end_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let repo = Repo::init(folder.path());
    let file = std::fs::File::create(folder.path().join("zero")).unwrap();
    file.set_len(300 << 20).unwrap();
    repo.git(&["add", "zero"]);
    repo.git(&["commit", "-qm", "zero"]);
    let (pack, head) = (repo.pack("HEAD\n"), repo.git(&["rev-parse", "HEAD"]).parse().unwrap());
    assert!(pack.len() < 1 << 20);
    let (found, left) = fetch(pack, head);
    assert!(matches!(found, Err(Error::BadPack { .. })), "{found:?}");
    assert_eq!(left, 0);
}

#[test]
fn an_entry_that_claims_more_than_it_holds_is_refused() {
    for claimed in [1 << 20, 300 << 20, 100 << 30, usize::MAX >> 4] {
        let mut lie = Vec::new();
        entry_header(&mut lie, BLOB, claimed);
        deflate_stored(&mut lie, b"short");
        let (found, left) = fetch(pack(&[lie]), somebody());
        assert!(matches!(found, Err(Error::BadPack { .. })), "{claimed}: {found:?}");
        assert_eq!(left, 0);
    }
}

#[test]
fn a_delta_that_makes_something_huge_is_refused() {
    let base = vec![b'a'; 60_000];
    let first = entry(BLOB, &[], &base);
    // Copies the whole base ten thousand times: 600 MB out of 70 kB.
    let copy = [0x80 | 0x10 | 0x20, 0x60, 0xea];
    let delta = [size(60_000), size(600_000_000), copy.repeat(10_000)].concat();
    let second = entry(OFFSET_DELTA, &distance(first.len()), &delta);
    let (found, left) = fetch(pack(&[first, second]), somebody());
    assert!(matches!(found, Err(Error::BadPack { .. })), "{found:?}");
    assert_eq!(left, 0);
}

#[test]
fn a_chain_of_a_hundred_thousand_deltas_ends_without_exhausting_the_stack() {
    let mut entries = vec![entry(BLOB, &[], b"0123456789")];
    let mut last = entries[0].len();
    for step in 0..100_000u32 {
        // Insert four bytes, copy the rest of the base: each link is an object of its own.
        let number = step.to_be_bytes();
        let delta = [&size(if step == 0 { 10 } else { 14 })[..], &size(14), &[4], &number, &[0x90, 10]].concat();
        let next = entry(OFFSET_DELTA, &distance(last), &delta);
        last = next.len();
        entries.push(next);
    }
    let begin = Instant::now();
    let (found, _) = fetch(pack(&entries), somebody());
    assert!(matches!(found, Err(Error::BadPack { .. })), "{found:?}");
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[test]
fn deltas_on_themselves_on_what_is_missing_and_in_a_circle_are_refused() {
    let delta = [size(5), size(5), vec![0x90, 5]].concat();
    let missing = entry(REFERENCE_DELTA, somebody().as_bytes(), &delta);
    let own = entry(OFFSET_DELTA, &[0], &delta);
    let before = entry(OFFSET_DELTA, &distance(1 << 20), &delta);
    let plain = entry(BLOB, &[], b"hello");
    // Two that rest on each other's ids, which nobody can have computed.
    let circle = [[0xaa; 20], [0xbb; 20]].map(|base| entry(REFERENCE_DELTA, &base, &delta));
    for entries in [vec![missing], vec![own], vec![before], vec![plain.clone(), circle[0].clone(), circle[1].clone()]] {
        let (found, left) = fetch(pack(&entries), somebody());
        assert!(matches!(found, Err(Error::BadPack { .. })), "{found:?}");
        assert_eq!(left, 0);
    }
    let (found, _) = fetch(pack(&[plain]), somebody());
    assert!(matches!(found, Err(Error::BadPack { source: None, .. })), "whole, but without what was wanted: {found:?}");
}

/// The address of a server that answers every request with `head`, and then `body` again and again, a byte at a time.
fn endless(head: String, body: &'static [u8], pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x.git", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(head.as_bytes());
            while stream.write_all(body).is_ok() {
                std::thread::sleep(pause);
            }
        }
    });
    url
}

fn check(url: &str, max_bytes: u64) -> Result<(), Error> {
    let remote = Remote::new(Url::parse(url, Plain::Allow).unwrap());
    let remote = Remote { timeout: Duration::from_secs(1), max_bytes, ..remote };
    Mirror::check(&Connection::new(remote).unwrap(), &main_branch(), None).map(drop)
}

const ADVERTISED: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n";

#[test]
fn a_server_that_sends_a_byte_now_and_then_ends_at_the_deadline() {
    let url = endless(format!("{ADVERTISED}Content-Length: 9999\r\n\r\n"), b"0", Duration::from_millis(50));
    let begin = Instant::now();
    let found = check(&url, 1 << 20);
    assert!(matches!(found, Err(Error::TimedOut { .. } | Error::BadAnswer { .. })), "{found:?}");
    let url = endless(format!("{ADVERTISED}Content-Length: 9999\r\n\r\n"), b"001e# service", Duration::from_secs(60));
    let found = check(&url, 1 << 20);
    assert!(matches!(found, Err(Error::TimedOut { .. })), "{found:?}");
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn an_answer_without_end_is_refused_long_before_memory_ends() {
    // Pkt-lines of a capability each, for ever.
    let url = endless(format!("{ADVERTISED}\r\n"), b"000eversion 2\n0009agent", Duration::ZERO);
    let begin = Instant::now();
    assert!(check(&url, 100_000).is_err());
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_compressed_answer_is_not_inflated() {
    // Nobody asked for it; what would be gigabytes of zeros is taken for the garbage that it is.
    let head = format!("{ADVERTISED}Content-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n");
    let url = endless(head, b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", Duration::from_millis(1));
    let found = check(&url, 1 << 20);
    assert!(matches!(found, Err(Error::BadAnswer { .. })), "{found:?}");
}
