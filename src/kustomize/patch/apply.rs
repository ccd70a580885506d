//! Which object a patch is for, and what of its identity stays.

use crate::kustomize::accumulator::none_twice;
use crate::kustomize::bounds::Budget;
use crate::kustomize::entry::Patch;
use crate::kustomize::error::{Code, Error};
use crate::kustomize::resource::Resource;
use crate::kustomize::schema::Schema;
use crate::kustomize::select::{Id, Selector};
use crate::kustomize::source::Documents;
use crate::kustomize::tree::{Fields, Leaf, Tag, Tree};
use crate::model::Place;

use super::{json, strategic};

/// What a patch file or text holds.
pub enum Patches {
    /// Manifests to merge.
    Strategic(Vec<Resource>),
    /// Operations.
    Json(Vec<json::Operation>),
}

/// A JSON patch.
pub fn json_patch_of(operations: Tree, place: &Place) -> Result<Patches, Error> {
    json::read(operations, place).map(Patches::Json)
}

/// Tells a strategic merge patch from a JSON patch.
pub fn patches_of(documents: Documents, place: &Place) -> Result<Patches, Error> {
    let invalid = || {
        let text =
            "neither a strategic merge patch (an object with kind and name) nor a JSON patch (a list of operations)";
        Error::new(Code::PatchInvalid, text).at(place.clone())
    };
    let mut documents = documents.into_inner();
    if matches!(documents.first(), Some((Tree::List(_), _))) {
        if documents.len() > 1 {
            return Err(invalid());
        }
        let (tree, place) = documents.remove(0);
        return json::read(tree, &place).map(Patches::Json);
    }
    let resources = documents.into_iter().map(|(tree, place)| Resource::checked(tree, place));
    resources.collect::<Result<_, _>>().map(Patches::Strategic).map_err(|_| invalid())
}

impl Patches {
    /// Applies them as `patches` does.
    pub fn apply(
        self,
        entry: &Patch,
        resources: &mut [Resource],
        schema: &std::sync::Arc<Schema>,
        budget: &Budget,
    ) -> Result<(), Error> {
        match (self, &entry.target) {
            (Patches::Json(_), None) => Err(Error::new(Code::PatchInvalid, "a JSON patch needs a `target`")),
            (Patches::Json(operations), Some(target)) => {
                for resource in resources.iter_mut().filter(|resource| resource.is_selected(target)) {
                    budget.take(resource.name().len())?;
                    resource.remember_id();
                    operate(&operations, resource, budget)?;
                }
                Ok(())
            }
            (Patches::Strategic(patches), Some(target)) => {
                let [patch] = &patches[..] else {
                    if patches.is_empty() {
                        return Ok(());
                    }
                    let text =
                        "several strategic merge patches in one entry cannot have a `target`; give each its own entry";
                    return Err(Error::new(Code::PatchInvalid, text));
                };
                let patch = with_text_labels(patch, budget)?;
                for resource in resources.iter_mut().filter(|resource| resource.is_selected(target)) {
                    merge(resource, &patch, entry, schema, budget)?;
                }
                none_twice(resources)
            }
            (Patches::Strategic(patches), None) => patches.iter().try_for_each(|patch| {
                let target = only(resources, &patch.original_id(), &patch.place)?;
                merge(target, patch, entry, schema, budget)
            }),
        }
    }
}

/// Applies an entry of `patchesJson6902`: like one of `patches`, but what the object was called before is not
/// remembered, so that references stay with that name. As kustomize does.
pub fn apply_json6902(
    operations: &[json::Operation],
    target: &Selector,
    resources: &mut [Resource],
    budget: &Budget,
) -> Result<(), Error> {
    resources
        .iter_mut()
        .filter(|resource| resource.is_selected(target))
        .try_for_each(|one| operate(operations, one, budget))
}

fn operate(operations: &[json::Operation], resource: &mut Resource, budget: &Budget) -> Result<(), Error> {
    normalise(resource)?;
    let (id, place) = (resource.id(), resource.place.clone());
    // kustomize notes in annotations what an object was called and how its name was made: then there are some.
    if resource.is_noted() {
        let annotations = resource.metadata_mut().entry("annotations", Tree::null);
        if annotations.is_null() {
            *annotations = Tree::Map(Fields::default());
        }
    }
    json::apply(operations, &mut resource.body, budget).map_err(|error| error.of(id).at(place))?;
    if resource.annotations_mut().is_some_and(|annotations| annotations.is_empty()) {
        resource.metadata_mut().remove("annotations");
    }
    Ok(())
}

