//! A lying object store: whoever can write into the repository's folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use gitwarrant::git::{Algorithm, Objects, Oid, ReadError, Repository};

use crate::support::repo::{Repo, git};
use crate::support::tools;

const LIMIT: u64 = 64 << 20;

fn open(repo: &Repo) -> Objects {
    Objects::open(&repo.dir().join(".git/objects"), Algorithm::Sha1).unwrap()
}

fn id(text: &str) -> Oid {
    text.parse().unwrap()
}

/// Puts bytes where the loose object `id` lies.
fn plant(objects: &Path, id: &str, bytes: &[u8]) {
    let file = objects.join(&id[..2]).join(&id[2..]);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    drop(fs::remove_file(&file));
    fs::write(file, bytes).unwrap();
}

/// The content as zlib stores it without compressing: one block after another.
fn stored(content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x78, 0x01];
    let mut blocks = content.chunks(65535).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap();
        bytes.push(u8::from(blocks.peek().is_none()));
        bytes.extend(length.to_le_bytes());
        bytes.extend((!length).to_le_bytes());
        bytes.extend(block);
    }
    let (low, high) = content.iter().fold((1u32, 0u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65521;
        (low, (high + low) % 65521)
    });
    bytes.extend((high << 16 | low).to_be_bytes());
    bytes
}

#[test]
fn loose_and_packed_objects_read_as_git_reads_them() {
    for format in ["sha1", "sha256"] {
        let dir = tempfile::tempdir().unwrap();
        tools::run(git(dir.path()).args(["init", "-q", "-b", "main", "--object-format", format, "."])).unwrap();
        let repo = Repo::init(dir.path());
        let lines: String = (0..2000).map(|n| format!("line {n}\n")).collect();
        for n in 0..20 {
            repo.commit("big", &format!("{lines}{n}\n"));
        }
        let algorithm = if format == "sha1" { Algorithm::Sha1 } else { Algorithm::Sha256 };
        for packed in [false, true] {
            if packed {
                repo.git(&["repack", "-adq", "--depth=50"]);
            }
            let objects = Objects::open(&dir.path().join(".git/objects"), algorithm).unwrap();
            let all = repo.git(&["cat-file", "--batch-all-objects", "--batch-check"]);
            assert_eq!(all.lines().count(), 60);
            for line in all.lines() {
                let [name, kind, size] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
                let raw = objects.read(&id(name), LIMIT).unwrap();
                assert_eq!(format!("{:?}", raw.kind).to_lowercase(), kind);
                assert_eq!(raw.bytes.len().to_string(), size);
            }
        }
    }
}

#[test]
fn missing_object_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(dir.path());
    repo.commit("a", "a");
    let absent = id("4f1c2d9e00112233445566778899aabbccddeeff");
    assert!(matches!(open(&repo).read(&absent, LIMIT), Err(ReadError::Missing { .. })));
}

#[test]
fn object_with_other_bytes_than_its_id_says_is_corrupt() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(dir.path());
    let commit = repo.commit("a", "a");
    let objects = dir.path().join(".git/objects");
    plant(&objects, &commit, &stored(b"blob 5\0hello"));
    assert!(matches!(open(&repo).read(&id(&commit), LIMIT), Err(ReadError::Corrupt { .. })));
}

#[test]
fn loose_header_that_lies_about_the_size_is_corrupt() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(dir.path());
    let blob = {
        repo.commit("a", "hello");
        repo.git(&["rev-parse", "HEAD:a"])
    };
    let objects = dir.path().join(".git/objects");
    let long = [b"blob 5\0hello".as_slice(), &vec![0; 1 << 20]].concat();
    for lie in [b"blob 4\0hello".to_vec(), b"blob 6\0hello".to_vec(), long] {
        plant(&objects, &blob, &stored(&lie));
        assert!(matches!(open(&repo).read(&id(&blob), LIMIT), Err(ReadError::Corrupt { .. })), "{:?}", &lie[..8]);
    }
}

#[test]
fn loose_bomb_is_refused_by_its_header() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(dir.path());
    fs::write(dir.path().join("zero"), vec![0; 80 << 20]).unwrap();
    repo.git(&["add", "zero"]);
    let blob = repo.git(&["rev-parse", ":zero"]);
    let Err(error) = open(&repo).read(&id(&blob), LIMIT) else { panic!("read") };
    assert!(matches!(error, ReadError::TooLarge { size: 83_886_080, limit: LIMIT, .. }), "{error}");
    repo.git(&["repack", "-adq"]);
    repo.git(&["-c", "core.bigFileThreshold=1g", "commit", "-qm", "zero"]);
    repo.git(&["repack", "-adq"]);
    let Err(error) = open(&repo).read(&id(&blob), LIMIT) else { panic!("read") };
    assert!(matches!(error, ReadError::TooLarge { .. }), "{error}");
}

