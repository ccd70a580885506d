//! One turn of a Repository: ask the remote, and wake its Syncs when the answer is news.
//!
//! Judging is each Sync's own affair, because each has its own base; this turn tells what was fetched and whether the
//! trust configuration can be used at all.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::json;
use tracing::{info, warn};

use crate::api::{Head, REQUESTED_AT, Repository, RepositoryStatus};
use crate::model::Class;

use super::Error;
use super::desk::{Desk, policy};
use super::polled::Newest;
use super::run::Key;
use super::schedule::Next;
use super::status::{Findings, Holds, conditions, differ, reason, seconds};

/// Takes one turn. Its Syncs have been told by then, if the remote shows something else than before.
pub(super) async fn turn(desk: &Arc<Desk>, object: &DynamicObject) -> Next {
    let read: Result<Repository, _> = serde_json::to_value(object).and_then(serde_json::from_value);
    let repository = match read {
        Ok(repository) => repository,
        Err(fault) => {
            let holds = Holds::no("InvalidSpec", format!("the Repository cannot be read: {fault}"));
            report(desk, object, None, Told::stalled(holds)).await;
            return Next::Interval(UNREADABLE);
        }
    };
    let interval = repository.spec.interval.get().max(crate::settings::SHORTEST_INTERVAL);
    if repository.spec.suspend {
        report(desk, object, Some(&repository), Told::resting()).await;
        return Next::Interval(interval);
    }
    let before = desk.mirrors.last(&repository);
    // Mostly this waits for the remote, which is asked by few at a time whoever has a place.
    let idle = desk.idle.begin();
    let (signers, polled) =
        tokio::join!(desk.signers(&repository), desk.mirrors.poll(desk, &repository, Duration::ZERO));
    drop(idle);
    let policy = signers.and_then(|maps| policy(&repository, &maps, None));
    let is_news = before.is_none_or(|before| before.says() != polled.says());
    let (told, next) = match (&policy, &polled.head) {
        (Err(fault), _) => (Told::stalled(Holds::no("BadConfiguration", fault.to_string())), Next::Interval(interval)),
        (Ok(policy), Ok((commit, _))) => {
            let head = Head { reference: commit.reference.clone(), commit: commit.head.to_string() };
            if is_news {
                info!(repository = %repository.name_any(), commit = %commit.head.short(), "the remote shows a new head");
            }
            let ready = Holds::yes("Fetched", format!("fetched {}@{}", commit.reference, commit.head));
            (
                Told {
                    ready,
                    fetched: Some((head, policy.digest().to_owned())),
                    ..Told::empty(polled.fresh(Newest::Head))
                },
                Next::Interval(interval),
            )
        }
        (Ok(_), Err(fault)) => {
            let ready = Holds::no(reason(&fault.code), fault.message.clone());
            let stalled = (fault.class == Class::Misconfigured).then(|| ready.clone());
            let next = match fault.class {
                Class::Transient => Next::Retry { first: FIRST_RETRY.min(interval), interval },
                Class::Refused | Class::Misconfigured | Class::Bug => Next::Interval(interval),
            };
            (
                Told {
                    ready,
                    stalled: stalled.map(|no| Holds::yes(no.reason, no.message)),
                    ..Told::empty(polled.fresh(Newest::Head))
                },
                next,
            )
        }
    };
    report(desk, object, Some(&repository), told).await;
    next
}

const UNREADABLE: Duration = Duration::from_secs(300);

/// First wait after a passing fault of the remote.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// What is to be told.
struct Told {
    ready: Holds,
    fresh: Option<Holds>,
    stalled: Option<Holds>,
    /// The head that the remote shows, and the digest of the policy in force.
    fetched: Option<(Head, String)>,
}

impl Told {
    fn empty(fresh: Holds) -> Self {
        Self { ready: Holds::unknown("Unknown", ""), fresh: Some(fresh), stalled: None, fetched: None }
    }

    fn stalled(no: Holds) -> Self {
        let stalled = Some(Holds::yes(no.reason.clone(), no.message.clone()));
        Self { ready: no, fresh: None, stalled, fetched: None }
    }

    fn resting() -> Self {
        let ready = Holds::unknown("Suspended", "the Repository is suspended");
        Self { ready, fresh: None, stalled: None, fetched: None }
    }
}

async fn report(desk: &Arc<Desk>, object: &DynamicObject, repository: Option<&Repository>, told: Told) {
    let name = object.name_any();
    let memory = desk.memory(&Key::Repository(name.clone()));
    let mut memory = memory.lock().await;
    let old = repository.and_then(|repository| repository.status.clone()).unwrap_or_default();
    let previous = memory.conditions.take().unwrap_or_else(|| old.conditions.clone());
    let findings = Findings {
        generation: object.metadata.generation.unwrap_or_default(),
        ready: told.ready,
        verified: None,
        fresh: told.fresh,
        healthy: None,
        reconciling: None,
        stalled: told.stalled,
        distrusted: None,
        clock_suspect: desk.clock_suspect(),
    };
    let found = conditions(&previous, &findings, desk.clock.now());
    let requested = object.annotations().get(REQUESTED_AT).cloned();
    let same = !differ(&previous, &found) && requested == old.last_handled_requested_at;
    memory.conditions = Some(found.clone());
    if same {
        return;
    }
    if findings.ready.status == crate::api::ConditionStatus::False {
        warn!(repository = %name, reason = %findings.ready.reason, message = %findings.ready.message, "Repository is not ready");
    }
    let (fetched, policy_digest) =
        told.fetched.map_or((old.fetched, old.policy_digest), |(head, digest)| (Some(head), Some(digest)));
    let answered = findings.fresh.as_ref().is_some_and(|fresh| fresh.status == crate::api::ConditionStatus::True);
    let status = RepositoryStatus {
        observed_generation: Some(findings.generation),
        conditions: found,
        fetched,
        policy_digest,
        last_fetch_time: if answered { Some(seconds(desk.clock.now())) } else { old.last_fetch_time },
        last_handled_requested_at: requested,
        ..RepositoryStatus::default()
    };
    let kind = kube::api::ApiResource::erase::<Repository>(&());
    let api = Api::<DynamicObject>::all_with(desk.client.clone(), &kind);
    let patch = Patch::Merge(json!({ "status": status }));
    if let Err(fault) = api.patch_status(&name, &PatchParams::default(), &patch).await {
        memory.conditions = None;
        warn!(repository = %name, error = %Error::request("Repository status".to_owned(), &fault), "the status is not written");
    }
}
