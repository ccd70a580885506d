//! What was fetched of one repository so far: bare objects in a folder that vanishes with the process.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::workdir::peel;
use super::{Algorithm, Commit, Error, Fetched, Objects, Offer, Oid, Reference, Transport, pack};

/// The objects of one repository that were fetched so far. No reference, no configuration, no working copy.
pub struct Mirror {
    below: PathBuf,
    store: Option<Store>,
}

struct Store {
    dir: TempDir,
    algorithm: Algorithm,
    /// What was fetched with all that it needs, newest last.
    complete: Vec<Oid>,
    packs: usize,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// The reference points where it did.
    Unmoved,
    /// It points elsewhere.
    Moved(Offer),
}

impl Mirror {
    /// An empty one; its folder will be made in `below`.
    pub fn new(below: &Path) -> Self {
        Self { below: below.to_owned(), store: None }
    }

    /// Whether `reference` still points at `known`. Nothing is downloaded.
    ///
    /// # Errors
    /// [`Error::Gone`] where the reference is not offered, [`Error::Empty`] where nothing is, and whatever keeps the
    /// server from answering: in all these cases nothing is known, and nothing follows from it.
    pub fn check(transport: &dyn Transport, reference: &Reference, known: Option<&Commit>) -> Result<Checked, Error> {
        let (_, offer) = ask(transport, reference)?;
        // The same object under another name is another thing: whoever judges tags looks at their names.
        let known = known.map(|commit| (commit.tag.unwrap_or(commit.head), commit.reference.as_str()));
        Ok(if known == Some((offer.id, &offer.name)) { Checked::Unmoved } else { Checked::Moved(offer) })
    }

    /// What `reference` points at now, with its objects. Only what is missing is downloaded.
    pub fn fetch(&mut self, transport: &dyn Transport, reference: &Reference) -> Result<Fetched<Commit>, Error> {
        let (algorithm, offer) = ask(transport, reference)?;
        let url = || transport.url().to_owned();
        let below = self.below.clone();
        let full = self.store.as_ref().is_some_and(|store| store.packs >= MAX_PACKS || store.bytes() > MAX_BYTES);
        let store = match self.store.take().filter(|_| !full) {
            Some(store) if store.algorithm == algorithm => self.store.insert(store),
            Some(store) => {
                let expected = store.algorithm;
                self.store = Some(store);
                return Err(Error::OtherAlgorithm { url: url(), expected, found: algorithm });
            }
            None => self.store.insert(Store::new(&below, algorithm)?),
        };
        let mut objects = store.objects()?;
        if !objects.contains(&offer.id) {
            let (folder, id) = (store.packs_folder(), offer.id);
            let have: Vec<Oid> = store.complete.iter().rev().take(MAX_HAVE).copied().collect();
            transport.fetch(&id, &have, &mut |stream| {
                let bad = |source| Error::BadPack { url: transport.url().to_owned(), id, source: Some(source) };
                pack::store(stream, &folder, algorithm).map_err(bad)
            })?;
            store.packs += 1;
            objects = store.objects()?;
            if !objects.contains(&id) {
                return Err(Error::BadPack { url: url(), id, source: None });
            }
        }
        if !store.complete.contains(&offer.id) {
            store.complete.push(offer.id);
        }
        let (head, tag) = peel(&objects, offer.id).map_err(|_| {
            let why = "does not point at a commit";
            Error::BadRevision { revision: offer.name.clone(), why }
        })?;
        Ok(Fetched::new(Commit { reference: offer.name, head, tag }, objects))
    }

    /// What it takes on disk, in bytes.
    pub fn size(&self) -> u64 {
        self.store.as_ref().map_or(0, Store::bytes)
    }

    /// Forgets everything fetched: when judging found objects missing or corrupt, the next fetch starts anew.
    pub fn forget(&mut self) {
        self.store = None;
    }
}

impl Store {
    fn new(below: &Path, algorithm: Algorithm) -> Result<Self, Error> {
        let disk = |source| Error::Disk { path: below.to_owned(), source };
        let dir = tempfile::Builder::new().prefix("mirror-").tempdir_in(below).map_err(disk)?;
        let store = Self { dir, algorithm, complete: Vec::new(), packs: 0 };
        std::fs::create_dir(store.packs_folder()).map_err(disk)?;
        Ok(store)
    }

    fn packs_folder(&self) -> PathBuf {
        self.dir.path().join("pack")
    }

    /// What its packs take on disk, in bytes.
    fn bytes(&self) -> u64 {
        let files = std::fs::read_dir(self.packs_folder()).into_iter().flatten().flatten();
        files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
    }

    fn objects(&self) -> Result<Objects, Error> {
        let path = self.dir.path();
        Objects::open(path, self.algorithm).map_err(|source| Error::Disk { path: path.to_owned(), source })
    }
}

/// The hash function and what is offered under `reference`; an exact commit is offered by being asked for.
fn ask(transport: &dyn Transport, reference: &Reference) -> Result<(Algorithm, Offer), Error> {
    match (reference, reference.full_name()?) {
        (Reference::Commit(id), _) => Ok((id.algorithm(), Offer { name: id.to_string(), id: *id })),
        (_, Some(name)) => {
            let (algorithm, offer) = transport.look(&name)?;
            let gone = || Error::Gone { url: transport.url().to_owned(), reference: reference.to_string() };
            Ok((algorithm, offer.ok_or_else(gone)?))
        }
        (Reference::Semver(range), _) => {
            let (algorithm, tags) = transport.tags()?;
            let name = range.best(tags.iter().filter_map(|tag| tag.name.strip_prefix("refs/tags/")));
            let name = name.map(|name| format!("refs/tags/{name}"));
            let gone = || Error::Gone { url: transport.url().to_owned(), reference: format!("tag in {range}") };
            let offer = tags.iter().find(|tag| Some(&tag.name) == name.as_ref()).cloned();
            Ok((algorithm, offer.ok_or_else(gone)?))
        }
        (_, None) => Err(Error::BadReference { name: reference.to_string() }),
    }
}

/// After so many packs everything is fetched anew as one: looking for an object looks into each pack.
const MAX_PACKS: usize = 200;
/// Beyond this size too: what refused commits brought is then gone.
const MAX_BYTES: u64 = 768 << 20;
/// How many commits the server is told about; the newest suffice, as each holds its history.
const MAX_HAVE: usize = 16;
