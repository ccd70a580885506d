//! From raw documents to the values that JSON has.

use std::collections::HashMap;

use crate::model::{Map, Node, Scalar};

use super::scalar::{Typed, resolve};
use super::tree::{Entry, Item, Kind, Limits, Mark, Raw};
use super::{Error, parse};

/// The documents of `text` that hold something, each with its first line.
///
/// Merge keys are expanded, dates written out, and whatever JSON cannot express is refused.
pub fn read(text: &str, limits: Limits) -> Result<Vec<(Node, usize)>, Error> {
    check_separators(text)?;
    let mut nodes = Vec::new();
    for document in parse(text, limits)? {
        let line = document.root.at.line as usize;
        let node = node(document.root)?;
        if !node.is_null() {
            nodes.push((node, line));
        }
    }
    Ok(nodes)
}

/// Refuses a `---` line that holds more than a comment, as kustomize does; on the first line it may.
pub fn check_separators(text: &str) -> Result<(), Error> {
    for (line, content) in text.lines().enumerate().skip(1) {
        if let Some(rest) = content.strip_prefix("---") {
            let rest = rest.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                let line = u32::try_from(line + 1).unwrap_or(u32::MAX);
                return Err(Error::Separator { at: Mark { line, column: 1 } });
            }
        }
    }
    Ok(())
}

/// The value of `raw`.
pub fn node(raw: Raw) -> Result<Node, Error> {
    let at = raw.at;
    match raw.kind {
        Kind::Scalar { text, style } => {
            let typed = resolve(&text, style, raw.tag.as_deref())
                .ok_or_else(|| Error::Tag { at, tag: raw.tag.as_deref().unwrap_or_default().to_owned() })?;
            let value = typed.value().ok_or(Error::Unserializable { at, what: "an infinite or binary value" })?;
            Ok(Node::Scalar(Scalar::Open(value)))
        }
        Kind::List(items) => {
            let elements = items.into_iter().filter_map(|item| match item {
                Item::Comment(_) => None,
                Item::Value(value) => Some(node(value)),
            });
            elements.collect::<Result<_, _>>().map(Node::List)
        }
        Kind::Map(entries) => map(entries).map(Node::Map),
    }
}

fn map(entries: Vec<Entry>) -> Result<Map, Error> {
    let mut own: Vec<(String, Node)> = Vec::with_capacity(entries.len());
    let mut merged = Vec::new();
    for entry in entries {
        let Entry::Pair(key, value) = entry else { continue };
        match typed_key(&key)? {
            Some(name) => own.push((name, node(value)?)),
            None => merged.push(value),
        }
    }
    if merged.is_empty() {
        return Ok(own.into_iter().collect());
    }
    let mut places: HashMap<String, usize> =
        own.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
    for value in merged {
        for source in merge_sources(value)? {
            for (name, value) in map(source)? {
                // What is there already wins: own keys over merged ones, earlier sources over later ones.
                if !places.contains_key(&name) {
                    places.insert(name.clone(), own.len());
                    own.push((name, value));
                }
            }
        }
    }
    Ok(own.into_iter().collect())
}

/// The mappings behind a merge key.
pub fn merge_sources(value: Raw) -> Result<Vec<Vec<Entry>>, Error> {
    let at = value.at;
    match value.kind {
        Kind::Map(entries) => Ok(vec![entries]),
        Kind::List(items) => {
            let values = items.into_iter().filter_map(|item| match item {
                Item::Comment(_) => None,
                Item::Value(value) => Some(value),
            });
            values
                .map(|value| match value.kind {
                    Kind::Map(entries) => Ok(entries),
                    Kind::Scalar { .. } | Kind::List(_) => Err(Error::Merge { at: value.at }),
                })
                .collect()
        }
        Kind::Scalar { .. } => Err(Error::Merge { at }),
    }
}

/// The text of a key; `None` for the merge key.
///
/// # Errors
/// Where it is not a text, such as `1` or `true` without quotes.
pub fn typed_key(key: &Raw) -> Result<Option<String>, Error> {
    let Kind::Scalar { text, style } = &key.kind else { return Err(Error::ComplexKey { at: key.at }) };
    match resolve(text, *style, key.tag.as_deref()) {
        Some(Typed::Text(text)) => Ok(Some(text)),
        Some(Typed::Merge) => Ok(None),
        // Among them base64: a key that is there already could be written so once more.
        Some(
            Typed::Null
            | Typed::Bool(_)
            | Typed::Number(_)
            | Typed::NotFinite(_)
            | Typed::Timestamp(_)
            | Typed::Binary(_),
        )
        | None => Err(Error::KeyNotText { at: key.at, key: text_of(key) }),
    }
}

fn text_of(key: &Raw) -> String {
    match &key.kind {
        Kind::Scalar { text, .. } => text.clone(),
        Kind::List(_) | Kind::Map(_) => String::new(),
    }
}
