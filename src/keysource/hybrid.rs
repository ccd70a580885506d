//! age's post-quantum hybrid `mlkem768x25519`: HPKE over X-Wing.
//!
//! Source: age 1.3, `pq.go`; C2SP `age.md`, "the mlkem768x25519 recipient type".

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable, single_shot_open, single_shot_seal};

use super::bech32;
use crate::secret::Secret;

/// What keeps the use of the key by age apart from others.
const LABEL: &[u8] = b"age-encryption.org/mlkem768x25519";

type PublicKey = <XWing as Kem>::PublicKey;
type PrivateKey = <XWing as Kem>::PrivateKey;
type EncappedKey = <XWing as Kem>::EncappedKey;

/// A hybrid private key.
pub(super) struct Hybrid(PrivateKey);

impl Hybrid {
    /// The type of stanza it opens.
    pub(super) const STANZA: &'static str = "mlkem768x25519";

    /// Reads `AGE-SECRET-KEY-PQ-1...`: the 32-byte seed.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let seed = bech32::decode(line, "AGE-SECRET-KEY-PQ-")?;
        seed.expose(|seed| PrivateKey::from_bytes(seed).ok()).map(Self)
    }

    /// The public name, `age1pq1...`.
    pub(super) fn recipient(&self) -> String {
        bech32::encode("age1pq", &XWing::sk_to_pk(&self.0).to_bytes())
    }

    /// The file key that `body` holds under the key encapsulated in `argument`; `None` where it is not for us.
    pub(super) fn open(&self, argument: &str, body: &[u8]) -> Option<Secret> {
        let encapsulated = EncappedKey::from_bytes(&STANDARD_NO_PAD.decode(argument).ok()?).ok()?;
        single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeR::Base,
            &self.0,
            &encapsulated,
            LABEL,
            body,
            b"",
        )
        .ok()
        .map(Secret::new)
    }
}

/// A hybrid public key.
pub(super) struct Recipient(PublicKey);

impl Recipient {
    /// Reads `age1pq1...`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = bech32::decode(text.as_bytes(), "age1pq")?;
        bytes.expose(|bytes| PublicKey::from_bytes(bytes).ok()).map(Self)
    }

    /// What stands in a stanza for it: the encapsulated key, and `file_key` under it.
    pub(super) fn seal(&self, file_key: &[u8]) -> Option<(String, Vec<u8>)> {
        let sealed =
            single_shot_seal::<ChaCha20Poly1305, HkdfSha256, XWing>(&OpModeS::Base, &self.0, LABEL, file_key, b"");
        sealed.ok().map(|(encapsulated, body)| (STANDARD_NO_PAD.encode(encapsulated.to_bytes()), body))
    }
}
