//! Replacements: a value of one object put into fields of others.

use crate::secret::{Part as Piece, Secret};

use super::bounds::{self, Budget};
use super::entry::{FieldOptions, Replacement, Source, Target};
use super::error::{Code, Error};
use super::path::{self, Kind};
use super::resource::Resource;
use super::structured;
use super::tree::{Fields, Leaf, Tag, Tree};

/// Makes each replacement in order.
pub fn replace(replacements: &[Replacement], resources: &mut [Resource], budget: &Budget) -> Result<(), Error> {
    for replacement in replacements {
        if replacement.targets.is_empty() {
            return Err(refuse("a replacement needs a `source` and at least one target"));
        }
        let value = match (&replacement.source, &replacement.source_value) {
            (None, None) => return Err(refuse("a replacement needs a `source` and at least one target")),
            (Some(_), Some(_)) => return Err(refuse("`source` and `sourceValue` exclude each other")),
            (None, Some(text)) => Tree::plain(text.clone()),
            (Some(source), None) => find_source(source, resources, budget)?,
        };
        for target in &replacement.targets {
            put(target, &value, resources, budget)?;
        }
    }
    Ok(())
}

fn refuse(text: impl Into<String>) -> Error {
    Error::new(Code::ReplacementError, text)
}

fn find_source(source: &Source, resources: &[Resource], budget: &Budget) -> Result<Tree, Error> {
    let mut fitting = resources
        .iter()
        .filter(|resource| resource.all_ids().any(|id| id.is_selected(&source.gvk, &source.name, &source.namespace)));
    let Some(resource) = fitting.next() else {
        return Err(refuse(format!("no object fits the source {}", describe(source))));
    };
    if fitting.next().is_some() {
        return Err(refuse(format!("several objects fit the source {}", describe(source))));
    }
    let found = path::find(&resource.body, &path::parse(&source.field_path)?, budget)?;
    let found = found.filter(|found| !found.is_empty()).ok_or_else(|| {
        refuse(format!("the source has no field `{}`, or nothing in it", source.field_path)).of(resource.id())
    })?;
    if source.options.delimiter.is_empty() {
        return budget.share(found);
    }
    match found {
        Tree::Leaf(Leaf::Open { text, tag }) => {
            let parts: Vec<&str> = text.split(source.options.delimiter.as_str()).collect();
            let part = usize::try_from(source.options.index).ok().and_then(|index| parts.get(index));
            let part = part.ok_or_else(|| {
                refuse(format!("`options.index` {} is out of range of the source", source.options.index))
            })?;
            Ok(Tree::Leaf(Leaf::Open { text: (*part).to_owned(), tag: *tag }))
        }
        Tree::Leaf(Leaf::Sealed(_)) => Err(refuse("a sealed value is not cut into parts").of(resource.id())),
        Tree::List(_) | Tree::Map(_) => Err(refuse("`delimiter` is for scalars only").of(resource.id())),
    }
}

fn describe(source: &Source) -> String {
    let parts = [&source.gvk.kind, &source.namespace, &source.name];
    let parts: Vec<&str> = parts.iter().map(|part| part.as_str()).filter(|part| !part.is_empty()).collect();
    format!("`{}`", parts.join("/"))
}

fn put(target: &Target, value: &Tree, resources: &mut [Resource], budget: &Budget) -> Result<(), Error> {
    let Some(select) = &target.select else { return Err(refuse("a target needs a `select`")) };
    for resource in resources.iter_mut() {
        let rejected = target.reject.iter().any(|reject| {
            (reject.looks_at_metadata() && resource.has_metadata(reject))
                || (reject.looks_at_identity()
                    && resource.all_ids().any(|id| {
                        reject.fits_gvk(&id.gvk) && reject.fits_name(&id.name) && reject.fits_namespace(&id.namespace)
                    }))
        });
        let selected = resource.has_metadata(select)
            && resource.all_ids().any(|id| {
                select.fits_gvk(&id.gvk) && select.fits_name(&id.name) && select.fits_namespace(&id.namespace)
            });
        if rejected || !selected {
            continue;
        }
        for written in &target.field_paths {
            let put = put_at(written, &target.options, value, &mut resource.body, budget);
            put.map_err(|error| error.of(resource.id()).at(resource.place.clone()))?;
        }
        // An empty text made there is a text, while it is null elsewhere.
        for what in ["labels", "annotations"] {
            let fields =
                resource.body.as_map_mut().and_then(|body| body.get_mut("metadata")?.as_map_mut()?.get_mut(what));
            for (_, slot) in fields.and_then(Tree::as_map_mut).into_iter().flat_map(Fields::iter_mut) {
                if value.as_string() == Some("") && slot.is_null() {
                    *slot = Tree::text("");
                }
            }
        }
    }
    Ok(())
}

