//! See the files beside this one.

mod history;
mod objects;
mod tls;
mod transport;
mod workdir;
