//! From what is wanted, recorded and found to what is done.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::model::{Key, Node, Object, Place};
use crate::policy::{Admitted, Handling, Item};
use crate::trust::Origin;

use super::fuse::{blown, cascades};
use super::order::rank;
use super::{Departed, Entry, Existing, Held, HeldBecause, Identity, Inventory, Live, Owner, Prune, Stage, Target};

/// What would be done, and where it is from. Holds secrets: neither `Debug` nor `Clone`.
pub struct Plan<O: Origin> {
    steps: Steps,
    origin: O,
}

/// What would be done, in order. Holds secrets: neither `Debug` nor `Clone`.
pub struct Steps {
    /// What is to be as its manifest says: definitions first.
    pub(crate) applies: Vec<Apply>,
    /// What is to go: definitions last.
    pub(crate) deletions: Vec<Deletion>,
    pub(crate) held: Vec<Held>,
    pub(crate) lost: Vec<Key>,
    /// What is not wanted any more and stays recorded until it is gone.
    pub(crate) departed: Vec<Entry>,
    intended: Inventory,
}

/// One object that is to be as its manifest says.
pub struct Apply {
    /// The manifest, with the owner's labels.
    pub object: Object,
    /// Where it lives.
    pub target: Target,
    /// How it wants to be handled.
    pub handling: Handling,
    /// What is there now.
    pub existing: Option<Existing>,
}

/// One object that is to go: only while it has this UID and still names its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Where it lives.
    pub target: Target,
    /// Its UID.
    pub uid: String,
}

/// Why there is no plan; nothing may be changed then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Other Syncs own these: who came first keeps them.
    Foreign(Vec<(Key, Place, Owner)>),
    /// Pairs of manifests that are the same object in the cluster.
    Same(Vec<(Key, Place, Place)>),
    /// A wanted object was not looked for.
    NotSurveyed(Key),
}

impl<O: Origin> Plan<O> {
    /// What is to be as its manifest says: definitions first.
    pub fn applies(&self) -> &[Apply] {
        &self.steps.applies
    }

    /// What is to go: definitions last.
    pub fn deletions(&self) -> &[Deletion] {
        &self.steps.deletions
    }

    /// Deletions that do not happen.
    pub fn held(&self) -> &[Held] {
        &self.steps.held
    }

    /// Recorded objects that somebody else has made anew or taken over, or that are wanted under another group: they are
    /// forgotten, not deleted.
    pub fn lost(&self) -> &[Key] {
        &self.steps.lost
    }

    /// What must be recorded before the first request: everything that is recorded now, and everything that is wanted.
    pub fn intended(&self) -> &Inventory {
        &self.steps.intended
    }

    /// The same for these objects alone: nothing else is written, and nothing is deleted.
    #[must_use]
    pub fn only(mut self, objects: &BTreeSet<Identity>) -> Self {
        self.steps.applies.retain(|apply| objects.contains(&Identity::from(&apply.target.key)));
        self.steps.deletions.clear();
        self
    }

    /// Where it is from.
    pub fn origin(&self) -> &O {
        &self.origin
    }

    /// The steps, for the stage that does them.
    pub(crate) fn into_steps(self) -> Steps {
        self.steps
    }
}

/// Plans how the cluster gets from what was found to what is wanted.
///
/// # Errors
/// Another Sync owns a wanted object; two manifests are one object; something was not surveyed.
pub fn plan<O: Origin>(
    admitted: Admitted<O>,
    inventory: &Inventory,
    live: &Live,
    prune: Prune,
    owner: &Owner,
) -> Result<Plan<O>, Refusal> {
    let (items, origin) = admitted.into_parts();
    Ok(Plan { steps: steps(items, inventory, live, prune, owner)?, origin })
}

