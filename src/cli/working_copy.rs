//! Which repository a folder means.

use std::path::{Path, PathBuf};

/// `dir`, or, as git does it, the nearest folder above it that is a working copy.
pub(super) fn top(dir: &Path) -> PathBuf {
    let is_one = |folder: &Path| folder.join(".git").exists() || folder.join("objects").is_dir();
    if is_one(dir) {
        return dir.to_owned();
    }
    let full = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let above = full.ancestors().find(|folder| folder.join(".git").exists());
    above.map_or_else(|| dir.to_owned(), Path::to_owned)
}

/// Whether `file` lies in the working copy `top`.
pub(super) fn holds(top: &Path, file: &Path) -> bool {
    match (top.canonicalize(), file.canonicalize()) {
        (Ok(top), Ok(file)) => top.join(".git").exists() && file.starts_with(top),
        _ => false,
    }
}
