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

/// The comments directly before something, and before each of its ancestors, outermost first.
///
/// A comment counts for what follows it, until the next sibling that is not a comment.
#[derive(Default)]
pub(super) struct CommentsBefore(Vec<Vec<String>>);

impl CommentsBefore {
    pub(super) fn enter(&mut self) {
        self.0.push(Vec::new());
    }

    pub(super) fn leave(&mut self) {
        self.0.pop();
    }

    /// A comment, as it stands in the file.
    pub(super) fn met(&mut self, comment: &str) {
        if let Some(level) = self.0.last_mut() {
            level.push(comment.to_owned());
        }
    }

    /// A sibling that is not a comment is behind us.
    pub(super) fn passed(&mut self) {
        if let Some(level) = self.0.last_mut() {
            level.clear();
        }
    }

    fn any(&self, regex: &Regex) -> bool {
        self.0.iter().flatten().any(|comment| regex.is_match(comment))
    }

    /// As [`Self::any`], but for the comment met last, which does not count for itself.
    fn any_but_the_last(&self, regex: &Regex) -> bool {
        let Some((last, outer)) = self.0.split_last() else { return false };
        let earlier = &last[..last.len().saturating_sub(1)];
        outer.iter().flatten().chain(earlier).any(|comment| regex.is_match(comment))
    }
}

/// What is being asked about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Value,
    Comment,
}

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

    /// Whether what stands at `path` is encrypted.
    pub(super) fn encrypts(&self, path: &[String], comments: &CommentsBefore, subject: Subject) -> bool {
        let mut keys = path.iter();
        match self {
            Selector::UnencryptedSuffix(suffix) => !keys.any(|key| key.ends_with(suffix)),
            Selector::EncryptedSuffix(suffix) => keys.any(|key| key.ends_with(suffix)),
            Selector::UnencryptedRegex(regex) => !keys.any(|key| regex.is_match(key)),
            Selector::EncryptedRegex(regex) => keys.any(|key| regex.is_match(key)),
            Selector::UnencryptedCommentRegex(regex) => !comments.any(regex),
            Selector::EncryptedCommentRegex(regex) => match subject {
                Subject::Value => comments.any(regex),
                Subject::Comment => comments.any_but_the_last(regex),
            },
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
    use super::{CommentsBefore, Selector, Subject};

    fn encrypts(field: &str, text: &str, path: &[&str]) -> bool {
        let path: Vec<String> = path.iter().map(|&key| key.to_owned()).collect();
        let selector = Selector::read(field, text).unwrap().unwrap();
        selector.encrypts(&path, &CommentsBefore::default(), Subject::Value)
    }

    #[test]
    fn any_part_of_the_path_decides() {
        assert!(!encrypts("unencrypted_suffix", "_open", &["a_open", "b"]));
        assert!(encrypts("unencrypted_suffix", "_open", &["a_open_not", "b"]));
        assert!(encrypts("encrypted_regex", "^(data|stringData)$", &["data", "password"]));
        assert!(!encrypts("encrypted_regex", "^(data|stringData)$", &["metadata", "name"]));
        assert!(encrypts("encrypted_regex", "pass", &["x", "my-password"]));
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

    #[test]
    fn a_comment_counts_for_what_follows_it_and_not_for_itself() {
        let selector = Selector::read("encrypted_comment_regex", "enc").unwrap().unwrap();
        let mut comments = CommentsBefore::default();
        comments.enter();
        comments.met(" enc");
        assert!(!selector.encrypts(&[], &comments, Subject::Comment));
        comments.met(" second line");
        assert!(selector.encrypts(&[], &comments, Subject::Comment));
        assert!(selector.encrypts(&["a".to_owned()], &comments, Subject::Value));
        comments.passed();
        assert!(!selector.encrypts(&["b".to_owned()], &comments, Subject::Value));
    }
}
