//! Refusals while they are found: some of each kind, and how many more there are.

use crate::model::{Key, Place};

use super::{Error, Refusal};

/// Refusals of one kind that are kept of one object; a list of a million leaves may be wrong in each.
const KEPT: usize = 10;

/// Refused things that are kept of all objects together.
const KEPT_OF_ALL: usize = 1_000;

/// Refusals of one object.
#[derive(Default)]
pub(super) struct Refusals(Vec<(Refusal, usize)>);

impl Refusals {
    /// Adds one.
    pub(super) fn push(&mut self, refusal: Refusal) {
        self.add(refusal.code(), || refusal);
    }

    /// Adds one of this kind, made only where it is kept.
    pub(super) fn add(&mut self, code: &'static str, make: impl FnOnce() -> Refusal) {
        let mut same = self.0.iter_mut().filter(|(refusal, _)| refusal.code() == code);
        match same.nth(KEPT - 1) {
            Some((_, more)) => *more += 1,
            None => self.0.push((make(), 0)),
        }
    }

    /// Adds others, of other kinds.
    pub(super) fn append(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Says them of an object.
    pub(super) fn of(self, key: &Key, place: &Place, errors: &mut Vec<Error>) {
        for (refusal, more) in self.0 {
            let last = errors.len().checked_sub(KEPT_OF_ALL).and_then(|_| errors.last_mut());
            match last {
                // That a secret would be shown is known, whatever else there is.
                Some(last) if last.refusal.shows_a_secret() || !refusal.shows_a_secret() => last.more += 1 + more,
                Some(last) => {
                    let more = 1 + last.more + more;
                    *last = Error { object: shown_key(key), place: place.clone(), refusal, more };
                }
                None => errors.push(Error { object: shown_key(key), place: place.clone(), refusal, more }),
            }
        }
    }
}

/// A path as a message may repeat it: neither long nor over several lines, with its end, by which it is found.
pub(super) fn shown_path<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    const END: usize = 120;
    let text = parts.into_iter().map(|part| clipped(part, 80)).collect::<Vec<_>>().join(".");
    let length = text.chars().count();
    if length <= 2 * END {
        return text;
    }
    let (begin, end): (String, String) = (text.chars().take(END).collect(), text.chars().skip(length - END).collect());
    format!("{begin}…{end}")
}

/// The key, unless a part of it is longer than any name may be.
fn shown_key(key: &Key) -> Key {
    let shown = |text: &String| clipped(text, 253);
    Key {
        group: shown(&key.group),
        version: shown(&key.version),
        kind: shown(&key.kind),
        namespace: key.namespace.as_ref().map(shown),
        name: shown(&key.name),
    }
}

fn clipped(text: &str, length: usize) -> String {
    let mut shown: String = text.chars().take(length).map(|c| if c.is_control() { '?' } else { c }).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
