//! Tag mode: the signed tag is the only authority.

use std::cmp::Ordering;

use super::Reason;
use super::fault::{Fault, Judgement};
use super::history::History;
use super::payload;
use crate::git::{Kind, Oid};

/// Reads tag object `id`, found under `reference`, and refuses it unless it names itself so and points at `head`.
pub(super) fn read(history: &History<'_>, id: &Oid, reference: &str, head: &Oid) -> Judgement<payload::Tag> {
    read_tag(history, id, reference, head).map_err(|fault| fault.at(*id))
}

fn read_tag(history: &History<'_>, id: &Oid, reference: &str, head: &Oid) -> Judgement<payload::Tag> {
    let raw = history.objects().read(id, payload::MAX_COMMIT)?;
    if raw.kind != Kind::Tag {
        return Err(Fault::new(Reason::Unsigned, "the reference is no annotated tag"));
    }
    let tag = payload::tag(&raw.bytes, history.objects().algorithm())?;
    if tag.target_type != "commit" {
        let fact = format!("the tag points at a {}", tag.target_type.escape_debug());
        return Err(Fault::new(Reason::TagTargetNotCommit, fact));
    }
    if history.objects().read(&tag.target, super::history::MAX_OBJECT)?.kind != Kind::Commit || tag.target != *head {
        return Err(Fault::new(Reason::TagTargetNotCommit, format!("the tag points at {}", tag.target)));
    }
    let expected = name_of(reference);
    if tag.name != expected {
        let fact = format!("the tag says `{}` and is served as `{}`", tag.name.escape_debug(), expected.escape_debug());
        return Err(Fault::new(Reason::TagNameMismatch, fact));
    }
    Ok(tag)
}

/// Refuses a tag that was applied at another commit.
pub(super) fn refuse_moved(name: &str, head: &Oid, applied: &str, applied_head: Option<&Oid>) -> Judgement<()> {
    if name == name_of(applied) && applied_head.is_some_and(|applied_head| applied_head != head) {
        return Err(Fault::new(
            Reason::TagMoved,
            format!("tag `{}` was applied at another commit", name.escape_debug()),
        ));
    }
    Ok(())
}

/// Refuses a tag of a lower version than `applied`.
pub(super) fn judge_version(name: &str, applied: &str) -> Judgement<()> {
    let applied = name_of(applied);
    match compare(name, applied) {
        Ordering::Less => {
            let (name, applied) = (name.escape_debug(), applied.escape_debug());
            Err(Fault::new(
                Reason::Rollback,
                format!("`{name}` is a lower version than `{applied}`, which was applied"),
            ))
        }
        Ordering::Equal | Ordering::Greater => Ok(()),
    }
}

/// The tag's own name out of `refs/tags/…`.
pub(super) fn name_of(reference: &str) -> &str {
    reference.strip_prefix("refs/tags/").unwrap_or(reference)
}

/// Orders versions as semver does (`v1.2.3`, `app/1.2.3-rc.1`), with any number of parts. Names of different things, or
/// without a number, come neither before nor after one another: which may follow, the history alone says.
fn compare(one: &str, other: &str) -> Ordering {
    let (one, other) = (Version::read(one), Version::read(other));
    if one.of != other.of {
        return Ordering::Equal;
    }
    compare_core(one.core, other.core).then_with(|| match (one.pre, other.pre) {
        (None, None) => Ordering::Equal,
        // A release follows its release candidates.
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(one), Some(other)) => compare_pre(one, other),
    })
}

/// A tag's name taken apart.
struct Version<'a> {
    /// What it is a version of: what stands before the number, less a `v`.
    of: &'a str,
    /// The numbers; empty where the name holds none.
    core: &'a str,
    /// What stands behind the first dash after them.
    pre: Option<&'a str>,
}

impl<'a> Version<'a> {
    fn read(name: &'a str) -> Self {
        // Build metadata orders nothing.
        let name = name.split('+').next().unwrap_or_default();
        let start = number(name).unwrap_or(name.len());
        let (of, rest) = name.split_at(start);
        let (core, pre) = match rest.split_once('-') {
            Some((core, pre)) => (core, Some(pre)),
            None => (rest, None),
        };
        Self { of: of.strip_suffix(['v', 'V']).filter(|of| ends_a_word(of)).unwrap_or(of), core, pre }
    }
}

