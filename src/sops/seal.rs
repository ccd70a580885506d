//! Sealing: a document encrypted so that `sops decrypt`, and we, open it.

use super::data_key::DataKey;
use super::error::Fault;
use super::formats::{self, Format};
use super::leaf::{self, Cipher};
use super::mac::Mac;
use super::metadata::{MacCovers, Metadata};
use super::open;
use super::place::{Place, Subject};
use super::selector::{DEFAULT_SUFFIX, Selector};
use super::shamir;
use super::tree::{Branch, Comment, Element, Entry, Leaf, Text, Tree};
use crate::keysource::age::{RecipientError, wrap as wrap_age};
use crate::keysource::pgp;
use crate::secret::Secret;

/// A group of recipients, each of whom can open what the group is given.
#[derive(Debug, Clone, Default)]
pub struct Recipients {
    /// `age1...`, `age1pq1...`, `ssh-ed25519 ...`, `ssh-rsa ...`
    pub age: Vec<String>,
    /// Armored OpenPGP certificates.
    pub pgp: Vec<String>,
}

/// For whom a file is sealed, and what of it.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// One group: each of its recipients opens the file. Several: each group gets a part of the key.
    pub groups: Vec<Recipients>,
    /// How many of several groups are needed; all where not given.
    pub threshold: Option<usize>,
    /// The field of the metadata that says what is encrypted (`encrypted_regex`, ...), and its text. Not for binary files.
    pub selector: Option<(String, String)>,
    /// Whether the MAC covers only what is encrypted.
    pub mac_only_encrypted: bool,
}

/// Why a document was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The document cannot be read, or not be written.
    #[error(transparent)]
    Document(#[from] Fault),
    /// It is sealed already.
    #[error("it has a `sops` block already; decrypt it first")]
    Sealed,
    /// There is nowhere to put a `sops` block.
    #[error("it holds no document; there must be at least one")]
    Empty,
    /// Nobody could open it.
    #[error("there is no recipient; name at least one in each group")]
    NoRecipient,
    /// Parts of a key that nobody could put together, or that one part gives away.
    #[error("the threshold must lie between 2 and the number of key groups, which is {groups}")]
    Threshold {
        /// Groups there are.
        groups: usize,
    },
    /// A recipient of age.
    #[error("recipient {}: {source}", shown(recipient))]
    Age {
        /// The recipient.
        recipient: String,
        /// Why not.
        source: RecipientError,
    },
    /// A certificate.
    #[error(transparent)]
    Pgp(#[from] pgp::RecipientError),
    /// The operating system gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
}

impl SealError {
    /// The stable word.
    pub fn code(&self) -> &'static str {
        match self {
            SealError::Document(fault) => fault.code(),
            SealError::Sealed => "already-encrypted",
            SealError::Empty => "no-document",
            SealError::NoRecipient => "no-keys",
            SealError::Threshold { .. } => "bad-threshold",
            SealError::Age { .. } | SealError::Pgp(_) => "bad-recipient",
            SealError::Random(_) => "no-random",
        }
    }
}

/// A recipient as it may be shown: who confuses the halves of a key gives a private one, which must not reach a log.
fn shown(recipient: &str) -> String {
    let public = recipient.starts_with("age1") || recipient.starts_with("ssh-");
    if public && !recipient.to_ascii_uppercase().contains("SECRET-KEY") {
        return format!("{recipient:?}");
    }
    "(not shown: it does not begin with `age1` or `ssh-`; `age-keygen -y FILE` prints the public half of a key)"
        .to_owned()
}

/// The version of sops whose format is written.
const VERSION: &str = "3.13.3";

