//! YAML as sops writes it: indentation 4, comments kept.

use super::yaml_scalar as scalar;
use crate::secret::{Draft, Secret};
use crate::sops::error::Fault;
use crate::sops::tree::{Branch, Comment, Element, Entry, Text, Tree, pairs, values};

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

/// A list or a leaf alone.
pub(super) fn write_part(part: &Tree) -> Result<Secret, Fault> {
    let mut out = Draft::new();
    match part {
        Tree::List(list) if values(list).next().is_some() => write_list(&mut out, list, 0, Start::OwnLine)?,
        Tree::List(_) => out.push(b"[]\n"),
        Tree::Map(map) => write_map(&mut out, map, 0, Start::OwnLine)?,
        Tree::Leaf(leaf) => scalar::write_leaf(&mut out, leaf, within(0), |_| ()),
    }
    Ok(out.seal())
}

/// Where the first line of a collection begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// On a line of its own, to be indented.
    OwnLine,
    /// Behind the dash of a list, or a colon on a line of its own.
    BehindDash,
}

/// The indentation of what stands within a collection indented by `indent`: the next multiple of four.
fn deeper(indent: usize) -> usize {
    4 * ((indent + 4) / 4)
}

fn within(parent: usize) -> scalar::Indent {
    scalar::Indent { parent, block: deeper(parent) }
}

fn write_map(out: &mut Draft, branch: &[Entry], indent: usize, start: Start) -> Result<(), Fault> {
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
                    if begins_lines(value) && leading(value).is_empty() && inline.is_empty() {
                        behind_colon(out, value, indent)?;
                        continue;
                    }
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

/// A list or mapping whose key takes lines of its own: it begins on the line of the colon.
fn behind_colon(out: &mut Draft, value: &Tree, indent: usize) -> Result<(), Fault> {
    out.push(b":");
    pad(out, deeper(indent) - indent - 1);
    match value {
        Tree::Map(map) => write_map(out, map, deeper(indent), Start::BehindDash),
        Tree::List(list) => write_list(out, list, deeper(indent), Start::BehindDash),
        Tree::Leaf(_) => Ok(()),
    }
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
        Tree::List(list) => {
            line(out, b" []", inline);
            for element in list {
                match element {
                    Element::Comment(comment) => comment_line(out, comment, indent),
                    Element::Value(_) => {}
                }
            }
        }
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
                for comment in leading(value).into_iter().chain(above) {
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
                    Tree::Map(map) if pairs(map).next().is_some() => {
                        let leading = leading(value).len();
                        write_map(out, &map[leading..], indent + 2, Start::BehindDash)?;
                    }
                    Tree::List(list) if values(list).next().is_some() => {
                        let leading = leading(value).len();
                        write_list(out, &list[leading..], indent + 2, Start::BehindDash)?;
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

/// The comments that a list or mapping begins with: behind a dash there is no room for them, and they go above it.
fn leading(value: &Tree) -> Vec<&Comment> {
    match value {
        Tree::Map(map) if pairs(map).next().is_some() => map
            .iter()
            .map_while(|entry| match entry {
                Entry::Comment(comment) if !comment.inline => Some(comment),
                Entry::Comment(_) | Entry::Pair { .. } => None,
            })
            .collect(),
        Tree::List(list) if values(list).next().is_some() => list
            .iter()
            .map_while(|element| match element {
                Element::Comment(comment) if !comment.inline => Some(comment),
                Element::Comment(_) | Element::Value(_) => None,
            })
            .collect(),
        Tree::Map(_) | Tree::List(_) | Tree::Leaf(_) => Vec::new(),
    }
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
