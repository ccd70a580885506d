//! Floating point numbers as Go reads and writes them.

/// The number that `text` says, where Go's `strconv.ParseFloat` takes it.
pub(super) fn parse(text: &str) -> Option<f64> {
    let unsigned = text.trim_start_matches(['+', '-']);
    if let Some(digits) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        let sign = match &text[..text.len() - unsigned.len()] {
            "" | "+" => 1.0,
            "-" => -1.0,
            _ => return None,
        };
        return hexadecimal(digits).map(|value| sign * value);
    }
    let value: f64 = text.parse().ok()?;
    // Rust rounds what is too large to infinity; Go refuses it.
    let spelled = unsigned.starts_with(['i', 'I']);
    (value.is_finite() || value.is_nan() || spelled).then_some(value)
}

/// `1F.8p-3`: at most 16 digits, an exponent always.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}").replace('_', "");
    let exponent: i32 = exponent.parse().ok().filter(|exponent| (-1000..=1000).contains(exponent))?;
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let places = i32::try_from(fraction.len()).ok()? * 4;
    #[expect(clippy::cast_precision_loss, reason = "rounds to the nearest, as Go does")]
    let value = u64::from_str_radix(&digits, 16).ok()? as f64 * 2f64.powi(exponent - places);
    value.is_finite().then_some(value)
}

/// Go's `FormatFloat(value, 'f', -1, 64)`: never an exponent. The form that is encrypted and hashed.
pub(super) fn plain(value: f64) -> String {
    special(value).map_or_else(|| value.to_string(), str::to_owned)
}

/// Go's `FormatFloat(value, 'g', -1, 64)`: an exponent below 1e-4 and from 1e6 on.
pub(super) fn general(value: f64) -> String {
    if let Some(special) = special(value) {
        return special.to_owned();
    }
    let (mantissa, exponent) = scientific(value);
    if value != 0.0 && !(-4..6).contains(&exponent) {
        format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
    } else {
        value.to_string()
    }
}

/// A finite number as Go's `encoding/json` writes it.
pub(super) fn json(value: f64) -> String {
    let (mantissa, exponent) = scientific(value);
    if value != 0.0 && (value.abs() < 1e-6 || value.abs() >= 1e21) {
        format!("{mantissa}e{}{}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
    } else {
        value.to_string()
    }
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("+Inf")
    } else if value == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

/// The shortest digits, and the decimal exponent.
fn scientific(value: f64) -> (String, i32) {
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa.to_owned(), exponent.parse().unwrap_or(0)),
        None => (text, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::{general, json, parse, plain};

    #[test]
    fn the_hashed_form_has_no_exponent() {
        for (text, hashed) in
            [("1e3", "1000"), ("1.50", "1.5"), ("1e21", "1000000000000000000000"), ("-0.0", "-0"), ("NaN", "NaN")]
        {
            assert_eq!(plain(parse(text).unwrap()), hashed);
        }
        assert_eq!(plain(parse("0x1FEp-1").unwrap()), "255");
        assert_eq!(plain(parse("-0x1.8p1").unwrap()), "-3");
        for text in ["1e400", "0x1F", "0xp1", "--0x1p1", "0x1p+-1", "", "1_0"] {
            assert!(parse(text).is_none(), "{text}");
        }
        assert_eq!(plain(f64::INFINITY), "+Inf");
    }

    #[test]
    fn emitted_forms_are_those_of_go() {
        assert_eq!(general(1e21), "1e+21");
        assert_eq!(general(123_456_789.125), "1.23456789125e+08");
        assert_eq!(general(0.00001), "1e-05");
        assert_eq!(general(2.5), "2.5");
        assert_eq!(json(1e21), "1e+21");
        assert_eq!(json(1e-7), "1e-7");
    }
}
