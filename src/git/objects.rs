//! The object database. Every object is hashed again when it is read: the store is never an authority.
//!
//! Only the packs and the loose files of one `objects` folder are seen. Alternates, replace refs, grafts, shallow files
//! and the repository's configuration are never opened, so they cannot count for anything.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gix::objs::compute_hash;
use gix::odb::{loose, pack};

use super::{Algorithm, Oid};

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A commit.
    Commit,
    /// A tree.
    Tree,
    /// A blob.
    Blob,
    /// An annotated tag.
    Tag,
}

/// An object whose bytes hash to the id it was asked by.
pub struct Raw {
    /// What it is.
    pub kind: Kind,
    /// Its content, without the header.
    pub bytes: Vec<u8>,
}

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not there.
    #[error("object {id} is missing")]
    Missing {
        /// What was asked for.
        id: Oid,
    },
    /// Its bytes do not hash to its id, or cannot be decoded.
    #[error("object {id} is corrupt: its bytes do not hash to its id")]
    Corrupt {
        /// What was asked for.
        id: Oid,
    },
    /// It is larger than allowed.
    #[error("object {id} has {size} bytes, more than the {limit} that are allowed")]
    TooLarge {
        /// What was asked for.
        id: Oid,
        /// Bytes it claims.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
}

/// How often an abbreviated id occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abbreviated {
    /// No object's id starts so.
    Unknown,
    /// Exactly one does.
    Unique(Oid),
    /// More than one does.
    Ambiguous,
}

/// A store of Git objects. Cheap to clone, shared between threads.
#[derive(Clone)]
pub struct Objects {
    store: Arc<Store>,
}

struct Store {
    algorithm: Algorithm,
    packs: Vec<Pack>,
    /// An index could not be read: what is found nowhere else may be in its pack, so it is not called missing.
    unreadable_index: bool,
    loose: loose::Store,
    tools: Mutex<Tools>,
}

/// What reading a pack takes, kept from read to read.
struct Tools {
    /// Results of deltas, so that a long chain is not walked again for each of its members.
    deltas: pack::cache::lru::MemoryCappedHashmap,
    /// Its 47 KiB, made anew for each of a hundred thousand reads with small lasting things in between, would leave as
    /// many holes in the heap that nothing fits into.
    inflate: gix::zlib::Inflate,
}

struct Pack {
    index: pack::index::File,
    /// `None` when the pack beside the index cannot be opened: then its objects are corrupt, not missing.
    data: Option<pack::data::File>,
}

/// Upper bound on the memory that one object and the deltas it is made of may take while it is decoded, in bytes.
///
/// Two buffers of the largest object that the rules allow (64 MiB), and as much again for the deltas.
const MAX_DECODING: usize = 192 << 20;

/// Upper bound on the length of a delta chain. Source: git-pack-objects(1), `--depth`, at most 4095.
const MAX_DELTA_CHAIN: u32 = 4095;

/// Upper bound on the number of packs; git gathers them at 50 (`gc.autoPackLimit`).
const MAX_PACKS: usize = 4096;

/// Upper bound on remembered delta results, in bytes.
const MAX_REMEMBERED: usize = 16 << 20;

impl Objects {
    /// Opens the `objects` folder of a repository. What is added to it later may not be seen.
    ///
    /// # Errors
    /// Where the folder cannot be listed, or holds more than 4096 packs.
    pub fn open(objects: &Path, algorithm: Algorithm) -> Result<Self, io::Error> {
        let (packs, unreadable_index) = open_packs(&objects.join("pack"), algorithm.into())?;
        // Fails where there is no such folder, which a loose store alone would take for an empty one.
        std::fs::read_dir(objects)?;
        let options = loose::Options { alloc_limit_bytes: Some(MAX_DECODING), ..loose::Options::default() };
        let loose = loose::Store::at_opts(objects, algorithm.into(), options);
        let deltas = pack::cache::lru::MemoryCappedHashmap::new(MAX_REMEMBERED);
        let tools = Mutex::new(Tools { deltas, inflate: gix::zlib::Inflate::default() });
        Ok(Self { store: Arc::new(Store { algorithm, packs, unreadable_index, loose, tools }) })
    }

