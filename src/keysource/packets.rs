//! The frames of an OpenPGP message, before anything is decrypted.

use crate::secret::{Draft, Secret};

/// A packet: its tag and what follows its header, which may be plaintext.
pub(super) struct Packet {
    pub(super) tag: u8,
    pub(super) body: Secret,
}

/// A session key for a public key.
pub(super) const PKESK: u8 = 1;
/// A session key for a passphrase.
pub(super) const SKESK: u8 = 3;
/// Says nothing.
pub(super) const MARKER: u8 = 10;
/// Compressed packets.
pub(super) const COMPRESSED: u8 = 8;
/// Content.
pub(super) const LITERAL: u8 = 11;
/// Encrypted data with integrity protection.
pub(super) const SEIPD: u8 = 18;
/// GnuPG's encrypted data in OCB mode.
pub(super) const OCB: u8 = 20;

/// Packets of one message.
const MAX_PACKETS: usize = 512;

/// The packets of `message`, lengths of every form resolved; `None` where the frames do not fit the message exactly.
pub(super) fn split(mut message: &[u8]) -> Option<Vec<Packet>> {
    let mut packets = Vec::new();
    while let Some((&first, rest)) = message.split_first() {
        if first & 0x80 == 0 || packets.len() == MAX_PACKETS {
            return None;
        }
        let (tag, (body, rest)) = if first & 0x40 == 0 {
            (first >> 2 & 15, old_body(first & 3, rest)?)
        } else {
            (first & 63, new_body(rest)?)
        };
        packets.push(Packet { tag, body });
        message = rest;
    }
    Some(packets)
}

fn old_body(kind: u8, rest: &[u8]) -> Option<(Secret, &[u8])> {
    let (length, rest) = match kind {
        0 => number(rest, 1)?,
        1 => number(rest, 2)?,
        2 => number(rest, 4)?,
        // To the end of the message.
        _ => (rest.len(), rest),
    };
    let (body, rest) = rest.split_at_checked(length)?;
    Some((Secret::new(body.to_vec()), rest))
}

fn new_body(mut rest: &[u8]) -> Option<(Secret, &[u8])> {
    let mut body = Draft::new();
    loop {
        let (&first, tail) = rest.split_first()?;
        let (length, tail, last) = match first {
            0..=191 => (usize::from(first), tail, true),
            192..=223 => {
                let (low, tail) = number(tail, 1)?;
                (((usize::from(first) - 192) << 8) + low + 192, tail, true)
            }
            224..=254 => (1 << (first & 31), tail, false),
            255 => {
                let (length, tail) = number(tail, 4)?;
                (length, tail, true)
            }
        };
        let (part, tail) = tail.split_at_checked(length)?;
        body.push(part);
        rest = tail;
        if last {
            return Some((body.seal(), rest));
        }
    }
}

fn number(bytes: &[u8], size: usize) -> Option<(usize, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(size)?;
    Some((digits.iter().fold(0, |number, &digit| number << 8 | usize::from(digit)), rest))
}

impl Packet {
    /// The packet with a new header of definite length.
    pub(super) fn framed(&self) -> Secret {
        self.body.expose(|body| {
            let mut bytes = Draft::with_capacity(body.len() + 6);
            bytes.push(&[0xc0 | self.tag, 255]);
            bytes.push(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.push(body);
            bytes.seal()
        })
    }

    /// The content of a literal packet, if it is one.
    pub(super) fn content(&self) -> Option<Secret> {
        self.body.expose(|body| {
            let [_, length, rest @ ..] = body else { return None };
            let content = rest.get(usize::from(*length) + 4..)?;
            (self.tag == LITERAL).then(|| Secret::new(content.to_vec()))
        })
    }

    /// States the true length of an RSA number.
    ///
    /// Go's OpenPGP library wrote the length of the modulus, which the library used here refuses where the number is shorter.
    pub(super) fn mend_rsa_length(&mut self) {
        if let Some(mended) = self.body.expose(mended_rsa).filter(|_| self.tag == PKESK) {
            self.body = Secret::new(mended);
        }
    }
}

fn mended_rsa(body: &[u8]) -> Option<Vec<u8>> {
    let (head, number) = body.split_at_checked(RSA_HEAD)?;
    let is_rsa = head[0] == 3 && matches!(head[9], 1 | 2);
    let stated = usize::from(u16::from_be_bytes([head[10], head[11]]));
    if !is_rsa || number.len() != stated.div_ceil(8) {
        return None;
    }
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    let bits = (number.len() - zeros) * 8 - number.get(zeros)?.leading_zeros() as usize;
    let mut mended = head[..10].to_vec();
    mended.extend_from_slice(&u16::try_from(bits).ok()?.to_be_bytes());
    mended.extend_from_slice(&number[zeros..]);
    Some(mended)
}

/// Version, key id, algorithm, and the length of the number in bits.
const RSA_HEAD: usize = 12;

#[cfg(test)]
mod tests {
    use super::{Packet, split};
    use crate::secret::Secret;

    #[test]
    fn every_form_of_length_is_resolved() {
        let mut message = vec![0x84, 2, 1, 2, 0xd2, 2, 3, 4];
        message.extend([0xd2, 0xe1, 5, 6, 1, 7]);
        message.extend([0xd2, 192, 0]);
        message.extend([9; 192]);
        let packets = split(&message).unwrap();
        let shapes: Vec<_> = packets.iter().map(|packet| (packet.tag, packet.body.expose(<[u8]>::len))).collect();
        assert_eq!(shapes, [(1, 2), (18, 2), (18, 3), (18, 192)]);
        packets[2].body.expose(|body| assert_eq!(body, [5, 6, 7]));
    }

    #[test]
    fn frames_that_do_not_fit_are_refused() {
        for message in [&[0x04, 0][..], &[0xd2], &[0xd2, 5, 1], &[0xd2, 0xe5, 1], &[0x86, 0, 0, 0]] {
            assert!(split(message).is_none(), "{message:?}");
        }
    }

    #[test]
    fn a_number_with_leading_zeros_gets_its_true_length() {
        let body = Secret::new(vec![3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 16, 0, 0x3f]);
        let mut packet = Packet { tag: 1, body };
        packet.mend_rsa_length();
        packet.body.expose(|body| assert_eq!(body, [3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 6, 0x3f]));
    }
}
