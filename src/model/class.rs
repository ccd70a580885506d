//! What an error asks for.

/// Who has to act on an error. Chooses the time of the next try, the condition and the exit code; nothing else may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Wait: a server is down, a request timed out.
    Transient,
    /// Somebody must sign, grant or mend what is in the repository.
    Refused,
    /// Somebody must edit the configuration.
    Misconfigured,
    /// Tell us.
    Bug,
}
