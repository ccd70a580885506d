//! The document model: ordered trees whose leaves are open or sealed.

mod class;
mod explained;
pub mod json;
mod node;
mod object;
mod path;
mod scalar;
pub mod show;
pub mod wire;
pub mod yaml;

pub use class::Class;
pub use explained::Explained;
pub use node::{Map, Node};
pub use object::{Key, Object, ObjectError, Place};
pub use path::{PathError, RepoPath};
pub use scalar::{Number, Scalar, Value};
