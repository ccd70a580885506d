//! Encrypted data with a modification detection code (tag 18, version 1; RFC 9580, section 5.13.1), for AES.
//!
//! The OpenPGP library opens these too, but refuses the frames that Go's library put inside of them.

use aes_gcm::aead::array::Array;
use aes_gcm::aes::cipher::{BlockCipherEncrypt, BlockSizeUser};
use aes_gcm::aes::{Aes128, Aes192, Aes256};
use aes_gcm::{KeyInit, aead::array::typenum::U16};

use crate::secret::Secret;

const BLOCK: usize = 16;
/// A random block, and its last two bytes again.
const PREFIX: usize = BLOCK + 2;
/// Header and SHA-1 hash of the packet at the end.
const MDC: usize = 22;

/// The content of such a packet, `body` being what follows its header; `None` unless its code holds.
///
/// `cipher` is the number of an algorithm of OpenPGP, `sha1` computes SHA-1.
pub(super) fn open(body: &[u8], cipher: u8, key: &[u8], sha1: impl Fn(&[u8]) -> Option<[u8; 20]>) -> Option<Secret> {
    let [1, data @ ..] = body else { return None };
    let mut buffer = data.to_vec();
    match (cipher, key.len()) {
        (7, 16) => decrypt(&Aes128::new_from_slice(key).ok()?, &mut buffer),
        (8, 24) => decrypt(&Aes192::new_from_slice(key).ok()?, &mut buffer),
        (9, 32) => decrypt(&Aes256::new_from_slice(key).ok()?, &mut buffer),
        _ => return None,
    }
    let plain = Secret::new(buffer);
    plain.expose(|plain| {
        // Whether the prefix repeats is not looked at: the code says as much, and answers no questions on the way.
        let (covered, code) = plain.split_last_chunk::<20>()?;
        let content = covered.strip_suffix(&[0xd3, 0x14])?.get(PREFIX..)?;
        (plain.len() >= PREFIX + MDC && sha1(covered)? == *code).then(|| Secret::new(content.to_vec()))
    })
}

/// Cipher feedback with an initial block of zeros.
fn decrypt<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>>(cipher: &C, data: &mut [u8]) {
    let mut feedback = Array([0; BLOCK]);
    for chunk in data.chunks_mut(BLOCK) {
        cipher.encrypt_block(&mut feedback);
        let mut next = Array([0; BLOCK]);
        for (at, byte) in chunk.iter_mut().enumerate() {
            next[at] = *byte;
            *byte ^= feedback[at];
        }
        feedback = next;
    }
}
