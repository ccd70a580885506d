//! Shamir's secret sharing as Vault and sops do it: GF(2^8) with the AES polynomial, one polynomial a byte.

use crate::secret::{Draft, Secret};

/// Why parts cannot be combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("fewer than two parts")]
    TooFew,
    #[error("parts of different lengths, or too short")]
    Lengths,
    #[error("two parts with the same number, or a part with number 0")]
    Numbers,
}

/// The secret that all `parts` together determine.
///
/// A part is the value of each byte's polynomial, and its number (never 0) as the last byte. That the result is the secret that
/// was split shows only when it opens something.
pub(super) fn combine(parts: &[Secret]) -> Result<Secret, Error> {
    if parts.len() < 2 {
        return Err(Error::TooFew);
    }
    let length = parts[0].expose(<[u8]>::len);
    if length < 2 || parts.iter().any(|part| part.expose(<[u8]>::len) != length) {
        return Err(Error::Lengths);
    }
    let numbers: Vec<u8> = parts.iter().map(|part| part.expose(|bytes| bytes[length - 1])).collect();
    let distinct = numbers.iter().enumerate().all(|(at, number)| *number != 0 && !numbers[..at].contains(number));
    if !distinct {
        return Err(Error::Numbers);
    }
    let weights: Vec<u8> = numbers.iter().map(|&number| weight_at_zero(number, &numbers)).collect();
    let mut secret = Draft::with_capacity(length - 1);
    for at in 0..length - 1 {
        let byte = parts
            .iter()
            .zip(&weights)
            .fold(0, |sum, (part, weight)| sum ^ part.expose(|bytes| mul(bytes[at], *weight)));
        secret.push(&[byte]);
    }
    Ok(secret.seal())
}

/// `count` parts of `secret`, any `threshold` of which determine it; numbered from 1.
///
/// `count` is at most 255 and `threshold` at least 2: the caller has seen to it.
pub(super) fn split(secret: &Secret, count: usize, threshold: usize) -> Result<Vec<Secret>, getrandom::Error> {
    let length = secret.expose(<[u8]>::len);
    let mut random = vec![0; length * (threshold - 1)];
    getrandom::fill(&mut random)?;
    let random = Secret::new(random);
    let parts = (1..=255u8).take(count).map(|number| {
        let mut part = Draft::with_capacity(length + 1);
        secret.expose(|secret| {
            random.expose(|random| {
                for (byte, coefficients) in secret.iter().zip(random.chunks(threshold - 1)) {
                    // Horner's rule; the secret is the coefficient without the number.
                    let value = coefficients.iter().fold(0, |value, &coefficient| mul(value ^ coefficient, number));
                    part.push(&[value ^ byte]);
                }
            });
        });
        part.push(&[number]);
        part.seal()
    });
    Ok(parts.collect())
}

/// Lagrange's weight at 0 of the part with `number`; subtraction is exclusive-or.
fn weight_at_zero(number: u8, numbers: &[u8]) -> u8 {
    let others = numbers.iter().filter(|&&other| other != number);
    others.fold(1, |weight, &other| mul(weight, mul(other, inverse(other ^ number))))
}

/// Multiplication without branches on the operands.
fn mul(a: u8, b: u8) -> u8 {
    (0..8).rev().fold(0, |product: u8, bit| {
        let carry = (product >> 7).wrapping_neg() & 0x1b;
        (product << 1) ^ carry ^ ((b >> bit & 1).wrapping_neg() & a)
    })
}

/// `a` to the power of 254.
fn inverse(a: u8) -> u8 {
    (0..6).fold(mul(a, a), |power, _| mul(mul(power, a), mul(power, a)))
}

#[cfg(test)]
mod tests {
    use super::{Error, combine, inverse, mul, split};
    use crate::secret::Secret;

    #[test]
    fn every_number_times_its_inverse_is_one() {
        assert_eq!(mul(0x57, 0x83), 0xc1, "the example of FIPS 197");
        for number in 1..=255 {
            assert_eq!(mul(number, inverse(number)), 1, "{number}");
        }
    }

    #[test]
    fn two_points_of_a_line_give_its_value_at_zero() {
        // f(x) = 7 + 3x over GF(2^8): f(1) = 4, f(2) = 1.
        let combined = combine(&[Secret::new(vec![4, 1]), Secret::new(vec![1, 2])]).unwrap();
        assert!(combined.same(&Secret::new(vec![7])));
    }

    #[test]
    fn any_parts_up_to_the_threshold_give_the_secret_back_and_fewer_do_not() {
        let secret = Secret::new((0..32).collect());
        let parts = split(&secret, 5, 3).unwrap();
        let combined = |at: &[usize]| combine(&at.iter().map(|&at| parts[at].share()).collect::<Vec<_>>()).unwrap();
        assert!(combined(&[0, 1, 2]).same(&secret) && combined(&[4, 2, 3]).same(&secret));
        assert!(combined(&[0, 1, 2, 3, 4]).same(&secret));
        assert!(!combined(&[0, 1]).same(&secret));
    }

    #[test]
    fn parts_that_cannot_belong_together_are_refused() {
        let combined = |parts: &[&[u8]]| {
            let parts: Vec<Secret> = parts.iter().map(|part| Secret::new(part.to_vec())).collect();
            combine(&parts).err()
        };
        assert_eq!(combined(&[&[4, 1]]), Some(Error::TooFew));
        assert_eq!(combined(&[&[4, 1], &[1, 1, 2]]), Some(Error::Lengths));
        assert_eq!(combined(&[&[4, 1], &[1, 1]]), Some(Error::Numbers));
        assert_eq!(combined(&[&[4, 1], &[1, 0]]), Some(Error::Numbers));
    }
}
