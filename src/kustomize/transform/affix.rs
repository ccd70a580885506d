//! Name prefixes and suffixes.

use crate::kustomize::bounds::Budget;
use crate::kustomize::entry::FieldSpec;
use crate::kustomize::error::Error;
use crate::kustomize::fields::{Create, set_scalar};
use crate::kustomize::resource::Resource;
use crate::kustomize::select::Gvk;
use crate::kustomize::tree::{Leaf, Tag, Tree};
use crate::secret::{Part, Secret};

/// What is added to names.
#[derive(Debug, Clone, Copy)]
pub enum Affix<'a> {
    /// Before.
    Prefix(&'a str),
    /// Behind.
    Suffix(&'a str),
}

/// Adds it to the fields `specs`; custom resource definitions, API services and namespaces are left alone.
pub fn affix(affix: Affix<'_>, specs: &[FieldSpec], resources: &mut [Resource], budget: &Budget) -> Result<(), Error> {
    for resource in resources {
        let original = resource.original_id().gvk;
        if is_left_alone(&original) {
            continue;
        }
        for spec in specs.iter().filter(|spec| original.is_selected(&spec.gvk)) {
            if spec.path == "metadata/name" {
                let (Affix::Prefix(text) | Affix::Suffix(text)) = affix;
                if !text.is_empty() {
                    match affix {
                        Affix::Prefix(_) => resource.prefixes.push(text.to_owned()),
                        Affix::Suffix(_) => resource.suffixes.push(text.to_owned()),
                    }
                    // The part, and the name as it was.
                    budget.entry(text.len() + resource.name().len() + resource.namespace().len())?;
                    resource.remember_id();
                }
            }
            let gvk = resource.gvk();
            spec.visit(&gvk, &mut resource.body, Create::Scalar(Tag::Text), budget, &mut |tree| {
                if let Tree::Leaf(Leaf::Sealed(secret)) = tree {
                    let (Affix::Prefix(text) | Affix::Suffix(text)) = affix;
                    budget.take(text.len())?;
                    budget.sealed(secret)?;
                    let joined = match affix {
                        Affix::Prefix(text) => Secret::join([Part::Open(text.as_bytes()), Part::Sealed(secret)]),
                        Affix::Suffix(text) => Secret::join([Part::Sealed(secret), Part::Open(text.as_bytes())]),
                    };
                    *tree = Tree::Leaf(Leaf::Sealed(joined));
                    return Ok(());
                }
                let old = tree.as_text().unwrap_or_default();
                let new = match affix {
                    Affix::Prefix(text) => format!("{text}{old}"),
                    Affix::Suffix(text) => format!("{old}{text}"),
                };
                set_scalar(tree, &new, budget)
            })?;
        }
    }
    Ok(())
}

fn is_left_alone(gvk: &Gvk) -> bool {
    matches!(gvk.kind.as_str(), "CustomResourceDefinition" | "Namespace")
        || (gvk.kind == "APIService" && gvk.group == "apiregistration.k8s.io")
}