/// `plain` encrypted under `terms`, in the same format.
pub fn seal(plain: &[u8], format: Format, terms: &Terms, now: jiff::Timestamp) -> Result<String, SealError> {
    let mut documents = formats::read_plain(plain, format)?;
    if format != Format::Binary && documents.iter().any(|document| formats::has_block(document, format)) {
        return Err(SealError::Sealed);
    }
    if documents.is_empty() {
        return Err(SealError::Empty);
    }
    let key = random_key()?;
    let cipher = Cipher::new(&key)?;
    let (field, rule) = match &terms.selector {
        Some((field, rule)) if format != Format::Binary => (field.as_str(), rule.as_str()),
        _ => ("unencrypted_suffix", DEFAULT_SUFFIX),
    };
    let unknown = || Fault::BadMetadata { field: field.to_owned(), why: "is not a rule for what is encrypted" };
    let selector = Selector::read(field, rule)?.ok_or_else(unknown)?;
    let covers = if terms.mac_only_encrypted { MacCovers::Encrypted } else { MacCovers::Everything };
    let mut walk = Walk { cipher: &cipher, mac: Mac::new(covers), place: Place::new(&selector) };
    for document in &mut documents {
        walk.branch(document)?;
    }
    let modified = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mac = cipher.seal(&walk.mac.finish(), "str", &modified).map_err(SealError::Random)?;

    let mut block = wrapped(&key, terms, &modified, now)?;
    block.push(text("lastmodified", &modified));
    block.push(text("mac", &mac));
    block.push(text(field, rule));
    if terms.mac_only_encrypted {
        block.push(Entry::Pair { key: "mac_only_encrypted".to_owned(), value: Tree::truth(true) });
    }
    block.push(text("version", VERSION));
    let written = formats::write_encrypted(documents, &block, format)?;
    // Ciphertext, and what was to stay in clear.
    let sealed = written.expose(|bytes| String::from_utf8_lossy(bytes).into_owned());
    check_opens(&sealed, format, key)?;
    Ok(sealed)
}

/// Opens what was sealed: what reads as something else once it is written, as a key that begins with `#` does in INI, would be
/// lost with the clear file that it replaces.
fn check_opens(sealed: &str, format: Format, key: Secret) -> Result<(), SealError> {
    let mut read = formats::read(sealed.as_bytes(), format)?;
    let metadata = Metadata::read(&read.block)?;
    let opened = open::open(&mut read.documents, &metadata, &DataKey { key, by: Vec::new() });
    let why = "it would not open again: a name or a value in it reads as something else once it is written";
    opened.map(drop).map_err(|_| Fault::Emit { format: format.name(), why }.into())
}

fn random_key() -> Result<Secret, SealError> {
    let mut key = vec![0; 32];
    getrandom::fill(&mut key).map_err(SealError::Random)?;
    Ok(Secret::new(key))
}

/// The key, or its parts, for all recipients.
fn wrapped(key: &Secret, terms: &Terms, modified: &str, now: jiff::Timestamp) -> Result<Branch, SealError> {
    match terms.groups.as_slice() {
        [] => Err(SealError::NoRecipient),
        [group] => wrapped_for(key, group, modified, now),
        groups => {
            let threshold = terms.threshold.unwrap_or(groups.len());
            if !(2..=groups.len()).contains(&threshold) || groups.len() > 255 {
                return Err(SealError::Threshold { groups: groups.len() });
            }
            let parts = shamir::split(key, groups.len(), threshold).map_err(SealError::Random)?;
            let groups = groups.iter().zip(&parts);
            let groups = groups.map(|(group, part)| wrapped_for(part, group, modified, now).map(Tree::Map));
            let list = groups.map(|group| group.map(Element::Value)).collect::<Result<_, _>>()?;
            let number = i64::try_from(threshold).map_err(|_| SealError::Threshold { groups: threshold })?;
            Ok(vec![
                Entry::Pair { key: "shamir_threshold".to_owned(), value: Tree::number(number) },
                Entry::Pair { key: "key_groups".to_owned(), value: Tree::List(list) },
            ])
        }
    }
}

