//! What the remotes last showed: one mirror per Repository, shared by all its Syncs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use tokio::sync::Semaphore;
use tracing::warn;

use crate::api::{self, GitReference, Repository};
use crate::git::{Checked, Commit, Connection, Error as GitError, Fetched, Mirror, Objects, Oid, Reference, Transport};
use crate::model::Class;
use crate::telemetry::Stage;

use super::Error;
use super::credentials;
use super::desk::Desk;
use super::outcome::revision;
use super::room::make_room;
use super::status::Holds;

/// Every mirror, by the name of its Repository.
pub(super) struct Mirrors {
    below: PathBuf,
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
    /// What the connection was made of, and when.
    connection: Option<(String, Instant, Arc<Connection>)>,
    /// The commit that was asked for by its id, and when: a server that does not give it is not asked every second.
    sought: Option<(Oid, Instant)>,
}

/// What the remote showed, and when.
pub(super) struct Polled {
    /// When, by the calendar: for telling how old commits are.
    at: Timestamp,
    /// The same by a clock that nobody sets: for telling how old this answer is.
    answered: Instant,
    pub(super) head: Result<(Commit, Objects), Fault>,
    /// Date of the head by its committer; a claim, which judging checks.
    committed: Option<Timestamp>,
    max_staleness: api::Duration,
    /// Everything fetched so far, also while the remote shows nothing.
    objects: Option<Objects>,
}

/// Why the remote showed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: String,
    pub(super) class: Class,
    pub(super) message: String,
}

impl Polled {
    /// The answer without its time, to tell whether it is news. A fault is told by its code: a server that says another
    /// sentence each time says nothing new.
    pub(super) fn says(&self) -> Result<&Commit, &str> {
        self.head.as_ref().map(|(commit, _)| commit).map_err(|fault| fault.code.as_str())
    }

    /// Reference and commit, where there is one.
    pub(super) fn revision(&self) -> Option<String> {
        self.head.as_ref().ok().map(|(commit, _)| revision(&commit.reference, &commit.head.to_string()))
    }

    /// A commit that was fetched before, under the reference that is followed now.
    pub(super) fn at_commit(&self, id: Oid, reference: &str) -> Option<Fetched<Commit>> {
        let objects = self.objects.as_ref().filter(|objects| objects.contains(&id))?;
        Some(Fetched::new(Commit { reference: reference.to_owned(), head: id, tag: None }, objects.clone()))
    }

    /// Whether the view is fresh: the remote answered, and the newest commit is not older than the policy allows.
    ///
    /// `newest` names the newest commit that was verified, where that is not the head: what nobody has signed may bear any
    /// date.
    pub(super) fn fresh(&self, newest: Newest<'_>) -> Holds {
        if let Err(fault) = &self.head {
            return Holds::no(super::status::reason(&fault.code), fault.message.clone());
        }
        let newest = match newest {
            Newest::Head => self.committed,
            Newest::LastGood(commit) => commit
                .and_then(|commit| commit.parse().ok())
                .and_then(|commit| committed(self.objects.as_ref()?, &commit)),
        };
        let limit = SignedDuration::try_from(self.max_staleness.get()).unwrap_or(SignedDuration::MAX);
        match newest {
            Some(committed) if committed.duration_since(self.at) > AHEAD => Holds::no(
                "AheadOfNow",
                format!("the newest commit is of {committed}, which is in the future: its date says nothing"),
            ),
            Some(committed) if self.at.duration_since(committed) > limit => Holds::no(
                "Stale",
                format!(
                    "the newest commit is of {committed}, older than trust.maxStaleness ({}); either nothing was \
                     committed since, or the remote withholds it",
                    self.max_staleness
                ),
            ),
            Some(_) => Holds::yes("Answered", "the remote answers, and its newest commit is recent"),
            None => {
                Holds::unknown("NoDate", "the remote answers, but how old its newest verified commit is, is not known")
            }
        }
    }
}

/// Whose date says how fresh the view is.
#[derive(Clone, Copy)]
pub(super) enum Newest<'a> {
    /// The head's: it was verified, or nobody has judged it yet.
    Head,
    /// That of the commit which is applied, if there is one: the head was refused.
    LastGood(Option<&'a str>),
}

/// Clocks differ; a date further ahead than this is none.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

impl Fault {
    fn panicked() -> Self {
        let message = "fetching broke down on what the remote sent; it is refused. Please report it".to_owned();
        Self { code: "panic".to_owned(), class: Class::Bug, message }
    }
}

impl From<&GitError> for Fault {
    fn from(error: &GitError) -> Self {
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(next) = cause {
            message = format!("{message}: {next}");
            cause = next.source();
        }
        Self { code: error.code().to_owned(), class: error.class(), message }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self { code: error.code().to_owned(), class: error.class(), message: error.to_string() }
    }
}

/// Remotes that are asked at the same time: what one sends is kept in memory until it is indexed.
const ASKED: usize = 16;

/// A connection is made anew after this time: credentials may have been replaced.
const CONNECTION_AGE: Duration = Duration::from_secs(300);

