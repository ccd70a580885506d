//! Lists of mappings that are merged element by element.

use std::collections::{HashMap, HashSet};

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
    let index = Index::new(&target, keys);
    let mut first: Vec<Option<Tree>> = Vec::with_capacity(patch.len());
    let mut places: HashMap<Vec<Option<String>>, Vec<usize>> = HashMap::new();
    for element in patch {
        if !matches!(element, Tree::Map(_)) {
            continue;
        }
        let values = key_values(&element, keys);
        if values.iter().all(Option::is_none) {
            // Nothing to merge it by.
            first.extend(merge(None, Some(element), about.as_ref())?.map(Some));
            continue;
        }
        // The same keys again in the patch: the later element is merged into the former.
        if let Some(same) = places.get_mut(&values)
            && let Some(earlier) = same.first().copied()
        {
            first[earlier] = merge(first[earlier].take(), Some(element), about.as_ref())?;
            if first[earlier].is_none() {
                same.remove(0);
            }
            continue;
        }
        let counterpart_at = index.candidates(keys, &values).iter().copied().find(|at| match &target[*at] {
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
                (false, None) => {
                    places.entry(key_values(&merged, keys)).or_default().push(first.len());
                    first.push(Some(merged));
                }
            }
        }
    }
    let mut first: Vec<Tree> = first.into_iter().flatten().collect();
    for slot in target {
        match slot {
            Slot::Taken => {}
            Slot::Merged(tree) => first.push(*tree),
            Slot::Whole(tree) => first.extend(merge(Some(*tree), None, about.as_ref())?),
        }
    }
    Ok(first)
}

/// Where in the target the values of each key are: it may be long, and so may the patch.
struct Index(Vec<HashMap<String, Vec<usize>>>);

impl Index {
    fn new(target: &[Slot], keys: &[String]) -> Self {
        let by_key = keys.iter().map(|key| {
            let mut places: HashMap<String, Vec<usize>> = HashMap::new();
            for (at, slot) in target.iter().enumerate() {
                if let Slot::Whole(tree) = slot
                    && let Some(text) = tree.get(key).and_then(Tree::as_text)
                {
                    places.entry(text.to_owned()).or_default().push(at);
                }
            }
            places
        });
        Self(by_key.collect())
    }

    /// Where the rarest of the values is.
    fn candidates(&self, keys: &[String], values: &[Option<String>]) -> &[usize] {
        let given = (0..keys.len()).filter_map(|at| Some((at, values.get(at)?.as_ref()?)));
        let places = given.map(|(at, value)| self.0[at].get(value).map_or(&[][..], Vec::as_slice));
        places.min_by_key(|places| places.len()).unwrap_or_default()
    }
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
    let mut known: HashSet<String> = HashSet::new();
    for tree in patch.into_iter().chain(target) {
        if tree.as_text().is_none_or(|text| known.insert(text.to_owned())) {
            merged.push(tree);
        }
    }
    merged
}
