//! A repository on disk, read as data: its hooks, replace refs, grafts, alternates and filters count for nothing, and of
//! its configuration only the hash function and, for `init`, the address of a remote are looked at.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::objects::Abbreviated;
use super::reference::is_reference_name;
use super::{Algorithm, Commit, Error, Fetched, Kind, Objects, Oid, ReadError, Reference};

/// A working copy or a bare repository.
pub struct Repository {
    /// Where HEAD lies: `.git`, the bare repository, or the folder of a linked worktree.
    own: PathBuf,
    /// Where objects and shared references lie; differs from `own` in a linked worktree only.
    shared: PathBuf,
    objects: Objects,
}

impl Repository {
    /// Opens `dir`, which is a working copy, a linked worktree or a bare repository. Parent folders are not searched.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let own = own_folder(dir)?;
        let shared = match small_file(&own.join("commondir"))? {
            Some(text) => own.join(text.trim_end()),
            None => own.clone(),
        };
        if !shared.join("objects").is_dir() {
            return Err(Error::NotARepository { dir: dir.to_owned() });
        }
        if setting(&shared, "extensions.refStorage").is_some_and(|storage| storage != "files") {
            let help = "run `git refs migrate --ref-format=files`, or give a clone made with --ref-format=files";
            return Err(Error::UnknownFormat { dir: dir.to_owned(), what: "its reference storage", help });
        }
        let algorithm = match setting(&shared, "extensions.objectFormat").as_deref() {
            None | Some("sha1") => Algorithm::Sha1,
            Some("sha256") => Algorithm::Sha256,
            Some(_) => {
                let help = "sha1 and sha256 are known";
                return Err(Error::UnknownFormat { dir: dir.to_owned(), what: "its object format", help });
            }
        };
        let objects = shared.join("objects");
        let objects =
            Objects::open(&objects, algorithm).map_err(|source| Error::Disk { path: objects.clone(), source })?;
        Ok(Self { own, shared, objects })
    }

    /// Its objects.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// What a Repository resource's reference points at here.
    pub fn follow(&self, reference: &Reference) -> Result<Fetched<Commit>, Error> {
        match (reference, reference.full_name()?) {
            (Reference::Commit(id), _) => self.commit(id.to_string(), *id),
            (_, Some(name)) => {
                let id = self.look_up(&name)?.ok_or_else(|| unknown(&name))?;
                self.commit(name, id)
            }
            (Reference::Semver(range), _) => {
                let tags = self.tags()?;
                let name = range.best(tags.iter().map(String::as_str)).map(|name| format!("refs/tags/{name}"));
                let id = name.as_deref().map(|name| self.look_up(name)).transpose()?.flatten();
                match (name, id) {
                    (Some(name), Some(id)) => self.commit(name, id),
                    (None, _) | (Some(_), None) => Err(unknown(&reference.to_string())),
                }
            }
            (_, None) => Err(unknown(&reference.to_string())),
        }
    }

    /// What `revision` names: a full id, a reference (`HEAD`, `main`, `v1`, `refs/heads/main`) or an abbreviated id.
    ///
    /// `~2` and `^2` behind it lead to ancestors, as in git; no other operator is read. A name that is both a branch and a tag
    /// is refused, not guessed.
    pub fn resolve(&self, revision: &str) -> Result<Fetched<Commit>, Error> {
        let Some(at) = revision.find(['~', '^']) else { return self.named(revision) };
        let (mut commit, _) = self.named(&revision[..at])?.into_parts();
        let mut rest = &revision[at..];
        while let Some(operator) = rest.chars().next() {
            let refuse = |why| Error::BadRevision { revision: revision.to_owned(), why };
            if !matches!(operator, '~' | '^') {
                return Err(refuse("has an operator other than `~` and `^`"));
            }
            let digits = rest[1..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |end| end + 1);
            let number: Option<usize> = if digits == 1 { Some(1) } else { rest[1..digits].parse().ok() };
            let number = number.filter(|number| *number <= MAX_BACK).ok_or_else(|| refuse("goes too far back"))?;
            let found = match (operator, number) {
                ('~', _) => (0..number).try_fold(commit.head, |id, _| self.parent(&id, 1)),
                (_, 0) => Some(commit.head),
                (_, _) => self.parent(&commit.head, number),
            };
            commit.head = found.ok_or_else(|| refuse("goes further back than the history that is here"))?;
            rest = &rest[digits..];
        }
        self.commit(revision.to_owned(), commit.head)
    }

    /// The parent of commit `id`, counted from 1, as its header says.
    fn parent(&self, id: &Oid, number: usize) -> Option<Oid> {
        let raw = self.objects.read(id, MAX_TAG).ok().filter(|raw| raw.kind == Kind::Commit)?;
        let header = raw.bytes.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
        let parents = header.filter_map(|line| std::str::from_utf8(line.strip_prefix(b"parent ")?).ok()?.parse().ok());
        parents.into_iter().nth(number.checked_sub(1)?)
    }

    /// What a name or an id without operators names.
    fn named(&self, revision: &str) -> Result<Fetched<Commit>, Error> {
        if let Ok(id) = revision.parse::<Oid>() {
            return self.commit(revision.to_owned(), id);
        }
        let places = ["", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"];
        let mut found: Vec<(String, Oid)> = Vec::new();
        for name in places.map(|place| format!("{place}{revision}")) {
            if is_reference_name(&name) && (name.starts_with("refs/") || is_pseudo(&name)) {
                found.extend(self.look_up(&name)?.map(|id| (name, id)));
            }
        }
        match found.len() {
            0 => match self.objects.abbreviated(revision) {
                Abbreviated::Unique(id) => self.commit(revision.to_owned(), id),
                Abbreviated::Unknown => Err(unknown(revision)),
                Abbreviated::Ambiguous => {
                    let why = "is the beginning of more than one object's id; write more digits";
                    Err(Error::BadRevision { revision: revision.to_owned(), why })
                }
            },
            1 => {
                let (name, id) = found.remove(0);
                self.commit(name, id)
            }
            _ => {
                let why = "is the name of more than one reference; write refs/heads/... or refs/tags/...";
                Err(Error::BadRevision { revision: revision.to_owned(), why })
            }
        }
    }

    /// The branch that HEAD names, in full; `None` where HEAD is a commit.
    pub fn branch(&self) -> Result<Option<String>, Error> {
        let text = small_file(&self.own.join("HEAD"))?.unwrap_or_default();
        Ok(text.trim_end().strip_prefix("ref: ").map(|name| name.trim().to_owned()))
    }

    /// The address of remote `name` as the configuration says it, includes and rewriting left out.
    pub fn remote_url(&self, name: &str) -> Option<String> {
        setting(&self.shared, &format!("remote.{name}.url"))
    }

    /// The commit behind `id`, following annotated tags. An object that cannot be read is left to whoever judges.
    fn commit(&self, reference: String, id: Oid) -> Result<Fetched<Commit>, Error> {
        let (head, tag) = peel(&self.objects, id).map_err(|_| {
            let why = "does not point at a commit";
            Error::BadRevision { revision: reference.clone(), why }
        })?;
        Ok(Fetched::new(Commit { reference, head, tag }, self.objects.clone()))
    }

    /// The id behind a reference's full name, symbolic ones followed.
    fn look_up(&self, name: &str) -> Result<Option<Oid>, Error> {
        let mut name = name.to_owned();
        for _ in 0..MAX_SYMBOLIC {
            let folder = if is_own(&name) { &self.own } else { &self.shared };
            let Some(text) = small_file(&folder.join(&name))? else { return self.packed(&name) };
            match text.trim_end().strip_prefix("ref: ") {
                Some(next) if is_reference_name(next.trim()) => next.trim().clone_into(&mut name),
                Some(_) => return Err(unknown(&name)),
                None => return text.trim_end().parse().map(Some).map_err(|_| unknown(&name)),
            }
        }
        let why = "is a symbolic reference that leads to too many others";
        Err(Error::BadRevision { revision: name, why })
    }

    /// The names of all tags, without `refs/tags/`.
    fn tags(&self) -> Result<Vec<String>, Error> {
        let packed = bounded_file(&self.shared.join("packed-refs"), MAX_PACKED_REFS)?.unwrap_or_default();
        let names = packed.lines().filter_map(|line| line.split_once(' ')?.1.strip_prefix("refs/tags/"));
        let mut tags: Vec<String> = names.map(str::to_owned).collect();
        // Versions have no slash: what lies in folders of its own is none.
        if let Ok(entries) = std::fs::read_dir(self.shared.join("refs/tags")) {
            tags.extend(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()));
        }
        Ok(tags)
    }

    fn packed(&self, name: &str) -> Result<Option<Oid>, Error> {
        let path = self.shared.join("packed-refs");
        let Some(text) = bounded_file(&path, MAX_PACKED_REFS)? else { return Ok(None) };
        let line = text.lines().find_map(|line| line.split_once(' ').filter(|(_, its)| *its == name));
        line.map(|(id, _)| id.parse().map_err(|_| unknown(name))).transpose()
    }
}

