//! The armor around a signature: exactly one block, nothing before it, nothing behind it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Reason;
use super::fault::{Fault, Judgement};

/// The bytes inside the armor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    /// Of `PGP SIGNATURE`.
    OpenPgp(Vec<u8>),
    /// Of `SSH SIGNATURE`.
    Ssh(Vec<u8>),
}

/// Opens the value of a signature header, or the signature at the end of a tag.
pub(super) fn open(armor: &[u8]) -> Judgement<Envelope> {
    let text = std::str::from_utf8(armor).map_err(|_| malformed("it is not text"))?;
    let label = text
        .lines()
        .next()
        .and_then(|line| blank_end(line).strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
        .filter(|label| !label.contains("--"))
        .ok_or_else(|| malformed("it does not begin with an armor line"))?;
    match label {
        "PGP SIGNATURE" => Ok(Envelope::OpenPgp(open_pgp(text, label)?)),
        "SSH SIGNATURE" => Ok(Envelope::Ssh(decode(&block(text, label)?.concat())?)),
        other => Err(Fault::new(Reason::UnsupportedSignature, format!("the armor says `{}`", other.escape_debug()))),
    }
}

/// The bytes of OpenPGP armor with `label`: headers up to a blank line, base64, and perhaps a checksum.
pub(super) fn open_pgp(text: &str, label: &str) -> Judgement<Vec<u8>> {
    let lines = block(text, label)?;
    let blank = lines.iter().position(|line| line.is_empty()).ok_or_else(|| malformed("no blank line in the armor"))?;
    if let Some(line) = lines[..blank].iter().find(|line| !is_armor_header(line)) {
        return Err(malformed(format!("line `{}` in the armor is not a header", line.escape_debug())));
    }
    let mut body = &lines[blank + 1..];
    let mut sum = None;
    if let Some((last, rest)) = body.split_last()
        && let Some(text) = last.strip_prefix('=')
    {
        sum = Some(decode(text)?);
        body = rest;
    }
    let bytes = decode(&body.concat())?;
    match sum {
        Some(sum) if sum != crc24(&bytes).to_be_bytes()[1..] => Err(malformed("the armor's checksum does not match")),
        Some(_) | None => Ok(bytes),
    }
}

/// The lines between the first and the last line of the one block that `text` is. One empty line may follow, as forges
/// write it.
fn block<'a>(text: &'a str, label: &str) -> Judgement<Vec<&'a str>> {
    let mut lines: Vec<&str> = text.split('\n').map(blank_end).collect();
    // `split` yields one empty part behind the last line feed; the second one is the empty line of forges.
    for _ in 0..2 {
        if lines.last() == Some(&"") {
            lines.pop();
        }
    }
    if lines.first() != Some(&format!("-----BEGIN {label}-----").as_str()) {
        return Err(malformed(format!("it does not begin with the armor of `{label}`")));
    }
    if lines.len() < 2 || lines.last() != Some(&format!("-----END {label}-----").as_str()) {
        return Err(malformed("it does not end with the armor's last line"));
    }
    let inside = lines[1..lines.len() - 1].to_vec();
    if inside.iter().any(|line| line.starts_with("-----")) {
        return Err(malformed("there is more than one armor block"));
    }
    Ok(inside)
}

/// The line without the blanks and carriage return that mail and Windows add.
fn blank_end(line: &str) -> &str {
    line.trim_end_matches([' ', '\t', '\r'])
}

fn is_armor_header(line: &str) -> bool {
    line.split_once(':')
        .is_some_and(|(key, _)| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
}

fn decode(text: &str) -> Judgement<Vec<u8>> {
    if text.is_empty() {
        return Err(malformed("the armor is empty"));
    }
    STANDARD.decode(text).map_err(|error| malformed(format!("the base64 in the armor is broken: {error}")))
}

/// Source: RFC 9580, section 6.1.1.
fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x00b7_04ce, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 16, |sum, _| {
            let sum = sum << 1;
            if sum & 0x0100_0000 == 0 { sum } else { sum ^ 0x0186_4cfb }
        })
    })
}

fn malformed(fact: impl Into<String>) -> Fault {
    Fault::new(Reason::MalformedSignature, fact)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> Reason {
        open(text.as_bytes()).unwrap_err().reason
    }

    const SSH: &str = "-----BEGIN SSH SIGNATURE-----\nU1NI\nU0lH\n-----END SSH SIGNATURE-----\n";

    #[test]
    fn base64_of_any_width_is_read() {
        assert_eq!(open(SSH.as_bytes()), Ok(Envelope::Ssh(b"SSHSIG".to_vec())));
        assert_eq!(open(SSH.replace("I\nU", "IU").as_bytes()), Ok(Envelope::Ssh(b"SSHSIG".to_vec())));
        assert_eq!(open(format!("{SSH}\n").as_bytes()), Ok(Envelope::Ssh(b"SSHSIG".to_vec())), "a forge's empty line");
    }

    #[test]
    fn nothing_may_stand_around_the_block() {
        for bad in [
            String::new(),
            format!("hello\n{SSH}"),
            format!("{SSH}hello\n"),
            format!("{SSH}{SSH}"),
            format!("{SSH}\n\n"),
            format!("\n{SSH}"),
            SSH.replace("-----END SSH SIGNATURE-----\n", ""),
            SSH.replace("-----END SSH", "-----END PGP"),
            SSH.replace("U1NI", "U1N"),
            SSH.replace("U1NI\nU0lH\n", ""),
            SSH.replace('\n', "\r"),
        ] {
            assert_eq!(reason(&bad), Reason::MalformedSignature, "{bad:?}");
        }
    }

    #[test]
    fn other_armor_is_not_supported() {
        for label in ["SIGNED MESSAGE", "PGP MESSAGE", "PGP SIGNED MESSAGE"] {
            assert_eq!(reason(&SSH.replace("SSH SIGNATURE", label)), Reason::UnsupportedSignature);
        }
    }

    #[test]
    fn a_wrong_checksum_is_refused() {
        let text = "-----BEGIN PGP SIGNATURE-----\nVersion: x\n\nAAAA\n=kOB8\n-----END PGP SIGNATURE-----\n";
        assert_eq!(reason(text), Reason::MalformedSignature);
    }
}
