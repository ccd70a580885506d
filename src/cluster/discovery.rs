//! Which kinds the cluster serves, and where.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::kube::client::APIGroupDiscoveryList;
use tokio::sync::watch;

use super::ServiceAccount;
use super::defined::Defined;
use super::path;
use super::reply::Trouble;
use super::request::{About, Requests, Verb};

/// The catalogue is read at most so often, whoever wants a newer one.
const SELDOM: Duration = Duration::from_secs(2);

/// Aggregated discovery: two requests for everything. Stable since Kubernetes 1.30.
const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// A kind in one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) namespaced: bool,
}

/// Every kind, with the versions it is served in, preferred ones first.
#[derive(Debug, Default, Clone)]
pub(super) struct Catalogue {
    kinds: HashMap<(String, String), Vec<Served>>,
}

impl Catalogue {
    /// The kind in exactly this version.
    pub(super) fn exact(&self, group: &str, version: &str, kind: &str) -> Option<&Served> {
        self.versions(group, kind).iter().find(|served| served.version == version)
    }

    /// The kind in this version or, where that is served no longer, in the preferred one.
    pub(super) fn any(&self, group: &str, version: &str, kind: &str) -> Option<&Served> {
        self.exact(group, version, kind).or_else(|| self.versions(group, kind).first())
    }

    fn versions(&self, group: &str, kind: &str) -> &[Served] {
        self.kinds.get(&(group.to_owned(), kind.to_owned())).map_or(&[], Vec::as_slice)
    }

    fn read(&mut self, list: APIGroupDiscoveryList) {
        for group in list.items {
            let name = group.metadata.and_then(|metadata| metadata.name).unwrap_or_default();
            for version in group.versions {
                let Some(version_name) = version.version else { continue };
                for resource in version.resources {
                    let kind = resource.response_kind.and_then(|kind| kind.kind);
                    let (Some(kind), Some(plural)) = (kind, resource.resource) else { continue };
                    let namespaced = resource.scope.as_deref() == Some("Namespaced");
                    let served = Served { version: version_name.clone(), plural, namespaced };
                    self.kinds.entry((name.clone(), kind)).or_default().push(served);
                }
            }
        }
    }
}

/// The catalogue of the whole agent; it is the same for everybody, and read with the rights of whoever needs it.
///
/// It is read beside whoever uses the last one: an account whose requests are slow or refused delays nobody else.
pub(super) struct Directory {
    shown: watch::Sender<Option<Shown>>,
    /// When the last reading began, by whomever.
    last: Mutex<Option<Instant>>,
}

/// A catalogue, and when its reading began: it may lack what came later.
#[derive(Clone)]
struct Shown {
    began: Instant,
    catalogue: Arc<Catalogue>,
}

impl Default for Directory {
    fn default() -> Self {
        Self { shown: watch::Sender::new(None), last: Mutex::default() }
    }
}

impl Directory {
    /// The catalogue as last read.
    pub(super) async fn current(
        &self,
        requests: &Requests,
        account: &ServiceAccount,
    ) -> Result<Arc<Catalogue>, Trouble> {
        self.shown_since(None, read(requests, account)).await
    }

    /// A catalogue whose reading began after this was called, by whomever it was read.
    pub(super) async fn newer(&self, requests: &Requests, account: &ServiceAccount) -> Result<Arc<Catalogue>, Trouble> {
        self.shown_since(Some(Instant::now()), read(requests, account)).await
    }

    async fn shown_since(
        &self,
        since: Option<Instant>,
        reading: impl Future<Output = Result<Catalogue, Trouble>>,
    ) -> Result<Arc<Catalogue>, Trouble> {
        let mut shown = self.shown.subscribe();
        let began = loop {
            let will_do = |shown: &&Shown| since.is_none_or(|since| shown.began >= since);
            if let Some(shown) = shown.borrow_and_update().as_ref().filter(will_do) {
                return Ok(Arc::clone(&shown.catalogue));
            }
            match self.begin() {
                Ok(began) => break began,
                // Whoever reads now may not come to an end.
                Err(wait) => drop(tokio::time::timeout(wait, shown.changed()).await),
            }
        };
        let catalogue = Arc::new(reading.await?);
        let read = Shown { began, catalogue: Arc::clone(&catalogue) };
        self.shown.send_if_modified(|shown| {
            let is_newer = shown.as_ref().is_none_or(|shown| shown.began < began);
            if is_newer {
                *shown = Some(read);
            }
            is_newer
        });
        Ok(catalogue)
    }

    /// When the reading begins that may begin now, or how long to wait for the next.
    fn begin(&self) -> Result<Instant, Duration> {
        // It is one value, whole after a panic too.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match last.and_then(|last| SELDOM.checked_sub(now.duration_since(last))) {
            Some(wait) if !wait.is_zero() => Err(wait),
            Some(_) | None => {
                *last = Some(now);
                Ok(now)
            }
        }
    }
}

