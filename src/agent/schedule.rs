//! When what is due: pure, time is an argument.
//!
//! Time is what has passed since the agent began, by a clock that nobody sets: a wall clock put back by a year would
//! make everything due in a year.

use std::collections::BTreeMap;
use std::time::Duration;

/// Part of the interval by which a turn may come later, so that many Syncs do not come at once.
const JITTER: f64 = 0.1;

/// Longest wait after a passing fault.
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);

/// Things to do by their keys, each at its time, none twice at the same time.
pub struct Agenda<K> {
    entries: BTreeMap<K, Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    due: Duration,
    state: State,
    /// Turns in a row that ended in a passing fault.
    failures: u32,
    /// Disturbances in a row, none long after the one before; and when the last one was.
    disturbances: u32,
    disturbed: Duration,
    /// How many of these there were when a turn last put something right: the others came to nothing.
    fought: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    /// Running, and asked for meanwhile: the next turn is due then.
    RunningAgain(Duration),
    /// Running, and not known any more: nothing follows, unless the same key is asked for anew.
    Forgotten,
}

/// So many disturbances in a row are answered at once; from then on the waits double.
const AT_ONCE: u32 = 5;

/// A disturbance so long after the one before, and after the wait that it was given, is the first one again.
const CALM: Duration = Duration::from_secs(60);

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
    pub fn request(&mut self, key: K, now: Duration) {
        let new = Entry {
            due: now,
            state: State::Waiting,
            failures: 0,
            disturbances: 0,
            disturbed: Duration::ZERO,
            fought: 0,
        };
        let entry = self.entries.entry(key).or_insert(new);
        match entry.state {
            State::Forgotten => *entry = Entry { state: State::RunningAgain(now), ..new },
            State::Waiting | State::Running | State::RunningAgain(_) => entry.ask(now),
        }
    }

    /// Asks for a turn of `key` because somebody has changed what it applied: at once, and later and later where that
    /// goes on, so that two who fight about a field do not do so all day. What is not known stays unknown.
    pub fn disturb(&mut self, key: &K, now: Duration) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let waited = wait_after(entry.disturbances);
        let calm = now.saturating_sub(entry.disturbed) > waited * 2 + CALM;
        entry.fought = if calm { 0 } else { entry.fought };
        entry.disturbances = if calm { 1 } else { entry.disturbances.saturating_add(1) };
        entry.disturbed = now;
        entry.ask(now.saturating_add(wait_after(entry.disturbances)));
    }

    /// Says whether the turn that ends put something right: disturbances that come to nothing are no fight.
    pub fn corrected(&mut self, key: &K, something: bool) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if something {
            entry.fought = entry.disturbances;
        } else {
            entry.disturbances = entry.fought;
        }
    }

    /// Forgets `key`; a turn that runs may end, and nothing follows it. What is asked for anew by the same key waits for
    /// that end: two turns at once would each undo the other.
    pub fn forget(&mut self, key: &K) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        match entry.state {
            State::Waiting => drop(self.entries.remove(key)),
            State::Running | State::RunningAgain(_) | State::Forgotten => entry.state = State::Forgotten,
        }
    }

    /// Up to `free` keys whose time has come, earliest first; they count as running from now on.
    pub fn start_due(&mut self, now: Duration, free: usize) -> Vec<K> {
        let mut due: Vec<(Duration, K)> = self
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
    pub fn finish(&mut self, key: &K, now: Duration, next: Next, seed: u64) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if entry.state == State::Forgotten {
            self.entries.remove(key);
            return;
        }
        entry.failures = match next {
            Next::Interval(_) => 0,
            Next::Retry { .. } => entry.failures.saturating_add(1),
        };
        entry.due = match entry.state {
            State::RunningAgain(due) => due.min(now.saturating_add(delay(next, entry.failures, seed))),
            State::Waiting | State::Running | State::Forgotten => now.saturating_add(delay(next, entry.failures, seed)),
        };
        entry.state = State::Waiting;
    }

    /// The next time something is due.
    pub fn next_due(&self) -> Option<Duration> {
        self.entries.values().filter(|entry| entry.state == State::Waiting).map(|entry| entry.due).min()
    }
}

impl Entry {
    /// Asks for a turn at `due`, or sooner where one is.
    fn ask(&mut self, due: Duration) {
        match self.state {
            State::Waiting => self.due = self.due.min(due),
            State::Running => self.state = State::RunningAgain(due),
            State::RunningAgain(sooner) => self.state = State::RunningAgain(sooner.min(due)),
            // Somebody has changed what was applied for a Sync that is gone.
            State::Forgotten => {}
        }
    }
}

