//! JSON patch (RFC 6902), with negative indexes as the library behind kustomize allows.

use std::collections::HashMap;

use crate::kustomize::bounds::{self, Budget};
use crate::kustomize::error::{Code, Error};
use crate::kustomize::form::Form;
use crate::kustomize::path::pay;
use crate::kustomize::tree::Tree;
use crate::model::{Number, Place};

/// An operation.
pub struct Operation {
    op: Op,
    path: String,
    from: String,
    value: Option<Tree>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

/// Reads a list of operations.
pub fn read(tree: Tree, place: &Place) -> Result<Vec<Operation>, Error> {
    let Tree::List(list) = tree else {
        let text = "a JSON patch must be a list of operations";
        return Err(Error::new(Code::PatchInvalid, text).at(place.clone()));
    };
    list.into_iter().map(|tree| operation(tree, place)).collect()
}

fn operation(tree: Tree, place: &Place) -> Result<Operation, Error> {
    let value = tree.get("value").map(Tree::share);
    let mut form = Form::new("operation", tree, place).map_err(|error| error.with_code(Code::PatchInvalid))?;
    let op = match form.text_or_empty("op")?.as_str() {
        "add" => Op::Add,
        "remove" => Op::Remove,
        "replace" => Op::Replace,
        "move" => Op::Move,
        "copy" => Op::Copy,
        "test" => Op::Test,
        other => return Err(form.refuse(Code::JsonPatchFailed, format!("{other:?} is not an operation"))),
    };
    let (path, from) = (form.text_or_empty("path")?, form.text_or_empty("from")?);
    Ok(Operation { op, path, from, value })
}

/// Applies `operations` to `body` in order.
///
/// # Errors
/// Where a path does not exist or a test does not hold; `body` is then half patched and must be dropped.
pub fn apply(operations: &[Operation], body: &mut Tree, budget: &Budget) -> Result<(), Error> {
    operations.iter().try_for_each(|operation| {
        let value = || operation.value.as_ref().map_or_else(|| Ok(Tree::null()), |value| budget.share(value));
        match operation.op {
            Op::Add => add(body, &operation.path, value()?, budget),
            Op::Remove => remove(body, &operation.path, budget).map(drop),
            Op::Replace => replace(body, &operation.path, value()?, budget),
            Op::Move => {
                let moved = remove(body, &operation.from, budget)?;
                // Not for memory: its depth is looked at.
                budget.tree(&moved)?;
                add(body, &operation.path, moved, budget)
            }
            Op::Copy => {
                let copied = budget.share(find(body, &operation.from, budget)?)?;
                add(body, &operation.path, copied, budget)
            }
            Op::Test => {
                let found = look(body, &operation.path, budget)?;
                [found, operation.value.as_ref()].into_iter().flatten().try_for_each(|tree| budget.tree(tree))?;
                let same = match (found, &operation.value) {
                    (None, None) => true,
                    (None, Some(wanted)) => wanted.is_null(),
                    (Some(found), None) => found.is_null(),
                    (Some(found), Some(wanted)) => is_same(found, wanted),
                };
                if same { Ok(()) } else { Err(failed(&operation.path, "the test does not hold")) }
            }
        }
    })
}

fn failed(path: &str, why: &str) -> Error {
    Error::new(Code::JsonPatchFailed, format!("JSON patch at `{path}`: {why}"))
}

/// The names on the way, escapes resolved.
fn names(path: &str) -> Result<Vec<String>, Error> {
    let Some(rest) = path.strip_prefix('/') else { return Err(failed(path, "a path begins with `/`")) };
    Ok(rest.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect())
}

/// An index into a list of `length`; negative ones count from the end.
fn index(name: &str, length: usize) -> Option<usize> {
    let number: i64 = name.parse().ok()?;
    let length = i64::try_from(length).ok()?;
    let at = if number < 0 { number.checked_add(length)? } else { number };
    usize::try_from(at).ok().filter(|_| at < length)
}

fn step<'a>(tree: &'a Tree, name: &str) -> Option<&'a Tree> {
    match tree {
        Tree::Map(fields) => fields.get(name),
        Tree::List(list) => list.get(index(name, list.len())?),
        Tree::Leaf(_) => None,
    }
}

fn find<'a>(body: &'a Tree, path: &str, budget: &Budget) -> Result<&'a Tree, Error> {
    names(path)?.iter().try_fold(body, |tree, name| {
        pay(tree, budget)?;
        step(tree, name).ok_or_else(|| failed(path, "there is no such field"))
    })
}

