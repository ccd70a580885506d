//! Where a walk through a document stands: what binds a value to its place, and whether the file's rule selects it.
//!
//! Every key and comment is looked at once, however many values stand below it: a long key above many values costs no more
//! than the file's size.

use super::error::{Fault, shown};
use super::selector::Selector;

/// Bytes of the keys down to one value. Each encrypted value is authenticated together with all of them.
const MAX_PATH: usize = 16 << 10;

/// A place in a document.
pub(super) struct Place<'a> {
    selector: &'a Selector,
    /// The keys down to here, a colon behind each.
    path: String,
    steps: Vec<Step>,
    comments: Vec<Comments>,
    /// Bytes that the rule has looked at, and may look at; the latter once it matters.
    looked_at: usize,
    allowance: Option<usize>,
}

/// Bytes that any rule may look at.
const FREE: usize = 8 << 10;

struct Step {
    /// Where its key begins in the path.
    begin: usize,
    /// Whether the rule matches it or a step before it.
    matched: bool,
}

/// The comments directly before something: whether the rule matches the last, and any before the last.
#[derive(Default)]
struct Comments {
    earlier: bool,
    last: bool,
}

/// What is being asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// A value.
    Value,
    /// The comment met last.
    Comment,
}

impl<'a> Place<'a> {
    /// The root, under the rule `selector`.
    pub(super) fn new(selector: &'a Selector) -> Self {
        let (steps, comments) = (Vec::new(), Vec::new());
        Self { selector, path: String::new(), steps, comments, looked_at: 0, allowance: None }
    }

    /// Goes down to `key`.
    pub(super) fn push(&mut self, key: &str) -> Result<(), Fault> {
        if self.path.len() + key.len() + 1 > MAX_PATH {
            return Err(Fault::Limit { what: "the length of the keys down to a value", limit: MAX_PATH });
        }
        let mut matched = self.matched();
        if !matched && !self.selector.is_about_comments() {
            self.look_at(key)?;
            matched = self.selector.matches_key(key);
        }
        self.steps.push(Step { begin: self.path.len(), matched });
        self.path.push_str(key);
        self.path.push(':');
        Ok(())
    }

    /// Goes up again.
    pub(super) fn pop(&mut self) {
        if let Some(step) = self.steps.pop() {
            self.path.truncate(step.begin);
        }
    }

    /// What stands between the brackets of a mapping or list begins.
    pub(super) fn enter(&mut self) {
        self.comments.push(Comments::default());
    }

    /// It is behind us.
    pub(super) fn leave(&mut self) {
        self.comments.pop();
    }

    /// A comment, as it stands in the file. It counts for what follows, until the next sibling that is not a comment.
    pub(super) fn met(&mut self, comment: &str) -> Result<(), Fault> {
        if self.selector.is_about_comments() {
            self.look_at(comment)?;
        }
        let matched = self.selector.matches_comment(comment);
        if let Some(level) = self.comments.last_mut() {
            level.earlier |= level.last;
            level.last = matched;
        }
        Ok(())
    }

    /// Counts what the rule is about to look at.
    fn look_at(&mut self, text: &str) -> Result<(), Fault> {
        self.looked_at += text.len();
        if self.looked_at > FREE {
            let allowance = *self.allowance.get_or_insert_with(|| self.selector.allowance());
            if self.looked_at > allowance {
                let what = "the keys and comments that the regular expression in the metadata looks at";
                return Err(Fault::Limit { what, limit: allowance });
            }
        }
        Ok(())
    }

    /// A sibling that is not a comment is behind us.
    pub(super) fn passed(&mut self) {
        if let Some(level) = self.comments.last_mut() {
            *level = Comments::default();
        }
    }

