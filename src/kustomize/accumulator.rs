//! What has come together so far in a render: objects, and the fields that transformers change.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::Place;

use super::bounds::{Budget, SELECTION};
use super::entry::Var;
use super::error::{Code, Error};
use super::fields::Config;
use super::generate::encoded;
use super::origin;
use super::resource::{Behavior, Resource};
use super::select::Id;
use super::tree::{Fields, Tree};

/// What has come together so far.
#[derive(Default)]
pub struct Accumulator {
    /// Objects in order.
    pub resources: Vec<Resource>,
    /// Fields that transformers change. Shared: most layers change nothing about kustomize's own.
    pub config: Arc<Config>,
    /// Variables.
    pub vars: Vec<Var>,
    /// Where each of the objects is from, while nothing may have renamed one.
    known: Option<HashMap<Id, Place>>,
}

/// Objects in one render, twice what may be applied: each generated one is compared with all.
const OBJECTS: usize = 10_000;

/// Refuses two objects that a patch has made the same. kustomize looks where it puts all of them together anew: behind a
/// strategic merge patch with a target, and at the end, where it panics.
pub fn none_twice(resources: &[Resource]) -> Result<(), Error> {
    let mut known = HashMap::with_capacity(resources.len());
    for resource in resources.iter().filter(|resource| !resource.is_gone()) {
        if let Some(first) = known.insert(resource.id().effective(), &resource.place) {
            let text = format!("the same object is already there, from {first}");
            return Err(Error::new(Code::DuplicateId, text).at(resource.place.clone()).of(resource.id()));
        }
    }
    Ok(())
}

impl Accumulator {
    /// Appends objects, none of which may be there already.
    pub fn append(&mut self, resources: Vec<Resource>) -> Result<(), Error> {
        let there = &self.resources;
        let known = self.known.get_or_insert_with(|| {
            there.iter().map(|resource| (resource.id().effective(), resource.place.clone())).collect()
        });
        for resource in resources {
            let id = resource.id();
            if let Some(first) = known.insert(id.effective(), resource.place.clone()) {
                let text = format!("the same object is already there, from {first}");
                return Err(Error::new(Code::DuplicateId, text).at(resource.place).of(id));
            }
            if self.resources.len() >= OBJECTS {
                let text = format!("more than {OBJECTS} objects; divide them among several Syncs");
                return Err(Error::new(Code::Limit, text).at(resource.place).of(id));
            }
            self.resources.push(resource);
        }
        Ok(())
    }

    /// Objects may have other names from now on.
    pub fn forget(&mut self) {
        self.known = None;
    }

    /// Adds fields that transformers change.
    pub fn add_config(&mut self, more: &Arc<Config>) -> Result<(), Error> {
        if Arc::ptr_eq(&self.config, more) {
            return Ok(());
        }
        // Only kustomize's own is taken as it is. What a `configurations` file has changed must be merged even onto
        // nothing: only then do its special fields drop the general ones.
        if self.config.is_empty() && Arc::ptr_eq(more, Config::builtin()) {
            self.config = Arc::clone(more);
            return Ok(());
        }
        Arc::make_mut(&mut self.config).merge(more)
    }

    /// Adds what a base has made.
    pub fn absorb_base(&mut self, base: Accumulator, budget: &Budget) -> Result<(), Error> {
        budget.look(SELECTION, base.resources.len())?;
        self.append(base.resources)?;
        self.add_config(&base.config)?;
        base.vars.into_iter().try_for_each(|var| self.add_var(var))
    }

    /// Adds a generated object, or does to the existing one what its behavior says.
    pub fn absorb(&mut self, mut resource: Resource, budget: &Budget) -> Result<(), Error> {
        budget.look(1, self.resources.len())?;
        let id = resource.id();
        let fits = |other: &Resource| other.name_was(&id.name) && other.all_ids().any(|known| known.is_same(&id));
        let mut fitting = (0..self.resources.len()).filter(|at| fits(&self.resources[*at]));
        let found = (fitting.next(), fitting.next());
        let refuse = |text: &str| Error::new(Code::GeneratorBehavior, text).at(resource.place.clone()).of(&id);
        match (found, resource.behavior) {
            ((None, _), Behavior::Unspecified | Behavior::Create) => self.append(vec![resource]),
            ((None, _), Behavior::Merge | Behavior::Replace) => {
                Err(refuse("there is no such object to merge with or to replace"))
            }
            ((Some(_), Some(_)), _) => Err(refuse("several objects fit")),
            ((Some(_), None), Behavior::Unspecified | Behavior::Create) => {
                Err(refuse("the object exists already; `behavior` must be merge or replace"))
            }
            ((Some(at), None), behavior @ (Behavior::Merge | Behavior::Replace)) => {
                take_over(&mut resource, &self.resources[at], behavior, budget)?;
                self.resources[at] = resource;
                Ok(())
            }
        }
    }

