//! An object on its way through the layers, with everything it was called before.

use crate::model::{Node, Place};

use super::error::{Code, Error};
use super::select::{Gvk, Id, Selector};
use super::tree::{Fields, Leaf, Tag, Tree};

/// What a generated object does to one that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behavior {
    /// Not said; like `Create`.
    Unspecified,
    /// There must be none.
    Create,
    /// It takes the place.
    Replace,
    /// It is added to it.
    Merge,
}

/// An object in the making.
pub struct Resource {
    /// The manifest; null once a patch has deleted it.
    pub body: Tree,
    /// Former names, first one first.
    pub previous: Vec<Former>,
    /// Prefixes added, in order.
    pub prefixes: Vec<String>,
    /// Suffixes added, in order.
    pub suffixes: Vec<String>,
    /// What a generated one does to one that exists.
    pub behavior: Behavior,
    /// Whether a hash of the content is appended to the name.
    pub hashed: bool,
    /// Whether that hash tells what is sealed in it.
    pub telling: bool,
    /// Variables that read from it.
    pub variables: Vec<String>,
    /// Where it came from.
    pub place: Place,
}

/// A name that an object had.
#[derive(Clone)]
pub struct Former {
    /// Namespace, the default filled in.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: String,
}

impl Resource {
    /// From a manifest.
    pub fn new(body: Tree, place: Place) -> Self {
        Self {
            body,
            previous: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            behavior: Behavior::Unspecified,
            hashed: false,
            telling: false,
            variables: Vec::new(),
            place,
        }
    }

    /// A manifest that has a kind and, unless it is a list, a name.
    pub fn checked(body: Tree, place: Place) -> Result<Self, Error> {
        let resource = Self::new(body, place);
        let missing = |field: &str| {
            let path: Vec<&str> = field.split('.').collect();
            let text = match resource.body.at(&path) {
                Some(Tree::Leaf(Leaf::Sealed(_))) => format!(
                    "`{field}` is encrypted: encrypt values alone, with `encrypted_regex: ^(data|stringData)$` in \
                     .sops.yaml"
                ),
                _ => format!("an object must have a `{field}` that is a text"),
            };
            Error::new(Code::MissingKindOrName, text).at(resource.place.clone())
        };
        if !matches!(resource.body, Tree::Map(_)) || resource.kind().is_empty() {
            return Err(missing("kind"));
        }
        if resource.name().is_empty() && !resource.kind().ends_with("List") {
            return Err(missing("metadata.name").of(resource.kind()));
        }
        Ok(resource)
    }

    /// Takes former names out of the annotations in which kustomize keeps them.
    pub fn take_former_names(&mut self) {
        const PREFIX: &str = "internal.config.kubernetes.io/";
        let metadata = self.body.as_map_mut().and_then(|body| body.get_mut("metadata")?.as_map_mut());
        let Some(Tree::Map(annotations)) = metadata.and_then(|metadata| metadata.get_mut("annotations")) else {
            return;
        };
        let mut take = |name: &str| {
            let taken = annotations.remove(&format!("{PREFIX}{name}"));
            let text = taken.as_ref().and_then(Tree::as_text).unwrap_or_default();
            text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        let (names, kinds, namespaces) = (take("previousNames"), take("previousKinds"), take("previousNamespaces"));
        let former = names.into_iter().zip(kinds).zip(namespaces);
        self.previous = former.map(|((name, kind), namespace)| Former { namespace, name, kind }).collect();
    }

    fn meta(&self, path: &[&str]) -> &str {
        self.body.at(path).filter(|tree| !tree.is_null()).and_then(Tree::as_text).unwrap_or_default()
    }

    /// The kind.
    pub fn kind(&self) -> &str {
        self.meta(&["kind"])
    }

    /// The apiVersion.
    pub fn api_version(&self) -> &str {
        self.meta(&["apiVersion"])
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.meta(&["metadata", "name"])
    }

    /// The namespace, empty where there is none.
    pub fn namespace(&self) -> &str {
        self.meta(&["metadata", "namespace"])
    }

    /// Group, version and kind.
    pub fn gvk(&self) -> Gvk {
        Gvk::new(self.api_version(), self.kind())
    }

    /// What it is called now.
    pub fn id(&self) -> Id {
        Id { gvk: self.gvk(), name: self.name().to_owned(), namespace: self.namespace().to_owned() }
    }

    /// What it was called before, first one first.
    pub fn previous_ids(&self) -> impl Iterator<Item = Id> + '_ {
        let gvk = self.gvk();
        self.previous.iter().map(move |former| Id {
            gvk: Gvk { kind: former.kind.clone(), ..gvk.clone() },
            name: former.name.clone(),
            namespace: former.namespace.clone(),
        })
    }

