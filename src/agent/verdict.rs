//! What the Syncs found about the newest commit of their Repository, told in its status.
//!
//! Judging is each Sync's own affair; this is for people. One Sync that refuses a head makes it a refused one, whatever
//! the others say: the words do not change back and forth between their turns.

use std::sync::{Arc, PoisonError};

use kube::ResourceExt;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::json;
use tracing::warn;

use crate::api::{Rejected, Repository, SignedBy};
use crate::git::Commit;

use super::Error;
use super::desk::Desk;
use super::outcome::revision;
use super::prepare::{Held, Stage};

/// What was told last about a Repository's head.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The head, and the digest of the policy.
    about: (String, String),
    verified: Option<SignedBy>,
    rejected: Option<Rejected>,
}

impl Verdict {
    /// With what one more Sync found about `head`: who signed it, or why it was refused.
    fn with(&self, about: (String, String), found: Result<SignedBy, Rejected>) -> Self {
        let (mut verified, mut rejected) = (self.verified.clone(), self.rejected.clone());
        if self.about != about {
            rejected = None;
        }
        match found {
            Ok(by) => {
                // A Sync that has applied it already knows the signer only from its record.
                let known = verified.take().filter(|known| known.commit == by.commit && by.signer.is_none());
                verified = Some(known.unwrap_or(by));
            }
            Err(found) => rejected = rejected.or(Some(found)),
        }
        Self { about, verified, rejected }
    }
}

/// Tells what judging `commit` came to; `by` is the signer where it passed. Nothing is written that was told before.
pub(super) async fn tell(
    desk: &Arc<Desk>,
    repository: &Repository,
    digest: String,
    commit: &Commit,
    found: Result<Option<(String, String)>, Held>,
) {
    let head = commit.head.to_string();
    let passed = |by: Option<(String, String)>| {
        let (signer, key) = by.unzip();
        SignedBy { revision: revision(&commit.reference, &head), commit: head.clone(), signer, key }
    };
    let found = match found {
        Ok(by) => Ok(passed(by)),
        Err(refusal) => match &refusal.stage {
            Stage::Judging(at) => {
                Err(Rejected { head: head.clone(), commit: at.map(|at| at.to_string()), reason: refusal.code.clone() })
            }
            Stage::Rendering | Stage::Applying => Ok(passed(refusal.by.clone())),
            Stage::Fetching => return,
        },
    };
    let name = repository.name_any();
    let (before, now) = {
        let mut verdicts = desk.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        let before = verdicts.get(&name).cloned();
        let now = before.clone().unwrap_or_default().with((head.clone(), digest), found);
        verdicts.insert(name.clone(), now.clone());
        (before, now)
    };
    if before.is_some_and(|before| before.verified == now.verified && before.rejected == now.rejected) {
        return;
    }
    let mut status = json!({ "rejected": now.rejected });
    if let Some(verified) = &now.verified {
        status["verified"] = json!({
            "revision": verified.revision, "commit": verified.commit, "signer": verified.signer, "key": verified.key,
        });
    }
    let kind = kube::api::ApiResource::erase::<Repository>(&());
    let api = Api::<DynamicObject>::all_with(desk.client.clone(), &kind);
    let patch = Patch::Merge(json!({ "status": status }));
    if let Err(fault) = api.patch_status(&name, &PatchParams::default(), &patch).await {
        desk.verdicts.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        warn!(repository = %name, error = %Error::request("Repository status".to_owned(), &fault), "the verdict is not written");
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict;
    use crate::api::{Rejected, SignedBy};

    fn by(commit: &str, signer: Option<&str>) -> SignedBy {
        let (revision, commit) = (format!("main@{commit}"), commit.to_owned());
        SignedBy { revision, commit, signer: signer.map(str::to_owned), key: None }
    }

    fn refused(head: &str) -> Rejected {
        Rejected { head: head.to_owned(), commit: None, reason: "unsigned".to_owned() }
    }

    fn about(head: &str) -> (String, String) {
        (head.to_owned(), "policy".to_owned())
    }

    #[test]
    fn one_refusal_stands_until_the_head_moves() {
        let verdict = Verdict::default().with(about("a"), Ok(by("a", Some("alice"))));
        let verdict = verdict.with(about("b"), Err(refused("b"))).with(about("b"), Ok(by("b", Some("bob"))));
        assert_eq!(verdict.rejected.as_ref().map(|one| one.head.as_str()), Some("b"));
        let verdict = verdict.with(about("c"), Ok(by("c", Some("bob"))));
        assert!(verdict.rejected.is_none());
    }

    #[test]
    fn a_refused_head_leaves_the_verified_one_standing() {
        let verdict =
            Verdict::default().with(about("a"), Ok(by("a", Some("alice")))).with(about("b"), Err(refused("b")));
        assert_eq!(verdict.verified.and_then(|by| by.signer).as_deref(), Some("alice"));
    }

    #[test]
    fn who_signed_is_not_forgotten_when_nothing_is_new() {
        let verdict =
            Verdict::default().with(about("a"), Ok(by("a", Some("alice")))).with(about("a"), Ok(by("a", None)));
        assert_eq!(verdict.verified.and_then(|by| by.signer).as_deref(), Some("alice"));
    }
}
