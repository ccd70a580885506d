//! See the files beside this one.

mod objects;
mod tls;
mod transport;
mod workdir;
