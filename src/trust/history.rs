//! The graph of commits, read object by object. References, replacements, grafts and shallow marks are never asked.

use std::cell::{Cell, RefCell};
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::rc::Rc;

use super::Reason;
use super::fault::{Fault, Judgement};
use super::payload;
use crate::git::{Kind, Objects, Oid};

/// Upper bound on any object, in bytes.
pub(super) const MAX_OBJECT: u64 = 64 << 20;
/// Upper bound on the commits looked at in one judgement: some 300 bytes are kept for each.
const MAX_COMMITS: usize = 500_000;
/// Upper bound on the parents they name: some 35 bytes are kept for each.
const MAX_PARENTS: usize = 2_000_000;
/// Upper bound on the steps from commit to commit in one judgement. Every merge asks where its parents last met, so that
/// a history made for it could cost the square of its length.
pub(super) const MAX_STEPS: u64 = 20_000_000;

/// Bytes of a commit that count as a step more: hardly one is as large, and a large one takes as long as many.
const STEP_BYTES: u64 = 4096;

/// Tree, parents and date of a commit, as Git reads them.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) tree: Oid,
    pub(super) parents: Vec<Oid>,
    /// Committer date in seconds since 1970; 0 where it is unreadable.
    pub(super) date: i64,
}

/// Commits on the way to the one to be judged.
pub(super) struct History<'a> {
    objects: &'a Objects,
    links: RefCell<HashMap<Oid, Rc<Links>>>,
    parents: Cell<usize>,
    steps_left: Cell<u64>,
}

/// What a walk from a commit to its ancestors met.
pub(super) struct Walk {
    /// All commits met, without those to stop at.
    pub(super) met: HashSet<Oid>,
    /// Whether the commit to stop at was met.
    pub(super) stopped: bool,
    /// Whether a commit without parents was met.
    pub(super) ended: bool,
}

impl<'a> History<'a> {
    pub(super) fn new(objects: &'a Objects) -> Self {
        Self { objects, links: RefCell::default(), parents: Cell::new(0), steps_left: Cell::new(MAX_STEPS) }
    }

    pub(super) fn objects(&self) -> &'a Objects {
        self.objects
    }

    /// From now on this many steps may be made.
    pub(super) fn allow(&self, steps: u64) {
        self.steps_left.set(steps);
    }

    /// Counts `steps` that end at `id`.
    pub(super) fn step(&self, id: &Oid, steps: u64) -> Judgement<()> {
        let Some(left) = self.steps_left.get().checked_sub(steps) else {
            return Err(Fault::new(Reason::LimitExceeded, "too many steps from commit to commit").at(*id));
        };
        self.steps_left.set(left);
        Ok(())
    }

    /// Counts the reading of `bytes` of object `id`.
    pub(super) fn step_over(&self, id: &Oid, bytes: usize) -> Judgement<()> {
        self.step(id, bytes as u64 / STEP_BYTES)
    }

    /// The commit, read strictly.
    pub(super) fn commit(&self, id: &Oid) -> Judgement<payload::Commit> {
        let raw = self.read(id, payload::MAX_COMMIT)?;
        payload::commit(&raw, self.objects.algorithm()).map_err(|fault| fault.at(*id))
    }

    /// The commit's place in the graph, read as Git does.
    pub(super) fn links(&self, id: &Oid) -> Judgement<Rc<Links>> {
        if let Some(links) = self.links.borrow().get(id) {
            return Ok(links.clone());
        }
        if self.links.borrow().len() >= MAX_COMMITS {
            return Err(Fault::new(Reason::LimitExceeded, format!("more than {MAX_COMMITS} commits")).at(*id));
        }
        // What is too large for the steps left need not be read to see that.
        let limit = (self.steps_left.get() + 1).saturating_mul(STEP_BYTES).min(MAX_OBJECT);
        let raw = self.read(id, limit)?;
        self.step_over(id, raw.len())?;
        let links = payload::links(&raw, self.objects.algorithm()).map_err(|fault| fault.at(*id))?;
        self.parents.set(self.parents.get() + links.1.len());
        if self.parents.get() > MAX_PARENTS {
            return Err(Fault::new(Reason::LimitExceeded, format!("more than {MAX_PARENTS} parents")).at(*id));
        }
        let links = Rc::new(Links { tree: links.0, parents: links.1, date: links.2 });
        self.links.borrow_mut().insert(*id, links.clone());
        Ok(links)
    }

    /// As [`Self::links`], for who goes on to every parent: each is a step.
    pub(super) fn parents(&self, id: &Oid) -> Judgement<Rc<Links>> {
        let links = self.links(id)?;
        self.step(id, links.parents.len() as u64)?;
        Ok(links)
    }

    fn read(&self, id: &Oid, limit: u64) -> Judgement<Vec<u8>> {
        let raw = self.objects.read(id, limit).map_err(|error| Fault::from(error).at(*id))?;
        match raw.kind {
            Kind::Commit => Ok(raw.bytes),
            Kind::Tree | Kind::Blob | Kind::Tag => {
                Err(Fault::new(Reason::MalformedObject, format!("object {id} is not a commit")).at(*id))
            }
        }
    }

    /// Everything reachable from `head`, not going on behind `stop`.
    pub(super) fn walk(&self, head: &Oid, stop: Option<&Oid>) -> Judgement<Walk> {
        let mut walk = Walk { met: HashSet::new(), stopped: false, ended: false };
        let mut open = vec![*head];
        while let Some(id) = open.pop() {
            self.step(&id, 1)?;
            if Some(&id) == stop {
                walk.stopped = true;
                continue;
            }
            if !walk.met.insert(id) {
                continue;
            }
            let links = self.parents(&id)?;
            walk.ended |= links.parents.is_empty();
            open.extend(&links.parents);
        }
        Ok(walk)
    }

    /// Whether `ancestor` is `head` or can be reached from it. Newest commits are looked at first.
    pub(super) fn reaches(&self, head: &Oid, ancestor: &Oid) -> Judgement<bool> {
        let mut met = HashSet::from([*head]);
        let mut open = BinaryHeap::from([(i64::MAX, *head)]);
        while let Some((_, id)) = open.pop() {
            self.step(&id, 1)?;
            if id == *ancestor {
                return Ok(true);
            }
            for parent in &self.parents(&id)?.parents {
                if parent == ancestor {
                    return Ok(true);
                }
                if met.insert(*parent) {
                    open.push((self.links(parent)?.date, *parent));
                }
            }
        }
        Ok(false)
    }

    /// `commits` with every parent before its children.
    pub(super) fn parents_first(&self, head: &Oid, commits: &HashSet<Oid>) -> Judgement<Vec<Oid>> {
        let mut order = Vec::with_capacity(commits.len());
        let mut seen = HashSet::new();
        let mut open = vec![(*head, false)];
        while let Some((id, parents_done)) = open.pop() {
            self.step(&id, 1)?;
            if parents_done {
                order.push(id);
            } else if commits.contains(&id) && seen.insert(id) {
                open.push((id, true));
                open.extend(self.parents(&id)?.parents.iter().rev().map(|parent| (*parent, false)));
            }
        }
        Ok(order)
    }
}
