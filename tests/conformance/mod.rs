//! Collections of real cases, where they are present.

mod crds;
mod kustomize;
mod sops;
mod trust;
