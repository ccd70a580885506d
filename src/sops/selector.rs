//! Which values of a file are encrypted.

use regex::{Regex, RegexBuilder};

use super::error::Fault;

/// The one rule of a file that says which of its values are encrypted.
pub(super) enum Selector {
    UnencryptedSuffix(String),
    EncryptedSuffix(String),
    UnencryptedRegex(Regex),
    EncryptedRegex(Regex),
    UnencryptedCommentRegex(Regex),
    EncryptedCommentRegex(Regex),
}

/// What sops assumes where a file has no rule.
pub(super) const DEFAULT_SUFFIX: &str = "_unencrypted";

/// Bytes of a regular expression.
const MAX_REGEX: usize = 4 << 10;
/// Bytes of a compiled one.
const MAX_COMPILED: usize = 1 << 20;
/// Bytes of a compiled expression times bytes of text: seconds where no shortcut helps. An ordinary expression (2 KiB compiled)
/// may look at more than a file has, one with a class of letters at 512 KiB, the largest at 32 KiB.
const MAX_WORK: usize = 1 << 35;

impl Selector {
    /// The rule that `field` of the metadata says.
    ///
    /// sops lets an expression that does not compile match nothing; here it is refused, because its author meant something.
    pub(super) fn read(field: &str, text: &str) -> Result<Option<Self>, Fault> {
        let suffix = || text.to_owned();
        Ok(Some(match field {
            "unencrypted_suffix" => Selector::UnencryptedSuffix(suffix()),
            "encrypted_suffix" => Selector::EncryptedSuffix(suffix()),
            "unencrypted_regex" => Selector::UnencryptedRegex(compile(field, text)?),
            "encrypted_regex" => Selector::EncryptedRegex(compile(field, text)?),
            "unencrypted_comment_regex" => Selector::UnencryptedCommentRegex(compile(field, text)?),
            "encrypted_comment_regex" => Selector::EncryptedCommentRegex(compile(field, text)?),
            _ => return Ok(None),
        }))
    }

    /// The fields of the metadata that say a rule.
    pub(super) const FIELDS: [&'static str; 6] = [
        "unencrypted_suffix",
        "encrypted_suffix",
        "unencrypted_regex",
        "encrypted_regex",
        "unencrypted_comment_regex",
        "encrypted_comment_regex",
    ];

    /// How many bytes of keys and comments it may look at in one file.
    ///
    /// An expression is searched for in time that grows with its own size times that of the text, and whoever may edit a file
    /// chooses both.
    pub(super) fn allowance(&self) -> usize {
        let regex = match self {
            Selector::UnencryptedSuffix(_) | Selector::EncryptedSuffix(_) => return usize::MAX,
            Selector::UnencryptedRegex(regex)
            | Selector::EncryptedRegex(regex)
            | Selector::UnencryptedCommentRegex(regex)
            | Selector::EncryptedCommentRegex(regex) => regex,
        };
        let fits = |size: &usize| RegexBuilder::new(regex.as_str()).size_limit(*size).build().is_ok();
        let size = (10..20).map(|bits| 1 << bits).find(fits).unwrap_or(MAX_COMPILED);
        MAX_WORK / size
    }

    /// Whether the rule is one about comments, and not about keys.
    pub(super) fn is_about_comments(&self) -> bool {
        match self {
            Selector::UnencryptedCommentRegex(_) | Selector::EncryptedCommentRegex(_) => true,
            Selector::UnencryptedSuffix(_)
            | Selector::EncryptedSuffix(_)
            | Selector::UnencryptedRegex(_)
            | Selector::EncryptedRegex(_) => false,
        }
    }

    /// Whether the rule, where it is one about keys, matches `key`.
    pub(super) fn matches_key(&self, key: &str) -> bool {
        match self {
            Selector::UnencryptedSuffix(suffix) | Selector::EncryptedSuffix(suffix) => key.ends_with(suffix),
            Selector::UnencryptedRegex(regex) | Selector::EncryptedRegex(regex) => regex.is_match(key),
            Selector::UnencryptedCommentRegex(_) | Selector::EncryptedCommentRegex(_) => false,
        }
    }

    /// Whether the rule, where it is one about comments, matches `comment`.
    pub(super) fn matches_comment(&self, comment: &str) -> bool {
        match self {
            Selector::UnencryptedCommentRegex(regex) | Selector::EncryptedCommentRegex(regex) => {
                regex.is_match(comment)
            }
            Selector::UnencryptedSuffix(_)
            | Selector::EncryptedSuffix(_)
            | Selector::UnencryptedRegex(_)
            | Selector::EncryptedRegex(_) => false,
        }
    }
}

