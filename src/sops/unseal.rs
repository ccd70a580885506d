//! A closed set of files: every encrypted one opened, or all of them refused.

use std::collections::BTreeMap;

use super::error::{Error, Errors, Fault};
use super::formats::{self, Encrypted, Format};
use super::metadata::Metadata;
use super::open::{self, Located};
use super::opened::{Contents, File, Opened};
use super::strict;
use super::tree::{self, Branch, Entry, Leaf, Plain, Tree, Typed};
use crate::keysource::KeySource;
use crate::model::{Map, Node, Number, Scalar, Value};
use crate::secret::Secret;
use crate::trust::{Origin, Sources};

/// Opens what is encrypted in `sources`; the rest is passed on as committed.
///
/// # Errors
/// Every file that is refused. Then none is passed on.
pub fn unseal<O: Origin>(sources: Sources<O>, keys: &dyn KeySource) -> Result<Opened<O>, Errors> {
    let (files, origin) = sources.into_parts();
    let mut opened = BTreeMap::new();
    let mut errors = Vec::new();
    for (path, bytes) in files {
        match file(path.as_str(), bytes, keys) {
            Ok(file) => {
                opened.insert(path, file);
            }
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(Opened::new(opened, origin)) } else { Err(Errors::new(errors)) }
}

fn file(path: &str, bytes: Vec<u8>, keys: &dyn KeySource) -> Result<File, Error> {
    let Some(format) = encrypted_as(path, &bytes) else { return Ok(File::Plain(bytes)) };
    open_file(&bytes, format, keys).map(File::Sealed).map_err(|Located { fault, place }| fault.at(path, place))
}

fn open_file(bytes: &[u8], format: Format, keys: &dyn KeySource) -> Result<Contents, Located> {
    let Encrypted { mut documents, block } = formats::read(bytes, format)?;
    let metadata = Metadata::read(&block)?;
    open::open(&mut documents, &metadata, keys)?;
    strict::check(&documents)?;
    let mut documents = documents.into_iter();
    Ok(match format {
        Format::Yaml | Format::Json => Contents::Documents(documents.map(map_node).collect::<Result<_, _>>()?),
        Format::Dotenv => Contents::Entries(documents.next().map(|document| entries(document, "")).unwrap_or_default()),
        Format::Ini => {
            let sections = documents.flatten().filter_map(|entry| match entry {
                Entry::Pair { key, value: Tree::Map(section) } => Some(entries(section, &format!("{key}."))),
                Entry::Pair { .. } | Entry::Comment(_) => None,
            });
            Contents::Entries(sections.flatten().collect())
        }
        Format::Binary => Contents::Blob(formats::write(&documents.collect::<Vec<_>>(), Format::Binary)?),
    })
}

/// The format that `bytes` are encrypted in, by what is in them; `None` for what is not encrypted.
///
/// Whatever carries the mark of sops is taken for encrypted, so that a bent file is refused and never passed on as it is.
fn encrypted_as(path: &str, bytes: &[u8]) -> Option<Format> {
    let has = |mark: &[u8]| bytes.windows(mark.len()).any(|window| window == mark);
    if !has(b"sops") {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let begins = |mark: &str| text.lines().any(|line| line.starts_with(mark));
    if begins("sops_mac=") || begins("sops_version=") || begins("sops_lastmodified=") {
        return Some(Format::Dotenv);
    }
    if text.lines().any(|line| line.trim() == "[sops]") && !text.trim_start().starts_with('{') {
        return Some(Format::Ini);
    }
    if text.trim_start().starts_with('{') {
        return json_with_block(path, text);
    }
    let block = |line: &str| ["sops:", "\"sops\":", "'sops':"].iter().any(|key| line.starts_with(key));
    let marked = has(b"mac: ") || has(b"lastmodified");
    (text.lines().any(block) && marked).then_some(Format::Yaml)
}

fn json_with_block(path: &str, text: &str) -> Option<Format> {
    let Ok(members) = crate::model::json::parse_object(text) else {
        // Flow YAML, or a JSON file that was cut: strict reading says which.
        let marked = text.contains("\"mac\"") || text.contains("mac:");
        return marked.then_some(if Format::of_path(path) == Format::Yaml { Format::Yaml } else { Format::Json });
    };
    let keys: Vec<&str> = members.iter().map(|(key, _)| key.as_str()).collect();
    if !keys.contains(&"sops") {
        return None;
    }
    let structured = matches!(Format::of_path(path), Format::Json | Format::Yaml);
    Some(if keys.contains(&"data") && keys.len() == 2 && !structured { Format::Binary } else { Format::Json })
}

fn node(tree: Tree) -> Result<Node, Located> {
    Ok(match tree {
        Tree::Map(branch) => return map_node(branch),
        Tree::List(list) => Node::List(
            list.into_iter()
                .filter_map(|element| match element {
                    tree::Element::Comment(_) => None,
                    tree::Element::Value(value) => Some(node(value)),
                })
                .collect::<Result<_, _>>()?,
        ),
        Tree::Leaf(Leaf::Open(Plain { typed, read })) => Node::Scalar(Scalar::Open(match read {
            Some(value) => value,
            None => open_value(typed)?,
        })),
        Tree::Leaf(Leaf::Sealed(sealed)) => {
            let utf8 = sealed.text.expose(|bytes| std::str::from_utf8(bytes).is_ok());
            if !utf8 {
                return Err(Fault::Policy("a decrypted value is not UTF-8").into());
            }
            Node::Scalar(Scalar::Sealed(sealed.text))
        }
    })
}

fn map_node(branch: Branch) -> Result<Node, Located> {
    let mut map = Map::new();
    for entry in branch {
        if let Entry::Pair { key, value } = entry {
            // Readers of the formats have refused keys that are there twice.
            map.push_unique(key, node(value)?);
        }
    }
    Ok(Node::Map(map))
}

fn open_value(typed: Typed) -> Result<Value, Located> {
    Ok(match typed {
        Typed::Null => Value::Null,
        Typed::Bool(truth) => Value::Bool(truth),
        Typed::Int(number) => Value::Number(Number::Int(number)),
        Typed::Float(number) if number.is_finite() => Value::Number(Number::Float(number)),
        Typed::Float(_) => return Err(Fault::Policy("a number is not finite").into()),
        Typed::Text(text) | Typed::Time(text) => Value::Text(text),
    })
}

fn entries(branch: Branch, prefix: &str) -> Vec<(String, Secret)> {
    let pairs = branch.into_iter().filter_map(|entry| match entry {
        Entry::Pair { key, value: Tree::Leaf(leaf) } => Some((format!("{prefix}{key}"), leaf)),
        Entry::Pair { .. } | Entry::Comment(_) => None,
    });
    pairs
        .map(|(key, leaf)| match leaf {
            Leaf::Sealed(sealed) => (key, sealed.text),
            Leaf::Open(plain) => {
                let bytes = super::leaf::hashed(&plain.typed).map(|(bytes, _)| bytes).unwrap_or_default();
                (key, Secret::new(bytes))
            }
        })
        .collect()
}
