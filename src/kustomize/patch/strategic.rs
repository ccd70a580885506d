//! Strategic merge, as kustomize's own implementation does it.

use std::collections::HashMap;

use crate::kustomize::error::{Code, Error};
use crate::kustomize::schema::Known;
use crate::kustomize::tree::{Fields, Tree, loose_key};

use super::merge_list::merge_by_keys;

/// `patch` merged into `target`; `None` where the patch deletes it.
///
/// A null deletes. `$patch: delete | replace | merge` is understood in mappings and lists; `$setElementOrder`,
/// `$retainKeys` and `$deleteFromPrimitiveList` are not, and stay, as kustomize does.
pub fn merge(target: Option<Tree>, patch: Option<Tree>, known: Option<&Known>) -> Result<Option<Tree>, Error> {
    let kind_of = |tree: &Option<Tree>| tree.as_ref().filter(|tree| !tree.is_null()).map(Tree::kind);
    if let (Some(mine), Some(theirs)) = (kind_of(&target), kind_of(&patch))
        && mine != theirs
    {
        let text = format!("the patch has {theirs} where the object has {mine}");
        return Err(Error::new(Code::FieldKindMismatch, text));
    }
    match (target, patch) {
        (None, None) => Ok(None),
        // A null in the patch deletes, whatever is there.
        (_, Some(patch)) if patch.is_null() => Ok(None),
        (Some(target), patch) if target.is_null() => match patch {
            // A null that was written stays; one that was left out (`a:`) is lost.
            None => Ok(Some(target).filter(|target| target.as_text() != Some(""))),
            Some(patch) => insert(patch, known),
        },
        (None, Some(patch)) => insert(patch, known),
        (Some(Tree::Map(target)), None) => map(target, None, known).map(|map| Some(Tree::Map(map))),
        (Some(Tree::Map(target)), Some(Tree::Map(mut patch))) => match directive_of_map(&mut patch)? {
            Directive::Delete => Ok(None),
            Directive::Replace => insert_map(patch, known).map(|map| Some(Tree::Map(map))),
            Directive::Merge => map(target, Some(patch), known).map(|map| Some(Tree::Map(map))),
        },
        (Some(Tree::List(target)), patch) => {
            let Some(keys) = known.and_then(Known::merged_by) else {
                return Ok(Some(patch.unwrap_or(Tree::List(target))));
            };
            let mut patch = match patch {
                Some(Tree::List(patch)) => patch,
                _ => Vec::new(),
            };
            let merged = match directive_of_list(&mut patch)? {
                Directive::Delete => return Ok(None),
                Directive::Replace => merge_by_keys(Vec::new(), patch, keys, known)?,
                Directive::Merge => merge_by_keys(target, patch, keys, known)?,
            };
            Ok(Some(Tree::List(merged)))
        }
        (Some(target @ Tree::Leaf(_)), None) => Ok(Some(target)),
        (Some(Tree::Leaf(target)), Some(Tree::Leaf(patch))) => Ok(Some(Tree::Leaf(patch.in_place_of(&target)))),
        (Some(_), Some(patch)) => Ok(Some(patch)),
    }
}

/// Merges field by field.
fn map(target: Fields, patch: Option<Fields>, known: Option<&Known>) -> Result<Fields, Error> {
    let mut patch: Vec<(String, Option<Tree>)> =
        patch.unwrap_or_default().into_iter().map(|(name, value)| (name, Some(value))).collect();
    // Looked up by a hash: both may have very many fields.
    let places: HashMap<String, usize> = patch.iter().zip(0..).map(|((name, _), at)| (name.clone(), at)).collect();
    let mut take = |name: &str| patch[*places.get(name)?].1.take();
    let mut merged = Vec::with_capacity(target.len() + places.len());
    for (name, value) in target {
        let theirs = take(&name).or_else(|| if places.is_empty() { None } else { take(&loose_key(&name)) });
        let about = field(known, &name, &value);
        if let Some(value) = merge(Some(value), theirs, about.as_ref()).map_err(|error| within(error, &name))? {
            merged.push((name, value));
        }
    }
    for (name, value) in patch {
        let Some(value) = value else { continue };
        let about = field(known, &name, &value);
        if let Some(value) = merge(None, Some(value), about.as_ref()).map_err(|error| within(error, &name))? {
            merged.push((name, value));
        }
    }
    Ok(merged.into_iter().collect())
}

/// What is known about a field; an object of its own kind inside another brings its own schema.
fn field(known: Option<&Known>, name: &str, _value: &Tree) -> Option<Known> {
    known.and_then(|known| known.field(name))
}

/// Names the field on the way to the cause, innermost first.
fn within(error: Error, name: &str) -> Error {
    error.within(name)
}

/// A part of the patch that has no counterpart: nulls and directives in it count all the same.
fn insert(patch: Tree, known: Option<&Known>) -> Result<Option<Tree>, Error> {
    match patch {
        Tree::Leaf(_) => Ok(Some(patch).filter(|patch| !patch.is_null())),
        Tree::Map(mut patch) => match directive_of_map(&mut patch)? {
            Directive::Delete => Ok(None),
            Directive::Replace | Directive::Merge => insert_map(patch, known).map(|map| Some(Tree::Map(map))),
        },
        Tree::List(mut patch) => {
            let Some(keys) = known.and_then(Known::merged_by) else { return Ok(Some(Tree::List(patch))) };
            match directive_of_list(&mut patch)? {
                Directive::Delete => Ok(None),
                Directive::Replace | Directive::Merge => {
                    merge_by_keys(Vec::new(), patch, keys, known).map(|list| Some(Tree::List(list)))
                }
            }
        }
    }
}

fn insert_map(patch: Fields, known: Option<&Known>) -> Result<Fields, Error> {
    map(Fields::default(), Some(patch), known)
}

/// What `$patch` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directive {
    /// Delete what is there.
    Delete,
    /// Put the patch in its place.
    Replace,
    /// Merge; the same as saying nothing.
    Merge,
}

const DIRECTIVE: &str = "$patch";

fn directive(text: Option<&str>) -> Result<Directive, Error> {
    match text {
        Some("delete") => Ok(Directive::Delete),
        Some("replace") => Ok(Directive::Replace),
        None | Some("merge") => Ok(Directive::Merge),
        Some(other) => Err(Error::new(
            Code::SmpUnknownDirective,
            format!("`$patch: {other}` is not one of delete, replace and merge"),
        )),
    }
}

/// Takes the directive out of a mapping.
pub fn directive_of_map(patch: &mut Fields) -> Result<Directive, Error> {
    match patch.get(DIRECTIVE) {
        None => Ok(Directive::Merge),
        Some(value) => {
            let found = directive(Some(value.as_text().unwrap_or_default()))?;
            patch.remove(DIRECTIVE);
            Ok(found)
        }
    }
}

/// Takes the directive out of a list: an element that says nothing else.
fn directive_of_list(patch: &mut Vec<Tree>) -> Result<Directive, Error> {
    let first = patch.iter().find_map(|element| element.as_map().filter(|map| map.get(DIRECTIVE).is_some()));
    let Some(element) = first.filter(|element| element.len() == 1) else { return Ok(Directive::Merge) };
    let text = element.get(DIRECTIVE).and_then(Tree::as_text).unwrap_or_default().to_owned();
    let found = directive(Some(&text))?;
    patch.retain(|element| element.get(DIRECTIVE).and_then(Tree::as_text) != Some(text.as_str()));
    Ok(found)
}
