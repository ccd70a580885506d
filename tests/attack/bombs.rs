//! A few objects that look like a million: whoever may push, with or without a key, keeps nobody busy and fills no memory.

use gitwarrant::git::{Commit, Fetched, Oid};
use gitwarrant::trust::{Base, Mode, PathRuleText, Policy, PolicyInput, Reason, Refusal, SignersText, verify};
use jiff::Timestamp;
use ssh_key::PrivateKey;

use super::place::{DAY, HOUR, THEN};
use crate::support::loom::{Loom, Thread, private};
use crate::support::signing::Signers;

/// A pinned commit, and who may push on top of it.
struct Scene {
    loom: Loom,
    folder: tempfile::TempDir,
    alice: PrivateKey,
    forge: PrivateKey,
    policy: PolicyInput,
    root: Oid,
}

impl Scene {
    fn new() -> Self {
        let loom = Loom::default();
        let tree = loom.tree(&[("readme", loom.blob(b"hello\n"))]);
        Self::on(loom, tree)
    }

    /// With this folder in the pinned commit.
    fn on(loom: Loom, tree: Oid) -> Self {
        let signers = Signers::new();
        let [alice, forge] = ["alice", "forge"].map(|who| signers.ssh_key(who, "ed25519"));
        let allowed = Signers::allowed_signers(&[&alice, &forge]);
        let root = loom.commit(&Thread { tree, parents: &[], date: THEN, message: "root" }, None);
        let listed = SignersText { name: "signers".into(), allowed_signers: Some(allowed), ..SignersText::default() };
        let policy = PolicyInput {
            root: root.to_string(),
            signers: vec![listed],
            merge_only: vec!["forge".into()],
            ..PolicyInput::default()
        };
        let folder = tempfile::tempdir().unwrap();
        Self { loom, folder, alice: private(&alice), forge: private(&forge), policy, root }
    }

    fn commit(&self, tree: Oid, parents: &[Oid], after: i64, by: Option<&PrivateKey>) -> Oid {
        self.loom.commit(&Thread { tree, parents, date: THEN + after, message: "bomb" }, by)
    }

    fn judge(&self, head: Oid) -> Result<(), Box<Refusal>> {
        let objects = self.loom.store_loose(self.folder.path());
        let commit = Commit { reference: "refs/heads/main".into(), head, tag: None };
        let (policy, now) = (Policy::read(&self.policy).unwrap(), Timestamp::from_second(THEN + DAY).unwrap());
        verify(Fetched::new(commit, objects), &policy, &Base::default(), None, now).map(drop)
    }

    /// How the merge of two sides of the pinned commit by the forge is judged, the tree of the merge given.
    fn merged(&self, [ours, theirs, merged]: [Oid; 3], by: &PrivateKey) -> Result<(), Reason> {
        let [ours, theirs] = [ours, theirs].map(|tree| self.commit(tree, &[self.root], HOUR, Some(&self.alice)));
        let head = self.commit(merged, &[ours, theirs], 2 * HOUR, Some(by));
        self.judge(head).map_err(|refusal| refusal.reason())
    }
}

/// A folder of `count` entries of one object, with names of `length` letters.
fn same(loom: &Loom, mode: &str, count: usize, length: usize, id: Oid) -> Oid {
    let name = |number: usize| format!("{number:05}{}", "a".repeat(length - 5));
    let entry = |number| [format!("{mode} {}\0", name(number)).as_bytes(), id.as_bytes()].concat();
    loom.raw_tree((0..count).flat_map(entry).collect())
}

#[test]
fn naming_what_an_unsigned_commit_touches_costs_next_to_nothing() {
    for (what, files, folders) in [
        ("names as long as books", (60, 60_000), (60, 60_000)),
        ("names of two million letters", (1, 2_000_000), (20_000, 5)),
        ("paths of the greatest length", (1_000, 2_000), (1_000, 2_000)),
        ("ten million files", (10_000, 5), (1_000, 5)),
    ] {
        let scene = Scene::new();
        let blob = scene.loom.blob(b"x");
        let leaf = same(&scene.loom, "100644", files.0, files.1, blob);
        let tree = same(&scene.loom, "40000", folders.0, folders.1, leaf);
        let refusal = scene.judge(scene.commit(tree, &[scene.root], HOUR, None)).unwrap_err();
        assert_eq!(refusal.reason(), Reason::Unsigned, "{what}");
        let named: usize = refusal.touched().iter().map(String::len).sum();
        assert!(named <= 100 * 4096, "{what}: {named} bytes of names");
        // Whoever may sign is told of the bound.
        let head = scene.commit(tree, &[scene.root], HOUR, Some(&scene.alice));
        assert_eq!(scene.judge(head).unwrap_err().reason(), Reason::LimitExceeded, "{what}");
    }
}

