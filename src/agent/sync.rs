//! One turn of a Sync: poll, judge, render, survey, write ahead, apply, settle.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::OptionFuture;
use kube::ResourceExt;
use kube::api::DynamicObject;
use tracing::info;

use crate::api::{self, Repository, Sync};
use crate::cluster::{Acting, Fence};
use crate::git::{Fetched, Oid};
use crate::keysource::Keyring;
use crate::kustomize;
use crate::model::{Class, RepoPath};
use crate::plan::Identity;
use crate::policy::{Agent, Limits, OwnObjects, PlainSecrets};
use crate::trust::{Base, Policy};

use super::bring::{Purpose, Stale, Unbrought, changes};
use super::desk::{Desk, Memory, policy};
use super::idle::Place;
use super::judge::reviewing;
use super::layer;
use super::outcome::{Changes, Outcome, Remaining};
use super::polled::Polled;
use super::prepare::{Held, Wanted};
use super::record::inventory;
use super::report::{report, report_unreadable};
use super::run::Key;
use super::schedule::Next;
use super::verdict;
use super::warrant::{Ledger, Lost};

/// Takes one turn; never fails: what went wrong becomes the Sync's status.
pub(super) async fn turn(desk: &Arc<Desk>, object: &DynamicObject, repository: Option<&DynamicObject>) -> Next {
    let begun = Instant::now();
    let key = Key::Sync(object.namespace().unwrap_or_default(), object.name_any());
    let memory = desk.memory(&key);
    let mut memory = memory.lock().await;
    let sync: Sync = match serde_json::to_value(object).and_then(serde_json::from_value) {
        Ok(sync) => sync,
        Err(fault) => return report_unreadable(desk, object, &fault).await,
    };
    let timeout = sync.spec.timeout.get().clamp(SHORTEST_TIMEOUT, LONGEST_TIMEOUT);
    let work = Work { desk, sync: &sync, begun, timeout, place: Mutex::default() };
    let outcome = match tokio::time::timeout(timeout, Box::pin(work.attempt(repository, &mut memory))).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::timed_out(timeout),
    };
    report(desk, &sync, &mut memory, outcome, begun.elapsed()).await
}

/// Tells that a turn broke down: what the status said before may not be so any more.
pub(super) async fn broke_down(desk: &Arc<Desk>, object: &DynamicObject) {
    let Ok(sync) = serde_json::to_value(object).and_then(serde_json::from_value::<Sync>) else { return };
    let memory = desk.memory(&Key::Sync(sync.namespace().unwrap_or_default(), sync.name_any()));
    let mut memory = memory.lock().await;
    memory.settled = None;
    report(desk, &sync, &mut memory, Outcome::broke_down(), Duration::ZERO).await;
}

/// The least and the most that `spec.timeout` counts as: a turn that ends at once, or never, serves nobody.
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(1);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);

pub(super) struct Work<'a> {
    pub(super) desk: &'a Arc<Desk>,
    pub(super) sync: &'a Sync,
    pub(super) begun: Instant,
    pub(super) timeout: Duration,
    /// The place of a turn that has waited for its remote.
    pub(super) place: Mutex<Option<Place>>,
}

