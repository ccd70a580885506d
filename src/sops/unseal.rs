//! A closed set of files: every encrypted one opened, or all of them refused.

use std::collections::BTreeMap;

use super::data_key::data_key;
use super::error::{Errors, Fault};
use super::formats::{self, Encrypted, Format};
use super::merge;
use super::metadata::Metadata;
use super::open::{self, Located, Warning};
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
    let mut texts = BTreeMap::new();
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for (path, bytes) in files {
        let Some(format) = encrypted_as(path.as_str(), &bytes) else {
            opened.insert(path, File::Plain(bytes));
            continue;
        };
        match open_file(&bytes, format, keys) {
            Ok((contents, text, of_it)) => {
                warnings.extend(of_it.into_iter().map(|warning| (path.clone(), warning)));
                opened.insert(path.clone(), File::Sealed(contents));
                texts.insert(path, text);
            }
            Err(Located { fault, place }) => errors.push(fault.at(path.as_str(), place)),
        }
    }
    if errors.is_empty() { Ok(Opened::new(opened, texts, warnings, origin)) } else { Err(Errors::new(errors)) }
}

fn open_file(bytes: &[u8], format: Format, keys: &dyn KeySource) -> Result<(Contents, Secret, Vec<Warning>), Located> {
    let Encrypted { mut documents, block } = formats::read(bytes, format)?;
    let metadata = Metadata::read(&block)?;
    let key = data_key(&metadata, keys)?;
    strict::check_claims(&documents, format)?;
    let warnings = open::open(&mut documents, &metadata, &key)?;
    strict::check(&documents)?;
    let text = formats::write(&documents, format)?;
    if format == Format::Yaml {
        documents = documents.into_iter().map(merge::expand).collect::<Result<_, _>>()?;
        strict::check(&documents)?;
    }
    let mut documents = documents.into_iter();
    let contents = match format {
        Format::Yaml | Format::Json => Contents::Documents(documents.map(map_node).collect::<Result<_, _>>()?),
        Format::Dotenv => Contents::Entries(documents.next().map(|document| entries(document, "")).unwrap_or_default()),
        Format::Ini => {
            let sections = documents.flatten().filter_map(|entry| match entry {
                Entry::Pair { key, value: Tree::Map(section) } => Some(entries(section, &format!("{key}."))),
                Entry::Pair { .. } | Entry::Comment(_) => None,
            });
            Contents::Entries(sections.flatten().collect())
        }
        Format::Binary => Contents::Blob(text.share()),
    };
    Ok((contents, text, warnings))
}

