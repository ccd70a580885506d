//! Which of a repository's tags a range of versions means, as Flux reads `ref.semver`.
//!
//! Versions are those of semver.org, with or without a leading `v`; other tags are passed over. A range is alternatives
//! (`||`) of bounds that must all hold (a comma or a space between them). Bounds: `=`, `!=`, `<`, `<=`, `>`, `>=`, `~`,
//! `^`, wildcards (`1.x`, `*`), missing parts (`1.2` is `1.2.x`), and `1.2 - 2.3`. A pre-release is taken only where a
//! bound of its alternative names one. Source: the constraints of Masterminds/semver version 3.

use std::fmt;

use semver::{BuildMetadata, Prerelease, Version};

/// A range of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    text: String,
    /// One of these must hold, and of it every bound.
    alternatives: Vec<Vec<Bound>>,
}

/// `from` included up to `below` excluded, both where they are; or the opposite.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    from: Option<Version>,
    below: Option<Version>,
    outside: bool,
    names_prerelease: bool,
}

/// A text that is no range of versions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("semver range {range:?}: {part:?} is not understood; write for example `>=1.4.0 <2.0.0`, `~1.4` or `1.x`")]
pub struct RangeError {
    range: String,
    part: String,
}

impl Range {
    /// Reads a range.
    pub fn parse(text: &str) -> Result<Self, RangeError> {
        let shown = |part: &str| part.chars().take(60).collect::<String>();
        let refuse = |part: &str| RangeError { range: shown(text), part: shown(part) };
        if text.len() > MAX_RANGE {
            return Err(refuse(""));
        }
        let mut alternatives = Vec::new();
        for alternative in text.split("||") {
            let mut bounds = Vec::new();
            let spaced = alternative.replace(',', " ");
            let mut words = spaced.split_whitespace().peekable();
            while let Some(word) = words.next() {
                let (operator, first) = match word.find(|c: char| !"=!<>~^".contains(c)) {
                    Some(at) => word.split_at(at),
                    None => (word, words.next().ok_or_else(|| refuse(word))?),
                };
                if operator.is_empty() && words.peek() == Some(&"-") {
                    words.next();
                    let (first, last) = (Partial::parse(first), words.next().and_then(Partial::parse));
                    let (Some(first), Some(last)) = (first, last) else { return Err(refuse(alternative)) };
                    bounds.push(Bound::new(Some(first.lowest()), last.above(), &[&first, &last]));
                } else {
                    let partial = Partial::parse(first).ok_or_else(|| refuse(word))?;
                    bounds.push(Bound::of(operator, &partial).ok_or_else(|| refuse(word))?);
                }
            }
            if bounds.is_empty() {
                return Err(refuse(alternative));
            }
            alternatives.push(bounds);
        }
        Ok(Self { text: text.to_owned(), alternatives })
    }

    /// The name among `tags` (without `refs/tags/`) that holds the highest version of the range.
    pub fn best<'a>(&self, tags: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        let versions = tags.into_iter().filter_map(|tag| Some((version(tag)?, tag)));
        versions.filter(|(version, _)| self.holds(version)).max().map(|(_, tag)| tag)
    }

    fn holds(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|bounds| {
            let released = version.pre.is_empty() || bounds.iter().any(|bound| bound.names_prerelease);
            released && bounds.iter().all(|bound| bound.holds(version))
        })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Bound {
    fn new(from: Option<Version>, below: Option<Version>, named: &[&Partial]) -> Self {
        let names_prerelease = named.iter().any(|partial| !partial.pre.is_empty());
        Self { from, below, outside: false, names_prerelease }
    }

    /// What `operator` makes of a version; `None` where there is no such operator.
    fn of(operator: &str, partial: &Partial) -> Option<Self> {
        let (lowest, above) = (partial.lowest(), partial.above());
        let (from, below) = match operator {
            "" | "=" | "==" | "!=" => (Some(lowest), above),
            ">=" | "=>" => (Some(lowest), None),
            "<" => (None, Some(lowest)),
            // Beyond everything that the written parts cover; beyond `*` there is nothing.
            ">" => (Some(above.unwrap_or(END)), None),
            "<=" | "=<" => (None, above),
            "~" | "~>" => (Some(lowest), partial.next(partial.written.min(2))),
            "^" => (Some(lowest), partial.caret()),
            _ => return None,
        };
        Some(Self { outside: operator == "!=", ..Self::new(from, below, &[partial]) })
    }

    fn holds(&self, version: &Version) -> bool {
        let least = self.from.as_ref().is_none_or(|from| version.cmp_precedence(from).is_ge());
        let most = self.below.as_ref().is_none_or(|below| version.cmp_precedence(below).is_lt());
        (least && most) != self.outside
    }
}

/// A version of which parts may be left out.
struct Partial {
    parts: [u64; 3],
    /// How many parts are written: 0 for `*`.
    written: usize,
    pre: Prerelease,
}

