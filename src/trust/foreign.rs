//! What people changed outside the applied folder who may not change inside it.
//!
//! Which of those files the folder draws in is known only when its bases have been followed; then they are looked up here.

use std::collections::BTreeMap;

use super::Reason;
use super::fault::Fault;
use crate::git::Oid;
use crate::model::RepoPath;

/// By path: the commit and who signed it.
#[derive(Debug, Default)]
pub(super) struct Foreign(BTreeMap<String, (Oid, String)>);

impl Foreign {
    /// Notes that commit `id`, signed by `who`, changed `path`.
    pub(super) fn note(&mut self, path: &str, id: Oid, who: &str) {
        self.0.insert(path.to_owned(), (id, who.to_owned()));
    }

    /// The first of `inputs` that was so changed.
    pub(super) fn first_of<'a>(&self, mut inputs: impl Iterator<Item = &'a RepoPath>) -> Option<(&'a RepoPath, Fault)> {
        if self.0.is_empty() {
            return None;
        }
        inputs.find_map(|path| {
            let (id, who) = self.0.get(path.as_str())?;
            let path_shown = path.as_str().escape_debug();
            let fact =
                format!("the applied folder draws in `{path_shown}`, changed by {who}, who may not change the folder");
            Some((path, Fault::new(Reason::PathNotAuthorised, fact).at(*id)))
        })
    }
}
