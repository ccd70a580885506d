//! What carries questions to a server and its answers back: HTTP, or SSH. How much and how long is read is decided here.

use std::io::{self, Read};
use std::time::Instant;

use super::{Error, Remote};

/// A way to one server.
pub(super) trait Wire: Send + Sync {
    /// Where to, and within which bounds.
    fn remote(&self) -> &Remote;

    /// Asks; the answer ends at `deadline` at the latest.
    fn ask(&self, question: Question, deadline: Instant) -> Result<Answer<'_>, Error>;

    /// A text of the server's, fit to be shown: short, without control characters, and not what it was shown.
    fn words(&self, text: &str) -> String;
}

/// What is asked.
pub(super) enum Question {
    /// What the server can do.
    Capabilities,
    /// One command of protocol version 2.
    Command(Vec<u8>),
}

/// The bytes of an answer. Reading ends at the deadline and at the limit, with an error that holds an [`Error`].
pub(super) struct Answer<'a> {
    remote: &'a Remote,
    source: Box<dyn Read + 'a>,
    deadline: Instant,
    bytes_left: u64,
}

impl<'a> Answer<'a> {
    pub(super) fn new(remote: &'a Remote, source: impl Read + 'a, deadline: Instant) -> Self {
        Self { remote, source: Box::new(source), deadline, bytes_left: remote.max_bytes }
    }

    /// Why reading failed.
    pub(super) fn fault(&self, error: io::Error) -> Error {
        error.downcast::<Error>().unwrap_or_else(|_| self.bad("it was cut off"))
    }

    /// An answer that breaks the protocol.
    pub(super) fn bad(&self, what: &'static str) -> Error {
        Error::BadAnswer { url: self.remote.url.to_string(), what }
    }

    /// What came too slowly.
    pub(super) fn timed_out(&self) -> Error {
        timed_out(self.remote)
    }
}

impl Read for Answer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() >= self.deadline {
            return Err(io::Error::other(self.timed_out()));
        }
        let read = self.source.read(buffer)?;
        let Remote { url, max_bytes, .. } = self.remote;
        let too_large = || io::Error::other(Error::TooLarge { url: url.to_string(), limit: *max_bytes });
        self.bytes_left = self.bytes_left.checked_sub(read as u64).ok_or_else(too_large)?;
        Ok(read)
    }
}

/// No whole answer came in time.
pub(super) fn timed_out(remote: &Remote) -> Error {
    Error::TimedOut { url: remote.url.to_string(), within: remote.timeout }
}
