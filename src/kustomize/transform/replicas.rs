//! Replica counts.

use crate::kustomize::bounds::Budget;
use crate::kustomize::entry::{FieldSpec, Replica};
use crate::kustomize::error::{Code, Error};
use crate::kustomize::fields::{Create, not_scalar};
use crate::kustomize::resource::Resource;
use crate::kustomize::tree::{Leaf, Tag, Tree};

/// Sets the count of the objects that have, or had, the name; no such object is an error.
pub fn set_replicas(
    replica: &Replica,
    specs: &[FieldSpec],
    resources: &mut [Resource],
    budget: &Budget,
) -> Result<(), Error> {
    let mut found = false;
    for spec in specs {
        for resource in resources.iter_mut() {
            let fits = resource.all_ids().any(|id| id.name == replica.name && id.gvk.is_selected(&spec.gvk));
            if !fits {
                continue;
            }
            found = true;
            let gvk = resource.gvk();
            spec.visit(&gvk, &mut resource.body, Create::Scalar(Tag::Int), budget, &mut |tree| match tree {
                Tree::Leaf(leaf) => {
                    *leaf = Leaf::Open { text: replica.count.to_string(), tag: Tag::Int };
                    Ok(())
                }
                Tree::List(_) | Tree::Map(_) => Err(not_scalar(tree)),
            })?;
        }
    }
    if found {
        return Ok(());
    }
    let text = format!("`replicas`: no object with replicas is called `{}`", replica.name);
    Err(Error::new(Code::PatchTargetMissing, text))
}
