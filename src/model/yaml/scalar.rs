//! What a scalar means: YAML 1.1 integers and octals, YAML 1.2 booleans, as go-yaml v3 has them.

use std::borrow::Cow;

use crate::model::{Number, Value};

use super::Style;

/// A scalar with its type.
#[derive(Debug, Clone, PartialEq)]
pub enum Typed {
    /// `null`, `~`, or nothing.
    Null,
    /// `true`, `false` and their capital forms; never `yes` or `on`.
    Bool(bool),
    /// An integer or a finite float.
    Number(Number),
    /// `.inf`, `.nan`: nothing that JSON has.
    NotFinite(f64),
    /// A date or a time, in RFC 3339.
    Timestamp(String),
    /// Text.
    Text(String),
    /// Base64, not yet decoded.
    Binary(String),
    /// `<<`
    Merge,
}

/// The prefix of the tags of YAML itself.
const YAML_TAG: &str = "tag:yaml.org,2002:";

/// The type of a scalar.
///
/// Only plain scalars have a type other than text, unless a tag says otherwise. `None` where the text does not fit its tag.
///
/// Source: go.yaml.in/yaml/v3 `resolve.go`, observed through kustomize 5.8.2.
pub fn resolve(text: &str, style: Style, tag: Option<&str>) -> Option<Typed> {
    let text_of = || Typed::Text(text.to_owned());
    let Some(tag) = tag else {
        return Some(if style == Style::Plain { plain(text) } else { text_of() });
    };
    let Some(core) = tag.strip_prefix(YAML_TAG) else { return Some(text_of()) };
    match (core, plain(text)) {
        ("binary", _) => Some(Typed::Binary(text.to_owned())),
        ("null", found @ Typed::Null)
        | ("bool", found @ Typed::Bool(_))
        | ("int", found @ Typed::Number(Number::Int(_) | Number::Uint(_)))
        | ("float", found @ (Typed::Number(_) | Typed::NotFinite(_)))
        | ("timestamp", found @ Typed::Timestamp(_))
        | ("merge", found @ Typed::Merge) => Some(found),
        ("null" | "bool" | "int" | "float" | "timestamp" | "merge", _) => None,
        // `!!str`, or a tag of somebody's own: its value is the text.
        (_, _) => Some(text_of()),
    }
}

/// The type of a plain scalar without a tag.
fn plain(text: &str) -> Typed {
    other_than_text(text).unwrap_or_else(|| Typed::Text(text.to_owned()))
}

/// Whether a plain scalar of this text is read as text. Keeps no copy of it: what is asked about may be secret.
pub fn reads_as_text(text: &str) -> bool {
    other_than_text(text).is_none()
}

