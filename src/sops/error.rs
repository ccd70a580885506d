//! Why an encrypted file was not opened. Names files, places and rules; never a value.

use std::fmt;

use crate::model::Class;

/// One file that was refused.
#[derive(Debug, thiserror::Error)]
#[error("{file}{}: {fault}", At(place.as_deref()))]
pub struct Error {
    file: String,
    place: Option<String>,
    fault: Fault,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not encrypted with sops.
    #[error("there is no sops metadata; encrypt the file with `sops encrypt`")]
    NoMetadata,
    /// The metadata breaks a rule.
    #[error("sops metadata: `{field}` {why}; encrypt the file again with a current sops")]
    BadMetadata {
        /// The field.
        field: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// The file is not of its format.
    #[error("not {format} as sops reads it: {why}")]
    BadFormat {
        /// The format it was read as.
        format: &'static str,
        /// What was found, and where.
        why: String,
    },
    /// A key is there twice; readers would disagree which one counts.
    #[error("the key {key:?} is there twice; keep one of them")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// The metadata lists no recipient at all.
    #[error("the metadata lists no recipient; encrypt the file again with `sops encrypt`")]
    NoKeys,
    /// No key at hand opens it.
    #[error(
        "{} (its recipients: {}){}{}",
        NoneOpens { held, place, none_given },
        List(wanted),
        Because(why),
        Remedy(held)
    )]
    NoUsableKey {
        /// The recipients in the file.
        wanted: Vec<String>,
        /// The public names of the keys at hand.
        held: Vec<String>,
        /// What those are kept in.
        place: String,
        /// That there is no key at hand at all, where that is so, and how to give one.
        none_given: String,
        /// Why entries that looked right were not used.
        why: Vec<&'static str>,
    },
    /// What was unwrapped is not a data key.
    #[error("the data key must have exactly 32 bytes; encrypt the file again with `sops encrypt`")]
    DataKeyInvalid,
    /// A value is not an envelope, or its content is not of its type.
    #[error("{0}; the file was edited without sops. Take it from a good copy")]
    ValueMalformed(&'static str),
    /// A value does not belong to this key, this place or this data key.
    #[error("the value is not authentic here: changed, moved, or of another file. Take it from a good copy")]
    ValueAuth,
    /// There is no MAC.
    #[error("there is no MAC; encrypt the file again with `sops encrypt`")]
    MacMissing,
    /// The MAC is not an authentic envelope.
    #[error("the MAC cannot be read: it or `lastmodified` was changed. Take the file from a good copy")]
    MacUndecryptable,
    /// The MAC is of other content.
    #[error(
        "the MAC does not match: the file was merged or edited without sops, sorted, or cut short. Take it from a good copy and use `sops edit`"
    )]
    MacMismatch,
    /// Larger or deeper than a file may be.
    #[error("{what} exceeds the limit of {limit}")]
    Limit {
        /// What.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
    /// The format allows it, and it is refused nevertheless.
    #[error("{0}")]
    Policy(&'static str),
    /// It opened, and holds nothing in that place.
    #[error("there is nothing at {place}; see its keys, which are in clear, in the file")]
    NoSuchPart {
        /// The place.
        place: String,
    },
    /// It opened, and cannot be written in the form asked for.
    #[error("cannot be written as {format}: {why}")]
    Emit {
        /// The form asked for.
        format: &'static str,
        /// Why.
        why: &'static str,
    },
}

impl Fault {
    /// The stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Fault::NoMetadata => "no-metadata",
            Fault::BadMetadata { .. } => "bad-metadata",
            Fault::BadFormat { .. } => "bad-format",
            Fault::DuplicateKey { .. } => "duplicate-key",
            Fault::NoKeys => "no-keys",
            Fault::NoUsableKey { .. } => "no-usable-key",
            Fault::DataKeyInvalid => "data-key-invalid",
            Fault::ValueMalformed(_) => "value-malformed",
            Fault::ValueAuth => "value-auth",
            Fault::MacMissing => "mac-missing",
            Fault::MacUndecryptable => "mac-undecryptable",
            Fault::MacMismatch => "mac-mismatch",
            Fault::Limit { .. } => "limit",
            Fault::Policy(_) => "policy",
            Fault::NoSuchPart { .. } => "no-such-part",
            Fault::Emit { .. } => "emit",
        }
    }

    /// The fault at `place` (a key path) of `file`.
    pub(super) fn at(self, file: &str, place: Option<String>) -> Error {
        Error { file: file.to_owned(), place, fault: self }
    }
}

