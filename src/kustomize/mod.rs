//! Kustomize: a native, complete renderer over a closed set of files, with sealed leaves.

mod accumulate;
mod configure;
mod entry;
mod envsubst;
mod error;
mod fields;
mod file;
mod form;
mod gather;
mod generate;
mod hash;
mod layer;
mod layout;
mod options;
mod origin;
mod patch;
mod path;
mod plugin;
mod references;
mod render;
mod replace;
mod resource;
mod schema;
mod select;
mod source;
mod step;
mod structured;
mod substitute;
mod transform;
mod tree;

pub use envsubst::{BadName, Variable, Variables};
pub use error::{Code, Error, Errors};
pub use gather::{gather, gather_under};
pub use layer::Layer;
pub use options::{LoadRestrictor, Options, Order, PlainFolders};
pub use render::{Rendered, Warning, render, render_under};
