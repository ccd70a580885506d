//! The pattern lists of OpenSSH: `*`, `?`, and `!` for exceptions.
//!
//! Source: ssh_config(5), PATTERNS; OpenSSH match.c.

/// A list of patterns separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PatternList(String);

impl PatternList {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether one pattern matches and no exception does.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut found = false;
        for pattern in self.0.split(',') {
            match pattern.strip_prefix('!') {
                Some(exception) if glob(exception.as_bytes(), text.as_bytes()) => return false,
                Some(_) => {}
                None => found |= glob(pattern.as_bytes(), text.as_bytes()),
            }
        }
        found
    }

    /// How many letters it has.
    pub(super) fn letters(&self) -> u64 {
        self.0.len() as u64
    }

    /// How many letters, and pairs of letters, [`Self::names`] looks at, at most.
    pub(super) fn letters_compared(&self) -> u64 {
        let of = |exceptions: bool| {
            let entries = self.0.split(',').filter(move |entry| entry.starts_with('!') == exceptions);
            entries.map(|entry| entry.len() as u64).sum::<u64>()
        };
        self.letters() + of(true) * of(false)
    }

    /// The entries that name somebody: no exceptions, and not excepted themselves.
    pub(super) fn names(&self) -> Vec<String> {
        // An entry fits itself: only the exceptions have to be looked at.
        let exceptions: Vec<&str> = self.0.split(',').filter_map(|entry| entry.strip_prefix('!')).collect();
        let excepted = |name: &str| exceptions.iter().any(|one| glob(one.as_bytes(), name.as_bytes()));
        let names = self.0.split(',').filter(|name| !name.is_empty() && !name.starts_with('!') && !excepted(name));
        names.map(str::to_owned).collect()
    }
}

/// `*` any run, `?` any one byte. Linear space, at most pattern times text steps.
pub(super) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            Some(_) | None => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::PatternList;

    #[test]
    fn exceptions_win_over_matches() {
        let list = PatternList::new("*@example.org,!bob@example.org");
        assert!(list.matches("alice@example.org"));
        assert!(!list.matches("bob@example.org"));
        assert!(!list.matches("alice@example.com"));
        assert!(!PatternList::new("!git,*").matches("git"));
        assert!(!PatternList::new("!bob").matches("alice"), "exceptions alone match nothing");
        assert!(PatternList::new("a?c*e").matches("abcde"));
        assert!(!PatternList::new("").matches("x"));
    }

    #[test]
    fn exceptions_are_nobodys_name() {
        assert_eq!(PatternList::new("alice,!bob,bob,*@x").names(), ["alice", "*@x"]);
    }
}
