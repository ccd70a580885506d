//! SSH below protocol v2, without any external program: one connection a question, to a server whose key is pinned.
//!
//! No agent, no configuration file, no password, no forwarding. A server must let `GIT_PROTOCOL` be set, as forges do.

use std::borrow::Cow;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use russh::client::{self, Handle, Handler, Msg};
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, Preferred};
use tokio::runtime::Runtime;
use tokio::time::timeout_at;

use super::known_hosts::Pinned;
use super::pktline::{self, Frame, FrameError};
use super::remote::{Credentials, SshAddress};
use super::wire::{self, Answer, Question, Wire};
use super::{Error, Remote};

/// A client for one server.
pub(super) struct Ssh {
    remote: Remote,
    address: SshAddress,
    key: Arc<PrivateKey>,
    pinned: Arc<Pinned>,
}

impl Ssh {
    /// # Errors
    /// Where there is no key, it cannot be read, or no key of the server is known.
    pub(super) fn new(remote: Remote, address: SshAddress) -> Result<Self, Error> {
        let refuse = |what, why: &str| Error::BadMaterial { what, why: why.to_owned() };
        let Credentials::Ssh(identity) = &remote.credentials else {
            let why = "ssh:// needs a Secret with `identity` (a private key) and `known_hosts`";
            return Err(refuse("the credentials", why));
        };
        if remote.proxy.is_some() {
            return Err(refuse("the proxy", "ssh:// goes through none; use https"));
        }
        let key = identity.key.expose(|pem| {
            let pem = std::str::from_utf8(pem).ok()?;
            match &identity.passphrase {
                Some(phrase) => phrase.expose(|phrase| {
                    let phrase = std::str::from_utf8(phrase).ok()?.trim_end_matches(['\r', '\n']);
                    russh::keys::decode_secret_key(pem, Some(phrase)).ok()
                }),
                None => russh::keys::decode_secret_key(pem, None).ok(),
            }
        });
        let why = "it is no private key as ssh-keygen writes it, or `password` does not open it";
        let key = key.ok_or_else(|| refuse("the identity", why))?;
        let pinned = Pinned::read(&identity.known_hosts, &address.host, address.port)
            .map_err(|line| refuse("known_hosts", &format!("line {line} is not understood")))?;
        if pinned.known().is_empty() {
            let (host, port) = (&address.host, address.port);
            let why =
                format!("no line names this host; add what `ssh-keyscan -p {port} {host}` prints, after comparing it");
            return Err(refuse("known_hosts", &why));
        }
        Ok(Self { address, key: Arc::new(key), pinned: Arc::new(pinned), remote })
    }

    /// Connects, shows the key, and starts the server's half of git.
    async fn open(&self) -> Result<(Handle<Guard>, Channel<Msg>), Trouble> {
        let config = client::Config { preferred: self.preferred(), nodelay: true, ..client::Config::default() };
        let guard = Guard { pinned: Arc::clone(&self.pinned) };
        let place = (self.address.host.as_str(), self.address.port);
        let mut session = client::connect(Arc::new(config), place, guard).await?;
        let hash = match self.key.algorithm() {
            // Never SHA-1, whatever the server offers.
            Algorithm::Rsa { .. } => {
                Some(session.best_supported_rsa_hash().await?.flatten().unwrap_or(HashAlg::Sha256))
            }
            _ => None,
        };
        let key = PrivateKeyWithHashAlg::new(Arc::clone(&self.key), hash);
        if !session.authenticate_publickey(self.address.user.as_str(), key).await?.success() {
            return Err(Trouble::KeyNotTaken);
        }
        let channel = session.channel_open_session().await?;
        // No answer is waited for: a server that does not allow it speaks version 0, which is seen.
        channel.set_env(false, "GIT_PROTOCOL", "version=2").await?;
        // The address holds no quote.
        channel.exec(true, format!("git-upload-pack '{}'", self.address.path)).await?;
        Ok((session, channel))
    }

    /// What is offered in the key exchange. Of host keys only the kinds that are pinned, or the server would choose another.
    fn preferred(&self) -> Preferred {
        let known = |wanted: &Algorithm| {
            self.pinned.known().iter().any(|key| match (key.algorithm(), wanted) {
                (Algorithm::Rsa { .. }, Algorithm::Rsa { hash }) => hash.is_some(),
                (kind, wanted) => kind == *wanted,
            })
        };
        let kinds = Preferred::DEFAULT.key.iter().filter(|kind| known(kind)).cloned().collect();
        Preferred { key: Cow::Owned(kinds), ..Preferred::DEFAULT }
    }

    fn failure(&self, trouble: Trouble) -> Error {
        let url = self.remote.url.to_string();
        match trouble {
            Trouble::OtherHostKey { found } => Error::HostKey { url, found },
            Trouble::KeyNotTaken => {
                let key = self.key.public_key().fingerprint(HashAlg::Sha256).to_string();
                Error::KeyNotTaken { url, user: self.address.user.clone(), key }
            }
            Trouble::Protocol(error) => Error::Unreachable { url, source: Box::new(error) },
        }
    }
}

impl Wire for Ssh {
    fn remote(&self) -> &Remote {
        &self.remote
    }

