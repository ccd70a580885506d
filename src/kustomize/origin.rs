//! `buildMetadata`: where an object came from and what changed it, as annotations.

use crate::model::{Map, Node, show};

use super::bounds::Budget;
use super::error::Error;
use super::resource::Resource;
use super::select::Gvk;

/// The annotation that says where an object came from.
const ORIGIN: &str = "config.kubernetes.io/origin";

/// The annotation that says which transformers saw an object.
const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";

/// The version of kustomize that is followed, as it names itself in labels.
const MANAGED_BY: &str = "kustomize-v5.8.2";

/// Annotations in which kustomize keeps notes for itself; they never leave it.
const NOTES: [&str; 3] = ["config.kubernetes.io/index", "config.kubernetes.io/path", "config.k8s.io/id"];

/// The same, in a group of their own.
const INTERNAL: [&str; 16] = [
    "allowKindChange",
    "allowNameChange",
    "annotations-migration-resource-id",
    "generatorBehavior",
    "helm-generated",
    "id",
    "index",
    "needsHashSuffix",
    "path",
    "prefixes",
    "previousKinds",
    "previousNames",
    "previousNamespaces",
    "refBy",
    "seqindent",
    "suffixes",
];

/// The way from the folder that is rendered to the one being read, if anybody asked for it.
#[derive(Clone, Default)]
pub struct Trail(Option<String>);

impl Trail {
    /// At the folder that is rendered; `wanted` is its `buildMetadata`.
    pub fn start(wanted: &[String]) -> Self {
        Self((!wanted.is_empty()).then(String::new))
    }

    /// One entry further, as written in `resources` or `components`.
    #[must_use]
    pub fn further(&self, written: &str) -> Self {
        Self(self.0.as_deref().map(|folder| joined(folder, written)))
    }

    /// Notes on objects of a file that they came from there.
    pub fn note_file(&self, written: &str, resources: &mut [Resource]) {
        let Some(path) = self.further(written).0 else { return };
        let text = show::yaml(&Node::Map([("path".to_owned(), Node::text(path))].into_iter().collect()));
        for resource in resources {
            resource.set_meta("annotations", ORIGIN, &text);
        }
    }

    /// What a field of the kustomization file `name` does, by the kind of the built-in that does it.
    pub fn field(&self, name: &str, kind: &str) -> Option<Source> {
        let folder = self.0.as_deref()?;
        let by = Gvk::new("builtin", kind);
        Some(Source { file: joined(folder, name), by, name: String::new(), namespace: String::new() })
    }
}

/// What made or changed objects: a configuration of a generator or transformer.
#[derive(Clone)]
pub struct Source {
    file: String,
    by: Gvk,
    name: String,
    namespace: String,
}

impl Source {
    /// A configuration that is an object of its own, if it has been noted where it came from.
    pub fn of(configuration: &Resource) -> Option<Self> {
        let noted = configuration.annotation(ORIGIN)?;
        let documents = crate::model::yaml::read(noted, crate::model::yaml::Limits::MANIFEST).ok()?;
        let file = documents.first()?.0.at(&["path"])?.as_text()?.to_owned();
        Some(Self {
            file,
            by: configuration.gvk(),
            name: configuration.name().to_owned(),
            namespace: configuration.namespace().to_owned(),
        })
    }

    fn node(&self) -> Node {
        let text = |entries: &[(&str, &str)]| -> Map {
            let entries = entries.iter().filter(|(_, text)| !text.is_empty());
            entries.map(|(name, text)| ((*name).to_owned(), Node::text(*text))).collect()
        };
        let api_version = self.by.api_version();
        let by = text(&[
            ("apiVersion", &api_version),
            ("kind", &self.by.kind),
            ("name", &self.name),
            ("namespace", &self.namespace),
        ]);
        let entries =
            [("configuredIn".to_owned(), Node::text(&*self.file)), ("configuredBy".to_owned(), Node::Map(by))];
        Node::Map(entries.into_iter().collect())
    }

    /// Notes on an object that it was generated here.
    pub fn note_generated(&self, resource: &mut Resource) {
        if resource.annotation(ORIGIN).is_none() {
            resource.set_meta("annotations", ORIGIN, &show::yaml(&self.node()));
        }
    }

    /// Notes on every object that this saw it. One without an origin is taken for made here, as kustomize does.
    pub fn note_transformed(&self, resources: &mut [Resource], budget: &Budget) -> Result<(), Error> {
        let line = show::yaml(&Node::List(vec![self.node()]));
        for resource in resources {
            if resource.annotation(ORIGIN).is_none() {
                self.note_generated(resource);
            } else {
                let text = format!("{}{line}", resource.annotation(TRANSFORMATIONS).unwrap_or_default());
                budget.take(text.len())?;
                resource.set_meta("annotations", TRANSFORMATIONS, &text);
            }
        }
        Ok(())
    }
}

/// A generated object that is merged into another keeps the other's origin.
pub fn inherit(new: &mut Resource, old: &Resource) {
    if let Some(origin) = old.annotation(ORIGIN) {
        new.set_meta("annotations", ORIGIN, origin);
    }
}

/// Takes out every note that `wanted`, the `buildMetadata` of the top, does not name, and labels what it names.
pub fn finish(wanted: &[String], resources: &mut [Resource]) {
    let wants = |name: &str| wanted.iter().any(|wanted| wanted == name);
    let kept = |name: &str| match name {
        ORIGIN => wants("originAnnotations"),
        TRANSFORMATIONS => wants("transformerAnnotations"),
        other => {
            let internal = other.strip_prefix("internal.config.kubernetes.io/");
            !internal.is_some_and(|name| INTERNAL.contains(&name)) && !NOTES.contains(&other)
        }
    };
    for resource in resources {
        if wants("managedByLabel") {
            resource.set_meta("labels", "app.kubernetes.io/managed-by", MANAGED_BY);
        }
        if let Some(annotations) = resource.annotations_mut() {
            annotations.retain(kept);
        }
    }
}

/// `folder/written` without `.` and, where that can be, without `..`.
fn joined(folder: &str, written: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(written.split('/')) {
        match (part, parts.last()) {
            ("" | ".", _) => {}
            ("..", Some(last)) if *last != ".." => drop(parts.pop()),
            (part, _) => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn a_way_is_written_without_detours() {
        assert_eq!(joined("", "../base/"), "../base");
        assert_eq!(joined("../base", "./x.yaml"), "../base/x.yaml");
        assert_eq!(joined("../base", "../../y"), "../../y");
        assert_eq!(joined("a/b", "../c"), "a/c");
    }
}