/// The same for objects alone.
pub(crate) fn steps(
    items: Vec<Item>,
    inventory: &Inventory,
    live: &Live,
    prune: Prune,
    owner: &Owner,
) -> Result<Steps, Refusal> {
    let wanted = items
        .into_iter()
        .map(|item| {
            let (object, key, handling) = item.into_parts();
            let located = live.of(&key).ok_or_else(|| Refusal::NotSurveyed(key.clone()))?.clone();
            Ok(Apply { object, target: located.target, handling, existing: located.existing })
        })
        .collect::<Result<Vec<_>, Refusal>>()?;
    let applies = wanted_in_order(wanted, inventory, owner)?;
    let mut intended = inventory.clone();
    for apply in &applies {
        let before = inventory.get(&Identity::from(&apply.target.key));
        // What is not ours yet is recorded with its UID once it is: until then somebody else may take it, by right.
        let is_ours = |existing: &&Existing| {
            existing.owner.as_ref() == Some(owner)
                || before.is_some_and(|before| before.uid.as_ref() == Some(&existing.uid))
        };
        let uid = apply.existing.as_ref().filter(is_ours).map(|existing| existing.uid.clone());
        // It is wanted again by the last good commit only, or not written yet: its deletion stays held until it is.
        let held = before.is_some_and(|before| before.held);
        intended.expect(Entry { held, ..Entry::new(apply.target.key.clone(), uid) });
    }
    let Farewell { deletions, held, lost, departed } = Farewell::decide(inventory, &applies, live, prune, owner);
    for entry in &departed {
        intended.record(entry.clone());
    }
    Ok(Steps { applies, deletions, held, lost, departed, intended })
}

fn wanted_in_order(mut wanted: Vec<Apply>, inventory: &Inventory, owner: &Owner) -> Result<Vec<Apply>, Refusal> {
    let mut seen: BTreeMap<Identity, Place> = BTreeMap::new();
    let mut foreign = Vec::new();
    let mut same = Vec::new();
    for apply in &mut wanted {
        let place = apply.object.place().clone();
        let key = &apply.target.key;
        if let Some(first) = seen.insert(Identity::from(key), place.clone()) {
            same.push((key.clone(), first, place));
            continue;
        }
        // A label can be written by whoever may patch the object; what is recorded with this UID is ours whatever it says.
        let recorded = inventory.get(&Identity::from(key)).and_then(|entry| entry.uid.as_ref());
        let existing = apply.existing.as_ref().filter(|existing| recorded != Some(&existing.uid));
        let other = existing.and_then(|existing| existing.owner.as_ref()).filter(|found| *found != owner);
        foreign.extend(other.map(|other| (key.clone(), place, other.clone())));
        if key.namespace.is_none() {
            // A manifest of a cluster-scoped object may name a namespace; the API server would refuse it.
            if let Some(metadata) = apply.object.body_mut().get_mut("metadata").and_then(Node::as_map_mut) {
                metadata.remove("namespace");
            }
        }
        owner.mark(apply.object.body_mut());
    }
    if !same.is_empty() {
        return Err(Refusal::Same(same));
    }
    if !foreign.is_empty() {
        return Err(Refusal::Foreign(foreign));
    }
    wanted.sort_by_key(|apply| (Stage::of(&apply.target.key), rank(&apply.target.key)));
    Ok(wanted)
}

/// What happens to what is recorded and not wanted any more.
#[derive(Default)]
struct Farewell {
    deletions: Vec<Deletion>,
    held: Vec<Held>,
    lost: Vec<Key>,
    departed: Vec<Entry>,
}

