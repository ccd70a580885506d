//! The rules for one commit: who signed it, when, and whether that signer may make this change.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;

use super::Reason;
use super::fault::{Fault, Judgement};
use super::foreign::Foreign;
use super::history::History;
use super::in_repository::SignersFile;
use super::merge::Renames;
use super::merge_base::merge_bases;
use super::openpgp::Certificates;
use super::payload::Commit;
use super::policy::{BindCommitter, Mode, Policy};
use super::signature::{self, Believed};
use super::signer::Signer;
use super::tree::is_within;
use super::{changes, payload};
use crate::git::Oid;
use crate::model::RepoPath;

/// Everything a commit is judged by.
pub(super) struct Rules<'a> {
    pub(super) policy: &'a Policy,
    pub(super) history: &'a History<'a>,
    /// Seconds since 1970.
    pub(super) now: i64,
    signers_file: Option<SignersFile<'a>>,
    /// Which commits are judged beside this one.
    mode: Mode,
    /// What was applied last, or the pinned root: already believed.
    base: Oid,
    /// What the cluster holds, also where the administrator chose an older commit to go on from.
    held: Oid,
    /// The folder that will be applied.
    applied: Option<&'a RepoPath>,
    foreign: RefCell<Foreign>,
    /// Commits that were found good, as far as anybody asks.
    good: RefCell<HashSet<Oid>>,
    /// What of the base was judged, once somebody has asked.
    believed: OnceCell<Believable>,
    /// Who says who is listed, where nobody judged the parents.
    witness: Cell<Oid>,
    /// Whether nothing counts as judged but what was found good here.
    on_record_only: bool,
}

/// Commits that were judged before they were applied.
enum Believable {
    These(HashSet<Oid>),
    AllBut(HashSet<Oid>),
}

impl<'a> Rules<'a> {
    pub(super) fn new(
        policy: &'a Policy,
        history: &'a History<'a>,
        (base, held): (Oid, Oid),
        applied: Option<&'a RepoPath>,
        now: i64,
    ) -> Self {
        let signers_file = policy.in_repository.as_ref().map(|path| SignersFile::new(history, path));
        Self {
            policy,
            history,
            now,
            signers_file,
            mode: policy.mode,
            base,
            held,
            applied,
            foreign: RefCell::default(),
            good: RefCell::default(),
            believed: OnceCell::new(),
            witness: Cell::new(base),
            on_record_only: false,
        }
    }

    /// The rules for a commit whose history is judged as well, whatever the mode. What the mode has let in without judging
    /// it is no witness of who is listed.
    pub(super) fn for_every_commit(self) -> Self {
        Self { mode: Mode::EveryCommit, on_record_only: true, ..self }
    }

    /// Commit `id` was found good by other rules.
    pub(super) fn note_good(&self, id: &Oid) {
        if self.signers_file.is_some() {
            self.good.borrow_mut().insert(*id);
        }
    }

    /// From now on commit `id`, if it was found good, says who is listed where nobody judged the parents; else the base does.
    pub(super) fn ask_if_good(&self, id: Option<&Oid>) {
        let good = id.filter(|id| self.good.borrow().contains(id));
        self.witness.set(good.copied().unwrap_or(self.base));
    }

    /// What was changed outside the applied folder by who may not change it.
    pub(super) fn into_foreign(self) -> Foreign {
        self.foreign.into_inner()
    }

    /// Judges commit `id` by rules 2 to 5 and 8 to 10.
    pub(super) fn commit(&self, id: &Oid) -> Judgement<Signer> {
        let signer = self.judge_commit(id).map_err(|fault| fault.at(*id))?;
        self.note_good(id);
        Ok(signer)
    }

