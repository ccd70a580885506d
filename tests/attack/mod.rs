//! See the files beside this one.

mod history;
mod objects;
mod place;
mod signers;
mod tls;
mod transport;
mod workdir;
