//! YAML as sops reads and writes it: indentation 4, comments kept.

use super::yaml_scalar as scalar;
use crate::model::Number;
use crate::model::yaml::{self, Limits, Placement, Raw};
use crate::secret::{Draft, Secret};
use crate::sops::error::{Fault, shown};
use crate::sops::floats;
use crate::sops::tree::{Branch, Comment, Element, Entry, Leaf, Plain, Text, Tree, Typed, pairs, values};

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
    let resolved = yaml::resolve(text, style, tag).ok_or_else(|| bad(line, "a value does not fit its tag"))?;
    let typed = match &resolved {
        yaml::Typed::Null => Typed::Null,
        yaml::Typed::Bool(truth) => Typed::Bool(*truth),
        yaml::Typed::NotFinite(number) => Typed::Float(*number),
        yaml::Typed::Timestamp(time) => Typed::Time(time.clone()),
        yaml::Typed::Text(text) | yaml::Typed::Binary(text) => Typed::Text(text.clone()),
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
                place_inline(&mut branch, comment, Entry::Comment, |entry| matches!(entry, Entry::Pair { .. }));
            } else if comment.placement == Placement::Own && comment.at.line > key.at.line {
                inside.push(comment);
            } else {
                own_lines(&mut branch, vec![comment]);
            }
        }
        let name = key_text(&key)?;
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
            place_inline(&mut branch, comment, Entry::Comment, |entry| matches!(entry, Entry::Pair { .. }));
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
        Ok(Some(text)) => Ok(text),
        Ok(None) => Ok("<<".to_owned()),
        Err(_) => Err(bad(key.at.line as usize, "a key is not a text; write it in quotes")),
    }
}

/// The documents, as sops writes them.
pub(super) fn write(documents: &[Branch]) -> Result<Secret, Fault> {
    let mut out = Draft::new();
    for (number, document) in documents.iter().enumerate() {
        if number > 0 {
            out.push(b"---\n");
        }
        if pairs(document).next().is_none() {
            let comments = document.iter().filter_map(|entry| match entry {
                Entry::Comment(comment) => Some(comment),
                Entry::Pair { .. } => None,
            });
            comments.for_each(|comment| comment_line(&mut out, comment, 0));
            out.push(b"{}\n");
        } else {
            write_map(&mut out, document, 0, Start::OwnLine)?;
        }
    }
    Ok(out.seal())
}

/// Where the first line of a collection begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// On a line of its own, to be indented.
    OwnLine,
    /// Behind the dash of a list.
    BehindDash,
}

/// The indentation of what stands within a collection indented by `indent`: the next multiple of four.
fn deeper(indent: usize) -> usize {
    4 * ((indent + 4) / 4)
}

fn within(parent: usize) -> scalar::Indent {
    scalar::Indent { parent, block: deeper(parent) }
}

fn write_map(out: &mut Draft, branch: &Branch, indent: usize, start: Start) -> Result<(), Fault> {
    let mut start = start;
    let mut inline = Vec::new();
    for entry in branch {
        match entry {
            Entry::Comment(comment) if comment.inline => inline.push(comment),
            Entry::Comment(comment) => {
                if std::mem::replace(&mut start, Start::OwnLine) == Start::OwnLine {
                    pad(out, indent);
                }
                comment_text(out, comment);
                out.push(b"\n");
            }
            Entry::Pair { key, value } => {
                if std::mem::replace(&mut start, Start::OwnLine) == Start::OwnLine {
                    pad(out, indent);
                }
                if scalar::write_key(out, key, within(indent)) == scalar::Key::Explicit {
                    pad(out, indent);
                }
                out.push(b":");
                write_value(out, value, indent, &std::mem::take(&mut inline))?;
            }
        }
    }
    for comment in inline {
        comment_line(out, comment, indent);
    }
    Ok(())
}

