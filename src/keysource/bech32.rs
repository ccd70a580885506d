//! Bech32 (BIP 173) without its length limit, as age uses it for keys.

use crate::secret::{Draft, Secret};

const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// The bytes behind `prefix`, where `text` is of that kind and its checksum holds. Upper or lower case, never mixed.
pub(super) fn decode(text: &[u8], prefix: &str) -> Option<Secret> {
    let upper = text.iter().any(u8::is_ascii_uppercase);
    if upper && text.iter().any(u8::is_ascii_lowercase) {
        return None;
    }
    let separator = text.iter().rposition(|&byte| byte == b'1')?;
    let (human, digits) = (&text[..separator], &text[separator + 1..]);
    if !human.eq_ignore_ascii_case(prefix.as_bytes()) || digits.len() < 6 {
        return None;
    }
    let digit = |byte: u8| {
        LETTERS.iter().position(|&letter| letter == byte.to_ascii_lowercase()).and_then(|at| u8::try_from(at).ok())
    };
    let mut sum = checksum_of_prefix(prefix);
    let mut bytes = Draft::with_capacity(digits.len());
    let (mut pending, mut bits) = (0u32, 0u32);
    for (at, &byte) in digits.iter().enumerate() {
        let value = digit(byte)?;
        sum = step(sum, value);
        if at < digits.len() - 6 {
            pending = (pending << 5 | u32::from(value)) & 0xfff;
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                bytes.push(&[(pending >> bits & 0xff) as u8]);
            }
        }
    }
    let padding_is_zero = bits < 5 && pending & ((1 << bits) - 1) == 0;
    (sum == 1 && padding_is_zero).then(|| bytes.seal())
}

/// `bytes` in lower case behind `prefix`.
pub(super) fn encode(prefix: &str, bytes: &[u8]) -> String {
    let mut digits = Vec::with_capacity(bytes.len() * 8 / 5 + 7);
    let (mut pending, mut bits) = (0u32, 0u32);
    for &byte in bytes {
        pending = (pending << 8 | u32::from(byte)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            digits.push((pending >> bits & 31) as u8);
        }
    }
    if bits > 0 {
        digits.push((pending << (5 - bits) & 31) as u8);
    }
    let sum = digits.iter().chain(&[0; 6]).fold(checksum_of_prefix(prefix), |sum, &digit| step(sum, digit)) ^ 1;
    digits.extend((0..6).map(|at| (sum >> (5 * (5 - at)) & 31) as u8));
    let letters = digits.iter().map(|&digit| char::from(LETTERS[usize::from(digit)]));
    format!("{prefix}1{}", letters.collect::<String>())
}

fn checksum_of_prefix(prefix: &str) -> u32 {
    let lower = || prefix.bytes().map(|byte| byte.to_ascii_lowercase());
    let sum = lower().fold(1, |sum, byte| step(sum, byte >> 5));
    lower().fold(step(sum, 0), |sum, byte| step(sum, byte & 31))
}

fn step(sum: u32, value: u8) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let top = sum >> 25;
    let next = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
    GENERATOR.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1).fold(next, |sum, (_, part)| sum ^ part)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn the_examples_of_bip_173_hold() {
        assert!(decode(b"A12UEL5L", "a").is_some());
        assert!(decode(b"a12uel5l", "A").is_some());
        assert!(decode(b"A12uEL5L", "a").is_none());
        assert!(decode(b"A1G7SGD8", "a").is_none());
        assert!(decode(b"abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw", "abcdef").is_some());
    }

    #[test]
    fn what_is_encoded_is_decoded_again() {
        let text = encode("age", &[0xff; 33]);
        decode(text.as_bytes(), "age").unwrap().expose(|bytes| assert_eq!(bytes, [0xff; 33]));
    }
}
