//! ConfigMaps and Secrets out of literals and files.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::{Node, Place, RepoPath};
use crate::secret::Secret;
use crate::sops::{Contents, File, Opened};
use crate::trust::Origin;

use super::bounds::Budget;
use super::entry::{Generator, GeneratorOptions};
use super::error::{Code, Error};
use super::resource::{Behavior, Resource};
use super::source;
use super::tree::{Fields, Leaf, Tag, Tree};

/// What is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// A ConfigMap: text in `data`, the rest in `binaryData`.
    ConfigMap,
    /// A Secret: everything in `data`, in base64.
    Secret,
}

impl Product {
    /// What generates it, by kustomize's name.
    pub fn generator(self) -> &'static str {
        match self {
            Product::ConfigMap => "ConfigMapGenerator",
            Product::Secret => "SecretGenerator",
        }
    }
}

/// What a generator reads.
pub struct Inputs<'a, O: Origin> {
    /// The closed set of files.
    pub opened: &'a Opened<O>,
    /// Turns a path as written into a file.
    pub find: &'a dyn Fn(&str) -> Result<RepoPath, Error>,
    /// Where the generator is written.
    pub place: &'a Place,
    /// What it may cost.
    pub budget: &'a Budget,
}

/// The object that `generator` describes.
pub fn generate<O: Origin>(
    product: Product,
    generator: &Generator,
    global: Option<&GeneratorOptions>,
    inputs: &Inputs<'_, O>,
) -> Result<Resource, Error> {
    let place = inputs.place;
    let refuse = |text: String| Error::new(Code::GeneratorInput, text).at(place.clone());
    if generator.name.is_empty() {
        return Err(refuse("a generator must have a `name`".to_owned()));
    }
    let kind = match product {
        Product::ConfigMap => "ConfigMap",
        Product::Secret => "Secret",
    };
    let mut body = Fields::default();
    body.set("apiVersion", Tree::text("v1"));
    body.set("kind", Tree::text(kind));
    let mut resource = Resource::new(Tree::Map(body), place.clone());
    resource.set_identity(&generator.name, &generator.namespace);
    fill(product, pairs(generator, inputs, &refuse)?, generator, &mut resource, &refuse)?;
    let options = merged(generator.options.as_ref(), global);
    for (name, text) in &options.labels {
        resource.set_meta("labels", name, text);
    }
    for (name, text) in &options.annotations {
        resource.set_meta("annotations", name, text);
    }
    if let Some(body) = resource.body.as_map_mut() {
        if product == Product::Secret {
            let kind = if generator.kind.is_empty() { "Opaque" } else { &generator.kind };
            body.set("type", Tree::text(kind));
        }
        if options.immutable {
            body.set("immutable", Tree::Leaf(Leaf::Open { text: "true".to_owned(), tag: Tag::Bool }));
        }
    }
    resource.hashed = !options.disable_name_suffix_hash;
    resource.behavior = match generator.behavior.as_str() {
        "create" => Behavior::Create,
        "replace" => Behavior::Replace,
        "merge" => Behavior::Merge,
        _ => Behavior::Unspecified,
    };
    Ok(resource)
}

/// A generator's own options, completed by those of the kustomization; a global `true` beats a local `false`.
fn merged(own: Option<&GeneratorOptions>, global: Option<&GeneratorOptions>) -> GeneratorOptions {
    let mut options = own.cloned().unwrap_or_default();
    let Some(global) = global else { return options };
    let complete = |mine: &mut Vec<(String, String)>, theirs: &[(String, String)]| {
        for (name, text) in theirs {
            if mine.iter().all(|(known, _)| known != name) {
                mine.push((name.clone(), text.clone()));
            }
        }
    };
    complete(&mut options.labels, &global.labels);
    complete(&mut options.annotations, &global.annotations);
    options.disable_name_suffix_hash |= global.disable_name_suffix_hash;
    options.immutable |= global.immutable;
    options
}

/// A scalar in base64, as a Secret has it in `data`; `None` for what is no scalar.
pub fn encoded(tree: &Tree) -> Option<Tree> {
    match tree {
        Tree::Leaf(Leaf::Sealed(secret)) => Some(Tree::Leaf(Leaf::Sealed(sealed_base64(secret)))),
        Tree::Leaf(Leaf::Open { tag: Tag::Null, .. }) => Some(open_base64(b"")),
        Tree::Leaf(Leaf::Open { text, .. }) => Some(open_base64(text.as_bytes())),
        Tree::List(_) | Tree::Map(_) => None,
    }
}

fn sealed_base64(secret: &Secret) -> Secret {
    secret.expose(|plain| Secret::new(base64(plain))).hiding(secret.hidden())
}

