//! The agent: one turn per Sync, and what keeps the turns coming.
//!
//! [`run`] watches and starts turns; `schedule` and `status` are pure; `sync` is the pipeline.

mod account;
mod bring;
mod clients;
mod connection;
mod credentials;
mod depends;
mod desk;
mod error;
mod events;
mod idle;
mod judge;
mod layer;
mod mirrors;
mod outcome;
mod policy;
mod polled;
mod prepare;
mod progress;
mod record;
mod reference;
mod report;
mod repository;
mod room;
mod run;
mod schedule;
mod serve;
mod skew;
mod status;
mod sync;
mod verdict;
mod wait;
mod warrant;

pub use error::Error;
pub use policy::{SignersMap, policy_input};
pub use reference::reference;
pub use run::run;
pub use warrant::Lost;
