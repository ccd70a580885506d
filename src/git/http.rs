//! One HTTP exchange with a git server: where credentials go, what a status means, and how much and how long is read.

use std::error::Error as StdError;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::blocking::{Client, Response};
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Certificate, Proxy, StatusCode, redirect};

use super::Error;
use super::remote::{Credentials, Remote, shown};
use super::wire::{self, Answer, Question, Wire};
use crate::secret::{Part, Secret};

/// A client for one server. Credentials are sent to its address and, as redirects are not followed, to no other.
pub(super) struct Http {
    remote: Remote,
    client: Client,
}

/// What is shown instead of a text that repeats the credentials.
const WITHHELD: &str = "(withheld: it repeats the credentials)";

impl Http {
    /// # Errors
    /// Where certificates, proxy or credentials cannot be used, or would be sent where anybody can read them.
    pub(super) fn new(remote: Remote) -> Result<Self, Error> {
        // The process may have done so already; there is one provider only.
        drop(rustls::crypto::ring::default_provider().install_default());
        if remote.url.is_overheard(remote.proxy.as_deref()) && !matches!(remote.credentials, Credentials::None) {
            let why = "credentials are not sent without encryption; use https";
            return Err(Error::BadUrl { url: remote.url.to_string(), why });
        }
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT.min(remote.timeout))
            .timeout(remote.timeout);
        if let Some(pem) = &remote.ca {
            builder = builder.tls_certs_only(certificates(pem)?);
        }
        if let Some(address) = &remote.proxy {
            let why = |_| Error::BadMaterial { what: "the proxy", why: "its address cannot be read".to_owned() };
            builder = builder.proxy(Proxy::all(address).map_err(why)?);
        }
        let why = |error: reqwest::Error| Error::BadMaterial {
            what: "the certificate",
            why: error.without_url().to_string(),
        };
        let http = Self { client: builder.build().map_err(why)?, remote };
        http.authorization()?;
        Ok(http)
    }

    /// Whether `text` holds the password or token, as it is or as the `Authorization` header carries it.
    fn credentials_are_in(&self, text: &str) -> bool {
        let holds = |part: &[u8]| !part.is_empty() && text.as_bytes().windows(part.len()).any(|window| window == part);
        let secret = match &self.remote.credentials {
            Credentials::None | Credentials::Ssh(_) => return false,
            Credentials::Basic { password, .. } => password,
            Credentials::Bearer(token) => token,
        };
        let sent = self.authorization().unwrap_or_default();
        let sent = sent.get(AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
        let code = sent.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
        holds(code.trim_ascii_end().strip_suffix(b"==").or(code.strip_suffix(b"=")).unwrap_or(code))
            || secret.expose(|plain| holds(plain.trim_ascii_end()))
    }

    fn check(&self, response: &Response, expected: &str) -> Result<(), Error> {
        let url = || self.remote.url.to_string();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Err(Error::Unauthorized { url: url() }),
            StatusCode::FORBIDDEN => return Err(Error::Forbidden { url: url() }),
            status @ (StatusCode::NOT_FOUND | StatusCode::GONE) => {
                return Err(Error::NoRepository { url: url(), status: status.as_u16() });
            }
            status if status.is_redirection() => {
                let address = header(LOCATION.as_str()).unwrap_or("an unknown address");
                let echoes = self.credentials_are_in(address);
                let to = if echoes { WITHHELD.to_owned() } else { shown(address) };
                return Err(Error::Redirected { url: url(), to });
            }
            status => return Err(Error::Server { url: url(), status: status.as_u16() }),
        }
        if header(CONTENT_ENCODING.as_str()).is_some_and(|coding| coding != "identity") {
            return Err(Error::BadAnswer { url: url(), what: "it is compressed, which was not asked for" });
        }
        if header(CONTENT_TYPE.as_str()) != Some(expected) {
            let what = "its content type is not a git server's; the url may be a page about the repository";
            return Err(Error::BadAnswer { url: url(), what });
        }
        Ok(())
    }

    /// The header that carries the credentials, made anew for each request and marked as not to be logged.
    fn authorization(&self) -> Result<HeaderMap, Error> {
        let value = match &self.remote.credentials {
            Credentials::None => return Ok(HeaderMap::new()),
            Credentials::Ssh(_) => {
                let why = "it is for ssh:// addresses; give username and password, or bearerToken".to_owned();
                return Err(Error::BadMaterial { what: "the identity", why });
            }
            Credentials::Basic { username, .. } if username.contains(|c: char| c == ':' || c.is_control()) => {
                let why = "it holds a colon or a control character".to_owned();
                return Err(Error::BadMaterial { what: "the user name", why });
            }
            Credentials::Basic { username, password } => {
                let password = without_line_end(password);
                let both = [Part::Open(username.as_bytes()), Part::Open(b":"), Part::Sealed(&password)];
                Secret::join(both).expose(|plain| HeaderValue::try_from(format!("Basic {}", STANDARD.encode(plain))))
            }
            Credentials::Bearer(token) => {
                let token = without_line_end(token);
                Secret::join([Part::Open(b"Bearer "), Part::Sealed(&token)])
                    .expose(|plain| HeaderValue::try_from(plain))
            }
        };
        let why = |_| Error::BadMaterial { what: "the token", why: "it holds a control character".to_owned() };
        let mut value = value.map_err(why)?;
        value.set_sensitive(true);
        Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
    }

    fn timed_out(&self) -> Error {
        wire::timed_out(&self.remote)
    }

    /// What a failure of the library means. Its text never holds the address, which it would print with the query.
    fn failure(&self, error: reqwest::Error) -> Error {
        let url = self.remote.url.to_string();
        let error = error.without_url();
        if error.is_timeout() || chain(&error).any(|cause| is_io(cause, io::ErrorKind::TimedOut)) {
            self.timed_out()
        } else if chain(&error).any(<dyn StdError>::is::<rustls::Error>) {
            Error::Tls { url, source: Box::new(error) }
        } else {
            Error::Unreachable { url, source: Box::new(error) }
        }
    }
}

