//! Trees that git would never write, signed all the same.

use std::path::Path;

use gitwarrant::trust::Reason;

use super::place::{HOUR, Place};
use crate::support::signing::{By, run};

/// Writes an object of `kind` with these bytes, whatever git thinks of it; its id.
fn write(place: &Place, kind: &str, bytes: &[u8]) -> String {
    let file = place.kept.path().join("object");
    std::fs::write(&file, bytes).unwrap();
    let mut hash = place.signers.git(&place.repository, 0);
    hash.args(["hash-object", "-t", kind, "-w", "--literally"]).arg(&file);
    String::from_utf8(run(&mut hash).stdout).unwrap().trim().to_owned()
}

/// A tree of entries: mode, name, id.
fn tree(place: &Place, entries: &[(&str, &[u8], &str)]) -> String {
    let mut bytes = Vec::new();
    for (mode, name, id) in entries {
        bytes.extend([mode.as_bytes(), b" ", name, b"\0"].concat());
        bytes.extend((0..id.len()).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap()));
    }
    write(place, "tree", &bytes)
}

/// A commit signed by alice whose tree is `root`.
fn judge(place: &Place, root: &str) -> Result<(), Reason> {
    let arguments = ["commit-tree", "-m", "tree", "-p", place.root.as_str(), root];
    let output = run(&mut place.signers.signing(
        &place.repository,
        By::Ssh(&place.alice),
        super::place::THEN + HOUR,
        &arguments,
    ));
    let id = String::from_utf8(output.stdout).unwrap();
    std::fs::write(place.repository.join(".git/refs/heads/main"), id).unwrap();
    place.judge().map(drop)
}

#[test]
fn names_that_are_no_names_are_refused_even_when_signed() {
    let place = Place::new();
    let blob = write(&place, "blob", b"x\n");
    assert_eq!(judge(&place, &tree(&place, &[("100644", b"a", &blob)])), Ok(()));
    let long = [b'a'; 5000];
    for name in [
        &b".."[..],
        b".",
        b"",
        b".git",
        b".GIT",
        b".Git ",
        b".git.",
        b"git~1",
        b".g\xe2\x80\x8cit",
        b"a/b",
        b"a\\b",
        b"a\nb",
        b"\x1b[2J",
        b"\xff\xfe",
        b".git::$INDEX_ALLOCATION",
    ] {
        let root = tree(&place, &[("100644", name, &blob)]);
        assert_eq!(judge(&place, &root), Err(Reason::UnsafeTree), "{}", name.escape_ascii());
        let below = tree(&place, &[("40000", b"deep", &root)]);
        assert_eq!(judge(&place, &below), Err(Reason::UnsafeTree), "deep/{}", name.escape_ascii());
    }
    assert_eq!(judge(&place, &tree(&place, &[("100644", &long, &blob)])), Err(Reason::LimitExceeded));
}

#[test]
fn trees_that_two_readers_take_differently_are_refused() {
    let place = Place::new();
    let (blob, other) = (write(&place, "blob", b"x\n"), write(&place, "blob", b"y\n"));
    let folder = tree(&place, &[("100644", b"a", &blob)]);
    for (what, entries) in [
        ("a name twice", &[("100644", &b"a"[..], blob.as_str()), ("100644", b"a", &other)][..]),
        ("out of order", &[("100644", b"b", &blob), ("100644", b"a", &other)]),
        ("file and folder", &[("100644", b"a", &blob), ("100644", b"a.b", &blob), ("40000", b"a", &folder)]),
        ("a blob that says it is a folder", &[("40000", b"a", &blob)]),
        ("a folder that says it is a file", &[("100644", b"a", &folder)]),
        ("a folder that says it is a link", &[("120000", b"a", &folder)]),
        ("setuid", &[("104755", b"a", &blob)]),
        ("a mode with a zero before it", &[("040000", b"a", &folder)]),
        ("a mode of nothing", &[("0", b"a", &blob)]),
        ("a submodule", &[("160000", b"a", &place.root)]),
    ] {
        assert_eq!(judge(&place, &tree(&place, entries)), Err(Reason::UnsafeTree), "{what}");
    }
    let cut = write(&place, "tree", b"100644 a\0short");
    assert_eq!(judge(&place, &cut), Err(Reason::UnsafeTree), "cut short");
    let absent = "4f1c2d9e00112233445566778899aabbccddeeff";
    assert_eq!(judge(&place, &tree(&place, &[("40000", b"a", absent)])), Err(Reason::IncompleteHistory));
}

#[test]
fn links_end_inside_the_repository() {
    let place = Place::new();
    let (long, longer) = ([b"./".repeat(2047), b"b".to_vec()].concat(), b"./".repeat(2500));
    for (target, expected) in [
        (&b"b"[..], Ok(())),
        (&long, Ok(())),
        (&longer, Err(Reason::UnsafeTree)),
        (b"../b", Err(Reason::UnsafeTree)),
        (b"/var/run/secrets/kubernetes.io/serviceaccount/token", Err(Reason::UnsafeTree)),
        (b"b/../../c", Err(Reason::UnsafeTree)),
        (b"a", Err(Reason::UnsafeTree)),
        (b"", Err(Reason::UnsafeTree)),
        (b"\xff", Err(Reason::UnsafeTree)),
        (b"b\0/../../c", Err(Reason::UnsafeTree)),
    ] {
        let link = write(&place, "blob", target);
        let root = tree(&place, &[("120000", b"a", &link)]);
        assert_eq!(judge(&place, &root), expected, "{}", target.escape_ascii());
    }
}

#[test]
fn bombs_of_folders_end_at_a_limit() {
    let place = Place::new();
    let blob = write(&place, "blob", b"x\n");
    let mut wide = tree(&place, &[("100644", b"a", &blob)]);
    for _ in 0..10 {
        let names: Vec<String> = (0..10).map(|number| format!("d{number}")).collect();
        let entries: Vec<_> = names.iter().map(|name| ("40000", name.as_bytes(), wide.as_str())).collect();
        wide = tree(&place, &entries);
    }
    assert_eq!(judge(&place, &wide), Err(Reason::LimitExceeded), "ten thousand million files in twelve objects");
    let mut deep = tree(&place, &[("100644", b"a", &blob)]);
    for _ in 0..70 {
        deep = tree(&place, &[("40000", b"d", &deep)]);
    }
    assert_eq!(judge(&place, &deep), Err(Reason::UnsafeTree));
}

#[test]
fn contents_that_do_not_hash_to_their_id_are_corrupt() {
    let place = Place::new();
    place.commit("a", "signed\n", By::Ssh(&place.alice), HOUR);
    let id = place.signers.rev_parse(&place.repository, "HEAD:a");
    let other = write(&place, "blob", b"evil\n");
    let path = |id: &str| place.repository.join(".git/objects").join(&id[..2]).join(&id[2..]);
    replace(&path(&other), &path(&id));
    assert_eq!(place.judge(), Err(Reason::CorruptObject));
}

fn replace(from: &Path, to: &Path) {
    std::fs::remove_file(to).unwrap();
    std::fs::copy(from, to).unwrap();
}