pub(super) fn compile(field: &str, text: &str) -> Result<Regex, Fault> {
    if text.len() > MAX_REGEX {
        return Err(Fault::Limit { what: "the regular expression in the metadata", limit: MAX_REGEX });
    }
    let compiled = as_go_reads_it(text).and_then(|text| RegexBuilder::new(&text).size_limit(MAX_COMPILED).build().ok());
    compiled.ok_or_else(|| Fault::BadMetadata { field: field.to_owned(), why: "is not a regular expression" })
}

/// Rewrites what Go's RE2 syntax and ours read differently; `None` for what only ours reads.
///
/// In Go the Perl classes and the word boundary are ASCII, `\\Q...\\E` quotes, inside brackets `[`, `&`, `~` and `--` mean
/// themselves, a brace that counts nothing is a letter, and nothing is repeated twice.
fn as_go_reads_it(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut repeated = false;
    while let Some((c, tail)) = first(rest) {
        let length = repetition(rest)?;
        if length > 0 {
            if std::mem::replace(&mut repeated, true) {
                return None;
            }
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        repeated = false;
        rest = tail;
        match c {
            '\\' => rest = push_escape(&mut out, rest)?,
            '[' => rest = push_brackets(&mut out, rest)?,
            '(' => {
                let flags = rest.strip_prefix('?').filter(|flags| !flags.starts_with(['P', '<']));
                let flags = flags.map_or("", |flags| flags.split([':', ')']).next().unwrap_or_default());
                if flags.contains(|flag| !"imsU-".contains(flag)) {
                    return None;
                }
                out.push('(');
                // What follows is no repetition.
                if rest.starts_with('?') {
                    out.push('?');
                    rest = &rest[1..];
                }
            }
            '{' | '}' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    Some(out)
}

fn first(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    chars.next().map(|c| (c, chars.as_str()))
}

/// The length of the repetition that `text` begins with, 0 where it begins with something else; `None` for one that Go refuses.
fn repetition(text: &str) -> Option<usize> {
    let length = if text.starts_with(['*', '+', '?']) {
        1
    } else {
        let counts = text.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(counts, _)| counts);
        let Some(counts) = counts else { return Some(0) };
        let (least, most) = counts.split_once(',').unwrap_or((counts, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if least.is_empty() || !digits(least) || !digits(most) {
            return Some(0);
        }
        let small = |text: &str| text.is_empty() || text.parse::<u32>().is_ok_and(|count| count <= MAX_REPEATS);
        if !small(least) || !small(most) {
            return None;
        }
        counts.len() + 2
    };
    Some(length + usize::from(text[length..].starts_with('?')))
}

/// How often Go lets something be repeated.
const MAX_REPEATS: u32 = 1000;

/// What stands behind a backslash outside of brackets; `None` for an escape that Go does not have.
fn push_escape<'a>(out: &mut String, text: &'a str) -> Option<&'a str> {
    let (escaped, rest) = first(text)?;
    match escaped {
        'Q' => {
            let end = rest.find("\\E").unwrap_or(rest.len());
            out.push_str(&regex::escape(&rest[..end]));
            return Some(rest.get(end + 2..).unwrap_or_default());
        }
        'b' | 'B' => out.extend(["(?-u:\\", escaped.encode_utf8(&mut [0; 4]), ")"]),
        'A' | 'z' => out.extend(['\\', escaped]),
        'p' | 'P' => return push_property(out, text),
        _ => {
            if let Some(members) = perl_class(escaped) {
                out.push_str(members);
            } else {
                let (c, rest) = escaped_char(text)?;
                out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
                return Some(rest);
            }
        }
    }
    Some(rest)
}

/// What stands behind an opening bracket, to the closing one: characters and ranges by their numbers.
fn push_brackets<'a>(out: &mut String, text: &'a str) -> Option<&'a str> {
    out.push('[');
    let mut rest = text;
    if let Some(negated) = rest.strip_prefix('^') {
        out.push('^');
        rest = negated;
    }
    let begin = rest.len();
    loop {
        // A bracket directly behind the opening one is a letter.
        if let Some(behind) = rest.strip_prefix(']').filter(|_| rest.len() < begin) {
            out.push(']');
            return Some(behind);
        }
        if let Some(end) = rest.strip_prefix("[:").and_then(|name| name.find(":]")) {
            let (named, behind) = rest.split_at(end + 4);
            out.push_str(named);
            rest = behind;
            continue;
        }
        if let Some((escaped, behind)) = rest.strip_prefix('\\').and_then(first) {
            if matches!(escaped, 'p' | 'P') {
                rest = push_property(out, &rest[1..])?;
                continue;
            }
            if let Some(members) = perl_class(escaped) {
                out.push_str(members);
                rest = behind;
                continue;
            }
        }
        let (low, behind) = class_char(rest)?;
        rest = behind;
        let mut high = low;
        if let Some(end) = rest.strip_prefix('-').filter(|end| !end.is_empty() && !end.starts_with(']')) {
            (high, rest) = class_char(end)?;
        }
        let bound = |c: char| format!("\\x{{{:x}}}", u32::from(c));
        out.extend([bound(low), "-".to_owned(), bound(high)]);
    }
}