/// What lies behind annotated tags: the object, and the outermost tag. `Err` where it is neither commit nor tag.
///
/// Only two lines are read, and nothing is believed: whoever judges reads the tag strictly.
pub(super) fn peel(objects: &Objects, id: Oid) -> Result<(Oid, Option<Oid>), NotACommit> {
    let mut at = id;
    for _ in 0..MAX_TAGS {
        let tag = (at != id).then_some(id);
        match objects.read(&at, MAX_TAG) {
            Ok(raw) => match raw.kind {
                Kind::Commit => return Ok((at, tag)),
                Kind::Tag => match tagged(&raw.bytes) {
                    Some(next) => at = next,
                    // What a tag says and where it leads is for judging, not for finding.
                    None => return Ok((at, Some(id))),
                },
                Kind::Tree | Kind::Blob if tag.is_some() => return Ok((at, tag)),
                Kind::Tree | Kind::Blob => return Err(NotACommit),
            },
            Err(ReadError::Missing { .. } | ReadError::Corrupt { .. } | ReadError::TooLarge { .. }) => {
                return Ok((at, tag));
            }
        }
    }
    // A tag of a tag leads to no commit, for whoever judges, after one step or after many.
    Ok((at, Some(id)))
}

/// The object is a tree or a blob.
pub(super) struct NotACommit;

