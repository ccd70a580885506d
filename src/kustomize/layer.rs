//! What a Sync says over the kustomization of its path, with the meaning that Flux gives these fields.

use std::collections::BTreeMap;

use crate::model::RepoPath;

use super::bounds::Budget;
use super::entry::Image;
use super::envsubst::{Evaluator, Variables};
use super::error::{Code, Error, Errors, Found};
use super::file::Kustomization;
use super::resource::Resource;
use super::structured;
use super::tree::{Fields, Leaf, Tag, Tree};

/// Objects that say `disabled` here keep their `${...}`; an annotation or a label, as Flux has it.
const SUBSTITUTE: &str = "kustomize.toolkit.fluxcd.io/substitute";

/// What lies over a kustomization. Holds secrets: neither `Debug` nor `Clone`.
#[derive(Default)]
pub struct Layer {
    /// `namespace`, `namePrefix`, `nameSuffix`, `patches`, `images`, `components` as a kustomization has them, in JSON.
    fields: Option<String>,
    /// Labels that every object gets in the end, whatever it had.
    pub labels: BTreeMap<String, String>,
    /// The same of annotations.
    pub annotations: BTreeMap<String, String>,
    /// Variables for `${...}`; without them these are left alone.
    pub variables: Option<Variables>,
}

impl Layer {
    /// A layer with these fields of a kustomization, as JSON; nothing but those that Flux lets a Kustomization say.
    ///
    /// # Errors
    /// Where the fields are not those, or are malformed.
    pub fn read(fields: String) -> Result<Self, Error> {
        let layer = Self { fields: Some(fields), ..Self::default() };
        let Some(over) = layer.parsed()? else { return Ok(Self::default()) };
        if over.patches.iter().any(|patch| !patch.path.is_empty()) {
            return Err(Error::new(
                Code::PatchInvalid,
                "spec.patches: a patch is written out in `patch`, without `path`",
            ));
        }
        Ok(layer)
    }

    fn parsed(&self) -> Result<Option<Kustomization>, Error> {
        let Some(fields) = &self.fields else { return Ok(None) };
        match Kustomization::read(fields, &RepoPath::root()) {
            Ok(kustomization) => Ok(Some(kustomization)),
            Err(error) if error.code() == Code::EmptyKustomization => Ok(None),
            Err(error) => Err(error.within("spec")),
        }
    }

    /// The components that it adds.
    pub(super) fn components(&self) -> Result<Vec<String>, Error> {
        Ok(self.parsed()?.map(|over| over.components).unwrap_or_default())
    }

    /// Lays it over the topmost kustomization.
    ///
    /// Namespace, prefix and suffix take the place of those there, images that of images of the same name; patches and
    /// components come after those there. Source: fluxcd/pkg/kustomize, `Generator.WriteFile`.
    pub(super) fn lay_over(&self, under: &mut Kustomization) -> Result<(), Error> {
        let Some(over) = self.parsed()? else { return Ok(()) };
        for (theirs, ours) in [
            (&mut under.namespace, over.namespace),
            (&mut under.name_prefix, over.name_prefix),
            (&mut under.name_suffix, over.name_suffix),
        ] {
            if !ours.is_empty() {
                *theirs = ours;
            }
        }
        under.patches.extend(over.patches);
        under.components.extend(over.components);
        for image in over.images {
            let same = |other: &&mut Image| other.name == image.name;
            match under.images.iter_mut().find(same) {
                Some(other) => *other = image,
                None => under.images.push(image),
            }
        }
        Ok(())
    }

    /// Puts variables and common metadata in, in this order: what the metadata says is never evaluated.
    pub(super) fn finish(&self, resources: &mut [Resource], budget: &Budget) -> Result<(), Errors> {
        if let Some(variables) = &self.variables {
            let mut evaluator = Evaluator::new(variables);
            let mut errors = Found::default();
            for resource in resources.iter_mut() {
                let disabled = Some("disabled");
                if resource.label(SUBSTITUTE) == disabled || resource.annotation(SUBSTITUTE) == disabled {
                    continue;
                }
                let id = resource.id();
                let entries = match (resource.api_version(), resource.kind()) {
                    ("v1", "ConfigMap" | "Secret") => Texts::Data,
                    _ => Texts::None,
                };
                if let Err(error) = substitute(&mut resource.body, entries, &mut evaluator, budget) {
                    errors.push(error.of(id).at(resource.place.clone()));
                }
            }
            errors.into_result()?;
        }
        for resource in resources {
            for (what, pairs) in [("labels", &self.labels), ("annotations", &self.annotations)] {
                for (name, text) in pairs {
                    budget.entry(name.len() + text.len())?;
                    resource.set_meta(what, name, text);
                }
            }
        }
        Ok(())
    }
}

