//! The rules for one commit: who signed it, when, and whether that signer may make this change.

use super::Reason;
use super::allowed_signers::AllowedSigners;
use super::fault::{Fault, Judgement};
use super::history::History;
use super::in_repository::SignersFile;
use super::openpgp::Certificates;
use super::payload::Commit;
use super::policy::{BindCommitter, Mode, Policy};
use super::signature::{self, Believed};
use super::signer::Signer;
use super::{changes, payload};
use crate::git::Oid;

/// Everything a commit is judged by.
pub(super) struct Rules<'a> {
    pub(super) policy: &'a Policy,
    pub(super) history: &'a History<'a>,
    /// Seconds since 1970.
    pub(super) now: i64,
    signers_file: Option<SignersFile<'a>>,
    /// What was applied last, or the pinned root: already believed.
    base: Oid,
}

impl<'a> Rules<'a> {
    pub(super) fn new(policy: &'a Policy, history: &'a History<'a>, base: Oid, now: i64) -> Self {
        let signers_file = policy.in_repository.as_ref().map(|path| SignersFile::new(history, path));
        Self { policy, history, now, signers_file, base }
    }

    /// Judges commit `id` by rules 2 to 5 and 8 to 10.
    pub(super) fn commit(&self, id: &Oid) -> Judgement<Signer> {
        self.judge_commit(id).map_err(|fault| fault.at(*id))
    }

    /// Judges the annotated tag `tag` on `target` by rules 3 to 5 and 8.
    pub(super) fn tag(&self, tag: &payload::Tag, target: &Oid) -> Judgement<Signer> {
        let signer = match &self.signers_file {
            None => self.listed(&tag.signed, tag.tagger.date)?,
            // The target was judged by nobody; what was applied last was.
            Some(file) => {
                let signers = file.of_parents(&[self.base])?;
                self.in_repository(&tag.signed, tag.tagger.date, &signers)?
            }
        };
        let made = self.history.links(target)?.date;
        self.policy.skew.judge(tag.tagger.date, &[made], self.now)?;
        Ok(signer)
    }

    /// The signer of `id` if the signature is good, whatever else the commit does.
    pub(super) fn signer(&self, id: &Oid) -> Judgement<Signer> {
        let commit = self.history.commit(id)?;
        self.signed_by(&commit)
    }

    fn judge_commit(&self, id: &Oid) -> Judgement<Signer> {
        let commit = self.history.commit(id)?;
        let signer = self.signed_by(&commit)?;
        self.judge_time(&commit)?;
        self.judge_committer(&commit, &signer)?;
        if let Some(file) = &self.signers_file {
            file.judge_own(&commit.tree)?;
        }
        self.judge_change(&commit, &signer)?;
        Ok(signer)
    }

    fn signed_by(&self, commit: &Commit) -> Judgement<Signer> {
        let date = commit.committer.date;
        let Some(file) = &self.signers_file else { return self.listed(&commit.signed, date) };
        if commit.signed.signature.is_none() {
            return Err(Fault::new(Reason::Unsigned, "it is not signed"));
        }
        let mut judges = file.of_parents(&commit.parents)?;
        // In this mode nobody judged the parents, so they must not hand out trust by themselves.
        if self.policy.mode == Mode::Head {
            judges.extend(file.of_parents(&[self.base])?);
        }
        self.in_repository(&commit.signed, date, &judges)
    }

    fn listed(&self, signature_of: &payload::Signed, date: i64) -> Judgement<Signer> {
        let believed = Believed { allowed: &self.policy.allowed, certificates: &self.policy.certificates };
        signature::judge(signature_of, date, self.now, self.policy, believed)
    }

    /// Every one of `files` must list the signer.
    fn in_repository(
        &self,
        signature_of: &payload::Signed,
        date: i64,
        files: &[std::rc::Rc<AllowedSigners>],
    ) -> Judgement<Signer> {
        let nobody = Certificates::default();
        let mut agreed: Option<Signer> = None;
        for allowed in files {
            let believed = Believed { allowed, certificates: &nobody };
            let found = signature::judge(signature_of, date, self.now, self.policy, believed)?;
            agreed = Some(match agreed {
                None => found,
                Some(before) => before.shared_with(&found).ok_or_else(|| {
                    let fact = format!("key {} speaks for different principals in the parents' files", found.key);
                    Fault::new(Reason::UnknownSigner, fact)
                })?,
            });
        }
        agreed.ok_or_else(|| Fault::new(Reason::UnknownSigner, "no signers file"))
    }

    fn judge_time(&self, commit: &Commit) -> Judgement<()> {
        let dates = commit.parents.iter().map(|parent| Ok(self.history.links(parent)?.date));
        self.policy.skew.judge(commit.committer.date, &dates.collect::<Judgement<Vec<_>>>()?, self.now)
    }

    fn judge_committer(&self, commit: &Commit, signer: &Signer) -> Judgement<()> {
        let address = commit.committer.email.as_deref();
        match self.policy.bind_committer {
            BindCommitter::Yes if !address.is_some_and(|address| signer.has_address(address)) => {
                let address = address.unwrap_or("unreadable").escape_debug().to_string();
                let fact = format!("the committer is {address}, the signer {}", signer.names.join(","));
                Err(Fault::new(Reason::CommitterMismatch, fact))
            }
            BindCommitter::Yes | BindCommitter::No => Ok(()),
        }
    }

    fn judge_change(&self, commit: &Commit, signer: &Signer) -> Judgement<()> {
        let merge_only = signer.is_among(&self.policy.merge_only);
        let refuse = |what: String| {
            let fact = format!("{} may only make mechanical merges, and {what}", signer.names.join(","));
            Err(Fault::new(Reason::SignerNotAllowedForChange, fact))
        };
        if merge_only && commit.parents.len() != 2 {
            return refuse(format!("this commit has {} parents", commit.parents.len()));
        }
        if !merge_only && self.policy.path_rules.is_empty() {
            return Ok(());
        }
        let changed = changes::of_commit(self.history, &commit.tree, &commit.parents)?;
        if merge_only && let Some(path) = changed.first() {
            return refuse(format!("`{}` is not as the merge makes it", path.escape_debug()));
        }
        if self.policy.path_rules.is_empty() {
            return Ok(());
        }
        match changed.iter().find(|path| !self.may_change(path, signer)) {
            Some(path) => {
                let fact = format!("{} may not change `{}`", signer.names.join(","), path.escape_debug());
                Err(Fault::new(Reason::PathNotAuthorised, fact))
            }
            None => Ok(()),
        }
    }

    /// The first rule that matches decides; where none does, nobody may.
    fn may_change(&self, path: &str, signer: &Signer) -> bool {
        let rules = &self.policy.path_rules;
        let rule = rules.iter().find(|rule| rule.paths.iter().any(|glob| glob.matches(path)));
        rule.is_some_and(|rule| signer.is_among(&rule.signers))
    }
}
