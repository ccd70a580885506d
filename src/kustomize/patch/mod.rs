//! Patches: strategic merge and JSON.

mod apply;
mod json;
mod merge_list;
mod strategic;

pub use apply::{Patches, apply_json6902, apply_strategic, json_patch_of, patches_of};
pub use json::Operation;
