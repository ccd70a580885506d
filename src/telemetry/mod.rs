//! Logs and metrics.

mod logs;
mod metrics;

pub use logs::{Level, start};
pub use metrics::{Metrics, Stage, TurnEnd};
