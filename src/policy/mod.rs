//! Policy: what may reach the API server at all. Pure; every refusal names object, field and place.

mod admit;
mod error;
mod explained;
mod handling;
mod limits;
mod names;
mod own;
mod refusals;
mod string_data;
mod strip;
mod taint;
#[cfg(test)]
pub(crate) mod written;

#[cfg(test)]
pub(crate) use admit::admit_all;
pub use admit::{Admitted, Item, admit, check};
pub use error::{Error, Errors, Refusal};
pub use explained::EXPLAINED;
pub use handling::{Handling, Presence};
pub use limits::{Agent, Limits, OwnObjects, PlainSecrets};
pub use names::is_subdomain;

/// Prefix of labels and annotations that only the agent may write, and the group of its resources.
pub(crate) const RESERVED: &str = "gitwarrant.io";