    /// What it was called first.
    pub fn original_id(&self) -> Id {
        self.previous_ids().next().unwrap_or_else(|| self.id())
    }

    /// Every name, former ones first.
    pub fn all_ids(&self) -> impl Iterator<Item = Id> + '_ {
        self.previous_ids().chain(std::iter::once_with(|| self.id()))
    }

    /// Whether it has, or had, this name; a quick look before identities are compared.
    pub fn name_was(&self, name: &str) -> bool {
        self.name() == name || self.previous.iter().any(|former| former.name == name)
    }

    /// Remembers what it is called, before that changes.
    pub fn remember_id(&mut self) {
        let id = self.id();
        let namespace = id.effective_namespace().to_owned();
        self.previous.push(Former { namespace, name: id.name, kind: id.gvk.kind });
    }

    /// Whether kustomize would have noted on it what it was called, or how its name is made.
    pub fn is_noted(&self) -> bool {
        self.hashed || !(self.previous.is_empty() && self.prefixes.is_empty() && self.suffixes.is_empty())
    }

    /// A label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.body.at(&["metadata", "labels", name]).and_then(Tree::as_text)
    }

    /// An annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.body.at(&["metadata", "annotations", name]).and_then(Tree::as_text)
    }

    /// The metadata, made where it is missing.
    pub fn metadata_mut(&mut self) -> &mut Fields {
        if !matches!(self.body, Tree::Map(_)) {
            self.body = Tree::Map(Fields::default());
        }
        let Tree::Map(body) = &mut self.body else { unreachable!("just made a mapping") };
        let metadata = body.entry("metadata", || Tree::Map(Fields::default()));
        if !matches!(metadata, Tree::Map(_)) {
            *metadata = Tree::Map(Fields::default());
        }
        let Tree::Map(metadata) = metadata else { unreachable!("just made a mapping") };
        metadata
    }

    /// The annotations, if there are any.
    pub fn annotations_mut(&mut self) -> Option<&mut Fields> {
        self.body.as_map_mut()?.get_mut("metadata")?.as_map_mut()?.get_mut("annotations")?.as_map_mut()
    }

    /// Sets a text in a mapping of the metadata, such as an annotation.
    pub fn set_meta(&mut self, map: &str, name: &str, text: &str) {
        let slot = self.metadata_mut().entry(map, || Tree::Map(Fields::default()));
        if !matches!(slot, Tree::Map(_)) {
            *slot = Tree::Map(Fields::default());
        }
        if let Tree::Map(fields) = slot {
            fields.set(name, Tree::text(text));
        }
    }

    /// Sets name and namespace; an empty namespace removes it.
    pub fn set_identity(&mut self, name: &str, namespace: &str) {
        let metadata = self.metadata_mut();
        metadata.set("name", Tree::text(name));
        if namespace.is_empty() {
            metadata.remove("namespace");
        } else {
            metadata.set("namespace", Tree::text(namespace));
        }
    }

    /// Whether a patch has deleted it.
    pub fn is_gone(&self) -> bool {
        self.body.is_empty()
    }

    /// Whether `selector` of a patch fits it, by its first or its present name.
    pub fn is_selected(&self, selector: &Selector) -> bool {
        let (now, first) = (self.id(), self.original_id());
        let namespaces = [first.effective_namespace(), now.effective_namespace()];
        namespaces.iter().any(|namespace| selector.fits_namespace(namespace))
            && (selector.fits_name(&first.name) || selector.fits_name(&now.name))
            && selector.fits_gvk(&now.gvk)
            && self.has_metadata(selector)
    }

    /// Whether labels and annotations fit.
    pub fn has_metadata(&self, selector: &Selector) -> bool {
        selector.fits_metadata(|name| self.label(name), |name| self.annotation(name))
    }

    /// The finished manifest.
    ///
    /// Annotations become texts, and an empty mapping of them goes, as kustomize does.
    pub fn finish(mut self) -> Result<(Node, Place), Error> {
        if let Some(metadata) = self.body.as_map_mut().and_then(|body| body.get_mut("metadata")?.as_map_mut()) {
            if metadata.get("annotations").is_some_and(Tree::is_empty) {
                metadata.remove("annotations");
            }
            if let Some(Tree::Map(annotations)) = metadata.get_mut("annotations") {
                for (_, value) in annotations.iter_mut() {
                    if let Tree::Leaf(Leaf::Open { tag, .. }) = value {
                        *tag = Tag::Text;
                    }
                }
            }
        }
        let (id, place) = (self.id(), self.place);
        let Some(node) = self.body.into_node() else {
            let text =
                "a text was put where a null, a number, a boolean or a date stood; put quotes around the original";
            return Err(Error::new(Code::UnserializableValue, text).at(place).of(id));
        };
        Ok((node, place))
    }
}