fn other_than_text(text: &str) -> Option<Typed> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Typed::Null),
        "true" | "True" | "TRUE" => return Some(Typed::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Typed::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Some(Typed::NotFinite(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(Typed::NotFinite(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return Some(Typed::NotFinite(f64::NEG_INFINITY)),
        "<<" => return Some(Typed::Merge),
        _ => {}
    }
    let first = text.as_bytes()[0];
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    if let Some(time) = timestamp(text) {
        return Some(Typed::Timestamp(time));
    }
    // What has another sign in it is no number.
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'+' | b'-' | b'.' | b'_' | b'x' | b'X' | b'o' | b'O'))
    {
        return None;
    }
    // go-yaml drops underscores from everything but floats that begin with a point: there they must separate digits.
    if first == b'.' && !separates_digits(text) {
        return None;
    }
    let bare = if text.contains('_') { Cow::Owned(text.replace('_', "")) } else { Cow::Borrowed(text) };
    if let Some(number) = integer(&bare) {
        return Some(Typed::Number(number));
    }
    float(&bare).filter(|float| float.is_finite()).map(|float| Typed::Number(Number::of(float)))
}

/// Whether every underscore stands between two digits, as Go's `strconv` wants it.
fn separates_digits(text: &str) -> bool {
    let digit = |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
    text.match_indices('_').all(|(at, _)| digit(at.checked_sub(1)) && digit(Some(at + 1)))
}

impl Typed {
    /// The value that JSON has for it; `None` for what JSON cannot express.
    pub fn value(self) -> Option<Value> {
        match self {
            Typed::Null => Some(Value::Null),
            Typed::Bool(truth) => Some(Value::Bool(truth)),
            Typed::Number(number) => Some(Value::Number(number)),
            Typed::Timestamp(text) | Typed::Text(text) => Some(Value::Text(text)),
            Typed::Merge => Some(Value::Text("<<".to_owned())),
            Typed::Binary(text) => {
                use base64::Engine;
                let compact: String = text.split_ascii_whitespace().collect();
                let bytes = base64::engine::general_purpose::STANDARD.decode(compact).ok()?;
                String::from_utf8(bytes).ok().map(Value::Text)
            }
            Typed::NotFinite(_) => None,
        }
    }
}

/// An integer in any notation of YAML 1.1 or 1.2, sign included.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let prefix = |lower: &str, upper: &str| digits.strip_prefix(lower).or_else(|| digits.strip_prefix(upper));
    let (radix, digits) = if let Some(rest) = prefix("0x", "0X") {
        (16, rest)
    } else if let Some(rest) = prefix("0b", "0B") {
        (2, rest)
    } else if let Some(rest) = prefix("0o", "0O") {
        (8, rest)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    if !digits.bytes().all(|digit| char::from(digit).is_digit(radix)) {
        return None;
    }
    let size = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0i64.checked_sub_unsigned(size).map(Number::Int);
    }
    Some(i64::try_from(size).map_or(Number::Uint(size), Number::Int))
}

/// A decimal float: digits, at most one point, an exponent.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let some_digit = !whole.is_empty() || !fraction.is_empty();
    let exponent_ok = exponent.is_none_or(|exponent| {
        let size = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !size.is_empty() && digits(size)
    });
    if !(some_digit && digits(whole) && digits(fraction) && exponent_ok) {
        return None;
    }
    text.parse().ok()
}

/// A date, or a date and a time, as RFC 3339; `None` for other text.
///
/// Forms: `2001-1-2`, `2001-1-2 3:4:5.6` (taken as UTC), `2001-1-2T3:4:5.6Z`, the same with `t` or an offset `+01:00`.
fn timestamp(text: &str) -> Option<String> {
    if text.len() > 64 || !text.is_ascii() || text.as_bytes().get(4) != Some(&b'-') {
        return None;
    }
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some((text.as_bytes()[at], &text[at + 1..]))),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4, 4)?;
    let (month, day) = (digits(parts.next()?, 1, 2)?, digits(parts.next()?, 1, 2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    let Some((separator, time)) = time else { return Some(format!("{date}T00:00:00Z")) };
    let (clock, zone) = if separator == b' ' {
        (time.trim_start_matches(' '), "Z".to_owned())
    } else if let Some(clock) = time.strip_suffix('Z') {
        (clock, "Z".to_owned())
    } else {
        let (clock, offset) = time.split_at_checked(time.len().checked_sub(6)?)?;
        let (hours, minutes) = offset[1..].split_once(':')?;
        let (hours, minutes) = (digits(hours, 2, 2)?, digits(minutes, 2, 2)?);
        if !offset.starts_with(['+', '-']) || hours > 24 || minutes > 60 {
            return None;
        }
        (clock, if hours == 0 && minutes == 0 { "Z".to_owned() } else { offset.to_owned() })
    };
    let (clock, fraction) = match clock.split_once('.') {
        None => (clock, ""),
        Some((_, "")) => return None,
        Some((clock, fraction)) => (clock, fraction),
    };
    let mut parts = clock.split(':');
    let (hour, minute, second) =
        (digits(parts.next()?, 1, 2)?, digits(parts.next()?, 1, 2)?, digits(parts.next()?, 1, 2)?);
    let fraction_ok = fraction.bytes().all(|byte| byte.is_ascii_digit()) && !clock.ends_with('.');
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 || !fraction_ok {
        return None;
    }
    let fraction = fraction.get(..9).unwrap_or(fraction).trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}{point}{fraction}{zone}"))
}