fn class_char(text: &str) -> Option<(char, &str)> {
    text.strip_prefix('\\').map_or_else(|| first(text), escaped_char)
}

/// The one character that an escape stands for.
fn escaped_char(text: &str) -> Option<(char, &str)> {
    let (escaped, rest) = first(text)?;
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    let c = match escaped {
        'a' => '\u{7}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'x' => {
            let (digits, rest) = match rest.strip_prefix('{') {
                Some(braced) => braced.split_once('}')?,
                None => rest.split_at_checked(2)?,
            };
            let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            return number(digits, 16).filter(|_| hexadecimal).map(|c| (c, rest));
        }
        '0'..='7' => {
            let digits = text.bytes().take(3).take_while(|digit| matches!(digit, b'0'..=b'7')).count();
            // One digit alone would refer back to a group.
            return number(&text[..digits], 8).filter(|_| digits > 1 || escaped == '0').map(|c| (c, &text[digits..]));
        }
        sign if sign.is_ascii() && !sign.is_ascii_alphanumeric() => sign,
        _ => return None,
    };
    Some((c, rest))
}

/// `p{Greek}`, `PL`, `p{^Lu}`
fn push_property<'a>(out: &mut String, text: &'a str) -> Option<&'a str> {
    let (sign, rest) = first(text)?;
    let (name, rest) = match rest.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => rest.split_at(first(rest)?.0.len_utf8()),
    };
    let (name, turned) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
    let sign = if (sign == 'P') == turned { "\\p{" } else { "\\P{" };
    out.extend([sign, name, "}"]);
    Some(rest)
}

/// A Perl class with the members it has in Go, in brackets of its own.
fn perl_class(escaped: char) -> Option<&'static str> {
    Some(match escaped {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        's' => r"[\t\n\x0C\r ]",
        'S' => r"[^\t\n\x0C\r ]",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::Selector;

    fn encrypts(field: &str, text: &str, path: &[&str]) -> bool {
        let selector = Selector::read(field, text).unwrap().unwrap();
        path.iter().any(|key| selector.matches_key(key))
    }

    #[test]
    fn classes_are_those_of_go() {
        assert!(!encrypts("encrypted_regex", r"^\d$", &["٣"]));
        assert!(!encrypts("encrypted_regex", r"^[\w]$", &["é"]));
        assert!(encrypts("encrypted_regex", r"^\pL\p{Ll}\x{e9}[\p{Greek}]$", &["éééα"]));
        assert!(encrypts("encrypted_regex", r"^[[]a&&b]$", &["[a&&b]"]));
        assert!(encrypts("encrypted_regex", r"^[]x]+$", &["]x"]));
        assert!(encrypts("encrypted_regex", r"^\Qa.b\E$", &["a.b"]));
        assert!(!encrypts("encrypted_regex", r"^\Qa.b\E$", &["axb"]));
        assert!(encrypts("encrypted_regex", r"^[[:alpha:]]+$", &["abc"]));
    }

    #[test]
    fn signs_that_only_one_of_both_languages_knows_are_those_of_go() {
        assert!(encrypts("encrypted_regex", "^a{,2}$", &["a{,2}"]));
        assert!(encrypts("encrypted_regex", "^a{2,3}?b{x}$", &["aab{x}"]));
        assert!(encrypts("encrypted_regex", r"^\<a\>$", &["<a>"]));
        assert!(encrypts("encrypted_regex", "^[+--]+$", &["+,-"]));
        assert!(encrypts("encrypted_regex", "^[--/]+$", &["-./"]));
        assert!(encrypts("encrypted_regex", "^[a-z--A]+$", &["z-5A"]));
        assert!(encrypts("encrypted_regex", r"^[\w-z]+[^\W-]$", &["-_z"]));
        assert!(encrypts("encrypted_regex", r"^\p{^Lu}\P{^Lu}[\p{^Lu}]\101\x41$", &["aBcAA"]));
        assert!(encrypts("encrypted_regex", "^(?i:data)(?P<rest>x)$", &["DATAx"]));
        for only_ours in ["(?x) a", "(?u)a", "a**", "a+{2}", r"\u0041", "a{1001}", r"\<\", "[a--b]"] {
            let refused = Selector::read("encrypted_regex", only_ours).err().map(|fault| fault.code());
            assert_eq!(refused, Some("bad-metadata"), "{only_ours}");
        }
    }

    #[test]
    fn an_expression_that_does_not_compile_is_refused() {
        assert_eq!(Selector::read("encrypted_regex", "(?=x)").err().unwrap().code(), "bad-metadata");
        assert_eq!(Selector::read("encrypted_regex", &"a".repeat(5000)).err().unwrap().code(), "limit");
    }
}
