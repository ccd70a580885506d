//! What tests and the demo share: tools, servers, collections of cases.

pub mod controlplane;
pub mod corpora;
pub mod tools;
