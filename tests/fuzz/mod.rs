//! Parsers under bent input; see `tests/support/mutate.rs`.

mod kustomize;
mod sops;
mod trust;