fn put_at(written: &str, options: &FieldOptions, value: &Tree, body: &mut Tree, budget: &Budget) -> Result<(), Error> {
    let parts = path::parse(written)?;
    bounds::depth(parts.len(), value)?;
    let create = options.create.then_some(match value {
        Tree::Leaf(_) => Kind::Scalar,
        Tree::List(_) => Kind::List,
        Tree::Map(_) => Kind::Map,
    });
    if let Some(at) = structured::scalar_on_the_way(body, &parts, budget)? {
        return structured::put(body, parts.split_at(at), create, budget, &mut |tree| {
            set(options, tree, value, budget)
        })
        .map_err(|error| missing(written, create, error));
    }
    let found = path::visit(body, &parts, create, budget, &mut |tree| set(options, tree, value, budget));
    match found {
        Ok(0) => Err(refuse(format!("there is no field `{written}`"))),
        Ok(_) => Ok(()),
        Err(error) => Err(missing(written, create, error)),
    }
}

fn missing(written: &str, create: Option<Kind>, cause: Error) -> Error {
    if cause.code() == Code::Limit {
        return cause.within(written);
    }
    let what = if create.is_some() { "found or made" } else { "found" };
    refuse(format!("field `{written}` cannot be {what}: {cause}"))
}

/// Puts `value` into one field. A scalar keeps its type: a number put on a text is a text.
fn set(options: &FieldOptions, target: &mut Tree, value: &Tree, budget: &Budget) -> Result<(), Error> {
    let value =
        if options.delimiter.is_empty() { budget.share(value)? } else { joined(options, target, value, budget)? };
    match (target, value) {
        (Tree::Leaf(leaf), Tree::Leaf(new)) => {
            *leaf = match (&*leaf, new) {
                (Leaf::Open { text: old, tag: Tag::Untyped }, Leaf::Open { text, .. }) if old.is_empty() => made(text),
                // A null that was written stays one: another text on it is refused in the end, if it is still there.
                (Leaf::Open { tag, .. }, Leaf::Open { text, .. }) => Leaf::Open { text, tag: *tag },
                (_, new) => new,
            };
            Ok(())
        }
        (target @ Tree::Leaf(_), value) if !target.is_null() => {
            Err(refuse(format!("the target is a scalar, and the source is {}", value.kind())))
        }
        (target, value) => {
            *target = value;
            Ok(())
        }
    }
}

/// What is in a field that was made for it.
fn made(text: String) -> Leaf {
    match Tree::plain(text) {
        Tree::Leaf(Leaf::Open { text, tag: Tag::Null }) if text.is_empty() => {
            Leaf::Open { text: "null".to_owned(), tag: Tag::Null }
        }
        Tree::Leaf(Leaf::Open { text, tag: Tag::Null | Tag::Bool | Tag::Int | Tag::Float }) => {
            Leaf::Open { text, tag: Tag::Untyped }
        }
        Tree::Leaf(leaf) => leaf,
        Tree::List(_) | Tree::Map(_) => unreachable!("a plain text makes a leaf"),
    }
}

/// The target's text with one part replaced, or added before or behind.
fn joined(options: &FieldOptions, target: &Tree, value: &Tree, budget: &Budget) -> Result<Tree, Error> {
    let (Tree::Leaf(Leaf::Open { text: old, tag }), Tree::Leaf(new)) = (target, value) else {
        return Err(refuse("`delimiter` is for scalars only, and for targets that are not sealed"));
    };
    let delimiter = options.delimiter.as_str();
    // A delimiter is added where there was none: once.
    budget.take(old.len() + delimiter.len())?;
    match new {
        Leaf::Open { text, .. } => budget.take(text.len())?,
        Leaf::Sealed(secret) => budget.sealed(secret)?,
    }
    let parts: Vec<&str> = old.split(delimiter).collect();
    let (before, after): (&[&str], &[&str]) = match usize::try_from(options.index) {
        Err(_) => (&[], &parts),
        Ok(index) if index >= parts.len() => (&parts, &[]),
        Ok(index) => (&parts[..index], &parts[index + 1..]),
    };
    let ends = |parts: &[&str], before: bool| {
        let text = parts.join(delimiter);
        match (parts.is_empty(), before) {
            (true, _) => String::new(),
            (false, true) => text + delimiter,
            (false, false) => delimiter.to_owned() + &text,
        }
    };
    let (head, tail) = (ends(before, true), ends(after, false));
    Ok(Tree::Leaf(match new {
        Leaf::Open { text, .. } => Leaf::Open { text: format!("{head}{text}{tail}"), tag: *tag },
        Leaf::Sealed(secret) => Leaf::Sealed(Secret::join([
            Piece::Open(head.as_bytes()),
            Piece::Sealed(secret),
            Piece::Open(tail.as_bytes()),
        ])),
    }))
}