impl Mirrors {
    /// No mirror yet; their folders will lie in a folder of our own in `cache`. What an agent that was killed has left
    /// there is removed.
    pub(super) fn new(cache: &Path) -> Result<Self, Error> {
        let below = cache.join("gitwarrant-mirrors");
        match std::fs::remove_dir_all(&below) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::Cache(error)),
            Ok(()) | Err(_) => {}
        }
        std::fs::create_dir_all(&below).map_err(Error::Cache)?;
        Ok(Self { below, asking: Semaphore::new(ASKED), slots: Mutex::default() })
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
        if let Some(last) = last.clone().filter(|last| will_do(last) && state.is_of(repository)) {
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
        if state.sought.is_some_and(|(sought, at)| sought == id && now.duration_since(at) < pause) {
            return polled;
        }
        state.sought = Some((id, now));
        let Ok(transport) = state.connect(desk, repository, now).await else { return polled };
        let mut mirror = std::mem::replace(&mut state.mirror, Mirror::new(&self.below));
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
                warn!(repository = %repository.name_any(), commit = %id.short(), code = %fault.code, message = %fault.message, "the remote does not give the commit that is applied");
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
            let state = State { mirror: Mirror::new(&self.below), connection: None, sought: None };
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
        let transport = match state.connect(desk, repository, answered).await {
            Ok(transport) => transport,
            Err(fault) => return nothing(fault),
        };
        let reference = match reference(&repository.spec.reference) {
            Ok(reference) => reference,
            Err(fault) => return nothing(fault),
        };
        let known =
            last.and_then(|last| last.head.as_ref().ok().map(|(commit, objects)| (commit.clone(), objects.clone())));
        let mut mirror = std::mem::replace(&mut state.mirror, Mirror::new(&self.below));
        let below = self.below.clone();
        let asking = tokio::task::spawn_blocking(move || {
            let head = look(&mut mirror, transport.as_ref(), &reference, known, &below);
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
                state.connection = None;
                nothing(Fault::from(&error))
            }
        }
    }
}

/// Asks first, and downloads only when the reference has moved.
fn look(
    mirror: &mut Mirror,
    transport: &dyn Transport,
    reference: &Reference,
    known: Option<(Commit, Objects)>,
    below: &Path,
) -> Result<(Commit, Objects), GitError> {
    if let Some((commit, objects)) = known {
        match Mirror::check(transport, reference, Some(&commit))? {
            Checked::Unmoved => return Ok((commit, objects)),
            Checked::Moved(_) => {}
        }
    }
    make_room(below, mirror)?;
    Ok(mirror.fetch(transport, reference)?.into_parts())
}

impl State {
    fn is_of(&self, repository: &Repository) -> bool {
        self.connection.as_ref().is_some_and(|(made_of, ..)| *made_of == material(repository))
    }

    async fn connect(
        &mut self,
        desk: &Arc<Desk>,
        repository: &Repository,
        now: Instant,
    ) -> Result<Arc<Connection>, Fault> {
        let material = material(repository);
        if let Some((made_of, since, transport)) = &self.connection
            && *made_of == material
            && now.duration_since(*since) < CONNECTION_AGE
        {
            return Ok(Arc::clone(transport));
        }
        let remote = credentials::remote(desk, repository).await?;
        let made = tokio::task::spawn_blocking(move || Connection::new(remote)).await;
        let transport = made.map_err(|_| Fault {
            code: "panic".to_owned(),
            class: Class::Bug,
            message: "the connection could not be prepared; please report it".to_owned(),
        })?;
        let transport = Arc::new(transport.map_err(|error| Fault::from(&error))?);
        self.connection = Some((material, now, Arc::clone(&transport)));
        Ok(transport)
    }
}

/// What a connection is made of: another UID or generation needs another one.
fn material(repository: &Repository) -> String {
    format!("{} {}", repository.uid().unwrap_or_default(), repository.metadata.generation.unwrap_or_default())
}

fn reference(wanted: &GitReference) -> Result<Reference, Fault> {
    let refuse = |message| Fault { code: "bad-reference".to_owned(), class: Class::Misconfigured, message };
    super::reference(wanted).map_err(refuse)
}

/// The committer's date of a commit, for telling how old the view is; nothing is decided by it.
fn committed(objects: &Objects, head: &Oid) -> Option<Timestamp> {
    let raw = objects.read(head, 1 << 20).ok()?;
    let text = raw.bytes.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    let line = text.filter_map(|line| std::str::from_utf8(line).ok()).find(|line| line.starts_with("committer "))?;
    let seconds = line.rsplit(' ').nth(1)?.parse().ok()?;
    Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use jiff::Timestamp;

    use super::{Fault, Polled};
    use crate::model::Class;

    #[test]
    fn server_that_says_another_sentence_each_time_has_no_news() {
        let polled = |code: &str, message: &str| {
            let (code, message) = (code.to_owned(), message.to_owned());
            Polled {
                at: Timestamp::UNIX_EPOCH,
                answered: Instant::now(),
                head: Err(Fault { code, class: Class::Transient, message }),
                committed: None,
                max_staleness: "24h".parse().unwrap(),
                objects: None,
            }
        };
        assert!(polled("remote-error", "request 1").says() == polled("remote-error", "request 2").says());
        assert!(polled("remote-error", "request 1").says() != polled("ref-gone", "request 1").says());
    }
}
