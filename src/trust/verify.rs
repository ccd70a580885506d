//! The one door: from what was fetched to what may be applied.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;

use super::brought::Brought;
use super::checkpoint::{self, Checkpoint};
use super::fault::{Fault, Judgement};
use super::foreign::Foreign;
use super::history::{History, MAX_STEPS};
use super::policy::{Mode, Policy};
use super::range::Range;
use super::rules::Rules;
use super::signer::Signer;
use super::threshold::{self, Line};
use super::verified::{Judged, Verified};
use super::{Reason, Refusal, range, tag, tree};
use crate::git::{Commit, Fetched, Oid};
use crate::model::RepoPath;

/// Upper bound on the steps that a head without a good signature is worth: enough to say whether it also leaves the
/// history, too few to keep anybody busy.
const MAX_STEPS_BELOW_DOUBT: u64 = 10_000;

/// What was applied before: where judging begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Base {
    /// The commit applied last; `None` before the first time.
    pub applied: Option<Oid>,
    /// The tag applied last, in tag mode.
    pub applied_tag: Option<String>,
    /// What `rollbackTo` has led away from, one order after the other, while the last one stands: nothing that lies there
    /// is taken again.
    pub left_behind: Vec<Oid>,
}

/// Judges the fetched head and its history by `policy`, `now`; `path` is the folder that will be applied.
///
/// Asks nothing but the objects: no reference, no replacement, no configuration, no clock.
pub fn verify(
    fetched: Fetched<Commit>,
    policy: &Policy,
    base: &Base,
    path: Option<&RepoPath>,
    now: Timestamp,
) -> Result<Verified<Commit>, Box<Refusal>> {
    verify_from(fetched, policy, (base, None), path, now, &|_| {})
}

/// As [`verify`], going on from the checkpoint of an earlier judgement as far as that holds, and telling `reached` of each
/// checkpoint on the way. The head itself is judged always, and so is everything between it and the checkpoint.
pub fn verify_from(
    fetched: Fetched<Commit>,
    policy: &Policy,
    (base, checkpoint): (&Base, Option<&Checkpoint>),
    path: Option<&RepoPath>,
    now: Timestamp,
    reached: &dyn Fn(Checkpoint),
) -> Result<Verified<Commit>, Box<Refusal>> {
    let (commit, objects) = fetched.into_parts();
    let history = History::new(&objects);
    let subject = Subject { commit: &commit, history: &history, policy, base, checkpoint, path, now, reached };
    // A panic in a library below is a refusal like any other. Nothing that it left half-done is looked at again.
    let proved = catch_unwind(AssertUnwindSafe(|| prove(&subject)));
    let broke = |_| {
        let fault = Fault::new(Reason::Internal, "judging broke off").at(commit.head);
        Err(Box::new(Refusal::new(&fault, commit.head, Vec::new(), &[])))
    };
    let proved = proved.unwrap_or_else(broke)?;
    let (files, judged, foreign) = (proved.files, proved.judged, proved.foreign);
    Ok(Verified::prove(commit, files, objects, judged, foreign, policy.digest().to_owned()))
}

struct Proved {
    files: tree::Blobs,
    judged: Vec<Judged>,
    foreign: Foreign,
}

fn prove(subject: &Subject<'_>) -> Result<Proved, Box<Refusal>> {
    let mut judged = Vec::new();
    match subject.judge(&mut judged) {
        Ok((files, foreign)) => {
            judged.reverse();
            Ok(Proved { files, judged, foreign })
        }
        Err(fault) => {
            judged.reverse();
            let touched = fault.at.map(|at| touched(subject.history, &at)).unwrap_or_default();
            Err(Box::new(Refusal::new(&fault, subject.commit.head, judged, &touched)))
        }
    }
}

/// The files that commit `at` changes, as far as they can be told.
fn touched(history: &History<'_>, at: &Oid) -> Vec<String> {
    let list = || -> Judgement<Vec<String>> {
        let links = history.links(at)?;
        super::changes::against_first_parent(history, &links.tree, &links.parents)
    };
    list().unwrap_or_default()
}

