//! The whole pipeline on a real control plane.

mod content;
mod crash;
mod record;
mod refused;
mod rights;
mod scene;
mod source;
mod stage;
mod story;
