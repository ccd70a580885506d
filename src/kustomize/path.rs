//! Paths of replacements: `spec.containers.[name=web].env.0.value`, `*`, `[a.b/c]`.

use crate::kustomize::bounds::{self, Budget, SELECTION};
use crate::kustomize::error::{Code, Error};
use crate::kustomize::fields;
use crate::kustomize::select::regex;
use crate::kustomize::tree::{Fields, Leaf, Tag, Tree};

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A field.
    Field(String),
    /// An element by number.
    Index(usize),
    /// Elements of which a field (or, where it is empty, the element itself) fits.
    Where(String, String),
    /// Every element.
    Every,
}

/// Splits a path. A backslash keeps a dot in a name, brackets keep everything between them.
///
/// # Errors
/// Where it has more parts than an object may have levels.
pub fn parse(path: &str) -> Result<Vec<Part>, Error> {
    let mut names: Vec<String> = Vec::new();
    let mut open: Option<String> = None;
    for name in fields::names(path, '.') {
        match open.take() {
            Some(begun) => {
                let joined = format!("{begun}.{name}");
                if name.ends_with(']') { names.push(joined) } else { open = Some(joined) }
            }
            None if name.starts_with('[') && !name.ends_with(']') => open = Some(name),
            None => names.push(name),
        }
    }
    names.extend(open);
    bounds::parts(names.into_iter().map(part).collect())
}

fn part(name: String) -> Part {
    if name == "*" {
        return Part::Every;
    }
    if let Ok(index) = name.parse() {
        return Part::Index(index);
    }
    if name.starts_with('[') && name.ends_with(']') {
        let inner = &name[1..name.len() - 1];
        return match inner.split_once('=') {
            Some((field, value)) => Part::Where(field.to_owned(), value.to_owned()),
            None => Part::Field(inner.trim_matches(['[', ']']).to_owned()),
        };
    }
    Part::Field(name)
}

/// The node at `path`; selectors compare exactly.
pub fn find<'a>(tree: &'a Tree, path: &[Part], budget: &Budget) -> Result<Option<&'a Tree>, Error> {
    let mut node = tree;
    for part in path {
        pay(node, budget)?;
        if node.is_null() {
            return Ok(None);
        }
        let next = match (part, node) {
            (Part::Field(name), Tree::Map(fields)) => {
                if name == "-" {
                    None
                } else {
                    fields.get(name)
                }
            }
            (Part::Field(name), Tree::List(list)) if name == "-" => list.last(),
            (Part::Index(index), Tree::List(list)) => list.get(*index),
            (Part::Where(field, value), Tree::List(list)) => list.iter().find(|element| {
                let found = if field.is_empty() { Some(*element) } else { element.get(field) };
                found.and_then(Tree::as_text) == Some(value)
            }),
            (Part::Every, _) => return Err(missing("a `*` is not supported here")),
            (Part::Field(_) | Part::Index(_) | Part::Where(..), _) => {
                return Err(missing("a step of the path does not fit what is there"));
            }
        };
        let Some(next) = next else { return Ok(None) };
        node = next;
    }
    Ok(Some(node))
}

/// What it costs to get to a field or an element of `tree`.
pub fn pay(tree: &Tree, budget: &Budget) -> Result<(), Error> {
    match tree {
        Tree::Leaf(_) => Ok(()),
        Tree::Map(fields) => budget.look(1, fields.len()),
        Tree::List(list) => budget.look(1, list.len()),
    }
}

