//! The whole pipeline on a real control plane.

mod commands;
mod content;
mod crash;
mod depends;
mod drift;
mod health;
mod held;
mod record;
mod refused;
mod rights;
mod scene;
mod source;
mod stage;
mod story;
