//! The grammar of commits and tags on raw bytes, and the bytes that a signature covers.
//!
//! Stricter than Git: what two readers could take differently is refused. Nothing is ever written again from its parts:
//! the payload is the raw object minus exactly one header.

use std::collections::HashSet;

use crate::git::{Algorithm, Oid};

use super::Reason;
use super::fault::{Fault, Judgement};

/// Upper bound on a commit or tag, in bytes.
pub(super) const MAX_COMMIT: u64 = 1 << 20;
/// Upper bound on the parents of a commit.
const MAX_PARENTS: usize = 64;
/// Upper bound on the parents of a commit that is not judged, however old: the largest merge that is known has 66.
const MAX_OLD_PARENTS: usize = 1024;
/// Upper bound on a signature, armor included, in bytes.
const MAX_SIGNATURE: usize = 32 << 10;
/// Dates lie below this many seconds after 1970 (the year 36812).
const MAX_DATE: i64 = 1 << 40;

/// Author, committer or tagger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ident {
    /// The address; `None` where the brackets around it are ambiguous.
    pub(super) email: Option<String>,
    /// Seconds since 1970.
    pub(super) date: i64,
}

/// A signed object taken apart.
#[derive(Debug)]
pub(super) struct Signed {
    /// The armored signature, lines without their continuation blanks; `None` where there is none.
    pub(super) signature: Option<Vec<u8>>,
    /// The bytes the signature must cover.
    pub(super) payload: Vec<u8>,
}

/// A commit that keeps to the grammar.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) tree: Oid,
    pub(super) parents: Vec<Oid>,
    pub(super) committer: Ident,
    pub(super) signed: Signed,
}

/// An annotated tag that keeps to the grammar.
#[derive(Debug)]
pub(super) struct Tag {
    pub(super) target: Oid,
    /// The type the tag claims for its target, such as `commit`.
    pub(super) target_type: String,
    pub(super) name: String,
    pub(super) tagger: Ident,
    pub(super) signed: Signed,
}

/// Reads a commit.
pub(super) fn commit(raw: &[u8], algorithm: Algorithm) -> Judgement<Commit> {
    refuse_nul(raw)?;
    let mut lines = Lines::new(raw);
    let tree = lines.id("tree", algorithm)?.ok_or_else(|| malformed("the first header is not `tree`"))?;
    let mut parents = Vec::new();
    while let Some(parent) = lines.id("parent", algorithm)? {
        if parents.contains(&parent) {
            return Err(malformed(format!("parent {parent} is named twice")));
        }
        if parents.len() == MAX_PARENTS {
            return Err(Fault::new(Reason::LimitExceeded, format!("more than {MAX_PARENTS} parents")));
        }
        parents.push(parent);
    }
    lines.ident("author")?;
    let committer = lines.ident("committer")?;
    let signed = lines.other_headers(raw, algorithm)?;
    Ok(Commit { tree, parents, committer, signed })
}

/// Reads an annotated tag.
pub(super) fn tag(raw: &[u8], algorithm: Algorithm) -> Judgement<Tag> {
    refuse_nul(raw)?;
    let mut lines = Lines::new(raw);
    let target = lines.id("object", algorithm)?.ok_or_else(|| malformed("the first header is not `object`"))?;
    let target_type = lines.text("type")?;
    let name = lines.text("tag")?;
    let tagger = lines.ident("tagger")?;
    match lines.next() {
        Some(b"") => {}
        Some(line) if line.starts_with(b"gpgsig") => {
            return Err(Fault::new(Reason::MalformedSignature, "the tag has a signature header beside its body"));
        }
        Some(_) | None => return Err(malformed("an unknown header behind `tagger`, or no blank line")),
    }
    let body = lines.at;
    let start = line_starts(raw, body).find(|&at| starts_signature(&raw[at..]));
    let signed = match start {
        None => Signed { signature: None, payload: raw.to_vec() },
        Some(at) if raw.len() - at > MAX_SIGNATURE => return Err(signature_too_large()),
        Some(at) => Signed { signature: Some(raw[at..].to_vec()), payload: raw[..at].to_vec() },
    };
    Ok(Tag { target, target_type, name, tagger, signed })
}

/// Tree, parents (each once) and committer date as Git itself reads them, for what is below the history to be judged: it was
/// applied or pinned, and may be older than any rule.
pub(super) fn links(raw: &[u8], algorithm: Algorithm) -> Judgement<(Oid, Vec<Oid>, i64)> {
    let mut lines = Lines::new(raw);
    let tree = lines.id("tree", algorithm)?.ok_or_else(|| malformed("the first header is not `tree`"))?;
    let (mut parents, mut known) = (Vec::new(), HashSet::new());
    let mut count = 0;
    while let Some(parent) = lines.id("parent", algorithm)? {
        count += 1;
        if count > MAX_OLD_PARENTS {
            return Err(Fault::new(Reason::LimitExceeded, format!("more than {MAX_OLD_PARENTS} parents")));
        }
        if known.insert(parent) {
            parents.push(parent);
        }
    }
    let date = lines
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.strip_prefix(b"committer "))
        .and_then(|rest| parse_ident(rest).ok())
        .map_or(0, |ident| ident.date);
    Ok((tree, parents, date))
}

