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

/// Refuses a tag that moved, or of a lower version than `applied`.
pub(super) fn judge_version(name: &str, head: &Oid, applied: &str, applied_head: Option<&Oid>) -> Judgement<()> {
    let applied = name_of(applied);
    if name == applied && applied_head.is_some_and(|applied_head| applied_head != head) {
        return Err(Fault::new(
            Reason::TagMoved,
            format!("tag `{}` was applied at another commit", name.escape_debug()),
        ));
    }
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

/// Orders versions as semver does where both names hold one (`v1.2.3`, `app/1.2.3-rc.1`), else by numbers and text.
fn compare(one: &str, other: &str) -> Ordering {
    let (core_one, pre_one) = version(one);
    let (core_other, pre_other) = version(other);
    compare_parts(core_one, core_other).then_with(|| match (pre_one, pre_other) {
        (None, None) => Ordering::Equal,
        // A release follows its release candidates.
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(one), Some(other)) => compare_parts(one, other),
    })
}

/// The core and the pre-release part; build metadata behind `+` orders nothing.
fn version(name: &str) -> (&str, Option<&str>) {
    let name = name.split('+').next().unwrap_or_default();
    let name = match name.strip_prefix('v') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => rest,
        Some(_) | None => name,
    };
    match name.split_once('-') {
        Some((core, pre)) if core.ends_with(|c: char| c.is_ascii_digit()) => (core, Some(pre)),
        Some(_) | None => (name, None),
    }
}

fn compare_parts(one: &str, other: &str) -> Ordering {
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    loop {
        let order = match (ones.next(), others.next()) {
            (None, None) => return Ordering::Equal,
            (Some(_), None) => Ordering::Greater,
            (None, Some(_)) => Ordering::Less,
            (Some(one), Some(other)) => compare_part(one, other),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Numbers by value and below text, as semver says.
fn compare_part(one: &str, other: &str) -> Ordering {
    let number = |text: &str| text.parse::<u64>().ok();
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => one.cmp(other),
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
            ("v1", "v1.1"),
        ] {
            assert_eq!(compare(low, high), Ordering::Less, "{low} {high}");
            assert_eq!(compare(high, low), Ordering::Greater, "{low} {high}");
        }
        assert_eq!(compare("v1.0.0+a", "v1.0.0+b"), Ordering::Equal);
    }
}