impl Work<'_> {
    async fn attempt(&self, repository: Option<&DynamicObject>, memory: &mut Memory) -> Outcome {
        // Put back where a turn comes to look at what it applied; whoever rests watches nothing.
        let watch = memory.watch.take();
        if self.sync.metadata.deletion_timestamp.is_some() {
            return Outcome::resting("the Sync is being deleted; what is applied stays");
        }
        if self.sync.spec.suspend {
            return Outcome::resting("the Sync is suspended");
        }
        let repository = match self.repository(repository) {
            Ok(repository) if repository.spec.suspend => return Outcome::resting("the Repository is suspended"),
            Ok(repository) => repository,
            Err(outcome) => return outcome,
        };
        memory.watch = watch;
        let (name, spec) = (repository.name_any(), &repository.spec);
        let identity = (name.as_str(), spec.url.as_str(), spec.trust.root.as_str());
        let (opened, signers) = tokio::join!(
            Ledger::open(&self.desk.client, self.sync, identity, &memory.warrant, &self.desk.holder),
            self.desk.signers(&repository)
        );
        let mut ledger = match opened {
            Ok(Ok(ledger)) => ledger,
            Ok(Err(lost @ Lost::Predecessor { .. })) => return Outcome::predecessor(&lost),
            Ok(Err(lost)) => return Outcome::state_lost(&lost),
            Err(fault) => return Outcome::no_answer(&fault),
        };
        let policy = match signers.and_then(|maps| policy(&repository, &maps, ledger.spec().rolled_back_to.as_deref()))
        {
            Ok(policy) => policy,
            Err(fault) => return Outcome::no_policy(&fault),
        };
        // What was applied is still to be held, and what was left is not to come back, wherever the branch leads now.
        let applied = ledger.spec().applied.as_ref().and_then(|applied| applied.parse().ok());
        let known = applied.into_iter().chain(left_behind(&repository, ledger.spec())).collect();
        let polled = self.polled(&repository, known).await;
        self.bring_newest(&repository, policy, &mut ledger, &polled, memory).await
    }

    /// How old an answer of the remote may be for this turn.
    pub(super) fn freshness(&self, repository: &Repository) -> Duration {
        let requested = self.sync.annotations().get(api::REQUESTED_AT);
        let handled = self.sync.status.as_ref().and_then(|status| status.last_handled_requested_at.as_ref());
        if requested.is_some() && requested != handled { Duration::ZERO } else { repository.spec.interval.get() }
    }

    fn repository(&self, object: Option<&DynamicObject>) -> Result<Repository, Outcome> {
        let name = &self.sync.spec.repository;
        let object = object.ok_or_else(|| {
            Outcome::stalled(
                "repository-not-found",
                format!("Repository {name} does not exist; make it, or name another"),
            )
        })?;
        let read: Result<Repository, _> = serde_json::to_value(object).and_then(serde_json::from_value);
        let repository = read.map_err(|fault| {
            Outcome::stalled("repository-unreadable", format!("Repository {name} cannot be read: {fault}"))
        })?;
        let namespace = self.sync.namespace().unwrap_or_default();
        let allowed = &repository.spec.allowed_namespaces;
        let own = allowed.is_empty() && namespace == self.desk.settings.namespace;
        if own || allowed.iter().any(|one| *one == namespace || one == "*") {
            return Ok(repository);
        }
        let message = format!(
            "Repository {name} may not be used from namespace {namespace}; list it in allowedNamespaces, beside every other that uses it"
        );
        Err(Outcome::stalled("namespace-not-allowed", message))
    }

    pub(super) fn key(&self) -> Key {
        Key::Sync(self.sync.namespace().unwrap_or_default(), self.sync.name_any())
    }

    /// Tells whether this turn may still change the cluster: its Sync exists and goes on, and nobody else has written its
    /// record.
    fn fence(&self, ledger: &Ledger) -> Fence {
        let (desk, key, uid, unchanged) = (Arc::clone(self.desk), self.key(), self.sync.uid(), ledger.fence());
        Arc::new(move || {
            let goes_on = desk.is_active(&key, uid.as_deref());
            let unchanged = Arc::clone(&unchanged);
            Box::pin(async move { goes_on && unchanged().await })
        })
    }

    fn is_agents_own(&self, account: Option<&str>, agent: &Agent) -> bool {
        // A Sync that names none has `default`.
        let account = account.unwrap_or("default");
        self.sync.namespace().as_ref() == Some(&agent.namespace)
            && (account == agent.service_account || account == Agent::default().service_account)
    }

    async fn bring_newest(
        &self,
        repository: &Repository,
        policy: Policy,
        ledger: &mut Ledger,
        polled: &Polled,
        memory: &mut Memory,
    ) -> Outcome {
        let account = self.sync.spec.service_account_name.as_deref();
        let agent = match self.desk.agent().await {
            Ok(agent) => agent,
            Err(fault) => return Outcome::no_answer(&fault),
        };
        if self.is_agents_own(account, &agent) {
            let message =
                "serviceAccountName is the agent's own: what is applied is never done with its rights. Name another";
            return Outcome::stalled("own-account", message.to_owned());
        }
        let cluster = match self.desk.cluster.acting(self.owner(), account) {
            Ok(cluster) => cluster.fenced_by(self.fence(ledger)),
            Err(error) => return Outcome::stalled(error.code(), error.to_string()),
        };
        let settled = self.settled(repository, &policy, polled).await;
        if settled.is_some()
            && memory.settled == settled
            && cluster.undisturbed(&inventory(ledger.spec()), memory.watch.as_ref()).await
        {
            return self.with_health(&cluster, ledger, memory, Outcome::unchanged(ledger.spec(), polled)).await;
        }
        memory.settled = None;
        let wanted = match self.wanted(&cluster, repository, (policy, agent), (ledger, memory)).await {
            Ok(wanted) => wanted,
            Err(outcome) => return outcome,
        };
        let wanted = self.look_again(polled, ledger, memory, wanted).await;
        let believed = memory
            .reviewed
            .as_ref()
            .is_some_and(|reviewed| reviewed.distrusted.is_none() && reviewed.of == reviewing(ledger, &wanted));
        let (newest, wanted, telling) = match &polled.head {
            Ok((commit, objects)) => {
                let fetched = Fetched::new(commit.clone(), objects.clone());
                let (newest, wanted) = self.judge_on_record(fetched, wanted, &memory.judging, ledger).await;
                let by = newest.as_ref().map(|admitted| {
                    let signer = admitted.origin().judged().first();
                    signer
                        .map(|judged| (judged.signer.clone(), judged.key.clone()))
                        .or_else(|| recorded(ledger, &commit.head))
                });
                let by = by.map_err(Held::clone);
                // Told beside the work: nobody waits for the telling.
                let telling = verdict::tell(self.desk, repository, wanted.policy.digest().to_owned(), commit, by);
                (newest, wanted, Some(telling))
            }
            Err(fault) => (Err(Held::fetching(fault)), wanted, None),
        };
        let bringing = async {
            match newest {
                Ok(admitted) => match self.depends(ledger, polled).await {
                    None => self.bring(&cluster, ledger, admitted, Purpose::Newest { repository, believed }).await,
                    Some(waits) => Err(Unbrought { held: waits, stale: Stale::Everything }),
                },
                Err(held) => Err(Unbrought { held, stale: Stale::Everything }),
            }
        };
        let (brought, _told) = tokio::join!(bringing, OptionFuture::from(telling));
        let unbrought = match brought {
            Ok(applied) => {
                for taken in &applied.taken_over {
                    info!(object = %taken.key, field = %taken.taken.field, manager = %taken.taken.manager, "a field that somebody else had written is put right");
                }
                let nothing_waits = applied.held.is_empty();
                let changes = changes(&applied);
                let remaining = Remaining::of(&applied.held);
                memory.departed = applied.departed.iter().map(Identity::from).collect();
                self.watch(&cluster, ledger, memory).await;
                let outcome = Outcome::applied(ledger.spec(), polled, changes, &remaining);
                let outcome = self.with_health(&cluster, ledger, memory, outcome).await;
                memory.settled = settled.filter(|_| nothing_waits && outcome.is_ready());
                return outcome;
            }
            Err(unbrought) => unbrought,
        };
        let Unbrought { held, stale } = unbrought;
        if matches!(held.code.as_str(), "corrupt-object" | "incomplete-history") {
            self.desk.mirrors.start_over(repository).await;
        }
        // A newer commit that is half written and only has to wait comes back: to write the last good one meanwhile would
        // turn the cluster to and fro.
        let corrected = if held.class == Class::Transient && ledger.spec().pending.is_some() {
            Changes::default()
        } else {
            self.keep_last_good(&cluster, ledger, polled, wanted, (&memory.judging, &stale)).await
        };
        self.watch(&cluster, ledger, memory).await;
        Outcome::held(ledger.spec(), polled, &held, corrected)
    }

    /// Watches what is recorded; whoever changes something of it wakes this Sync.
    async fn watch(&self, cluster: &Acting, ledger: &Ledger, memory: &mut Memory) {
        let key = self.key();
        let drift = self.desk.drift.clone();
        // Only an agent that ends hears no drift.
        let wake = move || drop(drift.send(key.clone()));
        memory.watch = cluster.watch(&inventory(ledger.spec()), memory.watch.take(), wake).await;
    }

    /// Everything that decides what a turn does: while it is the same, and the cluster is, there is nothing to do.
    async fn settled(&self, repository: &Repository, policy: &Policy, polled: &Polled) -> Option<String> {
        let (commit, _) = polled.head.as_ref().ok()?;
        let keys = match &self.sync.spec.decryption {
            Some(decryption) => {
                let namespace = self.sync.namespace().unwrap_or_default();
                self.desk.secret_version(&namespace, &decryption.secret_ref.name).await?
            }
            None => String::new(),
        };
        let generation = |meta: &kube::api::ObjectMeta| meta.generation.unwrap_or_default();
        let (ours, theirs) = (generation(&self.sync.metadata), generation(&repository.metadata));
        let approved = self.sync.annotations().get(api::APPROVE_PRUNE).map_or("", String::as_str);
        let namespace = self.sync.namespace().unwrap_or_default();
        let variables = layer::versions(self.desk, &self.sync.spec, &namespace).await?;
        Some(format!("{} {} {ours} {theirs} {keys} {variables}{approved}", commit.head, policy.digest()))
    }

    async fn wanted(
        &self,
        cluster: &Acting,
        repository: &Repository,
        (policy, agent): (Policy, Agent),
        (ledger, memory): (&Ledger, &Memory),
    ) -> Result<Wanted, Outcome> {
        let spec = &self.sync.spec;
        let path =
            RepoPath::root().resolve(&spec.path).map_err(|error| Outcome::stalled("bad-path", error.to_string()))?;
        let keys = match &spec.decryption {
            None => Keyring::not_set(),
            Some(decryption) => {
                let namespace = self.sync.namespace().unwrap_or_default();
                let name = &decryption.secret_ref.name;
                let entries = self.desk.secret(&namespace, name, "spec.decryption").await;
                let entries = entries.map_err(|error| Outcome::no_answer(&error))?;
                let secret = format!("Secret {namespace}/{name}");
                let keys = Keyring::read(entries)
                    .map_err(|error| Outcome::stalled("bad-keys", format!("{secret} of spec.decryption: {error}")))?;
                keys.kept_in(secret)
            }
        };
        let applied = match ledger.spec().applied.as_deref().map(str::parse::<Oid>).transpose() {
            Ok(applied) => applied,
            Err(error) => return Err(Outcome::stalled("state-lost", format!("the Warrant's applied commit: {error}"))),
        };
        // Without promoters anybody listed could change the agent; with them the head's signer is one of them.
        let limits = Limits {
            plain_secrets: if spec.allow_plain_secrets { PlainSecrets::Allow } else { PlainSecrets::Refuse },
            own: if repository.spec.self_managed && !repository.spec.trust.promoters.is_empty() {
                OwnObjects::Allow
            } else {
                OwnObjects::Refuse
            },
            agent,
            ..Limits::default()
        };
        let left_behind = left_behind(repository, ledger.spec());
        let base = Base { applied, applied_tag: ledger.spec().tag.clone(), left_behind };
        let rendering = kustomize::Options::AGENT;
        let layer = layer::layer(cluster, spec, &self.sync.namespace().unwrap_or_default()).await?;
        let inputs_of = inputs_of(spec);
        let whole = policy.has_path_rules() && ledger.spec().inputs_of.as_ref().is_some_and(|of| *of != inputs_of);
        let (progress, reviewing) = (memory.progress.clone(), memory.reviewing.clone());
        progress.take_up(ledger.spec().judged_up_to.as_ref());
        let now = self.desk.clock.now();
        Ok(Wanted { policy, base, whole, path, keys, rendering, layer, limits, now, progress, reviewing })
    }
}

/// What decides which files are inputs: the folder, and the components that the Sync adds.
pub(super) fn inputs_of(spec: &api::SyncSpec) -> String {
    // As a list in JSON: no two lists of names are the same text.
    serde_json::json!([spec.path, spec.components]).to_string()
}

/// The commits that `trust.rollbackTo` has led away from, one order after the other, while one stands.
fn left_behind(repository: &Repository, spec: &api::WarrantSpec) -> Vec<Oid> {
    let left = spec.left_behind.iter().filter(|_| repository.spec.trust.rollback_to.is_some());
    left.filter_map(|left| left.parse().ok()).collect()
}

/// Who signed what is applied, and with which key, by the record.
fn recorded(ledger: &Ledger, head: &Oid) -> Option<(String, String)> {
    let spec = ledger.spec();
    let of_head = spec.applied.as_deref() == Some(head.to_string().as_str());
    spec.signers.first().filter(|_| of_head).map(|signature| (signature.signer.clone(), signature.key.clone()))
}
