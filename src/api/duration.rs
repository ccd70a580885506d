//! Durations as Kubernetes writes them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time as `1h`, `90s`, `1m30s` or `1.5h`; never negative, at most 100 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(time::Duration);

/// A text that is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a duration: numbers with a unit are expected, such as `30s`, `1h` or `1m30s`, up to 100 years"
)]
pub struct DurationError {
    text: String,
}

impl Duration {
    /// So many whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(time::Duration::from_secs(seconds))
    }

    /// As the standard library has it.
    pub const fn get(self) -> time::Duration {
        self.0
    }
}

/// Upper bound, in seconds: 100 years.
const LONGEST: f64 = 100.0 * 366.0 * 86_400.0;

/// What the API server checks; [`Duration::from_str`] is at least as strict.
const PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$";

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let refuse = || DurationError { text: text.chars().take(40).collect() };
        let mut rest = text;
        let mut total = 0.0;
        while !rest.is_empty() {
            let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(refuse)?;
            let (number, tail) = rest.split_at(unit_at);
            let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
            if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
                return Err(refuse());
            }
            let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_end);
            let seconds = match unit {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(refuse()),
            };
            total += number.parse::<f64>().map_err(|_| refuse())? * seconds;
            rest = tail;
        }
        if text.is_empty() || total > LONGEST {
            return Err(refuse());
        }
        Ok(Self(time::Duration::from_secs_f64(total)))
    }
}

impl fmt::Display for Duration {
    /// `1h`, `1m30s`, `250ms`: largest units first, none of them zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis == 0 {
            return f.write_str("0s");
        }
        let parts =
            [(millis / 3_600_000, "h"), (millis / 60_000 % 60, "m"), (millis / 1000 % 60, "s"), (millis % 1000, "ms")];
        parts.iter().filter(|(count, _)| *count > 0).try_for_each(|(count, unit)| write!(f, "{count}{unit}"))
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": PATTERN, "maxLength": 40})
    }
}

#[cfg(test)]
mod tests {
    use super::Duration;

    #[test]
    fn durations_read_as_kubernetes_writes_them() {
        for (text, seconds, shown) in [
            ("1h", 3600, "1h"),
            ("86400s", 86_400, "24h"),
            ("1m30s", 90, "1m30s"),
            ("1.5h", 5400, "1h30m"),
            ("0s", 0, "0s"),
        ] {
            let read: Duration = text.parse().unwrap();
            assert_eq!((read, read.to_string().as_str()), (Duration::from_secs(seconds), shown));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "1", "-1s", "1d", "1 h", ".5h", "1.h", "1..5h", "1e9h", "NaNs", "infs", "99999999999999h", "1hs"]
        {
            assert!(text.parse::<Duration>().is_err(), "{text:?}");
        }
    }
}
