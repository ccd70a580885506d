//! A whole cluster: the example of `clusters/` on the real control plane, with both of its Syncs.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher;
use serde_json::Value;

use super::report::{Report, cpu, resident};
use crate::support::signing::By;
use crate::support::story::World;

/// As often as each thing is measured.
const TIMES: u32 = 11;
/// Nothing takes this long.
const PATIENCE: Duration = Duration::from_mins(1);
const PROD: &str = "clusters/prod/apps/kustomization.yaml";

/// Measures.
pub fn measure(report: &mut Report) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut world = World::make(Path::new(env!("CARGO_BIN_EXE_gitwarrant"))).await.unwrap();
        whole(&mut world, report).await;
        world.leave().await;
    });
}

async fn whole(world: &mut World, report: &mut Report) {
    // The shell that it is tied to needs a moment to begin it.
    settle().await;
    let agent = world.agent().expect("the agent runs");
    let commit = world.commit("Add the shop", By::Ssh(&world.alice));
    world.push(&commit).await.unwrap();
    let mut images = images(world);
    let (begin, before) = (Instant::now(), cpu(agent));
    // So long an interval that nothing but what is asked for happens.
    world.declare("10m").await.unwrap();
    until_image(&mut images, "2.4.1").await;
    let first = begin.elapsed();
    world.decided("prod", &commit).await.unwrap();
    world.decided("staging", &commit).await.unwrap();
    report.row("first apply: Repository and two Syncs declared -> Deployment there", millis(first), "ms");
    report.row("first apply, CPU of the agent", millis(cpu(agent).saturating_sub(before)), "ms");

    settle().await;
    let before = cpu(agent);
    let (mut pushed, mut asked) = (Vec::new(), Vec::new());
    for number in 2..2 + TIMES {
        let (from, to) = (format!("newTag: 2.4.{}", number - 1), format!("newTag: 2.4.{number}"));
        world.edit(PROD, &from, &to).unwrap();
        let commit = world.commit(&format!("Ship 2.4.{number}"), By::Ssh(&world.alice));
        let begin = Instant::now();
        world.send(&commit);
        let sent = Instant::now();
        world.ask(&commit).await.unwrap();
        until_image(&mut images, &format!("2.4.{number}")).await;
        pushed.push(begin.elapsed());
        asked.push(sent.elapsed());
        world.decided("prod", &commit).await.unwrap();
        world.decided("staging", &commit).await.unwrap();
    }
    settle().await;
    let spent = cpu(agent).saturating_sub(before) / TIMES;
    report.row("change: requestedAt -> Deployment changed, median of 11", millis(median(asked)), "ms");
    report.row("change: the same, `git push` included", millis(median(pushed)), "ms");
    report.row("change, CPU of the agent, both Syncs", millis(spent), "ms");

    let before = cpu(agent);
    let mut quiet = Vec::new();
    for number in 0..TIMES {
        let asked = format!("quiet {number}");
        let begin = Instant::now();
        world.ask(&asked).await.unwrap();
        world.ask_sync("prod", &asked).await.unwrap();
        until_handled(world, &asked).await;
        quiet.push(begin.elapsed());
    }
    let spent = cpu(agent).saturating_sub(before) / TIMES;
    report.row(
        "quiet cycle: Repository and Sync asked -> both have answered, median of 11",
        millis(median(quiet)),
        "ms",
    );
    report.row("quiet cycle, CPU of the agent", millis(spent), "ms");
    report.row("resident memory, idle", resident(agent, "VmRSS").unwrap(), "MiB");
    report.row("resident memory, peak", resident(agent, "VmHWM").unwrap(), "MiB");
}

/// The image of prod's Deployment, whenever it changes.
fn images(world: &World) -> impl futures::Stream<Item = String> + Unpin + use<> {
    let shop: Api<Deployment> = Api::namespaced(world.client().clone(), "shop");
    let seen = watcher::watcher(shop, watcher::Config::default().fields("metadata.name=shop"));
    let image = |deployment: Deployment| deployment.spec?.template.spec?.containers.into_iter().next()?.image;
    let changed = seen.filter_map(move |event| {
        std::future::ready(match event {
            Ok(watcher::Event::Apply(deployment) | watcher::Event::InitApply(deployment)) => image(deployment),
            Ok(watcher::Event::Init | watcher::Event::InitDone | watcher::Event::Delete(_)) | Err(_) => None,
        })
    });
    Box::pin(changed)
}

async fn until_image(images: &mut (impl futures::Stream<Item = String> + Unpin), tag: &str) {
    let ending = format!(":{tag}");
    let wanted = async { while !images.next().await.expect("a watch does not end").ends_with(&ending) {} };
    tokio::time::timeout(PATIENCE, wanted).await.expect("the change arrives");
}

async fn until_handled(world: &World, asked: &str) {
    let (repositories, syncs) = (world.repositories(), world.syncs());
    let handled = |object: DynamicObject| {
        object
            .data
            .pointer("/status/lastHandledRequestedAt")
            .and_then(Value::as_str)
            .is_some_and(|found| found == asked)
    };
    let begin = Instant::now();
    while !(handled(repositories.get("fleet").await.unwrap()) && handled(syncs.get("prod").await.unwrap())) {
        assert!(begin.elapsed() < PATIENCE, "the agent answers");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Until the controllers of the cluster, and with them the agent's watches, have come to rest.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(3)).await;
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
