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
    let compiled = as_go_reads_it(text).and_then(|text| RegexBuilder::new(&text).size_limit(1 << 20).build().ok());
    compiled.ok_or_else(|| Fault::BadMetadata { field: field.to_owned(), why: "is not a regular expression" })
}

/// Rewrites what Go's RE2 syntax and ours read differently; `None` for what only ours reads.
///
/// In Go the Perl classes and the word boundary are ASCII, `\\Q...\\E` quotes, inside brackets `[`, `&` and `~` are letters, a
/// brace that counts nothing is one too, and nothing is repeated twice.
fn as_go_reads_it(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut class = Class::Outside;
    let mut repeated = false;
    while let Some(c) = rest.chars().next() {
        let (head, tail) = rest.split_at(c.len_utf8());
        let length = if class == Class::Outside { repetition(rest)? } else { 0 };
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
        match (c, class) {
            ('\\', _) => {
                let escaped = rest.chars().next()?;
                rest = &rest[escaped.len_utf8()..];
                if escaped == 'Q' && class == Class::Outside {
                    let end = rest.find("\\E").unwrap_or(rest.len());
                    out.push_str(&regex::escape(&rest[..end]));
                    rest = rest.get(end + 2..).unwrap_or_default();
                } else {
                    push_escape(&mut out, escaped, class)?;
                    if matches!(escaped, 'p' | 'P' | 'x') && rest.starts_with('{') {
                        let (name, tail) = rest.split_at(rest.find('}')? + 1);
                        out.push_str(name);
                        rest = tail;
                    }
                }
                if class == Class::First {
                    class = Class::Inside;
                }
            }
            ('(', Class::Outside) => {
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
            ('{' | '}', Class::Outside) => out.extend(['\\', c]),
            ('[', Class::Outside) => {
                out.push('[');
                if let Some(negated) = rest.strip_prefix('^') {
                    out.push('^');
                    rest = negated;
                }
                class = Class::First;
            }
            (']', Class::Inside) => {
                out.push(']');
                class = Class::Outside;
            }
            ('[', _) if rest.starts_with(':') && rest.contains(":]") => {
                let end = rest.find(":]").map_or(0, |at| at + 2);
                out.push('[');
                out.push_str(&rest[..end]);
                rest = &rest[end..];
                class = Class::Inside;
            }
            ('-', Class::Inside) if rest.starts_with('-') => {
                // A range up to the dash; ours would take two of them for a difference.
                out.push_str("-\\-");
                rest = &rest[1..];
            }
            ('[' | ']' | '&' | '~', Class::First | Class::Inside) => {
                out.push('\\');
                out.push_str(head);
                class = Class::Inside;
            }
            (_, Class::First) => {
                out.push_str(head);
                class = Class::Inside;
            }
            (_, Class::Outside | Class::Inside) => out.push_str(head),
        }
    }
    Some(out)
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

/// Where in an expression we are: a bracket directly behind the opening one is a letter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Outside,
    First,
    Inside,
}

/// `None` for an escape that Go does not have.
fn push_escape(out: &mut String, escaped: char, class: Class) -> Option<()> {
    let (members, negated) = match escaped {
        'd' | 'D' => ("0-9", escaped == 'D'),
        'w' | 'W' => ("0-9A-Za-z_", escaped == 'W'),
        's' | 'S' => (r"\t\n\x0C\r ", escaped == 'S'),
        'b' | 'B' if class == Class::Outside => {
            out.extend(["(?-u:\\", escaped.encode_utf8(&mut [0; 4]), ")"]);
            return Some(());
        }
        // Ours has more of them than Go; signs stand for themselves in Go, and `\<` does not in ours.
        'A' | 'z' | 'p' | 'P' | 'a' | 'f' | 'n' | 'r' | 't' | 'v' | 'x' => {
            out.extend(['\\', escaped]);
            return Some(());
        }
        sign if sign.is_ascii_punctuation() || sign == ' ' => {
            out.push_str(&regex::escape(sign.encode_utf8(&mut [0; 4])));
            return Some(());
        }
        _ => return None,
    };
    if class == Class::Outside || negated {
        out.extend(["[", if negated { "^" } else { "" }, members, "]"]);
    } else {
        out.push_str(members);
    }
    Some(())
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
