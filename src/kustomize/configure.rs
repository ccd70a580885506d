//! `configurations` and `crds`: further fields that transformers change.

use crate::model::Place;

use super::entry::{FieldSpec, field_spec};
use super::error::{Code, Error};
use super::fields::{Config, SECTIONS, merge_specs};
use super::form::Form;
use super::select::Gvk;
use super::source::Documents;
use super::tree::Tree;

/// A transformer configuration file.
pub fn configuration(documents: Documents) -> Result<Config, Error> {
    let mut config = Config::default();
    for (tree, place) in documents.into_inner() {
        let mut form = Form::new("configuration", tree, &place)?;
        for section in SECTIONS {
            let specs = form.each(section, field_spec)?;
            if let Some(mine) = config.section(section) {
                merge_specs(mine, &specs)?;
            }
        }
        for (target, specs) in form.each("nameReference", reference)? {
            config.add_reference(&target, &specs)?;
        }
        form.done()?;
    }
    Ok(config)
}

fn reference(mut form: Form) -> Result<(Gvk, Vec<FieldSpec>), Error> {
    let target = Gvk {
        group: form.text_or_empty("group")?,
        version: form.text_or_empty("version")?,
        kind: form.text_or_empty("kind")?,
    };
    let specs = form.each("fieldSpecs", field_spec)?;
    form.done()?;
    Ok((target, specs))
}

/// OpenAPI definitions of custom resources, with kustomize's own marks in them.
pub fn definitions(documents: Documents) -> Result<Config, Error> {
    let mut config = Config::default();
    for (tree, place) in documents.into_inner() {
        let Tree::Map(types) = &tree else {
            return Err(Error::new(Code::OpenApi, "expected a mapping of type names to definitions").at(place));
        };
        for (name, definition) in types.iter() {
            if !matches!(definition, Tree::Map(_)) {
                let text = format!(
                    "`{name}` must be a definition, which is a mapping; a CustomResourceDefinition belongs in `resources`"
                );
                return Err(Error::new(Code::OpenApi, text).at(place));
            }
            let properties =
                definition.at(&["Schema", "properties"]).or_else(|| definition.at(&["schema", "properties"]));
            let is_object = ["kind", "apiVersion", "metadata"]
                .iter()
                .all(|field| properties.is_some_and(|properties| properties.get(field).is_some()));
            if is_object {
                let kind = name.rsplit('.').next().unwrap_or(name);
                let gvk = Gvk { kind: kind.to_owned(), ..Gvk::default() };
                marks(&tree, name, &gvk, &mut Vec::new(), &mut config, &place)?;
            }
        }
    }
    Ok(config)
}

/// Levels of types within types.
const DEPTH: usize = 32;

fn marks(
    types: &Tree,
    name: &str,
    gvk: &Gvk,
    path: &mut Vec<String>,
    config: &mut Config,
    place: &Place,
) -> Result<(), Error> {
    if path.len() > DEPTH {
        let text = format!("definitions nested deeper than {DEPTH} levels, or in a circle");
        return Err(Error::new(Code::Limit, text).at(place.clone()));
    }
    let Some(definition) = types.get(name) else { return Ok(()) };
    let properties = definition.at(&["Schema", "properties"]).or_else(|| definition.at(&["schema", "properties"]));
    for (field, property) in properties.and_then(Tree::as_map).into_iter().flat_map(super::tree::Fields::iter) {
        path.push(field.to_owned());
        let spec = |path: &[String]| FieldSpec { gvk: gvk.clone(), path: path.join("/"), create: false };
        let mark = |name: &str| property.get(name).and_then(Tree::as_text);
        if mark("x-kubernetes-annotation").is_some() {
            merge_specs(&mut config.common_annotations, &[spec(path)])?;
        }
        if mark("x-kubernetes-label-selector").is_some() {
            merge_specs(&mut config.common_labels, &[spec(path)])?;
        }
        if mark("x-kubernetes-identity").is_some() {
            merge_specs(&mut config.name_prefix, &[spec(path)])?;
        }
        if let (Some(version), Some(kind)) =
            (mark("x-kubernetes-object-ref-api-version"), mark("x-kubernetes-object-ref-kind"))
        {
            let target = Gvk { group: String::new(), version: version.to_owned(), kind: kind.to_owned() };
            path.push(mark("x-kubernetes-object-ref-name-key").unwrap_or("name").to_owned());
            config.add_reference(&target, &[spec(path)])?;
            path.pop();
        }
        if let Some(other) = mark("$ref") {
            marks(types, other, gvk, path, config, place)?;
        }
        path.pop();
    }
    Ok(())
}