fn wrapped_for(
    key: &Secret,
    recipients: &Recipients,
    modified: &str,
    now: jiff::Timestamp,
) -> Result<Branch, SealError> {
    let mut block = Branch::new();
    let mut list = |name: &str, entries: Vec<Branch>| {
        if !entries.is_empty() {
            let entries = entries.into_iter().map(|entry| Element::Value(Tree::Map(entry))).collect();
            block.push(Entry::Pair { key: name.to_owned(), value: Tree::List(entries) });
        }
    };
    let for_pgp = |certificate: &String| {
        let (fingerprint, enc) = pgp::wrap(key, certificate, now)?;
        Ok(vec![text("created_at", modified), text("enc", &enc), text("fp", &fingerprint)])
    };
    list("pgp", recipients.pgp.iter().map(for_pgp).collect::<Result<_, SealError>>()?);
    let for_age = |recipient: &String| {
        let enc = wrap_age(key, recipient);
        let enc = enc.map_err(|source| SealError::Age { recipient: recipient.clone(), source })?;
        Ok(vec![text("recipient", recipient), text("enc", &enc)])
    };
    list("age", recipients.age.iter().map(for_age).collect::<Result<_, SealError>>()?);
    if block.is_empty() { Err(SealError::NoRecipient) } else { Ok(block) }
}

fn text(key: &str, value: &str) -> Entry {
    Entry::Pair { key: key.to_owned(), value: Tree::text(value) }
}

struct Walk<'a> {
    cipher: &'a Cipher,
    mac: Mac,
    place: Place<'a>,
}

impl Walk<'_> {
    fn branch(&mut self, branch: &mut Branch) -> Result<(), SealError> {
        self.place.enter();
        for entry in branch {
            match entry {
                Entry::Comment(comment) => {
                    if let Some(envelope) = self.comment(comment)? {
                        comment.text = Text::Open(envelope);
                    }
                }
                Entry::Pair { key, value } => {
                    self.place.push(key)?;
                    self.tree(value)?;
                    self.place.pop();
                    self.place.passed();
                }
            }
        }
        self.place.leave();
        Ok(())
    }

    fn list(&mut self, list: &mut [Element]) -> Result<(), SealError> {
        self.place.enter();
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
                    self.place.passed();
                }
            }
        }
        self.place.leave();
        Ok(())
    }

    fn tree(&mut self, tree: &mut Tree) -> Result<(), SealError> {
        let (value, kind) = match tree {
            Tree::Map(branch) => return self.branch(branch),
            Tree::List(list) => return self.list(list),
            Tree::Leaf(Leaf::Open(plain)) => match leaf::hashed(&plain.typed) {
                Some((bytes, kind)) if !bytes.is_empty() => (Secret::new(bytes), kind),
                // Nothing, and the empty text, are never encrypted.
                _ => return Ok(()),
            },
            Tree::Leaf(Leaf::Sealed(sealed)) => (sealed.text.share(), sealed.kind.name()),
        };
        if !self.place.encrypts(Subject::Value) {
            value.expose(|bytes| self.mac.open(bytes));
            return Ok(());
        }
        self.mac.encrypted(&value);
        *tree = Tree::text(self.cipher.seal(&value, kind, self.place.bound()).map_err(SealError::Random)?);
        Ok(())
    }

    /// The envelope of a comment that is to be encrypted.
    fn comment(&mut self, comment: &Comment) -> Result<Option<String>, SealError> {
        let Text::Open(text) = &comment.text else { return Ok(None) };
        self.place.met(text)?;
        if text.is_empty() || !self.place.encrypts(Subject::Comment) {
            return Ok(None);
        }
        let text = Secret::new(text.clone().into_bytes());
        let envelope = self.cipher.seal(&text, "comment", self.place.bound()).map_err(SealError::Random)?;
        // Whoever opens the file sees the envelope, and would take what follows for clear.
        if self.place.leaves_clear(&envelope) {
            return Err(SealError::Document(Fault::Policy(
                "`unencrypted_comment_regex` matches a comment once it is encrypted; let it match whole words of clear comments only",
            )));
        }
        Ok(Some(envelope))
    }
}