fn digits(text: &str, least: usize, most: usize) -> Option<u32> {
    let fits = (least..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

fn days_in(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::{Typed, resolve};
    use crate::model::Number;
    use crate::model::yaml::Style;

    fn plain(text: &str) -> Typed {
        resolve(text, Style::Plain, None).unwrap()
    }

    #[test]
    fn integers_are_read_in_the_notations_of_both_versions_of_yaml() {
        for (text, value) in [
            ("0755", 493),
            ("0o755", 493),
            ("0x1F", 31),
            ("0b101", 5),
            ("1_000", 1000),
            ("-0x1F", -31),
            ("+7", 7),
            ("0", 0),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(plain(text), Typed::Number(Number::Int(value)), "{text}");
        }
        assert_eq!(plain("18446744073709551615"), Typed::Number(Number::Uint(u64::MAX)));
        assert_eq!(plain("18446744073709551616"), Typed::Number(Number::Float(18_446_744_073_709_551_616.0)));
    }

    #[test]
    fn a_float_that_is_whole_is_an_integer_as_json_writes_it() {
        assert_eq!(plain("1.0"), Typed::Number(Number::Int(1)));
        assert_eq!(plain("1e3"), Typed::Number(Number::Int(1000)));
        assert_eq!(plain("08"), Typed::Number(Number::Int(8)));
        assert_eq!(plain("1.5"), Typed::Number(Number::Float(1.5)));
        assert_eq!(plain(".5"), Typed::Number(Number::Float(0.5)));
        assert_eq!(plain(".1_0"), Typed::Number(Number::Float(0.1)));
    }

    #[test]
    fn text_that_looks_like_a_type_of_yaml_1_1_stays_text() {
        for text in [
            "yes",
            "on",
            "y",
            "12:30:45",
            "1.2.3",
            "0x",
            "1e",
            "-",
            "+",
            ".",
            "1__e",
            "0.0.0.0",
            "2001-13-01",
            "._5",
            ".5_",
            "2001-12-15T02:59:43.Z",
        ] {
            assert_eq!(plain(text), Typed::Text(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn dates_are_written_out_in_rfc_3339() {
        for (text, value) in [
            ("2001-01-01", "2001-01-01T00:00:00Z"),
            ("2001-1-2", "2001-01-02T00:00:00Z"),
            ("2001-12-14t21:59:43.10-05:00", "2001-12-14T21:59:43.1-05:00"),
            ("2001-12-15 2:59:43.10", "2001-12-15T02:59:43.1Z"),
            ("2001-12-15   2:59:43", "2001-12-15T02:59:43Z"),
            ("2001-12-15T02:59:43Z", "2001-12-15T02:59:43Z"),
        ] {
            assert_eq!(plain(text), Typed::Timestamp(value.to_owned()), "{text}");
        }
        assert_eq!(resolve("2001-01-01", Style::Double, None), Some(Typed::Text("2001-01-01".to_owned())));
    }

    #[test]
    fn a_tag_decides_and_a_value_that_does_not_fit_it_is_refused() {
        let tagged = |text, tag| resolve(text, Style::Plain, Some(tag));
        assert_eq!(tagged("123", "tag:yaml.org,2002:str"), Some(Typed::Text("123".to_owned())));
        assert_eq!(resolve("3", Style::Double, Some("tag:yaml.org,2002:int")), Some(Typed::Number(Number::Int(3))));
        assert_eq!(tagged("abc", "tag:yaml.org,2002:int"), None);
        assert_eq!(tagged("1", "!mine"), Some(Typed::Text("1".to_owned())));
    }
}