/// A value behind its key.
fn write_value(out: &mut Draft, value: &Tree, indent: usize, inline: &[&Comment]) -> Result<(), Fault> {
    match value {
        Tree::Map(map) if pairs(map).next().is_some() => {
            out.push(b"\n");
            write_map(out, map, deeper(indent), Start::OwnLine)?;
        }
        Tree::List(list) if values(list).next().is_some() => {
            out.push(b"\n");
            write_list(out, list, deeper(indent), Start::OwnLine)?;
        }
        Tree::Map(_) => line(out, b" {}", inline),
        Tree::List(_) => line(out, b" []", inline),
        Tree::Leaf(leaf) => {
            out.push(b" ");
            scalar::write_leaf(out, leaf, within(indent), |out| behind(out, inline));
        }
    }
    Ok(())
}

fn write_list(out: &mut Draft, list: &[Element], indent: usize, start: Start) -> Result<(), Fault> {
    let mut start = start;
    let mut inline = Vec::new();
    for element in list {
        match element {
            Element::Comment(comment) if comment.inline => inline.push(comment),
            Element::Comment(comment) => {
                if std::mem::replace(&mut start, Start::OwnLine) == Start::OwnLine {
                    pad(out, indent);
                }
                comment_text(out, comment);
                out.push(b"\n");
            }
            Element::Value(value) => {
                let inline = std::mem::take(&mut inline);
                let (above, behind_value) =
                    if begins_lines(value) { (inline, Vec::new()) } else { (Vec::new(), inline) };
                for comment in above {
                    if std::mem::replace(&mut start, Start::OwnLine) == Start::OwnLine {
                        pad(out, indent);
                    }
                    comment_text(out, comment);
                    out.push(b"\n");
                }
                if std::mem::replace(&mut start, Start::OwnLine) == Start::OwnLine {
                    pad(out, indent);
                }
                out.push(b"- ");
                match value {
                    // Written behind a dash, the first line would otherwise be a comment.
                    Tree::Map(map) if pairs(map).next().is_some() => {
                        write_map(out, map, indent + 2, Start::BehindDash)?;
                    }
                    Tree::List(list) if values(list).next().is_some() => {
                        write_list(out, list, indent + 2, Start::BehindDash)?;
                    }
                    Tree::Map(_) => line(out, b"{}", &behind_value),
                    Tree::List(_) => line(out, b"[]", &behind_value),
                    Tree::Leaf(leaf) => {
                        // The lines of a block skip the dash, and are not aligned further.
                        let lines = scalar::Indent { parent: indent, block: indent + 2 };
                        scalar::write_leaf(out, leaf, lines, |out| behind(out, &behind_value));
                    }
                }
            }
        }
    }
    for comment in inline {
        comment_line(out, comment, indent);
    }
    Ok(())
}

/// Whether a value behind a dash goes on over lines of its own, so that no comment can stand behind it.
fn begins_lines(value: &Tree) -> bool {
    match value {
        Tree::Map(map) => pairs(map).next().is_some(),
        Tree::List(list) => values(list).next().is_some(),
        Tree::Leaf(_) => false,
    }
}

fn line(out: &mut Draft, text: &[u8], inline: &[&Comment]) {
    out.push(text);
    behind(out, inline);
    out.push(b"\n");
}

fn behind(out: &mut Draft, inline: &[&Comment]) {
    for comment in inline {
        out.push(b" ");
        comment_text(out, comment);
    }
}

fn comment_line(out: &mut Draft, comment: &Comment, indent: usize) {
    pad(out, indent);
    comment_text(out, comment);
    out.push(b"\n");
}

/// A comment on one line; a line break inside of it would let it become a value.
fn comment_text(out: &mut Draft, comment: &Comment) {
    out.push(b"#");
    match &comment.text {
        Text::Open(text) => scalar::push_one_line(out, text.as_bytes()),
        Text::Sealed(text) => text.expose(|bytes| scalar::push_one_line(out, bytes)),
    }
}

fn pad(out: &mut Draft, indent: usize) {
    (0..indent).for_each(|_| out.push(b" "));
}
