//! Judging in a thread of its own: what is new, with its progress on record, and what is applied, under a new policy.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use tokio::sync::OwnedSemaphorePermit;
use tracing::warn;

use crate::git::{Commit, Fetched};
use crate::policy::Admitted;
use crate::telemetry;
use crate::trust::Signed;

use super::desk::{Memory, Reviewed};
use super::polled::Polled;
use super::prepare::{Held, Stage, Wanted, prepare, review};
use super::progress;
use super::status::{Holds, reason};
use super::sync::Work;
use super::warrant::Ledger;

/// Between two records of how far judging came.
const RECORD_PAUSE: Duration = Duration::from_secs(5);

impl Work<'_> {
    /// Judges what is applied again where the policy is another one than it was found good by. What comes of it is
    /// remembered to be told, and nothing is done about it: what runs, runs.
    pub(super) async fn look_again(
        &self,
        polled: &Polled,
        ledger: &Ledger,
        memory: &mut Memory,
        wanted: Wanted,
    ) -> Wanted {
        let spec = ledger.spec();
        let digest = wanted.policy.digest().to_owned();
        let of = reviewing(ledger, &wanted);
        if memory.reviewed.as_ref().is_some_and(|reviewed| reviewed.of == of) {
            return wanted;
        }
        let (Some(applied), Some(reference)) = (wanted.base.applied, &spec.reference) else {
            memory.reviewed = Some(Reviewed { of, distrusted: None });
            return wanted;
        };
        if spec.policy_digest.as_ref() == Some(&digest) {
            memory.reviewed = Some(Reviewed { of, distrusted: None });
            return wanted;
        }
        let Some(fetched) = polled.at_commit(applied, reference) else { return wanted };
        let Ok(alone) = Arc::clone(&memory.judging).try_lock_owned() else { return wanted };
        let place = self.place_to_judge().await;
        let wanted = Arc::new(wanted);
        let lent = Arc::clone(&wanted);
        let judged = tokio::task::spawn_blocking(move || {
            let judged = review(fetched, &lent);
            drop((lent, alone, place));
            judged
        })
        .await;
        let distrusted = match judged {
            Ok(Ok(())) => None,
            // Its files cannot be told under this path, so nor can who may change them; the head is refused for that.
            Ok(Err(Held { stage: Stage::Rendering, .. })) => return returned(wanted),
            Ok(Err(held)) => {
                let message = format!(
                    "what is applied would not be believed today: {}. It stays applied. Look at what it changed and revert that; this is said until its signer is trusted again or trust.root is the commit that is applied",
                    held.message
                );
                Some(Holds::yes(reason(&held.code), message))
            }
            Err(_panic) => {
                self.desk.metrics.panic(telemetry::Stage::Judge);
                Some(Holds::yes("Panic", "judging what is applied broke down; please report it"))
            }
        };
        if let Some(distrusted) = &distrusted {
            let name = self.sync.name_any();
            warn!(sync = %name, reason = %distrusted.reason, message = %distrusted.message, "what is applied would not be believed today");
        }
        memory.reviewed = Some(Reviewed { of, distrusted });
        returned(wanted)
    }

    /// As [`Self::judge`]; where it takes long, how far it came is recorded meanwhile.
    pub(super) async fn judge_on_record(
        &self,
        fetched: Fetched<Commit>,
        wanted: Wanted,
        judging: &Arc<tokio::sync::Mutex<()>>,
        ledger: &mut Ledger,
    ) -> (Result<Admitted<Signed>, Held>, Wanted) {
        let progress = wanted.progress.clone();
        let mut told = progress.last();
        let mut judged = std::pin::pin!(self.judge(fetched, wanted, judging));
        loop {
            let reached = tokio::select! {
                judged = &mut judged => return judged,
                reached = progress.next(told.as_ref(), RECORD_PAUSE) => reached,
            };
            let written = ledger.settle(|spec| spec.judged_up_to = Some(progress::recorded(&reached))).await;
            if let Err(error) = written {
                warn!(%error, "how far judging came is not recorded; after a restart it begins again");
                return judged.await;
            }
            told = Some(reached);
        }
    }

    /// Waits until not too many judge. The place goes with the thread: a turn that is given up frees none.
    async fn place_to_judge(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.desk.judgements).acquire_owned().await.ok()
    }

    /// Judges in a thread of its own; a panic there is a refusal.
    pub(super) async fn judge(
        &self,
        fetched: Fetched<Commit>,
        wanted: Wanted,
        judging: &Arc<tokio::sync::Mutex<()>>,
    ) -> (Result<Admitted<Signed>, Held>, Wanted) {
        let Ok(alone) = Arc::clone(judging).try_lock_owned() else { return (Err(Held::still_judging()), wanted) };
        let place = self.place_to_judge().await;
        let wanted = Arc::new(wanted);
        let lent = Arc::clone(&wanted);
        let head = fetched.what().head;
        let judged = tokio::task::spawn_blocking(move || {
            let judged = prepare(fetched, &lent);
            drop((lent, alone, place));
            judged
        })
        .await;
        let result = judged.unwrap_or_else(|_panic| {
            self.desk.metrics.panic(telemetry::Stage::Judge);
            Err(Held::panicked(head))
        });
        (result, returned(wanted))
    }
}

/// What a review is of: the commit that is applied, and the policy that is in force.
pub(super) fn reviewing(ledger: &Ledger, wanted: &Wanted) -> (String, String) {
    (ledger.spec().applied.clone().unwrap_or_default(), wanted.policy.digest().to_owned())
}

/// What was lent to a thread that has ended.
fn returned(wanted: Arc<Wanted>) -> Wanted {
    Arc::try_unwrap(wanted).unwrap_or_else(|_| unreachable!("the thread that borrowed it has ended"))
}
