//! The one test binary.

#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    clippy::format_push_string,
    reason = "a test ends at what is unexpected; clippy excuses only functions marked #[test]"
)]

mod architecture;
mod attack;
mod cli;
mod compile_fail;
mod conformance;
mod e2e;
mod fuzz;
#[allow(dead_code, reason = "shared with the demo and the benchmark, each of which uses a part")]
mod support;
