//! The globs of path rules: `*` and `?` within one part, `**` across parts.

/// A pattern for paths in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathGlob {
    parts: Vec<String>,
}

impl PathGlob {
    /// Reads `prod/**`, `**/*.yaml`, `base/kustomization.yaml`. A trailing `/` means all below.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let refuse = || format!("{text:?} is not a glob of paths: relative, `/` between parts, only `*`, `?` and `**`");
        let text_below = text.strip_suffix('/').map(|folder| format!("{folder}/**"));
        let parts: Vec<String> = text_below.as_deref().unwrap_or(text).split('/').map(str::to_owned).collect();
        let odd = |part: &String| {
            matches!(part.as_str(), "" | "." | "..")
                || part.contains(['[', ']', '{', '}', '\\', '!'])
                || part.chars().any(char::is_control)
                || (part.contains("**") && part != "**")
        };
        if parts.len() > 64 || parts.iter().any(odd) { Err(refuse()) } else { Ok(Self { parts }) }
    }

    /// Whether `path` is meant.
    pub(super) fn matches(&self, path: &str) -> bool {
        let path: Vec<&str> = path.split('/').collect();
        // Row by row instead of by recursion: many `**` must not cost exponential time.
        let mut row = vec![false; path.len() + 1];
        row[0] = true;
        for pattern in &self.parts {
            let mut next = vec![false; path.len() + 1];
            for at in 0..=path.len() {
                next[at] = if pattern == "**" {
                    row[at] || at > 0 && next[at - 1]
                } else {
                    at > 0 && row[at - 1] && part_matches(pattern, path[at - 1])
                };
            }
            row = next;
        }
        row[path.len()]
    }
}

impl std::fmt::Display for PathGlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.parts.join("/"))
    }
}

fn part_matches(pattern: &str, part: &str) -> bool {
    super::pattern::glob(pattern.as_bytes(), part.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::PathGlob;

    fn matches(glob: &str, path: &str) -> bool {
        PathGlob::read(glob).unwrap().matches(path)
    }

    #[test]
    fn two_stars_cross_parts_and_one_does_not() {
        assert!(matches("**", "a/b/c"));
        assert!(matches("prod/**", "prod/a/b"));
        assert!(!matches("prod/**", "prod2/a"));
        assert!(matches("**/*.yaml", "a.yaml") && matches("**/*.yaml", "x/y/a.yaml"));
        assert!(!matches("*.yaml", "x/a.yaml"));
        assert!(matches("prod/", "prod/a"));
        assert!(!matches("prod", "prod/a"));
    }

    #[test]
    fn globs_that_mean_something_elsewhere_are_refused() {
        for bad in ["", "/a", "a//b", "../a", "a**", "[ab]", "{a,b}", "!a"] {
            assert!(PathGlob::read(bad).is_err(), "{bad:?}");
        }
    }
}
