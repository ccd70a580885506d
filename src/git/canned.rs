//! A repository elsewhere that says what it was told to say: the transport of tests.

use std::io::Cursor;
use std::sync::Mutex;

use super::transport::TakePack;
use super::{Algorithm, Error, Offer, Oid, Transport};

/// Offers one reference and sends one pack.
pub struct Canned {
    algorithm: Algorithm,
    offer: Mutex<Option<Offer>>,
    pack: Mutex<Vec<u8>>,
    sent: Mutex<Vec<Oid>>,
}

impl Canned {
    /// A repository that offers `offer` and sends `pack`, as `git pack-objects --stdout` writes it.
    pub fn new(algorithm: Algorithm, offer: Option<Offer>, pack: Vec<u8>) -> Self {
        Self { algorithm, offer: Mutex::new(offer), pack: Mutex::new(pack), sent: Mutex::default() }
    }

    /// From now on it offers `offer` and sends `pack`.
    pub fn turn(&self, offer: Option<Offer>, pack: Vec<u8>) {
        *lock(&self.offer) = offer;
        *lock(&self.pack) = pack;
    }

    /// What was asked for in packs so far.
    pub fn sent(&self) -> Vec<Oid> {
        lock(&self.sent).clone()
    }
}

impl Transport for Canned {
    fn url(&self) -> &'static str {
        "canned"
    }

    fn look(&self, name: &str) -> Result<(Algorithm, Option<Offer>), Error> {
        Ok((self.algorithm, lock(&self.offer).clone().filter(|offer| offer.name == name)))
    }

    fn tags(&self) -> Result<(Algorithm, Vec<Offer>), Error> {
        let tag = lock(&self.offer).clone().filter(|offer| offer.name.starts_with("refs/tags/"));
        Ok((self.algorithm, tag.into_iter().collect()))
    }

    fn fetch(&self, want: &Oid, _have: &[Oid], take: &mut TakePack<'_>) -> Result<(), Error> {
        lock(&self.sent).push(*want);
        take(&mut Cursor::new(lock(&self.pack).as_slice()))
    }
}

fn lock<T>(what: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    what.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