#[cfg(test)]
mod tests {
    use super::{Recipients, SealError, Terms, seal};
    use crate::keysource::{Keyring, age::generate};
    use crate::secret::Secret;
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

    /// sops 3.13.3 writes `#1 = ENC[...]`, and loses the value.
    #[test]
    fn a_name_that_would_read_as_a_comment_is_refused() {
        let (_, recipient) = generate();
        let group = Recipients { age: vec![recipient], pgp: Vec::new() };
        let terms = Terms { groups: vec![group], ..Terms::default() };
        for lost in ["[s]\n- = hello\nb = 2\n", "[s]\n`#a` = hello\n", "[s]\n`;a` = hello\n", "[s]\n`[a` = hello\n"] {
            let error = seal(lost.as_bytes(), Format::Ini, &terms, now()).unwrap_err();
            assert!(error.to_string().contains("it would not open again"), "{lost}: {error}");
        }
        assert!(seal(b"[s]\na#b = hello\n", Format::Ini, &terms, now()).is_ok());
    }

    fn terms(groups: Vec<Recipients>) -> Terms {
        let selector = Some(("encrypted_regex".to_owned(), "^(data|stringData)$".to_owned()));
        Terms { groups, selector, ..Terms::default() }
    }

    fn somebody() -> (Keyring, Recipients) {
        let (identity, recipient) = generate();
        let keys = Keyring::read(vec![("a.agekey".to_owned(), identity)]).unwrap();
        (keys, Recipients { age: vec![recipient], pgp: Vec::new() })
    }

    #[test]
    fn what_is_sealed_opens_to_the_same_text_and_hides_it_meanwhile() {
        let (keys, recipients) = somebody();
        let sealed = seal(MANIFEST.as_bytes(), Format::Yaml, &terms(vec![recipients]), now()).unwrap();
        assert!(sealed.contains("name: db") && !sealed.contains("hunter2") && !sealed.contains("owner"));
        let opened = decrypt("db.yaml", sealed.as_bytes(), Format::Yaml, Format::Yaml, &keys).unwrap();
        opened.text.expose(|plain| assert_eq!(std::str::from_utf8(plain).unwrap(), MANIFEST));
        let bent = sealed.replace("name: db", "name: dc");
        let refusal = decrypt("db.yaml", bent.as_bytes(), Format::Yaml, Format::Yaml, &keys).err().unwrap();
        assert_eq!(refusal.code(), "mac-mismatch");
    }

    #[test]
    fn every_format_is_sealed_and_opens_to_the_same_bytes() {
        let (keys, recipients) = somebody();
        let terms = Terms { groups: vec![recipients], ..Terms::default() };
        for (format, plain) in [
            (Format::Dotenv, &b"# hunter2\nA=one\nB=\nC=two\\nlines\n"[..]),
            (Format::Ini, b"[s]\n; hunter2\na = one\nb = `k=v # kept`\n\n[t]\nc = \n"),
            (Format::Ini, "[é]\né   = 1\nlong = 2\n".as_bytes()),
            (Format::Json, b"{\n\t\"hunter2\": 1,\n\t\"l\": [\n\t\ttrue,\n\t\tnull\n\t]\n}\n"),
            (Format::Binary, b"\0hunter2\xff"),
            (Format::Binary, b""),
        ] {
            let sealed = seal(plain, format, &terms, now()).unwrap();
            assert_eq!(sealed.contains("hunter2"), format == Format::Json, "{sealed}");
            let opened = decrypt("x", sealed.as_bytes(), format, format, &keys).unwrap();
            opened.text.expose(|found| assert_eq!(found, plain, "{}", format.name()));
        }
    }