/// Lines with their place in the object.
struct Lines<'a> {
    raw: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    /// The next line that ends in a line feed, without it.
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.raw.get(self.at..)?;
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        self.at += end + 1;
        Some(&rest[..end])
    }
}

impl<'a> Lines<'a> {
    fn new(raw: &'a [u8]) -> Self {
        Self { raw, at: 0 }
    }

    /// The value of the next header if it is `name`.
    fn value(&mut self, name: &str) -> Option<&'a [u8]> {
        let before = self.at;
        let value = self.next().and_then(|line| line.strip_prefix(name.as_bytes())).and_then(|v| v.strip_prefix(b" "));
        if value.is_none() {
            self.at = before;
        }
        value
    }

    fn id(&mut self, name: &str, algorithm: Algorithm) -> Judgement<Option<Oid>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse::<Oid>().ok())
            .filter(|id| id.algorithm() == algorithm)
            .map(Some)
            .ok_or_else(|| malformed(format!("the value of `{name}` is not a full object id")))
    }

    fn text(&mut self, name: &str) -> Judgement<String> {
        let value = self.value(name).ok_or_else(|| malformed(format!("header `{name}` is missing at its place")))?;
        String::from_utf8(value.to_vec()).map_err(|_| malformed(format!("the value of `{name}` is not UTF-8")))
    }

    fn ident(&mut self, name: &str) -> Judgement<Ident> {
        let value = self.value(name).ok_or_else(|| malformed(format!("header `{name}` is missing at its place")))?;
        parse_ident(value).map_err(|what| malformed(format!("`{name}` {what}")))
    }

    /// All headers behind `committer` up to the blank line; cuts out the repository's own signature header.
    fn other_headers(mut self, raw: &[u8], algorithm: Algorithm) -> Judgement<Signed> {
        let own: &[u8] = match algorithm {
            Algorithm::Sha1 => b"gpgsig",
            Algorithm::Sha256 => b"gpgsig-sha256",
        };
        let mut signature = None;
        loop {
            let start = self.at;
            let line = self.next().ok_or_else(|| malformed("no blank line behind the headers"))?;
            if line.is_empty() {
                break;
            }
            let (name, first) = split_header(line)?;
            let mut value = vec![first];
            while self.raw.get(self.at) == Some(&b' ') {
                let more = self.next().ok_or_else(|| malformed("a header is cut short"))?;
                value.push(&more[1..]);
            }
            if name == own && signature.is_none() {
                signature = Some((start..self.at, value));
            } else if name.starts_with(b"gpgsig") {
                return Err(Fault::new(
                    Reason::MalformedSignature,
                    "a second signature header, or one of another hash",
                ));
            } else if matches!(name, b"tree" | b"parent" | b"author" | b"committer") {
                return Err(malformed(format!("header `{}` is out of place", name.escape_ascii())));
            }
        }
        let Some((place, value)) = signature else { return Ok(Signed { signature: None, payload: raw.to_vec() }) };
        let mut armor = value.join(&b'\n');
        armor.push(b'\n');
        if armor.len() > MAX_SIGNATURE {
            return Err(signature_too_large());
        }
        let payload = [&raw[..place.start], &raw[place.end..]].concat();
        Ok(Signed { signature: Some(armor), payload })
    }
}

fn split_header(line: &[u8]) -> Judgement<(&[u8], &[u8])> {
    let end = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
    let (name, value) = line.split_at(end);
    // A bare `gpgsig` is somebody's empty signature rather than a broken object.
    if value.is_empty() && name.starts_with(b"gpgsig") {
        return Err(Fault::new(Reason::MalformedSignature, "the signature header is empty"));
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b":-_./".contains(byte);
    if value.is_empty() || !name.first().is_some_and(u8::is_ascii_alphanumeric) || !name.iter().all(plain) {
        let shown: Vec<u8> = line.iter().copied().take(40).collect();
        return Err(malformed(format!("line `{}` is not a header", shown.escape_ascii())));
    }
    Ok((name, &value[1..]))
}

/// `Name <address> seconds zone`: one integer date behind the last bracket.
fn parse_ident(value: &[u8]) -> Result<Ident, &'static str> {
    let close = value.iter().rposition(|&byte| byte == b'>').ok_or("has no address")?;
    let open = value[..close].iter().position(|&byte| byte == b'<').ok_or("has no address")?;
    let address = &value[open + 1..close];
    let rest = value[close + 1..].strip_prefix(b" ").ok_or("has no date")?;
    let rest = std::str::from_utf8(rest).map_err(|_| "has no date")?;
    let (seconds, zone) = rest.split_once(' ').ok_or("has no zone")?;
    let digits = |text: &str, most: usize| {
        !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(seconds, 13) || (seconds.len() > 1 && seconds.starts_with('0')) {
        return Err("has a date that is not one plain integer");
    }
    let date: i64 = seconds.parse().map_err(|_| "has a date that is not one plain integer")?;
    if date > MAX_DATE {
        return Err("has a date beyond 2^40 seconds");
    }
    if !zone.strip_prefix(['+', '-']).is_some_and(|zone| digits(zone, 7)) {
        return Err("has no zone such as +0000 behind its date");
    }
    let ambiguous = address.iter().any(|byte| b"<>".contains(byte)) || value[..open].contains(&b'>');
    let email = if ambiguous { None } else { String::from_utf8(address.to_vec()).ok() };
    Ok(Ident { email, date })
}

fn line_starts(raw: &[u8], from: usize) -> impl Iterator<Item = usize> + '_ {
    let after = raw[from..].iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(move |(at, _)| from + at + 1);
    std::iter::once(from).chain(after).filter(move |&at| at <= raw.len())
}