/// A value before it is put into the object.
enum Input {
    Open(Vec<u8>),
    Sealed(Secret),
}

fn fill(
    product: Product,
    pairs: Vec<(String, Input)>,
    generator: &Generator,
    resource: &mut Resource,
    refuse: &dyn Fn(String) -> Error,
) -> Result<(), Error> {
    let mut seen = HashSet::new();
    let (mut data, mut binary) = (Vec::new(), Vec::new());
    for (key, input) in pairs {
        if !seen.insert(key.clone()) {
            return Err(refuse(format!("`{}` gets the key `{key}` twice", generator.name)));
        }
        match (product, input) {
            (Product::Secret, Input::Open(bytes)) => data.push((key, open_base64(&bytes))),
            (Product::Secret, Input::Sealed(secret)) => {
                data.push((key, Tree::Leaf(Leaf::Sealed(sealed_base64(&secret)))));
            }
            (Product::ConfigMap, Input::Open(bytes)) => match String::from_utf8(bytes) {
                Ok(text) => data.push((key, Tree::text(text))),
                Err(error) => binary.push((key, open_base64(error.as_bytes()))),
            },
            (Product::ConfigMap, Input::Sealed(secret)) => data.push((key, Tree::Leaf(Leaf::Sealed(secret)))),
        }
    }
    let Some(body) = resource.body.as_map_mut() else { return Ok(()) };
    // A Secret always has `data`, a ConfigMap only where there is some.
    if product == Product::Secret || !data.is_empty() {
        data.sort_by(|(one, _), (other, _)| one.cmp(other));
        body.set("data", Tree::Map(data.into_iter().collect()));
    }
    if !binary.is_empty() {
        binary.sort_by(|(one, _), (other, _)| one.cmp(other));
        body.set("binaryData", Tree::Map(binary.into_iter().collect()));
    }
    Ok(())
}

/// Base64 as kustomize writes it: longer than 69 characters, it is broken after every 70.
///
/// The breaks count: they are in the object and in its hash. One buffer of the final size: no copy is left behind.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const LINE: usize = 70;
    let length = bytes.len().div_ceil(3) * 4;
    let breaks = if length < LINE { 0 } else { length.div_ceil(LINE) };
    let mut encoded = vec![b'\n'; length + breaks];
    STANDARD.encode_slice(bytes, &mut encoded).expect("the buffer has the length of the encoding");
    if breaks > 0 {
        // From the last line backwards, each line moves to behind the breaks before it.
        for line in (0..breaks).rev() {
            let (start, end) = (line * LINE, length.min((line + 1) * LINE));
            encoded.copy_within(start..end, start + line);
            encoded[end + line] = b'\n';
        }
    }
    encoded
}

/// Base64 of what anybody may see.
fn open_base64(bytes: &[u8]) -> Tree {
    Tree::text(String::from_utf8(base64(bytes)).expect("base64 is ASCII"))
}

fn pairs<O: Origin>(
    generator: &Generator,
    inputs: &Inputs<'_, O>,
    refuse: &dyn Fn(String) -> Error,
) -> Result<Vec<(String, Input)>, Error> {
    let Inputs { opened, find, budget, place } = inputs;
    let mut pairs = Vec::new();
    for env in &generator.envs {
        let path = find(env)?;
        match source::file(opened, &path)? {
            File::Plain(bytes) => {
                budget.take(4 * bytes.len())?;
                env_file(bytes, &path, &mut |key, value| {
                    pairs.push((key.to_owned(), Input::Open(value.to_vec())));
                    Ok(())
                })?;
            }
            File::Sealed(Contents::Entries(entries)) => {
                let text = opened.text(&path).ok_or_else(|| refuse(format!("{path}: its text is not there")))?;
                budget.sealed(text)?;
                let sealed = sealed_env_file(entries, text, &path);
                pairs.extend(sealed.map_err(|error| error.at((*place).clone()))?);
            }
            File::Sealed(Contents::Documents(_) | Contents::Blob(_)) => {
                return Err(not_dotenv(&path).at((*place).clone()));
            }
        }
    }
    for literal in &generator.literals {
        let (key, value) = literal
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| refuse("a literal must be `key=value`".to_owned()))?;
        budget.entry(3 * literal.len())?;
        pairs.push((key.to_owned(), Input::Open(unquoted(value).as_bytes().to_vec())));
    }
    for entry in &generator.files {
        let (key, written) = file_source(entry)
            .ok_or_else(|| refuse(format!("{entry:?}: a file must be `path` or `key=path`, with one `=` at most")))?;
        let path = find(written)?;
        match source::file(opened, &path)? {
            // As it is, and in base64.
            File::Plain(bytes) => {
                budget.entry(3 * bytes.len())?;
                pairs.push((key.to_owned(), Input::Open(bytes.clone())));
            }
            File::Sealed(Contents::Blob(secret)) => {
                budget.sealed(secret)?;
                pairs.push((key.to_owned(), Input::Sealed(secret.share())));
            }
            File::Sealed(contents @ (Contents::Documents(_) | Contents::Entries(_))) => {
                let hidden = match contents {
                    Contents::Documents(nodes) => nodes.iter().map(Node::hidden).sum(),
                    Contents::Entries(entries) => entries.iter().map(|(_, secret)| secret.hidden()).sum(),
                    Contents::Blob(secret) => secret.hidden(),
                };
                let text = opened.text(&path).ok_or_else(|| refuse(format!("{path}: its text is not there")))?;
                budget.sealed(text)?;
                pairs.push((key.to_owned(), Input::Sealed(text.share().hiding(hidden))));
            }
        }
    }
    Ok(pairs)
}

