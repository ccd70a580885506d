//! Where histories last met.

use std::collections::{BinaryHeap, HashMap};

use super::fault::Judgement;
use super::history::History;
use crate::git::Oid;

const OURS: u8 = 1;
const THEIRS: u8 = 2;
const COMMON: u8 = OURS | THEIRS;
/// Reachable from a common ancestor: not a best one.
const STALE: u8 = 4;

/// The best common ancestors of any of `ours` and `theirs`, newest first.
///
/// The way of git's commit-reach.c: paint down by date, then drop what another one reaches.
pub(super) fn merge_bases(history: &History<'_>, ours: &[Oid], theirs: &Oid) -> Judgement<Vec<Oid>> {
    let found = paint(history, ours, theirs)?;
    let mut best = Vec::new();
    for one in &found {
        let mut redundant = false;
        for other in &found {
            redundant |= one != other && history.reaches(other, one)?;
        }
        if !redundant {
            best.push(*one);
        }
    }
    Ok(best)
}

fn paint(history: &History<'_>, ours: &[Oid], theirs: &Oid) -> Judgement<Vec<Oid>> {
    let mut paint: HashMap<Oid, u8> = HashMap::new();
    let mut open: BinaryHeap<(i64, Oid)> = BinaryHeap::new();
    for (id, colour) in ours.iter().map(|id| (id, OURS)).chain([(theirs, THEIRS)]) {
        *paint.entry(*id).or_default() |= colour;
        open.push((history.links(id)?.date, *id));
    }
    let mut found = Vec::new();
    while open.iter().any(|(_, id)| paint[id] & STALE == 0) {
        let Some((_, id)) = open.pop() else { break };
        // Whether something fresh is left was asked of all that is open.
        history.step(&id, 1 + open.len() as u64)?;
        let mut colour = paint[&id];
        if colour & STALE == 0 && colour & COMMON == COMMON {
            if !found.contains(&id) {
                found.push(id);
            }
            colour |= STALE;
        }
        for parent in &history.parents(&id)?.parents {
            let before = paint.entry(*parent).or_default();
            if *before & colour != colour {
                *before |= colour;
                open.push((history.links(parent)?.date, *parent));
            }
        }
    }
    Ok(found.into_iter().filter(|id| paint[id] & STALE == 0).collect())
}
