//! The five containers: how each is read, and how sops writes it in clear.

mod dotenv;
mod ini;
mod ini_text;
mod json;
mod yaml;
mod yaml_scalar;
mod yaml_write;

use super::error::Fault;
use super::stamp::Stamp;
use super::tree::{self, Branch, Entry, Leaf, Plain, Tree, Typed};
use super::{flatten, floats};
use crate::secret::{Draft, Secret};

/// A container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One or more documents.
    Yaml,
    /// One object.
    Json,
    /// `KEY=value` lines.
    Dotenv,
    /// Sections of keys.
    Ini,
    /// Anything, in a JSON object with the one key `data`.
    Binary,
}

impl Format {
    /// The word that names it, as `sops --input-type` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Yaml => "yaml",
            Format::Json => "json",
            Format::Dotenv => "dotenv",
            Format::Ini => "ini",
            Format::Binary => "binary",
        }
    }

    /// The format of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Format::Yaml, Format::Json, Format::Dotenv, Format::Ini, Format::Binary]
            .into_iter()
            .find(|format| format.name() == name)
    }

    /// The format sops takes a file of this name for.
    pub fn of_path(path: &str) -> Self {
        match path.rsplit_once('.').map(|(_, suffix)| suffix) {
            Some("yaml" | "yml") => Format::Yaml,
            Some("json") => Format::Json,
            Some("env") => Format::Dotenv,
            Some("ini") => Format::Ini,
            _ => Format::Binary,
        }
    }
}

/// Documents in the order of the file, and the `sops` block of each.
pub(super) struct Encrypted {
    pub(super) documents: Vec<Branch>,
    pub(super) block: Branch,
}

/// Bytes of a file.
pub(super) const MAX_FILE: usize = 5 << 20;

/// Takes a file apart. Nothing is decrypted yet.
pub(super) fn read(bytes: &[u8], format: Format) -> Result<Encrypted, Fault> {
    if bytes.len() > MAX_FILE {
        return Err(Fault::Limit { what: "the file", limit: MAX_FILE });
    }
    let text = utf8(bytes, format)?;
    match format {
        Format::Yaml => nested(yaml::read(text)?),
        Format::Json => nested(vec![json::read(text)?]),
        Format::Binary => binary(nested(vec![json::read(text)?])?),
        Format::Dotenv => dotenv::read(text),
        Format::Ini => ini::read(text),
    }
}

/// The documents of a file in clear.
pub(super) fn read_plain(bytes: &[u8], format: Format) -> Result<Vec<Branch>, Fault> {
    if bytes.len() > MAX_FILE {
        return Err(Fault::Limit { what: "the file", limit: MAX_FILE });
    }
    if format == Format::Binary {
        let text = Secret::new(bytes.to_vec());
        let leaf = if bytes.is_empty() {
            Tree::text("")
        } else {
            Tree::Leaf(Leaf::Sealed(tree::Sealed { text, kind: tree::Kind::Text }))
        };
        return Ok(vec![vec![Entry::Pair { key: "data".to_owned(), value: leaf }]]);
    }
    let text = utf8(bytes, format)?;
    match format {
        Format::Yaml => yaml::read(text),
        Format::Json | Format::Binary => Ok(vec![json::read(text)?]),
        Format::Dotenv => Ok(vec![dotenv::lines(text)?]),
        Format::Ini => Ok(vec![ini::sections(text)?]),
    }
}

/// Whether a document in clear has what only an encrypted one may have.
pub(super) fn has_block(document: &Branch, format: Format) -> bool {
    tree::pairs(document).any(|(key, _)| match format {
        Format::Dotenv => key.starts_with(dotenv::PREFIX),
        Format::Yaml | Format::Json | Format::Ini | Format::Binary => key == "sops",
    })
}

/// Encrypted documents with their block, as sops writes them.
pub(super) fn write_encrypted(mut documents: Vec<Branch>, block: &Branch, format: Format) -> Result<Secret, Fault> {
    let pair = |key: &str, value: Tree| Entry::Pair { key: key.to_owned(), value };
    for document in &mut documents {
        match format {
            Format::Yaml | Format::Json | Format::Binary => {
                document.push(pair("sops", Tree::Map(tree::copy_open(block))));
            }
            Format::Dotenv => document.extend(
                flatten::flatten(block)
                    .into_iter()
                    .map(|(key, value)| pair(&format!("{}{key}", dotenv::PREFIX), Tree::text(value))),
            ),
            Format::Ini => {
                let lines = flatten::flatten(block).into_iter();
                let lines = lines.map(|(key, value)| pair(&key, Tree::text(value.replace('\n', "\\n"))));
                document.push(pair("sops", Tree::Map(lines.collect())));
            }
        }
    }
    write(&documents, if format == Format::Binary { Format::Json } else { format })
}

fn utf8(bytes: &[u8], format: Format) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| Fault::BadFormat {
        format: format.name(),
        why: format!("the byte at {} is not UTF-8", error.valid_up_to()),
    })
}

/// Takes the block out of every document; the first one's counts, and the others must say the same.
fn nested(mut documents: Vec<Branch>) -> Result<Encrypted, Fault> {
    let mut blocks = documents.iter_mut().map(|document| tree::take(document, "sops"));
    let block = match blocks.next().flatten() {
        Some(Tree::Map(block)) => block,
        Some(_) => return Err(Fault::BadMetadata { field: "sops".to_owned(), why: "is not a mapping" }),
        None => return Err(Fault::NoMetadata),
    };
    let first = Tree::Map(block);
    for other in blocks.flatten() {
        if !tree::same(&first, &other) {
            return Err(Fault::Policy("a later document has other sops metadata than the first"));
        }
    }
    let Tree::Map(block) = first else { return Err(Fault::NoMetadata) };
    Ok(Encrypted { documents, block })
}

