//! See the files beside this one.

mod certificates;
mod checkpoints;
mod commits;
mod envelopes;
mod hardware;
mod history;
mod kustomizations;
mod memory;
mod merges;
mod objects;
mod packs;
mod paths;
pub(crate) mod place;
mod properties;
mod sealed;
mod shapes;
mod signers;
mod smuggling;
mod ssh;
mod threshold;
mod tls;
mod traces;
mod transport;
mod trees;
mod vouching;
mod workdir;
