//! gitwarrant: brings a cluster to the state of a Git commit, but only of a commit whose signatures it has verified.
//!
//! The modules stand in the order in which data flows:
//!
//! ```text
//! Fetched<Commit> -verify-> Verified<Commit> -gather-> Sources<O> -unseal-> Opened<O> -render-> Rendered<O>
//!    -admit-> Admitted<O> -plan(Inventory, Live)-> Plan<O> -apply (O = Signed only)-> Applied -> Inventory
//! ```
//!
//! `O` is the origin: [`trust::Signed`] (from a verified commit) or [`trust::Local`] (a working directory: can be built,
//! never applied). Every arrow is one function that consumes its input; each type has private fields and one constructor.
//! `tests/architecture.rs` checks which module may name which.

pub mod agent;
pub mod api;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod git;
pub mod keysource;
pub mod kustomize;
pub mod model;
pub mod plan;
pub mod policy;
pub mod secret;
pub mod settings;
pub mod sops;
pub mod telemetry;
pub mod trust;
