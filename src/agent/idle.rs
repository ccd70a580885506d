//! Turns that only wait, and give their place to others meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How many turns only wait.
#[derive(Default)]
pub(super) struct Idle {
    count: AtomicUsize,
    more: Notify,
}

/// One turn that only waits, until this is dropped.
pub(super) struct Waiting<'a>(&'a Idle);

impl Idle {
    /// From now on the turn only waits.
    pub(super) fn begin(&self) -> Waiting<'_> {
        self.count.fetch_add(1, Ordering::AcqRel);
        self.more.notify_one();
        Waiting(self)
    }

    /// How many wait now.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Until one more waits.
    pub(super) async fn one_more(&self) {
        self.more.notified().await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::AcqRel);
    }
}
