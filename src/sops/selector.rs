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
    RegexBuilder::new(&as_go_reads_it(text))
        .size_limit(1 << 20)
        .build()
        .map_err(|_| Fault::BadMetadata { field: field.to_owned(), why: "is not a regular expression" })
}

/// Rewrites what Go's RE2 syntax and ours read differently.
///
/// In Go the Perl classes and the word boundary are ASCII, `\\Q...\\E` quotes, and inside brackets `[`, `&` and `~` are letters.
fn as_go_reads_it(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut class = Class::Outside;
    while let Some(c) = rest.chars().next() {
        let (head, tail) = rest.split_at(c.len_utf8());
        rest = tail;
        match (c, class) {
            ('\\', _) => {
                let Some(escaped) = rest.chars().next() else {
                    out.push('\\');
                    break;
                };
                rest = &rest[escaped.len_utf8()..];
                if escaped == 'Q' && class == Class::Outside {
                    let end = rest.find("\\E").unwrap_or(rest.len());
                    out.push_str(&regex::escape(&rest[..end]));
                    rest = rest.get(end + 2..).unwrap_or_default();
                } else {
                    push_escape(&mut out, escaped, class);
                }
                if class == Class::First {
                    class = Class::Inside;
                }
            }
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
    out
}

/// Where in an expression we are: a bracket directly behind the opening one is a letter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Outside,
    First,
    Inside,
}

fn push_escape(out: &mut String, escaped: char, class: Class) {
    let (members, negated) = match escaped {
        'd' | 'D' => ("0-9", escaped == 'D'),
        'w' | 'W' => ("0-9A-Za-z_", escaped == 'W'),
        's' | 'S' => (r"\t\n\x0C\r ", escaped == 'S'),
        'b' | 'B' if class == Class::Outside => {
            out.extend(["(?-u:\\", escaped.encode_utf8(&mut [0; 4]), ")"]);
            return;
        }
        other => {
            out.extend(['\\', other]);
            return;
        }
    };
    if class == Class::Outside || negated {
        out.extend(["[", if negated { "^" } else { "" }, members, "]"]);
    } else {
        out.push_str(members);
    }
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
        assert!(encrypts("encrypted_regex", r"^\pL$", &["é"]));
        assert!(encrypts("encrypted_regex", r"^[[]a&&b]$", &["[a&&b]"]));
        assert!(encrypts("encrypted_regex", r"^[]x]+$", &["]x"]));
        assert!(encrypts("encrypted_regex", r"^\Qa.b\E$", &["a.b"]));
        assert!(!encrypts("encrypted_regex", r"^\Qa.b\E$", &["axb"]));
        assert!(encrypts("encrypted_regex", r"^[[:alpha:]]+$", &["abc"]));
    }

    #[test]
    fn an_expression_that_does_not_compile_is_refused() {
        assert_eq!(Selector::read("encrypted_regex", "(?=x)").err().unwrap().code(), "bad-metadata");
        assert_eq!(Selector::read("encrypted_regex", &"a".repeat(5000)).err().unwrap().code(), "limit");
    }
}
