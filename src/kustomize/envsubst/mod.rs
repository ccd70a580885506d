//! Variables in the manner of a shell: `${NAME}` and the functions that Flux knows.
//!
//! Source: fluxcd/pkg/envsubst 1.9. Where that keeps silent about what it does not understand, this refuses.

mod expression;
mod glob;
mod value;

pub use expression::Evaluator;
pub use value::{BadName, Variable, Variables};
