//! The closed set of files that a kustomization needs.

use std::collections::BTreeSet;

use crate::model::RepoPath;
use crate::trust::{Origin, Sources, Tree, TreeError};

use super::error::{Code, Error, Errors, Found};
use super::file::Kustomization;
use super::layer::Layer;
use super::layout::{Folder, Target, inline, named_files};
use super::options::{Options, PlainFolders};
use super::plugin;
use super::source::Documents;
use super::written::{About, Lines};

/// Follows every path from the kustomization in `path`, and closes the set of files.
///
/// All independent errors are reported at once. Bases on other hosts, cycles and paths out of the tree are refused.
pub fn gather<O: Origin>(tree: Tree<O>, path: &RepoPath, options: &Options) -> Result<Sources<O>, Errors> {
    gather_under(&Layer::default(), tree, path, options)
}

/// The same with a layer over it.
///
/// # Errors
/// Those of [`gather`].
pub fn gather_under<O: Origin>(
    layer: &Layer,
    tree: Tree<O>,
    path: &RepoPath,
    options: &Options,
) -> Result<Sources<O>, Errors> {
    let mut walk = Walk {
        tree: &tree,
        options,
        wanted: BTreeSet::new(),
        done: BTreeSet::new(),
        chain: Vec::new(),
        errors: Found::default(),
        lines: None,
        looked_through: BTreeSet::new(),
    };
    if !path.is_root() && !tree.is_folder(path) {
        let place = crate::model::Place { file: path.clone(), line: 0 };
        return Err(Error::new(Code::MissingFile, "there is no such folder").at(place).into());
    }
    walk.start(path);
    walk.components(path, &layer.components()?);
    let Walk { wanted, errors, .. } = walk;
    errors.into_result()?;
    tree.close(&wanted).map_err(|error| {
        let code = if matches!(error, TreeError::TooMuch { .. }) { Code::Limit } else { Code::MissingFile };
        Error::new(code, error.to_string()).into()
    })
}

/// Levels of bases below bases.
const DEPTH: usize = 64;

struct Walk<'a, O: Origin> {
    tree: &'a Tree<O>,
    options: &'a Options,
    wanted: BTreeSet<RepoPath>,
    done: BTreeSet<RepoPath>,
    /// The folders on the way here.
    chain: Vec<RepoPath>,
    errors: Found,
    /// The kustomization that the last error was about.
    lines: Option<(RepoPath, Lines)>,
    /// Configurations that have been looked through, with the folder whose kustomization names them.
    looked_through: BTreeSet<(RepoPath, RepoPath)>,
}