/// Which leaves stay texts, whatever comes out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Texts {
    /// None of these.
    None,
    /// Those in `data` and `stringData`.
    Data,
    /// All.
    All,
}

/// Evaluates what is open; a sealed value is never looked into.
fn substitute(tree: &mut Tree, texts: Texts, evaluator: &mut Evaluator<'_>, budget: &Budget) -> Result<(), Error> {
    match tree {
        Tree::Leaf(Leaf::Open { text, tag: Tag::Text | Tag::Quoted }) if text.contains('$') => {
            *tree = match evaluator.evaluate(text)?.into_text() {
                Err(sealed) => Tree::Leaf(Leaf::Sealed(sealed)),
                Ok(result) => {
                    let tree = typed(text, result, texts == Texts::All)?;
                    budget.tree(&tree)?;
                    tree
                }
            };
        }
        Tree::Leaf(_) => {}
        Tree::List(list) => {
            for element in list {
                substitute(element, Texts::None, evaluator, budget)?;
            }
        }
        Tree::Map(fields) => {
            if fields.iter().any(|(key, _)| key.contains('$')) {
                *fields = renamed(std::mem::take(fields), evaluator)?;
            }
            for (key, value) in fields.iter_mut() {
                let below = match (key, texts) {
                    ("labels" | "annotations" | "matchLabels" | "nodeSelector", _)
                    | ("data" | "stringData", Texts::Data) => Texts::All,
                    _ if matches!(value, Tree::Leaf(_)) => texts,
                    _ => Texts::None,
                };
                substitute(value, below, evaluator, budget).map_err(|error| error.within(key))?;
            }
        }
    }
    Ok(())
}

fn renamed(fields: Fields, evaluator: &mut Evaluator<'_>) -> Result<Fields, Error> {
    let mut taken = std::collections::HashSet::new();
    let renamed = fields.into_iter().map(|(key, value)| {
        let sealed = |_| Error::new(Code::Substitution, format!("`{key}` would be a key out of a Secret"));
        let name = evaluator.evaluate(&key)?.into_text().map_err(sealed)?;
        if !taken.insert(name.clone()) {
            return Err(Error::new(Code::Substitution, format!("`{key}` becomes `{name}`, which is there already")));
        }
        Ok((name, value))
    });
    renamed.collect::<Result<Vec<_>, Error>>().map(|entries| entries.into_iter().collect())
}

/// The value of what came out of `original`, as if YAML were read again with it in place, as Flux does: a number becomes
/// a number, and a text in quotes a text. What YAML would have put into quotes or a block stays a text.
fn typed(original: &str, result: String, is_text: bool) -> Result<Tree, Error> {
    let is_plain = !original.contains('\n')
        && matches!(structured::parse(original), Some(Tree::Leaf(Leaf::Open { text, tag: Tag::Text })) if text == original);
    if !is_plain {
        return Ok(Tree::text(result));
    }
    if result.trim().is_empty() {
        return Ok(if is_text { Tree::text(String::new()) } else { Tree::null() });
    }
    match structured::parse(&result) {
        Some(Tree::Leaf(Leaf::Open { text, .. })) if is_text => Ok(Tree::text(text)),
        Some(leaf @ Tree::Leaf(_)) => Ok(leaf),
        Some(tree) if !is_text && result.trim_start().starts_with(['{', '[']) => Ok(tree),
        _ if is_text => Ok(Tree::text(result)),
        Some(_) | None => {
            let text =
                format!("what `{original}` becomes is not one value of YAML; put quotes around it in the variable");
            Err(Error::new(Code::Substitution, text))
        }
    }
}
