//! What tests and the demo share: tools, servers, collections of cases.

pub mod controlplane;
pub mod corpora;
pub mod documents;
pub mod gitserver;
pub mod gotool;
pub mod loom;
pub mod mutate;
pub mod openpgp;
pub mod reference;
pub mod repo;
pub mod signing;
pub mod sshserver;
pub mod sshwire;
pub mod story;
pub mod tools;
