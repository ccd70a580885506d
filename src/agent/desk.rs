//! What every turn has at hand, and what it remembers from one turn to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::{ConfigMap, Secret as Held};
use kube::{Api, Client};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OnceCell, Semaphore};

use crate::api::{Condition, Repository, SignersFrom};
use crate::clock::Clock;
use crate::cluster::{Kube, Watch};
use crate::plan::{Identity, Owner};
use crate::policy::Agent;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::telemetry::Metrics;
use crate::trust::Policy;

use super::Error;
use super::idle::Idle;
use super::mirrors::Mirrors;
use super::policy::{SignersMap, policy_input};
use super::progress::Progress;
use super::run::Key;
use super::status::Holds;
use super::verdict::Verdict;
use super::warrant::Seen;

/// What every turn has at hand.
pub(super) struct Desk {
    pub(super) client: Client,
    pub(super) settings: Settings,
    /// Who the agent is, once the API server has told.
    pub(super) account: OnceCell<Agent>,
    /// Names this process in the records that it keeps.
    pub(super) holder: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) mirrors: Mirrors,
    pub(super) cluster: Kube,
    pub(super) idle: Idle,
    /// Names of Repositories whose remote shows something else than before: their Syncs take a turn.
    pub(super) news: UnboundedSender<String>,
    /// Syncs of which something was changed in the cluster.
    pub(super) drift: UnboundedSender<Key>,
    /// What was last told about the heads of Repositories.
    pub(super) verdicts: Mutex<BTreeMap<String, Verdict>>,
    /// Why the clock cannot be believed, where it cannot.
    suspect: Mutex<Option<Holds>>,
    /// Whose next turn was asked for since the present one began: what only waits gives way.
    called: Mutex<BTreeSet<Key>>,
    /// Whose last turn found nothing to put right in the cluster.
    calm: Mutex<BTreeSet<Key>>,
    memories: Mutex<BTreeMap<Key, Arc<tokio::sync::Mutex<Memory>>>>,
    /// Everything that is known to exist.
    present: Mutex<BTreeMap<Key, Present>>,
    /// Judgements at the same time: one whose turn was given up goes on, and holds files and objects while it does.
    pub(super) judgements: Arc<Semaphore>,
}

/// What is known of something that exists.
struct Present {
    uid: Option<String>,
    /// Whether somebody has suspended it.
    suspended: bool,
}

/// What is remembered about a Repository or Sync while the process lives. Losing it costs work, never safety.
#[derive(Default)]
pub(super) struct Memory {
    /// Conditions as last written; the watch may lag behind them.
    pub(super) conditions: Option<Vec<Condition>>,
    /// Whether something else than these was written since, by a turn that goes on.
    pub(super) told_meanwhile: bool,
    /// The Warrant as it was last seen: an older or another one is not believed.
    pub(super) warrant: Seen,
    /// Held while a commit is judged, also by a turn that was given up meanwhile: a Sync has one judgement at a time.
    pub(super) judging: Arc<tokio::sync::Mutex<()>>,
    /// How far judging what is new has come.
    pub(super) progress: Progress,
    /// How far looking again at what is applied has come.
    pub(super) reviewing: Progress,
    /// What the last complete turn worked on; while it is the same, only drift is looked for.
    pub(super) settled: Option<String>,
    /// What the last complete turn left recorded that is not wanted any more: whether it works is nobody's affair.
    pub(super) departed: BTreeSet<Identity>,
    /// What is watched of what was applied.
    pub(super) watch: Option<Watch>,
    /// What looking again at what is applied came to.
    pub(super) reviewed: Option<Reviewed>,
}

/// What looking again at an applied commit, under a policy, came to.
pub(super) struct Reviewed {
    /// The commit, and the digest of the policy.
    pub(super) of: (String, String),
    /// Why it would not be believed today.
    pub(super) distrusted: Option<Holds>,
}

impl Desk {
    /// `client` is for the agent's own questions; what is done for Syncs has bounds of its own, and watches.
    pub(super) fn new(
        (client, watches): (Client, Client),
        settings: Settings,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        (news, drift): (UnboundedSender<String>, UnboundedSender<Key>),
    ) -> Result<Self, Error> {
        let mirrors = Mirrors::new(&settings.cache, settings.cache_mib)?;
        let cluster = Kube::new(watches);
        let idle = Idle::new(usize::from(settings.concurrency));
        let judgements = Arc::new(Semaphore::new(usize::from(settings.concurrency)));
        Ok(Self {
            client,
            settings,
            account: OnceCell::new(),
            holder: format!("{:016x}", RandomState::new().hash_one(std::process::id())),
            clock,
            metrics,
            mirrors,
            cluster,
            idle,
            news,
            drift,
            verdicts: Mutex::default(),
            called: Mutex::default(),
            suspect: Mutex::default(),
            calm: Mutex::default(),
            memories: Mutex::default(),
            present: Mutex::default(),
            judgements,
        })
    }

    /// The memory of `key`, begun where there is none.
    pub(super) fn memory(&self, key: &Key) -> Arc<tokio::sync::Mutex<Memory>> {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(memories.entry(key.clone()).or_default())
    }

    /// Another turn of `key` is asked for.
    pub(super) fn call(&self, key: &Key) {
        self.called.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
    }

    /// A turn of `key` begins, or there will be none.
    pub(super) fn answer(&self, key: &Key) {
        self.called.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Says whether the clock can be believed; whether that is news.
    pub(super) fn suspect_clock(&self, suspect: Option<Holds>) -> bool {
        let mut told = self.suspect.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *told, suspect.clone()).is_some() != suspect.is_some()
    }

