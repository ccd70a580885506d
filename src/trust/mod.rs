//! Trust: who is believed, and whether this history may be. Judges raw bytes; runs no program; asks no clock.

mod sources;
mod verified;

pub use sources::{Local, Origin, Signed, Sources, Tree, TreeError};
pub use verified::{Judged, SignatureKind, Verified};
