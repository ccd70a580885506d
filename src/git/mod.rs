//! Git: what the remote offers, objects re-hashed at every read, working copies read as data. No checkout, no program.

mod fetched;
mod objects;
mod oid;

pub use fetched::{Commit, Fetched};
pub use objects::{Kind, Objects, Raw, ReadError};
pub use oid::{Algorithm, Oid, OidError};
