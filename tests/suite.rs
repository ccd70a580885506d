//! The one test binary.

mod architecture;
mod attack;
mod cli;
mod conformance;
mod e2e;
mod support;