/// What Git itself takes for the start of a signature at the end of a tag.
fn starts_signature(rest: &[u8]) -> bool {
    [
        &b"-----BEGIN PGP SIGNATURE"[..],
        b"-----BEGIN PGP MESSAGE",
        b"-----BEGIN SIGNED MESSAGE",
        b"-----BEGIN SSH SIGNATURE",
    ]
    .iter()
    .any(|start| rest.starts_with(start))
}

fn refuse_nul(raw: &[u8]) -> Judgement<()> {
    if raw.contains(&0) { Err(malformed("it contains a NUL byte")) } else { Ok(()) }
}

fn malformed(fact: impl Into<String>) -> Fault {
    Fault::new(Reason::MalformedObject, fact)
}

fn signature_too_large() -> Fault {
    Fault::new(Reason::LimitExceeded, format!("the signature is larger than {MAX_SIGNATURE} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
        parent 4f1c2d9e00112233445566778899aabbccddeeff\n\
        author A <a@example.org> 1700000000 +0000\n\
        committer C <c@example.org> 1700000001 +0130\n";

    fn reason(text: &str) -> Reason {
        commit(text.as_bytes(), Algorithm::Sha1).unwrap_err().reason
    }

    #[test]
    fn the_payload_is_the_object_without_the_one_header() {
        let text = format!("{HEAD}change-id x\ngpgsig -----BEGIN\n a\n \nHG:extra y\n\nmessage");
        let parsed = commit(text.as_bytes(), Algorithm::Sha1).unwrap();
        assert_eq!(parsed.signed.signature.as_deref(), Some(&b"-----BEGIN\na\n\n"[..]));
        assert_eq!(parsed.signed.payload, format!("{HEAD}change-id x\nHG:extra y\n\nmessage").into_bytes());
        assert_eq!(parsed.committer, Ident { email: Some("c@example.org".into()), date: 1_700_000_001 });
    }

    #[test]
    fn what_two_readers_could_take_differently_is_refused() {
        for bad in [
            format!("{HEAD}tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nx"),
            format!("{HEAD}committer C <c@example.org> 1 +0000\n\nx"),
            format!("{HEAD}\nx\0y"),
            HEAD.to_owned(),
            format!("{HEAD}-----END PGP SIGNATURE-----\n\nx"),
            format!("{}\nx", HEAD.replace("1700000001", "-5")),
            format!("{}\nx", HEAD.replace("1700000001", "99999999999999999999")),
            format!("{}\nx", HEAD.replace("1700000001", "1 2")),
            format!("gpgsig a\n{HEAD}\nx"),
            format!("{}\nx", HEAD.replace("author", "gpgsig x\nauthor")),
        ] {
            assert_eq!(reason(&bad), Reason::MalformedObject, "{bad:?}");
        }
    }

    #[test]
    fn there_is_at_most_one_signature_header_and_only_of_the_own_hash() {
        for bad in
            ["gpgsig a\ngpgsig b\n", "gpgsig-sha256 a\n", "gpgsig a\ngpgsig-sha256 b\n", "gpgsig\n", "gpgsigx y\n"]
        {
            assert_eq!(reason(&format!("{HEAD}{bad}\nx")), Reason::MalformedSignature, "{bad:?}");
        }
    }

    #[test]
    fn a_signature_is_measured_without_the_blanks_before_its_lines() {
        let lines = |count: usize| format!("{HEAD}gpgsig {}\n\nx", vec!["x".repeat(31); count].join("\n "));
        assert!(commit(lines(1024).as_bytes(), Algorithm::Sha1).is_ok(), "1,024 lines of 32 bytes are 32 KiB");
        assert_eq!(reason(&lines(1025)), Reason::LimitExceeded);
    }

    #[test]
    fn a_tag_is_signed_from_the_first_marker_to_its_end() {
        let head = "object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype commit\ntag v1\ntagger T <t@example.org> 1 +0000\n\nm\n";
        let text = format!("{head}-----BEGIN SSH SIGNATURE-----\nx\n");
        let parsed = tag(text.as_bytes(), Algorithm::Sha1).unwrap();
        assert_eq!(parsed.signed.payload, head.as_bytes());
        assert!(tag(head.as_bytes(), Algorithm::Sha1).unwrap().signed.signature.is_none());
    }
}
