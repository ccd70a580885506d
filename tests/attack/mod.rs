//! See the files beside this one.

mod envelopes;
mod hardware;
mod history;
mod kustomizations;
mod memory;
mod objects;
mod packs;
pub(crate) mod place;
mod properties;
mod signers;
mod ssh;
mod threshold;
mod tls;
mod transport;
mod trees;
mod vouching;
mod workdir;
