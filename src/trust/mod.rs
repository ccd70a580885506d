//! Trust: who is believed, and whether this history may be. Judges raw bytes; runs no program; asks no clock.
//!
//! A signed object is taken apart ([`payload`], [`envelope`]), its signature judged ([`ssh`], [`openpgp`]), then the commit
//! ([`rules`]), the history ([`range`]) and the tree ([`tree`]). [`verify`] is the only door.

mod allowed_signers;
mod brought;
mod changes;
mod checkpoint;
mod entries;
mod envelope;
mod fault;
mod foreign;
mod forest;
mod history;
mod in_repository;
mod krl;
mod likeness;
mod links;
mod listed;
mod merge;
mod merge_base;
mod openpgp;
mod path_glob;
mod pattern;
mod payload;
mod policy;
mod range;
mod reason;
mod refusal;
mod renames;
mod revoked;
mod rules;
mod signature;
mod signer;
mod sources;
mod ssh;
mod sshsig;
mod tag;
mod text_diff;
mod text_merge;
mod threshold;
mod time;
mod tree;
mod verified;
mod verify;

pub use checkpoint::Checkpoint;
pub use listed::ListedKey;
pub use policy::{BindCommitter, ConfigError, Mode, PathRuleText, Policy, PolicyInput, SignersText};
pub use reason::Reason;
pub use refusal::Refusal;
pub use sources::{Local, Origin, Signed, Sources, Tree, TreeError};
pub use verified::{Judged, SignatureKind, Verified};
pub use verify::{Base, verify, verify_from};