    #[test]
    fn as_many_groups_as_the_threshold_says_open_the_file() {
        let (first, second, third) = (generate(), generate(), generate());
        let group = |recipient: &String| Recipients { age: vec![recipient.clone()], pgp: Vec::new() };
        let groups = vec![group(&first.1), group(&second.1), group(&third.1)];
        let sealed = seal(MANIFEST.as_bytes(), Format::Yaml, &Terms { threshold: Some(2), ..terms(groups) }, now());
        let sealed = sealed.unwrap();
        let opens = |identities: &[&Secret]| {
            let files = identities.iter().enumerate().map(|(at, key)| (format!("{at}.agekey"), key.share()));
            let keys = Keyring::read(files.collect()).unwrap();
            decrypt("x", sealed.as_bytes(), Format::Yaml, Format::Yaml, &keys).is_ok()
        };
        assert!(
            opens(&[&first.0, &third.0]) && opens(&[&second.0, &third.0]) && opens(&[&first.0, &second.0, &third.0])
        );
        assert!(!opens(&[&first.0]));
    }

    #[test]
    fn a_comment_that_would_look_like_a_clear_one_once_encrypted_is_refused() {
        let (keys, recipients) = somebody();
        let sealed = |regex: &str| {
            let selector = Some(("unencrypted_comment_regex".to_owned(), regex.to_owned()));
            let terms = Terms { groups: vec![recipients.clone()], selector, ..Terms::default() };
            seal(b"# hello\na: 1\n# clear\nb: 2\n", Format::Yaml, &terms, now())
        };
        let good = sealed("^ clear$").unwrap();
        assert!(good.contains("\n# clear\nb: 2\n") && !good.contains("hello"), "{good}");
        assert!(decrypt("x", good.as_bytes(), Format::Yaml, Format::Yaml, &keys).is_ok());
        // Its reader would take `a` for clear.
        assert_eq!(sealed("clear|ENC").err().map(|error| error.code()), Some("policy"));
    }

    #[test]
    fn what_only_some_readers_take_for_the_end_of_a_line_is_kept() {
        let (keys, recipients) = somebody();
        let clear = Some(("encrypted_regex".to_owned(), "^never$".to_owned()));
        for selector in [None, clear] {
            let terms = Terms { groups: vec![recipients.clone()], selector, ..Terms::default() };
            let plain = "a: \"one: \\Ltwo: \\P\"\nb: !!binary gIGC\nc: \"\\uFEFFx\"\n";
            let sealed = seal(plain.as_bytes(), Format::Yaml, &terms, now()).unwrap();
            let opened = decrypt("x", sealed.as_bytes(), Format::Yaml, Format::Json, &keys).unwrap();
            opened.text.expose(|found| {
                let expected =
                    "{\n\t\"a\": \"one: \\u2028two: \\u2029\",\n\t\"b\": \"\\ufffd\\ufffd\\ufffd\",\n\t\"c\": \"\u{feff}x\"\n}\n";
                assert_eq!(std::str::from_utf8(found).unwrap(), expected);
            });
        }
    }

    #[test]
    fn a_document_for_nobody_or_sealed_already_is_refused() {
        let sealed = |text: &str, groups, threshold| {
            seal(text.as_bytes(), Format::Yaml, &Terms { threshold, ..terms(groups) }, now())
        };
        let (_, somebody) = somebody();
        let two = || vec![somebody.clone(), somebody.clone()];
        assert!(matches!(sealed(MANIFEST, vec![], None), Err(SealError::NoRecipient)));
        assert!(matches!(sealed(MANIFEST, vec![Recipients::default()], None), Err(SealError::NoRecipient)));
        assert!(matches!(sealed(MANIFEST, two(), Some(1)), Err(SealError::Threshold { .. })));
        assert!(matches!(sealed(MANIFEST, two(), Some(3)), Err(SealError::Threshold { .. })));
        assert!(matches!(sealed("sops: {}\n", two(), None), Err(SealError::Sealed)));
        assert!(matches!(sealed("# only a comment\n", two(), None), Err(SealError::Empty)));
        let terms = terms(vec![somebody.clone()]);
        let no_name = seal(b"[s]\na\"b`c = 1\n", Format::Ini, &terms, now()).err().map(|error| error.code());
        assert_eq!(no_name, Some("emit"));
    }
}