/// How long the turn waits that this many disturbances in a row ask for.
fn wait_after(disturbances: u32) -> Duration {
    match disturbances.checked_sub(AT_ONCE + 1) {
        None => Duration::ZERO,
        Some(more) => Duration::from_secs(1 << more.min(16)).min(LONGEST_BACKOFF),
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
    use std::time::Duration;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
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

    /// Plays a fight until `until`: whenever the agent has put something right, somebody changes it again at once.
    fn turns_of_a_fight(until: u64) -> usize {
        let mut agenda = Agenda::new();
        agenda.request("prod", at(0));
        let mut turns = 0;
        for second in 0..until {
            if agenda.start_due(at(second), 1).is_empty() {
                continue;
            }
            turns += 1;
            agenda.finish(&"prod", at(second), Next::Interval(at(86_400)), 0);
            agenda.disturb(&"prod", at(second));
        }
        turns
    }

    #[test]
    fn a_fight_is_answered_at_once_and_then_later_and_later() {
        assert_eq!(turns_of_a_fight(5), 5);
        assert!(turns_of_a_fight(3600) < 26, "{}", turns_of_a_fight(3600));
        let mut agenda = Agenda::new();
        agenda.request("prod", at(0));
        for number in 0..100 {
            let now = at(number * 1000);
            agenda.start_due(now, 1);
            agenda.finish(&"prod", now, Next::Interval(at(86_400)), 0);
            agenda.disturb(&"prod", now + at(1));
            assert_eq!(agenda.next_due(), Some(now + at(1)), "what happens now and then is put right at once");
        }
        agenda.disturb(&"unknown", at(0));
        assert!(!agenda.start_due(at(1_000_000), 9).contains(&"unknown"));
    }

    #[test]
    fn disturbances_that_come_to_nothing_delay_no_real_one() {
        let mut agenda = Agenda::new();
        agenda.request("prod", at(0));
        let mut now = at(0);
        for second in 0..300 {
            now = at(second);
            agenda.disturb(&"prod", now);
            assert_eq!(agenda.start_due(now, 1), ["prod"], "{second}");
            agenda.corrected(&"prod", false);
            agenda.finish(&"prod", now, Next::Interval(at(86_400)), 0);
        }
        for _ in 0..5 {
            agenda.disturb(&"prod", now);
            assert_eq!(agenda.start_due(now, 1), ["prod"], "real drift is due at once");
            agenda.corrected(&"prod", true);
            agenda.finish(&"prod", now, Next::Interval(at(86_400)), 0);
        }
        agenda.disturb(&"prod", now);
        assert!(agenda.start_due(now, 1).is_empty(), "a fight is one still");
    }

    #[test]
    fn a_disturbance_during_a_turn_waits_its_time_and_a_request_does_not() {
        let mut agenda = Agenda::new();
        agenda.request("prod", at(0));
        agenda.start_due(at(0), 1);
        (0..8).for_each(|_| agenda.disturb(&"prod", at(1)));
        agenda.finish(&"prod", at(2), MINUTE, 0);
        assert_eq!(agenda.next_due(), Some(at(1)), "the first five were to be answered at once");
        agenda.start_due(at(2), 1);
        agenda.disturb(&"prod", at(2));
        agenda.finish(&"prod", at(3), MINUTE, 0);
        assert_eq!(agenda.next_due(), Some(at(2) + at(8)));
        agenda.start_due(at(10), 1);
        agenda.disturb(&"prod", at(10));
        agenda.request("prod", at(11));
        agenda.finish(&"prod", at(12), MINUTE, 0);
        assert_eq!(agenda.next_due(), Some(at(11)));
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
        agenda.disturb(&"prod", at(1));
        agenda.finish(&"prod", at(1), MINUTE, 0);
        assert_eq!(agenda.next_due(), None);
        assert!(agenda.start_due(at(1_000_000), 9).is_empty());
    }

    #[test]
    fn what_is_made_anew_under_an_old_name_waits_for_the_turn_of_the_old_one() {
        let mut agenda = Agenda::new();
        agenda.request("prod", at(0));
        agenda.start_due(at(0), 1);
        agenda.forget(&"prod");
        agenda.request("prod", at(1));
        assert!(agenda.start_due(at(1), 1).is_empty(), "two turns of one Sync at once");
        agenda.finish(&"prod", at(2), MINUTE, 0);
        assert_eq!(agenda.start_due(at(2), 1), ["prod"]);
        // Nor does it help to be forgotten twice.
        agenda.request("prod", at(3));
        agenda.forget(&"prod");
        agenda.forget(&"prod");
        assert!(agenda.start_due(at(1_000_000), 1).is_empty());
        agenda.finish(&"prod", at(4), MINUTE, 0);
        assert_eq!(agenda.next_due(), None);
    }
}
