//! What holds of every history, tried on many that nobody thought of: drawn at random, the same in every run.

use gitwarrant::git::{Commit, Fetched, Oid};
use gitwarrant::trust::{Base, Mode, Policy, PolicyInput, Reason, SignersText, verify};
use jiff::Timestamp;
use ssh_key::PrivateKey;

use super::place::{DAY, HOUR, THEN};
use crate::support::loom::{Loom, Thread, private};
use crate::support::mutate::Random;
use crate::support::signing::Signers;

const FILE: &str = "signers";

/// People, and a loom with a pinned unsigned commit that lists the honest ones of them.
struct World {
    loom: Loom,
    objects: tempfile::TempDir,
    alice: PrivateKey,
    bob: PrivateKey,
    mallory: PrivateKey,
    honest: String,
    everybody: String,
    root: Oid,
}

/// A commit that somebody wants to exist.
#[derive(Clone)]
struct Wish {
    parents: Vec<usize>,
    signers: Option<String>,
    file: String,
}

impl World {
    fn new() -> Self {
        let signers = Signers::new();
        let [alice, bob, mallory] =
            ["alice@example.org", "bob@example.org", "mallory@example.org"].map(|who| signers.ssh_key(who, "ed25519"));
        let honest = Signers::allowed_signers(&[&alice, &bob]);
        let everybody = Signers::allowed_signers(&[&alice, &bob, &mallory]);
        let loom = Loom::default();
        let tree = tree(&loom, Some(&honest), "root");
        let root = loom.commit(&Thread { tree, parents: &[], date: THEN, message: "root" }, None);
        let [alice, bob, mallory] = [&alice, &bob, &mallory].map(private);
        Self { loom, objects: tempfile::tempdir().unwrap(), alice, bob, mallory, honest, everybody, root }
    }

    fn weave(&self, wish: &Wish, made: &[Oid], by: Option<&PrivateKey>) -> Oid {
        let parents: Vec<Oid> = wish.parents.iter().map(|&at| made[at]).collect();
        let tree = tree(&self.loom, wish.signers.as_deref(), &wish.file);
        let date = THEN + HOUR + i64::try_from(made.len()).unwrap() * 60;
        self.loom.commit(&Thread { tree, parents: &parents, date, message: &wish.file }, by)
    }

    fn judge(&self, head: Oid, mode: Mode, in_repository: bool) -> Result<(), Reason> {
        let signers = SignersText {
            name: "signers".into(),
            allowed_signers: (!in_repository).then(|| self.honest.clone()),
            ..SignersText::default()
        };
        let policy = PolicyInput {
            root: self.root.to_string(),
            signers: vec![signers],
            in_repository: in_repository.then(|| FILE.to_owned()),
            mode,
            ..PolicyInput::default()
        };
        let fetched = Fetched::new(
            Commit { reference: "refs/heads/main".into(), head, tag: None },
            self.loom.store(self.objects.path()),
        );
        let now = Timestamp::from_second(THEN + DAY).unwrap();
        verify(fetched, &Policy::read(&policy).unwrap(), &Base::default(), None, now)
            .map(drop)
            .map_err(|refusal| refusal.reason())
    }
}

fn tree(loom: &Loom, signers: Option<&str>, file: &str) -> Oid {
    let file = loom.blob(file.as_bytes());
    match signers {
        Some(signers) => loom.tree(&[("file", file), (FILE, loom.blob(signers.as_bytes()))]),
        None => loom.tree(&[("file", file)]),
    }
}

/// One or two different commits of those made, the newest first more often than not.
fn parents(random: &mut Random, made: usize) -> Vec<usize> {
    let first = if random.below(3) > 0 { made - 1 } else { random.below(made) };
    let mut parents = vec![first];
    let second = random.below(made);
    if random.below(3) == 0 && second != first {
        parents.push(second);
    }
    parents
}

