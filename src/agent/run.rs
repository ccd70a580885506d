//! The loop: watches Repositories and Syncs, starts their turns when they are due, ends when it is told to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use kube::api::{Api, DynamicObject};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::api;
use crate::clock::System;
use crate::settings::Settings;
use crate::telemetry::{Metrics, Stage};

use super::Error;
use super::clients::Clients;
use super::depends::{depends_on, readiness};
use super::desk::Desk;
use super::schedule::{Agenda, Next};
use super::serve::{Served, listen, serve};
use super::skew::compare;
use super::{repository, sync};

/// Longest sleep while nothing is due or nothing may begin; whatever happens ends it.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Wait after a panic: the same input will most likely panic again.
const AFTER_PANIC: Duration = Duration::from_secs(300);

/// What has turns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A Repository by name.
    Repository(String),
    /// A Sync by namespace and name.
    Sync(String, String),
}

/// Runs the agent until SIGTERM or SIGINT; turns under way end first.
pub async fn run(settings: Settings) -> Result<(), Error> {
    let Clients { watches, asks, address: cluster } = Clients::new(&settings).await?;
    let metrics = Arc::new(Metrics::default());
    let ready = Arc::new(AtomicBool::new(false));
    let (listener, address) = listen(settings.listen).await.map_err(Error::Listen)?;
    info!(%address, namespace = %settings.namespace, version = env!("CARGO_PKG_VERSION"), "agent started");
    let served = Served { metrics: Arc::clone(&metrics), ready: Arc::clone(&ready) };
    let listening = tokio::spawn(serve(listener, Arc::new(served)));
    let ((news, hears_news), (drift, hears_drift)) = (unbounded_channel(), unbounded_channel());
    let desk = Arc::new(Desk::new((asks, watches.clone()), settings, Arc::new(System), metrics, (news, drift))?);
    let comparing = tokio::spawn(compare(Arc::clone(&desk)));
    let mut round = Round::new(desk, ready, cluster, (hears_news, hears_drift));
    round.watch(watches).await;
    comparing.abort();
    listening.abort();
    info!("agent ended");
    Ok(())
}

/// The agent's own state: what it knows, what it does, what is due.
struct Round {
    desk: Arc<Desk>,
    ready: Arc<AtomicBool>,
    /// What the agenda's times count from.
    begun: Instant,
    agenda: Agenda<Key>,
    known: BTreeMap<Key, Arc<DynamicObject>>,
    turns: JoinSet<Ended>,
    /// Repositories whose Syncs have to take a turn.
    news: UnboundedReceiver<String>,
    /// Syncs of which something was changed in the cluster.
    drift: UnboundedReceiver<Key>,
    /// Counts turns; seeds the jitter.
    count: u64,
    /// The address of the API server.
    cluster: String,
    /// Whether watching has been told to be interrupted, and nothing was seen since.
    interrupted: bool,
}

/// What a turn leaves behind.
struct Ended {
    key: Key,
    next: Next,
}

