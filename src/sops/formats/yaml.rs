//! YAML as sops reads it: comments in the places where selectors look for them.

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::Number;
use crate::model::yaml::{self, Limits, Placement, Raw};
use crate::sops::error::{Fault, shown};
use crate::sops::floats;
use crate::sops::tree::{Branch, Comment, Element, Entry, Leaf, Plain, Tree, Typed};

/// The documents of `text`; an empty one is an empty mapping.
pub(super) fn read(text: &str) -> Result<Vec<Branch>, Fault> {
    let documents = yaml::parse(text, Limits::MANIFEST).map_err(|error| fault(&error))?;
    documents.into_iter().map(document).collect()
}

fn fault(error: &yaml::Error) -> Fault {
    match error {
        yaml::Error::DuplicateKey { key, .. } => Fault::DuplicateKey { key: shown(key) },
        yaml::Error::TooLarge { limit, .. } => Fault::Limit { what: "the file", limit: *limit },
        yaml::Error::TooDeep { limit, .. } => Fault::Limit { what: "the nesting", limit: *limit },
        yaml::Error::TooMany { limit, .. } => {
            Fault::Limit { what: "the number of values, aliases expanded,", limit: *limit }
        }
        yaml::Error::Cycle { .. } => Fault::Limit { what: "an alias inside of what it names", limit: 0 },
        yaml::Error::Syntax { .. }
        | yaml::Error::ComplexKey { .. }
        | yaml::Error::Separator { .. }
        | yaml::Error::KeyNotText { .. }
        | yaml::Error::Unserializable { .. }
        | yaml::Error::Tag { .. }
        | yaml::Error::Merge { .. } => bad(error.line(), "breaks a rule of YAML"),
    }
}

fn bad(line: usize, why: &str) -> Fault {
    Fault::BadFormat { format: "yaml", why: format!("line {line}: {why}") }
}

fn document(document: yaml::RawDocument) -> Result<Branch, Fault> {
    let line = document.root.at.line as usize;
    let mut branch = Branch::new();
    own_lines(&mut branch, document.before);
    let (content, outside) = tree(document.root, 0)?;
    match content {
        Tree::Map(content) => branch.extend(content),
        Tree::Leaf(Leaf::Open(Plain { typed: Typed::Null, .. })) => {}
        Tree::Leaf(_) | Tree::List(_) => return Err(bad(line, "the document is not a mapping")),
    }
    own_lines(&mut branch, outside);
    own_lines(&mut branch, document.after);
    Ok(branch)
}

fn own_lines(branch: &mut Branch, comments: Vec<yaml::Comment>) {
    branch.extend(comments.into_iter().map(|comment| Entry::Comment(Comment::open(comment.text, false))));
}

/// A value, and the comments behind its last part that are indented too little to belong to it.
type Converted<T> = Result<(T, Vec<yaml::Comment>), Fault>;

/// `parent` is the column of the mapping that `raw` is a value in.
fn tree(raw: Raw, parent: u32) -> Converted<Tree> {
    let floor = raw.at.column.max(parent + 1);
    match raw.kind {
        yaml::Kind::Scalar { text, style } => {
            leaf(&text, style, raw.tag.as_deref(), raw.at.line as usize).map(|leaf| (leaf, Vec::new()))
        }
        yaml::Kind::List(items) => list(items, floor).map(|(list, outside)| (Tree::List(list), outside)),
        yaml::Kind::Map(entries) => map(entries, floor).map(|(map, outside)| (Tree::Map(map), outside)),
    }
}