#[test]
fn no_sequence_of_commits_grants_itself_trust() {
    let mut tried = 0;
    for seed in 0..24 {
        let (world, mut random) = (World::new(), Random::new(seed));
        let mut made = vec![world.root];
        for honest in 0..3 {
            let wish = Wish {
                parents: parents(&mut random, made.len()),
                signers: Some(world.honest.clone()),
                file: format!("honest {honest}"),
            };
            let by = *random.one(&[&world.alice, &world.bob]);
            made.push(world.weave(&wish, &made, Some(by)));
        }
        assert_eq!(world.judge(made[3], Mode::EveryCommit, true), Ok(()), "seed {seed}");
        // From here on nobody honest signs: mallory lists himself, takes the list away, merges, goes back, signs or not.
        for evil in 0..8 {
            let signers = match random.below(4) {
                0 => None,
                1 => Some(world.honest.clone()),
                _ => Some(world.everybody.clone()),
            };
            let wish = Wish { parents: parents(&mut random, made.len()), signers, file: format!("evil {evil}") };
            let by = (random.below(4) > 0).then_some(&world.mallory);
            made.push(world.weave(&wish, &made, by));
        }
        for head in &made[4..] {
            for mode in [Mode::EveryCommit, Mode::FirstParent, Mode::Head] {
                for in_repository in [true, false] {
                    assert!(world.judge(*head, mode, in_repository).is_err(), "seed {seed}: {head} in {mode:?}");
                    tried += 1;
                }
            }
        }
    }
    println!("{tried} judgements, none in mallory's favour");
}

#[test]
fn dropping_any_one_signature_from_an_accepted_history_refuses_it() {
    let mut tried = 0;
    for seed in 100..116 {
        let (world, mut random) = (World::new(), Random::new(seed));
        let mut wishes: Vec<Wish> = Vec::new();
        for at in 1..10 {
            let parents = parents(&mut random, at);
            wishes.push(Wish { parents, signers: Some(world.honest.clone()), file: format!("step {at}") });
        }
        // The last one gathers every loose end, so that all is reachable from it.
        let ends = (1..10).filter(|at| wishes.iter().all(|wish| !wish.parents.contains(at)));
        wishes.push(Wish { parents: ends.collect(), signers: Some(world.honest.clone()), file: "head".into() });
        let weave = |dropped: Option<usize>| {
            let mut made = vec![world.root];
            for (at, wish) in wishes.iter().enumerate() {
                let by = if at % 2 == 0 { &world.alice } else { &world.bob };
                made.push(world.weave(wish, &made, (dropped != Some(at)).then_some(by)));
            }
            *made.last().unwrap()
        };
        let in_repository = seed % 2 == 0;
        assert_eq!(world.judge(weave(None), Mode::EveryCommit, in_repository), Ok(()), "seed {seed}");
        for dropped in 0..wishes.len() {
            let found = world.judge(weave(Some(dropped)), Mode::EveryCommit, in_repository);
            assert_eq!(found, Err(Reason::Unsigned), "seed {seed}, commit {dropped}");
            tried += 1;
        }
    }
    println!("{tried} histories with one signature less");
}

#[test]
fn an_unsigned_head_is_refused_before_its_history_is_walked() {
    let world = World::new();
    let nobody: Oid = "00000000000000000000000000000000000000aa".parse().unwrap();
    let tree = tree(&world.loom, Some(&world.honest), "root");
    let mut line = vec![nobody];
    for step in 0..12_000 {
        let parents = [*line.last().unwrap()];
        line.push(world.loom.commit(&Thread { tree, parents: &parents, date: THEN + step, message: "step" }, None));
    }
    // Behind the last of them an object is missing: whoever goes that far says so.
    assert_eq!(world.judge(line[12_000], Mode::EveryCommit, false), Err(Reason::Unsigned));
    assert_eq!(world.judge(line[100], Mode::EveryCommit, false), Err(Reason::IncompleteHistory));
    let parents = [line[12_000]];
    let thread = Thread { tree, parents: &parents, date: THEN + DAY / 2, message: "head" };
    let signed = world.loom.commit(&thread, Some(&world.alice));
    assert_eq!(world.judge(signed, Mode::EveryCommit, false), Err(Reason::IncompleteHistory));
}
