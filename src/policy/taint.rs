//! Where decrypted values may end, and what must not be left encrypted.

use crate::model::{Key, Map, Node, Scalar, Value};

use super::Refusal;
use super::refusals::{Refusals, shown_path};

/// What was counted on the way.
#[derive(Debug, Default)]
pub(super) struct Size {
    /// Leaves.
    pub(super) leaves: usize,
    /// Bytes of open text, keys included.
    pub(super) text: usize,
}

/// Checks every leaf of `body`.
pub(super) fn check(key: &Key, body: &Map, size: &mut Size, refusals: &mut Refusals) {
    if body.get("sops").is_some() {
        refusals.push(Refusal::Encrypted { field: "sops".to_owned() });
    }
    let mut path = Vec::new();
    for (name, node) in body.iter() {
        let home = is_secret(key) && SECRET_DATA.contains(&name) && node.as_map().is_some();
        walk(home, &mut path, name, node, size, refusals);
    }
}

/// Whether `body` is a Secret that holds data, none of which was encrypted in the repository.
pub(super) fn is_plain_secret(key: &Key, body: &Map) -> bool {
    let values = || SECRET_DATA.iter().filter_map(|field| body.get(field)?.as_map()).flat_map(Map::iter);
    let sealed = |node: &Node| matches!(node, Node::Scalar(Scalar::Sealed(_)));
    let empty = |node: &Node| node.is_null() || node.as_text().is_some_and(str::is_empty);
    is_secret(key) && values().any(|(_, node)| !empty(node)) && !values().any(|(_, node)| sealed(node))
}

const SECRET_DATA: [&str; 2] = ["data", "stringData"];

fn is_secret(key: &Key) -> bool {
    key.group.is_empty() && key.kind == "Secret"
}

/// `home` says whether this is the data of a Secret, where sealed leaves may end directly below.
fn walk<'a>(
    home: bool,
    path: &mut Vec<String>,
    name: &'a str,
    node: &'a Node,
    size: &mut Size,
    refusals: &mut Refusals,
) {
    path.push(name.to_owned());
    size.text += name.len();
    match node {
        Node::Scalar(Scalar::Sealed(_)) => {
            size.leaves += 1;
            if !(home && path.len() == 2) {
                refusals.add("sealed-outside-secret", || Refusal::Sealed { field: shown(path) });
            }
        }
        Node::Scalar(Scalar::Open(value)) => {
            size.leaves += 1;
            if let Value::Text(text) = value {
                size.text += text.len();
                if is_ciphertext(text) {
                    refusals.add("still-encrypted", || Refusal::Encrypted { field: shown(path) });
                }
            }
        }
        Node::List(list) => {
            for (at, element) in list.iter().enumerate() {
                walk(home, path, &format!("[{at}]"), element, size, refusals);
            }
        }
        Node::Map(map) => {
            for (key, value) in map.iter() {
                walk(home, path, key, value, size, refusals);
            }
        }
    }
    path.pop();
}

fn shown(path: &[String]) -> String {
    shown_path(path.iter().map(String::as_str))
}

/// Whether `text` is, or holds, a value as SOPS encrypts it.
fn is_ciphertext(text: &str) -> bool {
    let trimmed = text.trim();
    trimmed.starts_with("ENC[") && trimmed.ends_with(']') || text.contains("ENC[AES256_GCM,")
}