impl Farewell {
    fn decide(inventory: &Inventory, applies: &[Apply], live: &Live, prune: Prune, owner: &Owner) -> Self {
        let wanted: BTreeSet<Identity> = applies.iter().map(|apply| Identity::from(&apply.target.key)).collect();
        let uids = applies.iter().filter_map(|apply| apply.existing.as_ref().map(|existing| existing.uid.as_str()));
        let wanted_uids: BTreeSet<&str> = uids.collect();
        let mut farewell = Self::default();
        let (mut going, mut approved, mut staying) = (Vec::new(), Vec::new(), Vec::new());
        for entry in inventory.iter().filter(|entry| !wanted.contains(&Identity::from(&entry.key))) {
            let located = match live.departed(&Identity::from(&entry.key)) {
                Departed::Gone => continue,
                Departed::Unknown => {
                    // Where nothing is deleted anyway, nobody has to grant a right for it.
                    let because = match prune {
                        Prune::Off | Prune::LastGood => HeldBecause::PruneOff,
                        Prune::Fused | Prune::Approved => HeldBecause::KindUnknown,
                    };
                    staying.push((entry, because));
                    continue;
                }
                Departed::Present(located) => located,
            };
            let Some(existing) = &located.existing else { continue };
            let remade = entry.uid.as_ref().is_some_and(|uid| *uid != existing.uid);
            // One object can be served under two groups: it is wanted under the other one.
            let wanted_elsewhere = wanted_uids.contains(existing.uid.as_str());
            if remade || wanted_elsewhere || existing.owner.as_ref() != Some(owner) {
                farewell.lost.push(entry.key.clone());
            } else if existing.deleting {
                farewell.departed.push(entry.clone());
            } else if existing.kept {
                farewell.hold(entry, HeldBecause::ObjectSaysKeep);
            } else {
                let deletion = Deletion { target: located.target.clone(), uid: existing.uid.clone() };
                match prune {
                    // Who approved has seen what was held, and nothing else.
                    Prune::Approved if entry.held => approved.push((entry, deletion)),
                    Prune::Approved | Prune::Fused if cascades(&entry.key) => {
                        farewell.hold(entry, HeldBecause::Cascades);
                    }
                    Prune::Approved | Prune::Fused if entry.held => farewell.hold(entry, HeldBecause::HeldBefore),
                    Prune::Approved | Prune::Fused => going.push((entry, deletion)),
                    Prune::Off | Prune::LastGood => staying.push((entry, HeldBecause::PruneOff)),
                }
            }
        }
        // What leaves anyway, or only stays because it is held, is nothing that is left. What stays for another reason may go
        // without anybody looking once that reason is gone: it counts as if it went now.
        let waiting = farewell.held.iter().filter(|held| held.because.needs_approval()).count();
        let waiting = waiting + staying.iter().filter(|(entry, _)| entry.held).count();
        let leaving = going.len() + staying.iter().filter(|(entry, _)| !entry.held).count();
        let blown = blown(leaving, inventory.len().saturating_sub(approved.len() + waiting));
        for (entry, because) in staying {
            let held = entry.held || (prune != Prune::LastGood && blown.is_some());
            farewell.stay(Entry { held, ..entry.clone() }, because);
        }
        for (entry, deletion) in going {
            match blown {
                Some(because) => farewell.hold(entry, because),
                None => farewell.let_go(entry, deletion),
            }
        }
        approved.into_iter().for_each(|(entry, deletion)| farewell.let_go(entry, deletion));
        farewell.deletions.sort_by_key(|deletion| {
            let key = &deletion.target.key;
            std::cmp::Reverse((Stage::of(key), rank(key)))
        });
        farewell
    }

    fn let_go(&mut self, entry: &Entry, deletion: Deletion) {
        self.departed.push(entry.clone());
        self.deletions.push(deletion);
    }

    fn hold(&mut self, entry: &Entry, because: HeldBecause) {
        let held = entry.held || because.needs_approval();
        self.stay(Entry { held, ..entry.clone() }, because);
    }

    fn stay(&mut self, entry: Entry, because: HeldBecause) {
        self.held.push(Held { key: entry.key.clone(), because });
        self.departed.push(entry);
    }
}

impl Refusal {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Foreign(_) => "owned-by-another",
            Refusal::Same(_) => "duplicate-object",
            Refusal::NotSurveyed(_) => "not-surveyed",
        }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Foreign(objects) => {
                for (at, (key, place, owner)) in objects.iter().take(10).enumerate() {
                    let between = if at == 0 { "" } else { "; " };
                    write!(f, "{between}{place}: {key} is owned by {owner}, which came first and keeps it")?;
                }
                match objects.len().saturating_sub(10) {
                    0 => f.write_str(
                        ". Remove it from one of the two, or move it as `gitwarrant explain owned-by-another` says",
                    ),
                    more => write!(f, "; and {more} more"),
                }
            }
            Refusal::Same(pairs) => pairs.iter().take(10).enumerate().try_for_each(|(at, (key, first, second))| {
                let between = if at == 0 { "" } else { "; " };
                write!(f, "{between}{second}: {key} is the same object as the one at {first}")
            }),
            Refusal::NotSurveyed(key) => write!(f, "{key} was not looked for in the cluster; please report this"),
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
