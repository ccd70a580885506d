//! dotenv: `KEY=value` lines, comments in the first column, `\n` for a newline, no quoting.

use std::collections::HashSet;

use super::{Encrypted, flat_block, push_flat};
use crate::secret::{Draft, Secret};
use crate::sops::error::{Fault, shown};
use crate::sops::tree::{Branch, Comment, Entry, Kind, Leaf, Text, Tree, Typed};

/// What metadata keys begin with.
pub(super) const PREFIX: &str = "sops_";

pub(super) fn read(text: &str) -> Result<Encrypted, Fault> {
    let mut block = Vec::new();
    let mut document = lines(text)?;
    document.retain(|entry| match entry {
        Entry::Pair { key, value } => match key.strip_prefix(PREFIX) {
            Some(field) => {
                block.push((field.to_owned(), value.as_text().unwrap_or_default().to_owned()));
                false
            }
            None => true,
        },
        Entry::Comment(_) => true,
    });
    Ok(Encrypted { block: flat_block(block)?, documents: vec![document] })
}

/// Every line, those of the metadata too.
pub(super) fn lines(text: &str) -> Result<Branch, Fault> {
    let mut document = Branch::new();
    let mut seen = HashSet::new();
    for (number, line) in text.split('\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        if let Some(comment) = line.strip_prefix('#') {
            document.push(Entry::Comment(Comment::open(comment, false)));
            continue;
        }
        let (key, value) = line
            .split_once('=')
            .ok_or_else(|| Fault::BadFormat { format: "dotenv", why: format!("line {} has no `=`", number + 1) })?;
        // Readers differ in which of two counts, and an empty one is outside the MAC.
        if !seen.insert(key) {
            return Err(Fault::DuplicateKey { key: shown(key) });
        }
        document.push(Entry::Pair { key: key.to_owned(), value: Tree::text(value.replace("\\n", "\n")) });
    }
    Ok(document)
}

pub(super) fn write(document: &Branch) -> Result<Secret, Fault> {
    let mut out = Draft::new();
    for entry in document {
        match entry {
            Entry::Comment(comment) => {
                out.push(b"#");
                match &comment.text {
                    Text::Open(text) => out.push(text.as_bytes()),
                    Text::Sealed(text) => text.expose(|bytes| out.push(bytes)),
                }
            }
            Entry::Pair { key, value } => {
                let Tree::Leaf(leaf) = value else {
                    return Err(Fault::Emit { format: "dotenv", why: "a value is a list or a mapping" });
                };
                out.push(key.as_bytes());
                out.push(b"=");
                match leaf {
                    Leaf::Sealed(sealed) if sealed.kind == Kind::Text => {
                        sealed.text.expose(|bytes| escaped(&mut out, bytes));
                    }
                    Leaf::Open(plain) => match &plain.typed {
                        Typed::Text(text) => escaped(&mut out, text.as_bytes()),
                        Typed::Bytes(bytes) => escaped(&mut out, bytes),
                        Typed::Null | Typed::Bool(_) | Typed::Int(_) | Typed::Float(_) | Typed::Time(_) => {
                            push_flat(&mut out, leaf);
                        }
                    },
                    Leaf::Sealed(_) => push_flat(&mut out, leaf),
                }
            }
        }
        out.push(b"\n");
    }
    Ok(out.seal())
}

fn escaped(out: &mut Draft, bytes: &[u8]) {
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if number > 0 {
            out.push(b"\\n");
        }
        out.push(line);
    }
}
