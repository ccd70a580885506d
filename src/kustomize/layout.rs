//! Where things are: paths as written in a kustomization, and what they lead to.

use crate::model::{Place, RepoPath};

use super::entry::{Patch, ReplacementField};
use super::error::{Code, Error};
use super::file::{Kustomization, NAMES};
use super::generate::file_source;
use super::options::{LoadRestrictor, Options};
use super::source::Documents;

/// A folder as it is looked at.
pub struct Folder<'a> {
    /// The folder.
    pub path: &'a RepoPath,
    /// Whether there is a file at a path.
    pub is_file: &'a dyn Fn(&RepoPath) -> bool,
    /// Where files may be.
    pub options: &'a Options,
}

/// What an entry of `resources` leads to.
pub enum Target {
    /// A manifest.
    File(RepoPath),
    /// Another kustomization.
    Folder(RepoPath),
}

impl Folder<'_> {
    /// Where errors about the folder itself are.
    pub fn place(&self) -> Place {
        Place { file: self.path.clone(), line: 0 }
    }

    /// Its kustomization file; `None` where there is none.
    pub fn kustomization(&self) -> Result<Option<RepoPath>, Error> {
        let present = NAMES.iter().filter_map(|name| self.path.resolve(name).ok()).filter(|path| (self.is_file)(path));
        let mut present: Vec<RepoPath> = present.collect();
        match present.len() {
            0 | 1 => Ok(present.pop()),
            _ => {
                let text = "several kustomization files in one folder; keep one";
                Err(Error::new(Code::MultipleKustomizationFiles, text).at(self.place()))
            }
        }
    }

    /// The refusal of a folder without one.
    pub fn without(&self) -> Error {
        let text = format!("there is no kustomization here (one of {})", NAMES.join(", "));
        Error::new(Code::MissingKustomization, text).at(self.place())
    }

    /// A file that must be there.
    pub fn file(&self, written: &str) -> Result<RepoPath, Error> {
        let path = self.resolve(written)?;
        if !(self.is_file)(&path) {
            return Err(Error::new(Code::MissingFile, format!("there is no file `{path}`")).at(self.place()));
        }
        if self.options.load_restrictor == LoadRestrictor::Root && !path.is_within(self.path) {
            let text = format!("`{written}` is not in or below this folder (allow it with `--load-restrictor none`)");
            return Err(Error::new(Code::LoadRestriction, text).at(self.place()));
        }
        Ok(path)
    }

    /// What an entry of `resources` leads to; `is_folder` tells whether there is anything below a path.
    pub fn target(&self, written: &str, is_folder: &dyn Fn(&RepoPath) -> bool) -> Result<Target, Error> {
        if is_remote(written) {
            let text =
                format!("`{written}` is fetched from elsewhere, which is not done; commit it, and name its path");
            return Err(Error::new(Code::RemoteBase, text).at(self.place()));
        }
        let path = self.resolve(written)?;
        if (self.is_file)(&path) {
            return self.file(written).map(Target::File);
        }
        if written.split('/').any(|part| part != ".." && part.contains("..")) {
            let text = format!("`{written}` looks like two entries in one; is the second one indented too far?");
            return Err(Error::new(Code::MissingFile, text).at(self.place()));
        }
        if is_folder(&path) || path.is_root() {
            return Ok(Target::Folder(path));
        }
        let text = format!("there is neither a file nor a folder `{path}`");
        Err(Error::new(Code::MissingFile, text).at(self.place()))
    }

    /// A folder that must be there.
    pub fn folder(&self, written: &str, is_folder: &dyn Fn(&RepoPath) -> bool) -> Result<RepoPath, Error> {
        match self.target(written, is_folder)? {
            Target::Folder(path) => Ok(path),
            Target::File(path) => {
                let text = format!("`{path}` is a file, and a folder is needed here");
                Err(Error::new(Code::MissingFile, text).at(self.place()))
            }
        }
    }

    fn resolve(&self, written: &str) -> Result<RepoPath, Error> {
        self.path.resolve(written).map_err(|_| {
            if written.starts_with('/') || written.is_empty() {
                let text = format!("`{written}` is not a path relative to this folder");
                Error::new(Code::MissingFile, text).at(self.place())
            } else {
                let text = format!("`{written}` leaves the tree");
                Error::new(Code::OutsideTree, text).at(self.place())
            }
        })
    }
}

/// Whether an entry names something on another host, as kustomize would fetch it.
fn is_remote(written: &str) -> bool {
    written.contains("://")
        || written.contains("?ref=")
        || written.starts_with("git@")
        || written.starts_with("git::")
        || ["github.com/", "gitlab.com/", "bitbucket.org/"].iter().any(|host| written.starts_with(host))
}

/// Whether the text of an entry is a manifest itself, rather than a path.
pub fn inline(written: &str, path: &RepoPath) -> Option<Documents> {
    if !written.contains(':') {
        return None;
    }
    let documents = Documents::read(written, path).ok()?;
    documents.are_objects().then_some(documents)
}

/// Every file, other than resources, that a kustomization names; inline manifests left out.
pub fn named_files(kustomization: &Kustomization, folder: &RepoPath) -> Vec<String> {
    let mut files: Vec<String> = Vec::new();
    let written = |patch: &Patch| (!patch.path.is_empty()).then(|| patch.path.clone());
    files.extend(kustomization.patches_strategic_merge.iter().filter(|text| inline(text, folder).is_none()).cloned());
    files.extend(kustomization.patches.iter().filter_map(written));
    files.extend(kustomization.patches_json6902.iter().filter_map(written));
    files.extend(kustomization.crds.iter().cloned());
    files.extend(kustomization.configurations.iter().cloned());
    files.extend(kustomization.open_api.iter().filter(|(name, _)| name == "path").map(|(_, path)| path.clone()));
    for generator in kustomization.config_maps.iter().chain(&kustomization.secrets) {
        files.extend(generator.envs.iter().cloned());
        files.extend(generator.files.iter().filter_map(|entry| file_source(entry)).map(|(_, path)| path.to_owned()));
    }
    files.extend(kustomization.replacements.iter().filter_map(|replacement| match replacement {
        ReplacementField::Path(path) => Some(path.clone()),
        ReplacementField::Inline(_) => None,
    }));
    files
}
