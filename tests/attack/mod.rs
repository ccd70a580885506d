//! See the files beside this one.

mod objects;
mod transport;
