//! Waiting until what was applied works, where a Sync says so.

use std::time::Duration;

use crate::cluster::{Acting, Cluster};

use super::desk::Memory;
use super::outcome::{Outcome, named};
use super::record::inventory;
use super::report::progress;
use super::sync::Work;
use super::warrant::Ledger;

/// Between two looks at the health of what was applied.
const HEALTH_PAUSE: Duration = Duration::from_millis(500);

impl Work<'_> {
    /// Waits, where the Sync says so, until what was applied works; the turn's own timeout bounds it.
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
        let recorded = inventory(ledger.spec());
        let moves = outcome.moves(self.sync.status.as_ref());
        let mut told = String::new();
        // Whoever only waits takes nobody's place.
        let _idle = self.desk.idle.begin();
        loop {
            match cluster.health(&recorded).await {
                Ok(unhealthy) if unhealthy.is_empty() => return outcome.healthy(),
                Ok(unhealthy) if unhealthy.iter().any(|one| one.failed) => return outcome.unhealthy(&unhealthy),
                Ok(unhealthy) if self.begun.elapsed() + HEALTH_PAUSE * 4 > self.timeout => {
                    return outcome.unhealthy(&unhealthy);
                }
                // A newer commit may be what makes it work.
                Ok(unhealthy) if self.desk.is_called(&self.key()) => return outcome.interrupted(&unhealthy),
                Ok(unhealthy) => {
                    let waits_for = named(&unhealthy);
                    if moves && told != waits_for {
                        progress(self.desk, self.sync, memory, &outcome, &waits_for).await;
                        told = waits_for;
                    }
                    tokio::time::sleep(HEALTH_PAUSE).await;
                }
                Err(error) => return outcome.health_unknown(&error),
            }
        }
    }
}
