//! What people changed outside the applied folder who may not change inside it.
//!
//! Which of those files the folder draws in is known only when its bases have been followed; then they are looked up here.

use std::collections::BTreeMap;

use super::Reason;
use super::fault::Fault;
use super::links::Shown;
use crate::git::Oid;
use crate::model::RepoPath;

/// What they changed, and how links lead there.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    /// By path: the commit and who signed it.
    changed: BTreeMap<String, (Oid, String)>,
    shown: Shown,
}

impl Foreign {
    /// Notes that commit `id`, signed by `who`, changed `path`.
    pub(super) fn note(&mut self, path: &str, id: Oid, who: &str) {
        self.changed.insert(path.to_owned(), (id, who.to_owned()));
    }

    /// With what others changed.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.changed.extend(other.changed);
        self
    }

    /// With what links of the head's tree show, where anything was changed at all.
    pub(super) fn through(self, shown: Shown) -> Self {
        if self.changed.is_empty() { self } else { Self { shown, ..self } }
    }

    /// The first of `inputs` that was so changed: itself, the file it shows, or a link on the way there.
    pub(super) fn first_of<'a>(&self, mut inputs: impl Iterator<Item = &'a RepoPath>) -> Option<(&'a RepoPath, Fault)> {
        if self.changed.is_empty() {
            return None;
        }
        inputs.find_map(|path| {
            let way = self.shown.get(path.as_str());
            let on_the_way = way.into_iter().flat_map(|way| way.links.iter().chain([&way.path])).map(String::as_str);
            let (changed, (id, who)) =
                [path.as_str()].into_iter().chain(on_the_way).find_map(|one| Some((one, self.changed.get(one)?)))?;
            let (shown, changed) = (path.as_str().escape_debug(), changed.escape_debug());
            let fact = format!(
                "the applied folder draws in `{shown}`, of which `{changed}` was changed by {who}, who may not change the folder"
            );
            Some((path, Fault::new(Reason::PathNotAuthorised, fact).at(*id)))
        })
    }
}
