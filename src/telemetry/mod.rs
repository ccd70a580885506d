//! Logs, metrics, and what a panic says.

mod logs;
mod metrics;
mod panics;

pub use logs::{Level, start};
pub use metrics::{Metrics, Stage, TurnEnd};
pub use panics::keep_panics_short;