impl Error {
    /// The stable word.
    pub fn code(&self) -> &'static str {
        self.fault.code()
    }

    /// The file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The key path inside the file, where one is meant.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// What is wrong.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Who has to act: whoever hands out keys, or whoever commits the file.
    pub fn class(&self) -> Class {
        match self.fault {
            Fault::NoUsableKey { .. } => Class::Misconfigured,
            Fault::NoMetadata
            | Fault::BadMetadata { .. }
            | Fault::BadFormat { .. }
            | Fault::DuplicateKey { .. }
            | Fault::NoKeys
            | Fault::DataKeyInvalid
            | Fault::ValueMalformed(_)
            | Fault::ValueAuth
            | Fault::MacMissing
            | Fault::MacUndecryptable
            | Fault::MacMismatch
            | Fault::Limit { .. }
            | Fault::Policy(_)
            | Fault::NoSuchPart { .. }
            | Fault::Emit { .. } => Class::Refused,
        }
    }
}

/// Every file that was refused, at least one.
#[derive(Debug)]
pub struct Errors(Vec<Error>);

impl Errors {
    /// Says what was refused.
    pub(super) fn new(errors: Vec<Error>) -> Self {
        debug_assert!(!errors.is_empty());
        Self(errors)
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &Error> {
        self.0.iter()
    }

    /// The word of the first one.
    pub fn code(&self) -> &'static str {
        self.0.first().map_or("bug", Error::code)
    }

    /// Who has to act; a missing key goes before a bad file, because it may be the cause of all.
    pub fn class(&self) -> Class {
        if self.0.iter().any(|error| error.class() == Class::Misconfigured) {
            Class::Misconfigured
        } else {
            Class::Refused
        }
    }
}

impl std::error::Error for Errors {}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.iter().take(SHOWN).enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} files more"),
        }
    }
}

/// Files named one by one in a message.
const SHOWN: usize = 20;

/// Characters of one name in a message; names of keys are chosen by whoever wrote the file.
const NAME: usize = 120;

/// Where ciphertext or a key begins.
const NO_NAMES: [&str; 3] = ["ENC[", "AGE-SECRET-KEY-", "-----BEGIN "];

/// `name` as a message may repeat it: on one line, not long, without what a bent line made a name of.
pub(super) fn shown(name: &str) -> String {
    let end = NO_NAMES.iter().filter_map(|mark| name.find(mark)).min().unwrap_or(name.len());
    let mut text: String = name[..end].chars().take(NAME).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.len() < name.len() {
        text.push('…');
    }
    text
}

struct At<'a>(Option<&'a str>);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |place| write!(f, ": {place}"))
    }
}

struct NoneOpens<'a> {
    held: &'a [String],
    place: &'a str,
    none_given: &'a str,
}

impl fmt::Display for NoneOpens<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.held {
            [] => f.write_str(self.none_given),
            held => write!(f, "no key of {} ({}) opens it", self.place, List(held)),
        }
    }
}

/// What to do where the keys at hand are not the right ones.
struct Remedy<'a>(&'a [String]);

impl fmt::Display for Remedy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => Ok(()),
            _ => f.write_str(
                "; add a recipient's private key there, or wrap the file for a key that is there: `sops updatekeys`",
            ),
        }
    }
}

struct List<'a>(&'a [String]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&self.0.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", "))?;
        if self.0.len() > 8 { f.write_str(", …") } else { Ok(()) }
    }
}

struct Because<'a>(&'a [&'static str]);

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|why| write!(f, "; {why}"))
    }
}
