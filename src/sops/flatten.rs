//! Metadata in formats without nesting: `age__list_0__map_enc`.

use std::collections::{BTreeMap, HashSet};

use super::error::{Fault, shown};
use super::floats;
use super::tree::{Branch, Element, Entry, Leaf, Tree, Typed, pairs as entries, values};

/// Steps of a path. sops writes at most seven.
const MAX_STEPS: usize = 16;

/// A place that is being filled.
#[derive(Default)]
struct Place {
    value: Option<String>,
    keys: BTreeMap<String, Place>,
    /// By position. A map, so that a position of a hundred million costs nothing.
    positions: BTreeMap<u32, Place>,
}

enum Step<'a> {
    Key(&'a str),
    Position(u32),
}

/// The pairs that describe `block`: what [`unflatten`] reads.
pub(super) fn flatten(block: &Branch) -> Vec<(String, String)> {
    fn into(pairs: &mut Vec<(String, String)>, path: &str, tree: &Tree) {
        match tree {
            Tree::Map(map) => entries(map).for_each(|(key, value)| into(pairs, &format!("{path}{MAP}{key}"), value)),
            Tree::List(list) => {
                values(list).enumerate().for_each(|(at, value)| into(pairs, &format!("{path}{LIST}{at}"), value));
            }
            Tree::Leaf(Leaf::Open(plain)) => match &plain.typed {
                Typed::Null | Typed::Bytes(_) => {}
                Typed::Text(text) | Typed::Time(text) => pairs.push((path.to_owned(), text.clone())),
                Typed::Bool(truth) => pairs.push((path.to_owned(), truth.to_string())),
                Typed::Int(number) => pairs.push((path.to_owned(), number.to_string())),
                Typed::Float(number) => pairs.push((path.to_owned(), floats::plain(*number))),
            },
            // Nothing in a block is secret.
            Tree::Leaf(Leaf::Sealed(_)) => {}
        }
    }
    let mut pairs = Vec::new();
    entries(block).for_each(|(key, value)| into(&mut pairs, key, value));
    pairs
}

/// The block that `pairs` describe.
pub(super) fn unflatten(pairs: Vec<(String, String)>) -> Result<Branch, Fault> {
    let mut root = Place::default();
    let mut seen = HashSet::with_capacity(pairs.len());
    for (path, value) in pairs {
        if !seen.insert(path.clone()) {
            return Err(Fault::DuplicateKey { key: shown(&path) });
        }
        let mut place = &mut root;
        for step in steps(&path)? {
            place = match step {
                Step::Key(key) => place.keys.entry(key.to_owned()).or_default(),
                Step::Position(position) => place.positions.entry(position).or_default(),
            };
        }
        if place.value.replace(value).is_some() {
            return Err(Fault::DuplicateKey { key: shown(&path) });
        }
    }
    match build(root)? {
        Tree::Map(block) => Ok(block),
        Tree::Leaf(_) | Tree::List(_) => Err(bad("is not a mapping")),
    }
}

fn steps(path: &str) -> Result<Vec<Step<'_>>, Fault> {
    let mut steps = Vec::new();
    let mut rest = path;
    let mut in_list = false;
    loop {
        let next = [rest.find(MAP), rest.find(LIST)].into_iter().flatten().min();
        let (token, tail) = rest.split_at(next.unwrap_or(rest.len()));
        steps.push(if in_list { Step::Position(position(token)?) } else { Step::Key(token) });
        if steps.len() > MAX_STEPS {
            return Err(bad("is nested too deep"));
        }
        if let Some(after) = tail.strip_prefix(MAP) {
            (rest, in_list) = (after, false);
        } else if let Some(after) = tail.strip_prefix(LIST) {
            (rest, in_list) = (after, true);
        } else {
            return Ok(steps);
        }
    }
}

const MAP: &str = "__map_";
const LIST: &str = "__list_";

fn position(token: &str) -> Result<u32, Fault> {
    let canonical = !token.is_empty()
        && token.bytes().all(|byte| byte.is_ascii_digit())
        && (token == "0" || !token.starts_with('0'));
    token.parse().ok().filter(|_| canonical).ok_or_else(|| bad("has a list position that is not a number"))
}

fn build(place: Place) -> Result<Tree, Fault> {
    match (place.value, place.keys.is_empty(), place.positions.is_empty()) {
        (Some(value), true, true) => Ok(Tree::text(value)),
        (None, false, true) => {
            let entries = place.keys.into_iter().map(|(key, place)| Ok(Entry::Pair { key, value: build(place)? }));
            entries.collect::<Result<_, _>>().map(Tree::Map)
        }
        (None, true, false) => {
            let complete = place.positions.keys().enumerate().all(|(at, &position)| u32::try_from(at) == Ok(position));
            if !complete {
                return Err(bad("has a list with gaps"));
            }
            let elements = place.positions.into_values().map(|place| build(place).map(Element::Value));
            elements.collect::<Result<_, _>>().map(Tree::List)
        }
        _ => Err(bad("has a value, a list or a mapping in the same place")),
    }
}

fn bad(why: &'static str) -> Fault {
    Fault::BadMetadata { field: "sops".to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::unflatten;
    use crate::sops::tree::{Tree, lookup};

    fn block(pairs: &[(&str, &str)]) -> Result<super::Branch, super::Fault> {
        unflatten(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn lists_and_mappings_are_built_from_their_paths() {
        let block =
            block(&[("version", "3.13.3"), ("age__list_0__map_enc", "x"), ("age__list_1__map_enc", "y")]).unwrap();
        assert_eq!(lookup(&block, "version").and_then(Tree::as_text), Some("3.13.3"));
        let Some(Tree::List(list)) = lookup(&block, "age") else { panic!("a list") };
        assert_eq!(list.len(), 2);
    }

    #[test]
    fn what_is_flattened_is_built_again() {
        let pairs = [
            ("age__list_0__map_enc", "x"),
            ("age__list_0__map_recipient", "r"),
            ("key_groups__list_0__map_age__list_0__map_enc", "y"),
            ("mac", "m"),
        ];
        let mut flat = super::flatten(&block(&pairs).unwrap());
        flat.sort();
        assert_eq!(flat, pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn gaps_duplicates_and_mixtures_are_refused() {
        for pairs in [
            &[("age__list_1__map_enc", "x")][..],
            &[("age__list_99999999__map_enc", "x")],
            &[("age__list_x__map_enc", "x")],
            &[("age", "x"), ("age__map_b", "y")],
            &[("mac", "x"), ("mac", "y")],
        ] {
            assert!(block(pairs).is_err());
        }
    }
}
