//! The namespace of everything that has one.

use std::collections::HashMap;

use crate::kustomize::bounds::Budget;
use crate::kustomize::entry::FieldSpec;
use crate::kustomize::error::{Code, Error};
use crate::kustomize::fields::{Create, not_scalar};
use crate::kustomize::resource::Resource;
use crate::kustomize::tree::{Fields, Leaf, Tag, Tree};

/// How namespaces are set.
pub struct Namespacing<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// Further fields that hold one.
    pub specs: &'a [FieldSpec],
    /// Only where there is none yet.
    pub unset_only: bool,
    /// What it may cost.
    pub budget: &'a Budget,
    /// Which subjects of role bindings.
    pub subjects: Subjects,
}

/// Which subjects of role bindings get the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subjects {
    /// Those named `default`, of any kind.
    Default,
    /// Every service account.
    ServiceAccounts,
    /// None.
    Nobody,
}

/// Sets it on everything that is not certainly without a namespace.
pub fn set_namespace(how: &Namespacing<'_>, resources: &mut [Resource]) -> Result<(), Error> {
    for resource in resources.iter_mut().filter(|resource| !resource.is_gone()) {
        how.budget.entry(resource.name().len() + resource.namespace().len())?;
        resource.remember_id();
        change(how, resource).map_err(|error| error.of(resource.id()).at(resource.place.clone()))?;
    }
    let mut seen = HashMap::new();
    for resource in resources.iter().filter(|resource| !resource.is_gone()) {
        if let Some(first) = seen.insert(resource.id().effective(), &resource.place) {
            let text = format!("the namespace `{}` makes it the same object as the one in {first}", how.namespace);
            return Err(Error::new(Code::DuplicateId, text).of(resource.id()).at(resource.place.clone()));
        }
    }
    Ok(())
}

fn change(how: &Namespacing<'_>, resource: &mut Resource) -> Result<(), Error> {
    let gvk = resource.gvk();
    let mut set = |tree: &mut Tree| set(how, tree);
    let core = resource.api_version() == "v1";
    if !resource.id().is_cluster_scoped() {
        FieldSpec::everywhere("metadata/namespace").visit(
            &gvk,
            &mut resource.body,
            Create::Scalar(Tag::Text),
            how.budget,
            &mut set,
        )?;
    }
    let binding = matches!(gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding");
    if binding && let Some(Tree::List(subjects)) = resource.body.as_map_mut().and_then(|body| body.get_mut("subjects"))
    {
        for subject in subjects.iter_mut().filter_map(Tree::as_map_mut) {
            let is = |name: &str, text: &str| subject.get(name).and_then(Tree::as_text) == Some(text);
            let meant = match how.subjects {
                Subjects::Default => is("name", "default"),
                Subjects::ServiceAccounts => is("kind", "ServiceAccount"),
                Subjects::Nobody => false,
            };
            if meant {
                set(subject.entry("namespace", || Tree::text("")))?;
            }
        }
    }
    for spec in how.specs {
        let special = spec.path == "metadata/namespace"
            || (spec.path == "metadata/name" && !core)
            || (binding
                && matches!(spec.gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding")
                && spec.path == "subjects/namespace");
        if !special {
            spec.visit(&gvk, &mut resource.body, Create::Scalar(Tag::Text), how.budget, &mut set)?;
        }
    }
    Ok(())
}

fn set(how: &Namespacing<'_>, tree: &mut Tree) -> Result<(), Error> {
    match tree {
        Tree::Leaf(Leaf::Open { text, tag }) if how.unset_only && !text.is_empty() && *tag != Tag::Null => Ok(()),
        Tree::Leaf(leaf) => {
            how.budget.take(how.namespace.len())?;
            *leaf = Leaf::Open { text: how.namespace.to_owned(), tag: Tag::Text };
            Ok(())
        }
        Tree::Map(fields) if how.unset_only && !Fields::is_empty(fields) => Ok(()),
        Tree::List(_) | Tree::Map(_) => Err(not_scalar(tree)),
    }
}