fn leaf(text: &str, style: yaml::Style, tag: Option<&str>, line: usize) -> Result<Tree, Fault> {
    let text = &*unfolded(text, style);
    let resolved = yaml::resolve(text, style, tag).ok_or_else(|| bad(line, "a value does not fit its tag"))?;
    let typed = match &resolved {
        yaml::Typed::Null => Typed::Null,
        yaml::Typed::Bool(truth) => Typed::Bool(*truth),
        yaml::Typed::NotFinite(number) => Typed::Float(*number),
        yaml::Typed::Timestamp(time) => Typed::Time(time.clone()),
        yaml::Typed::Text(text) => Typed::Text(text.clone()),
        yaml::Typed::Binary(text) => {
            decoded(text).ok_or_else(|| bad(line, "a value is not base64, as its tag says"))?
        }
        yaml::Typed::Merge => Typed::Text("<<".to_owned()),
        // What is written with a point or an exponent is a float, even where it is whole.
        yaml::Typed::Number(number) => match (number, written_float(text, tag)) {
            (_, Some(float)) => Typed::Float(float),
            (Number::Int(number), None) => Typed::Int(*number),
            (Number::Float(number), None) => Typed::Float(*number),
            (Number::Uint(_), None) => return Err(bad(line, "a whole number above 9223372036854775807")),
        },
    };
    Ok(Tree::Leaf(Leaf::Open(Plain { typed, read: resolved.value() })))
}

const LINE_ENDS: [char; 2] = ['\u{2028}', '\u{2029}'];

/// To Go U+2028 and U+2029 end a line, and what indents the next one is no part of the text.
fn unfolded(text: &str, style: yaml::Style) -> Cow<'_, str> {
    if style != yaml::Style::Single || !text.contains(LINE_ENDS) {
        return Cow::Borrowed(text);
    }
    let lines = text.split_inclusive(LINE_ENDS).enumerate();
    lines.map(|(at, line)| if at == 0 { line } else { line.trim_start_matches(' ') }).collect()
}

/// What base64 says; sops knows no other way of writing what is not UTF-8.
fn decoded(text: &str) -> Option<Typed> {
    let digits: String = text.split(['\r', '\n']).collect();
    let bytes = STANDARD.decode(digits).ok()?;
    Some(String::from_utf8(bytes).map_or_else(|error| Typed::Bytes(error.into_bytes()), Typed::Text))
}

/// The number that `text` is, where it is not written as an integer.
fn written_float(text: &str, tag: Option<&str>) -> Option<f64> {
    let bare = text.replace('_', "");
    let digits = bare.trim_start_matches(['+', '-']);
    let radix = digits.len() > 1 && digits.starts_with('0') && digits[1..].starts_with(['x', 'X', 'b', 'B', 'o', 'O']);
    let float = !radix && digits.contains(['.', 'e', 'E']);
    if float || tag == Some("tag:yaml.org,2002:float") { floats::parse(&bare) } else { None }
}

fn map(entries: Vec<yaml::Entry>, floor: u32) -> Converted<Branch> {
    let mut branch = Branch::with_capacity(entries.len());
    let mut pending: Vec<yaml::Comment> = Vec::new();
    // Names that can be written in several ways, which the parser does not know to be the same.
    let mut unfolded_names = HashSet::new();
    // Whether the value of the last pair is a collection in brackets.
    let mut brackets = false;
    for entry in entries {
        let (key, value) = match entry {
            yaml::Entry::Comment(comment) => {
                pending.push(comment);
                continue;
            }
            yaml::Entry::Pair(key, value) => (key, value),
        };
        let mut inside = Vec::new();
        for comment in std::mem::take(&mut pending) {
            if comment.placement == Placement::Behind && comment.at.line < key.at.line {
                place_behind(&mut branch, comment, brackets);
            } else if comment.placement == Placement::Own && comment.at.line > key.at.line {
                inside.push(comment);
            } else {
                own_lines(&mut branch, vec![comment]);
            }
        }
        let name = key_text(&key)?;
        if name.contains(LINE_ENDS) && !unfolded_names.insert(name.clone()) {
            return Err(Fault::DuplicateKey { key: shown(&name) });
        }
        brackets = is_in_brackets(&value);
        let (mut value, outside) = tree(value, key.at.column)?;
        match &mut value {
            Tree::Map(map) => {
                let lines = inside.into_iter().map(|comment| Entry::Comment(Comment::open(comment.text, false)));
                map.splice(0..0, lines);
            }
            Tree::List(list) => {
                let lines = inside.into_iter().map(|comment| Element::Comment(Comment::open(comment.text, false)));
                list.splice(0..0, lines);
            }
            Tree::Leaf(_) => own_lines(&mut branch, inside),
        }
        branch.push(Entry::Pair { key: name, value });
        pending = outside;
    }
    let outside = split_off_outside(&mut pending, floor);
    for comment in pending {
        if comment.placement == Placement::Behind {
            place_behind(&mut branch, comment, brackets);
        } else {
            own_lines(&mut branch, vec![comment]);
        }
    }
    Ok((branch, outside))
}

