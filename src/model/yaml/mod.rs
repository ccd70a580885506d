//! YAML: a raw layer that keeps what was written, and a resolved layer with the scalar rules of kustomize.

mod error;
mod raw;
mod resolve;
mod scalar;
mod tree;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use raw::parse;
pub use resolve::{check_separators, merge_sources, node, read, typed_key};
pub use scalar::{Typed, reads_as_text, resolve};
pub use tree::{Comment, Duplicates, Entry, Item, Kind, Limits, Mark, Placement, Raw, RawDocument, Style};
