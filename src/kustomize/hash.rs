//! The suffix of generated names: a hash of the content.

use sha2::{Digest, Sha256};

use crate::secret::Secret;

use super::error::{Code, Error};
use super::resource::Resource;
use super::tree::{Fields, Leaf, Tree};

/// Ten letters and digits that change with the content of a ConfigMap or Secret.
///
/// SHA-256 over compact JSON with sorted keys as Go's `encoding/json` escapes it; the name in it is always empty.
/// Sealed values count as their text; of the hash nobody can tell them, unless they are few letters long.
///
/// Source: kustomize `api/hasher/hasher.go`, recomputed from its output.
pub fn suffix(resource: &Resource) -> Result<String, Error> {
    let mut digest = Hash(Sha256::new());
    let body = &resource.body;
    let extra = |name: &str| body.get(name).filter(|tree| matches!(tree, Tree::Map(_)));
    digest.text("{");
    match resource.kind() {
        "ConfigMap" => {
            if let Some(binary) = extra("binaryData") {
                digest.field("binaryData", Some(binary));
            }
            digest.field("data", body.get("data"));
            digest.text("\"kind\":\"ConfigMap\",\"name\":\"\"");
        }
        "Secret" => {
            digest.field("data", body.get("data"));
            digest.text("\"kind\":\"Secret\",\"name\":\"\",");
            if let Some(strings) = extra("stringData") {
                digest.field("stringData", Some(strings));
            }
            digest.text("\"type\":");
            digest.value(body.get("type"));
        }
        other => {
            let text = format!("only a ConfigMap or a Secret gets a hash, not a {other}");
            return Err(Error::new(Code::UnknownOrBadField, text).of(resource.id()));
        }
    }
    digest.text("}");
    let hex = digest.0.finalize();
    Ok(hex.iter().flat_map(|byte| [byte >> 4, byte & 15]).take(10).map(letter).collect())
}

/// Whether the suffix tells what is sealed: where there is so little of it that all of it can be tried.
///
/// Whoever sees the name can compute the suffix of every guess; what stands in clear is no obstacle, nor is what was
/// joined to it.
pub fn tells(resource: &Resource) -> bool {
    /// Sealed bytes below which guessing is not out of the question: a random key has 16 or more.
    const FEW: usize = 16;
    // In the data of a Secret stands base64, four letters for three bytes.
    let hidden = |secret: &Secret| secret.hidden().min(secret.size() / 4 * 3);
    let mut hidden = sealed(resource).map(hidden).peekable();
    hidden.peek().is_some() && hidden.sum::<usize>() < FEW
}

/// Whether the suffix would be made of sealed values in an object whose content anybody may see. Admission refuses the
/// object; the refusal names it, and the name would tell.
pub fn publishes(resource: &Resource) -> bool {
    resource.kind() != "Secret" && sealed(resource).next().is_some()
}

fn sealed(resource: &Resource) -> impl Iterator<Item = &Secret> {
    let fields = ["data", "stringData", "binaryData"].into_iter();
    fields.filter_map(|field| resource.body.get(field)?.as_map()).flat_map(Fields::iter).filter_map(|(_, value)| {
        match value {
            Tree::Leaf(Leaf::Sealed(secret)) => Some(secret),
            Tree::Leaf(Leaf::Open { .. }) | Tree::List(_) | Tree::Map(_) => None,
        }
    })
}

/// Hexadecimal digits without vowels and what looks like them, as Kubernetes names things.
fn letter(digit: u8) -> char {
    char::from(b"gh2k456789mbcdtf"[usize::from(digit)])
}

struct Hash(Sha256);

impl Hash {
    fn text(&mut self, text: &str) {
        self.0.update(text.as_bytes());
    }

    fn field(&mut self, name: &str, value: Option<&Tree>) {
        self.text(&format!("\"{name}\":"));
        self.value(value);
        self.text(",");
    }

    fn value(&mut self, value: Option<&Tree>) {
        match value {
            Some(Tree::Map(fields)) => self.map(fields),
            Some(Tree::Leaf(leaf)) => self.leaf(leaf),
            Some(Tree::List(_)) | None => self.text("\"\""),
        }
    }

    fn map(&mut self, fields: &Fields) {
        let mut entries: Vec<(&str, &Tree)> = fields.iter().collect();
        entries.sort_by_key(|(name, _)| *name);
        self.text("{");
        for (number, (name, value)) in entries.into_iter().enumerate() {
            if number > 0 {
                self.text(",");
            }
            self.quoted(name.as_bytes());
            self.text(":");
            match value {
                Tree::Leaf(Leaf::Open { .. }) => match value.share().into_node() {
                    Some(node) => {
                        let json = crate::model::wire::json(&node);
                        self.0.update(json.as_slice());
                    }
                    None => self.text("null"),
                },
                Tree::Leaf(leaf @ Leaf::Sealed(_)) => self.leaf(leaf),
                Tree::Map(inner) => self.map(inner),
                Tree::List(_) => self.text("null"),
            }
        }
        self.text("}");
    }

    fn leaf(&mut self, leaf: &Leaf) {
        match leaf {
            Leaf::Open { text, .. } => self.quoted(text.as_bytes()),
            Leaf::Sealed(secret) => secret.expose(|plain| self.quoted(plain)),
        }
    }

    fn quoted(&mut self, text: &[u8]) {
        self.0.update(crate::model::wire::quoted(text).as_slice());
    }
}
