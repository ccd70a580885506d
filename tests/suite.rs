//! The one test binary.

mod architecture;
mod attack;
mod cli;
mod compile_fail;
mod conformance;
mod e2e;
mod support;
