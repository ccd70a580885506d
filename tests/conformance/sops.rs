//! Cases of `sops`.
