//! Points in time as sops reads and writes them: RFC 3339, the offset kept.

/// A civil date and time with its offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    date: (u16, u8, u8),
    time: (u8, u8, u8),
    nanos: u32,
    /// Minutes east of UTC.
    offset: i16,
}

impl Stamp {
    /// Reads RFC 3339 strictly: upper-case `T` and `Z`, two digits everywhere.
    pub(super) fn rfc3339(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let rest = rest.strip_prefix('T')?;
        if !rest.get(..8)?.is_ascii() {
            return None;
        }
        let stamp = Self { date: civil_date(date)?, ..Self::midnight(&rest[..8])? };
        stamp.with_fraction_and_offset(&rest[8..])
    }

    /// `hh:mm:ss` on no particular day.
    fn midnight(text: &str) -> Option<Self> {
        let [hour, minute, second] = three(text)?;
        let time = (u8::try_from(hour).ok()?, u8::try_from(minute).ok()?, u8::try_from(second).ok()?);
        (time.0 < 24 && time.1 < 60 && time.2 < 60).then_some(Self { date: (0, 1, 1), time, nanos: 0, offset: 0 })
    }

    fn with_fraction_and_offset(mut self, mut text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('.') {
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            self.nanos = fraction(&rest[..end])?;
            text = &rest[end..];
        }
        self.offset = match text.as_bytes() {
            [b'Z'] => 0,
            [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
                let (hours, minutes) = (number(&text[1..3], 2)?, number(&text[4..6], 2)?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                let east = i16::try_from(hours * 60 + minutes).ok()?;
                if *sign == b'-' { -east } else { east }
            }
            _ => return None,
        };
        Some(self)
    }

    /// RFC 3339 with whole seconds; the form that authenticates the MAC.
    pub(super) fn seconds(&self) -> String {
        let ((year, month, day), (hour, minute, second)) = (self.date, self.time);
        let offset = self.offset_text();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{offset}")
    }

    /// RFC 3339 with as many digits of the second as it has.
    pub(super) fn nanoseconds(&self) -> String {
        let ((year, month, day), (hour, minute, second)) = (self.date, self.time);
        let mut fraction = String::new();
        if self.nanos > 0 {
            fraction = format!(".{:09}", self.nanos);
            fraction.truncate(fraction.trim_end_matches('0').len());
        }
        let offset = self.offset_text();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{offset}")
    }

    fn offset_text(&self) -> String {
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.unsigned_abs();
        if minutes == 0 { "Z".to_owned() } else { format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60) }
    }
}

fn civil_date(text: &str) -> Option<(u16, u8, u8)> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => return None,
    };
    if day == 0 || day > days {
        return None;
    }
    Some((u16::try_from(year).ok()?, u8::try_from(month).ok()?, u8::try_from(day).ok()?))
}

fn three(text: &str) -> Option<[u32; 3]> {
    let mut parts = text.split(':').map(|part| number(part, 2));
    let found = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(found)
}

/// A decimal of exactly `width` digits.
fn number(text: &str, width: usize) -> Option<u32> {
    (text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Nanoseconds of a decimal fraction; digits beyond the ninth are dropped.
fn fraction(digits: &str) -> Option<u32> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{digits:0<9}")[..9].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::Stamp;

    #[test]
    fn the_mac_is_bound_to_whole_seconds_and_the_offset_as_written() {
        for (text, seconds) in [
            ("2026-11-23T17:05:20Z", "2026-11-23T17:05:20Z"),
            ("2026-11-23T17:05:20.987Z", "2026-11-23T17:05:20Z"),
            ("2026-11-23T17:05:20+00:00", "2026-11-23T17:05:20Z"),
            ("2026-11-23T17:05:20-03:30", "2026-11-23T17:05:20-03:30"),
        ] {
            assert_eq!(Stamp::rfc3339(text).unwrap().seconds(), seconds);
        }
    }

    #[test]
    fn what_is_not_rfc3339_is_refused() {
        for text in [
            "",
            "2026-11-23",
            "2026-11-23t17:05:20Z",
            "2026-11-23T17:05:20z",
            "2026-11-23 17:05:20Z",
            "2026-02-29T00:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T17:05:20",
            "2026-11-23T17:05:20Z\r",
            "2026-11-23T17:05:20.Z",
            "2026-11-23T17:05:20+24:00",
        ] {
            assert!(Stamp::rfc3339(text).is_none(), "{text:?}");
        }
    }
}
