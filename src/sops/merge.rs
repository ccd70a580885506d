//! Merge keys. sops keeps them as keys; whoever reads what it writes expands them.

use std::collections::HashSet;

use super::error::Fault;
use super::tree::{Branch, Element, Entry, Tree, pairs};

/// The document with the mappings behind each `<<` in the place of that key. What is there already wins.
pub(super) fn expand(branch: Branch) -> Result<Branch, Fault> {
    let mut own = Branch::with_capacity(branch.len());
    let mut merged = Vec::new();
    for entry in branch {
        match entry {
            Entry::Pair { key, value } if key == "<<" => merged.push(value),
            Entry::Pair { key, value } => own.push(Entry::Pair { key, value: within(value)? }),
            Entry::Comment(_) => own.push(entry),
        }
    }
    let mut names = HashSet::new();
    if !merged.is_empty() {
        names.extend(pairs(&own).map(|(key, _)| key.to_owned()));
    }
    for source in merged.into_iter().map(sources).collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        for entry in expand(source)? {
            match entry {
                Entry::Pair { key, value } if names.insert(key.clone()) => own.push(Entry::Pair { key, value }),
                Entry::Pair { .. } | Entry::Comment(_) => {}
            }
        }
    }
    Ok(own)
}

fn within(tree: Tree) -> Result<Tree, Fault> {
    Ok(match tree {
        Tree::Leaf(leaf) => Tree::Leaf(leaf),
        Tree::Map(map) => Tree::Map(expand(map)?),
        Tree::List(list) => {
            let elements = list.into_iter().map(|element| match element {
                Element::Value(value) => within(value).map(Element::Value),
                Element::Comment(comment) => Ok(Element::Comment(comment)),
            });
            Tree::List(elements.collect::<Result<_, _>>()?)
        }
    })
}

fn sources(value: Tree) -> Result<Vec<Branch>, Fault> {
    let refused = Fault::Policy("the merge key `<<` takes a mapping or a list of mappings");
    match value {
        Tree::Map(map) => Ok(vec![map]),
        Tree::Leaf(_) => Err(refused),
        Tree::List(list) => {
            let maps = list.into_iter().filter_map(|element| match element {
                Element::Value(Tree::Map(map)) => Some(Ok(map)),
                Element::Value(Tree::Leaf(_) | Tree::List(_)) => Some(Err(refused.clone())),
                Element::Comment(_) => None,
            });
            maps.collect()
        }
    }
}
