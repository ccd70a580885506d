//! Why a repository could not be reached or read.

use std::path::PathBuf;
use std::time::Duration;

use super::{Algorithm, Oid};
use crate::model::Class;

/// Why a repository could not be reached, or what it offered could not be taken.
///
/// No text in it comes from credentials; addresses are printed without user, password and query.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address that is not taken.
    #[error("url {url:?}: {why}")]
    BadUrl {
        /// The address, cut to what may be shown.
        url: String,
        /// Which rule it breaks, and what to write.
        why: &'static str,
    },
    /// A reference that git would not take.
    #[error("reference {name:?} is not a name git takes; write a branch, a tag, or refs/...")]
    BadReference {
        /// As it stood.
        name: String,
    },
    /// Certificates or credentials that cannot be used at all.
    #[error("{what} cannot be used: {why}")]
    BadMaterial {
        /// Which: the CA bundle, the user name.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The address moved. Redirects are not followed, because credentials would go along.
    #[error(
        "{url} answers with a redirect to {to}; redirects are not followed, set the url to where the repository is"
    )]
    Redirected {
        /// The address asked.
        url: String,
        /// Where it points, without user, password and query.
        to: String,
    },
    /// 401.
    #[error("{url}: the server asks for credentials, or does not take these (HTTP 401)")]
    Unauthorized {
        /// The address asked.
        url: String,
    },
    /// 403.
    #[error("{url}: the server forbids reading to these credentials (HTTP 403)")]
    Forbidden {
        /// The address asked.
        url: String,
    },
    /// 404. Forges say so too when the credentials may not see the repository.
    #[error("{url}: there is no such repository, or the credentials may not see it (HTTP {status})")]
    NoRepository {
        /// The address asked.
        url: String,
        /// 404 or 410.
        status: u16,
    },
    /// Any other status.
    #[error("{url}: the server answers HTTP {status}")]
    Server {
        /// The address asked.
        url: String,
        /// What it said.
        status: u16,
    },
    /// No connection.
    #[error("{url} cannot be reached")]
    Unreachable {
        /// The address asked.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection is not the server's it claims to be.
    #[error(
        "{url}: its certificate is not accepted; give the authority's certificate in `ca.crt` if it is a private one"
    )]
    Tls {
        /// The address asked.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The SSH server has another key than those that are pinned.
    #[error(
        "{url}: the server shows the host key {found}, which is not in known_hosts; find out who changed it before you \
         pin it"
    )]
    HostKey {
        /// The address asked.
        url: String,
        /// Fingerprint of the key it showed.
        found: String,
    },
    /// The SSH server does not let the key in.
    #[error("{url}: the server does not take the key {key} for user {user}; give its public half read access there")]
    KeyNotTaken {
        /// The address asked.
        url: String,
        /// For whom.
        user: String,
        /// Fingerprint of our public key.
        key: String,
    },
    /// It took too long, or came too slowly.
    #[error("{url}: no complete answer within {within:?}")]
    TimedOut {
        /// The address asked.
        url: String,
        /// How long was waited.
        within: Duration,
    },
    /// The server broke the protocol, or cut the answer.
    #[error("{url}: the answer is not what the git protocol (version 2) says: {what}")]
    BadAnswer {
        /// The address asked.
        url: String,
        /// Where it departs.
        what: &'static str,
    },
    /// The server refused in words of its own.
    #[error("{url}: the server says {text:?}")]
    Declined {
        /// The address asked.
        url: String,
        /// Its words, cut and without control characters.
        text: String,
    },
    /// The repository holds no reference at all.
    #[error("{url}: the repository is empty")]
    Empty {
        /// The address asked.
        url: String,
    },
    /// The reference is not offered (any more).
    #[error("{url}: there is no {reference}")]
    Gone {
        /// The address asked.
        url: String,
        /// What was asked for.
        reference: String,
    },
    /// The repository uses the other hash.
    #[error("{url}: the repository is built with {found:?}, its ids are expected to be {expected:?}")]
    OtherAlgorithm {
        /// The address asked.
        url: String,
        /// By what was fetched before, or is pinned.
        expected: Algorithm,
        /// By what the server says.
        found: Algorithm,
    },
    /// More was sent than is taken.
    #[error("{url}: the answer has more than {limit} bytes")]
    TooLarge {
        /// The address asked.
        url: String,
        /// Bytes allowed.
        limit: u64,
    },
    /// What was sent is no pack, is cut, or does not hold what was asked for.
    #[error("{url}: the pack sent for {id} cannot be used")]
    BadPack {
        /// The address asked.
        url: String,
        /// What was asked for.
        id: Oid,
        /// Why; absent where the pack is sound and the object is not in it.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A folder that is no repository.
    #[error("{dir} is neither a working copy nor a bare repository: there is no .git and no objects folder in it")]
    NotARepository {
        /// The folder.
        dir: PathBuf,
    },
    /// A repository in a form that is not read.
    #[error("{dir}: {what} cannot be read; {help}")]
    UnknownFormat {
        /// The repository.
        dir: PathBuf,
        /// Which part.
        what: &'static str,
        /// What to do.
        help: &'static str,
    },
    /// A revision that names nothing, or more than one thing.
    #[error("revision {revision:?} {why}")]
    BadRevision {
        /// As it was given.
        revision: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A file of a working directory that cannot be taken.
    #[error("{path}: {why}")]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// The disk.
    #[error("{path} cannot be read or written")]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    /// Who has to act.
    pub fn class(&self) -> Class {
        match self {
            Error::Unreachable { .. }
            | Error::TimedOut { .. }
            | Error::Server { .. }
            | Error::BadAnswer { .. }
            | Error::Declined { .. }
            | Error::BadPack { .. }
            | Error::Disk { .. } => Class::Transient,
            Error::Unauthorized { .. } | Error::Forbidden { .. } | Error::KeyNotTaken { .. } => Class::Refused,
            Error::BadUrl { .. }
            | Error::BadReference { .. }
            | Error::BadMaterial { .. }
            | Error::Redirected { .. }
            | Error::NoRepository { .. }
            | Error::Tls { .. }
            | Error::HostKey { .. }
            | Error::Empty { .. }
            | Error::Gone { .. }
            | Error::OtherAlgorithm { .. }
            | Error::TooLarge { .. }
            | Error::NotARepository { .. }
            | Error::UnknownFormat { .. }
            | Error::BadRevision { .. }
            | Error::BadFile { .. } => Class::Misconfigured,
        }
    }

    /// The stable word for scripts, metrics and `explain`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::BadUrl { .. } => "bad-url",
            Error::BadReference { .. } => "bad-reference",
            Error::BadMaterial { .. } => "bad-credentials",
            Error::Redirected { .. } => "redirected",
            Error::Unauthorized { .. } | Error::KeyNotTaken { .. } => "unauthorized",
            Error::Forbidden { .. } => "forbidden",
            Error::NoRepository { .. } => "no-repository",
            Error::Server { .. } => "server-error",
            Error::Unreachable { .. } => "unreachable",
            Error::Tls { .. } => "tls",
            Error::HostKey { .. } => "host-key",
            Error::TimedOut { .. } => "timed-out",
            Error::BadAnswer { .. } => "bad-answer",
            Error::Declined { .. } => "declined",
            Error::Empty { .. } => "empty-repository",
            Error::Gone { .. } => "ref-gone",
            Error::OtherAlgorithm { .. } => "other-object-format",
            Error::TooLarge { .. } => "too-large",
            Error::BadPack { .. } => "bad-pack",
            Error::NotARepository { .. } => "not-a-repository",
            Error::UnknownFormat { .. } => "unknown-repository-format",
            Error::BadRevision { .. } => "bad-revision",
            Error::BadFile { .. } => "bad-file",
            Error::Disk { .. } => "disk",
        }
    }
}
