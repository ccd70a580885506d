//! The agent: one turn per Sync.

mod policy;

pub use policy::{SignersMap, policy_input};
