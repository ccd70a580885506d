//! The CustomResourceDefinitions that `deploy/crds` holds.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use super::{Repository, Sync, Warrant};

/// Every definition, in the order of the pipeline.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    let mut all = vec![Repository::crd(), Sync::crd(), Warrant::crd()];
    for definition in &mut all {
        for version in &mut definition.spec.versions {
            let root = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
            let Some(root) = root else { continue };
            plain_formats(root);
            if let Some(spec) = root.properties.as_mut().and_then(|fields| fields.get_mut("spec")) {
                keep_unknown_fields(spec);
            }
        }
    }
    all
}

/// Makes the API server store fields it does not know.
///
/// It would drop them otherwise, for every client that does not ask for strict validation, and the agent could not
/// tell that somebody wrote a rule which nobody enforces. Stored, they make the resource `Stalled`.
fn keep_unknown_fields(schema: &mut JSONSchemaProps) {
    if let Some(properties) = &mut schema.properties {
        schema.x_kubernetes_preserve_unknown_fields = Some(true);
        properties.values_mut().for_each(keep_unknown_fields);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => keep_unknown_fields(item),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(keep_unknown_fields),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &mut schema.additional_properties {
        keep_unknown_fields(value);
    }
}

/// Replaces formats that Rust knows and the API server warns about; `minimum` already says what is meant.
fn plain_formats(schema: &mut JSONSchemaProps) {
    if schema.format.as_deref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = Some("int64".to_owned());
    }
    schema.properties.iter_mut().flat_map(|fields| fields.values_mut()).for_each(plain_formats);
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &mut schema.items {
        plain_formats(item);
    }
}
