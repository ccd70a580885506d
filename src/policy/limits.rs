//! What a Sync may do, as far as it can be told without the cluster.

/// Bounds and permissions of one Sync.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Upper bound on objects.
    pub objects: usize,
    /// Upper bound on leaves of all objects together.
    pub leaves: usize,
    /// Upper bound on the open text of all objects together, in bytes.
    pub text: usize,
    /// Whether a Secret may hold data that was not encrypted in the repository.
    pub plain_secrets: PlainSecrets,
    /// Whether the agent itself may be changed.
    pub own: OwnObjects,
    /// Who the agent is.
    pub agent: Agent,
}

/// Whether a Secret may hold data that was not encrypted in the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainSecrets {
    /// It may not.
    Refuse,
    /// The Sync says `allowPlainSecrets: true`.
    Allow,
}

/// Whether the agent itself may be changed by what it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnObjects {
    /// It may not: a repository cannot widen its own trust.
    Refuse,
    /// The Repository says `selfManaged: true`.
    Allow,
}

/// Who the agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its namespace: Deployment, keys, trust ConfigMaps and credentials are there.
    pub namespace: String,
    /// Its ServiceAccount.
    pub service_account: String,
}

impl Default for Agent {
    fn default() -> Self {
        Self { namespace: "gitwarrant-system".to_owned(), service_account: "gitwarrant".to_owned() }
    }
}

impl Default for Limits {
    /// 5,000 objects (an entry of the Warrant's inventory is about 150 bytes, and etcd takes 1.5 MiB), 2 million leaves, 64 MiB of open text; nothing plain, nothing of the agent's own.
    fn default() -> Self {
        Self {
            objects: 5_000,
            leaves: 2_000_000,
            text: 64 << 20,
            plain_secrets: PlainSecrets::Refuse,
            own: OwnObjects::Refuse,
            agent: Agent::default(),
        }
    }
}