/// `path`, or `key=path`.
pub fn file_source(entry: &str) -> Option<(&str, &str)> {
    match entry.split_once('=') {
        None => Some((entry.rsplit('/').next().unwrap_or(entry), entry)),
        Some((key, path)) if !key.is_empty() && !path.is_empty() && !path.contains('=') => Some((key, path)),
        Some(_) => None,
    }
}

/// One pair of surrounding quotes goes.
fn unquoted(text: &str) -> &str {
    let strip = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    strip('"').or_else(|| strip('\'')).unwrap_or(text)
}

fn not_dotenv(path: &RepoPath) -> Error {
    let text = format!("{path}: an encrypted file of `envs` must be of the type dotenv");
    Error::new(Code::GeneratorInput, text)
}

/// The decrypted text read as any env file is, as kustomize does behind sops; its values stay sealed.
///
/// Keys are those that stand in clear in the encrypted file: a decrypted comment of two lines makes none.
fn sealed_env_file(
    entries: &[(String, Secret)],
    text: &Secret,
    path: &RepoPath,
) -> Result<Vec<(String, Input)>, Error> {
    let clear: HashSet<&str> = entries.iter().map(|(key, _)| key.trim_start_matches('\u{feff}').trim_start()).collect();
    let mut pairs = Vec::new();
    text.expose(|bytes| {
        env_file(bytes, path, &mut |key, value| {
            if !clear.contains(key) {
                return Err(not_dotenv(path));
            }
            pairs.push((key.to_owned(), Input::Sealed(Secret::new(value.to_vec()))));
            Ok(())
        })
    })?;
    Ok(pairs)
}

/// Takes a key and its value.
type Found<'a> = dyn FnMut(&str, &[u8]) -> Result<(), Error> + 'a;

fn env_file(bytes: &[u8], path: &RepoPath, found: &mut Found<'_>) -> Result<(), Error> {
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let place = || Place { file: path.clone(), line: number + 1 };
        let text = std::str::from_utf8(line);
        let text = text.map_err(|_| Error::new(Code::GeneratorInput, "a line that is not UTF-8").at(place()))?;
        let text = if number == 0 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        let text = text.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if !key.is_empty() {
            found(key, value.as_bytes())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{base64, file_source, unquoted};

    #[test]
    fn long_base64_is_broken_after_seventy_characters() {
        assert_eq!(base64(b"short"), b"c2hvcnQ=");
        let broken =
            String::from_utf8(base64(b"abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij")).unwrap();
        assert!(broken.starts_with("YWJjZGVmZ2hpamFiY2RlZmdoaWphYmNkZWZnaGlqYWJjZGVmZ2hpamFiY2RlZmdoaWphYm"));
        assert!(broken.ends_with("\nNkZWZnaGlq\n"));
        let lines: Vec<usize> = broken.split('\n').map(str::len).collect();
        assert_eq!(lines, [70, 10, 0]);
    }

    #[test]
    fn one_pair_of_quotes_is_taken_off() {
        assert_eq!(unquoted("\"a\""), "a");
        assert_eq!(unquoted("''a''"), "'a'");
        assert_eq!(unquoted("\""), "\"");
        assert_eq!(unquoted("\"a'"), "\"a'");
    }

    #[test]
    fn a_file_source_has_one_equals_sign_at_most() {
        assert_eq!(file_source("a/b.txt"), Some(("b.txt", "a/b.txt")));
        assert_eq!(file_source("k=a/b.txt"), Some(("k", "a/b.txt")));
        for entry in ["=a", "k=", "k=a=b"] {
            assert_eq!(file_source(entry), None, "{entry}");
        }
    }
}
