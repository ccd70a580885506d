//! What tests and the demo share: tools, servers, collections of cases.

pub mod corpora;
