//! Lists of mappings that are merged element by element.

use crate::kustomize::error::Error;
use crate::kustomize::schema::Known;
use crate::kustomize::tree::Tree;

use super::strategic::merge;

/// Merges `patch` into `target` by `keys`; by value where there are none.
///
/// Elements of the patch come first, then what remains of the target. Where several keys are in use, elements that both
/// have stay where the target has them. As kustomize does.
pub fn merge_by_keys(
    target: Vec<Tree>,
    patch: Vec<Tree>,
    keys: &[String],
    known: Option<&Known>,
) -> Result<Vec<Tree>, Error> {
    if keys.is_empty() {
        return Ok(by_value(target, patch));
    }
    let about = known.and_then(Known::elements);
    let in_use = |key: &&String| {
        target.iter().chain(&patch).any(|element| key_values(element, std::slice::from_ref(*key))[0].is_some())
    };
    let stay = keys.iter().filter(in_use).count() > 1;
    let mut target: Vec<Slot> = target.into_iter().map(|tree| Slot::Whole(Box::new(tree))).collect();
    let mut first: Vec<Tree> = Vec::with_capacity(patch.len());
    for element in patch {
        if !matches!(element, Tree::Map(_)) {
            continue;
        }
        let values = key_values(&element, keys);
        if values.iter().all(Option::is_none) {
            // Nothing to merge it by.
            if let Some(merged) = merge(None, Some(element), about.as_ref())? {
                first.push(merged);
            }
            continue;
        }
        // The same keys again in the patch: the later element is merged into the former.
        if let Some(earlier) = first.iter().position(|earlier| key_values(earlier, keys) == values) {
            let earlier_element = first.remove(earlier);
            if let Some(merged) = merge(Some(earlier_element), Some(element), about.as_ref())? {
                first.insert(earlier, merged);
            }
            continue;
        }
        let counterpart_at = target.iter().position(|slot| match slot {
            Slot::Whole(tree) => matches_keys(tree, keys, &values),
            Slot::Merged(_) | Slot::Taken => false,
        });
        let counterpart = counterpart_at.and_then(|at| std::mem::replace(&mut target[at], Slot::Taken).into_tree());
        if let Some(mut merged) = merge(counterpart, Some(element), about.as_ref())? {
            if let Tree::Map(fields) = &mut merged {
                for (key, value) in keys.iter().zip(&values) {
                    if let (None, Some(value)) = (fields.get(key), value) {
                        fields.set(key, Tree::plain(value.clone()));
                    }
                }
            }
            match (merged.is_empty(), counterpart_at.filter(|_| stay)) {
                (true, _) => {}
                (false, Some(at)) => target[at] = Slot::Merged(Box::new(merged)),
                (false, None) => first.push(merged),
            }
        }
    }
    for slot in target {
        match slot {
            Slot::Taken => {}
            Slot::Merged(tree) => first.push(*tree),
            Slot::Whole(tree) => first.extend(merge(Some(*tree), None, about.as_ref())?),
        }
    }
    Ok(first)
}

/// A place in the target.
enum Slot {
    /// What was there.
    Whole(Box<Tree>),
    /// What was there, with the patch's element.
    Merged(Box<Tree>),
    /// Nothing any more.
    Taken,
}

impl Slot {
    fn into_tree(self) -> Option<Tree> {
        match self {
            Slot::Whole(tree) | Slot::Merged(tree) => Some(*tree),
            Slot::Taken => None,
        }
    }
}

fn key_values(element: &Tree, keys: &[String]) -> Vec<Option<String>> {
    let value = |key: &String| {
        let found = element.get(key).filter(|found| !found.is_null())?.as_text()?;
        (!found.is_empty()).then(|| found.to_owned())
    };
    keys.iter().map(value).collect()
}

/// Whether the keys that the patch's element gives are the element's.
fn matches_keys(element: &Tree, keys: &[String], values: &[Option<String>]) -> bool {
    let given = keys.iter().zip(values).filter_map(|(key, value)| value.as_ref().map(|value| (key, value)));
    given.into_iter().all(|(key, value)| element.get(key).and_then(Tree::as_text) == Some(value.as_str()))
}

fn by_value(target: Vec<Tree>, patch: Vec<Tree>) -> Vec<Tree> {
    let mut merged: Vec<Tree> = Vec::with_capacity(target.len() + patch.len());
    for tree in patch.into_iter().chain(target) {
        let known = tree.as_text().is_some_and(|text| merged.iter().any(|other| other.as_text() == Some(text)));
        if !known {
            merged.push(tree);
        }
    }
    merged
}
