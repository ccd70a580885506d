//! Git: what the remote offers, objects re-hashed at every read, working copies read as data. No checkout, no program.

mod canned;
mod connection;
mod error;
mod fetched;
mod folder;
mod http;
mod known_hosts;
mod mirror;
mod objects;
mod oid;
mod pack;
mod pktline;
mod reference;
mod remote;
mod ssh;
mod transport;
mod version;
mod wire;
mod workdir;

pub use canned::Canned;
pub use connection::Connection;
pub use error::Error;
pub use fetched::{Commit, Fetched};
pub use folder::files;
pub use mirror::{Checked, Mirror};
pub use objects::{Abbreviated, Kind, Objects, Raw, ReadError};
pub use oid::{Algorithm, Oid, OidError};
pub use reference::Reference;
pub use remote::{Credentials, Identity, Plain, Remote, Url};
pub use transport::{Offer, TakePack, Transport};
pub use version::{Range, RangeError};
pub use workdir::Repository;