async fn read(requests: &Requests, account: &ServiceAccount) -> Result<Catalogue, Trouble> {
    let mut catalogue = Catalogue::default();
    for root in ["/api", "/apis"] {
        let about = About::collection(account, Verb::Discover, "", root, None);
        let answer = requests.send(root, ACCEPT, None, &about).await?;
        let list =
            serde_json::from_slice(&answer).map_err(|_| Trouble::Unreadable { what: "not aggregated discovery" })?;
        catalogue.read(list);
    }
    Ok(catalogue)
}

/// What the API server itself says about a kind that is not in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    /// Its group and version are not served, or are served without it.
    Certain,
    /// They could not be read.
    Unknown,
}

#[derive(serde::Deserialize)]
struct ResourceList {
    resources: Vec<Resource>,
}

#[derive(serde::Deserialize)]
struct Resource {
    name: String,
    kind: String,
}

async fn listed(
    requests: &Requests,
    account: &ServiceAccount,
    group: &str,
    version: &str,
) -> Result<Vec<Resource>, Trouble> {
    let about = About::collection(account, Verb::Discover, group, version, None);
    let answer = requests.send(&path::group_version(group, version), "application/json", None, &about).await?;
    let list: ResourceList =
        serde_json::from_slice(&answer).map_err(|_| Trouble::Unreadable { what: "not a list of resources" })?;
    Ok(list.resources)
}

/// What was said about kinds, by group, version and kind: each is asked about once in a turn.
pub(super) type Absences = HashMap<(String, String, String), Absence>;

/// Whether a kind is certainly not served. An aggregated API server that is down answers with an error, not with 404.
pub(super) async fn absence(
    requests: &Requests,
    account: &ServiceAccount,
    group: &str,
    version: &str,
    kind: &str,
) -> Absence {
    match listed(requests, account, group, version).await {
        Err(Trouble::NotServed) => Absence::Certain,
        Ok(resources) if !resources.iter().any(|resource| resource.kind == kind) => Absence::Certain,
        Ok(_) | Err(_) => Absence::Unknown,
    }
}

/// Whether a defined kind is served by now.
pub(super) async fn is_served(requests: &Requests, account: &ServiceAccount, wanted: &Defined) -> bool {
    let resources = listed(requests, account, &wanted.group, &wanted.version).await.unwrap_or_default();
    resources.iter().any(|resource| resource.name == wanted.plural && resource.kind == wanted.kind)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::{Catalogue, Directory};
    use crate::cluster::reply::Trouble;

    #[tokio::test]
    async fn an_account_that_gets_no_answer_keeps_nobody_from_the_list_of_kinds() {
        let directory = Arc::new(Directory::default());
        let first = directory.shown_since(None, async { Ok(Catalogue::default()) }).await.unwrap();
        let slow = Arc::clone(&directory);
        let hangs =
            tokio::spawn(async move { slow.shown_since(Some(Instant::now()), std::future::pending()).await.map(drop) });
        tokio::time::sleep(Duration::from_millis(50)).await;
        let used = directory.shown_since(None, async { Err(Trouble::NotServed) }).await.unwrap();
        assert!(Arc::ptr_eq(&first, &used), "the old one serves while somebody reads");
        let called = Instant::now();
        let newer = directory.shown_since(Some(called), async { Ok(Catalogue::default()) }).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &newer) && called.elapsed() < Duration::from_secs(5));
        let refused = directory.shown_since(Some(Instant::now()), async { Err(Trouble::NotServed) }).await;
        assert_eq!(refused.err(), Some(Trouble::NotServed));
        let used = directory.shown_since(None, async { Err(Trouble::NotServed) }).await.unwrap();
        assert!(Arc::ptr_eq(&newer, &used), "what one account may not read is not taken from the others");
        hangs.abort();
    }

    #[test]
    fn subresources_and_other_versions_are_told_apart() {
        let mut catalogue = Catalogue::default();
        let answer = r#"{"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":"apps"},"versions":[
            {"version":"v1","resources":[{"resource":"deployments","responseKind":{"kind":"Deployment"},"scope":"Namespaced",
             "subresources":[{"subresource":"scale","responseKind":{"group":"autoscaling","version":"v1","kind":"Scale"}}]}]},
            {"version":"v1beta1","resources":[{"resource":"deployments","responseKind":{"kind":"Deployment"},"scope":"Namespaced"}]}]}]}"#;
        catalogue.read(serde_json::from_str(answer).unwrap());
        assert_eq!(catalogue.exact("apps", "v1beta1", "Deployment").unwrap().plural, "deployments");
        assert!(catalogue.exact("apps", "v2", "Deployment").is_none());
        assert_eq!(catalogue.any("apps", "v2", "Deployment").unwrap().version, "v1");
        assert!(catalogue.any("autoscaling", "v1", "Scale").is_none());
    }
}
