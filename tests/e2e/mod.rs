//! The whole pipeline on a real control plane.

mod refused;
mod scene;
mod stage;
mod story;
