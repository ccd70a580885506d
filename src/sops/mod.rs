//! SOPS: strict, in memory, MAC always.

mod opened;

pub use opened::{Contents, File, Opened};
