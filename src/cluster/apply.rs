//! Applying: definitions first, then the rest side by side; what cannot be done is named, and nothing is deleted then.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};

use crate::model::{Key, wire};
use crate::plan::{Apply, Entry, Existing, Held, HeldBecause, Identity, Stage, Steps, Target};
use crate::policy::Presence;

use super::defined::{Defined, defined};
use super::discovery::is_served;
use super::kube::Acting;
use super::memory::Fingerprint;
use super::metadata::{ACCEPT_ONE, Partial};
use super::reply::{Taken, Trouble};
use super::request::{About, Payload, Verb};
use super::survey::IN_FLIGHT;
use super::{Applied, Error, FIELD_MANAGER, Failure, TakenOver, path};

/// How long a new definition may take until it is served.
const ESTABLISHING: Duration = Duration::from_secs(30);
/// Between looks at it.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What applying one object came to.
struct Done {
    key: Key,
    uid: Option<String>,
    changed: bool,
    taken: Vec<Taken>,
}

impl Acting {
    /// Does the steps. Private to the module: the seam lets only plans of signed commits through.
    pub(super) async fn carry_out(&self, steps: Steps) -> Result<Applied, Error> {
        let (definitions, rest): (Vec<Apply>, Vec<Apply>) =
            steps.applies.into_iter().partition(|apply| Stage::of(&apply.target.key) == Stage::Definitions);
        let new_kinds: Vec<Defined> = definitions
            .iter()
            .flat_map(|apply| defined(&apply.target.key.group, &apply.target.key.kind, apply.object.body()))
            .collect();
        let mut failures = Vec::new();
        let mut done = self.apply_all(definitions, &mut failures).await;
        if done.iter().any(|done| done.changed && done.key.kind == "CustomResourceDefinition") {
            failures.extend(self.await_kinds(&new_kinds).await);
        }
        done.extend(self.apply_all(rest, &mut failures).await);
        if !failures.is_empty() {
            return Err(Error::Failures(failures));
        }
        let written = done.iter().filter_map(|done| done.uid.as_deref()).collect();
        let pruned = self.prune(steps.deletions, &written).await?;
        let mut applied = Applied { held: steps.held, lost: steps.lost, ..Applied::default() };
        for one in done {
            applied.taken_over.extend(one.taken.into_iter().map(|taken| TakenOver { key: one.key.clone(), taken }));
            if one.changed {
                applied.changed.push(one.key.clone());
            } else {
                applied.unchanged += 1;
            }
            applied.inventory.record(Entry::new(one.key, one.uid));
        }
        let gone = |entry: &Entry| pruned.gone.contains(&Identity::from(&entry.key));
        for entry in steps.departed.into_iter().filter(|entry| !gone(entry)) {
            applied.departed.push(entry.key.clone());
            applied.inventory.record(entry);
        }
        let kept = pruned.kept.into_iter().map(|key| Held { key, because: HeldBecause::ObjectSaysKeep });
        applied.held.extend(kept);
        applied.pruned = pruned.deleted;
        Ok(applied)
    }

