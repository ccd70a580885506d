//! The allowed_signers file, read as ssh-keygen(1) says, except that a line that cannot be read refuses the whole file.
//!
//! Times without `Z` are UTC, not local: a pod's time zone decides nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::pattern::PatternList;
use super::sshsig::{Certificate, Cut, NAMESPACE, PublicKey, Wire};
use super::{ConfigError, time};

/// Upper bound on a file of signers, in bytes.
pub(super) const MAX_FILE: usize = 1 << 20;

/// Upper bound on the principals of one line, in bytes: each is compared with each exception.
const MAX_PRINCIPALS: usize = 4096;

const NAMELESS: &str =
    "the line begins with a key; it must begin with the signer's NAME: `NAME namespaces=\"git\" TYPE KEY`";

/// Who may sign, line by line.
#[derive(Debug, Default)]
pub(super) struct AllowedSigners {
    lines: Vec<Line>,
}

/// One line: for whom, which key, when and for what.
#[derive(Debug)]
pub(super) struct Line {
    /// Whom the key speaks for; with an authority, whom it may certify.
    pub(super) principals: PatternList,
    pub(super) key: PublicKey,
    /// The key signs certificates, not commits.
    pub(super) authority: bool,
    namespaces: Option<PatternList>,
    after: Option<i64>,
    before: Option<i64>,
}

impl AllowedSigners {
    /// Reads the file `name`.
    pub(super) fn read(name: &str, text: &str) -> Result<Self, ConfigError> {
        if text.len() > MAX_FILE {
            return Err(ConfigError::new(name, None, format!("more than {MAX_FILE} bytes")));
        }
        let mut lines = Vec::new();
        for (number, line) in text.split('\n').enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line).trim_start_matches([' ', '\t']);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // A line of a `.pub` file, put here as it is.
            let nameless = || wire_form(line).is_ok().then(|| NAMELESS.to_owned());
            let refuse = |what| ConfigError::new(name, Some(number + 1), nameless().unwrap_or(what));
            lines.push(Line::read(line).map_err(refuse)?);
        }
        Ok(Self { lines })
    }

    /// All lines, also those of `more`.
    pub(super) fn extend(&mut self, more: AllowedSigners) {
        self.lines.extend(more.lines);
    }

    /// The lines, in the file's order.
    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }
}

impl Line {
    /// Whether the line is in force `at` seconds after 1970; both ends count.
    pub(super) fn valid_at(&self, at: i64) -> bool {
        self.after.is_none_or(|after| after <= at) && self.before.is_none_or(|before| at <= before)
    }

    /// From when and until when it is in force, in seconds since 1970; both ends count.
    pub(super) fn window(&self) -> (Option<i64>, Option<i64>) {
        (self.after, self.before)
    }

    /// Whether the line is for commits.
    pub(super) fn for_git(&self) -> bool {
        self.namespaces.as_ref().is_none_or(|list| list.matches(NAMESPACE))
    }

    fn read(line: &str) -> Result<Self, String> {
        if line.contains('\0') {
            return Err("a NUL byte".into());
        }
        let (principals, rest) = principals(line)?;
        let mut options = Options::default();
        let mut rest = rest;
        if !starts_with_key(rest) {
            let end = options_end(rest)?;
            options = Options::read(&rest[..end])?;
            rest = rest[end..].trim_start_matches([' ', '\t']);
        }
        let key = key(&wire_form(rest)?)?;
        if let (Some(after), Some(before)) = (options.after, options.before)
            && before <= after
        {
            return Err("`valid-before` is not later than `valid-after`".into());
        }
        Ok(Self {
            principals: PatternList::new(principals),
            key,
            authority: options.authority,
            namespaces: options.namespaces.map(PatternList::new),
            after: options.after,
            before: options.before,
        })
    }
}

/// The first field, perhaps in quotes, and what follows it.
fn principals(line: &str) -> Result<(&str, &str), String> {
    let (field, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or("the quotes around the principals are not closed")?,
        None => line.split_once([' ', '\t']).ok_or("only one field; principals and a key are expected")?,
    };
    // ssh-keygen lets quotes begin and end inside a field; nobody's name holds one.
    if field.contains('"') {
        return Err("a quote inside the principals; put quotes around all of them".into());
    }
    if field.chars().any(|c| c.is_control() || c == '\u{feff}') {
        return Err("a control character or byte order mark in the principals".into());
    }
    if field.len() > MAX_PRINCIPALS {
        return Err(format!(
            "principals of more than {MAX_PRINCIPALS} bytes; give the key a line for some of them each"
        ));
    }
    if field.is_empty() || field.split(',').any(|part| part.is_empty() || part == "!") {
        return Err("an empty principal".into());
    }
    Ok((field, rest.trim_start_matches([' ', '\t'])))
}

