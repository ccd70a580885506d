//! Collections of real cases, where they are present.

mod crds;
mod deploy;
mod kustomize;
mod sops;
mod trust;
