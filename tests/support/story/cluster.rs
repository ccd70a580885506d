//! What the story asks of the cluster: manifests applied as an administrator would, objects read, conditions awaited.

use std::path::Path;
use std::time::{Duration, Instant};

use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde::Deserialize;
use serde_json::Value;

/// How long anything in the story may take before it counts as not happening. Usual: under two seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// The cluster, as its administrator.
pub struct Administrator {
    client: Client,
    /// Everything applied so far, in order.
    applied: Vec<(Option<String>, ApiResource, String)>,
}

impl Administrator {
    /// With the rights of `client`.
    pub fn new(client: Client) -> Self {
        Self { client, applied: Vec::new() }
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Applies every object of a file.
    pub async fn apply_file(&mut self, file: &Path) -> Result<(), String> {
        for object in documents(file)? {
            self.apply(object).await?;
        }
        Ok(())
    }

    /// Applies every object of every manifest in `folder`, in order of names; kustomizations are left out.
    pub async fn apply_folder(&mut self, folder: &Path, wanted: impl Fn(&Value) -> bool) -> Result<(), String> {
        let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
        files.retain(|file| !file.ends_with("kustomization.yaml"));
        files.sort();
        for file in files {
            for object in documents(&file)?.into_iter().filter(&wanted) {
                self.apply(object).await?;
            }
        }
        Ok(())
    }

    /// Definitions, namespace and roles of the agent, as they are shipped; it runs outside, as a process of this machine.
    pub async fn install(&mut self) -> Result<(), String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        self.apply_folder(&source.join("deploy/crds"), |_| true).await?;
        let wanted = |object: &Value| matches!(object["kind"].as_str(), Some("Namespace" | "ServiceAccount"));
        self.apply_folder(&source.join("deploy/base"), wanted).await?;
        self.apply_folder(&source.join("deploy/rbac"), |_| true).await
    }

    /// Applies one object, and remembers it for [`Self::take_back`].
    pub async fn apply(&mut self, object: Value) -> Result<(), String> {
        let applied = self.put(&object).await?;
        self.applied.push(applied);
        Ok(())
    }

    /// Applies one object; where it lives.
    pub async fn put(&self, object: &Value) -> Result<(Option<String>, ApiResource, String), String> {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let (version, kind) = (text("/apiVersion").unwrap_or_default(), text("/kind").unwrap_or_default());
        let name = text("/metadata/name").unwrap_or_default();
        let (group, version) = version.rsplit_once('/').unwrap_or(("", &version));
        let resource = self.resource(&GroupVersionKind::gvk(group, version, &kind)).await?;
        let namespace = text("/metadata/namespace");
        let patch = PatchParams::apply("administrator").force();
        let applied = self.api(namespace.as_deref(), &resource).patch(&name, &patch, &Patch::Apply(object)).await;
        applied.map_err(|error| format!("{kind} {name}: {error}"))?;
        Ok((namespace, resource, name))
    }

    /// Deletes everything that was applied, the last first: on a cluster that others use.
    pub async fn take_back(&mut self) {
        while let Some((namespace, resource, name)) = self.applied.pop() {
            drop(self.api(namespace.as_deref(), &resource).delete(&name, &DeleteParams::default()).await);
        }
    }

    /// A resource by its kind, once the API server serves it.
    async fn resource(&self, kind: &GroupVersionKind) -> Result<ApiResource, String> {
        let found = async || kube::discovery::pinned_kind(&self.client, kind).await.ok().map(|(resource, _)| resource);
        until(&format!("the API server serves {}", kind.kind), found).await
    }

    fn api(&self, namespace: Option<&str>, resource: &ApiResource) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }

    /// Our own kind in the agent's namespace, or cluster-wide.
    pub fn ours(&self, namespace: Option<&str>, kind: &str, plural: &str) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("gitwarrant.io", "v1alpha1", kind);
        self.api(namespace, &ApiResource::from_gvk_with_plural(&kind, plural))
    }
}

/// Every object of the file, as JSON.
pub fn documents(file: &Path) -> Result<Vec<Value>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let read = serde_yaml::Deserializer::from_str(&text).map(Value::deserialize).collect::<Result<Vec<_>, _>>();
    let objects = read.map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(objects.into_iter().filter(|object| !object.is_null()).collect())
}

/// Asks until there is an answer; `what` says what is waited for.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> Result<T, String> {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return Ok(answer);
        }
        if begin.elapsed() > PATIENCE {
            return Err(format!("it did not come, within {PATIENCE:?}, that {what}"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Condition `kind` of an object: status, reason, message.
pub fn condition(object: &DynamicObject, kind: &str) -> Option<(String, String, String)> {
    let conditions = object.data.pointer("/status/conditions")?.as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == kind)?;
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    Some((text("status"), text("reason"), text("message")))
}
