//! The plan: what would change in the cluster, and what must not. Pure: made of what was admitted, what is recorded and
//! what was found.

mod explained;
mod fuse;
mod inventory;
mod live;
mod make;
mod order;
mod owner;

pub use explained::EXPLAINED;
pub use fuse::{Held, HeldBecause, Prune};
pub use inventory::{Entry, Identity, Inventory};
pub use live::{Departed, Existing, Live, Located, Target};
#[cfg(test)]
pub(crate) use make::steps;
pub use make::{Apply, Deletion, Plan, Refusal, Steps, plan};
pub use order::Stage;
pub use owner::{Owner, SYNC_NAME, SYNC_NAMESPACE};
