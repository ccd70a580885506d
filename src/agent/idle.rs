//! Turns that only wait, and give their place to others meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How many turns only wait.
pub(super) struct Idle {
    count: AtomicUsize,
    more: Notify,
    /// Places of those that go on after they have waited: there may be more of them than there is work for at a time.
    places: Arc<Semaphore>,
}

/// One turn that only waits, until this is dropped.
pub(super) struct Waiting<'a>(&'a Idle);

/// The place of a turn that goes on, until this is dropped.
pub(super) type Place = OwnedSemaphorePermit;

impl Idle {
    /// Nobody waits yet; up to `places` of those that have waited go on at the same time.
    pub(super) fn new(places: usize) -> Self {
        Self { count: AtomicUsize::new(0), more: Notify::new(), places: Arc::new(Semaphore::new(places.max(1))) }
    }

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

    /// A place to go on with.
    pub(super) async fn place(&self) -> Option<Place> {
        // It is never closed.
        Arc::clone(&self.places).acquire_owned().await.ok()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::AcqRel);
    }
}
