//! What the remotes last showed: one mirror per Repository, shared by all its Syncs.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::ResourceExt;
use tokio::sync::Semaphore;
use tracing::warn;

use crate::api::{GitReference, Repository};
use crate::git::{Checked, Commit, Error as GitError, Mirror, Objects, Oid, Reference, Transport};
use crate::model::Class;
use crate::telemetry::Stage;

use super::Error;
use super::connection::Kept;
use super::desk::Desk;
use super::polled::{Fault, Polled, committed};
use super::room::Space;

/// Every mirror, by the name of its Repository.
pub(super) struct Mirrors {
    space: Space,
    /// Remotes asked at the same time.
    asking: Semaphore,
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
}

/// One mirror. The lock is held while the remote is asked, so that several Syncs ask once.
struct Slot {
    state: tokio::sync::Mutex<State>,
    last: Mutex<Option<Arc<Polled>>>,
}

struct State {
    mirror: Mirror,
    connection: Kept,
    /// Commits that were asked for by their ids, and when: a server that does not give one is not asked every second.
    sought: HashMap<Oid, Instant>,
}

/// Remotes that are asked at the same time: what one sends is kept in memory until it is indexed.
const ASKED: usize = 16;

impl Mirrors {
    /// No mirror yet; their folders will lie in a folder of our own in `cache`. What an agent that was killed has left
    /// there is removed.
    /// Together they take at most `mib` MiB before one of them may grow.
    pub(super) fn new(cache: &Path, mib: u32) -> Result<Self, Error> {
        let below = cache.join("gitwarrant-mirrors");
        match std::fs::remove_dir_all(&below) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::Cache(error)),
            Ok(()) | Err(_) => {}
        }
        std::fs::create_dir_all(&below).map_err(Error::Cache)?;
        let space = Space { below, budget: u64::from(mib) << 20 };
        Ok(Self { space, asking: Semaphore::new(ASKED), slots: Mutex::default() })
    }

    /// Forgets the mirror of a Repository that is gone.
    pub(super) fn forget(&self, name: &str) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// What the remote showed last.
    pub(super) fn last(&self, repository: &Repository) -> Option<Arc<Polled>> {
        self.slot(&repository.name_any()).last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the remote shows, as far as an answer of at most `age` will do.
    ///
    /// Asked in a task of its own: a turn that is given up meanwhile takes neither the mirror nor its lock with it.
    pub(super) async fn poll(&self, desk: &Arc<Desk>, repository: &Repository, age: Duration) -> Arc<Polled> {
        let (lent, asked) = (Arc::clone(desk), repository.clone());
        let asking = tokio::spawn(async move { lent.mirrors.poll_now(&lent, &asked, age).await });
        asking.await.unwrap_or_else(|_| {
            desk.metrics.panic(Stage::Fetch);
            let max_staleness = repository.spec.trust.max_staleness;
            let head = Err(Fault::panicked());
            let (at, answered) = (desk.clock.now(), Instant::now());
            Arc::new(Polled { at, answered, head, committed: None, max_staleness, objects: None })
        })
    }

    async fn poll_now(&self, desk: &Arc<Desk>, repository: &Repository, age: Duration) -> Arc<Polled> {
        let asked = Instant::now();
        let slot = self.slot(&repository.name_any());
        let mut state = slot.state.lock().await;
        let last = self.last(repository);
        // An answer that came while this turn waited for the lock is as new as one of its own.
        let will_do = |last: &Arc<Polled>| asked.saturating_duration_since(last.answered) <= age;
        if let Some(last) = last.clone().filter(|last| will_do(last) && state.connection.is_of(repository)) {
            return last;
        }
        // It is never closed.
        let _asking = self.asking.acquire().await;
        let polled = Arc::new(self.ask(desk, repository, &mut state, last.clone()).await);
        *slot.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&polled));
        if last.is_none_or(|before| before.says() != polled.says()) {
            // Only an agent that ends hears no news.
            drop(desk.news.send(repository.name_any()));
        }
        polled
    }

    /// The same answer, with `id` and its history among the objects as far as the remote gives them by id.
    ///
    /// After a restart only the branch is fetched, and the branch need not lead to what was applied: it was pushed back
    /// or aside, or is gone. What was applied is still to be held, and a rollback to be called one.
    pub(super) async fn with_commit(
        &self,
        desk: &Arc<Desk>,
        repository: &Repository,
        polled: Arc<Polled>,
        id: Oid,
    ) -> Arc<Polled> {
        let holds = |polled: &Polled| polled.objects.as_ref().is_some_and(|objects| objects.contains(&id));
        if holds(&polled) {
            return polled;
        }
        let (lent, of, answer) = (Arc::clone(desk), repository.clone(), Arc::clone(&polled));
        let asking = tokio::spawn(async move { lent.mirrors.with_commit_now(&lent, &of, answer, id).await });
        asking.await.unwrap_or_else(|_| {
            desk.metrics.panic(Stage::Fetch);
            polled
        })
    }

    async fn with_commit_now(
        &self,
        desk: &Arc<Desk>,
        repository: &Repository,
        polled: Arc<Polled>,
        id: Oid,
    ) -> Arc<Polled> {
        let holds = |polled: &Polled| polled.objects.as_ref().is_some_and(|objects| objects.contains(&id));
        let slot = self.slot(&repository.name_any());
        let mut state = slot.state.lock().await;
        if let Some(last) = self.last(repository).filter(|last| last.answered >= polled.answered && holds(last)) {
            return last;
        }
        let now = Instant::now();
        let pause = repository.spec.interval.get();
        state.sought.retain(|_, at| now.duration_since(*at) < pause);
        if state.sought.contains_key(&id) {
            return polled;
        }
        state.sought.insert(id, now);
        let Ok(transport) = state.connection.get(desk, repository, now).await else { return polled };
        // It is never closed.
        let _asking = self.asking.acquire().await;
        // Nothing is given up for it: what else this mirror holds, the head, is needed as well.
        if !self.space.has_room() {
            warn!(repository = %repository.name_any(), commit = %id.short(), "the mirrors take too much room to ask for a commit that is on record");
            return polled;
        }
        let mut mirror = std::mem::replace(&mut state.mirror, Mirror::new(&self.space.below));
        let asking = tokio::task::spawn_blocking(move || {
            let fetched = mirror.fetch(transport.as_ref(), &Reference::Commit(id));
            (mirror, fetched)
        });
        let Ok((mirror, fetched)) = asking.await else {
            desk.metrics.panic(Stage::Fetch);
            return polled;
        };
        state.mirror = mirror;
        let objects = match fetched {
            Ok(fetched) => fetched.into_parts().1,
            Err(error) => {
                let fault = Fault::from(&error);
                warn!(repository = %repository.name_any(), commit = %id.short(), code = %fault.code, message = %fault.message, "the remote does not give a commit that is on record");
                return polled;
            }
        };
        let head = polled.head.as_ref().map(|(commit, _)| (commit.clone(), objects.clone())).map_err(Fault::clone);
        let whole = Arc::new(Polled {
            at: polled.at,
            answered: polled.answered,
            head,
            committed: polled.committed,
            max_staleness: polled.max_staleness,
            objects: Some(objects),
        });
        *slot.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&whole));
        whole
    }

    /// Throws away what was fetched: judging found objects missing or corrupt.
    pub(super) async fn start_over(&self, repository: &Repository) {
        let slot = self.slot(&repository.name_any());
        let mut state = slot.state.lock().await;
        state.mirror.forget();
        *slot.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn slot(&self, name: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = || {
            let state =
                State { mirror: Mirror::new(&self.space.below), connection: Kept::default(), sought: HashMap::new() };
            Arc::new(Slot { state: tokio::sync::Mutex::new(state), last: Mutex::new(None) })
        };
        Arc::clone(slots.entry(name.to_owned()).or_insert_with(begin))
    }

    async fn ask(
        &self,
        desk: &Arc<Desk>,
        repository: &Repository,
        state: &mut State,
        last: Option<Arc<Polled>>,
    ) -> Polled {
        let (at, answered) = (desk.clock.now(), Instant::now());
        let max_staleness = repository.spec.trust.max_staleness;
        let before = last.as_ref().and_then(|last| last.objects.clone());
        let nothing = |fault: Fault| {
            let objects = before.clone();
            // Whoever has waited meanwhile is told the same, and does not wait for a silent remote in his turn.
            Polled { at, answered: Instant::now(), head: Err(fault), committed: None, max_staleness, objects }
        };
        let transport = match state.connection.get(desk, repository, answered).await {
            Ok(transport) => transport,
            Err(fault) => return nothing(fault),
        };
        let reference = match reference(&repository.spec.reference) {
            Ok(reference) => reference,
            Err(fault) => return nothing(fault),
        };
        let known =
            last.and_then(|last| last.head.as_ref().ok().map(|(commit, objects)| (commit.clone(), objects.clone())));
        let mut mirror = std::mem::replace(&mut state.mirror, Mirror::new(&self.space.below));
        let lent = Arc::clone(desk);
        let asking = tokio::task::spawn_blocking(move || {
            let head = lent.mirrors.look(&mut mirror, transport.as_ref(), &reference, known);
            (mirror, head)
        });
        let Ok((mirror, head)) = asking.await else {
            desk.metrics.panic(Stage::Fetch);
            return nothing(Fault::panicked());
        };
        state.mirror = mirror;
        match head {
            Ok((commit, objects)) => {
                let committed = committed(&objects, &commit.head);
                let all = Some(objects.clone());
                Polled { at, answered, head: Ok((commit, objects)), committed, max_staleness, objects: all }
            }
            Err(error) => {
                // Perhaps the credentials were replaced meanwhile.
                state.connection.forget();
                nothing(Fault::from(&error))
            }
        }
    }

    /// Asks first, and downloads only when the reference has moved.
    fn look(
        &self,
        mirror: &mut Mirror,
        transport: &dyn Transport,
        reference: &Reference,
        known: Option<(Commit, Objects)>,
    ) -> Result<(Commit, Objects), GitError> {
        if let Some((commit, objects)) = known {
            match Mirror::check(transport, reference, Some(&commit))? {
                Checked::Unmoved => return Ok((commit, objects)),
                Checked::Moved(_) => {}
            }
        }
        self.space.make_room(mirror, |bytes| self.evict_above(bytes))?;
        Ok(mirror.fetch(transport, reference)?.into_parts())
    }

    /// Makes the largest mirror that nobody uses now give up what it has, if that is more than `bytes`; its remote is asked
    /// for it anew. Whether there was one.
    fn evict_above(&self, bytes: u64) -> bool {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let free = slots.values().filter_map(|slot| {
            let state = slot.state.try_lock().ok()?;
            (state.mirror.size() > bytes).then_some((slot, state))
        });
        let Some((slot, mut state)) = free.max_by_key(|(_, state)| state.mirror.size()) else { return false };
        state.mirror.forget();
        *slot.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
        true
    }
}

fn reference(wanted: &GitReference) -> Result<Reference, Fault> {
    let refuse = |message| Fault { code: "bad-reference".to_owned(), class: Class::Misconfigured, message };
    super::reference(wanted).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::Mirrors;

    #[test]
    fn what_takes_nothing_has_nothing_to_give_up() {
        let cache = tempfile::tempdir().unwrap();
        let mirrors = Mirrors::new(cache.path(), 64).unwrap();
        mirrors.slot("empty");
        assert!(!mirrors.evict_above(0));
    }
}
