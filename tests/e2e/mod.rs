//! The whole pipeline on a real control plane.

mod story;
