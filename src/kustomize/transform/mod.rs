//! Transformers: each changes every object in one respect.

mod affix;
mod images;
mod labels;
mod namespace;
mod order;
mod replicas;

pub use affix::{Affix, affix};
pub use images::set_image;
pub use labels::{add_annotations, add_labels};
pub use namespace::{Namespacing, Subjects, set_namespace};
pub use order::{compare_kinds, sort_legacy};
pub use replicas::set_replicas;
