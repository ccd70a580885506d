//! Opening the documents of one file: every value, then the MAC, and only then anything is let go.

use super::data_key::data_key;
use super::error::{Fault, shown};
use super::leaf::{self, Cipher, Opened};
use super::mac::Mac;
use super::metadata::{MacCovers, Metadata};
use super::selector::{CommentsBefore, Selector, Subject};
use super::tree::{Branch, Comment, Element, Entry, Leaf, Text, Tree, Typed};
use crate::keysource::KeySource;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// `mac_only_encrypted`: whatever stands in clear may have been changed by anybody.
    MacOnlyEncrypted,
}

/// Opens all `documents` in place.
pub(super) fn open(
    documents: &mut [Branch],
    metadata: &Metadata,
    keys: &dyn KeySource,
) -> Result<Vec<Warning>, Located> {
    let key = data_key(metadata, keys)?;
    let cipher = Cipher::new(&key)?;
    let mut walk = Walk {
        cipher: &cipher,
        selector: &metadata.selector,
        mac: Mac::new(metadata.mac_covers),
        path: Vec::new(),
        comments: CommentsBefore::default(),
    };
    for document in documents.iter_mut() {
        walk.branch(document)?;
    }
    let expected = cipher.open(&metadata.mac, &metadata.modified).map_err(|_| Fault::MacUndecryptable)?;
    let same = match expected {
        Opened::Value(expected) => expected.text.same(&walk.mac.finish()),
        Opened::Comment(_) => false,
    };
    if !same {
        return Err(Fault::MacMismatch.into());
    }
    Ok(match metadata.mac_covers {
        MacCovers::Everything => Vec::new(),
        MacCovers::Encrypted => vec![Warning::MacOnlyEncrypted],
    })
}

struct Walk<'a> {
    cipher: &'a Cipher,
    selector: &'a Selector,
    mac: Mac,
    path: Vec<String>,
    comments: CommentsBefore,
}

impl Walk<'_> {
    fn branch(&mut self, branch: &mut Branch) -> Result<(), Located> {
        self.comments.enter();
        for entry in branch {
            match entry {
                Entry::Comment(comment) => self.comment(comment),
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

    fn list(&mut self, list: &mut [Element]) -> Result<(), Located> {
        self.comments.enter();
        for element in list {
            match element {
                Element::Comment(comment) => self.comment(comment),
                Element::Value(value) => {
                    if let Some(comment) = self.leaf_or_deeper(value)? {
                        *element = Element::Comment(Comment { text: comment, inline: false });
                    }
                    self.comments.passed();
                }
            }
        }
        self.comments.leave();
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
        if !self.selector.encrypts(&self.path, &self.comments, Subject::Value) {
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
            Typed::Bool(_) | Typed::Int(_) | Typed::Float(_) | Typed::Time(_) => {
                return Err(self.here(Fault::ValueMalformed("a value that must be encrypted is in clear")));
            }
        };
        match self.cipher.open(envelope, &self.aad()).map_err(|fault| self.here(fault))? {
            Opened::Comment(text) => Ok(Some(Text::Sealed(text))),
            Opened::Value(value) => {
                self.mac.encrypted(&value.text);
                *tree = Tree::Leaf(Leaf::Sealed(value));
                Ok(None)
            }
        }
    }

    /// Opens a comment; one that does not open stays as it stands. Nothing authenticates comments.
    fn comment(&mut self, comment: &mut Comment) {
        let Text::Open(text) = &comment.text else { return };
        self.comments.met(text);
        if !self.selector.encrypts(&self.path, &self.comments, Subject::Comment) {
            return;
        }
        match self.cipher.open(text, &self.aad()) {
            // sops forgets that a decrypted comment stood behind a value, and writes it above.
            Ok(Opened::Comment(opened)) => *comment = Comment { text: Text::Sealed(opened), inline: false },
            Ok(Opened::Value(opened)) => {
                // sops up to 3.0 wrote comments as `str`; it hashed them as well, and so does every reader.
                self.mac.encrypted(&opened.text);
                comment.text = Text::Sealed(opened.text);
            }
            Err(_) => {}
        }
    }

    fn aad(&self) -> String {
        aad(&self.path)
    }

    fn here(&self, fault: Fault) -> Located {
        Located { fault, place: Some(shown(&self.path.join("."))) }
    }
}

/// What binds a value to its place: the keys down to it, a colon behind each. The root is one colon.
pub(super) fn aad(path: &[String]) -> String {
    let mut aad = path.join(":");
    aad.push(':');
    aad
}
