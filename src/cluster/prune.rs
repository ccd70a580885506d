//! Deleting what left the repository: only while it has the recorded UID and still names its owner.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};

use crate::model::Key;
use crate::plan::{Deletion, Existing, Identity, Stage, Target};

use super::kube::Acting;
use super::reply::Trouble;
use super::request::{About, Payload, Verb};
use super::survey::IN_FLIGHT;
use super::{Error, Failure, path};

/// How often a deletion is tried whose object changes meanwhile.
const TRIES: usize = 3;
/// How long an object that is made again may take to go.
const GOING: Duration = Duration::from_secs(30);
/// Between looks at it.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// A deletion is answered with a `Status`, or with the object where it lingers; of that, metadata alone.
const ACCEPT: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// What pruning came to.
#[derive(Default)]
pub(super) struct Pruned {
    /// Objects whose deletion was accepted.
    pub(super) deleted: Vec<Key>,
    /// Those that are gone or somebody else's; the others wait for a finalizer and stay recorded.
    pub(super) gone: BTreeSet<Identity>,
    /// Those that say meanwhile that they are not to be deleted; they stay recorded.
    pub(super) kept: Vec<Key>,
}

/// What tells a `Status` from an object.
#[derive(serde::Deserialize)]
struct Kind {
    kind: String,
}

/// What became of one deletion.
enum End {
    Gone,
    Lingers,
    NotOurs,
    Kept,
}

impl Acting {
    /// Deletes in the order of the plan: what needs definitions before the definitions. Nothing goes whose UID is among
    /// `written`: it was just written, under another group.
    pub(super) async fn prune(&self, deletions: Vec<Deletion>, written: &BTreeSet<&str>) -> Result<Pruned, Error> {
        let mut pruned = Pruned::default();
        let mut failures = Vec::new();
        let (definitions, rest): (Vec<Deletion>, Vec<Deletion>) =
            deletions.into_iter().partition(|deletion| Stage::of(&deletion.target.key) == Stage::Definitions);
        for stage in [rest, definitions] {
            let each = stage.into_iter().map(|deletion| async move {
                let end = if written.contains(deletion.uid.as_str()) {
                    Ok(End::NotOurs)
                } else {
                    self.delete_if_ours(&deletion).await
                };
                (deletion.target.key, end)
            });
            let mut ends = stream::iter(each).buffer_unordered(IN_FLIGHT);
            while let Some((key, end)) = ends.next().await {
                match end {
                    Ok(End::Gone) => {
                        pruned.gone.insert(Identity::from(&key));
                        pruned.deleted.push(key);
                    }
                    Ok(End::Lingers) => pruned.deleted.push(key),
                    Ok(End::Kept) => pruned.kept.push(key),
                    Ok(End::NotOurs) => {
                        pruned.gone.insert(Identity::from(&key));
                    }
                    Err(trouble) => {
                        failures.push(Failure { what: key.to_string(), unwritten: None, verb: Verb::Delete, trouble });
                    }
                }
            }
            if !failures.is_empty() {
                return Err(Error::Failures(failures));
            }
        }
        Ok(pruned)
    }

    /// Looks again, and deletes with UID and resourceVersion as preconditions: what was looked at is what goes.
    async fn delete_if_ours(&self, deletion: &Deletion) -> Result<End, Trouble> {
        let target = &deletion.target;
        let mut trouble = Trouble::Changed;
        for _ in 0..TRIES {
            let Some(existing) = self.now(target).await? else { return Ok(End::Gone) };
            let ours = existing.uid == deletion.uid && existing.owner.as_ref() == Some(&self.owner);
            if !ours {
                return Ok(End::NotOurs);
            }
            if existing.kept {
                return Ok(End::Kept);
            }
            if existing.deleting {
                return Ok(End::Lingers);
            }
            self.gate.delete().await?;
            match self.delete(target, &existing).await {
                // A webhook can answer that it is not found; whether it is there, a look tells.
                Err(again @ (Trouble::Changed | Trouble::NotFound)) => trouble = again,
                answer => return answer,
            }
        }
        Err(trouble)
    }

    /// Deletes an object so that it can be made again. Never what takes others with it.
    pub(super) async fn remove_for_good(&self, target: &Target, existing: Option<&Existing>) -> Result<(), Trouble> {
        let refuse = |sentence: &str| Trouble::Rejected {
            code: 422,
            reason: "Immutable".to_owned(),
            fields: Vec::new(),
            sentence: Some(sentence.to_owned()),
        };
        if target.cascades() {
            return Err(refuse("a field cannot be changed, and this kind is never deleted to be made again"));
        }
        let uid = existing.map(|existing| existing.uid.as_str());
        let Some(now) = self.now(target).await? else { return Ok(()) };
        if uid != Some(&now.uid) {
            return Err(Trouble::Changed);
        }
        if now.owner.as_ref() != Some(&self.owner) {
            return Err(refuse("a field cannot be changed, and what another has made is not deleted to be made again"));
        }
        if now.kept {
            return Err(refuse("a field cannot be changed, and the object in the cluster says that it is not deleted"));
        }
        self.gate.delete().await?;
        self.delete(target, &now).await?;
        self.memory.forget(&Identity::from(&target.key));
        let gone = async {
            while self.now(target).await?.is_some_and(|still| still.uid == now.uid) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Ok(())
        };
        tokio::time::timeout(GOING, gone).await.map_err(|_| refuse("it is still being deleted after 30 s"))?
    }

    async fn delete(&self, target: &Target, existing: &Existing) -> Result<End, Trouble> {
        let about = About::object(&self.account, Verb::Delete, &target.key, &target.plural);
        let options = serde_json::json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": existing.uid, "resourceVersion": existing.resource_version},
        });
        let payload = Payload { content_type: "application/json", bytes: Bytes::from(options.to_string()) };
        let answer = self.requests.send(&path::object(target), ACCEPT, Some(&payload), &about).await?;
        let kind: Kind = serde_json::from_slice(&answer)
            .map_err(|_| Trouble::Unreadable { what: "neither a Status nor an object" })?;
        self.memory.forget(&Identity::from(&target.key));
        Ok(if kind.kind == "Status" { End::Gone } else { End::Lingers })
    }
}

#[cfg(test)]
#[path = "prune_tests.rs"]
mod tests;
