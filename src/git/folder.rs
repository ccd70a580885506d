//! A working directory's files, for building without a commit.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::Error;
use crate::model::RepoPath;

/// Every file below `dir` with its content. `.git` is left out, and so are pipes, devices and names that no path of a
/// repository can have.
///
/// Symlinks are followed where they stay inside `dir`. Of a file larger than 5 MiB one byte more than that is read, so
/// that it is refused when, and only when, somebody reads it.
///
/// # Errors
/// A link that leaves the folder or leads nowhere, more than 100,000 files, more than 512 MiB, folders deeper than 64.
pub fn files(dir: &Path) -> Result<BTreeMap<RepoPath, Vec<u8>>, Error> {
    let root = dir.canonicalize().map_err(|source| Error::Disk { path: dir.to_owned(), source })?;
    let mut walk = Walk { root: root.clone(), files: BTreeMap::new(), bytes: 0 };
    let mut folders = vec![(root, RepoPath::root(), 0)];
    while let Some((folder, path, depth)) = folders.pop() {
        if depth > MAX_DEPTH {
            return Err(Error::BadFile { path: folder, why: "lies deeper than 64 folders" });
        }
        let disk = |source| Error::Disk { path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(disk)? {
            let name = entry.map_err(disk)?.file_name();
            let Some(text) = name.to_str().filter(|name| *name != ".git") else { continue };
            // Such a name cannot be asked for.
            let Some(below) = child(&path, text) else { continue };
            let Some(real) = walk.inside(&folder.join(&name))? else { continue };
            let found = fs::metadata(&real).map_err(|source| Error::Disk { path: real.clone(), source })?;
            if found.is_dir() {
                folders.push((real, below, depth + 1));
            } else if found.is_file() {
                walk.take(&real, below)?;
            }
        }
    }
    Ok(walk.files)
}

fn child(folder: &RepoPath, name: &str) -> Option<RepoPath> {
    let text = if folder.is_root() { name.to_owned() } else { format!("{folder}/{name}") };
    RepoPath::parse(&text).ok()
}

struct Walk {
    root: PathBuf,
    files: BTreeMap<RepoPath, Vec<u8>>,
    bytes: usize,
}

impl Walk {
    /// Where `place` really lies. `None` for a link into `.git`.
    fn inside(&self, place: &Path) -> Result<Option<PathBuf>, Error> {
        let disk = |source| Error::Disk { path: place.to_owned(), source };
        if !fs::symlink_metadata(place).map_err(disk)?.is_symlink() {
            return Ok(Some(place.to_owned()));
        }
        let refuse = |why| Error::BadFile { path: place.to_owned(), why };
        let real = place.canonicalize().map_err(|_| refuse("is a link that leads nowhere"))?;
        let Ok(inner) = real.strip_prefix(&self.root) else {
            return Err(refuse("is a link that leaves the folder; commit the file itself"));
        };
        if place.starts_with(&real) {
            return Err(refuse("is a link to a folder it lies in"));
        }
        Ok((!inner.iter().any(|part| part == ".git")).then_some(real))
    }

    fn take(&mut self, real: &Path, path: RepoPath) -> Result<(), Error> {
        let mut bytes = Vec::new();
        let result = File::open(real).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
        result.map_err(|source| Error::Disk { path: real.to_owned(), source })?;
        self.bytes += bytes.len();
        if self.bytes > MAX_BYTES {
            return Err(Error::BadFile {
                path: self.root.clone(),
                why: "holds more than 512 MiB; name a smaller folder",
            });
        }
        self.files.insert(path, bytes);
        if self.files.len() > MAX_FILES {
            return Err(Error::BadFile {
                path: self.root.clone(),
                why: "holds more than 100,000 files; name a smaller folder",
            });
        }
        Ok(())
    }
}

/// Upper bound on one file, in bytes. `trust` refuses to lend more out of a tree.
const MAX_FILE: u64 = 5 << 20;
/// Upper bound on all of them, in bytes.
const MAX_BYTES: usize = 512 << 20;
/// Upper bound on their number; the same as for a verified tree.
const MAX_FILES: usize = 100_000;
/// Upper bound on nested folders; the same as for a verified tree.
const MAX_DEPTH: usize = 64;
