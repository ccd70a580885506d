//! The case collections, where they are present: `GITWARRANT_CORPORA`, or `../shared/corpora` beside the clone.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// The unpacked folder of collection `name`; `None` where there are no collections.
///
/// # Panics
/// Where there are collections and they cannot be unpacked: that is a failure, not a reason to skip.
pub fn collection(name: &str) -> Option<PathBuf> {
    static UNPACKING: Mutex<()> = Mutex::new(());
    let packed = std::env::var_os("GITWARRANT_CORPORA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"), PathBuf::from);
    if !packed.is_dir() {
        return None;
    }
    let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpora");
    let _one_at_a_time = UNPACKING.lock().unwrap();
    let status = Command::new(packed.join("unpack")).arg(&unpacked).status().expect("run `unpack` of the collections");
    assert!(status.success(), "the collections in {} cannot be unpacked", packed.display());
    Some(unpacked.join(name))
}