    /// The hash of this repository.
    pub fn algorithm(&self) -> Algorithm {
        self.store.algorithm
    }

    /// Reads `id` and hashes it again. `limit` is in bytes of content and is checked before anything is inflated.
    pub fn read(&self, id: &Oid, limit: u64) -> Result<Raw, ReadError> {
        let corrupt = || ReadError::Corrupt { id: *id };
        let place = self.find(id)?;
        let (_, size) = self.store.header(&place).ok_or_else(corrupt)?;
        if size > limit {
            return Err(ReadError::TooLarge { id: *id, size, limit });
        }
        let (kind, bytes) = self.store.decode(&place).ok_or_else(corrupt)?;
        let hashed = compute_hash(self.algorithm().into(), kind, &bytes).map_err(|_collision| corrupt())?;
        if hashed.as_bytes() != id.as_bytes() {
            return Err(corrupt());
        }
        Ok(Raw { kind: kind.into(), bytes })
    }

    /// What the store says `id` is, and its size in bytes. Nothing is hashed: good for limits, not for trust.
    pub fn header(&self, id: &Oid) -> Result<(Kind, u64), ReadError> {
        let place = self.find(id)?;
        let (kind, size) = self.store.header(&place).ok_or(ReadError::Corrupt { id: *id })?;
        Ok((kind.into(), size))
    }

    /// The id of a file of these bytes, stored or not; `None` where they were made to collide with others.
    pub fn blob_id(&self, bytes: &[u8]) -> Option<Oid> {
        let id = compute_hash(self.algorithm().into(), gix::objs::Kind::Blob, bytes).ok()?;
        Oid::from_bytes(id.as_bytes())
    }

    /// Whether the store has something under `id`; it may still turn out to be corrupt.
    pub fn contains(&self, id: &Oid) -> bool {
        self.find(id).is_ok()
    }

    /// The object whose id starts with these lower-case hexadecimal digits, at least four.
    pub fn abbreviated(&self, digits: &str) -> Abbreviated {
        let Ok(prefix) = gix::hash::Prefix::from_hex(digits) else { return Abbreviated::Unknown };
        let mut found = std::collections::HashSet::new();
        for pack in &self.store.packs {
            let mut entries = 0..0;
            pack.index.lookup_prefix(prefix, Some(&mut entries));
            found.extend(entries.map(|entry| pack.index.oid_at_index(entry).to_owned()));
        }
        // A folder that cannot be listed holds nothing that could be read either.
        drop(self.store.loose.lookup_prefix(prefix, Some(&mut found)));
        let mut ids = found.iter().filter_map(|id| Oid::from_bytes(id.as_bytes()));
        match (ids.next(), ids.next()) {
            (Some(id), None) => Abbreviated::Unique(id),
            (Some(_), Some(_)) => Abbreviated::Ambiguous,
            (None, _) => Abbreviated::Unknown,
        }
    }

    fn find(&self, id: &Oid) -> Result<Place<'_>, ReadError> {
        if id.algorithm() != self.algorithm() {
            return Err(ReadError::Missing { id: *id });
        }
        let name = gix::ObjectId::from_bytes_or_panic(id.as_bytes());
        for pack in &self.store.packs {
            if let Some(entry) = pack.index.lookup(name) {
                let data = pack.data.as_ref().ok_or(ReadError::Corrupt { id: *id })?;
                let offset = pack.index.pack_offset_at_index(entry);
                return Ok(Place::Packed { index: &pack.index, data, offset });
            }
        }
        if self.store.loose.contains(&name) {
            return Ok(Place::Loose(name));
        }
        Err(if self.store.unreadable_index { ReadError::Corrupt { id: *id } } else { ReadError::Missing { id: *id } })
    }
}

