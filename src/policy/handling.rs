//! Flux's annotations on single objects, which keep their meaning here.

use crate::model::Map;

use super::Refusal;

/// How one object wants to be handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handling {
    /// When it is written.
    pub presence: Presence,
    /// Whether it is kept when it leaves the repository.
    pub kept: bool,
    /// Whether it may be deleted and made again where a field cannot be changed.
    pub recreated: bool,
}

/// When an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Always.
    Enforced,
    /// Only while it does not exist.
    IfNotPresent,
    /// Never: it stays as it is, and stays recorded.
    Ignored,
}

/// Keeps an object that left the repository.
pub const PRUNE: &str = "kustomize.toolkit.fluxcd.io/prune";
/// How an object is written.
const SSA: &str = "kustomize.toolkit.fluxcd.io/ssa";
/// Lets an object be made again.
const FORCE: &str = "kustomize.toolkit.fluxcd.io/force";
/// Leaves an object alone.
const RECONCILE: &str = "kustomize.toolkit.fluxcd.io/reconcile";

impl Handling {
    /// As the annotations of `body` say; values compare without regard to case, as in Flux.
    ///
    /// # Errors
    /// A value that nobody knows: what it was meant to prevent would happen.
    pub(super) fn read(body: &Map) -> Result<Self, Refusal> {
        let presence = match value(body, SSA)?.as_deref() {
            // Server-side apply leaves other managers' fields alone, which is what Flux's Merge asks for.
            None | Some("override" | "merge") => Presence::Enforced,
            Some("ifnotpresent") => Presence::IfNotPresent,
            Some("ignore") => Presence::Ignored,
            Some(found) => return Err(unknown(SSA, found, "Override, Merge, IfNotPresent or Ignore")),
        };
        let switched = |annotation| match value(body, annotation)?.as_deref() {
            None => Ok(None),
            Some("enabled") => Ok(Some(true)),
            Some("disabled") => Ok(Some(false)),
            Some(found) => Err(unknown(annotation, found, "enabled or disabled")),
        };
        let ignored = switched(RECONCILE)? == Some(false);
        Ok(Self {
            presence: if ignored { Presence::Ignored } else { presence },
            kept: switched(PRUNE)? == Some(false),
            recreated: switched(FORCE)? == Some(true),
        })
    }
}

fn value(body: &Map, annotation: &'static str) -> Result<Option<String>, Refusal> {
    let node = body.get("metadata").and_then(|metadata| metadata.at(&["annotations", annotation]));
    match node {
        None => Ok(None),
        Some(node) => match node.as_text() {
            Some(text) => Ok(Some(text.to_ascii_lowercase())),
            None => Err(Refusal::Malformed { field: annotation.to_owned(), problem: "must be a plain text" }),
        },
    }
}

fn unknown(annotation: &'static str, found: &str, expected: &'static str) -> Refusal {
    Refusal::Annotation { annotation, found: found.chars().take(60).collect(), expected }
}

#[cfg(test)]
mod tests {
    use super::{Handling, Presence};
    use crate::model::{Map, Node};

    fn annotated(pairs: &[(&str, &str)]) -> Map {
        let mut annotations = Map::new();
        for (key, value) in pairs {
            annotations.insert(*key, Node::text(*value));
        }
        let mut metadata = Map::new();
        metadata.insert("annotations", Node::Map(annotations));
        let mut body = Map::new();
        body.insert("metadata", Node::Map(metadata));
        body
    }

    #[test]
    fn flux_annotations_keep_their_meaning() {
        let plain = Handling::read(&annotated(&[])).unwrap();
        assert_eq!(plain, Handling { presence: Presence::Enforced, kept: false, recreated: false });
        let read = |key, value| Handling::read(&annotated(&[(key, value)]));
        assert!(read("kustomize.toolkit.fluxcd.io/prune", "disabled").unwrap().kept);
        assert!(read("kustomize.toolkit.fluxcd.io/prune", "Disabled").unwrap().kept);
        assert!(read("kustomize.toolkit.fluxcd.io/force", "enabled").unwrap().recreated);
        let presence = |key, value| read(key, value).unwrap().presence;
        assert_eq!(presence("kustomize.toolkit.fluxcd.io/ssa", "IfNotPresent"), Presence::IfNotPresent);
        assert_eq!(presence("kustomize.toolkit.fluxcd.io/ssa", "Ignore"), Presence::Ignored);
        assert_eq!(presence("kustomize.toolkit.fluxcd.io/reconcile", "disabled"), Presence::Ignored);
    }

    #[test]
    fn a_misspelt_value_is_refused_instead_of_pruned() {
        assert!(Handling::read(&annotated(&[("kustomize.toolkit.fluxcd.io/prune", "disable")])).is_err());
        assert!(Handling::read(&annotated(&[("kustomize.toolkit.fluxcd.io/ssa", "IfAbsent")])).is_err());
    }
}