fn list(items: Vec<yaml::Item>, floor: u32) -> Converted<Vec<Element>> {
    let mut list = Vec::with_capacity(items.len());
    let mut pending: Vec<yaml::Comment> = Vec::new();
    let settle = |list: &mut Vec<Element>, pending: Vec<yaml::Comment>| {
        for comment in pending {
            if comment.placement == Placement::Behind {
                place_inline(list, comment, Element::Comment, |entry| matches!(entry, Element::Value(_)));
            } else {
                list.push(Element::Comment(Comment::open(comment.text, false)));
            }
        }
    };
    for item in items {
        match item {
            yaml::Item::Comment(comment) => pending.push(comment),
            yaml::Item::Value(value) => {
                settle(&mut list, std::mem::take(&mut pending));
                let (value, outside) = tree(value, 0)?;
                list.push(Element::Value(value));
                pending = outside;
            }
        }
    }
    let outside = split_off_outside(&mut pending, floor);
    settle(&mut list, pending);
    Ok((list, outside))
}

/// Whether this is a collection that was written here and not behind an anchor. Only one in brackets can end in a line where a
/// comment follows.
fn is_in_brackets(raw: &Raw) -> bool {
    let first = match &raw.kind {
        yaml::Kind::Scalar { .. } => return false,
        yaml::Kind::List(items) => items.iter().find_map(|item| match item {
            yaml::Item::Value(value) => Some(value.at),
            yaml::Item::Comment(_) => None,
        }),
        yaml::Kind::Map(entries) => entries.iter().find_map(|entry| match entry {
            yaml::Entry::Pair(key, _) => Some(key.at),
            yaml::Entry::Comment(_) => None,
        }),
    };
    first.is_none_or(|first| first.line >= raw.at.line)
}

/// Puts what stands behind a pair where sops has it: before the pair, or into its brackets.
fn place_behind(branch: &mut Branch, comment: yaml::Comment, brackets: bool) {
    match branch.last_mut() {
        Some(Entry::Pair { value: Tree::List(list), .. }) if brackets => {
            list.insert(0, Element::Comment(Comment::open(comment.text, false)));
        }
        Some(Entry::Pair { value: Tree::Map(map), .. }) if brackets => {
            map.insert(0, Entry::Comment(Comment::open(comment.text, false)));
        }
        _ => place_inline(branch, comment, Entry::Comment, |entry| matches!(entry, Entry::Pair { .. })),
    }
}

/// Puts what stands behind a value before it, where selectors look for it.
fn place_inline<T>(
    lines: &mut Vec<T>,
    comment: yaml::Comment,
    wrap: impl Fn(Comment) -> T,
    is_value: impl Fn(&T) -> bool,
) {
    let at = if lines.last().is_some_and(is_value) { lines.len() - 1 } else { lines.len() };
    lines.insert(at, wrap(Comment::open(comment.text, true)));
}

/// From the first comment on a line of its own that is indented less than `floor`.
fn split_off_outside(comments: &mut Vec<yaml::Comment>, floor: u32) -> Vec<yaml::Comment> {
    let outside = |comment: &yaml::Comment| comment.placement == Placement::Own && comment.at.column < floor;
    let at = comments.iter().position(outside).unwrap_or(comments.len());
    comments.split_off(at)
}

/// The text of a key. A merge key is a key like any other: sops expands nothing.
fn key_text(key: &Raw) -> Result<String, Fault> {
    match yaml::typed_key(key) {
        Ok(Some(text)) => Ok(match &key.kind {
            yaml::Kind::Scalar { style, .. } => unfolded(&text, *style).into_owned(),
            yaml::Kind::List(_) | yaml::Kind::Map(_) => text,
        }),
        Ok(None) => Ok("<<".to_owned()),
        Err(_) => Err(bad(key.at.line as usize, "a key is not a text; write it in quotes")),
    }
}