/// Where an object lies.
enum Place<'a> {
    Packed { index: &'a pack::index::File, data: &'a pack::data::File, offset: u64 },
    Loose(gix::ObjectId),
}

impl Store {
    fn tools(&self) -> MutexGuard<'_, Tools> {
        self.tools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kind and size; `None` where they cannot be told. Inflates a few bytes at most.
    fn header(&self, place: &Place<'_>) -> Option<(gix::objs::Kind, u64)> {
        match place {
            Place::Loose(name) => self.loose.try_header(name).ok().flatten().map(|(size, kind)| (kind, size)),
            Place::Packed { index, data, offset } => {
                let base = |id: &gix::oid| {
                    let entry = index.lookup(id).map(|at| data.entry(index.pack_offset_at_index(at)));
                    entry.transpose().map(|entry| entry.map(pack::data::decode::header::ResolvedBase::InPack))
                };
                let entry = data.entry(*offset).ok()?;
                let header = data.decode_header(entry, &mut self.tools().inflate, &base).ok()?;
                (header.num_deltas <= MAX_DELTA_CHAIN).then_some((header.kind, header.object_size))
            }
        }
    }

    /// Kind and content; `None` where it cannot be decoded within [`MAX_DECODING`].
    fn decode(&self, place: &Place<'_>) -> Option<(gix::objs::Kind, Vec<u8>)> {
        let mut bytes = Vec::new();
        match place {
            Place::Loose(name) => {
                let kind = self.loose.try_find(name, &mut bytes).ok()??.kind;
                Some((kind, bytes))
            }
            Place::Packed { index, data, offset } => {
                let base = |id: &gix::oid, _: &mut Vec<u8>| {
                    let entry = index.lookup(id).map(|at| data.entry(index.pack_offset_at_index(at)));
                    entry.transpose().map(|entry| entry.map(pack::data::decode::entry::ResolvedBase::InPack))
                };
                let entry = data.entry(*offset).ok()?;
                // What is remembered is only ever used to make bytes that are hashed again.
                let mut tools = self.tools();
                let Tools { deltas, inflate } = &mut *tools;
                let kind = data.decode_entry(entry, &mut bytes, inflate, &base, deltas).ok()?.kind;
                bytes.shrink_to_fit();
                Some((kind, bytes))
            }
        }
    }
}

/// Every pack that has an index, and whether some index could not be read.
fn open_packs(folder: &Path, hash: gix::hash::Kind) -> Result<(Vec<Pack>, bool), io::Error> {
    let mut indices = match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, io::Error>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    indices.retain(|path| path.extension().is_some_and(|extension| extension == "idx"));
    if indices.len() > MAX_PACKS {
        let text = format!("{} has more than {MAX_PACKS} packs; run `git repack -ad` on it", folder.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    indices.sort();
    let mut packs = Vec::with_capacity(indices.len());
    let mut unreadable_index = false;
    for (number, path) in (0..).zip(indices) {
        let Ok(index) = pack::index::File::at(&path, hash) else {
            unreadable_index = true;
            continue;
        };
        let data = pack::data::File::at(path.with_extension("pack"), hash).ok().map(|mut data| {
            data.id = number;
            data.with_alloc_limit_bytes(Some(MAX_DECODING))
        });
        packs.push(Pack { index, data });
    }
    Ok((packs, unreadable_index))
}

impl From<Algorithm> for gix::hash::Kind {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha1 => Self::Sha1,
            Algorithm::Sha256 => Self::Sha256,
        }
    }
}

impl From<gix::objs::Kind> for Kind {
    fn from(kind: gix::objs::Kind) -> Self {
        match kind {
            gix::objs::Kind::Commit => Self::Commit,
            gix::objs::Kind::Tree => Self::Tree,
            gix::objs::Kind::Blob => Self::Blob,
            gix::objs::Kind::Tag => Self::Tag,
        }
    }
}
