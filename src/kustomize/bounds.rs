//! Bounds on what transformers make. Files are bounded where they are read, but a path of a few bytes makes a level for each.

use std::cell::Cell;

use crate::model::yaml::Limits;
use crate::secret::Secret;
use crate::sops::{File, Opened};
use crate::trust::Origin;

use super::entry::FieldSpec;
use super::error::{Code, Error};
use super::resource::Resource;
use super::tree::{Fields, Leaf, Tree};

/// Levels of an object, and parts of a path: whatever walks a tree calls itself that often, and a stack has an end.
pub const DEPTH: usize = Limits::MANIFEST.depth;

/// Refuses a path of more parts than an object has levels.
pub fn parts<T>(parts: Vec<T>) -> Result<Vec<T>, Error> {
    if parts.len() > DEPTH {
        return Err(Error::new(Code::Limit, format!("a path of {} parts; at most {DEPTH} are allowed", parts.len())));
    }
    Ok(parts)
}

/// Refuses to put `tree` at the end of a path of `parts` parts where that would be too deep.
pub fn depth(parts: usize, tree: &Tree) -> Result<(), Error> {
    let fits = DEPTH.checked_sub(parts).is_some_and(|left| fits(tree, left));
    let text = || format!("this would make an object of more than {DEPTH} levels");
    if fits { Ok(()) } else { Err(Error::new(Code::Limit, text())) }
}

/// Looks no further down than `levels`.
fn fits(tree: &Tree, levels: usize) -> bool {
    let below = |tree: &Tree| levels.checked_sub(1).is_some_and(|levels| fits(tree, levels));
    match tree {
        Tree::Leaf(_) => true,
        Tree::List(list) => levels > 0 && list.iter().all(below),
        Tree::Map(fields) => levels > 0 && fields.iter().all(|(_, value)| below(value)),
    }
}

/// What a render of few files may read and copy, in bytes of memory.
const LEAST: usize = 40 << 20;

/// What it may read and copy more for each byte of its files: a commit gets as much memory as it is large, not more.
const TIMES: usize = 12;

/// Upper bound on all that one render reads and copies, in bytes of memory: several times what may be applied.
const MOST: usize = 256 << 20;

/// Upper bound on how often one render looks at a field, where lists of the commit multiply each other: patches by objects,
/// operations by the keys of a mapping. Half a second at most.
const LOOKS: usize = 20_000_000;

/// Looks that it takes to tell whether an object is the one that is meant: its names, by patterns.
pub const SELECTION: usize = 16;

/// What an entry of a mapping or a list takes beside its texts.
const ENTRY: usize = 96;

/// What a render may still read and copy. Nothing is given back: who copies and drops pays as well.
pub struct Budget {
    whole: usize,
    left: Cell<usize>,
    looks: Cell<usize>,
}

impl Budget {
    /// For a render of these files, which it holds while it lasts.
    pub fn of<O: Origin>(opened: &Opened<O>) -> Self {
        let sizes = opened.paths().map(|path| match (opened.file(path), opened.text(path)) {
            (Some(File::Plain(bytes)), _) => bytes.len(),
            (_, Some(text)) => rounded(text),
            (_, None) => 0,
        });
        let files: usize = sizes.sum();
        let whole = LEAST.saturating_add(files.saturating_mul(TIMES)).min(MOST);
        Self { whole, left: Cell::new(whole.saturating_sub(files)), looks: Cell::new(LOOKS) }
    }

    /// Takes `bytes` of it.
    ///
    /// # Errors
    /// Where there is not that much left.
    pub fn take(&self, bytes: usize) -> Result<(), Error> {
        let left = self.left.get().checked_sub(bytes).ok_or_else(|| {
            let text = format!(
                "this reads and copies more than the {} MiB that files of this size may; divide it among several Syncs",
                self.whole >> 20
            );
            Error::new(Code::Limit, text)
        })?;
        self.left.set(left);
        Ok(())
    }

    /// For `times` looks at each of `each` things.
    ///
    /// # Errors
    /// Where that is more than a render may take.
    pub fn look(&self, times: usize, each: usize) -> Result<(), Error> {
        let left = times.checked_mul(each).and_then(|looks| self.looks.get().checked_sub(looks)).ok_or_else(|| {
            let text = "too many fields are looked at: this has too many patches, replacements or the like for so many \
                        objects or keys; divide it among several Syncs";
            Error::new(Code::Limit, text)
        })?;
        self.looks.set(left);
        Ok(())
    }

    /// For an entry with texts of `bytes` together.
    pub fn entry(&self, bytes: usize) -> Result<(), Error> {
        self.take(ENTRY + bytes)
    }

    /// For a whole tree.
    pub fn tree(&self, tree: &Tree) -> Result<(), Error> {
        match tree {
            Tree::Leaf(Leaf::Open { text, .. }) => self.entry(text.len()),
            // A copy of a sealed leaf is another handle on it.
            Tree::Leaf(Leaf::Sealed(_)) => self.entry(0),
            Tree::List(list) => self.entry(0).and_then(|()| list.iter().try_for_each(|tree| self.tree(tree))),
            Tree::Map(fields) => self.entry(0).and_then(|()| self.fields(fields)),
        }
    }

    /// For the entries of a mapping.
    pub fn fields(&self, fields: &Fields) -> Result<(), Error> {
        fields.iter().try_for_each(|(key, value)| self.take(key.len()).and_then(|()| self.tree(value)))
    }

    /// For what is remembered of an object beside its manifest.
    pub fn object(&self, resource: &Resource) -> Result<(), Error> {
        let former =
            resource.previous.iter().map(|one| 2 * ENTRY + one.name.len() + one.namespace.len() + one.kind.len());
        self.take(8 * ENTRY + 2 * resource.place.file.as_str().len() + former.sum::<usize>())
    }

    /// A copy that is paid for.
    pub fn share(&self, tree: &Tree) -> Result<Tree, Error> {
        self.tree(tree).map(|()| tree.share())
    }

    /// For a text made of a sealed one.
    pub fn sealed(&self, secret: &Secret) -> Result<(), Error> {
        self.entry(rounded(secret))
    }

    /// For a list of fields.
    pub fn specs(&self, specs: &[FieldSpec]) -> Result<(), Error> {
        specs.iter().try_for_each(|spec| self.entry(spec.path.len()))
    }

    /// For a kustomization with a text of `bytes`, taken apart; little for a short one, as it may be read often.
    pub fn kustomization(&self, bytes: usize) -> Result<(), Error> {
        const SHORT: usize = 64 << 10;
        self.take(4 * bytes + 16 * bytes.saturating_sub(SHORT))
    }
}

/// The length of a sealed text, not to the byte: what is left would tell it.
fn rounded(secret: &Secret) -> usize {
    const STEP: usize = 1024;
    secret.size().next_multiple_of(STEP)
}
