//! How far judging a long history has come: kept in memory from turn to turn, and in the Warrant over a restart.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::api::JudgedUpTo;
use crate::trust::Checkpoint;

/// The last checkpoint; shared with the thread that judges, so that a turn that is given up leaves it behind.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<Mutex<Option<Checkpoint>>>);

impl Progress {
    /// Judging has come so far.
    pub(super) fn reach(&self, checkpoint: Checkpoint) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(checkpoint);
    }

    /// How far it came.
    pub(super) fn last(&self) -> Option<Checkpoint> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes up what the record says, where this process knows nothing yet. What cannot be read is begun again.
    pub(super) fn take_up(&self, recorded: Option<&JudgedUpTo>) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none() {
            *last = recorded.and_then(read);
        }
    }

    /// The next checkpoint after the one that was `told`, looked for every `pause`; waits as long as there is none.
    pub(super) async fn next(&self, told: Option<&Checkpoint>, pause: Duration) -> Checkpoint {
        loop {
            tokio::time::sleep(pause).await;
            if let Some(reached) = self.last().filter(|reached| told != Some(reached)) {
                return reached;
            }
        }
    }
}

fn read(recorded: &JudgedUpTo) -> Option<Checkpoint> {
    Some(Checkpoint {
        commit: recorded.commit.parse().ok()?,
        base: recorded.base.parse().ok()?,
        policy: recorded.policy_digest.clone(),
        version: recorded.version.clone(),
        at: recorded.at.parse().ok()?,
    })
}

/// A checkpoint, as the Warrant records it.
pub(super) fn recorded(checkpoint: &Checkpoint) -> JudgedUpTo {
    JudgedUpTo {
        commit: checkpoint.commit.to_string(),
        base: checkpoint.base.to_string(),
        policy_digest: checkpoint.policy.clone(),
        version: checkpoint.version.clone(),
        at: checkpoint.at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(digit: &str) -> Checkpoint {
        Checkpoint {
            commit: digit.repeat(40).parse().unwrap(),
            base: "b".repeat(40).parse().unwrap(),
            policy: "p".into(),
            version: "1.2.3".into(),
            at: "2026-06-01T00:00:00.123456789Z".parse().unwrap(),
        }
    }

    #[test]
    fn what_is_recorded_is_taken_up_once_and_unread_where_it_is_bent() {
        let progress = Progress::default();
        progress.take_up(None);
        progress.take_up(Some(&JudgedUpTo { at: "yesterday".into(), ..recorded(&checkpoint("a")) }));
        assert_eq!(progress.last(), None);
        progress.take_up(Some(&recorded(&checkpoint("a"))));
        assert_eq!(progress.last(), Some(checkpoint("a")));
        progress.take_up(Some(&recorded(&checkpoint("c"))));
        assert_eq!(progress.last(), Some(checkpoint("a")), "what this process did is newer");
    }

    #[tokio::test]
    async fn what_was_told_is_not_told_again() {
        let (progress, pause) = (Progress::default(), Duration::from_millis(1));
        progress.reach(checkpoint("a"));
        let first = progress.next(None, pause).await;
        assert_eq!(first, checkpoint("a"));
        let later = async {
            tokio::task::yield_now().await;
            progress.reach(checkpoint("c"));
        };
        assert_eq!(tokio::join!(progress.next(Some(&first), pause), later).0, checkpoint("c"));
    }
}
