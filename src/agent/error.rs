//! What keeps the agent from working at all, or a turn from going on.

use crate::model::Class;

/// A fault of the agent's surroundings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig cannot be used")]
    Kubeconfig {
        /// Why.
        source: kube::config::KubeconfigError,
    },
    /// There is no in-cluster configuration.
    #[error("this is not a pod with a service account; outside a cluster give --kubeconfig FILE")]
    InCluster {
        /// Why.
        source: kube::config::InClusterError,
    },
    /// The client cannot be made.
    #[error("the API server's client cannot be made")]
    Client {
        /// Why.
        source: Box<kube::Error>,
    },
    /// The listener cannot be opened.
    #[error("the address of --listen cannot be used")]
    Listen(#[source] std::io::Error),
    /// The cache folder cannot be used.
    #[error("the folder of --cache cannot be used")]
    Cache(#[source] std::io::Error),
    /// A request about an object of the agent's own was not answered as needed.
    #[error("{what}: {code}")]
    Api {
        /// Which object, and what was asked.
        what: String,
        /// The answer's code and reason word; never its sentence where the object holds secrets.
        code: String,
        /// Whether waiting may help.
        class: Class,
    },
    /// An object has fields or values that this agent does not know.
    #[error(
        "{what} holds something that this version of the agent does not know, and is not guessed at: was it written by a \
         newer version, or by hand?"
    )]
    Unreadable {
        /// Which object.
        what: String,
    },
    /// An object that is named is not there.
    #[error("{what} does not exist; {remedy}")]
    Absent {
        /// Which object.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
}

impl Error {
    /// Who has to act.
    pub fn class(&self) -> Class {
        match self {
            Error::Kubeconfig { .. }
            | Error::InCluster { .. }
            | Error::Client { .. }
            | Error::Listen(_)
            | Error::Cache(_)
            | Error::Unreadable { .. }
            | Error::Absent { .. } => Class::Misconfigured,
            Error::Api { class, .. } => *class,
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Kubeconfig { .. } | Error::InCluster { .. } => "kubeconfig",
            Error::Client { .. } => "client",
            Error::Listen(_) => "listen",
            Error::Cache(_) => "cache",
            Error::Api { .. } => "api-request",
            Error::Unreadable { .. } => "unreadable",
            Error::Absent { .. } => "not-found",
        }
    }

    /// A request about a Warrant failed.
    pub(super) fn warrant(namespace: &str, name: &str, source: kube::Error) -> Self {
        Self::request(format!("Warrant {namespace}/{name}"), &source)
    }

    /// A request failed. Of the answer only code and reason are kept: its sentence can repeat what was sent.
    pub(super) fn request(what: String, source: &kube::Error) -> Self {
        match source {
            kube::Error::Api(status) => {
                let class = match status.code {
                    401 | 403 | 404 | 422 => Class::Misconfigured,
                    _ => Class::Transient,
                };
                // Of a reason only the letters: an admission webhook can write anything there.
                let reason: String = status.reason.chars().filter(char::is_ascii_alphabetic).take(40).collect();
                Self::Api { what, code: format!("HTTP {} {reason}", status.code), class }
            }
            // The parser's own words can quote what it read.
            kube::Error::SerdeError(_) => Self::Unreadable { what },
            _ => Self::Api { what, code: "no answer from the API server".to_owned(), class: Class::Transient },
        }
    }
}