    /// Adds variables, and marks the objects that they read from.
    pub fn add_vars(&mut self, vars: &[Var], budget: &Budget) -> Result<(), Error> {
        for var in vars {
            budget.look(1, self.resources.len() + self.vars.len())?;
            let fits = |resource: &Resource| {
                resource.name_was(&var.object_name)
                    && resource.all_ids().any(|id| {
                        let wanted = super::select::Id {
                            gvk: var.gvk.clone(),
                            name: var.object_name.clone(),
                            namespace: var.namespace.clone(),
                        };
                        if var.namespace.is_empty() && !wanted.is_cluster_scoped() {
                            id.name == wanted.name && id.gvk == wanted.gvk
                        } else {
                            id.is_same(&wanted)
                        }
                    })
            };
            let mut fitting = self.resources.iter_mut().filter(|resource| fits(resource));
            let first = fitting.next();
            if fitting.next().is_some() {
                let text = format!("variable `{}` fits several objects; give it a namespace", var.name);
                return Err(Error::new(Code::UnableToDisambiguate, text));
            }
            if let Some(resource) = first {
                resource.variables.push(var.name.clone());
            }
            self.add_var(var.clone())?;
        }
        Ok(())
    }

    fn add_var(&mut self, var: Var) -> Result<(), Error> {
        if self.vars.iter().any(|known| known.name == var.name) {
            return Err(Error::new(Code::VarError, format!("variable `{}` is defined twice", var.name)));
        }
        self.vars.push(var);
        Ok(())
    }
}

/// Gives a generated object the identity of the one it replaces or is merged with, and its labels and annotations.
fn take_over(new: &mut Resource, old: &Resource, behavior: Behavior, budget: &Budget) -> Result<(), Error> {
    for map in ["labels", "annotations"] {
        complete(new, old, &["metadata", map], budget)?;
    }
    new.set_identity(old.name(), old.namespace());
    if behavior == Behavior::Merge {
        origin::inherit(new, old);
        take_string_data(new, old, budget)?;
        complete(new, old, &["data"], budget)?;
        complete(new, old, &["binaryData"], budget)?;
    }
    new.previous.clone_from(&old.previous);
    new.prefixes.clone_from(&old.prefixes);
    new.suffixes.clone_from(&old.suffixes);
    new.variables.clone_from(&old.variables);
    new.behavior = old.behavior;
    // A hash only where both ask for one.
    new.hashed &= old.hashed;
    Ok(())
}

/// Takes over the `stringData` of a Secret as the API server would: in base64, before its `data`.
fn take_string_data(new: &mut Resource, old: &Resource, budget: &Budget) -> Result<(), Error> {
    if new.kind() != "Secret" || new.api_version() != "v1" {
        return Ok(());
    }
    let Some(strings) = old.body.get("stringData").and_then(Tree::as_map) else { return Ok(()) };
    let encoded: Vec<(String, Tree)> =
        strings.iter().filter_map(|(key, tree)| Some((key.to_owned(), encoded(tree)?))).collect();
    let Some(body) = new.body.as_map_mut() else { return Ok(()) };
    if let Tree::Map(data) = body.entry("data", || Tree::Map(Fields::default())) {
        for (key, tree) in encoded {
            budget.look(1, data.len())?;
            data.entry(&key, || tree);
        }
    }
    Ok(())
}

/// Values of a merged mapping are texts, whatever they were written as.
fn as_text(tree: &Tree) -> Tree {
    match tree.as_text() {
        Some(text) => Tree::text(text),
        None => tree.share(),
    }
}

/// Adds to a mapping of `new` what only `old` has.
fn complete(new: &mut Resource, old: &Resource, path: &[&str], budget: &Budget) -> Result<(), Error> {
    let Some(theirs) = old.body.at(path).and_then(Tree::as_map).filter(|map| !map.is_empty()) else { return Ok(()) };
    let (fields, name) = match path {
        ["metadata", name] => (new.metadata_mut(), *name),
        [name] => match new.body.as_map_mut() {
            Some(body) => (body, *name),
            None => return Ok(()),
        },
        _ => return Ok(()),
    };
    if let Tree::Map(mine) = fields.entry(name, || Tree::Map(Fields::default())) {
        for (key, value) in theirs.iter() {
            budget.look(1, mine.len())?;
            mine.entry(key, || as_text(value));
        }
    }
    Ok(())
}
