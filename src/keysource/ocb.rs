//! OCB-encrypted packets (tag 20), which GnuPG 2.3 and later write for keys that ask for it.
//!
//! Never standardised (draft-ietf-openpgp-rfc4880bis-10, section 5.16), and gone from the OpenPGP library.

use aes_gcm::aead::array::Array;
use aes_gcm::aead::array::typenum::U15;
use aes_gcm::aes::{Aes128, Aes192, Aes256};
use aes_gcm::{AeadInOut, KeyInit};
use ocb3::Ocb3;

use crate::secret::{Draft, Secret};

/// The content of such a packet, `body` being what follows its header; `None` unless every tag holds.
///
/// At most `limit` bytes are decrypted.
pub(super) fn open(body: &[u8], cipher: u8, key: &[u8], limit: usize) -> Option<Secret> {
    let ([VERSION, algorithm, OCB, chunk_bits @ 0..=16], rest) = body.split_first_chunk::<4>()? else { return None };
    let (iv, rest) = rest.split_first_chunk::<15>()?;
    if *algorithm != cipher || rest.len() > limit {
        return None;
    }
    let header = [HEADER, VERSION, cipher, OCB, *chunk_bits];
    match (cipher, key.len()) {
        (7, 16) => chunks(&Ocb3::<Aes128, U15>::new_from_slice(key).ok()?, rest, iv, header),
        (8, 24) => chunks(&Ocb3::<Aes192, U15>::new_from_slice(key).ok()?, rest, iv, header),
        (9, 32) => chunks(&Ocb3::<Aes256, U15>::new_from_slice(key).ok()?, rest, iv, header),
        _ => None,
    }
}

/// The first byte of such a packet: tag 20 in the new format.
const HEADER: u8 = 0xd4;
const VERSION: u8 = 1;
const OCB: u8 = 2;
const TAG: usize = 16;

fn chunks<C>(cipher: &C, body: &[u8], iv: &[u8; 15], header: [u8; 5]) -> Option<Secret>
where
    C: AeadInOut<NonceSize = U15, TagSize = aes_gcm::aead::array::typenum::U16>,
{
    let (mut rest, last_tag) = body.split_last_chunk::<TAG>()?;
    let chunk = 1 << (header[4] + 6);
    let mut plain = Draft::with_capacity(rest.len());
    let mut index = 0u64;
    while !rest.is_empty() {
        let (part, tail) = rest.split_at(rest.len().min(chunk + TAG));
        let (data, tag) = part.split_last_chunk::<TAG>()?;
        let opened = open_chunk(cipher, data, tag, iv, index, &associated(header, index, None))?;
        opened.expose(|bytes| plain.push(bytes));
        rest = tail;
        index += 1;
    }
    // The last tag, over nothing, binds the length: a cut message has another.
    let length = u64::try_from(plain.len()).ok()?;
    open_chunk(cipher, &[], last_tag, iv, index, &associated(header, index, Some(length)))?;
    Some(plain.seal())
}

fn open_chunk<C>(
    cipher: &C,
    data: &[u8],
    tag: &[u8; TAG],
    iv: &[u8; 15],
    index: u64,
    associated: &[u8],
) -> Option<Secret>
where
    C: AeadInOut<NonceSize = U15, TagSize = aes_gcm::aead::array::typenum::U16>,
{
    let mut nonce = *iv;
    nonce[7..].iter_mut().zip(index.to_be_bytes()).for_each(|(byte, count)| *byte ^= count);
    let mut buffer = data.to_vec();
    cipher.decrypt_inout_detached(&Array(nonce), associated, buffer.as_mut_slice().into(), &Array(*tag)).ok()?;
    Some(Secret::new(buffer))
}

fn associated(header: [u8; 5], index: u64, length: Option<u64>) -> Vec<u8> {
    let mut data = header.to_vec();
    data.extend_from_slice(&index.to_be_bytes());
    data.extend(length.into_iter().flat_map(u64::to_be_bytes));
    data
}
