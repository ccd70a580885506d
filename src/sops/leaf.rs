//! The envelope of one value: `ENC[AES256_GCM,data:...,iv:...,tag:...,type:...]`.

use aes_gcm::aead::array::typenum::{U12, U16, U32};
use aes_gcm::aead::array::{Array, ArraySize};
use aes_gcm::aes::Aes256;
use aes_gcm::{AeadInOut, AesGcm, KeyInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::Fault;
use super::floats;
use super::stamp::Stamp;
use super::tree::{Kind, Sealed, Typed};
use crate::secret::Secret;

/// Opens and makes envelopes under one data key.
pub(super) struct Cipher {
    /// What sops writes.
    long: AesGcm<Aes256, U32>,
    /// What other writers wrote, once.
    short: AesGcm<Aes256, U12>,
    middle: AesGcm<Aes256, U16>,
}

/// What an envelope held.
pub(super) enum Opened {
    Value(Sealed),
    /// A comment; in a list comments stand as elements.
    Comment(Secret),
    /// Something that is not of the type which its envelope claims.
    Misfit(Secret),
}

impl Opened {
    /// What was encrypted.
    pub(super) fn into_text(self) -> Secret {
        match self {
            Opened::Value(Sealed { text, .. }) | Opened::Comment(text) | Opened::Misfit(text) => text,
        }
    }
}

/// Bytes of a data key.
const KEY: usize = 32;
/// Bytes of a tag.
const TAG: usize = 16;

impl Cipher {
    /// The cipher of `key`, which must have exactly 32 bytes.
    pub(super) fn new(key: &Secret) -> Result<Self, Fault> {
        key.expose(|bytes| {
            let key: &[u8; KEY] = bytes.try_into().map_err(|_| Fault::DataKeyInvalid)?;
            Ok(Self { long: AesGcm::new(key.into()), short: AesGcm::new(key.into()), middle: AesGcm::new(key.into()) })
        })
    }

    /// Opens `envelope`, which must have been made for `path` (keys with a colon behind each).
    pub(super) fn open(&self, envelope: &str, path: &str) -> Result<Opened, Fault> {
        let Envelope { mut data, iv, tag, kind } = Envelope::parse(envelope)?;
        let opened = match iv.len() {
            32 => open(&self.long, &mut data, &iv, &tag, path),
            12 => open(&self.short, &mut data, &iv, &tag, path),
            16 => open(&self.middle, &mut data, &iv, &tag, path),
            _ => return Err(Fault::ValueMalformed("the nonce of the envelope must have 32 bytes")),
        };
        // The buffer was decrypted in place, and only after its tag was found good.
        opened.ok_or(Fault::ValueAuth)?;
        let text = Secret::new(data);
        match kind {
            Claim::Comment => Ok(Opened::Comment(text)),
            Claim::Bytes => Err(Fault::Policy("the type `bytes` is never written by sops and is refused")),
            Claim::Value(kind) => Ok(match canonical(text, kind) {
                Ok(text) => Opened::Value(Sealed { text, kind }),
                Err(text) => Opened::Misfit(text),
            }),
        }
    }

    /// Makes the envelope of `plain` for `path`.
    pub(super) fn seal(&self, plain: &Secret, kind: &str, path: &str) -> Result<String, getrandom::Error> {
        let mut iv = [0; 32];
        getrandom::fill(&mut iv)?;
        let mut data = plain.expose(<[u8]>::to_vec);
        let tag = self.long.encrypt_inout_detached(&Array(iv), path.as_bytes(), data.as_mut_slice().into());
        let tag = tag.expect("a value is far shorter than the 64 GiB that AES-GCM takes");
        let (data, iv, tag) = (STANDARD.encode(data), STANDARD.encode(iv), STANDARD.encode(tag));
        Ok(format!("ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:{kind}]"))
    }
}

fn open<N: ArraySize>(
    cipher: &AesGcm<Aes256, N>,
    data: &mut [u8],
    iv: &[u8],
    tag: &[u8; TAG],
    path: &str,
) -> Option<()> {
    let nonce = Array::<u8, N>::try_from(iv).ok()?;
    cipher.decrypt_inout_detached(&nonce, path.as_bytes(), data.into(), &Array(*tag)).ok()
}

/// An envelope taken apart.
struct Envelope {
    data: Vec<u8>,
    iv: Vec<u8>,
    tag: [u8; TAG],
    kind: Claim,
}

/// The type an envelope claims; nothing authenticates it.
enum Claim {
    Value(Kind),
    Comment,
    Bytes,
}

impl Envelope {
    /// Exactly the form that sops writes: anchored at both ends, canonical base64, known types.
    fn parse(text: &str) -> Result<Self, Fault> {
        let malformed = || Fault::ValueMalformed("a value that must be encrypted is not an envelope of sops");
        let inner = text.strip_prefix("ENC[AES256_GCM,data:").and_then(|rest| rest.strip_suffix(']'));
        // No field can hold a comma: base64 has none, and neither has a type.
        let mut fields = inner.ok_or_else(malformed)?.splitn(4, ',');
        let mut field = |name: &str| fields.next().and_then(|field| field.strip_prefix(name)).ok_or_else(malformed);
        let (data, iv, tag, kind) = (field("")?, field("iv:")?, field("tag:")?, field("type:")?);
        if data.is_empty() || iv.is_empty() {
            return Err(malformed());
        }
        let decode = |field: &str| {
            STANDARD.decode(field).map_err(|_| Fault::ValueMalformed("the envelope holds base64 that is not canonical"))
        };
        let (data, iv, tag) = (decode(data)?, decode(iv)?, decode(tag)?);
        let tag = tag.try_into().map_err(|_| Fault::ValueMalformed("the tag of the envelope must have 16 bytes"))?;
        let kind = match kind {
            "str" => Claim::Value(Kind::Text),
            "int" => Claim::Value(Kind::Int),
            "float" => Claim::Value(Kind::Float),
            "bool" => Claim::Value(Kind::Bool),
            "time" => Claim::Value(Kind::Time),
            "comment" => Claim::Comment,
            "bytes" => Claim::Bytes,
            _ => return Err(Fault::ValueMalformed("the envelope claims a type that sops does not have")),
        };
        Ok(Self { data, iv, tag, kind })
    }
}

/// The bytes that are hashed for a value of `kind`; `text` itself back where it is not of that kind.
fn canonical(text: Secret, kind: Kind) -> Result<Secret, Secret> {
    let parsed = text.expose(|bytes| match kind {
        Kind::Text => None,
        Kind::Int => canonical_of(bytes, |text| text.parse::<i64>().ok().map(|n| n.to_string())),
        Kind::Float => canonical_of(bytes, |text| floats::parse(text).map(floats::plain)),
        Kind::Bool => canonical_of(bytes, |text| go_bool(text).map(bool_text)),
        Kind::Time => canonical_of(bytes, |text| Stamp::rfc3339(text).map(|stamp| stamp.nanoseconds())),
    });
    match (parsed, kind) {
        (Some(parsed), _) => Ok(parsed),
        (None, Kind::Text) => Ok(text),
        (None, Kind::Int | Kind::Float | Kind::Bool | Kind::Time) => Err(text),
    }
}

/// Whether `text` is an envelope whose value claims a type that is not text.
pub(super) fn claims_no_text(text: &str) -> bool {
    let inner = text.strip_prefix("ENC[AES256_GCM,").and_then(|rest| rest.strip_suffix(']'));
    let claim = inner.and_then(|inner| inner.rsplit_once(",type:")).map(|(_, claim)| claim);
    claim.is_some_and(|claim| matches!(claim, "int" | "float" | "bool" | "time"))
}

fn canonical_of(bytes: &[u8], parse: impl FnOnce(&str) -> Option<String>) -> Option<Secret> {
    std::str::from_utf8(bytes).ok().and_then(parse).map(|text| Secret::new(text.into_bytes()))
}

/// Go's `strconv.ParseBool`.
pub(super) fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

fn bool_text(truth: bool) -> String {
    if truth { "True" } else { "False" }.to_owned()
}

/// The bytes that are hashed and encrypted for a value in clear, and the type to claim; `None` for what is neither.
pub(super) fn hashed(typed: &Typed) -> Option<(Vec<u8>, &'static str)> {
    match typed {
        Typed::Null => None,
        Typed::Bool(truth) => Some((bool_text(*truth).into_bytes(), "bool")),
        Typed::Int(number) => Some((number.to_string().into_bytes(), "int")),
        Typed::Float(number) => Some((floats::plain(*number).into_bytes(), "float")),
        Typed::Text(text) => Some((text.clone().into_bytes(), "str")),
        Typed::Bytes(bytes) => Some((bytes.clone(), "str")),
        Typed::Time(text) => Some((text.clone().into_bytes(), "time")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cipher, Opened};
    use crate::secret::Secret;

    fn cipher() -> Cipher {
        Cipher::new(&Secret::new(vec![7; 32])).unwrap()
    }

    fn code(envelope: &str, path: &str) -> &'static str {
        cipher().open(envelope, path).err().map_or("ok", |fault| fault.code())
    }

    #[test]
    fn an_envelope_opens_at_its_own_place_only() {
        let envelope = cipher().seal(&Secret::new(b"hunter2".to_vec()), "str", "data:password:").unwrap();
        let Opened::Value(value) = cipher().open(&envelope, "data:password:").unwrap() else { panic!("a value") };
        value.text.expose(|plain| assert_eq!(plain, b"hunter2"));
        assert_eq!(code(&envelope, "data:other:"), "value-auth");
    }

    #[test]
    fn what_sops_never_writes_is_refused() {
        let envelope = cipher().seal(&Secret::new(b"hunter2".to_vec()), "str", "a:").unwrap();
        for (bent, expected) in [
            (format!(" {envelope}"), "value-malformed"),
            (format!("{envelope} "), "value-malformed"),
            (envelope.replace("ENC[", "enc["), "value-malformed"),
            (envelope.replace("type:str", "type:STR"), "value-malformed"),
            (envelope.replace("type:str", "type:bytes"), "policy"),
            (envelope.replace("=,", ","), "value-malformed"),
        ] {
            assert_eq!(code(&bent, "a:"), expected);
        }
    }

    #[test]
    fn what_does_not_fit_the_claim_is_told_from_what_does_by_the_mac_alone() {
        let claimed = |plain: &str, claim| {
            let envelope = cipher().seal(&Secret::new(plain.into()), "str", "a:").unwrap().replace("type:str", claim);
            match cipher().open(&envelope, "a:").unwrap() {
                Opened::Value(_) => "fits",
                Opened::Misfit(_) => "misfit",
                Opened::Comment(_) => "comment",
            }
        };
        assert_eq!([claimed("12", "type:int"), claimed("x", "type:int")], ["fits", "misfit"]);
        assert_eq!([claimed("true", "type:bool"), claimed("yes", "type:bool")], ["fits", "misfit"]);
        assert_eq!([claimed("x", "type:comment"), claimed("x", "type:time")], ["comment", "misfit"]);
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        for length in [0, 16, 24, 31, 33, 64] {
            assert_eq!(Cipher::new(&Secret::new(vec![7; length])).err().unwrap().code(), "data-key-invalid");
        }
    }
}
