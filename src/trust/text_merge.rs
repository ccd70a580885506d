//! The three-way merge of a file, line by line.
//!
//! Source of what conflicts: git's xdiff/xmerge.c. Changes that overlap or touch conflict, unless they are the same.

use std::collections::HashMap;
use std::ops::Range;

use super::text_diff::{Hunk, hunks};

/// Larger files are not merged, as if they were binary.
pub(super) const MAX_BYTES: usize = 4 << 20;
/// As far as git looks for a NUL byte.
const BINARY_PREFIX: usize = 8000;

/// The merged file; `None` for a conflict, for binary files, and where more than `steps` lines would be looked at.
pub(super) fn merge(base: &[u8], ours: &[u8], theirs: &[u8], steps: &mut usize) -> Option<Vec<u8>> {
    let readable = |bytes: &[u8]| bytes.len() <= MAX_BYTES && !is_binary(bytes);
    if ![base, ours, theirs].into_iter().all(readable) {
        return None;
    }
    let (base, ours, theirs) = (lines(base), lines(ours), lines(theirs));
    let mut numbers = Numbers::default();
    let (old, my, other) = (numbers.of(&base)?, numbers.of(&ours)?, numbers.of(&theirs)?);
    let mut mine = hunks(&old, &my, steps)?.into_iter().peekable();
    let mut others = hunks(&old, &other, steps)?.into_iter().peekable();
    let mut merged: Vec<u8> = Vec::new();
    let mut at = 0;
    loop {
        let start = match (mine.peek(), others.peek()) {
            (None, None) => break,
            (Some(one), None) | (None, Some(one)) => one.base.start,
            (Some(one), Some(other)) => one.base.start.min(other.base.start),
        };
        // Everything that overlaps or touches belongs together.
        let (mut end, mut my_part, mut other_part) = (start, Vec::new(), Vec::new());
        loop {
            if let Some(hunk) = mine.next_if(|hunk| hunk.base.start <= end) {
                end = end.max(hunk.base.end);
                my_part.push(hunk);
            } else if let Some(hunk) = others.next_if(|hunk| hunk.base.start <= end) {
                end = end.max(hunk.base.end);
                other_part.push(hunk);
            } else {
                break;
            }
        }
        base.get(at..start)?.iter().for_each(|line| merged.extend(*line));
        let my_text = apply(&base, &ours, start..end, &my_part);
        let other_text = apply(&base, &theirs, start..end, &other_part);
        match (my_part.is_empty(), other_part.is_empty()) {
            (true, _) => merged.extend(other_text),
            (false, true) => merged.extend(my_text),
            (false, false) if my_text == other_text => merged.extend(my_text),
            (false, false) => return None,
        }
        at = end;
    }
    base.get(at..)?.iter().for_each(|line| merged.extend(*line));
    Some(merged)
}

/// Whether git takes it for no text.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    bytes.iter().take(BINARY_PREFIX).any(|&byte| byte == 0)
}

/// What a side makes of `range` of the base.
fn apply(base: &[&[u8]], side: &[&[u8]], range: Range<usize>, hunks: &[Hunk]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut at = range.start;
    for hunk in hunks {
        base[at..hunk.base.start].iter().chain(&side[hunk.side.clone()]).for_each(|line| text.extend(*line));
        at = hunk.base.end;
    }
    base[at..range.end].iter().for_each(|line| text.extend(*line));
    text
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|&byte| byte == b'\n').collect()
}

/// Equal lines get equal numbers.
#[derive(Default)]
struct Numbers<'a>(HashMap<&'a [u8], u32>);

impl<'a> Numbers<'a> {
    fn of(&mut self, lines: &[&'a [u8]]) -> Option<Vec<u32>> {
        let number = |line: &&'a [u8]| {
            let next = u32::try_from(self.0.len()).ok()?;
            Some(*self.0.entry(line).or_insert(next))
        };
        lines.iter().map(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::merge;

    fn merged(base: &str, ours: &str, theirs: &str) -> Option<String> {
        let mut steps = 1_000;
        merge(base.as_bytes(), ours.as_bytes(), theirs.as_bytes(), &mut steps)
            .map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn changes_apart_are_merged() {
        assert_eq!(merged("a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD\nE\n").as_deref(), Some("A\nb\nc\nD\nE\n"));
        assert_eq!(merged("a\nb\nc\n", "b\nc\n", "a\nb\nc\nd").as_deref(), Some("b\nc\nd"));
        assert_eq!(merged("a\nb\nc\nd\ne\n", "x\na\nb\nc\nd\ne\n", "a\nb\nd\nY\n").as_deref(), Some("x\na\nb\nd\nY\n"));
    }

    #[test]
    fn the_same_change_twice_is_no_conflict() {
        assert_eq!(merged("a\nb\n", "a\nB\n", "a\nB\n").as_deref(), Some("a\nB\n"));
    }

    #[test]
    fn changes_that_overlap_or_touch_conflict() {
        assert_eq!(merged("a\nb\nc\n", "a\nX\nc\n", "a\nY\nc\n"), None);
        assert_eq!(merged("a\nb\n", "A\nb\n", "a\nB\n"), None);
        assert_eq!(merged("a\n", "a\nx\n", "a\ny\n"), None);
        assert_eq!(merged("a\0", "a\0b", "c\0"), None, "binary");
    }
}