impl Round {
    fn new(
        desk: Arc<Desk>,
        ready: Arc<AtomicBool>,
        cluster: String,
        (news, drift): (UnboundedReceiver<String>, UnboundedReceiver<Key>),
    ) -> Self {
        let (agenda, known, turns) = (Agenda::new(), BTreeMap::new(), JoinSet::new());
        Self {
            desk,
            ready,
            begun: Instant::now(),
            agenda,
            known,
            turns,
            news,
            drift,
            count: 0,
            cluster,
            interrupted: false,
        }
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    async fn watch(&mut self, client: Client) {
        let repositories = Api::<DynamicObject>::all_with(client.clone(), &dynamic::<api::Repository>());
        let syncs = Api::<DynamicObject>::all_with(client, &dynamic::<api::Sync>());
        let mut repositories = Box::pin(watcher(repositories, watcher::Config::default()).default_backoff());
        let mut syncs = Box::pin(watcher(syncs, watcher::Config::default()).default_backoff());
        let mut lists = Lists::default();
        let mut end = std::pin::pin!(told_to_end());
        loop {
            let sleep = if lists.are_whole() {
                self.start_due();
                self.until_next()
            } else {
                LONGEST_SLEEP
            };
            tokio::select! {
                event = next(&mut repositories) => lists.repositories |= self.take(event, &mut lists.seen_repositories, Kind::Repository),
                event = next(&mut syncs) => lists.syncs |= self.take(event, &mut lists.seen_syncs, Kind::Sync),
                Some(ended) = self.turns.join_next() => self.end_turn(ended),
                Some(repository) = self.news.recv() => self.wake_syncs_of(&repository),
                Some(key) = self.drift.recv() => self.disturb(&key),
                () = self.desk.idle.one_more() => {}
                () = tokio::time::sleep(sleep) => {}
                () = &mut end => break,
            }
            if lists.are_whole() {
                self.ready.store(true, Ordering::Release);
            }
        }
        // What runs now has written ahead what it will do; letting it end spares the next agent the repeat.
        let rest = async { while self.turns.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(20), rest).await.is_err() {
            warn!("turns under way did not end within 20 s; they will be taken up again at the next start");
        }
    }

    /// Takes one event in; true when the first list is complete.
    fn take(&mut self, event: watcher::Result<watcher::Event<DynamicObject>>, seen: &mut Vec<Key>, kind: Kind) -> bool {
        let key = |object: &DynamicObject| kind.key(object);
        // `Init` only announces that a list is asked for.
        if self.interrupted && !matches!(event, Ok(watcher::Event::Init) | Err(_)) {
            self.interrupted = false;
            info!(cluster = %self.cluster, "watching goes on");
        }
        match event {
            Ok(watcher::Event::Apply(object)) => self.learn(key(&object), object),
            Ok(watcher::Event::Delete(object)) => self.unlearn(&key(&object)),
            Ok(watcher::Event::Init) => seen.clear(),
            Ok(watcher::Event::InitApply(object)) => {
                seen.push(key(&object));
                self.learn(key(&object), object);
            }
            Ok(watcher::Event::InitDone) => {
                let gone = |one: &&Key| kind.has(one) && !seen.contains(one);
                let gone: Vec<Key> = self.known.keys().filter(gone).cloned().collect();
                gone.iter().for_each(|one| self.unlearn(one));
                return true;
            }
            // The sentence of a watch error is the client's or the API server's about our own resources.
            Err(fault) if !self.interrupted => {
                self.interrupted = true;
                warn!(cluster = %self.cluster, %fault, "watching is interrupted; it is tried again until it goes on");
            }
            // Tried again more than once a second: said once.
            Err(_) => {}
        }
        false
    }

    fn learn(&mut self, key: Key, object: DynamicObject) {
        let wants = |object: &DynamicObject| {
            let note = |name: &str| object.annotations().get(name).cloned();
            (object.uid(), object.metadata.generation, note(api::REQUESTED_AT), note(api::APPROVE_PRUNE))
        };
        let same = |old: &Arc<DynamicObject>| wants(old) == wants(&object);
        let as_declared = |old: &Arc<DynamicObject>| {
            (old.uid(), old.metadata.generation) == (object.uid(), object.metadata.generation)
        };
        if self.known.get(&key).is_some_and(|old| old.uid() != object.uid()) {
            // Its deletion was not seen: what is remembered is about another one of the same name.
            self.agenda.forget(&key);
            self.desk.forget(&key);
        }
        let suspended = object.data["spec"]["suspend"].as_bool().unwrap_or_default();
        self.desk.meet(&key, object.uid(), suspended);
        let old = self.known.get(&key);
        let (same, as_declared) = (old.is_some_and(same), old.is_some_and(as_declared));
        let now_ready = readiness(&object).filter(|now| old.and_then(|old| readiness(old)).as_ref() != Some(now));
        if let (Key::Sync(namespace, name), Some(_)) = (&key, now_ready) {
            self.wake_dependents_of(&namespace.clone(), &name.clone());
        }
        self.known.insert(key.clone(), Arc::new(object));
        if same {
            return;
        }
        // A Repository that is only asked to look wakes its Syncs by what it finds.
        if let (Key::Repository(name), false) = (&key, as_declared) {
            self.wake_syncs_of(&name.clone());
        }
        self.call(key);
    }

    /// Asks for a turn now.
    fn call(&mut self, key: Key) {
        self.desk.call(&key);
        self.agenda.request(key, self.begun.elapsed());
    }

    fn disturb(&mut self, key: &Key) {
        if self.known.contains_key(key) {
            self.desk.call(key);
        }
        self.agenda.disturb(key, self.begun.elapsed());
    }

    fn unlearn(&mut self, key: &Key) {
        self.known.remove(key);
        self.agenda.forget(key);
        self.desk.forget(key);
        if let Key::Repository(name) = key {
            self.wake_syncs_of(&name.clone());
        }
    }

    fn wake_syncs_of(&mut self, repository: &str) {
        let uses = |object: &DynamicObject| object.data["spec"]["repository"].as_str() == Some(repository);
        let woken: Vec<Key> = self
            .known
            .iter()
            .filter(|(key, object)| matches!(key, Key::Sync(..)) && uses(object))
            .map(|(key, _)| key.clone())
            .collect();
        woken.into_iter().for_each(|key| self.call(key));
    }

    /// Wakes Syncs that may have waited for this one.
    fn wake_dependents_of(&mut self, namespace: &str, name: &str) {
        let woken: Vec<Key> = self
            .known
            .iter()
            .filter(|(key, object)| {
                matches!(key, Key::Sync(of, one) if of == namespace && one != name) && depends_on(object, name)
            })
            .map(|(key, _)| key.clone())
            .collect();
        woken.into_iter().for_each(|key| self.call(key));
    }

    fn start_due(&mut self) {
        let free = usize::from(self.desk.settings.concurrency).saturating_sub(self.at_work());
        for key in self.agenda.start_due(self.now(), free) {
            let Some(object) = self.known.get(&key).map(Arc::clone) else { continue };
            self.desk.answer(&key);
            let repository = match &key {
                Key::Repository(_) => None,
                Key::Sync(..) => {
                    let name = object.data["spec"]["repository"].as_str().unwrap_or_default().to_owned();
                    self.known.get(&Key::Repository(name)).map(Arc::clone)
                }
            };
            self.turns.spawn(one_turn(Arc::clone(&self.desk), key, object, repository));
        }
    }

    /// Turns that do something; the others wait for what they applied to work.
    fn at_work(&self) -> usize {
        self.turns.len().saturating_sub(self.desk.idle.count())
    }

    fn end_turn(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        // The task only waits for another one and cannot panic itself; it is never aborted before the process ends.
        let Ok(Ended { key, next }) = ended else { return };
        self.count = self.count.wrapping_add(1);
        let seed = seed(&key, self.count);
        self.agenda.corrected(&key, !self.desk.take_calm(&key));
        self.agenda.finish(&key, self.now(), next, seed);
    }

    fn until_next(&self) -> Duration {
        if self.at_work() >= usize::from(self.desk.settings.concurrency) {
            return LONGEST_SLEEP;
        }
        self.agenda.next_due().map_or(LONGEST_SLEEP, |due| due.saturating_sub(self.now()).min(LONGEST_SLEEP))
    }
}

/// One turn in a task of its own: a panic in it is counted, and other turns go on.
async fn one_turn(
    desk: Arc<Desk>,
    key: Key,
    object: Arc<DynamicObject>,
    repository: Option<Arc<DynamicObject>>,
) -> Ended {
    let (lent, kind, of) = (Arc::clone(&desk), key.clone(), Arc::clone(&object));
    let turn = tokio::spawn(async move {
        match kind {
            Key::Repository(_) => repository::turn(&lent, &of).await,
            Key::Sync(..) => Box::pin(sync::turn(&lent, &of, repository.as_deref())).await,
        }
    });
    match turn.await {
        Ok(next) => Ended { key, next },
        Err(fault) => {
            desk.metrics.panic(Stage::Turn);
            error!(turn = ?key, panic = fault.is_panic(), "a turn broke down and changed nothing more; please report it");
            if matches!(key, Key::Sync(..)) {
                // In a task of its own: the telling can break down for the same cause.
                drop(tokio::spawn(async move { sync::broke_down(&desk, &object).await }).await);
            }
            Ended { key, next: Next::Interval(AFTER_PANIC) }
        }
    }
}

/// Which first lists are complete, and what they have shown so far.
#[derive(Default)]
struct Lists {
    repositories: bool,
    syncs: bool,
    seen_repositories: Vec<Key>,
    seen_syncs: Vec<Key>,
}

impl Lists {
    /// Before that a Repository which was not shown yet would be taken for one that does not exist.
    fn are_whole(&self) -> bool {
        self.repositories && self.syncs
    }
}

/// The kinds that have turns.
#[derive(Clone, Copy)]
enum Kind {
    Repository,
    Sync,
}

impl Kind {
    fn key(self, object: &DynamicObject) -> Key {
        match self {
            Kind::Repository => Key::Repository(object.name_any()),
            Kind::Sync => Key::Sync(object.namespace().unwrap_or_default(), object.name_any()),
        }
    }

    fn has(self, key: &Key) -> bool {
        match key {
            Key::Repository(_) => matches!(self, Kind::Repository),
            Key::Sync(..) => matches!(self, Kind::Sync),
        }
    }
}

fn dynamic<K: Resource<DynamicType = ()>>() -> kube::api::ApiResource {
    kube::api::ApiResource::erase::<K>(&())
}

async fn next(
    stream: &mut (impl Stream<Item = watcher::Result<watcher::Event<DynamicObject>>> + Unpin),
) -> watcher::Result<watcher::Event<DynamicObject>> {
    match stream.next().await {
        Some(event) => event,
        // A watcher with back-off never ends; if it did, turns would still come by their interval.
        None => std::future::pending().await,
    }
}

/// FNV-1a over the key and the count: spreads turns, decides nothing else.
fn seed(key: &Key, count: u64) -> u64 {
    let text = match key {
        Key::Repository(name) => format!("{name} {count}"),
        Key::Sync(namespace, name) => format!("{namespace}/{name} {count}"),
    };
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
