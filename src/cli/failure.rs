//! Why a command could not do its work at all (exit code 2).

use std::{fmt, io};

/// A usage or operation failure, printed as `error[code]: message` with its causes.
#[derive(Debug)]
pub struct Failure {
    code: &'static str,
    message: String,
    help: Option<String>,
    /// Whoever read our output has left, as `head` does: nobody waits for a word about it.
    unread: bool,
}

impl Failure {
    /// `message` says which thing, what was expected, what was found.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None, unread: false }
    }

    /// The failure with the chain of causes of `error` behind `message`.
    pub fn because(code: &'static str, message: impl fmt::Display, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut text = format!("{message}: {error}");
        let mut cause = error.source();
        while let Some(next) = cause {
            // Some libraries repeat their cause in their own words.
            let said = next.to_string();
            if !text.contains(&said) {
                text = format!("{text}: {said}");
            }
            cause = next.source();
        }
        let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        let unread = code == "output" && error.downcast_ref().is_some_and(broken);
        Self { unread, ..Self::new(code, text) }
    }

    /// Whether it is only that nobody reads our output any more.
    pub fn is_unread(&self) -> bool {
        self.unread
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.message)?;
        self.help.iter().try_for_each(|help| write!(f, "\n  = help: {help}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Failure;

    #[derive(Debug, thiserror::Error)]
    #[error("no file: {0}")]
    struct Repeats(#[source] std::io::Error);

    #[test]
    fn a_reader_who_left_is_no_news() {
        let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(Failure::because("output", "the list", &broken).is_unread());
        assert!(!Failure::because("api-unreachable", "the cluster", &broken).is_unread());
    }

    #[test]
    fn a_cause_is_told_once() {
        let error = Repeats(std::io::Error::other("gone"));
        assert_eq!(
            Failure::because("kubeconfig", "the cluster", &error).to_string(),
            "error[kubeconfig]: the cluster: no file: gone"
        );
    }
}
