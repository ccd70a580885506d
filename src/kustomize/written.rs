//! Where in the text of a kustomization something stands. For messages alone: nothing is rendered by it.

use std::collections::HashMap;

use crate::model::yaml::{self, Duplicates, Entry, Item, Kind, Limits, Raw};

/// What an error is about, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A field of the mapping, or of the mappings, called so; `kustomization` is the whole.
    Field {
        /// The mapping.
        of: String,
        /// The field.
        name: String,
    },
    /// An entry of a list, such as a path.
    Entry(String),
}

/// A text that has been taken apart, for looking up lines in it.
pub struct Lines(Option<Raw>);

impl Lines {
    /// Those of a kustomization.
    pub fn of(text: &str) -> Self {
        Self(first(text))
    }

    /// The line of it, counted from 1; 0 where it is not found.
    pub fn find(&self, about: &About) -> usize {
        let Some(root) = &self.0 else { return 0 };
        let found = match about {
            About::Field { of, name } => field(root, of, name, of == "kustomization"),
            About::Entry(text) => entry(root, text),
        };
        found.and_then(|line| usize::try_from(line).ok()).unwrap_or_default()
    }
}

/// Fields at the top that are there more than once: name, first line and last line.
pub fn twice(text: &str) -> Vec<(String, u32, u32)> {
    let Some(Raw { kind: Kind::Map(entries), .. }) = first(text) else { return Vec::new() };
    let mut lines: HashMap<&str, u32> = HashMap::new();
    let mut found: Vec<(String, u32, u32)> = Vec::new();
    for (key, at) in entries.iter().filter_map(key) {
        match (lines.get(key), found.iter_mut().find(|(name, ..)| name == key)) {
            (None, _) => drop(lines.insert(key, at)),
            (Some(_), Some((.., last))) => *last = at,
            (Some(first), None) => found.push((key.to_owned(), *first, at)),
        }
    }
    found
}

fn first(text: &str) -> Option<Raw> {
    let limits = Limits { duplicates: Duplicates::Kept, ..Limits::MANIFEST };
    Some(yaml::parse(text, limits).ok()?.into_iter().next()?.root)
}

fn key(entry: &Entry) -> Option<(&str, u32)> {
    match entry {
        Entry::Pair(Raw { kind: Kind::Scalar { text, .. }, at, .. }, _) => Some((text, at.line)),
        Entry::Pair(..) | Entry::Comment(_) => None,
    }
}

/// `inside` says whether `raw` is what is called `of`, or a list of such.
fn field(raw: &Raw, of: &str, name: &str, inside: bool) -> Option<u32> {
    match &raw.kind {
        Kind::Scalar { .. } => None,
        Kind::List(items) => items.iter().find_map(|item| match item {
            Item::Value(value) => field(value, of, name, inside),
            Item::Comment(_) => None,
        }),
        Kind::Map(entries) => {
            let here = entries.iter().filter_map(key).find(|(key, _)| inside && key.eq_ignore_ascii_case(name));
            here.map(|(_, line)| line).or_else(|| {
                entries.iter().find_map(|entry| match entry {
                    Entry::Pair(_, value) => {
                        let called = key(entry).is_some_and(|(key, _)| key.eq_ignore_ascii_case(of));
                        field(value, of, name, called)
                    }
                    Entry::Comment(_) => None,
                })
            })
        }
    }
}

/// A scalar of this text, or one that gives it a name: `settings.json=config/prod.json`.
fn entry(raw: &Raw, wanted: &str) -> Option<u32> {
    match &raw.kind {
        Kind::Scalar { text, .. } => {
            let named = text.strip_suffix(wanted).is_some_and(|name| name.is_empty() || name.ends_with('='));
            named.then_some(raw.at.line)
        }
        Kind::List(items) => items.iter().find_map(|item| match item {
            Item::Value(value) => entry(value, wanted),
            Item::Comment(_) => None,
        }),
        Kind::Map(entries) => entries.iter().find_map(|one| match one {
            Entry::Pair(_, value) => entry(value, wanted),
            Entry::Comment(_) => None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{About, Lines, twice};

    const TEXT: &str = "\
namespace: a
resources:
- a.yaml
configMapGenerator:
- name: resource
  files: [x.txt, y=z.txt]
  option: {}
namespace: b
nmePrefix: c
";

    #[test]
    fn fields_and_entries_have_their_lines() {
        let lines = Lines::of(TEXT);
        let field = |of: &str, name: &str| lines.find(&About::Field { of: of.to_owned(), name: name.to_owned() });
        assert_eq!(field("kustomization", "nmePrefix"), 9);
        assert_eq!(field("configMapGenerator", "option"), 7);
        assert_eq!(field("secretGenerator", "option"), 0);
        let entry = |text: &str| lines.find(&About::Entry(text.to_owned()));
        assert_eq!([entry("a.yaml"), entry("z.txt"), entry("resources")], [3, 6, 0]);
        assert_eq!(Lines::of("a: [").find(&About::Entry("a".to_owned())), 0);
    }

    #[test]
    fn fields_that_are_there_twice_are_found_with_both_lines() {
        assert_eq!(twice(TEXT), [("namespace".to_owned(), 1, 8)]);
        assert_eq!(twice("a: {b: 1, b: 2}\n"), []);
    }
}
