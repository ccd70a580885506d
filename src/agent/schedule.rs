//! When what is due: pure, time is an argument.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

/// Part of the interval by which a turn may come later, so that many Syncs do not come at once.
const JITTER: f64 = 0.1;

/// Longest wait after a passing fault.
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);

/// Things to do by their keys, each at its time, none twice at the same time.
pub struct Agenda<K> {
    entries: BTreeMap<K, Entry>,
}

struct Entry {
    due: Timestamp,
    state: State,
    /// Turns in a row that ended in a passing fault.
    failures: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    /// Running, and asked for again meanwhile.
    RunningAgain,
}

/// How soon the next turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// After the interval, give or take the jitter.
    Interval(Duration),
    /// After a passing fault: sooner than the interval, doubling with each failure.
    Retry {
        /// First wait.
        first: Duration,
        /// Never later than this.
        interval: Duration,
    },
}

impl<K: Ord + Clone> Agenda<K> {
    /// Nothing to do yet.
    pub fn new() -> Self {
        Self { entries: BTreeMap::new() }
    }

    /// Asks for a turn of `key` now; while one runs, another follows it.
    pub fn request(&mut self, key: K, now: Timestamp) {
        let entry = self.entries.entry(key).or_insert(Entry { due: now, state: State::Waiting, failures: 0 });
        match entry.state {
            State::Waiting => entry.due = entry.due.min(now),
            State::Running | State::RunningAgain => entry.state = State::RunningAgain,
        }
    }

    /// Forgets `key`; a turn that runs may end, nothing follows it.
    pub fn forget(&mut self, key: &K) {
        self.entries.remove(key);
    }

    /// Up to `free` keys whose time has come, earliest first; they count as running from now on.
    pub fn start_due(&mut self, now: Timestamp, free: usize) -> Vec<K> {
        let mut due: Vec<(Timestamp, K)> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.state == State::Waiting && entry.due <= now)
            .map(|(key, entry)| (entry.due, key.clone()))
            .collect();
        due.sort();
        due.truncate(free);
        let due: Vec<K> = due.into_iter().map(|(_, key)| key).collect();
        for key in &due {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.state = State::Running;
            }
        }
        due
    }

    /// Says that the turn of `key` has ended, and when the next one comes. `seed` decides the jitter.
    pub fn finish(&mut self, key: &K, now: Timestamp, next: Next, seed: u64) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.failures = match next {
            Next::Interval(_) => 0,
            Next::Retry { .. } => entry.failures.saturating_add(1),
        };
        entry.due = match entry.state {
            State::RunningAgain => now,
            State::Waiting | State::Running => now + delay(next, entry.failures, seed),
        };
        entry.state = State::Waiting;
    }

    /// The next time something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.entries.values().filter(|entry| entry.state == State::Waiting).map(|entry| entry.due).min()
    }
}

fn delay(next: Next, failures: u32, seed: u64) -> Duration {
    match next {
        // A fraction in 0..1 out of the seed's upper 53 bits, which a f64 holds exactly.
        Next::Interval(interval) => {
            #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
            let fraction = (seed >> 11) as f64 / (1_u64 << 53) as f64;
            interval.mul_f64(1.0 + JITTER * fraction)
        }
        Next::Retry { first, interval } => {
            let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16));
            doubled.min(interval).min(LONGEST_BACKOFF).max(first)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Agenda, Next};
    use jiff::Timestamp;
    use std::time::Duration;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    const MINUTE: Next = Next::Interval(Duration::from_secs(60));

    #[test]
    fn nothing_runs_twice_at_the_same_time() {
        let mut agenda = Agenda::new();
        agenda.request("prod", at(0));
        assert_eq!(agenda.start_due(at(0), 4), ["prod"]);
        agenda.request("prod", at(1));
        assert!(agenda.start_due(at(1), 4).is_empty());
        agenda.finish(&"prod", at(2), MINUTE, 0);
        assert_eq!(agenda.start_due(at(2), 4), ["prod"], "what was asked for meanwhile follows at once");
    }

    #[test]
    fn the_interval_is_kept_and_jitter_only_delays() {
        let mut agenda = Agenda::new();
        agenda.request("prod", at(0));
        agenda.start_due(at(0), 1);
        agenda.finish(&"prod", at(0), MINUTE, u64::MAX);
        assert!(agenda.start_due(at(60), 1).is_empty());
        assert_eq!(agenda.start_due(at(66), 1), ["prod"]);
    }

    #[test]
    fn retries_double_and_never_pass_the_interval() {
        let mut agenda = Agenda::new();
        let retry = Next::Retry { first: Duration::from_secs(5), interval: Duration::from_secs(15) };
        agenda.request("prod", at(0));
        for (begin, next) in [(0, 5), (5, 15), (15, 30), (30, 45)] {
            assert_eq!(agenda.start_due(at(begin), 1), ["prod"]);
            agenda.finish(&"prod", at(begin), retry, 7);
            assert_eq!(agenda.next_due(), Some(at(next)));
        }
    }

    #[test]
    fn no_more_start_than_there_are_free_places() {
        let mut agenda = Agenda::new();
        for key in ["a", "b", "c"] {
            agenda.request(key, at(0));
        }
        assert_eq!(agenda.start_due(at(0), 2).len(), 2);
        assert_eq!(agenda.start_due(at(0), 2).len(), 1);
    }

    #[test]
    fn what_is_forgotten_does_not_come_back() {
        let mut agenda = Agenda::new();
        agenda.request("prod", at(0));
        agenda.start_due(at(0), 1);
        agenda.forget(&"prod");
        agenda.finish(&"prod", at(1), MINUTE, 0);
        assert_eq!(agenda.next_due(), None);
    }
}
