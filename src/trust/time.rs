//! The time rules: without them expiry and retirement would be decoration.

use jiff::Timestamp;
use jiff::civil::{DateTime, datetime};

use super::Reason;
use super::fault::{Fault, Judgement};

/// How far dates may be off, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Skew {
    /// Ahead of the verifier's clock.
    pub(super) future: i64,
    /// Behind a parent's date, or between commit and signature.
    pub(super) backward: i64,
}

impl Skew {
    /// A commit at `date` whose newest parent is at `parent`, judged `now`.
    pub(super) fn judge(&self, date: i64, parents: &[i64], now: i64) -> Judgement<()> {
        if date > now.saturating_add(self.future) {
            let fact = format!("its date {} is later than now by more than {} s", show(date), self.future);
            return Err(Fault::new(Reason::FutureDated, fact));
        }
        match parents.iter().max() {
            Some(&parent) if date < parent.saturating_sub(self.backward) => {
                let (date, parent) = (show(date), show(parent));
                let fact =
                    format!("its date {date} is earlier than its parent's {parent} by more than {} s", self.backward);
                Err(Fault::new(Reason::TimeRegression, fact))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Seconds since 1970 as people read them.
pub(super) fn show(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| format!("{seconds} s after 1970"), |time| time.to_string())
}

/// Reads `YYYYMMDD[HHMM[SS]]`, with or without `Z` or `UTC`, as seconds since 1970. Always UTC.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    let refuse = || format!("time `{}` is not YYYYMMDD[HHMM[SS]][Z] after 1970", text.escape_debug());
    let digits = strip_zone(text);
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refuse());
    }
    let number = |from: usize, to: usize| digits.get(from..to).and_then(|part| part.parse::<i16>().ok()).unwrap_or(0);
    let small = |from: usize| i8::try_from(number(from, from + 2)).unwrap_or(-1);
    let civil =
        DateTime::new(number(0, 4), small(4), small(6), small(8), small(10), small(12), 0).map_err(|_| refuse())?;
    // Not by way of a timestamp: that ends a day before the year 9999 does, which people write for ever.
    let seconds = civil.duration_since(datetime(1970, 1, 1, 0, 0, 0, 0)).as_secs();
    if seconds > 0 { Ok(seconds) } else { Err(refuse()) }
}

fn strip_zone(text: &str) -> &str {
    for zone in ["Z", "UTC"] {
        if let Some(at) = text.len().checked_sub(zone.len())
            && text.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(zone))
        {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_or_without_z() {
        assert_eq!(parse("20260610120000Z"), Ok(1_781_092_800));
        assert_eq!(parse("20260610120000"), Ok(1_781_092_800));
        assert_eq!(parse("202606101200utc"), Ok(1_781_092_800));
        assert_eq!(parse("20260610"), Ok(1_781_049_600));
        assert_eq!(parse("99991231235959Z"), Ok(253_402_300_799), "for ever");
        for bad in ["", "Z", "2026", "20261301", "20260230", "2026061012000", "20260610T12", "19700101", "2026061012é"]
        {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn dates_may_run_back_a_day_and_ahead_an_hour() {
        let skew = Skew { future: 3600, backward: 86400 };
        let reason = |date, parent| skew.judge(date, &[0, parent], 1_000_000).map_err(|fault| fault.reason);
        assert_eq!(reason(1_003_600, 1_000_000), Ok(()));
        assert_eq!(reason(1_003_601, 1_000_000), Err(Reason::FutureDated));
        assert_eq!(reason(913_600, 1_000_000), Ok(()));
        assert_eq!(reason(913_599, 1_000_000), Err(Reason::TimeRegression));
    }
}
