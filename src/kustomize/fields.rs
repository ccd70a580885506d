//! Fields by path: what the transformers change, per kind of object.

use std::sync::{Arc, OnceLock};

use super::bounds::{self, Budget};
use super::entry::FieldSpec;
use super::error::{Code, Error};
use super::select::Gvk;
use super::tree::{Fields, Leaf, Tag, Tree};

/// What is made where a field is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Create {
    /// Nothing.
    Nothing,
    /// A mapping.
    Map,
    /// An empty scalar of this type.
    Scalar(Tag),
}

impl FieldSpec {
    /// A field of every kind.
    pub fn everywhere(path: &str) -> Self {
        Self { gvk: Gvk::default(), path: path.to_owned(), create: true }
    }

    /// Calls `change` for every value at this path of `body`, an object of kind `gvk`.
    ///
    /// Lists on the way are entered without being named.
    pub fn visit(
        &self,
        gvk: &Gvk,
        body: &mut Tree,
        create: Create,
        budget: &Budget,
        change: &mut dyn FnMut(&mut Tree) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if !gvk.is_selected(&self.gvk) {
            return Ok(());
        }
        let path = bounds::parts(names(&self.path, '/')).map_err(|error| error.of(&gvk.kind))?;
        self.walk(&path, body, create, budget, change).map_err(|error| error.of(&gvk.kind))
    }

    fn walk(
        &self,
        path: &[String],
        tree: &mut Tree,
        create: Create,
        budget: &Budget,
        change: &mut dyn FnMut(&mut Tree) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some((first, rest)) = path.split_first() else { return change(tree) };
        match tree {
            Tree::Leaf(_) if tree.is_null() => Ok(()),
            Tree::Leaf(_) => Err(Error::new(
                Code::FieldKindMismatch,
                format!("field `{}`: expected a mapping or a list at `{first}`, found a scalar", self.path),
            )),
            Tree::List(list) => {
                list.iter_mut().try_for_each(|element| self.walk(path, element, create, budget, change))
            }
            Tree::Map(fields) => {
                let (name, is_list) = first.strip_suffix("[]").map_or((first.as_str(), false), |name| (name, true));
                if name.is_empty() {
                    return Err(Error::new(Code::FieldKindMismatch, format!("field `{}`: an empty name", self.path)));
                }
                let make = match (self.create && !is_list, create, rest.is_empty()) {
                    (false, _, _) | (true, Create::Nothing, _) => None,
                    (true, Create::Map | Create::Scalar(_), false) | (true, Create::Map, true) => {
                        Some(Tree::Map(Fields::default()))
                    }
                    (true, Create::Scalar(tag), true) => Some(Tree::Leaf(Leaf::Open { text: String::new(), tag })),
                };
                if let Some(new) = make {
                    let slot = fields.entry(name, Tree::null);
                    if slot.is_null() {
                        budget.entry(name.len())?;
                        *slot = new;
                    }
                }
                budget.look(1, fields.len())?;
                let field = fields.get_mut(name);
                let Some(field) = field else { return Ok(()) };
                if is_list && field.is_null() {
                    *field = Tree::List(Vec::new());
                }
                self.walk(rest, field, create, budget, change)
            }
        }
    }
}

/// Sets an open scalar, keeping that it is a text where it was one.
pub fn set_scalar(tree: &mut Tree, text: &str, budget: &Budget) -> Result<(), Error> {
    match tree {
        Tree::Leaf(_) => {
            budget.take(text.len())?;
            *tree = Tree::text(text);
            Ok(())
        }
        Tree::List(_) | Tree::Map(_) => Err(not_scalar(tree)),
    }
}

/// The refusal of something that is not a scalar.
pub fn not_scalar(tree: &Tree) -> Error {
    Error::new(Code::FieldKindMismatch, format!("expected a scalar, found {}", tree.kind()))
}

/// Sets an entry of a mapping.
pub fn set_entry(tree: &mut Tree, key: &str, text: &str, budget: &Budget) -> Result<(), Error> {
    match tree {
        Tree::Map(fields) => {
            budget.look(1, fields.len())?;
            match fields.get(key) {
                Some(_) => budget.take(text.len())?,
                None => budget.entry(key.len() + text.len())?,
            }
            fields.set(key, Tree::text(text));
            Ok(())
        }
        // Nothing is made where nobody asked for it.
        Tree::Leaf(_) if tree.is_null() => Ok(()),
        Tree::Leaf(_) | Tree::List(_) => {
            Err(Error::new(Code::FieldKindMismatch, format!("expected a mapping, found {}", tree.kind())))
        }
    }
}

/// Splits a path; a backslash before the delimiter keeps it in the name.
pub fn names(path: &str, delimiter: char) -> Vec<String> {
    let mut parts: Vec<&str> = path.split(delimiter).collect();
    if parts.len() > 1 && parts[0].is_empty() {
        parts.remove(0);
    }
    let mut result: Vec<String> = Vec::with_capacity(parts.len());
    for part in parts {
        match result.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push(delimiter);
                last.push_str(part);
            }
            _ => result.push(part.to_owned()),
        }
    }
    result
}

