//! Counters for `/metrics`. Label sets are bounded: Syncs by their own names, reasons from closed lists.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum TurnEnd {
    /// The cluster equalled the commit already.
    Unchanged,
    /// Something was applied or pruned.
    Applied,
    /// A commit or its content was refused; the last good state stays.
    Refused,
    /// Something has to be waited for.
    Failed,
}

/// Where a turn panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Stage {
    /// Fetching.
    Fetch,
    /// Judging, opening, rendering.
    Judge,
    /// The turn around them.
    Turn,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TurnLabels {
    namespace: String,
    sync: String,
    end: TurnEnd,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SyncLabels {
    namespace: String,
    sync: String,
}

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    turns: Family<TurnLabels, Counter>,
    seconds: Histogram,
    refused: Family<ReasonLabels, Counter>,
    panics: Family<StageLabels, Counter>,
    ready: Family<SyncLabels, Gauge<i64, std::sync::atomic::AtomicI64>>,
    fresh: Family<SyncLabels, Gauge<i64, std::sync::atomic::AtomicI64>>,
    distrusted: Family<SyncLabels, Gauge<i64, std::sync::atomic::AtomicI64>>,
    clock_suspect: Gauge<i64, std::sync::atomic::AtomicI64>,
    corrected: Counter<u64, AtomicU64>,
    pruned: Counter<u64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("gitwarrant");
        let turns = Family::default();
        registry.register("turns", "Turns of a Sync by how they ended", turns.clone());
        let seconds = Histogram::new(exponential_buckets(0.005, 2.0, 14));
        registry.register("turn_seconds", "Duration of a turn in seconds", seconds.clone());
        let refused = Family::default();
        registry.register("refused", "Commits or contents refused, by reason", refused.clone());
        let panics = Family::default();
        registry.register("panics", "Panics that were turned into refusals", panics.clone());
        let ready = Family::default();
        registry.register("ready", "1 while a Sync is Ready, else 0", ready.clone());
        let fresh = Family::default();
        registry.register("fresh", "0 while the view of the remote is old or missing, else 1", fresh.clone());
        let distrusted = Family::default();
        let help = "1 while what a Sync has applied would not be believed by the policy of today, else 0";
        registry.register("distrusted", help, distrusted.clone());
        let clock_suspect = Gauge::default();
        let help = "1 while the agent's clock and the API server's differ by more than five minutes, else 0";
        registry.register("clock_suspect", help, clock_suspect.clone());
        let corrected = Counter::default();
        registry.register("objects_applied", "Objects created or changed in the cluster", corrected.clone());
        let pruned = Counter::default();
        registry.register("objects_pruned", "Objects deleted because they left the repository", pruned.clone());
        Self { registry, turns, seconds, refused, panics, ready, fresh, distrusted, clock_suspect, corrected, pruned }
    }
}

impl Metrics {
    /// Counts a turn and how long it took.
    pub fn turn(&self, namespace: &str, sync: &str, end: TurnEnd, took: std::time::Duration) {
        let labels = TurnLabels { namespace: namespace.to_owned(), sync: sync.to_owned(), end };
        self.turns.get_or_create(&labels).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// Counts a refusal; `reason` is a stable word of a closed list.
    pub fn refusal(&self, reason: &str) {
        self.refused.get_or_create(&ReasonLabels { reason: reason.to_owned() }).inc();
    }

    /// Counts a panic that became a refusal.
    pub fn panic(&self, stage: Stage) {
        self.panics.get_or_create(&StageLabels { stage }).inc();
    }

    /// Says whether a Sync is Ready.
    pub fn ready(&self, namespace: &str, sync: &str, ready: bool) {
        let labels = SyncLabels { namespace: namespace.to_owned(), sync: sync.to_owned() };
        self.ready.get_or_create(&labels).set(i64::from(ready));
    }

    /// Says whether the view of the remote that a Sync follows is fresh, as far as that is known.
    pub fn fresh(&self, namespace: &str, sync: &str, fresh: bool) {
        let labels = SyncLabels { namespace: namespace.to_owned(), sync: sync.to_owned() };
        self.fresh.get_or_create(&labels).set(i64::from(fresh));
    }

    /// Says whether what a Sync has applied would not be believed today.
    pub fn distrusted(&self, namespace: &str, sync: &str, distrusted: bool) {
        let labels = SyncLabels { namespace: namespace.to_owned(), sync: sync.to_owned() };
        self.distrusted.get_or_create(&labels).set(i64::from(distrusted));
    }

    /// Says whether the agent's clock and the API server's differ.
    pub fn clock_suspect(&self, suspect: bool) {
        self.clock_suspect.set(i64::from(suspect));
    }

    /// Forgets a Sync that is gone.
    pub fn forget(&self, namespace: &str, sync: &str) {
        let labels = SyncLabels { namespace: namespace.to_owned(), sync: sync.to_owned() };
        self.ready.remove(&labels);
        self.fresh.remove(&labels);
        self.distrusted.remove(&labels);
        for end in [TurnEnd::Unchanged, TurnEnd::Applied, TurnEnd::Refused, TurnEnd::Failed] {
            self.turns.remove(&TurnLabels { namespace: namespace.to_owned(), sync: sync.to_owned(), end });
        }
    }

    /// Counts what a turn did to the cluster.
    pub fn cluster(&self, applied: usize, pruned: usize) {
        self.corrected.inc_by(applied as u64);
        self.pruned.inc_by(pruned as u64);
    }

    /// The text of `/metrics`.
    pub fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(std::fmt::Error) => String::new(),
        }
    }
}
