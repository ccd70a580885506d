//! The tree of a head: canonical, with names that every reader takes alike, and links that stay inside.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::Reason;
use super::entries::{Entry, Mode, entries};
use super::fault::{Fault, Judgement};
use super::history::MAX_OBJECT;
use super::links::{Shown, resolve};
use crate::git::{Kind, Objects, Oid};
use crate::model::RepoPath;

/// Upper bound on folders within folders.
const MAX_DEPTH: usize = 64;
/// Upper bound on files, and on folders.
const MAX_FILES: usize = 100_000;
/// Upper bound on a path, in bytes.
pub(super) const MAX_PATH: usize = 4096;
/// Upper bound on the target of a symlink, in bytes.
const MAX_TARGET: u64 = 4096;

/// All files of a tree that passed rule 11, links resolved.
pub(super) type Blobs = BTreeMap<RepoPath, Oid>;

/// Walks the whole tree `root`; also tells how links lead to what they show. Contents are read (and so hashed again) below `applied`, everywhere where it is absent.
pub(super) fn judge(objects: &Objects, root: &Oid, applied: Option<&RepoPath>) -> Judgement<(Blobs, Shown)> {
    let mut walk = Walk {
        objects,
        applied,
        entries: 0,
        folders: 0,
        read: HashMap::new(),
        hashed: HashSet::new(),
        files: BTreeMap::new(),
        links: BTreeMap::new(),
    };
    walk.folder(root, "", 0)?;
    let Walk { mut files, links, .. } = walk;
    let shown = resolve(&files, &links, applied)?;
    files.extend(shown.iter().map(|(path, way)| (path.clone(), way.file)));
    // A name that is not UTF-8 or holds odd characters was refused; what remains is a plain path.
    let plain = files.into_iter().filter_map(|(path, id)| RepoPath::parse(&path).ok().map(|path| (path, id)));
    Ok((plain.collect(), shown))
}

struct Walk<'a> {
    objects: &'a Objects,
    applied: Option<&'a RepoPath>,
    entries: usize,
    folders: usize,
    /// Folders read already: one object may be ten thousand folders, and is hashed once.
    read: HashMap<Oid, Rc<[Entry]>>,
    /// Files hashed already.
    hashed: HashSet<Oid>,
    files: BTreeMap<String, Oid>,
    links: BTreeMap<String, String>,
}

impl Walk<'_> {
    fn folder(&mut self, id: &Oid, path: &str, depth: usize) -> Judgement<()> {
        if depth > MAX_DEPTH {
            return Err(unsafe_tree(format!("folders lie more than {MAX_DEPTH} deep in each other")));
        }
        let listed = match self.read.get(id) {
            Some(listed) => Rc::clone(listed),
            None => self.list(id, path)?,
        };
        for entry in listed.iter() {
            let count = if entry.mode == Mode::Folder { &mut self.folders } else { &mut self.entries };
            *count += 1;
            if *count > MAX_FILES {
                return Err(Fault::new(Reason::LimitExceeded, format!("more than {MAX_FILES} files or folders")));
            }
            self.entry(entry, path, depth)?;
        }
        Ok(())
    }

    fn list(&mut self, id: &Oid, path: &str) -> Judgement<Rc<[Entry]>> {
        let raw = self.objects.read(id, MAX_OBJECT)?;
        if raw.kind != Kind::Tree {
            return Err(unsafe_tree(format!("`{}` says it is a folder and is not", path.escape_debug())));
        }
        let shown = if path.is_empty() { "the root folder" } else { path };
        let listed = entries(&raw.bytes, self.objects.algorithm());
        let listed: Rc<[Entry]> =
            listed.map_err(|what| unsafe_tree(format!("{}: {what}", shown.escape_debug())))?.into();
        self.read.insert(*id, Rc::clone(&listed));
        Ok(listed)
    }

    fn entry(&mut self, entry: &Entry, folder: &str, depth: usize) -> Judgement<()> {
        let path = if folder.is_empty() { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
        if path.len() > MAX_PATH {
            return Err(Fault::new(Reason::LimitExceeded, format!("a path of more than {MAX_PATH} bytes")));
        }
        match entry.mode {
            Mode::Folder => self.folder(&entry.id, &path, depth + 1),
            Mode::File | Mode::Executable => {
                let needed = self.applied.is_none_or(|applied| is_within(&path, applied));
                if needed && !self.hashed.contains(&entry.id) {
                    self.blob(&entry.id, &path, MAX_OBJECT)?;
                    self.hashed.insert(entry.id);
                }
                self.files.insert(path, entry.id);
                Ok(())
            }
            Mode::Link => {
                let target = self.blob(&entry.id, &path, MAX_TARGET).map_err(|fault| {
                    let too_long = fault.reason == Reason::LimitExceeded;
                    let fact = || format!("link `{}` does not point at a path: {}", path.escape_debug(), fault.fact);
                    if too_long { unsafe_tree(fact()) } else { fault }
                })?;
                let target = String::from_utf8(target)
                    .map_err(|_| unsafe_tree(format!("link `{}` does not point at a path", path.escape_debug())))?;
                self.links.insert(path, target);
                Ok(())
            }
            Mode::Gitlink => Err(unsafe_tree(format!("`{}` is a submodule, which nobody signed", path.escape_debug()))),
        }
    }

    fn blob(&self, id: &Oid, path: &str, limit: u64) -> Judgement<Vec<u8>> {
        let raw = self.objects.read(id, limit)?;
        match raw.kind {
            Kind::Blob => Ok(raw.bytes),
            Kind::Commit | Kind::Tree | Kind::Tag => {
                Err(unsafe_tree(format!("`{}` says it is a file and is not", path.escape_debug())))
            }
        }
    }
}

/// Whether `path`, as text, is `folder` or below it.
pub(super) fn is_within(path: &str, folder: &RepoPath) -> bool {
    let folder = folder.as_str();
    folder.is_empty() || path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

pub(super) fn unsafe_tree(fact: impl Into<String>) -> Fault {
    Fault::new(Reason::UnsafeTree, fact)
}
