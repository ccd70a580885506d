//! What all mirrors take together: the volume that they lie on has one limit, and going over it ends the agent.

use std::fs;
use std::io;
use std::path::Path;

use crate::git::{Error as GitError, Mirror};

/// Upper bound on what all mirrors take before one of them may grow, in bytes. What grows at the same time comes on top:
/// the volume of the shipped Deployment has twice as much.
const BUDGET: u64 = 2 << 30;

/// Makes room below `below` for what `mirror` is about to fetch. Where there is none, it is fetched anew as a whole: what
/// refused commits brought is gone then.
///
/// # Errors
/// The others alone take too much.
pub(super) fn make_room(below: &Path, mirror: &mut Mirror) -> Result<(), GitError> {
    if taken(below) > BUDGET {
        mirror.forget();
    }
    has_room(below, BUDGET)
}

fn has_room(below: &Path, budget: u64) -> Result<(), GitError> {
    if taken(below) <= budget {
        return Ok(());
    }
    let what = format!(
        "the mirrors of all Repositories take more than {} MiB; delete Repositories, or give them agents of their own",
        budget >> 20
    );
    Err(GitError::Disk { path: below.to_owned(), source: io::Error::new(io::ErrorKind::StorageFull, what) })
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

    use super::{has_room, taken};

    #[test]
    fn mirrors_are_counted_together_and_bounded_together() {
        let below = tempfile::tempdir().unwrap();
        for mirror in ["mirror-a", "mirror-b"] {
            let packs = below.path().join(mirror).join("pack");
            fs::create_dir_all(&packs).unwrap();
            fs::write(packs.join("pack-1.pack"), vec![0; 600]).unwrap();
        }
        assert_eq!(taken(below.path()), 1200);
        assert!(has_room(below.path(), 1200).is_ok());
        let refused = has_room(below.path(), 1199).unwrap_err();
        assert_eq!(refused.code(), "disk");
    }
}
