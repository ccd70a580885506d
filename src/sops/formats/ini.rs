//! INI files of sops.

use std::collections::{HashMap, HashSet};

use super::ini_text::{self, DEFAULT};
use super::{Encrypted, flat_block, push_flat};
use crate::secret::{Draft, Secret};
use crate::sops::error::{Fault, shown};
use crate::sops::tree::{self, Branch, Comment, Entry, Leaf, Text, Tree, pairs};

pub(super) fn read(text: &str) -> Result<Encrypted, Fault> {
    let mut document = sections(text)?;
    let Some(Tree::Map(block)) = tree::take(&mut document, "sops") else { return Err(Fault::NoMetadata) };
    if tree::lookup(&document, "sops").is_some() {
        return Err(Fault::BadMetadata { field: "sops".to_owned(), why: "is there twice" });
    }
    let field = |(key, value): (&str, &Tree)| {
        // Written with the two letters `\n`, or by 3.13.0 and 3.13.1 as they are.
        (key.to_owned(), value.as_text().unwrap_or_default().replace("\\n", "\n"))
    };
    Ok(Encrypted { block: flat_block(pairs(&block).map(field).collect())?, documents: vec![document] })
}

/// Every section, that of the metadata too.
pub(super) fn sections(text: &str) -> Result<Branch, Fault> {
    let mut document = Branch::new();
    // By section, so that a long name is kept once however many keys it has.
    let mut seen: HashMap<String, HashSet<String>> = HashMap::new();
    for section in ini_text::parse(text)? {
        let keys = seen.entry(section.name.clone()).or_default();
        let mut branch = Branch::new();
        comment(&mut branch, &section.comment);
        for key in section.keys {
            if !keys.insert(key.name.clone()) {
                return Err(Fault::DuplicateKey { key: shown(&key.name) });
            }
            branch.push(Entry::Pair { key: key.name, value: Tree::text(key.value) });
            comment(&mut branch, &key.comment);
        }
        document.push(Entry::Pair { key: section.name, value: Tree::Map(branch) });
    }
    Ok(document)
}

fn comment(branch: &mut Branch, text: &str) {
    if !text.is_empty() {
        let bare = match text.chars().next() {
            Some(sign @ (';' | '#')) => text.trim_start_matches([sign, ' ']),
            _ => text,
        };
        branch.push(Entry::Comment(Comment::open(bare, false)));
    }
}

pub(super) fn write(document: &Branch) -> Result<Secret, Fault> {
    let mut out = Draft::new();
    let sections: Vec<(&str, &Tree)> = pairs(document).collect();
    for (number, (name, value)) in sections.iter().enumerate() {
        let Tree::Map(section) = value else {
            return Err(Fault::Emit { format: "ini", why: "a value stands outside of any section" });
        };
        let (title, lines) = lines(section)?;
        if let Some(title) = title {
            comment_lines(&mut out, title);
        }
        if number == 0 && *name == DEFAULT {
            if lines.is_empty() {
                continue;
            }
        } else {
            out.push(format!("[{name}]\n").as_bytes());
        }
        let names = lines.iter().map(|line| quoted_name(line.key)).collect::<Result<Vec<String>, Fault>>()?;
        let width = names.iter().map(String::len).max().unwrap_or(0);
        for (line, name) in lines.iter().zip(&names) {
            if let Some(comment) = line.comment {
                comment_lines(&mut out, comment);
            }
            // Aligned by bytes, as the library does.
            out.push(name.as_bytes());
            (name.len()..width).for_each(|_| out.push(b" "));
            out.push(b" = ");
            push_value(&mut out, line.value);
            out.push(b"\n");
        }
        if number + 1 < sections.len() {
            out.push(b"\n");
        }
    }
    Ok(out.seal())
}

struct Line<'a> {
    key: &'a str,
    value: &'a Leaf,
    comment: Option<&'a Comment>,
}

/// The comment of a section, and its keys, each with the comment that follows it here and precedes it in the file.
fn lines(section: &Branch) -> Result<(Option<&Comment>, Vec<Line<'_>>), Fault> {
    let mut title = None;
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (number, entry) in section.iter().enumerate() {
        match entry {
            Entry::Comment(comment) if number == 0 => title = Some(comment),
            Entry::Comment(comment) => {
                if let Some(line) = lines.last_mut() {
                    line.comment = Some(comment);
                }
            }
            Entry::Pair { key, value: Tree::Leaf(value) } => lines.push(Line { key, value, comment: None }),
            Entry::Pair { .. } => return Err(Fault::Emit { format: "ini", why: "a value is a list or a mapping" }),
        }
    }
    Ok((title, lines))
}

/// A name as the library writes it; where its own reader would find another one, it is refused.
fn quoted_name(name: &str) -> Result<String, Fault> {
    let (graves, signs) = (name.contains('`'), name.contains(['"', '=', ':']));
    match (signs, graves) {
        (true, true) => Err(Fault::Emit { format: "ini", why: "a key holds signs that cannot be quoted together" }),
        (true, false) => Ok(format!("`{name}`")),
        (false, true) => Ok(format!("\"\"\"{name}\"\"\"")),
        (false, false) => Ok(name.to_owned()),
    }
}

fn push_value(out: &mut Draft, leaf: &Leaf) {
    let mut value = Draft::new();
    push_flat(&mut value, leaf);
    value.seal().expose(|bytes| {
        let has = |signs: &[u8]| bytes.iter().any(|byte| signs.contains(byte));
        let quote: &[u8] = if has(b"\n`") {
            b"\"\"\""
        } else if has(b"#;") {
            b"`"
        } else if std::str::from_utf8(bytes).is_ok_and(|text| text.trim().len() != text.len()) {
            b"\""
        } else {
            b""
        };
        out.push(quote);
        out.push(bytes);
        out.push(quote);
    });
}

fn comment_lines(out: &mut Draft, comment: &Comment) {
    let mut push = |bytes: &[u8]| {
        for line in bytes.split(|&byte| byte == b'\n') {
            if let Some((sign @ (b'#' | b';'), text)) = line.split_first() {
                out.push(&[*sign, b' ']);
                out.push(text.trim_ascii());
            } else {
                out.push(b"; ");
                out.push(line);
            }
            out.push(b"\n");
        }
    };
    match &comment.text {
        Text::Open(text) => push(text.as_bytes()),
        Text::Sealed(text) => text.expose(push),
    }
}
