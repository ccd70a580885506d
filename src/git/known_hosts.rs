//! Which keys a server may have: lines of a `known_hosts` file. Source: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".
//!
//! Every line is understood or all are refused. Host certificates are not spoken: `@cert-authority` lines vouch for
//! nothing here.

use ring::hmac;
use russh::keys::PublicKey;
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, Marker};

/// Keys that are pinned for one server.
#[derive(Debug, Default)]
pub(super) struct Pinned {
    known: Vec<PublicKey>,
    revoked: Vec<PublicKey>,
}

impl Pinned {
    /// What `text` says about the server.
    ///
    /// # Errors
    /// The number of the first line that cannot be understood.
    pub(super) fn read(text: &str, host: &str, port: u16) -> Result<Self, usize> {
        let name =
            if port == 22 { host.to_ascii_lowercase() } else { format!("[{}]:{port}", host.to_ascii_lowercase()) };
        let mut pinned = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let entry: Entry = line.parse().map_err(|_| index + 1)?;
            let key = entry.public_key().clone();
            // A revoked key is nobody's, whatever host its line names.
            match entry.marker() {
                Some(Marker::Revoked) => pinned.revoked.push(key),
                None if names(entry.host_patterns(), &name) => pinned.known.push(key),
                Some(Marker::CertAuthority) | None => {}
            }
        }
        Ok(pinned)
    }

    /// Whether `key` is one of them and not withdrawn.
    pub(super) fn believes(&self, key: &PublicKey) -> bool {
        let is = |other: &PublicKey| other.key_data() == key.key_data();
        self.known.iter().any(is) && !self.revoked.iter().any(is)
    }

    /// The keys.
    pub(super) fn known(&self) -> &[PublicKey] {
        &self.known
    }
}

fn names(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::Patterns(patterns) => {
            let matches = |pattern: &str| is_like(name.as_bytes(), pattern.to_ascii_lowercase().as_bytes());
            let denied = patterns.iter().filter_map(|pattern| pattern.strip_prefix('!')).any(matches);
            !denied && patterns.iter().any(|pattern| !pattern.starts_with('!') && matches(pattern))
        }
        HostPatterns::HashedName { salt, hash } => {
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
            hmac::verify(&key, name.as_bytes(), hash).is_ok()
        }
    }
}

/// Whether `name` is like `pattern`, in which `*` is any run of characters and `?` is one.
fn is_like(name: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut in_pattern) = (0, 0);
    let mut back = None;
    while at < name.len() {
        match pattern.get(in_pattern) {
            Some(b'*') => {
                back = Some((in_pattern, at));
                in_pattern += 1;
            }
            Some(c) if *c == b'?' || *c == name[at] => {
                at += 1;
                in_pattern += 1;
            }
            Some(_) | None => match back {
                // The last star takes one more.
                Some((star, taken)) => {
                    back = Some((star, taken + 1));
                    (at, in_pattern) = (taken + 1, star + 1);
                }
                None => return false,
            },
        }
    }
    pattern[in_pattern..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::{Pinned, is_like};

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    fn pinned(line: &str, host: &str, port: u16) -> bool {
        let key = KEY.parse().unwrap();
        Pinned::read(line, host, port).unwrap().believes(&key)
    }

    #[test]
    fn keys_are_pinned_for_the_hosts_that_lines_name() {
        for (hosts, host, port) in [
            ("git.example.org", "git.example.org", 22),
            ("a.example.org,git.example.org", "GIT.example.org", 22),
            ("[git.example.org]:2222", "git.example.org", 2222),
            ("*.example.org,!bad.example.org", "git.example.org", 22),
            // Made with `ssh-keygen -H` out of `git.example.org` and `[git.example.org]:2222`.
            ("|1|tdynxzjDIUbkw9TS1MgQ2DgGyOY=|5PDZPT2llNZN6Y24rHtCNNSU/9w=", "git.example.org", 22),
            ("|1|O7NrgaDs1xxLizD3/7WSaN7STos=|0ZQN1CxsoqsBMfNbncELazyWfzs=", "git.example.org", 2222),
        ] {
            assert!(pinned(&format!("{hosts} {KEY} comment"), host, port), "{hosts}");
        }
    }

    #[test]
    fn other_hosts_ports_and_keys_are_not_believed() {
        for (lines, host, port) in [
            (format!("git.example.org {KEY}"), "git.example.com", 22),
            (format!("git.example.org {KEY}"), "git.example.org", 2222),
            (format!("[git.example.org]:2222 {KEY}"), "git.example.org", 22),
            (format!("git.example.org {OTHER}"), "git.example.org", 22),
            (format!("*.example.org,!bad.example.org {KEY}"), "bad.example.org", 22),
            (format!("@cert-authority git.example.org {KEY}"), "git.example.org", 22),
            (format!("git.example.org {KEY}\n@revoked * {KEY}"), "git.example.org", 22),
            (format!("|1|tdynxzjDIUbkw9TS1MgQ2DgGyOY=|5PDZPT2llNZN6Y24rHtCNNSU/9w= {KEY}"), "git.example.com", 22),
            (format!("# git.example.org {KEY}\n\n"), "git.example.org", 22),
        ] {
            assert!(!pinned(&lines, host, port), "{lines}");
        }
    }

    #[test]
    fn lines_that_are_not_understood_are_named() {
        let lines = format!("git.example.org {KEY}\ngit.example.org ssh-ed25519 AAAA\n");
        assert_eq!(Pinned::read(&lines, "git.example.org", 22).unwrap_err(), 2);
        assert!(Pinned::read(&format!("@trusted git.example.org {KEY}"), "git.example.org", 22).is_err());
    }

    #[test]
    fn stars_and_question_marks_are_as_in_ssh() {
        assert!(is_like(b"abcabd", b"*ab?") && is_like(b"", b"*") && is_like(b"a", b"*a*"));
        assert!(!is_like(b"abc", b"ab") && !is_like(b"ab", b"abc") && !is_like(b"a", b"??"));
    }
}
