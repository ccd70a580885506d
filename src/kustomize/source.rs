//! Files of the closed set, as manifests, texts and generator inputs.

use crate::model::yaml::{self, Limits, Raw};
use crate::model::{Place, RepoPath};
use crate::sops::{Contents, File, Opened};
use crate::trust::Origin;

use super::bounds::Budget;
use super::error::{Code, Error};
use super::tree::Tree;

/// Documents with their places.
pub struct Documents(Vec<(Tree, Place)>);

impl Documents {
    /// Reads plain text.
    pub fn read(text: &str, path: &RepoPath) -> Result<Self, Error> {
        Self::read_with(text, path, Tree::from_raw)
    }

    /// Reads strategic merge patches, whose keys need not be texts: kustomize compares them by what is written.
    pub fn read_patches(text: &str, path: &RepoPath) -> Result<Self, Error> {
        Self::read_with(text, path, Tree::from_raw_patch)
    }

    fn read_with(text: &str, path: &RepoPath, read: impl Fn(Raw) -> Result<Tree, yaml::Error>) -> Result<Self, Error> {
        let place = Place { file: path.clone(), line: 0 };
        let wrong = |error: yaml::Error| Error::yaml(place.clone(), &error);
        yaml::check_separators(text).map_err(wrong)?;
        let mut documents = Vec::new();
        for document in yaml::parse(text, Limits::MANIFEST).map_err(wrong)? {
            let line = document.root.at.line as usize;
            let tree = read(document.root).map_err(wrong)?;
            if !tree.is_empty() {
                documents.push((tree, Place { file: path.clone(), line }));
            }
        }
        Ok(Self(documents))
    }

    /// Reads a JSON patch as kustomize does, by the scalar rules of YAML 1.1; `None` where it is not a list.
    pub fn read_operations(text: &str, path: &RepoPath) -> Result<Option<Tree>, Error> {
        let place = Place { file: path.clone(), line: 0 };
        let wrong = |error: yaml::Error| Error::yaml(place.clone(), &error);
        let mut documents = yaml::parse(text, Limits::MANIFEST).map_err(wrong)?;
        if documents.len() != 1 || !matches!(documents[0].root.kind, yaml::Kind::List(_)) {
            return Ok(None);
        }
        let root = documents.remove(0).root;
        let tree = if text.starts_with('[') { Tree::from_raw(root) } else { super::file::old_tree(root) };
        tree.map(Some).map_err(wrong)
    }

    /// Reads bytes.
    pub fn from_bytes(bytes: &[u8], path: &RepoPath) -> Result<Self, Error> {
        Self::read(utf8(bytes, path)?, path)
    }

    /// Reads a file of the closed set.
    pub fn open<O: Origin>(opened: &Opened<O>, path: &RepoPath, budget: &Budget) -> Result<Self, Error> {
        let place = Place { file: path.clone(), line: 0 };
        match file(opened, path)? {
            File::Plain(bytes) => {
                let documents = Self::from_bytes(bytes, path)?;
                documents.trees().try_for_each(|tree| budget.tree(tree))?;
                Ok(documents)
            }
            File::Sealed(Contents::Documents(nodes)) => {
                let mut documents = Vec::new();
                for node in nodes {
                    let tree = Tree::from_node(node.share());
                    budget.tree(&tree)?;
                    if tree.has_loose_keys() {
                        let text = "a key that begins with a NUL; take it out";
                        return Err(Error::new(Code::UnserializableValue, text).at(place));
                    }
                    if !tree.is_empty() {
                        documents.push((tree, place.clone()));
                    }
                }
                Ok(Self(documents))
            }
            File::Sealed(Contents::Entries(_) | Contents::Blob(_)) => {
                let text = "an encrypted file that is used as a manifest must be YAML or JSON";
                Err(Error::new(Code::MalformedYaml, text).at(place))
            }
        }
    }

    /// Whether every one is an object with a kind, and there is one at least.
    pub fn are_objects(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|(tree, _)| tree.get("kind").and_then(Tree::as_string).is_some())
    }

    /// The documents in order.
    pub fn trees(&self) -> impl Iterator<Item = &Tree> {
        self.0.iter().map(|(tree, _)| tree)
    }

    /// The documents.
    pub fn into_inner(self) -> Vec<(Tree, Place)> {
        self.0
    }
}

/// A file of the closed set.
pub fn file<'a, O: Origin>(opened: &'a Opened<O>, path: &RepoPath) -> Result<&'a File, Error> {
    opened
        .file(path)
        .ok_or_else(|| Error::new(Code::MissingFile, "there is no such file").at(Place { file: path.clone(), line: 0 }))
}

/// The text of a plain file.
pub fn text<'a, O: Origin>(opened: &'a Opened<O>, path: &RepoPath) -> Result<&'a str, Error> {
    match file(opened, path)? {
        File::Plain(bytes) => utf8(bytes, path),
        File::Sealed(_) => {
            let text = "this file says how to render and must not be encrypted";
            Err(Error::new(Code::MalformedYaml, text).at(Place { file: path.clone(), line: 0 }))
        }
    }
}

/// The text of a file.
pub fn utf8<'a>(bytes: &'a [u8], path: &RepoPath) -> Result<&'a str, Error> {
    std::str::from_utf8(bytes)
        .map_err(|_| Error::new(Code::MalformedYaml, "the file is not UTF-8").at(Place { file: path.clone(), line: 0 }))
}
