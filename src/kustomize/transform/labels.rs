//! Labels and annotations.

use crate::kustomize::bounds::Budget;
use crate::kustomize::entry::FieldSpec;
use crate::kustomize::error::Error;
use crate::kustomize::fields::{Create, set_entry};
use crate::kustomize::resource::Resource;

/// Sets `pairs` in the mappings that `specs` name.
pub fn add_labels(
    pairs: &[(String, String)],
    specs: &[FieldSpec],
    resources: &mut [Resource],
    budget: &Budget,
) -> Result<(), Error> {
    for resource in resources {
        let gvk = resource.gvk();
        for (name, text) in pairs {
            for spec in specs {
                spec.visit(&gvk, &mut resource.body, Create::Map, budget, &mut |tree| {
                    set_entry(tree, name, text, budget)
                })?;
            }
        }
    }
    Ok(())
}

/// The same for annotations.
pub fn add_annotations(
    pairs: &[(String, String)],
    specs: &[FieldSpec],
    resources: &mut [Resource],
    budget: &Budget,
) -> Result<(), Error> {
    add_labels(pairs, specs, resources, budget)
}
