//! A repository elsewhere: its address, and what is shown to its server.

use std::fmt;
use std::time::Duration;

use super::Error;
use crate::secret::Secret;

/// Where a repository is, and how its server is asked.
pub struct Remote {
    /// The address.
    pub url: Url,
    /// What is shown to the server; never to another one.
    pub credentials: Credentials,
    /// PEM certificates of the authorities that are believed instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// The proxy to go through, `http://` or `https://`; the environment is not asked.
    pub proxy: Option<String>,
    /// Upper bound on one whole operation: a check or a fetch.
    pub timeout: Duration,
    /// Upper bound on one answer, in bytes.
    pub max_bytes: u64,
}

impl Remote {
    /// A public repository, believed by the system's authorities, within a minute and half a gigabyte.
    pub fn new(url: Url) -> Self {
        let timeout = Duration::from_mins(1);
        Self { url, credentials: Credentials::None, ca: None, proxy: None, timeout, max_bytes: 512 << 20 }
    }
}

/// What is shown to the server.
pub enum Credentials {
    /// Nothing.
    None,
    /// A user and a password, or whatever the forge takes in its place: an access token.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A token of its own, as `Authorization: Bearer`.
    Bearer(Secret),
}

/// Whether an address without encryption is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// Only `https://`.
    Refuse,
    /// `http://` too: the administrator says so.
    Allow,
}

/// The address of a repository: `https://host[:port]/path`, or `http://` where that is allowed.
///
/// Nothing that git or a library could read in two ways: no user or password, no query, no fragment, no backslash, no
/// space, nothing that is not printable ASCII. No other scheme: `file:`, `git:`, `ext::` and options in disguise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    loopback: bool,
}

impl Url {
    /// Reads an address.
    pub fn parse(text: &str, plain: Plain) -> Result<Self, Error> {
        let refuse = |why| Error::BadUrl { url: shown(text), why };
        let rest = match text.split_once("://") {
            Some(("https", rest)) => rest,
            Some(("http", rest)) if plain == Plain::Allow => rest,
            Some(("http", _)) => return Err(refuse("http is not encrypted; use https, or allow it explicitly")),
            Some(("ssh", _)) => return Err(refuse("ssh is not spoken; use the https address and a token")),
            Some(_) => return Err(refuse("only https is taken; no file, git or ext addresses")),
            None => return Err(refuse("an address begins with https://; scp-like ones are not taken")),
        };
        if text.len() > MAX_URL {
            return Err(refuse("it is longer than 2048 bytes"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(refuse("it holds a space, a backslash or something that is not ASCII"));
        }
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.contains('@') {
            return Err(refuse("it holds a user or password; put them in a Secret and name it in `secretRef`"));
        }
        if rest.contains(['?', '#']) {
            return Err(refuse("it holds a query or a fragment"));
        }
        let parsed = reqwest::Url::parse(text).map_err(|_| refuse("it has no host, or a port that is none"))?;
        let host = parsed.host_str().ok_or_else(|| refuse("it has no host"))?;
        // A library that reads another host than stands there would be asked for it with these credentials.
        let written = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|c| c.is_ascii_digit()));
        if !written.map_or(authority, |(host, _)| host).eq_ignore_ascii_case(host) || host.starts_with('-') {
            return Err(refuse("its host is not written plainly"));
        }
        if rest.split('/').skip(1).any(|part| matches!(part, "." | "..")) {
            return Err(refuse("its path holds . or .."));
        }
        let loopback = matches!(host, "localhost" | "[::1]") || host.starts_with("127.");
        Ok(Self { text: text.trim_end_matches('/').to_owned(), loopback })
    }

    /// The address, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether what is sent can be read on the way: neither encrypted nor kept on this machine.
    pub(super) fn is_overheard(&self) -> bool {
        self.text.starts_with("http:") && !self.loopback
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What of an unread address may be printed: nothing up to an `@`, no query, no fragment, no control characters.
pub(super) fn shown(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let text = match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        (None, Some((_, rest))) => rest.to_owned(),
        (_, None) => text.to_owned(),
    };
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Upper bound on an address, in bytes.
const MAX_URL: usize = 2048;

#[cfg(test)]
mod tests {
    use super::{Plain, Url};

    #[test]
    fn plain_addresses_are_taken() {
        for good in
            ["https://git.example.org/infra.git", "https://git.example.org:8443/a/b", "https://[::1]:8443/a.git"]
        {
            assert_eq!(Url::parse(good, Plain::Refuse).unwrap().as_str(), good);
        }
        assert!(Url::parse("http://127.0.0.1:8080/a.git", Plain::Allow).is_ok());
    }

    #[test]
    fn addresses_that_run_or_confuse_are_refused() {
        for bad in [
            "file:///etc/passwd",
            "/srv/git/a.git",
            "git://example.org/a.git",
            "ext::sh -c id",
            "--upload-pack=id",
            "-oProxyCommand=id",
            "ssh://-oProxyCommand=id/x",
            "git@example.org:a.git",
            "https://good.example@evil.example/a.git",
            "https://good.example#@evil.example/a.git",
            "https://good.example\\@evil.example/a.git",
            "https:///x/a.git",
            "https:x/a.git",
            "https://-oProxyCommand=id/a.git",
            "https://exa mple.org/a.git",
            "https://example.org/a.git\n",
            "https://example.org/../a.git",
            "https://example.org/a.git?x=1",
            "https://0x7f000001/a.git",
            "HTTPS://example.org/a.git",
            "http://example.org/a.git",
        ] {
            assert!(Url::parse(bad, Plain::Refuse).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refused_address_is_shown_without_its_password() {
        let error = Url::parse("https://bob:hunter2@example.org/a.git?token=hunter3", Plain::Refuse).unwrap_err();
        assert!(!error.to_string().contains("hunter"), "{error}");
        let error = Url::parse("bob:hunter2@example.org/a.git", Plain::Refuse).unwrap_err();
        assert!(!error.to_string().contains("hunter"), "{error}");
    }
}