/// The format that `bytes` are encrypted in, by what is in them; `None` for what is not encrypted.
///
/// Whatever carries the mark of sops is taken for encrypted, so that a bent file is refused and never passed on as it is.
pub fn encrypted_as(path: &str, bytes: &[u8]) -> Option<Format> {
    let has = |mark: &[u8]| bytes.windows(mark.len()).any(|window| window == mark);
    if !has(b"sops") {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?.trim_start_matches('\u{feff}');
    let line_begins = |marks: &[&str]| text.lines().any(|line| marks.iter().any(|mark| line.starts_with(mark)));
    // Without any of these it is a text that speaks of sops, not a file of its making.
    let marked = ["ENC[AES256_GCM", "lastmodified", "mac"].iter().any(|mark| text.contains(mark));
    if !marked {
        return None;
    }
    if line_begins(&["sops_mac=", "sops_version=", "sops_lastmodified=", "sops_age__list_", "sops_pgp__list_"]) {
        return Some(Format::Dotenv);
    }
    if text.trim_start().starts_with('{') {
        return json_with_block(path, text);
    }
    // A comment may stand behind the header.
    if text.lines().any(|line| line.trim_start().starts_with("[sops]")) {
        return Some(Format::Ini);
    }
    if line_begins(&["sops:", "\"sops\":", "'sops':", "? sops", "sops :"]) {
        return Some(Format::Yaml);
    }
    // Written otherwise: indented, in one line, with a tag.
    let block = |document: &Branch| matches!(tree::lookup(document, "sops"), Some(Tree::Map(_)));
    let found = formats::read_plain(text.as_bytes(), Format::Yaml).is_ok_and(|documents| documents.iter().any(block));
    found.then_some(Format::Yaml)
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
        Typed::Bytes(_) => return Err(Fault::Policy("a value is not UTF-8").into()),
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{Contents, File, Opened, unseal};
    use crate::keysource::{KeySource, Keyring, age::generate};
    use crate::model::{Node, RepoPath, Scalar};
    use crate::sops::{Errors, Format, Recipients, Terms, seal};
    use crate::trust::{Local, Tree};

    const SECRET: &str =
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  when: 2026-01-02\nstringData:\n  password: hunter2\n";

    fn keys() -> (Keyring, Recipients) {
        let (identity, recipient) = generate();
        let keys = Keyring::read(vec![("a.agekey".to_owned(), identity)]).unwrap();
        (keys, Recipients { age: vec![recipient], pgp: Vec::new() })
    }

    fn sealed(recipients: &Recipients) -> String {
        let now = "2026-11-23T17:00:00Z".parse().unwrap();
        let selector = Some(("encrypted_regex".to_owned(), "^(data|stringData)$".to_owned()));
        let terms = Terms { groups: vec![recipients.clone()], selector, ..Terms::default() };
        seal(SECRET.as_bytes(), Format::Yaml, &terms, now).unwrap()
    }

    fn opened(files: &[(&str, &str)], keys: &dyn KeySource) -> Result<Opened<Local>, Errors> {
        let path = |path: &str| RepoPath::parse(path).unwrap();
        let files: BTreeMap<_, _> = files.iter().map(|(name, text)| (path(name), text.as_bytes().to_vec())).collect();
        let wanted: BTreeSet<RepoPath> = files.keys().cloned().collect();
        unseal(Tree::local(files).close(&wanted).unwrap(), keys)
    }

    #[test]
    fn decrypted_leaves_are_sealed_and_the_block_is_gone() {
        let (keys, recipients) = keys();
        let opened = opened(&[("db.yaml", &sealed(&recipients))], &keys).unwrap();
        let path = RepoPath::parse("db.yaml").unwrap();
        let Some(File::Sealed(Contents::Documents(documents))) = opened.file(&path) else { panic!("documents") };
        let document = &documents[0];
        assert!(document.at(&["sops"]).is_none());
        assert_eq!(document.at(&["kind"]).and_then(Node::as_text), Some("Secret"));
        assert_eq!(document.at(&["metadata", "when"]).and_then(Node::as_text), Some("2026-01-02T00:00:00Z"));
        let Some(Node::Scalar(Scalar::Sealed(password))) = document.at(&["stringData", "password"]) else {
            panic!("sealed")
        };
        password.expose(|plain| assert_eq!(plain, b"hunter2"));
        opened.text(&path).unwrap().expose(|plain| assert!(plain.ends_with(b"    password: hunter2\n")));
    }

    #[test]
    fn merge_keys_are_expanded_as_by_a_reader_of_what_sops_writes() {
        let (keys, recipients) = keys();
        let path = RepoPath::parse("db.yaml").unwrap();
        let with = |text: &str| {
            let terms = Terms { groups: vec![recipients.clone()], ..Terms::default() };
            let sealed = seal(text.as_bytes(), Format::Yaml, &terms, "2026-11-23T17:00:00Z".parse().unwrap()).unwrap();
            opened(&[("db.yaml", &sealed)], &keys)
        };
        let opened = with("base: &base {user: a, host: h}\ndb:\n  <<: *base\n  user: b\n").unwrap();
        let Some(File::Sealed(Contents::Documents(documents))) = opened.file(&path) else { panic!("documents") };
        let db = documents[0].at(&["db"]).and_then(Node::as_map).unwrap();
        let shown: Vec<_> = db
            .iter()
            .map(|(key, value)| match value {
                Node::Scalar(Scalar::Sealed(value)) => {
                    (key, value.expose(|plain| String::from_utf8(plain.to_vec()).unwrap()))
                }
                _ => panic!("sealed"),
            })
            .collect();
        assert_eq!(shown, [("user", "b".to_owned()), ("host", "h".to_owned())]);
        opened.text(&path).unwrap().expose(|plain| {
            let text = std::str::from_utf8(plain).unwrap();
            assert!(text.contains("\n    !!merge <<:\n        user: a\n"), "{text}");
        });
        let refused = with("kind: Secret\n<<: {stringData: {pin: 1234}}\n").err().unwrap();
        assert_eq!(refused.iter().next().unwrap().code(), "policy");
    }

    #[test]
    fn files_that_are_not_encrypted_need_no_key_and_stay_as_they_are() {
        let plain = "# see sops\nkind: ConfigMap\ndata:\n  note: \"sops: mac\"\n";
        let opened = opened(
            &[("a.yaml", SECRET), ("b.yaml", plain), ("c.json", "{\"a\": {\"sops\": {\"mac\": 1}}}")],
            &Keyring::empty(),
        );
        let opened = opened.unwrap();
        assert!(opened.paths().all(|path| matches!(opened.file(path), Some(File::Plain(_)))));
    }

    #[test]
    fn an_encrypted_file_is_known_however_its_block_is_written() {
        let (keys, recipients) = keys();
        let good = sealed(&recipients);
        let indented = format!("  {}", good.trim_end().replace('\n', "\n  "));
        for text in [
            indented.as_str(),
            &good.replace("\nsops:", "\n!!str sops:"),
            "--- {sops: {mac: x}}\n",
            "\u{feff}sops: {mac: x}\n",
            "[sops] ; comment\nmac = x\n",
            "{\"sops\": {\"mac\": 1}, \"sops\": 2}",
        ] {
            let found = opened(&[("db.yaml", text)], &keys);
            let passed_on =
                found.is_ok_and(|opened| opened.paths().all(|path| matches!(opened.file(path), Some(File::Plain(_)))));
            assert!(!passed_on, "{text}");
        }
    }

    #[test]
    fn every_bent_file_is_named_and_nothing_is_passed_on() {
        let (keys, recipients) = keys();
        let good = sealed(&recipients);
        let without_mac: Vec<&str> = good.lines().filter(|line| !line.contains(" mac: ")).collect();
        let without_mac = without_mac.join("\n");
        let files = [
            ("cut.yaml", &good[..good.len() - 30]),
            ("good.yaml", &good),
            ("name.yaml", &good.replace("name: db", "name: dc")),
            ("without.yaml", &without_mac),
        ];
        let Err(errors) = opened(&files, &keys) else { panic!("must be refused") };
        let found: Vec<_> = errors.iter().map(|error| (error.file(), error.code())).collect();
        assert_eq!(
            found,
            [("cut.yaml", "bad-metadata"), ("name.yaml", "mac-mismatch"), ("without.yaml", "mac-missing")]
        );
    }
}
