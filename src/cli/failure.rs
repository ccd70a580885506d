//! Why a command could not do its work at all (exit code 2).

use std::fmt;

/// A usage or operation failure, printed as `error[code]: message` with its causes.
#[derive(Debug)]
pub struct Failure {
    code: &'static str,
    message: String,
    help: Option<String>,
}

impl Failure {
    /// `message` says which thing, what was expected, what was found.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    /// The failure with the chain of causes of `error` behind `message`.
    pub fn because(code: &'static str, message: impl fmt::Display, error: &dyn std::error::Error) -> Self {
        let mut text = format!("{message}: {error}");
        let mut cause = error.source();
        while let Some(next) = cause {
            text = format!("{text}: {next}");
            cause = next.source();
        }
        Self::new(code, text)
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
