//! Cases of `kustomize`.