    fn ask(&self, question: Question, deadline: Instant) -> Result<Answer<'_>, Error> {
        let no_threads = |source| Error::Unreachable { url: self.remote.url.to_string(), source: Box::new(source) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_threads)?;
        let opened = runtime.block_on(async { timeout_at(deadline.into(), self.open()).await });
        let (session, channel) = match opened {
            Ok(opened) => opened.map_err(|trouble| self.failure(trouble))?,
            Err(_) => return Err(wire::timed_out(&self.remote)),
        };
        let mut said =
            Said { ssh: self, channel, _session: session, deadline, part: Bytes::new(), talk: Vec::new(), runtime };
        if let Question::Command(command) = question {
            // Here the server speaks first; what it can do was read before.
            said.skip_greeting()?;
            said.send(command)?;
        }
        Ok(Answer::new(&self.remote, said, deadline))
    }

    fn words(&self, text: &str) -> String {
        text.chars().filter(|c| !c.is_control()).take(200).collect()
    }
}

/// What the server says on its standard output. Its standard error is kept for a message.
struct Said<'a> {
    ssh: &'a Ssh,
    channel: Channel<Msg>,
    /// Ends the connection when it is dropped.
    _session: Handle<Guard>,
    deadline: Instant,
    part: Bytes,
    talk: Vec<u8>,
    /// Last, because what is above needs it to the end.
    runtime: Runtime,
}

impl Said<'_> {
    /// Reads what a server can do, to its end.
    fn skip_greeting(&mut self) -> Result<(), Error> {
        let url = self.ssh.remote.url.to_string();
        let bad = |what| Error::BadAnswer { url: url.clone(), what };
        for _ in 0..MAX_GREETING {
            match pktline::read(self) {
                Ok(Frame::Flush) => return Ok(()),
                Ok(Frame::Data(_) | Frame::Delimiter) => {}
                Err(FrameError::Io(error)) => {
                    return Err(error.downcast::<Error>().unwrap_or_else(|_| bad("it was cut off")));
                }
                Err(FrameError::Cut | FrameError::Length) => return Err(bad("it ends early")),
            }
        }
        Err(bad("it names more capabilities than there are"))
    }

    /// Sends a command, and says that no other will come.
    fn send(&mut self, command: Vec<u8>) -> Result<(), Error> {
        let sent = async {
            self.channel.data_bytes(command).await?;
            self.channel.eof().await
        };
        match self.runtime.block_on(async { timeout_at(self.deadline.into(), sent).await }) {
            Ok(sent) => sent.map_err(|error| self.ssh.failure(error.into())),
            Err(_) => Err(wire::timed_out(&self.ssh.remote)),
        }
    }

    /// The next part of what it says; empty at the end.
    fn next(&mut self) -> Result<Bytes, Error> {
        loop {
            let waited = self.runtime.block_on(async { timeout_at(self.deadline.into(), self.channel.wait()).await });
            match waited.map_err(|_| wire::timed_out(&self.ssh.remote))? {
                Some(ChannelMsg::Data { data }) if data.is_empty() => {}
                Some(ChannelMsg::Data { data }) => return Ok(data),
                Some(ChannelMsg::ExtendedData { data, .. }) if self.talk.len() < MAX_TALK => {
                    self.talk.extend_from_slice(&data);
                }
                Some(ChannelMsg::Failure) => return Err(self.declined("it runs no git-upload-pack")),
                Some(ChannelMsg::ExitStatus { exit_status }) if exit_status != 0 => {
                    let talk = String::from_utf8_lossy(&self.talk).into_owned();
                    return Err(self.declined(&talk));
                }
                Some(ChannelMsg::Close) | None => return Ok(Bytes::new()),
                Some(_) => {}
            }
        }
    }

    fn declined(&self, text: &str) -> Error {
        Error::Declined { url: self.ssh.remote.url.to_string(), text: self.ssh.words(text) }
    }
}

impl Read for Said<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() {
            self.part = self.next().map_err(io::Error::other)?;
        }
        let count = buffer.len().min(self.part.len());
        buffer[..count].copy_from_slice(&self.part.split_to(count));
        Ok(count)
    }
}

/// Looks at the server's key before anything else is said to it.
struct Guard {
    pinned: Arc<Pinned>,
}

impl Handler for Guard {
    type Error = Trouble;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Trouble> {
        let key = shown.public_key();
        if shown.certificate().is_none() && self.pinned.believes(&key) {
            return Ok(true);
        }
        Err(Trouble::OtherHostKey { found: key.fingerprint(HashAlg::Sha256).to_string() })
    }
}

/// Why there is no conversation.
#[derive(Debug)]
enum Trouble {
    /// The server's key is none of those that are pinned.
    OtherHostKey {
        found: String,
    },
    /// The server does not take our key.
    KeyNotTaken,
    Protocol(russh::Error),
}

impl From<russh::Error> for Trouble {
    fn from(error: russh::Error) -> Self {
        Trouble::Protocol(error)
    }
}

/// Upper bound on the lines in which a server says what it can do.
const MAX_GREETING: usize = 256;
/// How many bytes of a server's complaints are kept.
const MAX_TALK: usize = 4096;
