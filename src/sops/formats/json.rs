//! JSON as sops writes it: tab indentation, HTML-escaped, comments dropped.

use crate::model::json;
use crate::secret::{Draft, Secret};
use crate::sops::error::{Fault, shown};
use crate::sops::floats;
use crate::sops::tree::{Branch, Element, Entry, Kind, Leaf, Plain, Tree, Typed, pairs, values};

pub(super) fn read(text: &str) -> Result<Branch, Fault> {
    let members = json::parse_object(text).map_err(|error| match error {
        json::Error::Duplicate { key, .. } => Fault::DuplicateKey { key: shown(&key) },
        json::Error::TooDeep { limit, .. } => Fault::Limit { what: "the nesting", limit },
        json::Error::TooMany { limit, .. } => Fault::Limit { what: "the number of values", limit },
        json::Error::Syntax { .. } | json::Error::NotAnObject { .. } => {
            Fault::BadFormat { format: "json", why: error.to_string() }
        }
    })?;
    branch(members)
}

fn branch(members: Vec<(String, json::Json)>) -> Result<Branch, Fault> {
    members.into_iter().map(|(key, value)| Ok(Entry::Pair { key, value: tree(value)? })).collect()
}

fn tree(value: json::Json) -> Result<Tree, Fault> {
    let typed = match value {
        json::Json::Object(members) => return branch(members).map(Tree::Map),
        json::Json::Array(elements) => {
            let elements = elements.into_iter().map(|element| tree(element).map(Element::Value));
            return elements.collect::<Result<_, _>>().map(Tree::List);
        }
        json::Json::Null => Typed::Null,
        json::Json::Bool(truth) => Typed::Bool(truth),
        json::Json::Text(text) => Typed::Text(text),
        json::Json::Number(text) => match text.parse() {
            Ok(number) => Typed::Int(number),
            Err(_) => Typed::Float(
                floats::parse(&text)
                    .ok_or_else(|| Fault::BadFormat { format: "json", why: "a number is too large".to_owned() })?,
            ),
        },
    };
    Ok(Tree::Leaf(Leaf::Open(Plain { typed, read: None })))
}

pub(super) fn write(document: &Branch) -> Result<Secret, Fault> {
    let mut out = Draft::new();
    object(&mut out, document, 0)?;
    out.push(b"\n");
    Ok(out.seal())
}

/// A value alone; sops ends no line behind it.
pub(super) fn write_part(part: &Tree) -> Result<Secret, Fault> {
    let mut out = Draft::new();
    write_tree(&mut out, part, 0)?;
    Ok(out.seal())
}

fn object(out: &mut Draft, branch: &Branch, depth: usize) -> Result<(), Fault> {
    let mut first = true;
    out.push(b"{");
    for (key, value) in pairs(branch) {
        separate(out, &mut first, depth + 1);
        string(out, key.as_bytes());
        out.push(b": ");
        write_tree(out, value, depth + 1)?;
    }
    close(out, first, depth, b"}");
    Ok(())
}

fn write_tree(out: &mut Draft, tree: &Tree, depth: usize) -> Result<(), Fault> {
    match tree {
        Tree::Map(branch) => return object(out, branch, depth),
        Tree::List(list) => {
            let mut first = true;
            out.push(b"[");
            for value in values(list) {
                separate(out, &mut first, depth + 1);
                write_tree(out, value, depth + 1)?;
            }
            close(out, first, depth, b"]");
        }
        Tree::Leaf(Leaf::Open(plain)) => match &plain.typed {
            Typed::Null => out.push(b"null"),
            Typed::Bool(truth) => out.push(if *truth { b"true" } else { b"false" }),
            Typed::Int(number) => out.push(number.to_string().as_bytes()),
            Typed::Float(number) => return float(out, *number),
            Typed::Text(text) | Typed::Time(text) => string(out, text.as_bytes()),
            Typed::Bytes(bytes) => string(out, bytes),
        },
        Tree::Leaf(Leaf::Sealed(sealed)) => return sealed.text.expose(|bytes| sealed_leaf(out, sealed.kind, bytes)),
    }
    Ok(())
}

fn sealed_leaf(out: &mut Draft, kind: Kind, bytes: &[u8]) -> Result<(), Fault> {
    match kind {
        Kind::Text | Kind::Time => string(out, bytes),
        Kind::Int => out.push(bytes),
        Kind::Bool => out.push(if bytes == b"True" { b"true" } else { b"false" }),
        Kind::Float => return float(out, std::str::from_utf8(bytes).ok().and_then(floats::parse).unwrap_or(f64::NAN)),
    }
    Ok(())
}

fn float(out: &mut Draft, number: f64) -> Result<(), Fault> {
    if !number.is_finite() {
        return Err(Fault::Emit { format: "json", why: "a number is not finite" });
    }
    out.push(floats::json(number).as_bytes());
    Ok(())
}

fn separate(out: &mut Draft, first: &mut bool, depth: usize) {
    if !std::mem::replace(first, false) {
        out.push(b",");
    }
    line(out, depth);
}

fn close(out: &mut Draft, empty: bool, depth: usize, sign: &[u8]) {
    if !empty {
        line(out, depth);
    }
    out.push(sign);
}

fn line(out: &mut Draft, depth: usize) {
    out.push(b"\n");
    (0..depth).for_each(|_| out.push(b"\t"));
}

/// A string as Go's `encoding/json` writes it; what is not UTF-8 becomes the replacement character, byte by byte.
fn string(out: &mut Draft, bytes: &[u8]) {
    out.push(b"\"");
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        // Runs that stand as they are go in one piece.
        while let Some((at, c)) = rest.char_indices().find(|&(_, c)| is_escaped(c)) {
            out.push(&rest.as_bytes()[..at]);
            escape(out, c);
            rest = &rest[at + c.len_utf8()..];
        }
        out.push(rest.as_bytes());
        chunk.invalid().iter().for_each(|_| out.push(b"\\ufffd"));
    }
    out.push(b"\"");
}

fn is_escaped(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

fn escape(out: &mut Draft, c: char) {
    match c {
        '"' => out.push(b"\\\""),
        '\\' => out.push(b"\\\\"),
        '\n' => out.push(b"\\n"),
        '\r' => out.push(b"\\r"),
        '\t' => out.push(b"\\t"),
        '\u{8}' => out.push(b"\\b"),
        '\u{c}' => out.push(b"\\f"),
        c => out.push(format!("\\u{:04x}", u32::from(c)).as_bytes()),
    }
}
