//! Merges by a forge's key, drawn at random and made by the real git: what git makes without asking anybody is a merge and
//! nothing else is. `GITWARRANT_SEEDS` is the number of merges (150 unless told), `GITWARRANT_SEED` the first.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use gitwarrant::git::{Commit, Fetched, Objects, Oid};
use gitwarrant::trust::{Base, Policy, PolicyInput, Reason, SignersText, verify};
use jiff::Timestamp;
use ssh_key::PrivateKey;

use super::place::{DAY, HOUR, THEN};
use crate::support::loom::{Loom, Thread, private};
use crate::support::mutate::Random;
use crate::support::signing::{Signers, run};

/// Mode and content by path.
pub(super) type Files = BTreeMap<String, (&'static str, Vec<u8>)>;

const FILE: &str = "100644";
const PROGRAM: &str = "100755";
const LINK: &str = "120000";
const PATHS: [&str; 8] = ["a", "b", "d", "d/x", "d/y", "d/e/z", "e/x", "long.yaml"];

/// A base, and what two sides make of it.
struct Fork {
    base: Files,
    ours: Files,
    theirs: Files,
}

/// Few different lines, so that they repeat: then several differences are equally short.
fn lines(random: &mut Random, count: usize) -> Vec<u8> {
    const LINES: [&str; 7] = ["- a\n", "- b\n", "\n", "  x: 1\n", "end\r\n", "- a\n", "- c\n"];
    let mut text: String = (0..count).map(|_| *random.one(&LINES)).collect();
    if random.below(6) == 0 {
        text.truncate(text.trim_end().len());
    }
    text.into_bytes()
}

fn drawn_file(random: &mut Random) -> (&'static str, Vec<u8>) {
    let count = 2 + random.below(14);
    match random.below(12) {
        0 => (PROGRAM, lines(random, count)),
        1 => (LINK, random.one(&["gone", "nowhere"]).as_bytes().to_vec()),
        2 => (FILE, b"\0binary".to_vec()),
        _ => (FILE, lines(random, count)),
    }
}

fn edited(random: &mut Random, text: &[u8]) -> Vec<u8> {
    let mut all: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    for _ in 0..=random.below(3) {
        let at = random.below(all.len() + 1);
        let count = 1 + random.below(2);
        let new: Vec<Vec<u8>> =
            lines(random, count).split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        match random.below(3) {
            0 => drop(all.splice(at..at, new)),
            1 => drop(all.splice(at..(at + 1 + random.below(2)).min(all.len()), new)),
            _ => drop(all.drain(at..(at + 1).min(all.len()))),
        }
    }
    all.concat()
}

/// Puts a file where no file is above it and nothing below.
fn put(files: &mut Files, path: &str, file: (&'static str, Vec<u8>)) {
    let below = format!("{path}/");
    files.retain(|other, _| !other.starts_with(&below) && !path.starts_with(&format!("{other}/")));
    files.insert(path.to_owned(), file);
}

/// Where a file may be moved: aside, or where something stands in the way, or where others are.
fn destination(random: &mut Random, path: &str) -> String {
    match random.below(6) {
        0 => (*random.one(&["d/x", "a/x", "b/y", "moved-a/x"])).to_owned(),
        1 => (*random.one(&PATHS)).to_owned(),
        _ => format!("moved-{}", path.replace('/', "-")),
    }
}

fn changed(random: &mut Random, base: &Files) -> Files {
    let mut files = base.clone();
    for _ in 0..=random.below(3) {
        let path = *random.one(&PATHS);
        match (random.below(9), files.get(path).cloned()) {
            (0..4, Some((mode, text))) if mode != LINK && !text.contains(&0) => {
                files.insert(path.to_owned(), (mode, edited(random, &text)));
            }
            (4, Some((mode, text))) if mode != LINK => {
                files.insert(path.to_owned(), (if mode == FILE { PROGRAM } else { FILE }, text));
            }
            (5, Some(_)) => drop(files.remove(path)),
            (6, Some(file)) => {
                files.remove(path);
                put(&mut files, &destination(random, path), file);
                if random.below(4) == 0 {
                    put(&mut files, path, (LINK, b"nowhere".to_vec()));
                }
            }
            (7, Some((mode, text))) if mode != LINK => {
                let unix = String::from_utf8(text).unwrap().replace("\r\n", "\n");
                let to = if random.below(2) == 0 { path.to_owned() } else { destination(random, path) };
                files.remove(path);
                put(&mut files, &to, (mode, unix.replace('\n', "\r\n").into_bytes()));
            }
            (_, _) => put(&mut files, path, drawn_file(random)),
        }
    }
    files
}

/// What one side makes of files that it mostly moves.
fn rearranged(random: &mut Random, base: &Files) -> Files {
    let mut files = base.clone();
    for _ in 0..2 + random.below(3) {
        let there: Vec<String> = files.keys().cloned().collect();
        let Some(path) = there.get(random.below(there.len().max(1))) else { break };
        let Some((mode, text)) = files.remove(path) else { continue };
        match random.below(8) {
            0..3 => put(&mut files, &format!("m{}", random.below(4)), (mode, text)),
            3 => put(&mut files, &format!("moved/{path}"), (mode, text)),
            4..6 if mode == FILE => {
                let line = format!("line {} is new\n", random.below(3));
                files.insert(path.clone(), (mode, [text, line.into_bytes()].concat()));
            }
            6 => {}
            _ => drop(files.insert(path.clone(), (mode, text))),
        }
    }
    files
}

/// Files that are like no other one, and what two sides make of them that move most.
fn drawn_of_moves(random: &mut Random) -> Fork {
    let content = |path: &str| (0..8).map(|line| format!("{path} says {line}\n")).collect::<String>().into_bytes();
    let mut base: Files =
        ["a", "b", "d/x", "d/y", "e"].iter().map(|path| ((*path).to_owned(), (FILE, content(path)))).collect();
    base.insert("link".to_owned(), (LINK, b"a".to_vec()));
    let (ours, theirs) = (rearranged(random, &base), rearranged(random, &base));
    Fork { base, ours, theirs }
}

fn drawn(random: &mut Random) -> Fork {
    if random.below(2) == 0 {
        return drawn_of_moves(random);
    }
    let mut base = Files::new();
    for path in PATHS {
        if random.below(3) > 0 {
            put(&mut base, path, drawn_file(random));
        }
    }
    put(&mut base, "long.yaml", (FILE, lines(random, 30)));
    let (ours, theirs) = (changed(random, &base), changed(random, &base));
    Fork { base, ours, theirs }
}

pub(super) fn tree(loom: &Loom, files: &Files) -> Oid {
    let mut entries: BTreeMap<String, (String, Oid)> = BTreeMap::new();
    let mut folders: BTreeMap<&str, Files> = BTreeMap::new();
    for (path, (mode, text)) in files {
        match path.split_once('/') {
            Some((folder, rest)) => {
                folders.entry(folder).or_default().insert(rest.to_owned(), (mode, text.clone()));
            }
            None => {
                entries.insert(path.clone(), (format!("{mode} {path}"), loom.blob(text)));
            }
        }
    }
    for (name, files) in folders {
        entries.insert(format!("{name}/"), (format!("40000 {name}"), tree(loom, &files)));
    }
    let raw = entries.values().flat_map(|(entry, id)| [entry.as_bytes(), b"\0", id.as_bytes()].concat()).collect();
    loom.raw_tree(raw)
}

/// Forks, woven: who signs, and where they are stored.
struct Forge {
    loom: Loom,
    folder: tempfile::TempDir,
    alice: PrivateKey,
    key: PrivateKey,
    allowed: String,
}

/// The commits of a fork.
struct Woven {
    base: Oid,
    ours: Oid,
    theirs: Oid,
    trees: [Oid; 3],
}

impl Forge {
    fn new() -> Self {
        let signers = Signers::new();
        let [alice, forge] = ["alice", "forge"].map(|who| signers.ssh_key(who, "ed25519"));
        let allowed = Signers::allowed_signers(&[&alice, &forge]);
        let [alice, forge] = [&alice, &forge].map(private);
        let folder = tempfile::tempdir().unwrap();
        run(git(folder.path()).args(["init", "--quiet", "."]));
        Self { loom: Loom::default(), folder, alice, key: forge, allowed }
    }

    fn weave(&self, fork: &Fork) -> Woven {
        let trees = [&fork.base, &fork.ours, &fork.theirs].map(|files| tree(&self.loom, files));
        let root = Thread { tree: trees[0], parents: &[], date: THEN, message: "base" };
        let base = self.loom.commit(&root, None);
        let side = |tree, message| {
            self.loom.commit(&Thread { tree, parents: &[base], date: THEN + HOUR, message }, Some(&self.alice))
        };
        Woven { base, ours: side(trees[1], "ours"), theirs: side(trees[2], "theirs"), trees }
    }

    fn merge(&self, woven: &Woven, tree: Oid) -> Oid {
        let parents = [woven.ours, woven.theirs];
        self.loom.commit(&Thread { tree, parents: &parents, date: THEN + 2 * HOUR, message: "merge" }, Some(&self.key))
    }

    fn store(&self) -> Objects {
        self.loom.store(&self.folder.path().join(".git/objects"))
    }

    fn judge(&self, objects: &Objects, root: Oid, head: Oid) -> Result<(), Reason> {
        let signers = SignersText {
            name: "signers".into(),
            allowed_signers: Some(self.allowed.clone()),
            ..SignersText::default()
        };
        let policy = PolicyInput {
            root: root.to_string(),
            signers: vec![signers],
            merge_only: vec!["forge".into()],
            ..PolicyInput::default()
        };
        let commit = Commit { reference: "refs/heads/main".into(), head, tag: None };
        let now = Timestamp::from_second(THEN + DAY).unwrap();
        let policy = Policy::read(&policy).unwrap();
        verify(Fetched::new(commit, objects.clone()), &policy, &Base::default(), None, now)
            .map(drop)
            .map_err(|refusal| refusal.reason())
    }

    /// The tree that git makes, conflict markers and all, and whether it had to ask nobody.
    fn by_git(&self, woven: &Woven) -> (Oid, bool) {
        let mut merge = git(self.folder.path());
        merge.args(["merge-tree", "--write-tree", "--no-messages"]);
        let output = merge.args([woven.ours.to_string(), woven.theirs.to_string()]).output().unwrap();
        let clean = match output.status.code() {
            Some(0) => true,
            Some(1) => false,
            _ => panic!("git merge-tree: {}", String::from_utf8_lossy(&output.stderr)),
        };
        let text = String::from_utf8(output.stdout).unwrap();
        (text.lines().next().unwrap().parse().unwrap(), clean)
    }

    /// The tree that git makes without following renames; `None` where it has to ask.
    fn without_renames(&self, woven: &Woven) -> Option<Oid> {
        let run = |arguments: &[&str]| run(git(self.folder.path()).args(arguments));
        run(&["checkout", "--quiet", "--force", "--detach", &woven.ours.to_string()]);
        run(&["clean", "--quiet", "-ffdx"]);
        let mut merge = git(self.folder.path());
        merge.args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.org",
            "merge",
            "--quiet",
            "--no-commit",
            "--no-ff",
        ]);
        // The newer way, `ort`, follows renames whatever it is told, before git 2.50.
        merge.args(["-s", "recursive", "-X", "no-renames", "-X", "diff-algorithm=histogram"]);
        let merged = merge.arg(woven.theirs.to_string()).output().unwrap().status.success();
        let tree = merged.then(|| String::from_utf8(run(&["write-tree"]).stdout).unwrap().trim().parse().unwrap());
        run(&["reset", "--quiet", "--hard"]);
        tree
    }
}

fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    git
}

/// What was decided, of how many.
#[derive(Debug, Default)]
struct Count {
    clean: usize,
    with_renames: usize,
    conflicts: usize,
    accepted: usize,
    accepted_with_renames: usize,
    refused_needlessly: usize,
}

#[test]
fn a_forges_merge_is_what_git_makes_of_it_and_nothing_else() {
    let number = |variable: &str, otherwise: u64| {
        std::env::var(variable).ok().map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let (first, count) = (number("GITWARRANT_SEED", 1), number("GITWARRANT_SEEDS", 150));
    let forge = Forge::new();
    let seeds: Vec<u64> = (first..first + count).collect();
    let forks: Vec<Woven> = seeds.iter().map(|seed| forge.weave(&drawn(&mut Random::new(*seed)))).collect();
    drop(forge.store());
    let (mut told, mut tries) = (Count::default(), Vec::new());
    for (seed, woven) in seeds.iter().zip(&forks) {
        let (plain, (moved, moved_clean)) = (forge.without_renames(woven), forge.by_git(woven));
        let follows = |tree: &Oid| moved_clean && *tree == moved;
        let results: BTreeSet<Oid> = woven.trees.into_iter().chain(plain).chain([moved]).collect();
        for tree in results {
            let mechanical = plain == Some(tree) || follows(&tree);
            tries.push((*seed, woven.base, forge.merge(woven, tree), mechanical, plain == Some(tree)));
        }
        told.clean += usize::from(plain.is_some());
        told.with_renames += usize::from(moved_clean && plain != Some(moved));
        told.conflicts += usize::from(plain.is_none() && !moved_clean);
    }
    let objects = forge.store();
    let mut wrong = Vec::new();
    for (seed, root, head, mechanical, plain) in tries {
        match (forge.judge(&objects, root, head), mechanical) {
            (Ok(()), true) if plain => told.accepted += 1,
            (Ok(()), true) => told.accepted_with_renames += 1,
            (Err(Reason::SignerNotAllowedForChange), false) => {}
            (Err(Reason::SignerNotAllowedForChange), true) if !plain => {
                told.refused_needlessly += 1;
            }
            (found, _) => wrong.push(format!("seed {seed}: {head}: {found:?}, by git {mechanical}")),
        }
    }
    println!("{count} merges: {told:?}");
    if !wrong.is_empty() {
        let kept = forge.folder.keep();
        panic!("{} wrong, kept in {}:\n{}", wrong.len(), kept.display(), wrong.join("\n"));
    }
    assert!(told.clean > told.conflicts / 2 && told.accepted_with_renames > 0, "too few that say something: {told:?}");
}

/// Files by path and content; a link where the mode says so.
pub(super) fn files(all: &[(&str, &'static str, &str)]) -> Files {
    all.iter().map(|(path, mode, text)| ((*path).to_owned(), (*mode, text.as_bytes().to_vec()))).collect()
}

/// `base` with these files changed.
pub(super) fn with(base: &Files, more: &[(&str, &'static str, &str)]) -> Files {
    base.iter().map(|(path, file)| (path.clone(), file.clone())).chain(files(more)).collect()
}

/// A dozen lines, of which one says `value`.
fn dozen(value: &str) -> String {
    (0..12).map(|line| if line == 5 { format!("line: {value}\n") } else { format!("line {line}\n") }).collect()
}

#[test]
fn a_move_that_git_does_not_follow_is_not_followed_by_a_forge() {
    let (old, new) = (dozen("old"), dozen("new"));
    let crlf = old.replace('\n', "\r\n");
    let other = |text: &str| text.replace("line 8", "other").replace("line 9", "thing");
    let (like, like_new) = (other(&old), other(&new));
    let large = |first: &str, count: usize| {
        first.to_owned() + &(0..count).map(|line| format!("{line:063}\n")).collect::<String>()
    };
    let base = files(&[("a", FILE, &old), ("keep", FILE, "1")]);
    let theirs = files(&[("a", FILE, &new), ("keep", FILE, "1")]);
    let keep = files(&[("keep", FILE, "1")]);
    let cases = [
        (
            "a file stands where the new folder is",
            Fork {
                base: base.clone(),
                ours: with(&keep, &[("x/a", FILE, &old)]),
                theirs: with(&theirs, &[("x", FILE, "kind: NetworkPolicy\n")]),
            },
            with(&keep, &[("x/a", FILE, &new)]),
        ),
        (
            "a link stays where the file was",
            Fork {
                base: base.clone(),
                ours: with(&keep, &[("b", FILE, &old), ("a", LINK, "b")]),
                theirs: theirs.clone(),
            },
            with(&keep, &[("b", FILE, &new), ("a", LINK, "b")]),
        ),
        (
            "a link was where the file is now",
            Fork {
                base: with(&base, &[("b", LINK, "keep")]),
                ours: with(&keep, &[("b", FILE, &old)]),
                theirs: theirs.clone(),
            },
            with(&keep, &[("b", FILE, &new)]),
        ),
        (
            "two files are like it, but for the line ends of one",
            Fork {
                base: base.clone(),
                ours: with(&keep, &[("crlf", FILE, &crlf), ("other", FILE, &like)]),
                theirs: theirs.clone(),
            },
            with(&keep, &[("crlf", FILE, &crlf), ("other", FILE, &like_new)]),
        ),
        (
            "the file most like it is too large to be looked at",
            Fork {
                base: with(&keep, &[("a", FILE, &large(&old, 62_000))]),
                ours: with(&keep, &[("b", FILE, &large(&old, 68_000)), ("c", FILE, &large(&old, 40_000))]),
                theirs: with(&keep, &[("a", FILE, &large(&new, 62_000))]),
            },
            with(&keep, &[("b", FILE, &large(&old, 68_000)), ("c", FILE, &large(&new, 40_000))]),
        ),
        (
            "something was added to the folder that was moved",
            Fork {
                base: files(&[("d/a", FILE, &old), ("keep", FILE, "1")]),
                ours: with(&keep, &[("e/a", FILE, &old)]),
                theirs: with(&keep, &[("d/a", FILE, &new), ("d/more", FILE, "1")]),
            },
            with(&keep, &[("e/a", FILE, &new), ("d/more", FILE, "1")]),
        ),
    ];
    refused(&cases);
}

#[test]
fn half_of_a_merge_with_renames_and_half_of_one_without_is_none() {
    let (old, new) = (dozen("old"), dozen("new"));
    let another: String = (0..12).map(|line| format!("something else {line}\n")).collect();
    let base = files(&[("a", FILE, &old), ("keep", FILE, "1")]);
    let theirs = files(&[("a", FILE, &new), ("keep", FILE, "1")]);
    let keep = files(&[("keep", FILE, "1")]);
    let cases = [
        (
            "another file was moved by one side and deleted by the other",
            Fork {
                base: with(&base, &[("x", FILE, &another)]),
                ours: with(&keep, &[("b", FILE, &old), ("y", FILE, &another)]),
                theirs: theirs.clone(),
            },
            with(&keep, &[("b", FILE, &new), ("y", FILE, &another)]),
        ),
        (
            "a file and a folder of one name are both gone",
            Fork {
                base: keep.clone(),
                ours: with(&keep, &[("c", FILE, &old)]),
                theirs: with(&keep, &[("c/x", FILE, "1")]),
            },
            keep.clone(),
        ),
        (
            "another file was moved by both sides, to different places",
            Fork {
                base: with(&base, &[("x", FILE, &another)]),
                ours: with(&keep, &[("b", FILE, &old), ("y", FILE, &another)]),
                theirs: with(&theirs, &[("z", FILE, &another)]),
            },
            with(&keep, &[("b", FILE, &new), ("y", FILE, &another), ("z", FILE, &another)]),
        ),
        (
            "a link was moved by one side and deleted by the other",
            Fork {
                base: with(&base, &[("x", LINK, "keep")]),
                ours: with(&keep, &[("b", FILE, &old), ("y", LINK, "keep")]),
                theirs: theirs.clone(),
            },
            with(&keep, &[("b", FILE, &new), ("y", LINK, "keep")]),
        ),
    ];
    refused(&cases);
}

/// Forks that git does not merge to these files, by a forge.
fn refused(cases: &[(&str, Fork, Files)]) {
    let forge = Forge::new();
    let woven: Vec<_> =
        cases.iter().map(|(what, fork, bent)| (what, forge.weave(fork), tree(&forge.loom, bent))).collect();
    let tries: Vec<_> =
        woven.iter().map(|(what, woven, bent)| (what, woven, bent, forge.merge(woven, *bent))).collect();
    let objects = forge.store();
    for (what, woven, bent, head) in tries {
        let (made, clean) = forge.by_git(woven);
        assert!(!clean || made != *bent, "{what}: so git makes it");
        assert_eq!(forge.judge(&objects, woven.base, head), Err(Reason::SignerNotAllowedForChange), "{what}");
    }
}
