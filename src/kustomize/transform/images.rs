//! Image names, tags and digests.

use regex::Regex;

use crate::kustomize::bounds::Budget;
use crate::kustomize::entry::{FieldSpec, Image};
use crate::kustomize::error::Error;
use crate::kustomize::fields::{Create, not_scalar, set_scalar};
use crate::kustomize::resource::Resource;
use crate::kustomize::select::regex;
use crate::kustomize::tree::Tree;

/// Changes the images that fit: first in every list of containers, then in the fields `specs`.
///
/// The name is a regular expression, as in kustomize; one that does not compile fits nothing.
pub fn set_image(image: &Image, specs: &[FieldSpec], resources: &mut [Resource], budget: &Budget) -> Result<(), Error> {
    let pattern =
        format!("^{}(:[a-zA-Z0-9_.{{}}-]*)?(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{{}}-]*)?$", image.name);
    let Ok(pattern) = regex(&pattern) else { return Ok(()) };
    for resource in resources {
        if resource.kind() == "CustomResourceDefinition" {
            continue;
        }
        everywhere(&mut resource.body, image, &pattern, budget)?;
        let gvk = resource.gvk();
        for spec in specs {
            spec.visit(&gvk, &mut resource.body, Create::Nothing, budget, &mut |tree| {
                change(tree, image, &pattern, budget)
            })?;
        }
    }
    Ok(())
}

fn everywhere(tree: &mut Tree, image: &Image, pattern: &Regex, budget: &Budget) -> Result<(), Error> {
    match tree {
        Tree::Leaf(_) => Ok(()),
        Tree::List(list) => list.iter_mut().try_for_each(|element| {
            budget.look(1, 1)?;
            everywhere(element, image, pattern, budget)
        }),
        Tree::Map(fields) => fields.iter_mut().try_for_each(|(name, value)| {
            budget.look(1, 1)?;
            everywhere(value, image, pattern, budget)?;
            let Tree::List(containers) = value else { return Ok(()) };
            if !matches!(name, "containers" | "initContainers") {
                return Ok(());
            }
            let images = containers.iter_mut().filter_map(|container| container.as_map_mut()?.get_mut("image"));
            images.filter(|image| !image.is_null()).try_for_each(|tree| change(tree, image, pattern, budget))
        }),
    }
}

fn change(tree: &mut Tree, image: &Image, pattern: &Regex, budget: &Budget) -> Result<(), Error> {
    let Tree::Leaf(_) = tree else { return Err(not_scalar(tree)) };
    let Some(text) = tree.as_text().filter(|text| pattern.is_match(text)) else { return Ok(()) };
    let (name, tag, digest) = split(text);
    let name = if image.new_name.is_empty() { name } else { &image.new_name };
    let suffixed;
    let (tag, digest) = match (image.new_tag.as_str(), image.digest.as_str(), image.tag_suffix.as_str()) {
        ("", "", "") => (tag, digest),
        ("", "", suffix) => {
            suffixed = format!("{tag}{suffix}");
            (suffixed.as_str(), "")
        }
        (new_tag, digest, _) => (new_tag, digest),
    };
    let part = |mark: &str, text: &str| if text.is_empty() { String::new() } else { format!("{mark}{text}") };
    let new = format!("{name}{}{}", part(":", tag), part("@", digest));
    set_scalar(tree, &new, budget)
}

/// Name, tag and digest; a colon before the first slash belongs to a registry's port.
fn split(image: &str) -> (&str, &str, &str) {
    let after = image.find('/').unwrap_or(0);
    let at = image[after..].find('@').map(|at| at + after);
    let colon = image[after..].find(':').map(|colon| colon + after);
    match (colon, at) {
        (None, None) => (image, "", ""),
        (Some(colon), Some(at)) if colon < at => (&image[..colon], &image[colon + 1..at], &image[at + 1..]),
        (_, Some(at)) => (&image[..at], "", &image[at + 1..]),
        (Some(colon), None) => (&image[..colon], &image[colon + 1..], ""),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_registry_port_is_not_a_tag() {
        assert_eq!(split("host:5000/a/b"), ("host:5000/a/b", "", ""));
        assert_eq!(split("host:5000/a:1"), ("host:5000/a", "1", ""));
        assert_eq!(split("a:1@sha256:0"), ("a", "1", "sha256:0"));
        assert_eq!(split("a@sha256:0"), ("a", "", "sha256:0"));
    }
}