/// The same, where the last field of a mapping may be missing: a test takes that for null.
fn look<'a>(body: &'a Tree, path: &str, budget: &Budget) -> Result<Option<&'a Tree>, Error> {
    if path.is_empty() {
        return Ok(Some(body));
    }
    let names = names(path)?;
    let Some((last, way)) = names.split_last() else { return Err(failed(path, "an empty path")) };
    let container = way.iter().try_fold(body, |tree, name| {
        pay(tree, budget)?;
        step(tree, name).ok_or_else(|| failed(path, "a field on the way is missing"))
    })?;
    pay(container, budget)?;
    match container {
        container @ (Tree::Map(_) | Tree::List(_)) => match step(container, last) {
            None if matches!(container, Tree::List(_)) => Err(failed(path, "the index is out of range")),
            found => Ok(found),
        },
        Tree::Leaf(_) => Err(failed(path, "a scalar has no fields")),
    }
}

/// The container of the last name of `path`, and that name.
fn container<'a>(body: &'a mut Tree, path: &str, budget: &Budget) -> Result<(&'a mut Tree, String), Error> {
    let mut way = names(path)?;
    let Some(last) = way.pop() else { return Err(failed(path, "an empty path")) };
    let mut tree = body;
    for step in &way {
        pay(tree, budget)?;
        let next = match tree {
            Tree::Map(fields) => fields.get_mut(step),
            Tree::List(elements) => index(step, elements.len()).and_then(|at| elements.get_mut(at)),
            Tree::Leaf(_) => None,
        };
        tree = next.ok_or_else(|| failed(path, "a field on the way is missing; add it first"))?;
    }
    pay(tree, budget)?;
    Ok((tree, last))
}

fn add(body: &mut Tree, path: &str, value: Tree, budget: &Budget) -> Result<(), Error> {
    bounds::depth(names(path)?.len(), &value)?;
    let (tree, name) = container(body, path, budget)?;
    match tree {
        Tree::Map(fields) => fields.set(&name, value),
        Tree::List(list) if name == "-" => list.push(value),
        Tree::List(list) => {
            // One past the end is a place to add; -1 is before the last but one, as the library counts.
            let at = index(&name, list.len() + 1).ok_or_else(|| failed(path, "the index is out of range"))?;
            list.insert(at, value);
        }
        Tree::Leaf(_) => return Err(failed(path, "a scalar has no fields")),
    }
    Ok(())
}

fn remove(body: &mut Tree, path: &str, budget: &Budget) -> Result<Tree, Error> {
    let (tree, name) = container(body, path, budget)?;
    let removed = match tree {
        Tree::Map(fields) => fields.remove(&name),
        Tree::List(list) => index(&name, list.len()).map(|at| list.remove(at)),
        Tree::Leaf(_) => None,
    };
    removed.ok_or_else(|| failed(path, "there is nothing to remove"))
}

fn replace(body: &mut Tree, path: &str, value: Tree, budget: &Budget) -> Result<(), Error> {
    if path.is_empty() {
        if !matches!(value, Tree::Map(_)) {
            return Err(failed(path, "the whole object can be replaced by another object only"));
        }
        *body = value;
        return Ok(());
    }
    bounds::depth(names(path)?.len(), &value)?;
    let (tree, name) = container(body, path, budget)?;
    let slot = match tree {
        // The library behind kustomize does not mind that the field is missing.
        Tree::Map(fields) => {
            fields.set(&name, value);
            return Ok(());
        }
        Tree::List(list) => index(&name, list.len()).and_then(|at| list.get_mut(at)),
        Tree::Leaf(_) => None,
    };
    *slot.ok_or_else(|| failed(path, "there is nothing to replace"))? = value;
    Ok(())
}

/// Whether both are the same JSON value. Sealed values are never the same as anything: a test would tell what they are.
fn is_same(one: &Tree, other: &Tree) -> bool {
    use crate::model::{Node, Scalar, Value};
    fn same(one: &Node, other: &Node) -> bool {
        match (one, other) {
            (Node::Scalar(Scalar::Open(one)), Node::Scalar(Scalar::Open(other))) => match (one, other) {
                (Value::Number(Number::Float(one)), Value::Number(Number::Float(other))) => {
                    one.to_bits() == other.to_bits()
                }
                _ => one == other,
            },
            (Node::List(one), Node::List(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
            }
            (Node::Map(one), Node::Map(other)) => {
                let known: HashMap<&str, &Node> = other.iter().collect();
                one.len() == other.len()
                    && one.iter().all(|(key, value)| known.get(key).is_some_and(|found| same(value, found)))
            }
            _ => false,
        }
    }
    match (one.share().into_node(), other.share().into_node()) {
        (Some(one), Some(other)) => same(&one, &other),
        _ => false,
    }
}