/// Calls `visit` for every node that fits `path`; returns how many there were. Selectors are regular expressions.
///
/// With `create`, missing fields and elements are made, the last one as that.
pub fn visit(
    tree: &mut Tree,
    path: &[Part],
    create: Option<Kind>,
    budget: &Budget,
    visit_one: &mut dyn FnMut(&mut Tree) -> Result<(), Error>,
) -> Result<usize, Error> {
    let Some((first, rest)) = path.split_first() else {
        return visit_one(tree).map(|()| 1);
    };
    pay(tree, budget)?;
    match first {
        Part::Field(name) => {
            if tree.is_null() && create.is_some() {
                *tree = Tree::Map(Fields::default());
            }
            let fields = match tree {
                Tree::Map(fields) => fields,
                Tree::Leaf(_) if tree.is_null() => return Ok(0),
                Tree::Leaf(_) | Tree::List(_) => {
                    return Err(missing(&format!("expected a mapping with `{name}`, found {}", tree.kind())));
                }
            };
            let field = match (fields.get_mut(name).is_some(), create) {
                (false, None) => return Ok(0),
                (true, _) => fields.get_mut(name),
                (false, Some(kind)) => {
                    budget.entry(name.len())?;
                    Some(fields.entry(name, || made(rest.first(), kind)))
                }
            };
            field.map_or(Ok(0), |field| visit(field, rest, create, budget, visit_one))
        }
        Part::Index(index) => {
            let list = elements(tree)?;
            if let (true, Some(kind)) = (*index == list.len(), create) {
                budget.entry(0)?;
                list.push(made(rest.first(), kind));
            }
            let length = list.len();
            let element = list
                .get_mut(*index)
                .ok_or_else(|| missing(&format!("index {index} is out of range of {length} elements")))?;
            visit(element, rest, create, budget, visit_one)
        }
        Part::Every => {
            let mut count = 0;
            for element in elements(tree)? {
                count += visit(element, rest, create, budget, visit_one)?;
            }
            Ok(count)
        }
        Part::Where(field, pattern) => {
            let pattern_of = regex(pattern)?;
            let list = elements(tree)?;
            budget.look(SELECTION, list.len())?;
            let mut count = 0;
            for element in list.iter_mut() {
                let found = if field.is_empty() { Some(&*element) } else { element.get(field) };
                if found.and_then(Tree::as_text).is_some_and(|text| pattern_of.is_match(text.trim())) {
                    count += if field.is_empty() {
                        visit_one(element).map(|()| 1)?
                    } else {
                        visit(element, rest, create, budget, visit_one)?
                    };
                }
            }
            if count > 0 || create.is_none() {
                return Ok(count);
            }
            budget.entry(field.len() + pattern.len())?;
            let mut element = if field.is_empty() {
                Tree::plain(pattern.clone())
            } else {
                let mut fields = Fields::default();
                fields.set(field, Tree::plain(pattern.clone()));
                Tree::Map(fields)
            };
            let rest = if field.is_empty() { &[][..] } else { rest };
            let count = visit(&mut element, rest, create, budget, visit_one)?;
            list.push(element);
            Ok(count)
        }
    }
}

/// What is made at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A scalar.
    Scalar,
    /// A list.
    List,
    /// A mapping.
    Map,
}

/// An empty node in front of `next`.
fn made(next: Option<&Part>, last: Kind) -> Tree {
    let kind = match next {
        None => last,
        Some(Part::Where(..) | Part::Index(_)) => Kind::List,
        Some(Part::Field(_) | Part::Every) => Kind::Map,
    };
    match kind {
        Kind::Scalar => Tree::Leaf(Leaf::Open { text: String::new(), tag: Tag::Untyped }),
        Kind::List => Tree::List(Vec::new()),
        Kind::Map => Tree::Map(Fields::default()),
    }
}

fn elements(tree: &mut Tree) -> Result<&mut Vec<Tree>, Error> {
    match tree {
        Tree::List(list) => Ok(list),
        Tree::Leaf(_) | Tree::Map(_) => Err(missing(&format!("expected a list, found {}", tree.kind()))),
    }
}

fn missing(text: &str) -> Error {
    Error::new(Code::ReplacementError, text)
}

#[cfg(test)]
mod tests {
    use super::{Part, parse};

    #[test]
    fn dots_are_kept_by_a_backslash_and_by_brackets() {
        let field = |name: &str| Part::Field(name.to_owned());
        assert_eq!(parse("a.b\\.c.0").unwrap(), [field("a"), field("b.c"), Part::Index(0)]);
        assert_eq!(
            parse("metadata.annotations.[a.b/c]").unwrap(),
            [field("metadata"), field("annotations"), field("a.b/c")]
        );
        assert_eq!(
            parse("x.[name=a.b].*").unwrap(),
            [field("x"), Part::Where("name".to_owned(), "a.b".to_owned()), Part::Every]
        );
    }
}
