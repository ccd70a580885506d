//! Whoever reads logs, events, statuses, files, cores or the agent's memory learns nothing that was encrypted.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams};
use regex::bytes::Regex;

use crate::support::signing::By;
use crate::support::story::World;
use crate::support::story::cluster::until;
use crate::support::story::world::docker_config;

/// A value the API server refuses, and might repeat.
const REFUSED: &str = "canary-that-is-no-json-4c1f9e77";

#[tokio::test(flavor = "multi_thread")]
async fn opened_secrets_stay_in_no_log_no_status_no_file_and_no_memory() {
    let mut world = World::make(Path::new(env!("CARGO_BIN_EXE_gitwarrant"))).await.unwrap();
    let commit = world.commit("Add the shop", By::Ssh(&world.alice));
    world.push(&commit).await.unwrap();
    world.declare("10m").await.unwrap();
    world.decided("staging", &commit).await.unwrap();
    world.decided("prod", &commit).await.unwrap();
    look(&world, "applied").await;

    world.seal_pull_secret("staging", REFUSED).unwrap();
    let commit = world.commit("Break a pull secret", By::Ssh(&world.alice));
    world.push(&commit).await.unwrap();
    let staging = world.decided("staging", &commit).await.unwrap();
    assert!(staging.data["status"].to_string().contains("\"False\""), "the API server refuses it");
    look(&world, "refused").await;
    world.leave().await;
}

/// Looks for everything that was encrypted in every sink there is.
async fn look(world: &World, when: &str) {
    let secrets = canaries(world);
    let told = |place: &str, bytes: &[u8]| {
        assert!(!secrets.is_match(bytes), "{when}: a secret stands in {place}");
    };
    told("the log", world.agent_log().as_bytes());
    told("the statuses", statuses(world).await.as_bytes());
    files(world.folder(), &mut |path, bytes| told(&path.display().to_string(), bytes));

    let agent = world.agent().expect("the agent runs");
    let limits = fs::read_to_string(format!("/proc/{agent}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "cores are off");
    match File::open(format!("/proc/{agent}/mem")) {
        Ok(memory) => {
            // A connection may still be sending its last bytes when the status is written.
            let known = Regex::new("(gitwarrant-system)").unwrap();
            assert!(!found(&memory, agent, &known).is_empty(), "what is known to be there is found");
            let clean = async || found(&memory, agent, &secrets).is_empty().then_some(());
            let waited = until("no secret is in the agent's memory", clean).await;
            assert!(waited.is_ok(), "{when}: in the agent's memory: {:?}", found(&memory, agent, &secrets));
            println!("{when}: looked through the agent's memory");
        }
        // As it must be: who is not root may not look, though it is a process of the same user.
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
            assert_eq!(fs::metadata(format!("/proc/{agent}/mem")).unwrap().uid(), 0, "the agent is not dumpable");
            println!("{when}: the agent's memory is closed to this user; run as root to look through it");
        }
    }
}

/// What was encrypted: as text, and as the API server gets it.
fn canaries(world: &World) -> Regex {
    // Passwords, and the private key that opens the files.
    let mut all = world.secrets();
    for text in ["staging", "prod"].map(|sync| docker_config(sync).to_string()).into_iter().chain([REFUSED.to_owned()])
    {
        let encoded = STANDARD.encode(&text);
        // From its middle: what comes before is the same in every pull secret.
        let middle = encoded.len() / 2;
        all.push(encoded[middle - 12..middle + 12].to_owned());
        all.push(text);
    }
    let groups: Vec<String> = all.iter().map(|secret| format!("({})", regex::escape(secret))).collect();
    Regex::new(&groups.join("|")).unwrap()
}

async fn statuses(world: &World) -> String {
    let everything = ListParams::default();
    let mut text = String::new();
    for objects in [world.syncs(), world.repositories(), world.warrants()] {
        for object in objects.list(&everything).await.unwrap() {
            text.push_str(&serde_json::to_string(&object).unwrap());
        }
    }
    for event in Api::<Event>::all(world.client().clone()).list(&everything).await.unwrap() {
        text.push_str(&serde_json::to_string(&event).unwrap());
    }
    text
}

fn files(folder: &Path, look: &mut dyn FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            files(&path, look);
        } else if kind.is_file() {
            look(&path, &fs::read(&path).unwrap());
        }
    }
}

/// Which secrets stand where in the memory of process `pid`.
fn found(memory: &File, pid: u32, secrets: &Regex) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut places = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
        // What cannot be written to is the program itself.
        if !rights.starts_with("rw") {
            continue;
        }
        let (begin, end) = range.split_once('-').unwrap();
        let address = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let (begin, end) = (address(begin), address(end));
        let mut bytes = vec![0; usize::try_from(end - begin).unwrap()];
        // Regions come and go while the process runs.
        if memory.read_exact_at(&mut bytes, begin).is_err() {
            continue;
        }
        for at in secrets.captures_iter(&bytes) {
            let which = (1..at.len()).find(|&group| at.get(group).is_some()).unwrap();
            places.push(format!("canary {which} in {line}"));
        }
    }
    places
}