fn starts_with_key(text: &str) -> bool {
    let first = text.split([' ', '\t']).next().unwrap_or_default();
    ["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| first.starts_with(prefix)) && !first.contains(['=', '"'])
}

/// The wire form of what is written as `type base64 [comment]`: a public key or a certificate.
pub(super) fn wire_form(text: &str) -> Result<Vec<u8>, String> {
    let mut fields = text.split([' ', '\t']).filter(|field| !field.is_empty());
    let (name, blob) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    let shown: String = name.chars().take(40).collect();
    let blob = STANDARD
        .decode(blob)
        .map_err(|_| format!("the base64 of the key behind `{}` is broken", shown.escape_debug()))?;
    match Wire::new(&blob).string() {
        Ok(inner) if inner == name.as_bytes() => Ok(blob),
        Ok(_) | Err(Cut) => Err(format!("`{}` is not followed by a key of that type", shown.escape_debug())),
    }
}

/// A public key in wire form.
pub(super) fn key(blob: &[u8]) -> Result<PublicKey, String> {
    PublicKey::read(blob).ok_or_else(|| {
        let what = if Certificate::is_one(blob) {
            "a certificate is no key; list its authority with the option `cert-authority`"
        } else {
            "the key is not well-formed, or of an unknown type"
        };
        what.to_owned()
    })
}

/// Where the options end: at the first blank outside quotes.
fn options_end(text: &str) -> Result<usize, String> {
    let bytes = text.as_bytes();
    let (mut at, mut quoted) = (0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if bytes.get(at + 1) == Some(&b'"') => at += 1,
            b'"' => quoted = !quoted,
            b' ' | b'\t' if !quoted => return Ok(at),
            _ => {}
        }
        at += 1;
    }
    Err("no key behind the options".into())
}

#[derive(Default)]
struct Options {
    authority: bool,
    namespaces: Option<String>,
    after: Option<i64>,
    before: Option<i64>,
}

impl Options {
    fn read(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        let mut rest = text;
        loop {
            rest = options.read_one(rest)?;
            match rest.strip_prefix(',') {
                Some("") => return Err("the options end in a comma".into()),
                Some(more) => rest = more,
                None if rest.is_empty() => return Ok(options),
                None => return Err(unknown(rest)),
            }
        }
    }

    fn read_one<'a>(&mut self, text: &'a str) -> Result<&'a str, String> {
        if let Some(rest) = keyword(text, "cert-authority") {
            self.authority = true;
            return Ok(rest);
        }
        for name in ["namespaces", "valid-after", "valid-before"] {
            let Some(rest) = keyword(text, name).and_then(|rest| rest.strip_prefix('=')) else { continue };
            let (value, rest) = unquote(rest).ok_or_else(|| format!("`{name}` needs a value in quotes"))?;
            let twice = || format!("`{name}` is given twice");
            match name {
                "namespaces" => {
                    self.namespaces.replace(value).map_or(Ok(()), |_| Err(twice()))?;
                }
                "valid-after" => {
                    self.after.replace(time::parse(&value)?).map_or(Ok(()), |_| Err(twice()))?;
                }
                _ => {
                    self.before.replace(time::parse(&value)?).map_or(Ok(()), |_| Err(twice()))?;
                }
            }
            return Ok(rest);
        }
        Err(unknown(text))
    }
}

fn unknown(text: &str) -> String {
    let shown: String = text.chars().take(40).collect();
    format!("option `{}` is not known", shown.escape_debug())
}

/// What follows `name`, whatever its case.
fn keyword<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(rest)
}

/// A quoted value, in which `\"` stands for a quote, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.strip_prefix('"')?.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 2..])),
            '\\' if chars.peek().is_some_and(|(_, next)| *next == '"') => {
                value.push('"');
                chars.next();
            }
            c => value.push(c),
        }
    }
    None
}
