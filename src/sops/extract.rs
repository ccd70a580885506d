//! One part of a file, as `sops decrypt --extract` names it.

use super::error::{Fault, shown};
use super::formats::{self, Format};
use super::tree::{self, Branch, Element, Tree};
use crate::secret::Secret;

/// Where a part is: `["key"]` and `[index]`, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extract(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl Extract {
    /// Reads it; keys in double or single quotes, as sops takes them.
    ///
    /// # Errors
    /// Where it is not of that form, what is.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = r#"write it as ["key"]["other key"][0]"#;
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (step, left) = rest.strip_prefix('[').and_then(Step::read).ok_or(FORM)?;
            steps.push(step);
            rest = left;
        }
        if steps.is_empty() { Err(FORM) } else { Ok(Self(steps)) }
    }
}

impl Step {
    /// A step without the bracket that opens it, and what is behind it.
    fn read(text: &str) -> Option<(Self, &str)> {
        for quote in ['"', '\''] {
            if let Some(text) = text.strip_prefix(quote) {
                let (key, rest) = text.split_once(&format!("{quote}]"))?;
                return Some((Self::Key(key.to_owned()), rest));
            }
        }
        let (index, rest) = text.split_once(']')?;
        let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
        Some((Self::Index(index.parse().ok().filter(|_| digits)?), rest))
    }
}

/// The part of the first document that `path` names, written as sops writes it: a text as it is, anything else in `format`.
pub(super) fn extract(mut documents: Vec<Branch>, path: &Extract, format: Format) -> Result<Secret, Fault> {
    let missing = |at: usize| Fault::NoSuchPart { place: shown(&told(&path.0[..=at])) };
    documents.truncate(1);
    let mut found = documents.pop().map(Tree::Map).ok_or_else(|| missing(0))?;
    for (at, step) in path.0.iter().enumerate() {
        let deeper = match (step, found) {
            (Step::Key(key), Tree::Map(mut map)) => tree::take(&mut map, key),
            (Step::Index(index), Tree::List(list)) => list.into_iter().filter_map(element).nth(*index),
            _ => None,
        };
        found = deeper.ok_or_else(|| missing(at))?;
    }
    formats::write_part(found, format)
}

fn element(element: Element) -> Option<Tree> {
    match element {
        Element::Comment(_) => None,
        Element::Value(value) => Some(value),
    }
}

fn told(steps: &[Step]) -> String {
    let told = |step: &Step| match step {
        Step::Key(key) => format!("[{key:?}]"),
        Step::Index(index) => format!("[{index}]"),
    };
    steps.iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::Extract;

    #[test]
    fn what_is_no_path_is_refused() {
        for good in [r#"["a"]"#, "['a']", r#"["a"][0]["b c"]"#, r#"["a]b"]"#] {
            assert!(Extract::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "[a]", r#"["a"]b"#, r#"["a"#, "[-1]", "[]", "[ 1]", "[99999999999999999999999]"] {
            assert!(Extract::parse(bad).is_err(), "{bad}");
        }
    }
}
