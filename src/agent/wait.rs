//! Waiting: for the remote, and until what was applied works, where a Sync says so.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::api::{ConditionStatus, Repository, condition_kind};
use crate::cluster::{Acting, Cluster, Unhealthy};
use crate::git::Oid;
use crate::plan::{Identity, Inventory};

use super::desk::Memory;
use super::outcome::{Outcome, named};
use super::polled::Polled;
use super::record::inventory;
use super::report::progress;
use super::sync::Work;
use super::warrant::Ledger;

/// Between two looks at what does not work yet; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Whoever waits hears so soon that another turn is asked for.
const HEARING: Duration = Duration::from_millis(500);
/// What is left of the turn's time for telling how it ended.
const TELLING: Duration = Duration::from_secs(2);

/// An answer of a remote that takes longer is waited for.
const SOON: Duration = Duration::from_secs(1);

impl Work<'_> {
    /// What the remote shows, and the commits that are `known` by the record. Whoever has to wait for it takes nobody's
    /// place.
    pub(super) async fn polled(&self, repository: &Repository, known: Vec<Oid>) -> Arc<Polled> {
        let (desk, mirrors) = (self.desk, &self.desk.mirrors);
        let answer = async {
            let mut polled = mirrors.poll(desk, repository, self.freshness(repository)).await;
            for commit in known {
                polled = mirrors.with_commit(desk, repository, polled, commit).await;
            }
            polled
        };
        let mut answer = std::pin::pin!(answer);
        if let Ok(soon) = tokio::time::timeout(SOON, &mut answer).await {
            return soon;
        }
        let _idle = desk.idle.begin();
        let late = answer.await;
        let place = desk.idle.place().await;
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
        late
    }

    fn leave_place(&self) {
        drop(self.place.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Waits, where the Sync says so, until what was applied works; the turn's own timeout bounds it.
    ///
    /// What does not work yet is looked at again; when all of that works, everything is.
    pub(super) async fn with_health(
        &self,
        cluster: &Acting,
        ledger: &Ledger,
        memory: &mut Memory,
        outcome: Outcome,
    ) -> Outcome {
        if !self.sync.spec.wait {
            return outcome;
        }
        let wanted = wanted(&inventory(ledger.spec()), &memory.departed);
        let tells = outcome.moves(self.sync.status.as_ref()) || self.is_told_to_wait();
        let (mut told, mut pause) = (String::new(), FIRST_PAUSE);
        // Whoever only waits takes nobody's place.
        let _idle = self.desk.idle.begin();
        self.leave_place();
        let mut looked_at = Cow::Borrowed(&wanted);
        loop {
            let unhealthy = match cluster.health(&looked_at).await {
                Ok(unhealthy) => unhealthy,
                Err(error) => return outcome.health_unknown(&error),
            };
            if unhealthy.is_empty() {
                match looked_at {
                    Cow::Borrowed(_) => return outcome.healthy(),
                    Cow::Owned(_) => looked_at = Cow::Borrowed(&wanted),
                }
                continue;
            }
            if unhealthy.iter().any(|one| one.failed) || self.left().is_zero() {
                return outcome.unhealthy(&unhealthy);
            }
            let waits_for = named(&unhealthy);
            if tells && told != waits_for {
                progress(self.desk, self.sync, memory, &outcome, &waits_for).await;
                told = waits_for;
            }
            // A newer commit may be what makes it work.
            if self.is_called_within(pause.min(self.left())).await {
                return outcome.interrupted(&unhealthy);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            looked_at = Cow::Owned(only(&wanted, &unhealthy));
        }
    }

    /// Whether the status says since an earlier turn that something is waited for.
    fn is_told_to_wait(&self) -> bool {
        let conditions = self.sync.status.iter().flat_map(|status| &status.conditions);
        let mut ready = conditions.filter(|condition| condition.kind == condition_kind::READY);
        ready.any(|condition| condition.status == ConditionStatus::Unknown)
    }

    /// What is left of the turn's time for waiting.
    fn left(&self) -> Duration {
        self.timeout.saturating_sub(TELLING).saturating_sub(self.begun.elapsed())
    }

    /// Whether another turn is asked for before `pause` has passed.
    async fn is_called_within(&self, pause: Duration) -> bool {
        let (key, begun) = (self.key(), Instant::now());
        loop {
            if self.desk.is_called(&key) {
                return true;
            }
            let rest = pause.saturating_sub(begun.elapsed());
            if rest.is_zero() {
                return false;
            }
            tokio::time::sleep(rest.min(HEARING)).await;
        }
    }
}

/// What is recorded and wanted, but for what a manifest leaves to others and nobody has made.
fn wanted(recorded: &Inventory, departed: &BTreeSet<Identity>) -> Inventory {
    let these = recorded.iter().filter(|entry| entry.uid.is_some());
    these.filter(|entry| !departed.contains(&Identity::from(&entry.key))).cloned().collect()
}

/// What of `wanted` does not work yet.
fn only(wanted: &Inventory, unhealthy: &[Unhealthy]) -> Inventory {
    let these: BTreeSet<Identity> = unhealthy.iter().map(|one| Identity::from(&one.key)).collect();
    wanted.iter().filter(|entry| these.contains(&Identity::from(&entry.key))).cloned().collect()
}