/// sops would write `data` alone, and drop whatever else there is.
fn binary(read: Encrypted) -> Result<Encrypted, Fault> {
    let others = read.documents.iter().flatten().any(|entry| match entry {
        Entry::Comment(_) => false,
        Entry::Pair { key, .. } => key != "data",
    });
    if others {
        return Err(Fault::Policy("a binary file holds `data` and `sops` and nothing else"));
    }
    Ok(read)
}

/// The documents in clear, as sops writes them.
pub(super) fn write(documents: &[Branch], format: Format) -> Result<Secret, Fault> {
    if let ([], Format::Json | Format::Dotenv | Format::Binary) = (documents, format) {
        return Err(Fault::Emit { format: format.name(), why: "there is no document" });
    }
    if documents.len() > 1 && format != Format::Yaml {
        return Err(Fault::Policy("only YAML can hold several documents; all but the first would be lost"));
    }
    match format {
        Format::Yaml => yaml_write::write(documents),
        Format::Json => json::write(&documents[0]),
        Format::Dotenv => dotenv::write(&documents[0]),
        Format::Ini => ini::write(&documents[0]),
        Format::Binary => write_binary(&documents[0]),
    }
}

/// A part of a document in clear: a text as it is, a mapping as a document, anything else as YAML and JSON have it.
pub(super) fn write_part(part: Tree, format: Format) -> Result<Secret, Fault> {
    let only_texts =
        Fault::Emit { format: format.name(), why: "only a text can be taken out of it; give --output-type yaml" };
    match (part, format) {
        (Tree::Leaf(Leaf::Sealed(sealed)), _) if sealed.kind == tree::Kind::Text => Ok(sealed.text),
        (Tree::Leaf(Leaf::Open(Plain { typed: Typed::Text(text), .. })), _) => Ok(Secret::new(text.into_bytes())),
        (Tree::Leaf(Leaf::Open(Plain { typed: Typed::Bytes(bytes), .. })), _) => Ok(Secret::new(bytes)),
        (Tree::Map(map), _) => write(&[map], format),
        (part, Format::Yaml) => yaml_write::write_part(&part),
        (part, Format::Json) => json::write_part(&part),
        (_, Format::Dotenv | Format::Ini | Format::Binary) => Err(only_texts),
    }
}

fn write_binary(document: &Branch) -> Result<Secret, Fault> {
    let why = |why| Fault::Emit { format: "binary", why };
    let Some(Tree::Leaf(leaf)) = tree::lookup(document, "data") else { return Err(why("there is no `data`")) };
    match leaf {
        Leaf::Sealed(sealed) if sealed.kind == tree::Kind::Text => Ok(sealed.text.share()),
        Leaf::Open(Plain { typed: Typed::Text(text), .. }) => Ok(Secret::new(text.clone().into_bytes())),
        Leaf::Open(Plain { typed: Typed::Bytes(bytes), .. }) => Ok(Secret::new(bytes.clone())),
        Leaf::Open(_) | Leaf::Sealed(_) => Err(why("`data` is not a text")),
    }
}

/// Flat pairs turned into a block; `prefix` is taken off already.
fn flat_block(pairs: Vec<(String, String)>) -> Result<Branch, Fault> {
    if pairs.is_empty() { Err(Fault::NoMetadata) } else { flatten::unflatten(pairs) }
}

/// A leaf as the formats that have only text write it (`ValToString` of sops).
fn push_flat(out: &mut Draft, leaf: &Leaf) {
    let kind = |kind, bytes: &[u8], out: &mut Draft| match kind {
        tree::Kind::Text | tree::Kind::Int => out.push(bytes),
        tree::Kind::Time => out.push(&flat_time(bytes)),
        tree::Kind::Bool => out.push(if bytes == b"True" { b"true" } else { b"false" }),
        tree::Kind::Float => out.push(flat_float(std::str::from_utf8(bytes).ok().and_then(floats::parse)).as_bytes()),
    };
    match leaf {
        Leaf::Sealed(sealed) => sealed.text.expose(|bytes| kind(sealed.kind, bytes, out)),
        Leaf::Open(plain) => match &plain.typed {
            Typed::Null => out.push(b"<nil>"),
            Typed::Bool(truth) => out.push(if *truth { b"true" } else { b"false" }),
            Typed::Int(number) => out.push(number.to_string().as_bytes()),
            Typed::Float(number) => out.push(flat_float(Some(*number)).as_bytes()),
            Typed::Text(text) => out.push(text.as_bytes()),
            Typed::Bytes(bytes) => out.push(bytes),
            Typed::Time(text) => out.push(&flat_time(text.as_bytes())),
        },
    }
}

/// Without the fraction of the second, which sops drops here.
fn flat_time(bytes: &[u8]) -> Vec<u8> {
    let stamp = std::str::from_utf8(bytes).ok().and_then(Stamp::rfc3339);
    stamp.map_or_else(|| bytes.to_vec(), |stamp| stamp.seconds().into_bytes())
}

fn flat_float(number: Option<f64>) -> String {
    let Some(number) = number else { return String::new() };
    let text = floats::general(number).to_uppercase();
    match text.as_str() {
        "NAN" => "NaN".to_owned(),
        "+INF" | "-INF" => text.replace("INF", "Inf"),
        _ if text.contains(['.', 'E']) => text,
        _ => format!("{number:.1}"),
    }
}
