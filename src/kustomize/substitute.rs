//! Variables: `$(NAME)` in the fields where kustomize resolves them.

use std::collections::HashMap;

use crate::secret::{Part, Secret};

use super::bounds::Budget;
use super::entry::Var;
use super::error::{Code, Error};
use super::fields::{Config, Create};
use super::path;
use super::resource::Resource;
use super::tree::{Leaf, Tag, Tree};

/// Resolves every variable.
pub fn resolve(vars: &[Var], config: &Config, resources: &mut [Resource], budget: &Budget) -> Result<(), Error> {
    if vars.is_empty() {
        return Ok(());
    }
    let values = vars.iter().map(|var| Ok((var.name.clone(), value(var, resources, budget)?)));
    let values = values.collect::<Result<HashMap<_, _>, Error>>()?;
    for resource in resources.iter_mut() {
        let gvk = resource.gvk();
        budget.look(1, config.var_reference.len())?;
        for spec in &config.var_reference {
            let changed = spec.visit(&gvk, &mut resource.body, Create::Nothing, budget, &mut |tree| {
                match tree {
                    Tree::Leaf(leaf) => replace(leaf, &values, budget)?,
                    Tree::Map(fields) => {
                        for (_, value) in fields.iter_mut() {
                            if let Tree::Leaf(leaf) = value {
                                replace(leaf, &values, budget)?;
                            }
                        }
                    }
                    Tree::List(list) => {
                        for element in list {
                            match element {
                                Tree::Leaf(
                                    leaf @ (Leaf::Open { tag: Tag::Text | Tag::Quoted, .. } | Leaf::Sealed(_)),
                                ) => {
                                    replace(leaf, &values, budget)?;
                                }
                                Tree::Leaf(_) | Tree::List(_) | Tree::Map(_) => {
                                    return Err(Error::new(Code::VarError, "expected a list of texts"));
                                }
                            }
                        }
                    }
                }
                Ok(())
            });
            changed.map_err(|error| error.within(&spec.path).of(resource.id()).at(resource.place.clone()))?;
        }
    }
    Ok(())
}

fn value(var: &Var, resources: &[Resource], budget: &Budget) -> Result<Leaf, Error> {
    let refuse = |text: &str| Error::new(Code::VarError, format!("variable `{}`: {text}", var.name));
    budget.look(1, resources.len())?;
    let resource = resources.iter().find(|resource| resource.variables.contains(&var.name));
    let resource = resource.ok_or_else(|| refuse("no object fits its `objref`"))?;
    // `ports[0]` is written without a dot here.
    let written = var.field_path.replace('[', ".[");
    let parts: Vec<path::Part> = path::parse(&written)?.into_iter().map(number).collect();
    match path::find(&resource.body, &parts, budget) {
        Ok(Some(Tree::Leaf(leaf))) => Ok(leaf.share()),
        Ok(Some(Tree::List(_) | Tree::Map(_))) => Err(refuse("its field is not a scalar").of(resource.id())),
        Err(error) if error.code() == Code::Limit => Err(error),
        Ok(None) | Err(_) => Err(refuse(&format!("there is no field `{}`", var.field_path)).of(resource.id())),
    }
}

/// `[0]` is an index here.
fn number(part: path::Part) -> path::Part {
    match part {
        path::Part::Field(name) => name.parse().map_or(path::Part::Field(name), path::Part::Index),
        other @ (path::Part::Index(_) | path::Part::Where(..) | path::Part::Every) => other,
    }
}

/// Resolves the variables of one text. A text that is one variable and nothing else takes its type.
fn replace(leaf: &mut Leaf, values: &HashMap<String, Leaf>, budget: &Budget) -> Result<(), Error> {
    let Leaf::Open { text, tag: Tag::Text | Tag::Quoted } = leaf else { return Ok(()) };
    let pieces = pieces(text);
    if let [Piece::Variable(name)] = pieces[..]
        && let Some(value) = values.get(name)
    {
        if let Leaf::Open { text, .. } = value {
            budget.take(text.len())?;
        }
        *leaf = value.share();
        return Ok(());
    }
    if pieces.iter().all(|piece| matches!(piece, Piece::Text(part) if *part == text.as_str())) {
        return Ok(());
    }
    let mut joined: Vec<Known> = Vec::new();
    budget.take(text.len())?;
    for piece in &pieces {
        if let Piece::Variable(name) = piece {
            match values.get(*name) {
                None => {}
                // In pieces, and joined.
                Some(Leaf::Open { text, .. }) => budget.take(2 * text.len())?,
                Some(Leaf::Sealed(secret)) => budget.sealed(secret)?,
            }
        }
        match piece {
            Piece::Text(text) => joined.push(Known::Text((*text).to_owned())),
            Piece::Variable(name) => joined.push(match values.get(*name) {
                None => Known::Text(format!("$({name})")),
                Some(Leaf::Open { text, .. }) => Known::Text(text.clone()),
                Some(Leaf::Sealed(secret)) => Known::Sealed(secret.share()),
            }),
        }
    }
    let sealed = joined.iter().any(|known| matches!(known, Known::Sealed(_)));
    *leaf = if sealed {
        Leaf::Sealed(Secret::join(joined.iter().map(|known| match known {
            Known::Text(text) => Part::Open(text.as_bytes()),
            Known::Sealed(secret) => Part::Sealed(secret),
        })))
    } else {
        let texts = joined.iter().map(|known| match known {
            Known::Text(text) => text.as_str(),
            Known::Sealed(_) => "",
        });
        Leaf::Open { text: texts.collect(), tag: Tag::Text }
    };
    Ok(())
}

enum Known {
    Text(String),
    Sealed(Secret),
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// Cuts a text at its variables; `$$` is one dollar sign, and what is not closed is text.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let behind = &from[1..];
        if let Some(more) = behind.strip_prefix('$') {
            pieces.push(Piece::Text("$"));
            rest = more;
        } else if let Some((name, more)) = behind.strip_prefix('(').and_then(|open| open.split_once(')')) {
            pieces.push(Piece::Variable(name));
            rest = more;
        } else {
            pieces.push(Piece::Text("$"));
            rest = behind;
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::{Piece, pieces};

    #[test]
    fn two_dollar_signs_are_one_and_an_open_bracket_is_text() {
        assert_eq!(pieces("a$(B)c"), [Piece::Text("a"), Piece::Variable("B"), Piece::Text("c")]);
        assert_eq!(pieces("$$(B)"), [Piece::Text("$"), Piece::Text("(B)")]);
        assert_eq!(pieces("$(B"), [Piece::Text("$"), Piece::Text("(B")]);
    }
}
