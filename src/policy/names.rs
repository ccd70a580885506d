//! Names, labels and annotations in the form that the API server takes.

use crate::model::{Key, Map, Node, Scalar, Value};

use super::refusals::Refusals;
use super::{RESERVED, Refusal};

/// Upper bound on all annotations of an object, in bytes. Source: apimachinery `TotalAnnotationSizeLimitB`.
const MAX_ANNOTATIONS: usize = 256 << 10;

/// Checks the names of an object.
pub(super) fn check(key: &Key, body: &Map, refusals: &mut Refusals) {
    let mut refuse = |field: &str, problem| refusals.push(Refusal::Malformed { field: field.to_owned(), problem });
    // Names of roles and bindings are path segments (`system:node`, `Admin`); all others are DNS subdomains.
    let good = if key.group == "rbac.authorization.k8s.io" { is_path_segment } else { is_subdomain };
    if !good(&key.name) {
        refuse("metadata.name", "is not a name: lower-case letters, digits, `-` and `.` are expected, at most 253");
    }
    if !body.get("apiVersion").and_then(Node::as_text).is_some_and(is_api_version) {
        refuse("apiVersion", "is not a version: `v1` or `group/v1` is expected");
    }
    let namespace = body.get("metadata").and_then(|metadata| metadata.at(&["namespace"]));
    match namespace.map(|node| (node.as_text(), node.is_null())) {
        None | Some((Some(""), _) | (None, true)) => {}
        Some((Some(text), _)) if is_label(text) => {}
        Some(_) => {
            refuse(
                "metadata.namespace",
                "is not a namespace: lower-case letters, digits and `-` are expected, at most 63",
            );
        }
    }
    check_pairs(body, "labels", refusals);
    check_pairs(body, "annotations", refusals);
}

fn check_pairs(body: &Map, what: &'static str, refusals: &mut Refusals) {
    let node = body.get("metadata").and_then(|metadata| metadata.at(&[what]));
    let Some(node) = node.filter(|node| !node.is_null()) else { return };
    let mut refuse = |field: String, problem| refusals.push(Refusal::Malformed { field, problem });
    let Some(map) = node.as_map() else {
        return refuse(format!("metadata.{what}"), "must be a mapping");
    };
    let mut total = 0;
    let mut reserved = Refusals::default();
    for (name, value) in map.iter() {
        let field = format!("metadata.{what}.{}", shown(name));
        if !is_qualified(name) {
            refuse(field.clone(), "is not a name: `prefix/name` of letters, digits, `-`, `_` and `.` is expected");
        }
        match value {
            Node::Scalar(Scalar::Open(Value::Text(text))) => {
                total += name.len() + text.len();
                if what == "labels" && !is_label_value(text) {
                    refuse(
                        field.clone(),
                        "is not a label's value: at most 63 letters, digits, `-`, `_` and `.` are expected",
                    );
                }
            }
            // A sealed value is refused where sealed values are looked for.
            Node::Scalar(Scalar::Sealed(_) | Scalar::Open(Value::Null)) => {}
            Node::Scalar(Scalar::Open(Value::Bool(_) | Value::Number(_))) | Node::List(_) | Node::Map(_) => {
                refuse(field.clone(), "must be a text: put it in quotes");
            }
        }
        if is_reserved(name) {
            reserved.push(Refusal::Reserved { field });
        }
    }
    if what == "annotations" && total > MAX_ANNOTATIONS {
        refuse("metadata.annotations".to_owned(), "has more than 256 KiB, the most the API server takes");
    }
    refusals.append(reserved);
}

fn is_reserved(name: &str) -> bool {
    let prefix = name.split_once('/').map_or("", |(prefix, _)| prefix);
    prefix == RESERVED || prefix.strip_suffix(RESERVED).is_some_and(|rest| rest.ends_with('.'))
}

/// `version` or `group/version`.
fn is_api_version(text: &str) -> bool {
    let (group, version) = text.split_once('/').map_or((None, text), |(group, version)| (Some(group), version));
    group.is_none_or(is_subdomain) && is_label(version)
}

/// Whether `text` is a DNS subdomain (RFC 1123), as names of most objects are.
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label_part)
}

fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_label_part(text)
}

fn is_label_part(text: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(good) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_path_segment(text: &str) -> bool {
    text.len() <= 253
        && !matches!(text, "." | "..")
        && !text.contains(|c: char| matches!(c, '/' | '%') || c.is_control())
}

/// `name` or `prefix/name`. Source: apimachinery `IsQualifiedName`.
fn is_qualified(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    // Annotation prefixes may hold upper-case letters; they are compared in lower case.
    prefix.is_none_or(|prefix| is_subdomain(&prefix.to_ascii_lowercase())) && !name.is_empty() && is_label_value(name)
}

/// Source: apimachinery `IsValidLabelValue`.
fn is_label_value(text: &str) -> bool {
    let outer = |c: char| c.is_ascii_alphanumeric();
    let good = |c: char| outer(c) || matches!(c, '-' | '_' | '.');
    text.len() <= 63 && text.chars().all(good) && (text.is_empty() || text.starts_with(outer) && text.ends_with(outer))
}

fn shown(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_debug).collect()
}
