//! What a Sync's own fields lay over the kustomization of its path.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret as Held};
use kube::Api;
use serde_json::{Value, json};

use crate::api::{PostBuild, SubstituteFrom, SubstituteKind, SyncSpec};
use crate::cluster::{self, Acting};
use crate::kustomize::{BadName, Layer, Variable, Variables};
use crate::secret::Secret;

use super::Error;
use super::desk::Desk;
use super::outcome::Outcome;

/// The layer of a Sync in `namespace`.
///
/// What it names is read with the rights of its ServiceAccount: who may write Syncs gets at nothing that way.
pub(super) async fn layer(cluster: &Acting, spec: &SyncSpec, namespace: &str) -> Result<Layer, Outcome> {
    let layer = Layer::read(fields(spec).to_string());
    let mut layer = layer.map_err(|error| Outcome::stalled(error.code().as_str(), error.to_string()))?;
    if let Some(common) = &spec.common_metadata {
        (layer.labels, layer.annotations) = (common.labels.clone(), common.annotations.clone());
    }
    if let Some(build) = &spec.post_build {
        layer.variables = Some(variables(cluster, build, namespace).await?);
    }
    Ok(layer)
}

/// Those of the fields that a kustomization has as well, by the names that it gives them.
fn fields(spec: &SyncSpec) -> Value {
    let mut fields = json!({});
    for (name, text) in
        [("namespace", &spec.target_namespace), ("namePrefix", &spec.name_prefix), ("nameSuffix", &spec.name_suffix)]
    {
        if let Some(text) = text {
            fields[name] = json!(text);
        }
    }
    for (name, list) in
        [("patches", json!(spec.patches)), ("images", json!(spec.images)), ("components", json!(spec.components))]
    {
        if list.as_array().is_some_and(|list| !list.is_empty()) {
            fields[name] = list;
        }
    }
    fields
}

async fn variables(cluster: &Acting, build: &PostBuild, namespace: &str) -> Result<Variables, Outcome> {
    let bad = |from: &str, error: &BadName| Outcome::stalled("bad-variable", format!("{from}: {error}"));
    let mut variables = Variables::default();
    for from in &build.substitute_from {
        let kind = match from.kind {
            SubstituteKind::Open => "ConfigMap",
            SubstituteKind::Sealed => "Secret",
        };
        let what = format!("{kind} {namespace}/{} of spec.postBuild", from.name);
        let entries = match entries(cluster, from, &what).await {
            Ok(Some(entries)) => entries,
            Ok(None) if from.optional => continue,
            Ok(None) => {
                let remedy = "make it, and let the Sync's ServiceAccount read it";
                return Err(Outcome::no_answer(&Error::Absent { what, remedy }));
            }
            Err(error) => return Err(Outcome::no_answer(&error)),
        };
        for (name, variable) in entries {
            variables.insert(&name, variable).map_err(|error| bad(&what, &error))?;
        }
    }
    for (name, text) in &build.substitute {
        let inserted = variables.insert(name, Variable::Open(text.clone()));
        inserted.map_err(|error| bad("spec.postBuild.substitute", &error))?;
    }
    Ok(variables)
}

async fn entries(
    cluster: &Acting,
    from: &SubstituteFrom,
    what: &str,
) -> Result<Option<BTreeMap<String, Variable>>, Error> {
    let failed = |error: cluster::Error| {
        let (code, class) = (error.to_string(), error.class());
        Error::Api { what: what.to_owned(), code, class }
    };
    Ok(match from.kind {
        SubstituteKind::Open => {
            let found: Option<ConfigMap> = cluster.source("configmaps", &from.name).await.map_err(failed)?;
            let open = |(name, text)| (name, Variable::Open(text));
            found.map(|map| map.data.unwrap_or_default().into_iter().map(open).collect())
        }
        SubstituteKind::Sealed => {
            let found: Option<Held> = cluster.source("secrets", &from.name).await.map_err(failed)?;
            found.map(|held| {
                let entries = held.data.unwrap_or_default().into_iter();
                entries.map(|(name, value)| (name, sealed(value.0))).collect()
            })
        }
    })
}

/// The value without line ends, as Flux takes it. That it is empty is no secret: a default takes its place.
fn sealed(mut value: Vec<u8>) -> Variable {
    // In place: nothing is copied, and what stays behind is wiped with the rest.
    let length = value.len();
    value.retain(|byte| *byte != b'\n');
    if value.is_empty() {
        return Variable::Open(String::new());
    }
    let kept = value.len();
    value.resize(length, 0);
    value.truncate(kept);
    Variable::Sealed(Secret::new(value))
}

/// What tells whether a source of variables is still the same; `None` where that cannot be told.
pub(super) async fn versions(desk: &Desk, spec: &SyncSpec, namespace: &str) -> Option<String> {
    let mut versions = String::new();
    for from in spec.post_build.iter().flat_map(|build| &build.substitute_from) {
        let found = match from.kind {
            SubstituteKind::Open => {
                let api = Api::<ConfigMap>::namespaced(desk.client.clone(), namespace);
                api.get_metadata_opt(&from.name).await.ok()?.map(|found| found.metadata)
            }
            SubstituteKind::Sealed => {
                let api = Api::<Held>::namespaced(desk.client.clone(), namespace);
                api.get_metadata_opt(&from.name).await.ok()?.map(|found| found.metadata)
            }
        };
        let version = found.map(|meta| format!("{:?}/{:?}", meta.uid, meta.resource_version));
        versions += &version.unwrap_or_else(|| "-".to_owned());
        versions.push(' ');
    }
    Some(versions)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Layer, Variable, fields, sealed};
    use crate::api::SyncSpec;

    fn fields_of(spec: Value) -> Value {
        let mut whole = json!({"repository": "fleet", "path": "./a"});
        for (key, value) in spec.as_object().unwrap() {
            whole[key] = value.clone();
        }
        fields(&serde_json::from_value::<SyncSpec>(whole).unwrap())
    }

    #[test]
    fn a_sync_without_such_fields_lays_nothing_over() {
        assert_eq!(fields_of(json!({})), json!({}));
        assert!(Layer::read("{}".to_owned()).is_ok());
    }

    #[test]
    fn fields_are_those_of_a_kustomization() {
        let patch =
            json!({"patch": "- {op: remove, path: /spec}", "target": {"kind": "Deployment", "labelSelector": "a=b"}});
        let image = json!({"name": "nginx", "newName": "mirror/nginx", "newTag": "yes", "digest": "sha256:ab"});
        let found = fields_of(json!({"targetNamespace": "shop", "namePrefix": "a-", "nameSuffix": "-b",
            "patches": [patch], "images": [image], "components": ["../c"]}));
        let expected = json!({"namespace": "shop", "namePrefix": "a-", "nameSuffix": "-b", "patches": [patch],
            "images": [image], "components": ["../c"]});
        assert_eq!(found, expected);
        assert!(Layer::read(found.to_string()).is_ok());
    }

    #[test]
    fn a_sealed_variable_is_without_line_ends_and_an_empty_one_is_no_secret() {
        let size = |value: &[u8]| match sealed(value.to_vec()) {
            Variable::Sealed(secret) => Some(secret.size()),
            Variable::Open(text) => {
                assert_eq!(text, "");
                None
            }
        };
        assert_eq!(size(b"hunter2"), Some(7));
        assert_eq!(size(b"hun\nter2\n"), Some(7));
        assert_eq!(size(b"\n\n"), None);
        assert_eq!(size(b""), None);
    }
}
