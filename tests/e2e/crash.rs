//! `kill -9` at points that the API server has seen: after the next start the cluster equals the commit, nothing is
//! orphaned, and the Warrant says so.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

use kube::api::{ListParams, Patch, PatchParams};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::scene::Scene;
use super::stage::play_alone;
use crate::support::signing::By;
use crate::support::story::agent::Agent;
use crate::support::story::cluster::until;

/// Whether a request, by verb and resource, is of the kind that is counted.
type Counts = fn(&str, &str) -> bool;

/// Waits until the API server has answered this many requests that `counts`, and kills the agent.
fn kill_after(scene: &Scene, from: u64, count: usize, counts: Counts) {
    await_requests(scene, from, count, counts);
    scene.stage.agent(Agent::kill);
}

/// Waits until the API server has answered this many requests of the agent that `counts`.
fn await_requests(scene: &Scene, from: u64, count: usize, counts: Counts) {
    let begin = Instant::now();
    let mut file = std::fs::File::open(scene.stage.audit_log().expect("our own control plane keeps one")).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    let (mut seen, mut text) = (0, String::new());
    while seen < count {
        assert!(begin.elapsed() < Duration::from_secs(60), "{seen} of {count} requests were seen");
        let mut more = String::new();
        file.read_to_string(&mut more).unwrap();
        text.push_str(&more);
        let end = text.rfind('\n').map_or(0, |at| at + 1);
        for line in text[..end].lines() {
            let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
            let object = &event["objectRef"];
            let ours = object["namespace"] == json!(scene.name) && event["stage"] == "ResponseComplete";
            let by_agent = event["user"]["username"] == "system:serviceaccount:gitwarrant-system:gitwarrant";
            let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            if ours && by_agent && counts(&part(&event["verb"]), &part(&object["resource"])) {
                seen += 1;
            }
        }
        text.drain(..end);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn audit_length(scene: &Scene) -> u64 {
    std::fs::metadata(scene.stage.audit_log().expect("our own control plane keeps one")).unwrap().len()
}

/// Starts the agent again, with or without what it had cached.
fn start_again(scene: &Scene, with_cache: bool) {
    scene.stage.agent(|agent| {
        agent.kill();
        if !with_cache {
            agent.empty_cache().unwrap();
        }
        agent.start().unwrap();
    });
}

/// Objects that live through every round.
const LASTING: usize = 20;
/// Objects that come with one round and go with the next.
const PASSING: usize = 8;

/// Writes what round `round` wants: lasting objects with a new value, passing ones of its own.
fn write_round(scene: &Scene, round: usize) {
    let passing = (0..PASSING).map(|number| format!("round-{round}-{number}"));
    let names: Vec<String> = (0..LASTING).map(|number| format!("lasting-{number}")).chain(passing).collect();
    names.iter().for_each(|name| scene.write_map(name, &round.to_string()));
    let files: Vec<String> = names.iter().map(|name| format!("{name}.yaml")).collect();
    scene.takes(&files.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Every object that carries the Sync's label or was written by the agent is wanted, has its value, and is recorded with
/// its UID; nothing else is.
async fn equals_round(scene: &Scene, round: usize, commit: &str) {
    let mut labelled = BTreeMap::new();
    for map in scene.maps().list(&ListParams::default()).await.unwrap() {
        let by_agent =
            map.metadata.managed_fields.iter().flatten().any(|fields| fields.manager.as_deref() == Some("gitwarrant"));
        let label = map
            .metadata
            .labels
            .iter()
            .flatten()
            .any(|(name, value)| name == "gitwarrant.io/sync-name" && value == "app");
        assert_eq!(by_agent, label);
        if label {
            let value = map.data.unwrap_or_default().remove("value");
            assert_eq!(value, Some(round.to_string()), "{:?}", map.metadata.name);
            labelled.insert(map.metadata.name.unwrap(), map.metadata.uid.unwrap());
        }
    }
    let passing = (0..PASSING).map(|number| format!("round-{round}-{number}"));
    let wanted: BTreeSet<String> = (0..LASTING).map(|number| format!("lasting-{number}")).chain(passing).collect();
    assert_eq!(labelled.keys().cloned().collect::<BTreeSet<_>>(), wanted);
    let warrant = scene.warrants().get("app").await.unwrap();
    let spec = &warrant.data["spec"];
    assert_eq!((&spec["applied"], &spec["pending"]), (&json!(commit), &Value::Null));
    let entry = |entry: &Value| (entry["name"].as_str().unwrap().to_owned(), entry["uid"].as_str().unwrap().to_owned());
    let recorded: BTreeMap<_, _> = spec["inventory"].as_array().unwrap().iter().map(entry).collect();
    assert_eq!(recorded, labelled);
}

fn is_warrant(verb: &str, resource: &str) -> bool {
    resource == "warrants" && matches!(verb, "create" | "update")
}

fn is_apply(verb: &str, resource: &str) -> bool {
    resource == "configmaps" && verb == "patch"
}

fn is_deletion(verb: &str, resource: &str) -> bool {
    resource == "configmaps" && verb == "delete"
}

#[test]
fn agent_that_was_killed_during_its_first_apply_completes_it() {
    for (at, counts) in [(1, is_warrant as Counts), (1, is_apply), (12, is_apply), (2, is_warrant)] {
        let name = format!("killed-first-{at}-{}", if counts("update", "warrants") { "record" } else { "apply" });
        play_alone(&name, async |scene| {
            write_round(scene, 0);
            let commit = scene.commit_good();
            scene.push(&commit).await;
            let from = audit_length(scene);
            scene.declare().await;
            kill_after(scene, from, at, counts);
            start_again(scene, at % 2 == 0);
            scene.applied(&commit).await;
            equals_round(scene, 0, &commit).await;
        });
    }
}

#[test]
fn agent_that_was_killed_during_a_change_or_its_pruning_completes_it() {
    play_alone("killed-change", async |scene| {
        write_round(scene, 0);
        let commit = scene.commit_good();
        scene.push(&commit).await;
        scene.declare().await;
        scene.applied(&commit).await;
        let mut halfway = 0;
        let points: [(usize, Counts); 8] = [
            (1, is_warrant),
            (1, is_apply),
            (9, is_apply),
            (20, is_apply),
            (LASTING + PASSING, is_apply),
            (1, is_deletion),
            (5, is_deletion),
            (2, is_warrant),
        ];
        for (round, (count, counts)) in points.into_iter().enumerate().map(|(at, point)| (at + 1, point)) {
            write_round(scene, round);
            let commit = scene.commit_good();
            let from = audit_length(scene);
            scene.push(&commit).await;
            kill_after(scene, from, count, counts);
            let warrant = scene.warrants().get("app").await.unwrap();
            halfway += usize::from(!warrant.data["spec"]["pending"].is_null());
            start_again(scene, round % 2 == 0);
            scene.applied(&commit).await;
            equals_round(scene, round, &commit).await;
        }
        assert!(halfway >= 3, "only {halfway} of the kills came while a commit was being applied");
    });
}

fn signal(scene: &Scene, signal: Signal) {
    let id = scene.stage.agent(|agent| agent.id()).expect("the agent runs");
    kill_process(Pid::from_raw(i32::try_from(id).unwrap()).unwrap(), signal).unwrap();
}

/// Objects whose applying takes long enough to stop the agent in the midst of it, most of the times.
const MANY: usize = 250;
/// Objects that leave with the next round; few enough for the fuse.
const LEAVING: usize = 60;

fn many() -> Vec<String> {
    (0..MANY).map(|number| format!("many-{number}")).collect()
}

fn leaving(round: usize) -> Vec<String> {
    (0..LEAVING).map(|number| format!("leaving-{round}-{number}")).collect()
}

/// Writes many objects with the round's value, and those that leave with the next round.
fn write_many(scene: &Scene, round: usize) {
    let names: Vec<String> = many().into_iter().chain(leaving(round)).collect();
    names.iter().for_each(|name| scene.write_map(name, &round.to_string()));
    let files: Vec<String> = names.iter().map(|name| format!("{name}.yaml")).collect();
    scene.takes(&files.iter().map(String::as_str).collect::<Vec<_>>());
}

/// What every ConfigMap says.
async fn values(scene: &Scene) -> BTreeMap<String, String> {
    let maps = scene.maps().list(&ListParams::default()).await.unwrap();
    maps.into_iter().filter_map(|map| Some((map.metadata.name?, map.data?.remove("value")?))).collect()
}

/// Requests that were under way when the agent was stopped: nobody can call those back.
const UNDER_WAY: usize = 16;

/// Stops the agent when it has sent one request that `counts`, until that was in time by what is left to do; meanwhile
/// another agent takes over. What is not written yet, and what is not deleted yet, stays as that one has it.
async fn stopped(scene: &mut Scene, counts: Counts, in_time: fn(&[String], &[String]) -> bool) {
    write_many(scene, 0);
    let commit = scene.commit_good();
    scene.push(&commit).await;
    scene.declare().await;
    scene.applied(&commit).await;
    for round in 1..20 {
        write_many(scene, round);
        let commit = scene.commit_good();
        let from = audit_length(scene);
        scene.push(&commit).await;
        await_requests(scene, from, 1, counts);
        signal(scene, Signal::STOP);
        // What was sent before it stopped still arrives, and what it has heard is old when it goes on.
        tokio::time::sleep(Duration::from_millis(2500)).await;
        let found = values(scene).await;
        let old = |name: &String| found[name] != round.to_string();
        let unwritten: Vec<String> = many().into_iter().filter(old).collect();
        let undeleted: Vec<String> = leaving(round - 1).into_iter().filter(|name| found.contains_key(name)).collect();
        if !in_time(&unwritten, &undeleted) {
            // This machine was too slow to stop it in time.
            signal(scene, Signal::CONT);
            scene.applied(&commit).await;
            continue;
        }
        // What another agent does when it has taken over.
        let warrant = scene.warrants().get("app").await.unwrap();
        let next = warrant.data["spec"]["generation"].as_u64().unwrap() + 1;
        let other = json!({"spec": {"holder": "another", "generation": next}});
        scene.warrants().patch("app", &PatchParams::default(), &Patch::Merge(&other)).await.unwrap();
        for name in unwritten.iter().chain(&undeleted) {
            let newer = json!({"data": {"value": "newer"}});
            scene.maps().patch(name, &PatchParams::default(), &Patch::Merge(&newer)).await.unwrap();
        }
        signal(scene, Signal::CONT);
        scene.not_ready("StateLost").await;
        let found = values(scene).await;
        for name in unwritten.iter().skip(UNDER_WAY).chain(&undeleted) {
            let value = found.get(name).map(String::as_str);
            assert_eq!(value, Some("newer"), "{name} was changed by an agent of yesterday");
        }
        start_again(scene, true);
        scene.applied(&commit).await;
        let found = values(scene).await;
        assert!(many().iter().all(|name| found[name] == round.to_string()));
        assert!(undeleted.iter().all(|name| !found.contains_key(name)), "they are orphaned");
        return;
    }
    panic!("it was never stopped in time");
}

#[test]
fn agent_that_was_stopped_while_another_took_its_place_writes_and_deletes_nothing() {
    play_alone("stopped", async |scene| {
        stopped(scene, is_apply, |unwritten, undeleted| unwritten.len() > 50 && undeleted.len() == LEAVING).await;
    });
}

#[test]
fn agent_that_was_stopped_between_two_deletions_while_another_took_its_place_deletes_no_more() {
    play_alone("stopped-deleting", async |scene| {
        stopped(scene, is_deletion, |unwritten, undeleted| unwritten.is_empty() && undeleted.len() > 20).await;
    });
}

#[test]
fn agent_that_is_started_takes_the_record_up_though_nothing_else_is_to_be_written() {
    play_alone("taken-up", async |scene| {
        scene.begin().await;
        // A turn that only keeps the last good commit writes no record of it.
        scene.write_map("settings", "red");
        let bad = scene.commit(By::Nobody);
        scene.push(&bad).await;
        scene.refused(&bad, "Unsigned").await;
        let before = scene.warrants().get("app").await.unwrap().data["spec"].clone();
        start_again(scene, true);
        let warrants = scene.warrants();
        let taken = async || {
            let spec = warrants.get("app").await.unwrap().data["spec"].clone();
            (spec["holder"] != before["holder"]).then_some(spec)
        };
        let mut after = until("another holder", taken).await.unwrap();
        assert!(after["holder"].is_string() && before["holder"].is_string());
        assert_eq!(after["generation"].as_u64().unwrap(), before["generation"].as_u64().unwrap() + 1);
        for field in ["holder", "generation"] {
            after[field] = before[field].clone();
        }
        assert_eq!(after, before, "nothing else of it changed");
        // Once, and not at each turn.
        let asked = json!({"metadata": {"annotations": {"gitwarrant.io/requestedAt": "again"}}});
        scene.syncs().patch("app", &PatchParams::default(), &Patch::Merge(&asked)).await.unwrap();
        scene.sync("a turn was taken", |sync| sync.data["status"]["lastHandledRequestedAt"] == json!("again")).await;
        let now = scene.warrants().get("app").await.unwrap();
        assert_eq!(now.data["spec"]["generation"].as_u64().unwrap(), before["generation"].as_u64().unwrap() + 1);
    });
}

/// While the agent is down somebody edits an object; it comes up again with nothing cached.
async fn holds_after_a_restart(scene: &Scene, value: &str) {
    scene.stage.agent(Agent::kill);
    let edit = json!({"data": {"value": "edited while it was down"}});
    scene.maps().patch("settings", &PatchParams::default(), &Patch::Merge(&edit)).await.unwrap();
    start_again(scene, false);
    scene.comes("settings", value).await;
    scene.holds(value).await;
}

#[test]
fn last_good_commit_is_held_after_a_restart_while_the_newest_is_unsigned() {
    play_alone("restart-unsigned", async |scene| {
        scene.begin().await;
        scene.write_map("settings", "red");
        let bad = scene.commit(By::Nobody);
        scene.push(&bad).await;
        scene.refused(&bad, "Unsigned").await;
        holds_after_a_restart(scene, "blue").await;
        scene.refused(&bad, "Unsigned").await;
    });
}

#[test]
fn last_good_commit_is_held_after_a_restart_while_the_branch_was_pushed_back() {
    play_alone("restart-rollback", async |scene| {
        let old = scene.begin().await;
        scene.write_map("settings", "red");
        scene.ship().await;
        scene.push(&old).await;
        scene.refused(&old, "Rollback").await;
        holds_after_a_restart(scene, "red").await;
        scene.refused(&old, "Rollback").await;
    });
}

#[test]
fn last_good_commit_is_held_after_a_restart_while_the_branch_is_gone() {
    play_alone("restart-gone", async |scene| {
        scene.begin().await;
        crate::support::signing::run(scene.stage.signers.git(&scene.bare, 0).args([
            "update-ref",
            "-d",
            "refs/heads/main",
        ]));
        scene.poke().await;
        scene.not_ready("EmptyRepository").await;
        holds_after_a_restart(scene, "blue").await;
    });
}
