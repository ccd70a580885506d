//! What all mirrors take together: the volume that they lie on has one limit, and going over it ends the agent.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::git::{Error as GitError, Mirror};

/// Where the mirrors lie, and what they may take.
#[derive(Clone)]
pub(super) struct Space {
    pub(super) below: PathBuf,
    /// Upper bound on what all of them take before one may grow, in bytes. What grows at the same time comes on top: the
    /// volume has twice as much.
    pub(super) budget: u64,
}

impl Space {
    /// Makes room for what `mirror` is about to fetch. Where it is this one that takes too much, it is fetched anew as a
    /// whole: what refused commits brought is gone then. Where it is the others, `evict` makes the largest of those give up
    /// what it has if it takes more than so many bytes; whoever takes least is served first, and a remote that grows keeps
    /// nobody from his.
    ///
    /// # Errors
    /// Many that are not large take too much.
    pub(super) fn make_room(&self, mirror: &mut Mirror, mut evict: impl FnMut(u64) -> bool) -> Result<(), GitError> {
        loop {
            match room(taken(&self.below), mirror.size(), self.budget) {
                Room::Enough => return Ok(()),
                Room::WithoutThis => {
                    mirror.forget();
                    return Ok(());
                }
                Room::None if evict(mirror.size()) => {}
                Room::None => {
                    let what = format!(
                        "the mirrors of all Repositories take more than {} MiB; raise --cache-mib, and the volume of the \
                         cache with it",
                        self.budget >> 20
                    );
                    let source = io::Error::new(io::ErrorKind::StorageFull, what);
                    return Err(GitError::Disk { path: self.below.clone(), source });
                }
            }
        }
    }

    /// Whether a mirror may grow where none may give up anything for it.
    pub(super) fn has_room(&self) -> bool {
        room(taken(&self.below), 0, self.budget) == Room::Enough
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Room {
    Enough,
    /// Once this mirror has given up what it takes.
    WithoutThis,
    None,
}

/// What room there is where all mirrors take `all` bytes, and the one that is asked about `own` of them.
fn room(all: u64, own: u64, budget: u64) -> Room {
    if all <= budget {
        Room::Enough
    } else if all.saturating_sub(own) <= budget {
        Room::WithoutThis
    } else {
        Room::None
    }
}

/// What lies in the packs of all mirrors, in bytes.
fn taken(below: &Path) -> u64 {
    let within = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let packs = within(below).flat_map(|mirror| within(&mirror.path().join("pack")));
    packs.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Room, room, taken};

    #[test]
    fn mirrors_are_counted_together_and_bounded_together() {
        let below = tempfile::tempdir().unwrap();
        for mirror in ["mirror-a", "mirror-b"] {
            let packs = below.path().join(mirror).join("pack");
            fs::create_dir_all(&packs).unwrap();
            fs::write(packs.join("pack-1.pack"), vec![0; 600]).unwrap();
        }
        assert_eq!(taken(below.path()), 1200);
        assert_eq!(room(1200, 600, 1200), Room::Enough);
        assert_eq!(room(1200, 600, 1199), Room::WithoutThis);
        assert_eq!(room(1200, 600, 600), Room::WithoutThis);
        assert_eq!(room(1200, 600, 599), Room::None, "giving up its own would help nobody");
        assert_eq!(room(1200, 0, 1199), Room::None);
    }
}