    /// Whether what stands here is encrypted.
    pub(super) fn encrypts(&self, subject: Subject) -> bool {
        match (self.selector, subject) {
            (Selector::UnencryptedSuffix(_) | Selector::UnencryptedRegex(_), _) => !self.matched(),
            (Selector::EncryptedSuffix(_) | Selector::EncryptedRegex(_), _) => self.matched(),
            (Selector::UnencryptedCommentRegex(_), _) => !self.commented(),
            (Selector::EncryptedCommentRegex(_), Subject::Value) => self.commented(),
            // A comment does not count for itself.
            (Selector::EncryptedCommentRegex(_), Subject::Comment) => {
                let Some((last, outer)) = self.comments.split_last() else { return false };
                last.earlier || outer.iter().any(|level| level.earlier || level.last)
            }
        }
    }

    /// Whether a comment of this text would leave what follows it in clear.
    pub(super) fn leaves_clear(&self, comment: &str) -> bool {
        matches!(self.selector, Selector::UnencryptedCommentRegex(_)) && self.selector.matches_comment(comment)
    }

    fn matched(&self) -> bool {
        self.steps.last().is_some_and(|step| step.matched)
    }

    fn commented(&self) -> bool {
        self.comments.iter().any(|level| level.earlier || level.last)
    }

    /// What binds a value to its place: the keys down to it, a colon behind each. The root is one colon.
    pub(super) fn bound(&self) -> &str {
        if self.steps.is_empty() { ":" } else { &self.path }
    }

    /// The place as a message names it.
    pub(super) fn shown(&self) -> String {
        let ends = self.steps.iter().skip(1).map(|step| step.begin).chain([self.path.len()]);
        let keys: Vec<&str> =
            self.steps.iter().zip(ends).filter_map(|(step, end)| self.path.get(step.begin..end - 1)).collect();
        shown(&keys.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Subject};
    use crate::sops::selector::Selector;

    fn encrypts(field: &str, text: &str, path: &[&str]) -> bool {
        let selector = Selector::read(field, text).unwrap().unwrap();
        let mut place = Place::new(&selector);
        path.iter().for_each(|key| place.push(key).unwrap());
        place.encrypts(Subject::Value)
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
    fn a_comment_counts_for_what_follows_it_and_not_for_itself() {
        let selector = Selector::read("encrypted_comment_regex", "enc").unwrap().unwrap();
        let mut place = Place::new(&selector);
        place.enter();
        place.met(" enc").unwrap();
        assert!(!place.encrypts(Subject::Comment));
        place.met(" second line").unwrap();
        assert!(place.encrypts(Subject::Comment));
        place.push("a").unwrap();
        assert!(place.encrypts(Subject::Value));
        place.pop();
        place.passed();
        assert!(!place.encrypts(Subject::Value));
    }

    #[test]
    fn the_keys_are_bound_with_a_colon_behind_each_and_shown_with_points_between() {
        let selector = Selector::read("encrypted_suffix", "x").unwrap().unwrap();
        let mut place = Place::new(&selector);
        assert_eq!((place.bound(), place.shown().as_str()), (":", ""));
        place.push("data").unwrap();
        place.push("a:b").unwrap();
        assert_eq!((place.bound(), place.shown().as_str()), ("data:a:b:", "data.a:b"));
        place.pop();
        assert_eq!(place.bound(), "data:");
    }

    #[test]
    fn an_expression_looks_at_less_text_the_more_work_it_is() {
        let looks = |expression: &str, bytes: usize| {
            let selector = Selector::read("unencrypted_comment_regex", expression).unwrap().unwrap();
            let mut place = Place::new(&selector);
            place.enter();
            place.met(&"abx".repeat(bytes / 3)).map_err(|fault| fault.code())
        };
        assert_eq!(looks("^ sops:(enc|clear)$", 4 << 20), Ok(()));
        assert_eq!(looks("a.{800}xyz?[^abx]", 4 << 20), Err("limit"));
        assert_eq!(looks("a.{800}xyz?[^abx]", 8 << 10), Ok(()));
    }

    #[test]
    fn keys_that_would_be_hashed_with_each_of_many_values_are_bounded() {
        let selector = Selector::read("encrypted_suffix", "x").unwrap().unwrap();
        let mut place = Place::new(&selector);
        assert!(place.push(&"k".repeat(10_000)).is_ok());
        assert_eq!(place.push(&"k".repeat(10_000)).err().unwrap().code(), "limit");
    }
}
