//! Sealing: a document encrypted so that `sops decrypt`, and we, open it.

use super::error::Fault;
use super::formats::{self, Format};
use super::leaf::{self, Cipher};
use super::mac::Mac;
use super::metadata::MacCovers;
use super::open::aad;
use super::selector::{CommentsBefore, Selector, Subject};
use super::tree::{Branch, Comment, Element, Entry, Leaf, Text, Tree, lookup};
use crate::keysource::age::{RecipientError, wrap as wrap_age};
use crate::keysource::pgp;
use crate::secret::Secret;

/// For whom a file is sealed.
#[derive(Debug, Clone, Default)]
pub struct Recipients {
    /// `age1...`
    pub age: Vec<String>,
    /// Armored OpenPGP certificates.
    pub pgp: Vec<String>,
}

/// Why a document was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The document cannot be read, or not be written.
    #[error(transparent)]
    Document(#[from] Fault),
    /// It is sealed already.
    #[error("the document has a `sops` block; decrypt it first")]
    Sealed,
    /// Nobody could open it.
    #[error("there is no recipient; name at least one")]
    NoRecipient,
    /// A recipient of age.
    #[error(transparent)]
    Age(#[from] RecipientError),
    /// A certificate.
    #[error(transparent)]
    Pgp(#[from] pgp::RecipientError),
    /// The operating system gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
}

/// The version of sops whose format is written.
const VERSION: &str = "3.13.3";

/// `text` (YAML or JSON) with the values encrypted that stand below a key which `encrypted_regex` matches.
pub fn seal(
    text: &str,
    format: Format,
    recipients: &Recipients,
    encrypted_regex: &str,
    now: jiff::Timestamp,
) -> Result<String, SealError> {
    let mut documents = formats::read_plain(text, format)?;
    if documents.iter().any(|document| lookup(document, "sops").is_some()) {
        return Err(SealError::Sealed);
    }
    let key = random_key()?;
    let cipher = Cipher::new(&key)?;
    let selector = Selector::read("encrypted_regex", encrypted_regex)?;
    let selector = selector.expect("`encrypted_regex` is among the fields that say a rule");
    let mut walk = Walk {
        cipher: &cipher,
        selector: &selector,
        mac: Mac::new(MacCovers::Everything),
        path: Vec::new(),
        comments: CommentsBefore::default(),
    };
    for document in &mut documents {
        walk.branch(document)?;
    }
    let modified = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mac = cipher.seal(&walk.mac.finish(), "str", &modified).map_err(SealError::Random)?;
    let age = wrap_for_age(&key, recipients)?;
    let pgp = wrap_for_pgp(&key, recipients, &modified, now)?;
    if age.is_empty() && pgp.is_empty() {
        return Err(SealError::NoRecipient);
    }
    for document in &mut documents {
        document.push(pair("sops", Tree::Map(block(&age, &pgp, encrypted_regex, &modified, &mac))));
    }
    let written = formats::write(&documents, format)?;
    // Ciphertext, and what was to stay in clear.
    Ok(written.expose(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

fn random_key() -> Result<Secret, SealError> {
    let mut key = vec![0; 32];
    getrandom::fill(&mut key).map_err(SealError::Random)?;
    Ok(Secret::new(key))
}

/// One entry of the block: its fields in order of their names.
type Fields = Vec<(&'static str, String)>;

fn wrap_for_age(key: &Secret, recipients: &Recipients) -> Result<Vec<Fields>, SealError> {
    let wrap = |recipient: &String| Ok(vec![("enc", wrap_age(key, recipient)?), ("recipient", recipient.clone())]);
    recipients.age.iter().map(wrap).collect()
}

fn wrap_for_pgp(
    key: &Secret,
    recipients: &Recipients,
    modified: &str,
    now: jiff::Timestamp,
) -> Result<Vec<Fields>, SealError> {
    let wrap = |certificate: &String| {
        let (fingerprint, enc) = pgp::wrap(key, certificate, now)?;
        Ok(vec![("created_at", modified.to_owned()), ("enc", enc), ("fp", fingerprint)])
    };
    recipients.pgp.iter().map(wrap).collect()
}

fn block(age: &[Fields], pgp: &[Fields], regex: &str, modified: &str, mac: &str) -> Branch {
    let mut block = Branch::new();
    entries(&mut block, "age", age);
    block.push(pair("encrypted_regex", Tree::text(regex)));
    block.push(pair("lastmodified", Tree::text(modified)));
    block.push(pair("mac", Tree::text(mac)));
    entries(&mut block, "pgp", pgp);
    block.push(pair("version", Tree::text(VERSION)));
    block
}

fn entries(block: &mut Branch, name: &str, entries: &[Fields]) {
    if !entries.is_empty() {
        let list = entries.iter().map(|fields| {
            Element::Value(Tree::Map(fields.iter().map(|(name, value)| pair(name, Tree::text(value))).collect()))
        });
        block.push(pair(name, Tree::List(list.collect())));
    }
}

fn pair(key: &str, value: Tree) -> Entry {
    Entry::Pair { key: key.to_owned(), value }
}

struct Walk<'a> {
    cipher: &'a Cipher,
    selector: &'a Selector,
    mac: Mac,
    path: Vec<String>,
    comments: CommentsBefore,
}

impl Walk<'_> {
    fn branch(&mut self, branch: &mut Branch) -> Result<(), SealError> {
        self.comments.enter();
        for entry in branch {
            match entry {
                Entry::Comment(comment) => {
                    if let Some(envelope) = self.comment(comment)? {
                        comment.text = Text::Open(envelope);
                    }
                }
                Entry::Pair { key, value } => {
                    self.path.push(key.clone());
                    self.tree(value)?;
                    self.path.pop();
                    self.comments.passed();
                }
            }
        }
        self.comments.leave();
        Ok(())
    }

    fn list(&mut self, list: &mut [Element]) -> Result<(), SealError> {
        self.comments.enter();
        for element in list {
            match element {
                Element::Comment(comment) => {
                    // sops writes an encrypted comment of a list as an element.
                    if let Some(envelope) = self.comment(comment)? {
                        *element = Element::Value(Tree::text(envelope));
                    }
                }
                Element::Value(value) => {
                    self.tree(value)?;
                    self.comments.passed();
                }
            }
        }
        self.comments.leave();
        Ok(())
    }

    fn tree(&mut self, tree: &mut Tree) -> Result<(), SealError> {
        let plain = match tree {
            Tree::Map(branch) => return self.branch(branch),
            Tree::List(list) => return self.list(list),
            Tree::Leaf(Leaf::Open(plain)) => plain,
            Tree::Leaf(Leaf::Sealed(_)) => return Ok(()),
        };
        let Some((bytes, kind)) = leaf::hashed(&plain.typed).filter(|(bytes, _)| !bytes.is_empty()) else {
            return Ok(());
        };
        let value = Secret::new(bytes);
        if !self.selector.encrypts(&self.path, &self.comments, Subject::Value) {
            value.expose(|bytes| self.mac.open(bytes));
            return Ok(());
        }
        self.mac.encrypted(&value);
        *tree = Tree::text(self.cipher.seal(&value, kind, &aad(&self.path)).map_err(SealError::Random)?);
        Ok(())
    }

    /// The envelope of a comment that is to be encrypted.
    fn comment(&mut self, comment: &Comment) -> Result<Option<String>, SealError> {
        let Text::Open(text) = &comment.text else { return Ok(None) };
        self.comments.met(text);
        if text.is_empty() || !self.selector.encrypts(&self.path, &self.comments, Subject::Comment) {
            return Ok(None);
        }
        let text = Secret::new(text.clone().into_bytes());
        self.cipher.seal(&text, "comment", &aad(&self.path)).map(Some).map_err(SealError::Random)
    }
}

#[cfg(test)]
mod tests {
    use super::{Recipients, SealError, seal};
    use crate::keysource::{Keyring, age::generate};
    use crate::sops::{Format, decrypt};

    const MANIFEST: &str = "\
# of nobody
apiVersion: v1
kind: Secret
metadata:
    name: db
stringData:
    # the port's owner
    password: hunter2
    empty: \"\"
    lines: |
        one
        two
";

    fn now() -> jiff::Timestamp {
        "2026-11-23T17:00:00Z".parse().unwrap()
    }

    #[test]
    fn what_is_sealed_opens_to_the_same_text_and_hides_it_meanwhile() {
        let (identity, recipient) = generate();
        let keys = Keyring::read(vec![("a.agekey".to_owned(), identity)]).unwrap();
        let recipients = Recipients { age: vec![recipient], pgp: Vec::new() };
        let sealed = seal(MANIFEST, Format::Yaml, &recipients, "^(data|stringData)$", now()).unwrap();
        assert!(sealed.contains("name: db") && !sealed.contains("hunter2") && !sealed.contains("owner"));
        let opened = decrypt("db.yaml", sealed.as_bytes(), Format::Yaml, Format::Yaml, &keys).unwrap();
        opened.text.expose(|plain| assert_eq!(std::str::from_utf8(plain).unwrap(), MANIFEST));
        let bent = sealed.replace("name: db", "name: dc");
        let refusal = decrypt("db.yaml", bent.as_bytes(), Format::Yaml, Format::Yaml, &keys).err().unwrap();
        assert_eq!(refusal.code(), "mac-mismatch");
    }

    #[test]
    fn a_document_for_nobody_or_sealed_already_is_refused() {
        let sealed = |text, recipients| seal(text, Format::Yaml, &recipients, "^data$", now());
        assert!(matches!(sealed(MANIFEST, Recipients::default()), Err(SealError::NoRecipient)));
        assert!(matches!(sealed("sops: {}\n", Recipients::default()), Err(SealError::Sealed)));
    }
}