/// A patch whose labels are texts, whatever they were written as: so it is where a patch has a target, and in
/// `patchesStrategicMerge`. An empty mapping of them says nothing.
fn with_text_labels(patch: &Resource, budget: &Budget) -> Result<Resource, Error> {
    let mut patch = Resource::new(budget.share(&patch.body)?, patch.place.clone());
    let metadata = patch.body.as_map_mut().and_then(|body| body.get_mut("metadata")?.as_map_mut());
    let Some(metadata) = metadata else { return Ok(patch) };
    if metadata.get("labels").is_some_and(|labels| matches!(labels, Tree::Map(labels) if labels.is_empty())) {
        metadata.remove("labels");
    }
    if let Some(Tree::Map(labels)) = metadata.get_mut("labels") {
        for (_, value) in labels.iter_mut() {
            if let Tree::Leaf(Leaf::Open { tag, .. }) = value
                && *tag != Tag::Null
            {
                *tag = Tag::Text;
            }
        }
    }
    Ok(patch)
}

/// Applies strategic merge patches by their own identity.
pub fn apply_strategic(
    patches: &[Resource],
    resources: &mut [Resource],
    schema: &std::sync::Arc<Schema>,
    budget: &Budget,
) -> Result<(), Error> {
    let plain = Patch {
        path: String::new(),
        text: String::new(),
        target: None,
        allow_name_change: false,
        allow_kind_change: false,
    };
    patches.iter().try_for_each(|patch| {
        let target = only(resources, &patch.original_id(), &patch.place)?;
        merge(target, &with_text_labels(patch, budget)?, &plain, schema, budget)
    })
}

/// The one object that has, or had, this identity.
fn only<'a>(resources: &'a mut [Resource], id: &Id, place: &Place) -> Result<&'a mut Resource, Error> {
    let mut fitting = resources.iter_mut().filter(|resource| {
        !resource.is_gone() && resource.name_was(&id.name) && resource.all_ids().any(|known| known.is_same(id))
    });
    let refuse = |how: &str| {
        let text =
            format!("{how} object fits this patch; name, namespace, kind and apiVersion must be those of one object");
        Error::new(Code::PatchTargetMissing, text).at(place.clone()).of(id)
    };
    let first = fitting.next().ok_or_else(|| refuse("no"))?;
    if fitting.next().is_some() {
        return Err(refuse("more than one"));
    }
    Ok(first)
}

fn merge(
    resource: &mut Resource,
    patch: &Resource,
    entry: &Patch,
    schema: &std::sync::Arc<Schema>,
    budget: &Budget,
) -> Result<(), Error> {
    let before = resource.id();
    if entry.allow_name_change || entry.allow_kind_change {
        budget.take(resource.name().len())?;
        resource.remember_id();
    }
    if patch.body.get("$patch").and_then(Tree::as_string) == Some("replace") {
        // Of a whole object kustomize replaces nothing.
        return Ok(());
    }
    let mut theirs = budget.share(&patch.body)?;
    if let Some(fields) = theirs.as_map_mut() {
        // Of the patch's own identity only the kind counts, and that only where it may change.
        fields.set("apiVersion", Tree::text(resource.api_version()));
        let kind = if entry.allow_kind_change { patch.kind() } else { resource.kind() };
        fields.set("kind", Tree::text(kind));
    }
    let has_loose_keys = theirs.has_loose_keys();
    let known = schema.about(resource.api_version(), resource.kind());
    let body = std::mem::replace(&mut resource.body, Tree::null());
    let merged = strategic::merge(Some(body), Some(theirs), known.as_ref());
    let merged = merged.map_err(|error| error.of(&before).at(patch.place.clone()))?;
    let Some(merged) = merged.filter(|merged| !merged.is_empty()) else { return Ok(()) };
    if has_loose_keys && merged.has_loose_keys() {
        let text = "a key of the patch is not a text, and the object has no such key; put quotes around it";
        return Err(Error::new(Code::UnserializableValue, text).of(&before).at(patch.place.clone()));
    }
    resource.body = merged;
    resource.body.settle();
    let name = if entry.allow_name_change { resource.name().to_owned() } else { before.name };
    resource.set_identity(&name, &before.namespace);
    Ok(())
}

/// A JSON patch works on JSON: what YAML wrote in other notations is written out first.
fn normalise(resource: &mut Resource) -> Result<(), Error> {
    let id = resource.id();
    let body = std::mem::replace(&mut resource.body, Tree::null());
    let node = body.into_node().ok_or_else(|| {
        let text = "a text was put where a number, a boolean or a date stood";
        Error::new(Code::UnserializableValue, text).of(id)
    })?;
    resource.body = Tree::from_node(node);
    Ok(())
}
