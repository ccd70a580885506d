//! How lists merge: facts of the Kubernetes OpenAPI document, or of one that a kustomization names.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::model::{Node, RepoPath};

use super::error::{Code, Error};
use super::select::Gvk;

/// The merge table of a set of types.
#[derive(Default)]
pub struct Schema {
    types: Vec<HashMap<String, Property>>,
    names: Vec<String>,
    kinds: HashMap<(String, String), usize>,
    cluster_scoped: Vec<(String, String)>,
}

/// What the built-in table was used for before a kustomization names a document of its own.
///
/// kustomize parses its own document when it is first needed, and whatever is parsed later goes on top of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builtin {
    /// Nothing: the document takes its place.
    Unused,
    /// It was asked about a kind that it does not have: it goes on top of the document.
    Asked,
    /// A patch was merged by it: the document goes on top of it.
    Walked,
}

/// A field of a type.
#[derive(Clone, Default)]
struct Property {
    /// The type of its value, of its elements or of its entries.
    child: Option<(Shape, usize)>,
    /// Keys by which a list of it is merged; empty for a list merged by value.
    merged_by: Option<Vec<String>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    One,
    List,
    Map,
}

/// What is known about a value while a patch is walked.
#[derive(Clone)]
pub struct Known {
    schema: Arc<Schema>,
    child: Option<(Shape, usize)>,
    merged_by: Option<Vec<String>>,
}

impl Known {
    /// About the field `name` of this mapping.
    pub fn field(&self, name: &str) -> Option<Known> {
        match self.child? {
            (Shape::One, number) => {
                let Property { child, merged_by } = self.schema.types[number].get(name)?.clone();
                Some(Known { schema: Arc::clone(&self.schema), child, merged_by })
            }
            (Shape::Map, number) => Some(self.with((Shape::One, number))),
            (Shape::List, _) => None,
        }
    }

    /// About the elements of this list.
    pub fn elements(&self) -> Option<Known> {
        match self.child? {
            (Shape::List, number) => Some(self.with((Shape::One, number))),
            (Shape::One | Shape::Map, _) => None,
        }
    }

    /// The keys by which this list is merged; `None` where it is replaced.
    pub fn merged_by(&self) -> Option<&[String]> {
        self.merged_by.as_deref()
    }

    fn with(&self, child: (Shape, usize)) -> Known {
        Known { schema: Arc::clone(&self.schema), child: Some(child), merged_by: None }
    }
}

impl Schema {
    /// The table of Kubernetes 1.21.2, which kustomize uses.
    pub fn builtin() -> Arc<Schema> {
        static BUILTIN: OnceLock<Arc<Schema>> = OnceLock::new();
        Arc::clone(BUILTIN.get_or_init(|| Arc::new(Schema::from_table(include_str!("schema/types.txt")))))
    }

    /// What is known about objects of this kind.
    pub fn about(self: &Arc<Self>, api_version: &str, kind: &str) -> Option<Known> {
        let number = *self.kinds.get(&(api_version.to_owned(), kind.to_owned()))?;
        Some(Known { schema: Arc::clone(self), child: Some((Shape::One, number)), merged_by: None })
    }

    fn from_table(table: &str) -> Self {
        let mut schema = Self::default();
        let mut prefix = "";
        for line in table.lines() {
            let mut words = line.split(' ');
            match words.next() {
                Some("P") => prefix = words.next().unwrap_or_default(),
                Some("T") => {
                    schema.names.push(format!("{prefix}{}", words.next().unwrap_or_default()));
                    schema.types.push(words.map(property).collect());
                }
                Some("K") => {
                    if let (Some(api_version), Some(kind), Some(Ok(number))) =
                        (words.next(), words.next(), words.next().map(str::parse))
                    {
                        schema.kinds.insert((api_version.to_owned(), kind.to_owned()), number);
                    }
                }
                Some("C") => {
                    if let (Some(api_version), Some(kind)) = (words.next(), words.next()) {
                        schema.cluster_scoped.push((api_version.to_owned(), kind.to_owned()));
                    }
                }
                _ => {}
            }
        }
        schema
    }