#[test]
fn a_refusal_names_the_first_hundred_files() {
    let scene = Scene::new();
    let tree = same(&scene.loom, "100644", 250, 8, scene.loom.blob(b"x"));
    let refusal = scene.judge(scene.commit(tree, &[scene.root], HOUR, None)).unwrap_err();
    assert_eq!((refusal.touched().len(), refusal.touched()[0].as_str()), (100, "readme"), "it is gone");
}

/// A commit with these parents, whatever git thinks of it.
fn octopus(scene: &Scene, parents: &str, number: usize) -> Oid {
    let tree = scene.loom.tree(&[]);
    let who = format!("a <a@example.org> {THEN} +0000");
    scene.loom.raw_commit(format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n\n{number}\n").into_bytes())
}

#[test]
fn commits_with_a_hundred_thousand_parents_are_not_remembered() {
    let scene = Scene::new();
    let mut last = scene.root;
    for number in 0..10 {
        let parents = format!("{}parent {last}\n", format!("parent {}\n", scene.root).repeat(20_000));
        last = octopus(&scene, &parents, number);
    }
    let tree = scene.loom.tree(&[]);
    let unsigned = scene.judge(scene.commit(tree, &[last], HOUR, None)).unwrap_err();
    assert_eq!(unsigned.reason(), Reason::Unsigned);
    let signed = scene.judge(scene.commit(tree, &[last], HOUR, Some(&scene.alice))).unwrap_err();
    assert_eq!((signed.reason(), signed.at()), (Reason::LimitExceeded, Some(&last)));
}

#[test]
fn every_parent_is_a_step_and_a_large_commit_is_many() {
    // Below a head that nobody signed so much is not looked at to find that it leads astray.
    let scene = Scene::new();
    let tree = scene.loom.tree(&[]);
    let verdict = |head| scene.judge(head).unwrap_err().reason();
    let mut line = vec![octopus(&scene, "", 0)];
    for number in 1..100 {
        line.push(octopus(&scene, &format!("parent {}\n", line[number - 1]), number));
    }
    assert_eq!(verdict(scene.commit(tree, &line[99..], HOUR, None)), Reason::TrustRootNotAncestor);
    for number in 100..300 {
        let parents: String = line[number - 60..].iter().map(|parent| format!("parent {parent}\n")).collect();
        line.push(octopus(&scene, &parents, number));
    }
    assert_eq!(verdict(scene.commit(tree, &line[299..], HOUR, None)), Reason::Unsigned, "12,000 parents");
    let text = "x".repeat(1 << 20);
    let who = format!("a <a@example.org> {THEN} +0000");
    let mut large = line[0];
    for _ in 0..50 {
        let raw = format!("tree {tree}\nparent {large}\nauthor {who}\ncommitter {who}\n\n{text}");
        large = scene.loom.raw_commit(raw.into_bytes());
    }
    assert_eq!(verdict(scene.commit(tree, &[large], HOUR, None)), Reason::Unsigned, "50 MiB");
}

/// A folder of named files.
fn folder(loom: &Loom, files: &[(String, Vec<u8>)]) -> Oid {
    let mut files: Vec<(&str, Oid)> = files.iter().map(|(name, text)| (name.as_str(), loom.blob(text))).collect();
    files.sort_unstable();
    loom.tree(&files)
}

fn lines(first: &str) -> Vec<u8> {
    (0..12)
        .map(|line| if line == 5 { format!("{first}\n") } else { format!("line {line}: value\n") })
        .collect::<String>()
        .into_bytes()
}

#[test]
fn moved_files_too_large_together_are_not_compared() {
    // Files of 0.7 MiB moved and changed in every line, and a small one that the other side has changed.
    for (count, expected) in [(4, Ok(())), (12, Err(Reason::SignerNotAllowedForChange))] {
        let loom = Loom::default();
        let large = |number: usize, end: &str| -> Vec<u8> {
            (0..80_000).map(|line| format!("{number}-{line:06}{end}\n")).collect::<String>().into_bytes()
        };
        let all = |(name, text): (&str, Vec<u8>), prefix: &str, end: &str| {
            let mut files = vec![(name.to_owned(), text)];
            files.extend((0..count).map(|number| (format!("{prefix}{number}"), large(number, end))));
            folder(&loom, &files)
        };
        // The one that moved it has added a line: only the content tells that it is the same file.
        let more = |first: &str| [lines(first), b"more\n".to_vec()].concat();
        let trees =
            [all(("b", more("old")), "n", "~"), all(("a", lines("new")), "g", ""), all(("b", more("new")), "n", "~")];
        let root = all(("a", lines("old")), "g", "");
        let scene = Scene::on(loom, root);
        assert_eq!(scene.merged(trees, &scene.forge), expected, "{count} files");
    }
}

#[test]
fn files_too_large_together_are_not_merged() {
    let merged = |same: bool, count: usize| {
        let loom = Loom::default();
        let all = |first: &str, last: &str| {
            let text = |number: usize| format!("{first}\nm{number}\n{}\nm\n{last}\n", "x".repeat(3 << 20)).into_bytes();
            if same {
                return self::same(&loom, "100644", count, 6, loom.blob(&text(0)));
            }
            folder(&loom, &(0..count).map(|number| (format!("f{number:04}"), text(number))).collect::<Vec<_>>())
        };
        let trees = [all("a", "1"), all("1", "z"), all("a", "z")];
        let root = all("1", "1");
        let mut scene = Scene::on(loom, root);
        let rule = PathRuleText { paths: vec!["**".into()], signers: vec!["alice".into()] };
        scene.policy.path_rules = vec![rule];
        scene.merged(trees, &scene.alice)
    };
    assert_eq!(merged(false, 5), Ok(()));
    assert_eq!(merged(false, 13), Err(Reason::LimitExceeded));
    assert_eq!(merged(true, 400), Ok(()), "one content, merged once");
}

#[test]
fn a_move_is_followed_however_much_else_was_changed() {
    let loom = Loom::default();
    let all = |(name, text): (&str, &str), changed: usize| {
        let other = |number: usize| format!("v {number}\n{}", if number < changed { "more\n" } else { "" });
        let files: Vec<_> = (0..1_000).map(|number| (format!("f{number:04}"), other(number).into_bytes())).collect();
        let below = folder(&loom, &files);
        let small = loom.blob(&lines(text));
        let entry = |mode: &str, name: &str, id: Oid| [format!("{mode} {name}\0").as_bytes(), id.as_bytes()].concat();
        loom.raw_tree([entry("100644", name, small), entry("40000", "d", below)].concat())
    };
    let trees = [all(("b", "old"), 0), all(("a", "new"), 600), all(("b", "new"), 600)];
    let root = all(("a", "old"), 0);
    let scene = Scene::on(loom, root);
    assert_eq!(scene.merged(trees, &scene.forge), Ok(()));
    let bent = [trees[0], trees[1], trees[0]];
    assert_eq!(scene.merged(bent, &scene.forge), Err(Reason::SignerNotAllowedForChange));
}

#[test]
fn who_may_have_signed_is_not_looked_for_in_a_hundred_large_folders() {
    let mut scene = Scene::new();
    let allowed = scene.policy.signers.remove(0).allowed_signers.unwrap();
    scene.policy.in_repository = Some("signers".into());
    let signers = Signers::new();
    let mallory = signers.ssh_key("mallory", "ed25519");
    let hers = format!("{allowed}{}", Signers::allowed_signers(&[&mallory]));
    let mallory = private(&mallory);
    let [file, hers, blob] = [allowed.as_bytes(), hers.as_bytes(), b"x"].map(|bytes| scene.loom.blob(bytes));
    let with_file = |file: Oid, entries: Vec<u8>| {
        scene.loom.raw_tree([&entries[..], b"100644 signers\0", file.as_bytes()].concat())
    };
    let root_tree = with_file(file, Vec::new());
    let root = scene.commit(root_tree, &[], 0, None);
    scene.policy.root = root.to_string();
    let parents: Vec<Oid> = (0..45)
        .map(|number| {
            let entry = |at: usize| [format!("100644 {at:05}{number:04000}\0").as_bytes(), blob.as_bytes()].concat();
            scene.commit(with_file(hers, (0..250).flat_map(entry).collect()), &[root], HOUR, None)
        })
        .collect();
    let thread = Thread { tree: root_tree, parents: &parents, date: THEN + 2 * HOUR, message: "bomb" };
    let verdict = |scene: &Scene, head| scene.judge(head).unwrap_err().reason();
    assert_eq!(verdict(&scene, scene.loom.commit(&thread, Some(&mallory))), Reason::LimitExceeded);
    let few = Thread { parents: &parents[..5], ..thread };
    assert_eq!(verdict(&scene, scene.loom.commit(&few, Some(&mallory))), Reason::Unsigned, "its parents");
    scene.policy.mode = Mode::Head;
    assert_eq!(verdict(&scene, scene.loom.commit(&few, Some(&mallory))), Reason::UnknownSigner);
    assert_eq!(verdict(&scene, scene.loom.commit(&thread, Some(&mallory))), Reason::LimitExceeded);
    let junk = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n";
    assert_eq!(verdict(&scene, scene.loom.signed(&thread, junk)), Reason::MalformedSignature, "no folder is read");
}