#[test]
fn flipped_byte_in_a_pack_is_corrupt() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(dir.path());
    let commit = repo.commit("a", "hello");
    repo.git(&["repack", "-adq"]);
    let pack = fs::read_dir(dir.path().join(".git/objects/pack")).unwrap();
    let pack = pack.map(|entry| entry.unwrap().path()).find(|path| path.extension().unwrap() == "pack").unwrap();
    let sound = fs::read(&pack).unwrap();
    let mut corrupt = 0;
    for at in 12..sound.len() - 20 {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x10;
        fs::remove_file(&pack).unwrap();
        fs::write(&pack, bytes).unwrap();
        match open(&repo).read(&id(&commit), LIMIT) {
            // The flip is in another object, or in a bit that zlib does not look at.
            Ok(raw) => assert!(raw.bytes.starts_with(b"tree ")),
            Err(error) => {
                assert!(matches!(error, ReadError::Corrupt { .. } | ReadError::TooLarge { .. }), "{error}");
                corrupt += 1;
            }
        }
    }
    assert!(corrupt > 50, "{corrupt}");
}

#[test]
fn lost_pack_beside_its_index_is_corrupt_not_missing() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(dir.path());
    let commit = repo.commit("a", "hello");
    repo.git(&["repack", "-adq"]);
    for entry in fs::read_dir(dir.path().join(".git/objects/pack")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().unwrap() == "pack" {
            fs::remove_file(path).unwrap();
        }
    }
    assert!(matches!(open(&repo).read(&id(&commit), LIMIT), Err(ReadError::Corrupt { .. })));
}

#[test]
fn alternates_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let donor = Repo::init(&dir.path().join("donor"));
    let commit = donor.commit("a", "a");
    let repo = Repo::init(&dir.path().join("repo"));
    let elsewhere = donor.dir().join(".git/objects");
    fs::create_dir_all(repo.dir().join(".git/objects/info")).unwrap();
    fs::write(repo.dir().join(".git/objects/info/alternates"), elsewhere.to_str().unwrap()).unwrap();
    assert_eq!(repo.git(&["cat-file", "-t", &commit]), "commit");
    assert!(matches!(open(&repo).read(&id(&commit), LIMIT), Err(ReadError::Missing { .. })));
}

#[test]
fn replace_refs_and_grafts_count_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(dir.path());
    let first = repo.commit("a", "a");
    let second = repo.commit("a", "b");
    repo.git(&["replace", &second, &first]);
    fs::write(dir.path().join(".git/shallow"), format!("{second}\n")).unwrap();
    assert_eq!(repo.git(&["log", "-1", "--format=%T", &second]), repo.git(&["log", "-1", "--format=%T", &first]));
    let found = Repository::open(dir.path()).unwrap().resolve("main").unwrap();
    assert_eq!(found.what().head.to_string(), second);
    let raw = found.objects().read(&found.what().head, LIMIT).unwrap();
    assert!(String::from_utf8(raw.bytes).unwrap().contains(&format!("parent {first}\n")));
}

#[test]
fn configuration_and_hooks_of_the_repository_run_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(dir.path());
    let commit = repo.commit("a", "a");
    let ran = dir.path().join("ran");
    let run = format!("touch {}", ran.display());
    for key in ["core.fsmonitor", "core.sshCommand", "filter.x.smudge", "filter.x.process", "diff.x.textconv"] {
        repo.git(&["config", key, &run]);
    }
    repo.git(&["config", "include.path", "/dev/zero"]);
    fs::write(dir.path().join(".gitattributes"), "* filter=x diff=x\n").unwrap();
    let found = Repository::open(dir.path()).unwrap().resolve("HEAD").unwrap();
    assert_eq!(found.what().head, id(&commit));
    assert_eq!(gitwarrant::git::files(dir.path()).unwrap().len(), 2);
    assert!(!ran.exists());
}

#[test]
fn pipe_in_place_of_a_reference_does_not_hang() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(dir.path());
    repo.commit("a", "a");
    let pipe = dir.path().join(".git/refs/heads/pipe");
    tools::run(Command::new("mkfifo").arg(&pipe)).unwrap();
    assert!(Repository::open(dir.path()).unwrap().resolve("refs/heads/pipe").is_err());
    assert!(gitwarrant::git::files(dir.path()).unwrap().len() == 1);
}