    /// The table of an OpenAPI document, which takes the place of the built-in one, or is put over or under it.
    pub fn from_document(document: &Node, path: &RepoPath, builtin: Builtin) -> Result<Arc<Self>, Error> {
        let wrong = |what: &str| Error::new(Code::OpenApi, format!("{path}: {what}"));
        let Some(definitions) = document.at(&["definitions"]).and_then(Node::as_map) else {
            return Err(wrong("an OpenAPI document must have `definitions`"));
        };
        let own = Schema::builtin();
        let mut schema = match builtin {
            Builtin::Unused => Self::default(),
            Builtin::Asked | Builtin::Walked => {
                Self { types: own.types.clone(), names: own.names.clone(), kinds: own.kinds.clone(), ..Self::default() }
            }
        };
        let known = schema.names.len();
        let mut numbers: HashMap<String, usize> = schema.names.drain(..).zip(0..).collect();
        let mut types = std::mem::take(&mut schema.types);
        for (name, _) in definitions.iter() {
            numbers.entry(name.to_owned()).or_insert_with(|| {
                types.push(HashMap::new());
                types.len() - 1
            });
        }
        let mut reading = Reading { types, numbers: &numbers };
        for (name, definition) in definitions.iter() {
            let number = numbers[name];
            if number < known && builtin == Builtin::Asked {
                continue;
            }
            reading.types[number] = reading.properties(definition);
            let kinds = definition.at(&["x-kubernetes-group-version-kind"]).and_then(Node::as_list).unwrap_or_default();
            for kind in kinds {
                let text = |name| kind.at(&[name]).and_then(Node::as_text).unwrap_or_default().to_owned();
                let gvk = Gvk { group: text("group"), version: text("version"), kind: text("kind") };
                let kind = (gvk.api_version(), gvk.kind);
                if builtin == Builtin::Asked {
                    schema.kinds.entry(kind).or_insert(number);
                } else {
                    schema.kinds.insert(kind, number);
                }
            }
        }
        schema.types = reading.types;
        Ok(Arc::new(schema))
    }
}

/// Whether the built-in document says of a kind whether it has a namespace.
pub fn is_builtin(gvk: &Gvk) -> bool {
    let has = |gvk: &Gvk| Schema::builtin().kinds.contains_key(&(gvk.api_version(), gvk.kind.clone()));
    is_cluster_scoped(gvk) || (!gvk.kind.ends_with("List") && has(gvk))
}

/// Whether a kind is known to have no namespace.
pub fn is_cluster_scoped(gvk: &Gvk) -> bool {
    static TABLE: OnceLock<std::collections::HashSet<(String, String)>> = OnceLock::new();
    let table = TABLE.get_or_init(|| Schema::builtin().cluster_scoped.iter().cloned().collect());
    table.contains(&(gvk.api_version(), gvk.kind.clone()))
}

/// `field>[12=key,key`
fn property(word: &str) -> (String, Property) {
    let (rest, merged_by) = match word.split_once('=') {
        Some((rest, "")) => (rest, Some(Vec::new())),
        Some((rest, keys)) => (rest, Some(keys.split(',').map(str::to_owned).collect())),
        None => (word, None),
    };
    let (name, child) = rest.split_once('>').unwrap_or((rest, ""));
    let (shape, number) = match child.as_bytes().first() {
        Some(b'[') => (Shape::List, &child[1..]),
        Some(b'{') => (Shape::Map, &child[1..]),
        _ => (Shape::One, child),
    };
    (name.to_owned(), Property { child: number.parse().ok().map(|number| (shape, number)), merged_by })
}

/// Types of an OpenAPI document: the named ones first, then those described in place.
struct Reading<'a> {
    types: Vec<HashMap<String, Property>>,
    numbers: &'a HashMap<String, usize>,
}

impl Reading<'_> {
    fn properties(&mut self, node: &Node) -> HashMap<String, Property> {
        let properties = node.at(&["properties"]).and_then(Node::as_map);
        let properties = properties.into_iter().flat_map(crate::model::Map::iter);
        properties.map(|(name, node)| (name.to_owned(), self.described(node))).collect()
    }

    /// The number of the type that `node` names or describes.
    fn number(&mut self, node: &Node) -> Option<usize> {
        if let Some(name) = node.at(&["$ref"]).and_then(Node::as_text) {
            return self.numbers.get(name.strip_prefix("#/definitions/")?).copied();
        }
        node.at(&["properties"])?;
        let properties = self.properties(node);
        self.types.push(properties);
        Some(self.types.len() - 1)
    }

    fn described(&mut self, node: &Node) -> Property {
        let child = self
            .number(node)
            .map(|number| (Shape::One, number))
            .or_else(|| Some((Shape::List, self.number(node.at(&["items"])?)?)))
            .or_else(|| Some((Shape::Map, self.number(node.at(&["additionalProperties"])?)?)));
        let strategy = node.at(&["x-kubernetes-patch-strategy"]).and_then(Node::as_text);
        let merged_by = strategy.filter(|text| text.split(',').any(|word| word == "merge")).map(|_| {
            let listed = node.at(&["x-kubernetes-list-map-keys"]).and_then(Node::as_list);
            let key = node.at(&["x-kubernetes-patch-merge-key"]).and_then(Node::as_text);
            match listed {
                Some(keys) => keys.iter().filter_map(Node::as_text).map(str::to_owned).collect(),
                None => key.into_iter().map(str::to_owned).collect(),
            }
        });
        Property { child, merged_by }
    }
}