impl Wire for Http {
    fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Asks, and checks that the answer is what a git server says.
    fn ask(&self, question: Question, deadline: Instant) -> Result<Answer<'_>, Error> {
        let url = self.remote.url.as_str();
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.timed_out());
        }
        let (request, expected) = match question {
            Question::Capabilities => {
                let request = self.client.get(format!("{url}/info/refs?service=git-upload-pack"));
                (request, "application/x-git-upload-pack-advertisement")
            }
            Question::Command(body) => {
                let request = self.client.post(format!("{url}/git-upload-pack")).body(body);
                let request = request.header(CONTENT_TYPE, "application/x-git-upload-pack-request");
                (request, "application/x-git-upload-pack-result")
            }
        };
        let agent = concat!("git/gitwarrant-", env!("CARGO_PKG_VERSION"));
        let request = request.header("Git-Protocol", "version=2").header("User-Agent", agent).timeout(left);
        let request = request.headers(self.authorization()?);
        let response = request.send().map_err(|error| self.failure(error))?;
        self.check(&response, expected)?;
        Ok(Answer::new(&self.remote, Body { http: self, response }, deadline))
    }

    fn words(&self, text: &str) -> String {
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        if self.credentials_are_in(&text) {
            return WITHHELD.to_owned();
        }
        text.chars().take(200).collect()
    }
}

/// The body of a response, whose errors hold an [`Error`].
struct Body<'a> {
    http: &'a Http,
    response: Response,
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.response.read(buffer).map_err(|error| {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<reqwest::Error>());
            match inner {
                Some(inner) if inner.is_timeout() => io::Error::other(self.http.timed_out()),
                Some(_) | None => error,
            }
        })
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, Error> {
    let refuse = |why: String| Error::BadMaterial { what: "the CA bundle", why };
    let read = Certificate::from_pem_bundle(pem).map_err(|error| refuse(error.to_string()))?;
    if read.is_empty() { Err(refuse("there is no certificate in it".to_owned())) } else { Ok(read) }
}

/// Files end with a line end, and so do the Secrets that are made of them; no password does.
fn without_line_end(secret: &Secret) -> Secret {
    secret.expose(|plain| {
        let end = plain.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        if end == plain.len() { secret.share() } else { Secret::new(plain[..end].to_vec()) }
    })
}

/// The error and its causes.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

/// What is behind an error; an I/O error's own `source` skips what it holds.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(held) => Some(held),
        None => error.source(),
    }
}

fn is_io(error: &(dyn StdError + 'static), kind: io::ErrorKind) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == kind)
}

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(15);
