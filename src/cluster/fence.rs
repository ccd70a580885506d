//! Going on only while nobody else has taken this agent's place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tokio::sync::Mutex;

use super::Trouble;

/// Asked before the cluster is changed: whether whoever made the plan may still go on.
pub type Fence = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// So many objects are written on one word of the fence.
const WRITES: usize = 16;
/// So long a word of the fence counts, from when it was asked for. An agent that was stopped asks again.
const FRESH: Duration = Duration::from_secs(2);
/// How often the fence is asked whose answers come too late.
const TRIES: usize = 5;

/// Lets through what may still be changed; without a fence, nothing.
#[derive(Default)]
pub(super) struct Gate {
    fence: Option<Fence>,
    /// It said no: nothing goes on from there.
    superseded: AtomicBool,
    word: Mutex<Word>,
}

/// What the fence said last about writing.
#[derive(Default)]
struct Word {
    asked: Option<Instant>,
    writes: usize,
}

impl Gate {
    pub(super) fn fenced_by(fence: Fence) -> Self {
        Self { fence: Some(fence), ..Self::default() }
    }

    /// Before an object is written: all wait while the fence is asked.
    pub(super) async fn write(&self) -> Result<(), Trouble> {
        let mut word = self.word.lock().await;
        if self.superseded.load(Ordering::Acquire) {
            return Err(Trouble::Superseded);
        }
        if word.writes == 0 || word.asked.is_none_or(|asked| asked.elapsed() > FRESH) {
            *word = Word { asked: Some(self.ask().await?), writes: WRITES };
        }
        word.writes -= 1;
        Ok(())
    }

    /// Before an object is deleted: asked each time.
    pub(super) async fn delete(&self) -> Result<(), Trouble> {
        self.ask().await.map(drop)
    }

    /// When the fence was asked that said yes.
    async fn ask(&self) -> Result<Instant, Trouble> {
        for _ in 0..TRIES {
            let asked = Instant::now();
            let may = match &self.fence {
                Some(fence) if !self.superseded.load(Ordering::Acquire) => fence().await,
                Some(_) | None => false,
            };
            if !may {
                self.superseded.store(true, Ordering::Release);
                return Err(Trouble::Superseded);
            }
            // Whoever was stopped meanwhile has heard how it was before.
            if asked.elapsed() <= FRESH {
                return Ok(asked);
            }
        }
        Err(Trouble::Unreachable { what: "the Warrant is not told within two seconds".to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::{Gate, WRITES};
    use crate::cluster::Trouble;

    /// A gate whose fence says yes so many times, each after `pause`; and how often it was asked.
    fn gate(times: usize, pause: Duration) -> (Gate, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let fence = move || -> futures::future::BoxFuture<'static, bool> {
            let before = counted.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                // Only the first answer is slow.
                tokio::time::sleep(if before == 0 { pause } else { Duration::ZERO }).await;
                before < times
            })
        };
        (Gate::fenced_by(Arc::new(fence)), asked)
    }

    #[tokio::test]
    async fn one_word_lets_sixteen_objects_be_written_and_one_deleted() {
        let (gate, asked) = gate(4, Duration::ZERO);
        for _ in 0..=WRITES {
            gate.write().await.unwrap();
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        gate.delete().await.unwrap();
        gate.delete().await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 4);
        assert_eq!(gate.delete().await, Err(Trouble::Superseded));
        assert_eq!(gate.write().await, Err(Trouble::Superseded), "what is superseded goes on with nothing");
        assert_eq!(asked.load(Ordering::SeqCst), 5);
    }

    #[tokio::test]
    async fn nothing_is_changed_without_a_fence() {
        assert_eq!(Gate::default().write().await, Err(Trouble::Superseded));
        assert_eq!(Gate::default().delete().await, Err(Trouble::Superseded));
    }

    #[tokio::test]
    async fn an_old_word_is_not_believed() {
        let (slow, asked) = gate(1, Duration::from_millis(2100));
        assert_eq!(slow.delete().await, Err(Trouble::Superseded), "it was true more than two seconds ago");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        let (gate, asked) = gate(1, Duration::ZERO);
        gate.write().await.unwrap();
        tokio::time::sleep(Duration::from_millis(2100)).await;
        assert_eq!(gate.write().await, Err(Trouble::Superseded));
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
