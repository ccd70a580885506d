//! A repository elsewhere: its address, and what is shown to its server.

use std::fmt;
use std::net::Ipv4Addr;
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
    /// A key, for `ssh://`.
    Ssh(Identity),
}

/// What an SSH connection is made with. The server's key is pinned: nothing is trusted on first use.
pub struct Identity {
    /// A private key as `ssh-keygen` writes it.
    pub key: Secret,
    /// What opens that key, where it is encrypted.
    pub passphrase: Option<Secret>,
    /// Lines as of a `known_hosts` file, sshd(8).
    pub known_hosts: String,
}

/// Whether an address without encryption is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// Only `https://`.
    Refuse,
    /// `http://` too: the administrator says so.
    Allow,
}

/// The address of a repository: `https://host[:port]/path`, `ssh://user@host[:port]/path`, or `http://` where that is
/// allowed.
///
/// Nothing that git or a library could read in two ways: no password, no query, no fragment, no backslash, no quote, no
/// space, nothing that is not printable ASCII. No other scheme: `file:`, `git:`, `ext::` and options in disguise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    loopback: bool,
    ssh: Option<SshAddress>,
}

/// The parts of an `ssh://` address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SshAddress {
    pub(super) user: String,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// As the server's command takes it: `/team/infra.git`, or `~user/infra.git`.
    pub(super) path: String,
}

impl Url {
    /// Reads an address.
    pub fn parse(text: &str, plain: Plain) -> Result<Self, Error> {
        let refuse = |why| Error::BadUrl { url: shown(text), why };
        let (scheme, rest) = match text.split_once("://") {
            Some(("https", rest)) => ("https", rest),
            Some(("http", rest)) if plain == Plain::Allow => ("http", rest),
            Some(("ssh", rest)) => ("ssh", rest),
            Some(("http", _)) => return Err(refuse("http is not encrypted; use https, or allow it explicitly")),
            Some(_) => return Err(refuse("only https and ssh are taken; no file, git or ext addresses")),
            None => return Err(refuse("an address begins with https:// or ssh://; write ssh://git@host/path")),
        };
        if text.len() > MAX_URL {
            return Err(refuse("it is longer than 2048 bytes"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'\'' | b'"')) {
            return Err(refuse("it holds a space, a quote, a backslash or something that is not ASCII"));
        }
        if rest.contains(['?', '#']) {
            return Err(refuse("it holds a query or a fragment"));
        }
        let authority = rest.split('/').next().unwrap_or_default();
        let (user, place) = match (scheme, authority.split_once('@')) {
            ("ssh", Some((user, place))) if is_user(user) => (user, place),
            ("ssh", _) => return Err(refuse("it needs a plain user and no password: ssh://git@host/path")),
            (_, None) => ("", authority),
            (_, Some(_)) => {
                return Err(refuse("it holds a user or password; put them in a Secret and name it in `secretRef`"));
            }
        };
        // Read by a library that knows hosts; it must see the host that stands there, or credentials would go elsewhere.
        let path = rest.strip_prefix(authority).unwrap_or_default();
        let parsed = reqwest::Url::parse(&format!("https://{place}{path}"))
            .map_err(|_| refuse("it has no host, or a port that is none"))?;
        let host = parsed.host_str().ok_or_else(|| refuse("it has no host"))?;
        let port = place.rsplit_once(':').filter(|(_, port)| port.bytes().all(|c| c.is_ascii_digit()));
        if !port.map_or(place, |(host, _)| host).eq_ignore_ascii_case(host) || host.starts_with('-') {
            return Err(refuse("its host is not written plainly"));
        }
        if rest.split('/').skip(1).any(|part| matches!(part, "." | "..")) {
            return Err(refuse("its path holds . or .."));
        }
        // Not by how it begins: `127.example.org` is somebody's.
        let loopback =
            matches!(host, "localhost" | "[::1]") || host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback());
        let ssh = match scheme {
            // git would decode it.
            "ssh" if path.contains('%') => return Err(refuse("its path holds a percent sign")),
            "ssh" if path.trim_matches('/').is_empty() => return Err(refuse("it names no repository on the host")),
            "ssh" => Some(SshAddress {
                user: user.to_owned(),
                host: host.trim_matches(['[', ']']).to_owned(),
                port: port.map_or(Ok(22), |(_, port)| port.parse()).map_err(|_| refuse("its port is none"))?,
                path: path.strip_prefix("/~").map_or(path.to_owned(), |home| format!("~{home}")),
            }),
            _ => None,
        };
        Ok(Self { text: text.trim_end_matches('/').to_owned(), loopback, ssh })
    }

    /// The parts of an `ssh://` address.
    pub(super) fn ssh(&self) -> Option<&SshAddress> {
        self.ssh.as_ref()
    }

    /// The address, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether what is sent, through `proxy` or straight, can be read on the way: neither encrypted nor kept on this
    /// machine.
    pub(super) fn is_overheard(&self, proxy: Option<&str>) -> bool {
        self.text.starts_with("http:") && (!self.loopback || proxy.is_some())
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a user name can be nothing else: no option, no password, no word for a shell.
fn is_user(user: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !user.is_empty() && !user.starts_with('-') && user.bytes().all(plain)
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
    fn ssh_addresses_have_their_parts() {
        for (text, host, port, path) in [
            ("ssh://git@example.org/team/infra.git", "example.org", 22, "/team/infra.git"),
            ("ssh://git@[::1]:2222/~bob/infra.git", "::1", 2222, "~bob/infra.git"),
        ] {
            let url = Url::parse(text, Plain::Refuse).unwrap();
            let ssh = url.ssh().unwrap();
            assert_eq!((&*ssh.user, &*ssh.host, ssh.port, &*ssh.path), ("git", host, port, path));
        }
        assert!(Url::parse("https://example.org/a.git", Plain::Refuse).unwrap().ssh().is_none());
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
            "ssh://git@-oProxyCommand=id/x",
            "ssh://-oProxyCommand=id@example.org/x",
            "ssh://git:hunter2@example.org/a.git",
            "ssh://example.org/a.git",
            "ssh://git@example.org/",
            "ssh://git@example.org/a%2fb.git",
            "ssh://git@example.org/a'b.git",
            "ssh://git@example.org:99999/a.git",
            "ssh://git@good.example@evil.example/a.git",
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
