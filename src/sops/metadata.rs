//! The `sops` block: weakly typed as sops reads it, strict in what it may say.

use super::error::{Fault, shown};
use super::floats;
use super::selector::{DEFAULT_SUFFIX, Selector};
use super::stamp::Stamp;
use super::tree::{Branch, Leaf, Plain, Tree, Typed, lookup, pairs, values};
use crate::keysource::Provider;

/// What a file says about its own encryption.
pub(super) struct Metadata {
    pub(super) groups: Vec<Vec<Entry>>,
    /// How many groups are needed, where there are several.
    pub(super) threshold: usize,
    pub(super) selector: Selector,
    pub(super) mac: String,
    /// `lastmodified`, in the form that authenticates the MAC.
    pub(super) modified: String,
    pub(super) mac_covers: MacCovers,
}

/// What the MAC is computed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MacCovers {
    /// Every value.
    Everything,
    /// `mac_only_encrypted`
    Encrypted,
}

/// One wrapped data key, or share of it.
pub(super) struct Entry {
    pub(super) provider: Provider,
    /// Whom it is for. Informational: nothing authenticates it.
    pub(super) recipient: String,
    pub(super) enc: String,
}

/// Bytes of the whole block.
const MAX_METADATA: usize = 1 << 20;
/// Entries over all groups.
const MAX_RECIPIENTS: usize = 256;
/// Bytes of one wrapped key.
const MAX_ENC: usize = 64 << 10;

impl Metadata {
    /// Reads the block.
    ///
    /// Fields nobody knows are ignored, as sops does: 1.x wrote an `attention`.
    pub(super) fn read(block: &Branch) -> Result<Self, Fault> {
        bounded(block)?;
        let modified = required(block, "lastmodified")?;
        let modified = Stamp::rfc3339(&modified).ok_or_else(|| bad("lastmodified", "is not a quoted RFC 3339 time"))?;
        check_version(&required(block, "version")?)?;
        let mac = text(block, "mac")?.unwrap_or_default();
        if mac.is_empty() {
            return Err(Fault::MacMissing);
        }
        let groups = groups(block)?;
        let threshold = threshold(block, groups.len())?;
        Ok(Self {
            groups,
            threshold,
            selector: selector(block)?,
            mac,
            modified: modified.seconds(),
            mac_covers: if truth(block, "mac_only_encrypted")? { MacCovers::Encrypted } else { MacCovers::Everything },
        })
    }
}

fn bad(field: &str, why: &'static str) -> Fault {
    Fault::BadMetadata { field: field.to_owned(), why }
}

fn bounded(block: &Branch) -> Result<(), Fault> {
    fn size(tree: &Tree) -> usize {
        match tree {
            Tree::Leaf(_) => tree.as_text().map_or(8, str::len),
            Tree::List(list) => values(list).map(size).sum(),
            Tree::Map(map) => pairs(map).map(|(key, value)| key.len() + size(value)).sum(),
        }
    }
    let total: usize = pairs(block).map(|(key, value)| key.len() + size(value)).sum();
    if total > MAX_METADATA { Err(Fault::Limit { what: "the sops metadata", limit: MAX_METADATA }) } else { Ok(()) }
}

fn check_version(version: &str) -> Result<(), Fault> {
    // sops itself takes everything that begins so, because 1.x wrote two numbers.
    if version.starts_with("1.") || is_semver(version.strip_prefix('v').unwrap_or(version)) {
        return Ok(());
    }
    Err(bad("version", "is not a version such as 3.13.3"))
}

fn is_semver(version: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let named = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let numeric = |part: &str| !part.is_empty() && digits(part) && (part.len() == 1 || !part.starts_with('0'));
    let (version, build) = version.split_once('+').map_or((version, None), |(version, build)| (version, Some(build)));
    let (core, pre) = version.split_once('-').map_or((version, None), |(core, pre)| (core, Some(pre)));
    core.split('.').count() == 3
        && core.split('.').all(numeric)
        && pre.is_none_or(|pre| pre.split('.').all(|part| named(part) && (!digits(part) || numeric(part))))
        && build.is_none_or(|build| build.split('.').all(named))
}

fn selector(block: &Branch) -> Result<Selector, Fault> {
    let mut found = None;
    for field in Selector::FIELDS {
        let Some(rule) = text(block, field)?.filter(|rule| !rule.is_empty()) else { continue };
        if found.is_some() {
            return Err(bad(field, "is a second rule for what is encrypted; only one may be there"));
        }
        found = Selector::read(field, &rule)?;
    }
    Ok(found.unwrap_or_else(|| Selector::UnencryptedSuffix(DEFAULT_SUFFIX.to_owned())))
}

/// The lists of recipients, in the order in which sops keeps them in a group.
const LISTS: [(&str, Provider, &str); 7] = [
    ("kms", Provider::AwsKms, "arn"),
    ("gcp_kms", Provider::GcpKms, "resource_id"),
    ("hckms", Provider::HuaweiKms, "key_id"),
    ("azure_kv", Provider::AzureKeyVault, "name"),
    ("hc_vault", Provider::Vault, "key_name"),
    ("pgp", Provider::OpenPgp, "fp"),
    ("age", Provider::Age, "recipient"),
];

