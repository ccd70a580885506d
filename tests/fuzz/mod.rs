//! Parsers under bent input; see `tests/support/mutate.rs`.

mod sops;
mod trust;