/// Where the version in a name begins: its first digit that begins a word, perhaps behind a `v`, else its first digit.
/// Folders before the last slash are not looked into.
fn number(name: &str) -> Option<usize> {
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let is_digit = |at: &usize| name.as_bytes()[*at].is_ascii_digit();
    let begins = |at: &usize| {
        let before = &name[..*at];
        ends_a_word(before) || before.strip_suffix(['v', 'V']).is_some_and(ends_a_word)
    };
    let mut digits = (last..name.len()).filter(is_digit);
    digits.clone().find(begins).or_else(|| digits.next())
}

/// Whether a new word begins behind `text`.
fn ends_a_word(text: &str) -> bool {
    !text.ends_with(char::is_alphanumeric)
}

/// Part by part; what is missing counts as zero.
fn compare_core(one: &str, other: &str) -> Ordering {
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    loop {
        let order = match (ones.next(), others.next()) {
            (None, None) => return Ordering::Equal,
            (one, other) => compare_natural(one.unwrap_or("0"), other.unwrap_or("0")),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Runs of digits by value, what lies between as text: `3rc9` before `3rc10`.
fn compare_natural(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        let ((digits, rest), (others, other_rest)) = (digits(one), digits(other));
        let order = compare_numbers(digits, others);
        let (text, other_text) = (until_digit(rest), until_digit(other_rest));
        let order = order.then_with(|| text.cmp(other_text));
        if order != Ordering::Equal || rest.is_empty() {
            return order;
        }
        (one, other) = (&rest[text.len()..], &other_rest[other_text.len()..]);
    }
}

/// The digits that `text` begins with, and the rest.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn until_digit(text: &str) -> &str {
    &text[..text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len())]
}

/// Numbers of any length; none at all counts as zero.
fn compare_numbers(one: &str, other: &str) -> Ordering {
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// Identifiers of pre-releases as semver orders them: numbers by value and below text, which is ordered by its bytes;
/// of two that begin alike the longer follows.
fn compare_pre(one: &str, other: &str) -> Ordering {
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    loop {
        let order = match (ones.next(), others.next()) {
            (None, None) => return Ordering::Equal,
            (Some(_), None) => Ordering::Greater,
            (None, Some(_)) => Ordering::Less,
            (Some(one), Some(other)) => match (is_number(one), is_number(other)) {
                (true, true) => compare_numbers(one, other),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => one.cmp(other),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_semver_says() {
        for (low, high) in [
            ("v1.1.0", "v1.2.0"),
            ("v1.9.0", "v1.10.0"),
            ("1.0.0-rc.1", "1.0.0"),
            ("v1.0.0-rc.2", "v1.0.0-rc.10"),
            ("v1.0.0-alpha", "v1.0.0-beta"),
            ("v1.0.0-1", "v1.0.0-alpha"),
            ("v1.0.0-alpha", "v1.0.0-alpha.1"),
            ("v1", "v1.1"),
            ("1.9.0", "V1.10.0"),
            ("v1.0.99999999999999999999", "v1.0.100000000000000000000"),
        ] {
            assert_eq!(compare(low, high), Ordering::Less, "{low} {high}");
            assert_eq!(compare(high, low), Ordering::Greater, "{low} {high}");
        }
        for (one, other) in [("v1.0.0+a", "v1.0.0+b"), ("v1", "1.0.0"), ("v1.0.0-rc.1+a", "v1.0.0-rc.1")] {
            assert_eq!(compare(one, other), Ordering::Equal, "{one} {other}");
        }
    }

    #[test]
    fn versions_of_one_thing_are_ordered_whatever_it_is_called() {
        for (low, high) in [
            ("app/9.0.0", "app/10.0.0"),
            ("app/v9.0.0", "app/v10.0.0"),
            ("release-9", "release-10"),
            ("my-app-1.2.3-rc.1", "my-app-1.2.3"),
            ("k8s-v1.9", "k8s-v1.10"),
            ("REL_16_9", "REL_16_10"),
            ("build9", "build10"),
            ("v1.2.3rc9", "v1.2.3rc10"),
            ("2026-09-30", "2026-10-01"),
            ("2026.9.30", "2026.10.1"),
        ] {
            assert_eq!(compare(low, high), Ordering::Less, "{low} {high}");
            assert_eq!(compare(high, low), Ordering::Greater, "{low} {high}");
        }
    }

    #[test]
    fn names_of_different_things_have_no_order() {
        for (one, other) in [("web/1.0.0", "api/2.0.0"), ("stable", "v1.0.0"), ("stable", "canary"), ("é", "v1")] {
            assert_eq!(compare(one, other), Ordering::Equal, "{one} {other}");
            assert_eq!(compare(other, one), Ordering::Equal, "{one} {other}");
        }
    }
}
