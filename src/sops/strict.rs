//! What sops would let pass, and a Kubernetes Secret must not hold.

use super::error::{Fault, shown};
use super::formats::Format;
use super::leaf;
use super::open::Located;
use super::tree::{Branch, Kind, Leaf, Plain, Tree, Typed, lookup, pairs, values};

/// Refuses decrypted values of another type than text in the `data` and `stringData` of Secrets.
///
/// Nothing authenticates the type: whoever may edit the file could turn `"1234"` into a number under a good MAC.
pub(super) fn check(documents: &[Branch]) -> Result<(), Located> {
    documents.iter().try_for_each(object)
}

/// The same by what the envelopes claim, before anything is opened: how that goes would say something about the value.
/// Where all values are texts, so are encrypted ones.
pub(super) fn check_claims(documents: &[Branch], format: Format) -> Result<(), Located> {
    match format {
        Format::Yaml | Format::Json => check(documents),
        Format::Dotenv | Format::Ini | Format::Binary => {
            documents.iter().flat_map(pairs).try_for_each(|(key, value)| only_text(value, key))
        }
    }
}

fn object(branch: &Branch) -> Result<(), Located> {
    if says(branch, "kind", b"Secret") {
        return ["data", "stringData"].into_iter().try_for_each(|field| match lookup(branch, field) {
            Some(value) => only_text(value, field),
            None => Ok(()),
        });
    }
    match lookup(branch, "items") {
        Some(Tree::List(items)) => values(items).try_for_each(|item| match item {
            Tree::Map(item) => object(item),
            Tree::Leaf(_) | Tree::List(_) => Ok(()),
        }),
        _ => Ok(()),
    }
}

/// Whether `field` has this text, in clear or decrypted.
fn says(branch: &Branch, field: &str, text: &[u8]) -> bool {
    match lookup(branch, field) {
        Some(Tree::Leaf(Leaf::Open(Plain { typed: Typed::Text(found), .. }))) => found.as_bytes() == text,
        Some(Tree::Leaf(Leaf::Sealed(sealed))) => sealed.text.expose(|found| found == text),
        _ => false,
    }
}

fn only_text(tree: &Tree, place: &str) -> Result<(), Located> {
    let claims_otherwise = match tree {
        Tree::Leaf(Leaf::Sealed(sealed)) => sealed.kind != Kind::Text,
        Tree::Leaf(Leaf::Open(Plain { typed: Typed::Text(text), .. })) => leaf::claims_no_text(text),
        Tree::Leaf(_) | Tree::List(_) | Tree::Map(_) => false,
    };
    match tree {
        Tree::Leaf(_) if claims_otherwise => Err(Located {
            fault: Fault::Policy(
                "an encrypted value of a Secret, or of a file that holds texts only, claims to be something else; quote it before it is encrypted",
            ),
            place: Some(shown(place)),
        }),
        Tree::Leaf(_) => Ok(()),
        Tree::List(list) => values(list).try_for_each(|value| only_text(value, place)),
        Tree::Map(map) => pairs(map).try_for_each(|(key, value)| only_text(value, &format!("{place}.{key}"))),
    }
}
