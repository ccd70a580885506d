//! Kustomize: a native, complete renderer over a closed set of files, with sealed leaves.

mod render;

pub use render::Rendered;