    /// Judges the annotated tag `tag`, object `id`, on `target` by rules 2 to 5, 8 and 9.
    pub(super) fn tag(&self, id: &Oid, tag: &payload::Tag, target: &Oid) -> Judgement<Signer> {
        let signer = self.tagger(tag)?;
        let commit = self.history.commit(target)?;
        // Nobody judged the target, so its date proves nothing; that of what was applied does.
        let before = [commit.committer.date, self.history.links(&self.base)?.date];
        self.policy.skew.judge(tag.tagger.date, &before, self.now)?;
        self.judge_address(&tag.tagger, &signer)?;
        if signer.may_be(&self.policy.merge_only) {
            return Err(more_than_a_merge(&signer, "this is a tag"));
        }
        // An older release that the administrator chose himself changes nothing on anybody's behalf.
        if self.policy.rollback_to.as_ref() != Some(target) {
            self.judge_paths(id, &commit, &signer)?;
        }
        Ok(signer)
    }

    /// Who signed a tag, if the signature is good, whatever else is wrong with it.
    pub(super) fn tagger(&self, tag: &payload::Tag) -> Judgement<Signer> {
        match &self.signers_file {
            None => self.listed(&tag.signed, tag.tagger.date),
            // The target was judged by nobody; what was applied last was.
            Some(file) => self.in_repository(&tag.signed, tag.tagger.date, file, &[self.base]),
        }
    }

    /// The signer of `id` if the signature counts as an approval: it is good, at an honest time, and bound as it must be.
    pub(super) fn approval(&self, id: &Oid) -> Judgement<Signer> {
        let commit = self.history.commit(id)?;
        let signer = self.signed_by(&commit)?;
        self.judge_time(&commit)?;
        self.judge_address(&commit.committer, &signer)?;
        Ok(signer)
    }

    /// The signer of `id` if the signature is good, whatever else the commit does.
    pub(super) fn signer(&self, id: &Oid) -> Judgement<Signer> {
        let commit = self.history.commit(id)?;
        self.signed_by(&commit)
    }

    /// Who seems to have signed `id`, before anybody knows what of its history is judged: good for bounds alone.
    pub(super) fn apparent_signer(&self, id: &Oid) -> Judgement<Signer> {
        let commit = self.history.commit(id)?;
        let mut judges = commit.parents.clone();
        if matches!(self.mode, Mode::Head | Mode::Tag) {
            judges.push(self.base);
        }
        self.signed_before(&commit, &judges)
    }

    fn judge_commit(&self, id: &Oid) -> Judgement<Signer> {
        let commit = self.history.commit(id)?;
        let signer = self.signed_by(&commit)?;
        self.judge_time(&commit)?;
        self.judge_address(&commit.committer, &signer)?;
        if let Some(file) = &self.signers_file {
            file.judge_own(&commit.tree)?;
        }
        self.judge_forge(&commit, &signer)?;
        self.judge_paths(id, &commit, &signer)?;
        Ok(signer)
    }

    fn signed_by(&self, commit: &Commit) -> Judgement<Signer> {
        let mut judges = commit.parents.clone();
        // Where nobody judged the parents they must not hand out trust by themselves.
        if self.signers_file.is_some() && !judges.is_empty() && !self.has_judged_one_of(&judges)? {
            judges.push(self.witness.get());
        }
        self.signed_before(commit, &judges)
    }

    /// Who signed it, if the signers files of all `judges` list him.
    fn signed_before(&self, commit: &Commit, judges: &[Oid]) -> Judgement<Signer> {
        let date = commit.committer.date;
        let Some(file) = &self.signers_file else { return self.listed(&commit.signed, date) };
        // The files of up to 64 parents are looked for for who may be listed there alone.
        signature::refuse_hopeless(&commit.signed, date, self.now, self.policy)?;
        self.in_repository(&commit.signed, date, file, judges)
    }

