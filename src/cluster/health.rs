//! Looking whether what was applied works.

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use crate::model::Key;
use crate::plan::{Inventory, Target};

use super::kstatus::{has_rule, judge};
use super::kube::Acting;
use super::reply::Trouble;
use super::request::{About, Verb};
use super::survey::IN_FLIGHT;
use super::{Error, path};

/// An object that does not work (yet).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unhealthy {
    /// The object.
    pub key: Key,
    /// What is missing, such as `1 of 3 replicas are available`.
    pub why: String,
    /// Whether waiting is in vain.
    pub failed: bool,
}

impl Acting {
    pub(super) async fn unhealthy(&self, inventory: &Inventory) -> Result<Vec<Unhealthy>, Error> {
        let directory = &self.shared.directory;
        let catalogue = directory.current(&self.requests, &self.account).await.map_err(Error::Discovery)?;
        let mut judged = Vec::new();
        for entry in inventory.iter().filter(|entry| !entry.held && has_rule(&entry.key)) {
            let key = &entry.key;
            if let Some(served) = catalogue.any(&key.group, &key.version, &key.kind) {
                let key = Key { version: served.version.clone(), ..key.clone() };
                judged.push(Target { key, plural: served.plural.clone() });
            }
        }
        let looks = judged.into_iter().map(|target| async move { self.look_at(target).await });
        let all: Vec<Option<Unhealthy>> = stream::iter(looks).buffer_unordered(IN_FLIGHT).try_collect().await?;
        Ok(all.into_iter().flatten().collect())
    }

    async fn look_at(&self, target: Target) -> Result<Option<Unhealthy>, Error> {
        let about = About::object(&self.account, Verb::Get, &target.key, &target.plural);
        let answer = match self.requests.send(&path::object(&target), "application/json", None, &about).await {
            Ok(answer) => answer,
            Err(Trouble::NotFound) => {
                return Ok(Some(Unhealthy { key: target.key, why: "it does not exist".to_owned(), failed: false }));
            }
            Err(Trouble::NotServed) => {
                return Ok(Some(Unhealthy {
                    key: target.key,
                    why: "its kind is not served".to_owned(),
                    failed: false,
                }));
            }
            Err(trouble) => return Err(Error::one(&target.key, Verb::Get, trouble)),
        };
        let object: Value = serde_json::from_slice(&answer)
            .map_err(|_| Error::one(&target.key, Verb::Get, Trouble::Unreadable { what: "not an object" }))?;
        Ok(judge(&target.key, &object))
    }
}