struct Subject<'a> {
    commit: &'a Commit,
    history: &'a History<'a>,
    policy: &'a Policy,
    base: &'a Base,
    checkpoint: Option<&'a Checkpoint>,
    path: Option<&'a RepoPath>,
    now: Timestamp,
    reached: &'a dyn Fn(Checkpoint),
}

impl Subject<'_> {
    fn judge(&self, judged: &mut Vec<Judged>) -> Judgement<(tree::Blobs, Foreign)> {
        let head = &self.commit.head;
        self.refuse_other_hash(head)?;
        let tag = match self.policy.mode {
            // What was applied is never judged again, neither the commit nor the tag it came by.
            Mode::Tag if self.is_applied() => None,
            Mode::Tag => Some(self.read_tag()?),
            Mode::EveryCommit | Mode::FirstParent | Mode::Head => None,
        };
        let base = self.base.applied.as_ref().unwrap_or(&self.policy.root);
        let rules = self.rules(base);
        let range = self.range(&rules, tag.as_ref().map(|(_, tag)| tag))?;
        let mut head_signer = None;
        if let Some((id, tag)) = tag {
            let signer = rules.tag(&id, &tag, head).map_err(|fault| fault.at(id))?;
            judged.push(signer.judged(id));
            head_signer = Some(signer);
        }
        let (before, since) = self.judged_before(base, &range)?;
        // Of those that are new: a walk from there meets what lies below the base and below the pinned root as well.
        before.iter().filter(|id| range.new.contains(*id)).for_each(|id| rules.note_good(id));
        let mut brought = Brought::new(self.rules(base).for_every_commit(), &range.new);
        for id in range.judge.iter().filter(|id| *id == head || !before.contains(*id)) {
            let signer = rules.commit(id)?;
            if let Some(brought) = &mut brought {
                judged.extend(brought.go_on(id, &signer)?);
            }
            judged.push(signer.judged(*id));
            if id == head {
                head_signer = Some(signer);
            } else if judged.len().is_multiple_of(checkpoint::EVERY) {
                // Parents come before their children: all that this one descends from has been judged.
                Checkpoint::new(self.policy, id, base, since).into_iter().for_each(self.reached);
            }
        }
        if let Some(signer) = head_signer {
            self.judge_promotion(&signer)?;
            threshold::judge(&rules, &Line { head: *head, base: self.standing(base), new: &range.new }, signer)?;
        }
        let root_tree = self.history.links(head)?.tree;
        let (files, shown) =
            tree::judge(self.history.objects(), &root_tree, self.path).map_err(|fault| fault.at(*head))?;
        let foreign = brought.map(Brought::into_foreign).unwrap_or_default();
        Ok((files, rules.into_foreign().and(foreign).through(shown)))
    }

    fn rules(&self, base: &Oid) -> Rules<'_> {
        let held = self.base.applied.unwrap_or(self.policy.root);
        Rules::new(self.policy, self.history, (self.standing(base), held), self.path, self.now.as_second())
    }

    /// The commits that an earlier judgement has found good, and when the first of several began.
    fn judged_before(&self, base: &Oid, range: &Range) -> Judgement<(HashSet<Oid>, Timestamp)> {
        let holds = |one: &&Checkpoint| one.holds(self.policy, base, self.now) && range.new.contains(&one.commit);
        match self.checkpoint.filter(holds) {
            Some(checkpoint) => Ok((self.history.walk(&checkpoint.commit, Some(base))?.met, checkpoint.at)),
            None => Ok((HashSet::new(), self.now)),
        }
    }

    /// Which commits are new. Below a head that nobody who counts has signed, not much is walked to find out.
    fn range(&self, rules: &Rules<'_>, tag: Option<&super::payload::Tag>) -> Judgement<Range> {
        let head = &self.commit.head;
        self.history.allow(MAX_STEPS_BELOW_DOUBT);
        let signed = match tag {
            Some(tag) => rules.tagger(tag).map_err(|fault| fault.at(self.commit.tag.unwrap_or(*head))),
            None => rules.apparent_signer(head).map_err(|fault| fault.at(*head)),
        };
        // What is pinned, applied or chosen by the administrator is asked for no signature.
        let chosen = [Some(&self.policy.root), self.base.applied.as_ref(), self.policy.rollback_to.as_ref()];
        let doubt = signed.err().filter(|_| !chosen.contains(&Some(head)));
        // What the signature is judged by takes too long to find.
        if let Some(doubt) = doubt.as_ref().filter(|doubt| doubt.reason == Reason::LimitExceeded) {
            return Err(doubt.clone());
        }
        self.history.allow(if doubt.is_some() { MAX_STEPS_BELOW_DOUBT } else { MAX_STEPS });
        let range = range::decide(self.history, self.policy, head, self.base);
        self.history.allow(MAX_STEPS);
        range.map_err(|fault| match doubt {
            Some(doubt) if fault.reason == Reason::LimitExceeded => doubt,
            Some(_) | None => self.prefer_broken_head(fault),
        })
    }

    /// What the new commits stand on: what was applied, but the pinned root where the administrator chose an older one.
    fn standing(&self, base: &Oid) -> Oid {
        if self.policy.rollback_to.as_ref() == Some(&self.commit.head) { self.policy.root } else { *base }
    }

    fn refuse_other_hash(&self, head: &Oid) -> Judgement<()> {
        let own = self.history.objects().algorithm();
        let ids = [Some(head), Some(&self.policy.root), self.base.applied.as_ref()];
        match ids.into_iter().flatten().find(|id| id.algorithm() != own) {
            Some(id) => {
                Err(Fault::new(Reason::BadConfiguration, format!("{id} is not an id of this repository's hash")))
            }
            None => Ok(()),
        }
    }

    fn is_applied(&self) -> bool {
        let name = tag::name_of(&self.commit.reference);
        self.base.applied == Some(self.commit.head) && self.base.applied_tag.as_deref().map(tag::name_of) == Some(name)
    }

    fn read_tag(&self) -> Judgement<(Oid, super::payload::Tag)> {
        let (head, reference) = (&self.commit.head, &self.commit.reference);
        let Some(id) = self.commit.tag else {
            return Err(Fault::new(Reason::Unsigned, "the reference is no annotated tag").at(*head));
        };
        let tag = tag::read(self.history, &id, reference, head)?;
        if let Some(applied) = &self.base.applied_tag {
            let unmoved = tag::refuse_moved(&tag.name, head, applied, self.base.applied.as_ref());
            // An older release that the administrator chose himself has an older tag.
            let chosen = self.policy.rollback_to.as_ref() == Some(head);
            let judged = unmoved.and_then(|()| if chosen { Ok(()) } else { tag::judge_version(&tag.name, applied) });
            judged.map_err(|fault| fault.at(id))?;
        }
        Ok((id, tag))
    }

    /// A head that breaks the grammar may hide its parents, or invent some; then that is the reason, not where it leads.
    fn prefer_broken_head(&self, fault: Fault) -> Fault {
        let leads_astray = [Reason::TrustRootNotAncestor, Reason::NonFastForward, Reason::IncompleteHistory];
        let unrelated = leads_astray.contains(&fault.reason);
        match self.history.commit(&self.commit.head) {
            Err(broken) if unrelated => broken,
            Ok(_) | Err(_) => fault,
        }
    }

    fn judge_promotion(&self, signer: &Signer) -> Judgement<()> {
        if self.policy.promoters.is_empty() || signer.is_among(&self.policy.promoters) {
            return Ok(());
        }
        let fact = format!("the head is signed by {}, who is no promoter", signer.names.join(","));
        Err(Fault::new(Reason::HeadNotPromoted, fact).at(self.commit.head))
    }
}