    /// Whether one of `parents` was judged: its file lists nobody whom its own judges did not let in.
    fn has_judged_one_of(&self, parents: &[Oid]) -> Judgement<bool> {
        match self.mode {
            Mode::Head | Mode::Tag => return Ok(false),
            // The first one is on the line.
            Mode::FirstParent => return Ok(true),
            Mode::EveryCommit => {}
        }
        if parents.iter().any(|parent| *parent == self.base || self.good.borrow().contains(parent)) {
            return Ok(true);
        }
        if self.on_record_only {
            return Ok(false);
        }
        for parent in parents {
            if !self.is_below_root(parent)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether commit `id`, which the base holds, lies below the pinned root: all else there was judged once.
    fn is_below_root(&self, id: &Oid) -> Judgement<bool> {
        let (root, history) = (&self.policy.root, self.history);
        let believed = match self.believed.get() {
            Some(believed) => believed,
            None => {
                // Where no way leads past the root, what was met descends from it.
                let believed = match history.walk(&self.held, Some(root)) {
                    Ok(above) if !above.ended => Believable::These(above.met),
                    Err(fault) if fault.reason != Reason::IncompleteHistory => return Err(fault),
                    Ok(_) | Err(_) => Believable::AllBut(history.walk(root, None)?.met),
                };
                self.believed.get_or_init(|| believed)
            }
        };
        Ok(id != root
            && match believed {
                Believable::These(above) => !above.contains(id),
                Believable::AllBut(below) => below.contains(id),
            })
    }

    fn listed(&self, signature_of: &payload::Signed, date: i64) -> Judgement<Signer> {
        let believed = Believed { allowed: &self.policy.allowed, certificates: &self.policy.certificates };
        signature::judge(signature_of, date, self.now, self.policy, believed)
    }

    /// The files of all `judges` must list the signer. They are read one after the other: most are not listed in the first.
    fn in_repository(
        &self,
        signature_of: &payload::Signed,
        date: i64,
        file: &SignersFile<'_>,
        judges: &[Oid],
    ) -> Judgement<Signer> {
        let nobody = Certificates::default();
        let mut agreed: Option<Signer> = None;
        let mut asked: Vec<Oid> = Vec::new();
        for judge in judges {
            let blob = file.of_judge(judge)?;
            // Most judges have the same file.
            if asked.contains(&blob) {
                continue;
            }
            asked.push(blob);
            let allowed = file.of_blob(&blob)?;
            self.history.step(judge, signature::effort(signature_of, &allowed)?)?;
            let believed = Believed { allowed: &allowed, certificates: &nobody };
            let found = signature::judge(signature_of, date, self.now, self.policy, believed)?;
            agreed = Some(match agreed {
                None => found,
                Some(before) => before.shared_with(&found).ok_or_else(|| {
                    let fact = format!("key {} speaks for different principals in the parents' files", found.key);
                    Fault::new(Reason::UnknownSigner, fact)
                })?,
            });
        }
        agreed.ok_or_else(|| {
            let fact = "a commit without parents has none whose signers file could list its signer";
            Fault::new(Reason::UnknownSigner, fact)
        })
    }

    fn judge_time(&self, commit: &Commit) -> Judgement<()> {
        let mut dates = Vec::with_capacity(commit.parents.len() + 1);
        for parent in &commit.parents {
            dates.push(self.history.links(parent)?.date);
        }
        // Where nobody judged the parents they must not lead the date back either.
        if self.parents_are_unjudged() {
            dates.push(self.history.links(&self.base)?.date);
        }
        self.policy.skew.judge(commit.committer.date, &dates, self.now)
    }

    fn parents_are_unjudged(&self) -> bool {
        match self.mode {
            Mode::Head | Mode::Tag => true,
            Mode::EveryCommit | Mode::FirstParent => false,
        }
    }

    fn judge_address(&self, ident: &payload::Ident, signer: &Signer) -> Judgement<()> {
        let address = ident.email.as_deref();
        match self.policy.bind_committer {
            BindCommitter::Yes if !address.is_some_and(|address| signer.has_address(address)) => {
                let address = address.unwrap_or("unreadable").escape_debug().to_string();
                let fact = format!("the committer is {address}, the signer {}", signer.names.join(","));
                Err(Fault::new(Reason::CommitterMismatch, fact))
            }
            BindCommitter::Yes | BindCommitter::No => Ok(()),
        }
    }

    /// A forge's key may make mechanical merges and nothing else.
    fn judge_forge(&self, commit: &Commit, signer: &Signer) -> Judgement<()> {
        if !signer.may_be(&self.policy.merge_only) {
            return Ok(());
        }
        let [one, other] = commit.parents.as_slice() else {
            return Err(more_than_a_merge(signer, &format!("this commit has {} parents", commit.parents.len())));
        };
        // No forge merges what never was one: only somebody who says so on purpose brings another repository in.
        if merge_bases(self.history, &[*one], other)?.is_empty() {
            return Err(more_than_a_merge(signer, "the parents of this commit have no history in common"));
        }
        let changed = |renames| changes::of_commit(self.history, &commit.tree, &commit.parents, renames, 1);
        let by_itself = changed(Renames::Ignored)?;
        let Some(path) = by_itself.first() else { return Ok(()) };
        // Forges differ in whether a change follows a file that was moved; both come from the parents alone.
        if changed(Renames::Followed)?.is_empty() {
            return Ok(());
        }
        Err(more_than_a_merge(signer, &format!("`{}` is not as the merge makes it", path.escape_debug())))
    }

    /// What the signer of `id` answers for: all that no other signer was judged for.
    fn judge_paths(&self, id: &Oid, commit: &Commit, signer: &Signer) -> Judgement<()> {
        if self.policy.path_rules.is_empty() {
            return Ok(());
        }
        let changed = match self.mode {
            // A change that follows a file to another place is one there: whoever merges answers for it.
            Mode::EveryCommit => {
                changes::of_commit(self.history, &commit.tree, &commit.parents, Renames::Ignored, changes::ALL)?
            }
            // The merge vouches for what it merges.
            Mode::FirstParent => changes::against(self.history, &commit.tree, commit.parents.first())?,
            // Nobody was asked about what lies between.
            Mode::Head | Mode::Tag => changes::against(self.history, &commit.tree, Some(&self.base))?,
        };
        if let Some(path) = changed.iter().find(|path| !self.may_change(path, signer)) {
            let fact = format!("{} may not change `{}`", signer.names.join(","), path.escape_debug());
            return Err(Fault::new(Reason::PathNotAuthorised, fact));
        }
        self.note_foreign(id, &changed, signer);
        Ok(())
    }

    /// Whoever may write the applied folder's kustomization may make anything an input of it.
    fn note_foreign(&self, id: &Oid, changed: &[String], signer: &Signer) {
        let Some(applied) = self.applied.filter(|applied| !applied.is_root()) else { return };
        if self.may_change(&format!("{applied}/kustomization.yaml"), signer) {
            return;
        }
        let (mut foreign, who) = (self.foreign.borrow_mut(), signer.names.join(","));
        // Inside the folder the rules have said of each path who may change it.
        let outside = changed.iter().filter(|path| !is_within(path, applied));
        outside.for_each(|path| foreign.note(path, *id, &who));
    }

    /// The first rule that matches decides; where none does, nobody may.
    fn may_change(&self, path: &str, signer: &Signer) -> bool {
        let rules = &self.policy.path_rules;
        let rule = rules.iter().find(|rule| rule.paths.iter().any(|glob| glob.matches(path)));
        rule.is_some_and(|rule| signer.is_among(&rule.signers))
    }
}

fn more_than_a_merge(signer: &Signer, what: &str) -> Fault {
    let fact = format!("{} may only make mechanical merges, and {what}", signer.names.join(","));
    Fault::new(Reason::SignerNotAllowedForChange, fact)
}
