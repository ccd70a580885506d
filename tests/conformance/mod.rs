//! Collections of real cases, where they are present.

mod kustomize;
mod sops;
mod trust;