    /// Why the clock cannot be believed, where it cannot.
    pub(super) fn clock_suspect(&self) -> Option<Holds> {
        self.suspect.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The turn of `key` found nothing to put right in the cluster.
    pub(super) fn note_calm(&self, key: Key) {
        self.calm.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
    }

    /// Whether the last turn of `key` found nothing to put right in the cluster; asked once a turn.
    pub(super) fn take_calm(&self, key: &Key) -> bool {
        self.calm.lock().unwrap_or_else(PoisonError::into_inner).remove(key)
    }

    /// Whether another turn of `key` is asked for, or it is gone.
    pub(super) fn is_called(&self, key: &Key) -> bool {
        self.called.lock().unwrap_or_else(PoisonError::into_inner).contains(key) || !self.is_known(key)
    }

    /// Whether `key` exists, as far as is known.
    pub(super) fn is_known(&self, key: &Key) -> bool {
        self.present.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }

    /// `key` exists, with this UID.
    pub(super) fn meet(&self, key: &Key, uid: Option<String>, suspended: bool) {
        let present = Present { uid, suspended };
        self.present.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), present);
    }

    /// Whether something may be changed in the name of `key`: it exists with this UID, and nobody has suspended it.
    pub(super) fn is_active(&self, key: &Key, uid: Option<&str>) -> bool {
        let present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.get(key).is_some_and(|present| present.uid.as_deref() == uid && !present.suspended)
    }

    /// Whether `key` exists with this UID, as far as is known.
    pub(super) fn is_present(&self, key: &Key, uid: Option<&str>) -> bool {
        let present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.get(key).is_some_and(|present| present.uid.as_deref() == uid)
    }

    /// Counts something about `key` while it exists with this UID: what is gone gets no series again.
    pub(super) fn measure(&self, key: &Key, uid: Option<&str>, count: impl FnOnce(&Metrics)) {
        let present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if present.get(key).is_some_and(|present| present.uid.as_deref() == uid) {
            count(&self.metrics);
        }
    }

    /// Forgets what is gone.
    pub(super) fn forget(&self, key: &Key) {
        self.answer(key);
        self.present.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.take_calm(key);
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        match key {
            Key::Repository(name) => {
                self.mirrors.forget(name);
                self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
            }
            Key::Sync(namespace, name) => {
                self.metrics.forget(namespace, name);
                self.cluster.forget(&Owner { namespace: namespace.clone(), name: name.clone() });
            }
        }
    }

    /// The maps of `trust.signersFrom`: one snapshot, read anew for every turn.
    pub(super) async fn signers(&self, repository: &Repository) -> Result<Vec<SignersMap>, PolicyFault> {
        let api = Api::<ConfigMap>::namespaced(self.client.clone(), &self.settings.namespace);
        let mut maps = Vec::new();
        for SignersFrom { config_map } in &repository.spec.trust.signers_from {
            let what = || format!("ConfigMap {}/{config_map} of trust.signersFrom", self.settings.namespace);
            let found = api.get_opt(config_map).await.map_err(|source| Error::request(what(), &source))?;
            let Some(map) = found else { continue };
            let mut entries: BTreeMap<String, Vec<u8>> =
                map.data.unwrap_or_default().into_iter().map(|(key, text)| (key, text.into_bytes())).collect();
            entries.extend(map.binary_data.unwrap_or_default().into_iter().map(|(key, bytes)| (key, bytes.0)));
            maps.push(SignersMap { name: config_map.clone(), entries });
        }
        Ok(maps)
    }

    /// The entries of a Secret, moved into wiping memory.
    pub(super) async fn secret(&self, namespace: &str, name: &str, use_: &str) -> Result<Vec<(String, Secret)>, Error> {
        let what = || format!("Secret {namespace}/{name} of {use_}");
        let api = Api::<Held>::namespaced(self.client.clone(), namespace);
        let found = api.get_opt(name).await.map_err(|source| Error::request(what(), &source))?;
        let remedy = "make it, and let the agent's ServiceAccount read it with a RoleBinding";
        let held = found.ok_or_else(|| Error::Absent { what: what(), remedy })?;
        Ok(held.data.unwrap_or_default().into_iter().map(|(key, value)| (key, Secret::new(value.0))).collect())
    }
}

impl Desk {
    /// The resourceVersion of a Secret, read as metadata only.
    pub(super) async fn secret_version(&self, namespace: &str, name: &str) -> Option<String> {
        let api = Api::<Held>::namespaced(self.client.clone(), namespace);
        api.get_metadata(name).await.ok()?.metadata.resource_version
    }
}

/// The trust policy of `repository`. `spent` is the commit that `trust.rollbackTo` has let in already.
pub(super) fn policy(repository: &Repository, maps: &[SignersMap], spent: Option<&str>) -> Result<Policy, PolicyFault> {
    let mut input = policy_input(&repository.spec.trust, maps)?;
    input.rollback_to = input.rollback_to.filter(|to| Some(to.as_str()) != spent);
    Ok(Policy::read(&input)?)
}

/// Why there is no policy to judge by. Nothing new is applied then, and what runs is kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum PolicyFault {
    /// Its parts cannot be read.
    #[error(transparent)]
    Read(#[from] Error),
    /// Its parts contradict the rules.
    #[error(transparent)]
    Rules(#[from] crate::trust::ConfigError),
}
