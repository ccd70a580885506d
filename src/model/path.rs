//! Paths inside a repository.

/// A path inside the repository: relative, `/`-separated, without `.`, `..`, empty parts, backslash or control characters.
///
/// The empty path is the repository's root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(String);

/// A text that is not a path inside the repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path {path:?} must stay inside the repository: relative, without empty parts, `..` and control characters")]
pub struct PathError {
    /// The text as it stood.
    pub path: String,
}

impl RepoPath {
    /// The repository's root.
    pub fn root() -> Self {
        Self(String::new())
    }

    /// Reads a path that already is in its plain form, such as `clusters/prod`.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.split('/').all(is_plain) { Ok(Self(text.to_owned())) } else { Err(PathError { path: text.to_owned() }) }
    }

    /// Resolves `text` (as users write it: `./apps`, `../base`) against this folder.
    ///
    /// # Errors
    /// Where it is absolute, empty or leaves the repository.
    pub fn resolve(&self, text: &str) -> Result<Self, PathError> {
        let refuse = || PathError { path: text.to_owned() };
        if text.is_empty() || text.starts_with('/') {
            return Err(refuse());
        }
        let mut parts: Vec<&str> = self.0.split('/').filter(|part| !part.is_empty()).collect();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop().ok_or_else(refuse)?;
                }
                part if is_plain(part) => parts.push(part),
                _ => return Err(refuse()),
            }
        }
        Ok(Self(parts.join("/")))
    }

    /// The path as text; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the repository's root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last part; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The folder this lies in; the root's parent is the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned()))
    }

    /// Whether this is `folder` or lies below it.
    pub fn is_within(&self, folder: &RepoPath) -> bool {
        folder.is_root()
            || self.0 == folder.0
            || self.0.strip_prefix(&folder.0).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl std::fmt::Display for RepoPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

fn is_plain(part: &str) -> bool {
    !matches!(part, "" | "." | "..") && !part.contains(|c: char| c == '\\' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::RepoPath;

    #[test]
    fn paths_that_leave_the_repository_are_refused() {
        let prod = RepoPath::parse("clusters/prod").unwrap();
        assert_eq!(prod.resolve("../base").unwrap().as_str(), "clusters/base");
        assert_eq!(prod.resolve("../..").unwrap(), RepoPath::root());
        for text in ["", "/etc", "../../..", "a\\b", "a\nb"] {
            assert!(prod.resolve(text).is_err(), "{text:?}");
        }
        for text in ["", "/a", "a//b", "./a", "a/..", "a/"] {
            assert!(RepoPath::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_sibling_with_the_same_beginning_is_not_within() {
        let prod = RepoPath::parse("prod").unwrap();
        assert!(!RepoPath::parse("prod2/a").unwrap().is_within(&prod));
        assert!(RepoPath::parse("prod/a").unwrap().is_within(&prod));
    }
}