fn groups(block: &Branch) -> Result<Vec<Vec<Entry>>, Fault> {
    let top = group(block)?;
    let listed = list(block, "key_groups")?;
    let groups = match (top.is_empty(), listed.is_empty()) {
        (true, true) => return Err(Fault::NoKeys),
        (false, true) => vec![top],
        (false, false) => return Err(bad("key_groups", "stands beside recipients outside of any group")),
        (true, false) => {
            let mut groups = Vec::new();
            for member in listed {
                let Tree::Map(member) = member else {
                    return Err(bad("key_groups", "holds something that is not a group"));
                };
                let group = group(member)?;
                if group.is_empty() {
                    return Err(bad("key_groups", "holds a group without recipients"));
                }
                groups.push(group);
            }
            groups
        }
    };
    if groups.iter().map(Vec::len).sum::<usize>() > MAX_RECIPIENTS {
        return Err(Fault::Limit { what: "the number of recipients", limit: MAX_RECIPIENTS });
    }
    Ok(groups)
}

fn group(block: &Branch) -> Result<Vec<Entry>, Fault> {
    let mut entries = Vec::new();
    for (field, provider, name) in LISTS {
        for member in list(block, field)? {
            let Tree::Map(member) = member else { return Err(bad(field, "holds something that is not a recipient")) };
            let enc = text(member, "enc")?.unwrap_or_default();
            if enc.len() > MAX_ENC {
                return Err(Fault::Limit { what: "a wrapped data key", limit: MAX_ENC });
            }
            // One bad date makes sops refuse the whole file, whoever the entry is for.
            if provider != Provider::Age && Stamp::rfc3339(&text(member, "created_at")?.unwrap_or_default()).is_none() {
                return Err(bad("created_at", "is not a quoted RFC 3339 time"));
            }
            entries.push(Entry { provider, recipient: shown(&text(member, name)?.unwrap_or_default()), enc });
        }
    }
    Ok(entries)
}

fn threshold(block: &Branch, groups: usize) -> Result<usize, Fault> {
    let given = match lookup(block, "shamir_threshold") {
        None => 0,
        Some(found) => integer(found).ok_or_else(|| bad("shamir_threshold", "is not a number"))?,
    };
    // With one group sops does not look at it.
    if groups == 1 {
        return Ok(1);
    }
    match usize::try_from(given) {
        Ok(1) => Err(Fault::NoUsableKey {
            wanted: Vec::new(),
            held: Vec::new(),
            place: "the keys given".to_owned(),
            none_given: "no key can open it".to_owned(),
            why: vec!["one part cannot be combined; `shamir_threshold` must be at least 2"],
        }),
        Ok(threshold) if (2..=groups).contains(&threshold) => Ok(threshold),
        _ => Err(bad("shamir_threshold", "must lie between 2 and the number of key groups")),
    }
}

/// A list; a lone map counts as a list of one, null as none.
fn list<'a>(block: &'a Branch, field: &str) -> Result<Vec<&'a Tree>, Fault> {
    match lookup(block, field) {
        None | Some(Tree::Leaf(Leaf::Open(Plain { typed: Typed::Null, .. }))) => Ok(Vec::new()),
        Some(Tree::List(found)) => Ok(values(found).collect()),
        Some(found @ Tree::Map(map)) => Ok(if map.is_empty() { Vec::new() } else { vec![found] }),
        Some(Tree::Leaf(_)) if text(block, field)?.is_some_and(|text| text.is_empty()) => Ok(Vec::new()),
        Some(Tree::Leaf(_)) => Err(bad(field, "is not a list")),
    }
}

fn required(block: &Branch, field: &str) -> Result<String, Fault> {
    text(block, field)?.filter(|text| !text.is_empty()).ok_or_else(|| bad(field, "is missing"))
}

/// A text; numbers and truth values are written out, null is absent.
fn text(block: &Branch, field: &str) -> Result<Option<String>, Fault> {
    match lookup(block, field) {
        None => Ok(None),
        Some(Tree::Leaf(Leaf::Open(plain))) => match &plain.typed {
            Typed::Null => Ok(None),
            Typed::Text(text) => Ok(Some(text.clone())),
            Typed::Int(number) => Ok(Some(number.to_string())),
            Typed::Float(number) => Ok(Some(floats::plain(*number))),
            Typed::Bool(truth) => Ok(Some(if *truth { "1" } else { "0" }.to_owned())),
            Typed::Time(_) => Err(bad(field, "must be in quotes")),
            Typed::Bytes(_) => Err(bad(field, "is not a text")),
        },
        Some(Tree::Leaf(Leaf::Sealed(_)) | Tree::List(_) | Tree::Map(_)) => Err(bad(field, "is not a text")),
    }
}

fn truth(block: &Branch, field: &str) -> Result<bool, Fault> {
    let refuse = || bad(field, "is not true or false");
    match lookup(block, field) {
        None => Ok(false),
        Some(Tree::Leaf(Leaf::Open(plain))) => match &plain.typed {
            Typed::Null => Ok(false),
            Typed::Bool(truth) => Ok(*truth),
            Typed::Int(number) => Ok(*number != 0),
            Typed::Text(text) if text.is_empty() => Ok(false),
            Typed::Text(text) => super::leaf::go_bool(text).ok_or_else(refuse),
            Typed::Float(number) => Ok(*number != 0.0),
            Typed::Time(_) | Typed::Bytes(_) => Err(refuse()),
        },
        Some(_) => Err(refuse()),
    }
}

fn integer(tree: &Tree) -> Option<i64> {
    let Tree::Leaf(Leaf::Open(plain)) = tree else { return None };
    match &plain.typed {
        Typed::Null => Some(0),
        Typed::Bool(truth) => Some(i64::from(*truth)),
        Typed::Int(number) => Some(*number),
        Typed::Text(text) if text.is_empty() => Some(0),
        Typed::Text(text) => text.parse().ok(),
        // sops cuts a fraction off; here it is refused.
        Typed::Float(number) => floats::plain(*number).parse().ok(),
        Typed::Time(_) | Typed::Bytes(_) => None,
    }
}