impl Partial {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = text.split_once('+').map_or(text, |(text, _)| text);
        let (core, pre) = text.split_once('-').unwrap_or((text, ""));
        let mut partial = Self { parts: [0; 3], written: 0, pre: Prerelease::new(pre).ok()? };
        let mut wild = false;
        for (index, part) in core.split('.').enumerate() {
            if matches!(part, "x" | "X" | "*") {
                wild = true;
            } else if wild || !part.bytes().all(|c| c.is_ascii_digit()) {
                return None;
            } else {
                *partial.parts.get_mut(index)? = part.parse().ok()?;
                partial.written = index + 1;
            }
            if index > 2 {
                return None;
            }
        }
        (partial.pre.is_empty() || partial.written == 3).then_some(partial)
    }

    fn lowest(&self) -> Version {
        let [major, minor, patch] = self.parts;
        Version { major, minor, patch, pre: self.pre.clone(), build: BuildMetadata::EMPTY }
    }

    /// The first version beyond those that the written parts cover; `None` beyond `*`.
    fn above(&self) -> Option<Version> {
        if self.pre.is_empty() {
            return self.next(self.written);
        }
        // Right behind a pre-release comes the one with one more, lowest identifier.
        let pre = Prerelease::new(&format!("{}.0", self.pre)).ok()?;
        Some(Version { pre, ..self.lowest() })
    }

    /// The first version whose first `kept` parts are higher; below all its pre-releases.
    fn next(&self, kept: usize) -> Option<Version> {
        let mut parts = [0; 3];
        parts[..kept].copy_from_slice(&self.parts[..kept]);
        let last = kept.checked_sub(1)?;
        parts[last] = parts[last].checked_add(1)?;
        let [major, minor, patch] = parts;
        Some(Version { major, minor, patch, pre: Prerelease::new("0").ok()?, build: BuildMetadata::EMPTY })
    }

    /// `^`: nothing left of the first part that is not zero changes.
    fn caret(&self) -> Option<Version> {
        let first = self.parts[..self.written].iter().position(|part| *part > 0);
        self.next(first.map_or(self.written, |first| first + 1))
    }
}

/// The version that a tag's name is.
fn version(tag: &str) -> Option<Version> {
    Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok()
}

/// Beyond all versions.
const END: Version = Version::new(u64::MAX, u64::MAX, u64::MAX);
/// Upper bound on a range, in bytes.
const MAX_RANGE: usize = 256;

#[cfg(test)]
mod tests {
    use super::Range;

    const TAGS: [&str; 12] = [
        "v0.3.1",
        "v0.4.0",
        "v1.0.0",
        "v1.2.0",
        "1.2.9",
        "v1.3.0-rc.1",
        "v1.10.0",
        "v2.0.0-beta",
        "v2.0.0",
        "v2.1",
        "latest",
        "app/v9.0.0",
    ];

    fn best(range: &str) -> Option<&'static str> {
        Range::parse(range).unwrap().best(TAGS)
    }

    #[test]
    fn the_highest_version_of_the_range_is_meant() {
        for (range, expected) in [
            ("*", Some("v2.0.0")),
            ("1.x", Some("v1.10.0")),
            ("1", Some("v1.10.0")),
            ("1.2", Some("1.2.9")),
            ("~1.2", Some("1.2.9")),
            ("~1.2.3", Some("1.2.9")),
            ("~1", Some("v1.10.0")),
            ("^1.2.0", Some("v1.10.0")),
            ("^0.3", Some("v0.3.1")),
            ("^0.3.0", Some("v0.3.1")),
            (">=1.0.0 <1.2.9", Some("v1.2.0")),
            (">= 1.0.0, < 1.2.9", Some("v1.2.0")),
            (">1.2", Some("v2.0.0")),
            ("<=1.2", Some("1.2.9")),
            ("<1.2", Some("v1.0.0")),
            ("1.0 - 1.2", Some("1.2.9")),
            ("=1.2.0", Some("v1.2.0")),
            ("1.x !=1.10.0", Some("1.2.9")),
            ("0.3.x || 1.0.0", Some("v1.0.0")),
            ("3.x", None),
            (">*", None),
        ] {
            assert_eq!(best(range), expected, "{range}");
        }
    }

    #[test]
    fn a_prerelease_is_meant_only_where_one_is_named() {
        assert_eq!(best(">1.2.9 <1.10.0"), None);
        assert_eq!(best(">=1.3.0-0 <1.10.0"), Some("v1.3.0-rc.1"));
        assert_eq!(best("<2.0.0"), Some("v1.10.0"));
        assert_eq!(best(">=2.0.0-0 <2.0.0"), Some("v2.0.0-beta"));
        assert_eq!(best("~2.0.0-alpha"), Some("v2.0.0"));
        assert_eq!(best("=2.0.0-beta"), Some("v2.0.0-beta"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in ["", " ", "latest", ">", "1.2.3.4", "1.x.3", "><1", "1 ||", "1.2-beta", "=>=1", "1 - ", "a - b"] {
            assert!(Range::parse(bad).is_err(), "{bad:?}");
        }
    }
}
