//! Which kinds the cluster serves, and where.

use std::collections::HashMap;
use std::sync::Arc;

use ::kube::client::APIGroupDiscoveryList;
use tokio::sync::Mutex;

use super::ServiceAccount;
use super::defined::Defined;
use super::path;
use super::reply::Trouble;
use super::request::{About, Requests, Verb};

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
#[derive(Default)]
pub(super) struct Directory {
    current: Mutex<Option<Arc<Catalogue>>>,
}

impl Directory {
    /// The catalogue as last read.
    pub(super) async fn current(
        &self,
        requests: &Requests,
        account: &ServiceAccount,
    ) -> Result<Arc<Catalogue>, Trouble> {
        let mut current = self.current.lock().await;
        if let Some(catalogue) = current.as_ref() {
            return Ok(Arc::clone(catalogue));
        }
        let read = Arc::new(read(requests, account).await?);
        *current = Some(Arc::clone(&read));
        Ok(read)
    }

    /// The catalogue read anew, unless somebody else has done so since `seen` was handed out.
    pub(super) async fn newer(
        &self,
        seen: &Arc<Catalogue>,
        requests: &Requests,
        account: &ServiceAccount,
    ) -> Result<Arc<Catalogue>, Trouble> {
        {
            let mut current = self.current.lock().await;
            if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, seen)) {
                *current = None;
            }
        }
        self.current(requests, account).await
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

/// Whether a kind is certainly not served. An aggregated API server that is down answers with an error, not with 404.
pub(super) async fn absence(
    requests: &Requests,
    account: &ServiceAccount,
    group: &str,
    version: &str,
    kind: &str,
) -> Absence {
    match listed(requests, account, group, version).await {
        Err(Trouble::NotFound) => Absence::Certain,
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
    use super::Catalogue;

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
