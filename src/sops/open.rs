//! Opening the documents of one file: every value, then the MAC, and only then anything is let go.

use super::data_key::DataKey;
use super::error::Fault;
use super::leaf::{self, Cipher, Opened};
use super::mac::Mac;
use super::metadata::{MacCovers, Metadata};
use super::place::{Place, Subject};
use super::tree::{Branch, Comment, Element, Entry, Leaf, Text, Tree, Typed};

/// A fault, and the key path it is at.
pub(super) struct Located {
    pub(super) fault: Fault,
    pub(super) place: Option<String>,
}

impl From<Fault> for Located {
    fn from(fault: Fault) -> Self {
        Self { fault, place: None }
    }
}

/// Something of a file that is worth a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// `mac_only_encrypted`: whatever stands in clear may have been changed by anybody.
    #[error("only encrypted values are authenticated; what stands in clear may have been changed")]
    MacOnlyEncrypted,
}

/// What a comment stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Map,
    List,
}

/// Opens all `documents` in place.
pub(super) fn open(documents: &mut [Branch], metadata: &Metadata, key: &DataKey) -> Result<Vec<Warning>, Located> {
    let cipher = Cipher::new(&key.key)?;
    let mut walk = Walk {
        cipher: &cipher,
        mac: Mac::new(metadata.mac_covers),
        place: Place::new(&metadata.selector),
        old: metadata.modified.as_str() < COMMENTS_HAVE_A_TYPE,
        misfit: false,
    };
    for document in documents.iter_mut() {
        walk.branch(document)?;
    }
    let expected = cipher.open(&metadata.mac, &metadata.modified).map_err(|_| Fault::MacUndecryptable)?;
    let same = match expected {
        Opened::Value(expected) => expected.text.same(&walk.mac.finish()),
        Opened::Comment(_) | Opened::Misfit(_) => false,
    };
    if walk.misfit || !same {
        return Err(Fault::MacMismatch.into());
    }
    Ok(match metadata.mac_covers {
        MacCovers::Everything => Vec::new(),
        MacCovers::Encrypted => vec![Warning::MacOnlyEncrypted],
    })
}

/// Files that were changed later have comments whose envelopes say so; until then sops wrote them as text. The MAC
/// authenticates when that was.
const COMMENTS_HAVE_A_TYPE: &str = "2019-01-01T00:00:00Z";

struct Walk<'a> {
    cipher: &'a Cipher,
    mac: Mac,
    place: Place<'a>,
    /// The file is of a time when comments were encrypted as text.
    old: bool,
    /// A value was not of the type it claims. Said as if the MAC were wrong, and only at the end: nothing authenticates
    /// the claim, and whoever may edit it could otherwise ask about the value.
    misfit: bool,
}

impl Walk<'_> {
    fn branch(&mut self, branch: &mut Branch) -> Result<(), Located> {
        self.place.enter();
        for entry in branch {
            match entry {
                Entry::Comment(comment) => self.comment(comment, Within::Map)?,
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

    fn list(&mut self, list: &mut [Element]) -> Result<(), Located> {
        self.place.enter();
        for element in list {
            match element {
                Element::Comment(comment) => self.comment(comment, Within::List)?,
                Element::Value(value) => {
                    if let Some(comment) = self.leaf_or_deeper(value)? {
                        *element = Element::Comment(Comment { text: comment, inline: false });
                    }
                    self.place.passed();
                }
            }
        }
        self.place.leave();
        Ok(())
    }

    fn tree(&mut self, tree: &mut Tree) -> Result<(), Located> {
        match self.leaf_or_deeper(tree)? {
            None => Ok(()),
            Some(_) => Err(self.here(Fault::ValueMalformed("a comment stands where a value belongs"))),
        }
    }

    /// Opens `tree` in place; the text, where it was a comment in disguise.
    fn leaf_or_deeper(&mut self, tree: &mut Tree) -> Result<Option<Text>, Located> {
        let plain = match tree {
            Tree::List(list) => return self.list(list).map(|()| None),
            Tree::Map(map) => return self.branch(map).map(|()| None),
            Tree::Leaf(Leaf::Open(plain)) => plain,
            Tree::Leaf(Leaf::Sealed(_)) => return Ok(None),
        };
        if !self.place.encrypts(Subject::Value) {
            if let Some((bytes, _)) = leaf::hashed(&plain.typed) {
                self.mac.open(&bytes);
            }
            return Ok(None);
        }
        let envelope = match &plain.typed {
            // Never encrypted, never hashed; and the empty text is itself encrypted.
            Typed::Null => return Ok(None),
            Typed::Text(text) if text.is_empty() => return Ok(None),
            Typed::Text(text) => text,
            Typed::Bool(_) | Typed::Int(_) | Typed::Float(_) | Typed::Time(_) | Typed::Bytes(_) => {
                return Err(self.here(Fault::ValueMalformed("a value that must be encrypted is in clear")));
            }
        };
        match self.cipher.open(envelope, self.place.bound()).map_err(|fault| self.here(fault))? {
            Opened::Comment(text) => Ok(Some(Text::Sealed(text))),
            Opened::Value(value) => {
                self.mac.encrypted(&value.text);
                *tree = Tree::Leaf(Leaf::Sealed(value));
                Ok(None)
            }
            Opened::Misfit(text) => {
                self.mac.encrypted(&text);
                self.misfit = true;
                Ok(None)
            }
        }
    }

    /// Opens a comment; one that does not open stays as it stands. Nothing authenticates comments.
    fn comment(&mut self, comment: &mut Comment, within: Within) -> Result<(), Located> {
        let Text::Open(text) = &comment.text else { return Ok(()) };
        self.place.met(text)?;
        if !self.place.encrypts(Subject::Comment) {
            return Ok(());
        }
        match self.cipher.open(text, self.place.bound()) {
            // sops forgets that a decrypted comment stood behind a value, and writes it above.
            Ok(Opened::Comment(opened)) => *comment = Comment { text: Text::Sealed(opened), inline: false },
            // Hashed as a value, it would let whoever may edit the file take a value away under a good MAC.
            Ok(opened) if self.old && within == Within::Map => {
                let text = opened.into_text();
                self.mac.encrypted(&text);
                comment.text = Text::Sealed(text);
            }
            Ok(_) => return Err(self.here(Fault::ValueMalformed("a value stands where a comment belongs"))),
            Err(fault @ Fault::Policy(_)) => return Err(self.here(fault)),
            Err(_) => {}
        }
        Ok(())
    }

    fn here(&self, fault: Fault) -> Located {
        Located { fault, place: Some(self.place.shown()) }
    }
}