fn tagged(tag: &[u8]) -> Option<Oid> {
    let line = tag.split(|byte| *byte == b'\n').next()?.strip_prefix(b"object ")?;
    std::str::from_utf8(line).ok()?.parse().ok()
}

/// `.git`, which may be a file that names the folder, or the bare repository itself.
fn own_folder(dir: &Path) -> Result<PathBuf, Error> {
    let dot = dir.join(".git");
    if dot.is_dir() {
        return Ok(dot);
    }
    if let Some(text) = small_file(&dot)? {
        let named = text.trim_end().strip_prefix("gitdir: ").map(|named| dir.join(named));
        return named.filter(|own| own.is_dir()).ok_or_else(|| Error::NotARepository { dir: dir.to_owned() });
    }
    if dir.join("objects").is_dir() && dir.join("HEAD").exists() {
        return Ok(dir.to_owned());
    }
    Err(Error::NotARepository { dir: dir.to_owned() })
}

/// One value of the repository's own configuration file; nothing it includes is opened.
///
/// A file that cannot be read says nothing: then the default is assumed, and a wrong hash function finds no object.
fn setting(shared: &Path, key: &str) -> Option<String> {
    let text = bounded_file(&shared.join("config"), MAX_CONFIG).ok()??;
    let metadata = gix::config::file::Metadata::from(gix::config::Source::Local);
    let file = gix::config::File::from_bytes_no_includes(
        text.as_bytes(),
        metadata,
        gix::config::file::init::Options::default(),
    )
    .ok()?;
    file.string(key).map(|value| value.to_string())
}

/// Whether a linked worktree has its own. Source: git-worktree(1), "REFS".
fn is_own(name: &str) -> bool {
    !name.starts_with("refs/")
        || ["refs/bisect/", "refs/worktree/", "refs/rewritten/"].iter().any(|own| name.starts_with(own))
}

/// `HEAD`, `ORIG_HEAD`, `FETCH_HEAD`: never `config` or another file that happens to lie there.
fn is_pseudo(name: &str) -> bool {
    name.ends_with("HEAD") && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

fn unknown(revision: &str) -> Error {
    Error::BadRevision { revision: revision.to_owned(), why: "names no commit, branch or tag here" }
}

fn small_file(path: &Path) -> Result<Option<String>, Error> {
    bounded_file(path, MAX_SMALL)
}

/// A regular file's text; `None` where there is none. Pipes and devices are never opened.
fn bounded_file(path: &Path, limit: u64) -> Result<Option<String>, Error> {
    let disk = |source| Error::Disk { path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(disk(error)),
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(disk)?;
    if bytes.len() as u64 > limit {
        return Err(Error::BadFile { path: path.to_owned(), why: "is larger than git makes it" });
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// How far symbolic references are followed. Source: `SYMREF_MAXDEPTH` in git's refs.h.
const MAX_SYMBOLIC: usize = 5;
/// How many commits `~` goes back at most.
const MAX_BACK: usize = 100_000;
/// How many tags of tags are followed.
const MAX_TAGS: usize = 8;
/// Upper bound on a tag or commit that is looked behind, in bytes; the rules allow a commit 1 MiB.
const MAX_TAG: u64 = 1 << 20;
/// Upper bound on HEAD, a loose reference, `.git` and `commondir`, in bytes.
const MAX_SMALL: u64 = 4096;
/// Upper bound on the configuration, in bytes.
const MAX_CONFIG: u64 = 1 << 20;
/// Upper bound on `packed-refs`, in bytes: about a million references.
const MAX_PACKED_REFS: u64 = 128 << 20;
