//! The legacy order, by kind.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::kustomize::resource::Resource;
use crate::kustomize::select::{Gvk, Id};

const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Sorts by kind: `lists` first and last, kustomize's own where none are given; then by group, version, kind,
/// namespace and name.
pub fn sort_legacy(lists: Option<&(Vec<String>, Vec<String>)>, resources: &mut Vec<Resource>) {
    let builtin = || {
        (FIRST.iter().map(|kind| (*kind).to_owned()).collect(), LAST.iter().map(|kind| (*kind).to_owned()).collect())
    };
    let owned: (Vec<String>, Vec<String>);
    let (first, last) = if let Some(lists) = lists {
        (&lists.0, &lists.1)
    } else {
        owned = builtin();
        (&owned.0, &owned.1)
    };
    let mut ranks: HashMap<&str, i64> = HashMap::new();
    for (kind, rank) in first.iter().rev().zip(1..) {
        ranks.insert(kind, -rank);
    }
    for (kind, rank) in last.iter().zip(1..) {
        ranks.insert(kind, rank);
    }
    let mut keyed: Vec<(Id, Resource)> =
        std::mem::take(resources).into_iter().map(|resource| (resource.id(), resource)).collect();
    keyed.sort_by(|(one, _), (other, _)| compare(one, other, &ranks));
    resources.extend(keyed.into_iter().map(|(_, resource)| resource));
}

/// Kinds in kustomize's own order, then by group, version and kind.
pub fn compare_kinds(one: &Gvk, other: &Gvk) -> Ordering {
    let rank = |gvk: &Gvk| {
        let first = FIRST.iter().rev().zip(1i64..).find(|(kind, _)| **kind == gvk.kind).map(|(_, rank)| -rank);
        let last = || LAST.iter().zip(1i64..).find(|(kind, _)| **kind == gvk.kind).map(|(_, rank)| rank);
        first.or_else(last).unwrap_or(0)
    };
    rank(one).cmp(&rank(other)).then_with(|| text(one).cmp(&text(other)))
}

fn compare(one: &Id, other: &Id, ranks: &HashMap<&str, i64>) -> Ordering {
    let rank = |id: &Id| ranks.get(id.gvk.kind.as_str()).copied().unwrap_or(0);
    if one.gvk == other.gvk {
        let text = |id: &Id| format!("{}|{}", or(&id.namespace, "~X"), or(&id.name, "~N"));
        return text(one).cmp(&text(other));
    }
    let kinds = || {
        let order = text(&one.gvk).cmp(&text(&other.gvk));
        let namespaces = one.gvk.kind == "Namespace" && other.gvk.kind == "Namespace";
        if namespaces && (one.gvk.group.is_empty() || other.gvk.group.is_empty()) { order.reverse() } else { order }
    };
    rank(one).cmp(&rank(other)).then_with(kinds)
}

fn text(gvk: &Gvk) -> String {
    format!("{}_{}_{}", or(&gvk.group, "~G"), or(&gvk.version, "~V"), or(&gvk.kind, "~K"))
}

fn or<'a>(text: &'a str, none: &'a str) -> &'a str {
    if text.is_empty() { none } else { text }
}
