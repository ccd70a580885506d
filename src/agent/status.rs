//! What a turn found, as conditions: pure.
//!
//! `Ready`, `Verified`, `Fresh`, `Healthy` say what holds; `Reconciling` and `Stalled` are there only while they are
//! true, as kstatus expects of abnormal conditions.

use jiff::Timestamp;

use crate::api::{Condition, ConditionStatus, condition_kind as kind};

/// Longest message of a condition, in bytes.
///
/// Source: Kubernetes API conventions, `metav1.Condition.message` is at most 32768.
const LONGEST_MESSAGE: usize = 4096;

/// Whether something holds, and in which words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holds {
    /// Yes, no, or not known.
    pub status: ConditionStatus,
    /// A stable CamelCase word.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

impl Holds {
    /// It does.
    pub fn yes(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: ConditionStatus::True, reason: reason.into(), message: message.into() }
    }

    /// It does not.
    pub fn no(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: ConditionStatus::False, reason: reason.into(), message: message.into() }
    }

    /// Nobody can say.
    pub fn unknown(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: ConditionStatus::Unknown, reason: reason.into(), message: message.into() }
    }
}

/// What a turn found. `None` removes a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Generation of the resource that the turn worked on.
    pub generation: i64,
    /// The cluster equals the newest commit.
    pub ready: Holds,
    /// The newest commit was verified.
    pub verified: Option<Holds>,
    /// The view of the remote is not older than the Repository allows.
    pub fresh: Option<Holds>,
    /// What was applied works.
    pub healthy: Option<Holds>,
    /// Waits for something by itself.
    pub reconciling: Option<Holds>,
    /// Somebody must edit something.
    pub stalled: Option<Holds>,
    /// What is applied would not be believed today.
    pub distrusted: Option<Holds>,
    /// The clock that all of this is told by cannot be believed.
    pub clock_suspect: Option<Holds>,
}

/// `previous` brought up to date; a transition time moves only when the answer does.
pub fn conditions(previous: &[Condition], findings: &Findings, now: Timestamp) -> Vec<Condition> {
    let found = [
        (kind::READY, Some(&findings.ready)),
        (kind::VERIFIED, findings.verified.as_ref()),
        (kind::FRESH, findings.fresh.as_ref()),
        (kind::HEALTHY, findings.healthy.as_ref()),
        (kind::RECONCILING, findings.reconciling.as_ref()),
        (kind::STALLED, findings.stalled.as_ref()),
        (kind::DISTRUSTED, findings.distrusted.as_ref()),
        (kind::CLOCK_SUSPECT, findings.clock_suspect.as_ref()),
    ];
    let one = |(kind, holds): (&str, Option<&Holds>)| {
        let holds = holds?;
        let since = previous.iter().find(|old| old.kind == kind && old.status == holds.status);
        Some(Condition {
            kind: kind.to_owned(),
            status: holds.status,
            reason: holds.reason.clone(),
            message: shorten(&holds.message, LONGEST_MESSAGE),
            observed_generation: Some(findings.generation),
            last_transition_time: since.map_or_else(|| seconds(now), |old| old.last_transition_time.clone()),
        })
    };
    found.into_iter().filter_map(one).collect()
}

/// Whether anything but time differs: an unchanged status is not written again.
pub fn differ(old: &[Condition], new: &[Condition]) -> bool {
    let plain = |condition: &Condition| Condition { last_transition_time: String::new(), ..condition.clone() };
    old.iter().map(plain).ne(new.iter().map(plain))
}

/// A kebab-case code (`unknown-signer`) as a reason (`UnknownSigner`).
pub fn reason(code: &str) -> String {
    code.split('-')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
        })
        .collect()
}

/// RFC 3339 in whole seconds, as Kubernetes writes times.
pub fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

/// `message` in at most `longest` bytes.
pub(super) fn shorten(message: &str, longest: usize) -> String {
    if message.len() <= longest {
        return message.to_owned();
    }
    let end = (0..=longest.saturating_sub(4)).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
    format!("{} …", &message[..end])
}

#[cfg(test)]
mod tests {
    use super::{Findings, Holds, conditions, differ, reason};
    use jiff::Timestamp;

    fn findings(ready: Holds) -> Findings {
        Findings {
            generation: 1,
            ready,
            verified: None,
            fresh: None,
            healthy: None,
            reconciling: None,
            stalled: None,
            distrusted: None,
            clock_suspect: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_transition_time_moves_only_with_the_answer() {
        let first = conditions(&[], &findings(Holds::no("Unsigned", "a")), at(10));
        let second = conditions(&first, &findings(Holds::no("UnknownSigner", "b")), at(20));
        assert_eq!(second[0].last_transition_time, "1970-01-01T00:00:10Z");
        assert_eq!(second[0].reason, "UnknownSigner");
        let third = conditions(&second, &findings(Holds::yes("Applied", "c")), at(30));
        assert_eq!(third[0].last_transition_time, "1970-01-01T00:00:30Z");
    }

    #[test]
    fn an_unchanged_status_is_not_written_again() {
        let first = conditions(&[], &findings(Holds::yes("Applied", "a")), at(10));
        let second = conditions(&first, &findings(Holds::yes("Applied", "a")), at(99));
        assert!(!differ(&first, &second));
        let third = conditions(&first, &findings(Holds::yes("Applied", "b")), at(99));
        assert!(differ(&first, &third));
    }

    #[test]
    fn codes_become_camel_case_reasons() {
        assert_eq!(reason("unknown-signer"), "UnknownSigner");
        assert_eq!(reason("mac-mismatch"), "MacMismatch");
    }
}
