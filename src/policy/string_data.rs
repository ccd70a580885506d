//! `stringData` of a Secret, folded into `data`.
//!
//! The API server does the same, but server-side apply then owns `stringData` and not `data`: a key that leaves the
//! manifest would stay in the cluster for ever.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::{Key, Map, Node, Scalar, Value};
use crate::secret::Secret;

use super::Refusal;
use super::refusals::shown_path;

/// Moves every entry of `stringData` to `data`, where it wins; sealed ones stay sealed.
///
/// # Errors
/// An entry that is no text, or a `data` that is no mapping.
pub(super) fn fold(key: &Key, body: &mut Map) -> Result<(), Refusal> {
    if !(key.group.is_empty() && key.kind == "Secret") || body.get("stringData").is_none() {
        return Ok(());
    }
    let malformed = |field: &str, problem| Refusal::Malformed { field: field.to_owned(), problem };
    let is_text =
        |node: &Node| matches!(node, Node::Scalar(Scalar::Sealed(_) | Scalar::Open(Value::Text(_) | Value::Null)));
    match body.get("stringData") {
        Some(Node::Map(entries)) => {
            if let Some((name, _)) = entries.iter().find(|(_, node)| !is_text(node)) {
                return Err(malformed(&shown_path(["stringData", name]), "must be a text: put it in quotes"));
            }
        }
        Some(node) if node.is_null() => {}
        // A sealed one among them is refused where sealed values are looked for.
        Some(Node::Scalar(_) | Node::List(_)) | None => return Ok(()),
    }
    if body.get("data").is_none_or(Node::is_null) {
        body.insert("data", Node::Map(Map::new()));
    }
    let Some(Node::Map(entries)) = body.remove("stringData") else { return Ok(()) };
    let Some(data) = body.get_mut("data").and_then(Node::as_map_mut) else {
        return Err(malformed("data", "must be a mapping"));
    };
    for (name, node) in entries {
        data.insert(name, encoded(node));
    }
    Ok(())
}

fn encoded(node: Node) -> Node {
    match node {
        Node::Scalar(Scalar::Sealed(secret)) => Node::Scalar(Scalar::Sealed(secret.expose(sealed_base64))),
        Node::Scalar(Scalar::Open(Value::Text(text))) => Node::text(STANDARD.encode(text)),
        other => other,
    }
}

/// One buffer of the right size, which becomes the secret: no unwiped copy is left behind.
fn sealed_base64(plain: &[u8]) -> Secret {
    let mut buffer = vec![0; plain.len().div_ceil(3) * 4];
    let written = STANDARD.encode_slice(plain, &mut buffer).expect("four characters for every three bytes begun");
    buffer.truncate(written);
    Secret::new(buffer)
}
