//! What a live object carries and a manifest has no say about. People commit it by accident (`kubectl get -o yaml`), so
//! it is left out rather than refused.

use crate::model::{Map, Node};

use super::Refusal;

/// Fields of `metadata` that the API server alone writes.
const SERVERS_OWN: [&str; 8] = [
    "uid",
    "resourceVersion",
    "generation",
    "managedFields",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
];

/// Written by `kubectl apply`: a copy of the whole object, of a Secret's data too.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Takes out what the API server alone writes.
///
/// # Errors
/// `ownerReferences` and `generateName`: leaving them out would change what was meant.
pub(super) fn strip(body: &mut Map) -> Result<(), Refusal> {
    body.remove("status");
    let Some(metadata) = body.get_mut("metadata").and_then(Node::as_map_mut) else { return Ok(()) };
    for field in SERVERS_OWN {
        metadata.remove(field);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Node::as_map_mut) {
        annotations.remove(LAST_APPLIED);
    }
    let said = |field: &str| metadata.get(field).is_some_and(|node| !node.is_null());
    let refuse = |field: &str, problem| Err(Refusal::Malformed { field: format!("metadata.{field}"), problem });
    if said("ownerReferences") {
        return refuse("ownerReferences", "names an owner by UID, which no repository can know: remove it");
    }
    if said("generateName") {
        return refuse("generateName", "would make another object at every turn: give metadata.name");
    }
    Ok(())
}
