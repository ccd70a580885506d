//! Patches: strategic merge and JSON.

mod apply;
mod json;
mod merge_list;
mod strategic;

pub use apply::{Patches, apply_strategic, patches_of};