impl<O: Origin> Walk<'_, O> {
    fn start(&mut self, path: &RepoPath) {
        let is_file = |path: &RepoPath| self.tree.is_file(path);
        let folder = Folder { path, is_file: &is_file, options: self.options };
        match (folder.kustomization(), self.options.plain_folders) {
            (Ok(None), PlainFolders::Generated) => {
                let (files, folders) = plain_folder(self.tree.below(path), path);
                self.wanted.extend(files);
                self.chain.push(path.clone());
                for folder in &folders {
                    self.enter(folder);
                }
            }
            _ => self.enter(path),
        }
    }

    /// Walks the components that a layer adds to the folder.
    fn components(&mut self, path: &RepoPath, written: &[String]) {
        let tree = self.tree;
        let is_file = |path: &RepoPath| tree.is_file(path);
        let folder = Folder { path, is_file: &is_file, options: self.options };
        self.chain = vec![path.clone()];
        for written in written {
            match folder.folder(written, &|path| tree.is_folder(path)) {
                Ok(component) => self.enter(&component),
                Err(error) => self.errors.push(error),
            }
        }
    }

    /// Walks a folder, unless that has been done.
    fn enter(&mut self, path: &RepoPath) {
        let place = crate::model::Place { file: path.clone(), line: 0 };
        if let Some(above) = self.chain.iter().find(|above| above.is_within(path)) {
            let text = format!("cycle: it contains `{above}`, which leads here");
            self.errors.push(Error::new(Code::Cycle, text).at(place));
            return;
        }
        if self.chain.len() >= DEPTH {
            let text = format!("more than {DEPTH} levels of bases");
            self.errors.push(Error::new(Code::Limit, text).at(place));
            return;
        }
        if !self.done.insert(path.clone()) {
            return;
        }
        self.chain.push(path.clone());
        if let Err(error) = self.folder(path) {
            self.errors.push(error);
        }
        self.chain.pop();
    }

    fn folder(&mut self, path: &RepoPath) -> Result<(), Error> {
        let tree = self.tree;
        let is_file = |path: &RepoPath| tree.is_file(path);
        let folder = Folder { path, is_file: &is_file, options: self.options };
        let file = folder.kustomization()?.ok_or_else(|| folder.without())?;
        let kustomization = self.read(&file)?;
        self.wanted.insert(file);
        for written in &kustomization.resources {
            self.resource(&folder, written);
        }
        for written in named_files(&kustomization, path) {
            self.file(&folder, &written);
        }
        for written in &kustomization.components {
            match folder.folder(written, &|path| tree.is_folder(path)) {
                Ok(component) => self.enter(&component),
                Err(error) => self.listed(&folder, written, error),
            }
        }
        let plugins = [&kustomization.generators, &kustomization.transformers, &kustomization.validators];
        for written in plugins.into_iter().flatten() {
            match inline(written, path) {
                Some(documents) => self.plugins(&folder, &documents),
                None => self.plugin_resource(&folder, written),
            }
        }
        Ok(())
    }

    fn read(&self, file: &RepoPath) -> Result<Kustomization, Error> {
        let place = crate::model::Place { file: file.clone(), line: 0 };
        let bytes =
            self.tree.read(file).map_err(|error| Error::new(Code::MissingFile, error.to_string()).at(place.clone()))?;
        let text = std::str::from_utf8(&bytes);
        let text = text.map_err(|_| Error::new(Code::UnknownOrBadField, "the file is not UTF-8").at(place))?;
        Kustomization::read(text, file)
    }

    fn file(&mut self, folder: &Folder<'_>, written: &str) {
        match folder.file(written) {
            Ok(path) => drop(self.wanted.insert(path)),
            Err(error) => self.listed(folder, written, error),
        }
    }

    /// An error about a path, at the line of the kustomization that names it.
    fn listed(&mut self, folder: &Folder<'_>, written: &str, error: Error) {
        // A text is taken apart once, and not for what is not told.
        if !self.errors.is_full()
            && let Some(file) = folder.kustomization().ok().flatten()
        {
            if self.lines.as_ref().is_none_or(|(known, _)| *known != file) {
                let text = self.tree.read(&file).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                self.lines = Some((file.clone(), Lines::of(&text.unwrap_or_default())));
            }
            if let Some((_, lines)) = &self.lines {
                self.errors.push(error.about(About::Entry(written.to_owned())).found_in(lines, &file));
                return;
            }
        }
        self.errors.push(error);
    }

    fn resource(&mut self, folder: &Folder<'_>, written: &str) {
        let tree = self.tree;
        match folder.target(written, &|path| tree.is_folder(path)) {
            Ok(Target::File(path)) => drop(self.wanted.insert(path)),
            Ok(Target::Folder(path)) => self.enter(&path),
            Err(error) => self.listed(folder, written, error),
        }
    }

    /// A file or folder with configurations of generators, transformers or validators, which name files themselves.
    fn plugin_resource(&mut self, folder: &Folder<'_>, written: &str) {
        let tree = self.tree;
        match folder.target(written, &|path| tree.is_folder(path)) {
            Ok(Target::File(path) | Target::Folder(path))
                if !self.looked_through.insert((folder.path.clone(), path.clone())) => {}
            Ok(Target::File(path)) => {
                let documents = tree.read(&path).ok().and_then(|bytes| Documents::from_bytes(&bytes, &path).ok());
                self.wanted.insert(path);
                if let Some(documents) = documents {
                    self.plugins(folder, &documents);
                }
            }
            Ok(Target::Folder(path)) => {
                self.enter(&path);
                // Paths in configurations are relative to the kustomization that names them; those that come out of
                // another kustomization are looked for in every manifest below it.
                let manifests: Vec<RepoPath> =
                    self.wanted.iter().filter(|file| file.is_within(&path)).cloned().collect();
                for file in manifests {
                    if !self.looked_through.insert((folder.path.clone(), file.clone())) {
                        continue;
                    }
                    let documents = tree.read(&file).ok().and_then(|bytes| Documents::from_bytes(&bytes, &file).ok());
                    if let Some(documents) = documents {
                        self.optional(folder, &documents);
                    }
                }
            }
            Err(error) => self.listed(folder, written, error),
        }
    }

    fn plugins(&mut self, folder: &Folder<'_>, documents: &Documents) {
        for written in plugin::named_files(documents) {
            self.file(folder, &written);
        }
    }

    fn optional(&mut self, folder: &Folder<'_>, documents: &Documents) {
        for written in plugin::named_files(documents) {
            if let Ok(path) = folder.file(&written) {
                self.wanted.insert(path);
            }
        }
    }
}

/// Manifests below a folder without a kustomization, and folders below it that have one.
///
/// Source: fluxcd/pkg/kustomize, which writes a kustomization of these.
pub fn plain_folder<'a>(below: impl Iterator<Item = &'a RepoPath>, path: &RepoPath) -> (Vec<RepoPath>, Vec<RepoPath>) {
    let files: Vec<&RepoPath> = below.collect();
    let mut folders: Vec<RepoPath> = files
        .iter()
        .filter(|file| super::file::NAMES.contains(&file.name()))
        .map(|file| file.parent())
        .filter(|folder| folder != path)
        .collect();
    folders.sort();
    folders.dedup();
    let outermost: Vec<RepoPath> = folders
        .iter()
        .filter(|folder| !folders.iter().any(|other| other != *folder && folder.is_within(other)))
        .cloned()
        .collect();
    let manifest = |file: &&&RepoPath| matches!(file.name().rsplit_once('.'), Some((_, "yaml" | "yml")));
    let files = files.iter().filter(manifest).filter(|file| !outermost.iter().any(|folder| file.is_within(folder)));
    (files.map(|file| (*file).clone()).collect(), outermost)
}