    async fn apply_all(&self, applies: Vec<Apply>, failures: &mut Vec<Failure>) -> Vec<Done> {
        let each = applies.into_iter().map(|apply| async move {
            let key = apply.target.key.clone();
            let failure = |(verb, trouble)| Failure { what: key.to_string(), unwritten: Some(key), verb, trouble };
            self.apply_one(apply).await.map_err(failure)
        });
        let mut answers = stream::iter(each).buffer_unordered(IN_FLIGHT);
        let mut all = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(done) => all.push(done),
                Err(failure) => failures.push(failure),
            }
        }
        all
    }

    async fn apply_one(&self, apply: Apply) -> Result<Done, (Verb, Trouble)> {
        let Apply { object, target, handling, existing } = apply;
        let uid = existing.as_ref().map(|existing| existing.uid.clone());
        let untouched = |uid| Done { key: target.key.clone(), uid, changed: false, taken: Vec::new() };
        let left_alone = match handling.presence {
            Presence::Enforced => false,
            Presence::IfNotPresent => existing.is_some(),
            Presence::Ignored => true,
        };
        let identity = Identity::from(&target.key);
        let (bytes, fingerprint) = self.manifest(object);
        if left_alone {
            // What bears another's labels, or nobody's, may become another's: it is not ours by its UID.
            let is_ours = existing.as_ref().is_some_and(|existing| existing.owner.as_ref() == Some(&self.owner));
            if let Some(existing) = &existing {
                self.memory.leave_alone(identity, existing, fingerprint, is_ours);
            }
            return Ok(untouched(uid.filter(|_| is_ours)));
        }
        if existing.as_ref().is_some_and(|existing| self.memory.holds(&identity, existing, fingerprint)) {
            return Ok(untouched(uid));
        }
        self.gate.write().await.map_err(|trouble| (Verb::Patch, trouble))?;
        let payload = Payload { content_type: "application/apply-patch+yaml", bytes };
        let (now, taken) = match self.patch(&target, &payload).await {
            Err(Trouble::Immutable { .. }) if handling.recreated && existing.is_some() => {
                self.remove_for_good(&target, existing.as_ref()).await.map_err(|trouble| (Verb::Delete, trouble))?;
                self.patch(&target, &payload).await
            }
            answer => answer,
        }
        .map_err(|trouble| (Verb::Patch, trouble))?;
        let changed = existing.is_none_or(|before| before.resource_version != now.resource_version);
        let again = self.memory.knows(&identity);
        self.memory.remember(identity.clone(), &now, fingerprint);
        if again {
            self.memory.applied_again(&identity, changed);
        }
        Ok(Done { key: target.key, uid: Some(now.uid), changed, taken })
    }

    /// The manifest as bytes that are wiped, and its fingerprint.
    fn manifest(&self, object: crate::model::Object) -> (Bytes, Fingerprint) {
        let json = wire::json_of_map(&object.into_body());
        let fingerprint = self.memory.fingerprint(&json);
        (Bytes::from_owner(json), fingerprint)
    }

    /// Applies without force, and with it where others have written fields that the manifest sets: they are put right,
    /// and told.
    async fn patch(&self, target: &Target, payload: &Payload) -> Result<(Existing, Vec<Taken>), Trouble> {
        match self.patch_once(target, payload, false).await {
            Err(Trouble::Conflict(taken)) => Ok((self.patch_once(target, payload, true).await?, taken)),
            answer => answer.map(|existing| (existing, Vec::new())),
        }
    }

    async fn patch_once(&self, target: &Target, payload: &Payload, force: bool) -> Result<Existing, Trouble> {
        let about = About::object(&self.account, Verb::Patch, &target.key, &target.plural);
        let path = format!("{}?fieldManager={FIELD_MANAGER}&force={force}", path::object(target));
        let answer = self.requests.send(&path, ACCEPT_ONE, Some(payload), &about).await?;
        let read: Partial =
            serde_json::from_slice(&answer).map_err(|_| Trouble::Unreadable { what: "not an object's metadata" })?;
        Ok(read.metadata.into())
    }

    /// Waits until new kinds are served, and reads the catalogue anew.
    async fn await_kinds(&self, kinds: &[Defined]) -> Option<Failure> {
        let all_served = async {
            for kind in kinds {
                while !is_served(&self.requests, &self.account, kind).await {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        };
        let failure = |what: String, trouble| Some(Failure { what, unwritten: None, verb: Verb::Discover, trouble });
        if tokio::time::timeout(ESTABLISHING, all_served).await.is_err() {
            let names: Vec<&str> = kinds.iter().map(|kind| kind.kind.as_str()).collect();
            let what = "new kinds are not served after 30 s; look at the conditions of their definitions".to_owned();
            return failure(names.join(", "), Trouble::Unreachable { what });
        }
        match self.shared.directory.newer(&self.requests, &self.account).await {
            Ok(_) => None,
            Err(trouble) => failure("the list of kinds".to_owned(), trouble),
        }
    }
}
