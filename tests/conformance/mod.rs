//! Collections of real cases, where they are present.

mod crds;
mod deploy;
mod differential;
mod kustomize;
mod kustomize_layer;
mod kustomize_random;
mod kustomize_rules;
mod kustomize_sealed;
mod signers_random;
mod sops;
mod sops_both_ways;
mod trust;
