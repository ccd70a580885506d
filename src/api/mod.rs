//! Custom resources of group `gitwarrant.io`, one a file. They say what may be written, and do nothing.
//!
//! Every spec refuses fields it does not know when it is read: a field that is accepted and ignored would be a lie, and
//! in `trust` a danger.

#![allow(clippy::duplicated_attributes)] // every printer column has a type and a path
#![allow(clippy::struct_excessive_bools)] // they are what people write

mod condition;
mod definitions;
mod duration;
mod names;
mod rendering;
mod repository;
mod sync;
mod trust;
mod warrant;

pub use condition::{Condition, ConditionStatus, kind as condition_kind};
pub use definitions::definitions;
pub use duration::{Duration, DurationError};
pub use names::{APPROVE_PRUNE, GROUP, LocalName, REQUESTED_AT, VERSION};
pub use rendering::{CommonMetadata, Image, Patch, PatchTarget, PostBuild, SubstituteFrom, SubstituteKind};
pub use repository::{GitReference, Head, Rejected, Repository, RepositorySpec, RepositoryStatus, SignedBy};
pub use sync::{Decryption, Provider, Sync, SyncSpec, SyncStatus};
pub use trust::{Certificate, InRepository, Mode, PathRule, Signers, SignersFrom, Trust};
pub use warrant::{Entry, JudgedUpTo, Signature, Warrant, WarrantSpec};