/// Which fields each transformer changes: kustomize's own, and what `configurations` and `crds` add.
#[derive(Clone, Default)]
#[allow(missing_docs)] // the names are kustomize's own
pub struct Config {
    pub name_prefix: Vec<FieldSpec>,
    pub name_suffix: Vec<FieldSpec>,
    pub namespace: Vec<FieldSpec>,
    pub common_labels: Vec<FieldSpec>,
    pub labels: Vec<FieldSpec>,
    pub template_labels: Vec<FieldSpec>,
    pub claim_labels: Vec<FieldSpec>,
    pub common_annotations: Vec<FieldSpec>,
    pub name_reference: Vec<(Gvk, Vec<FieldSpec>)>,
    pub var_reference: Vec<FieldSpec>,
    pub images: Vec<FieldSpec>,
    pub replicas: Vec<FieldSpec>,
}

impl Config {
    /// kustomize's own.
    pub fn builtin() -> &'static Arc<Config> {
        static BUILTIN: OnceLock<Arc<Config>> = OnceLock::new();
        BUILTIN.get_or_init(|| Arc::new(Config::from_table(include_str!("schema/fields.txt"))))
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        // Every configuration that says something has gone through a merge with kustomize's own, which has all of these.
        self.name_prefix.is_empty() && self.common_labels.is_empty() && self.name_reference.is_empty()
    }

    /// The list that a section of a configuration file is about.
    pub fn section(&mut self, name: &str) -> Option<&mut Vec<FieldSpec>> {
        match name {
            "namePrefix" => Some(&mut self.name_prefix),
            "nameSuffix" => Some(&mut self.name_suffix),
            "namespace" => Some(&mut self.namespace),
            "commonLabels" => Some(&mut self.common_labels),
            "labels" => Some(&mut self.labels),
            "templateLabels" => Some(&mut self.template_labels),
            "volumeClaimTemplateLabels" => Some(&mut self.claim_labels),
            "commonAnnotations" => Some(&mut self.common_annotations),
            "varReference" => Some(&mut self.var_reference),
            "images" => Some(&mut self.images),
            "replicas" => Some(&mut self.replicas),
            _ => None,
        }
    }

    /// Adds everything that `other` has and this has not.
    pub fn merge(&mut self, other: &Config) -> Result<(), Error> {
        let mut more = other.clone();
        for name in SECTIONS {
            if let (Some(mine), Some(theirs)) = (self.section(name), more.section(name)) {
                merge_specs(mine, theirs)?;
                sort(mine);
            }
        }
        for (target, specs) in &other.name_reference {
            self.add_reference(target, specs)?;
        }
        Ok(())
    }

    /// Adds fields that refer to objects of kind `target` by name.
    pub fn add_reference(&mut self, target: &Gvk, specs: &[FieldSpec]) -> Result<(), Error> {
        if let Some((_, known)) = self.name_reference.iter_mut().find(|(known, _)| known == target) {
            return merge_specs(known, specs);
        }
        self.name_reference.push((target.clone(), specs.to_vec()));
        Ok(())
    }

    fn from_table(table: &str) -> Self {
        let mut config = Self::default();
        for line in table.lines() {
            let words: Vec<&str> = line.split(' ').map(|word| if word == "-" { "" } else { word }).collect();
            let [section, target, path, group, version, kind, create] = words[..] else { continue };
            if section == "#" {
                continue;
            }
            let gvk = Gvk { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() };
            let spec = FieldSpec { gvk, path: path.to_owned(), create: create == "create" };
            if let Some(specs) = config.section(section) {
                specs.push(spec);
                continue;
            }
            let mut parts = target.split('|').map(|part| if part == "-" { "" } else { part }.to_owned());
            let mut part = || parts.next().unwrap_or_default();
            let target = Gvk { group: part(), version: part(), kind: part() };
            match config.name_reference.iter_mut().find(|(known, _)| *known == target) {
                Some((_, specs)) => specs.push(spec),
                None => config.name_reference.push((target, vec![spec])),
            }
        }
        for name in SECTIONS {
            if let Some(specs) = config.section(name) {
                sort(specs);
            }
        }
        config
    }
}

/// Sections of a configuration that are lists of fields.
pub const SECTIONS: [&str; 11] = [
    "namePrefix",
    "nameSuffix",
    "namespace",
    "commonLabels",
    "labels",
    "templateLabels",
    "volumeClaimTemplateLabels",
    "commonAnnotations",
    "varReference",
    "images",
    "replicas",
];

/// Special fields before general ones. That matters: merged onto an empty list, a general field is dropped where a
/// special one with the same path is there already, and so a configuration takes the place of the default.
fn sort(specs: &mut [FieldSpec]) {
    specs.sort_by(|one, other| super::transform::compare_kinds(&one.gvk, &other.gvk));
}

/// Adds what is not there; the same field with another `create` is a contradiction.
pub fn merge_specs(mine: &mut Vec<FieldSpec>, theirs: &[FieldSpec]) -> Result<(), Error> {
    for spec in theirs {
        match mine.iter().find(|known| known.gvk.is_selected(&spec.gvk) && known.path == spec.path) {
            None => mine.push(spec.clone()),
            Some(known) if known.create == spec.create => {}
            Some(_) => {
                let text = format!("the field `{}` is configured twice, with and without `create`", spec.path);
                return Err(Error::new(Code::UnknownOrBadField, text));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_fields_merged_onto_nothing_are_the_same_fields() {
        let mut merged = Config::default();
        let mut own = Config::clone(Config::builtin());
        merged.merge(&own).unwrap();
        for name in SECTIONS {
            assert_eq!(merged.section(name).unwrap().len(), own.section(name).unwrap().len(), "{name}");
        }
        assert_eq!(merged.name_reference.len(), own.name_reference.len());
    }
}
