//! The one test binary.

#![allow(clippy::unwrap_used)] // helpers of tests may fail as tests do; clippy only excuses functions marked #[test]

mod architecture;
mod attack;
mod cli;
mod compile_fail;
mod conformance;
mod e2e;
mod support;
