//! The three-way merge of a file, line by line.
//!
//! Source of what conflicts: git's xdiff/xmerge.c. Changes that overlap or touch conflict, unless they are the same.

use std::ops::Range;

/// Larger files are not merged, as if they were binary.
const MAX_BYTES: usize = 4 << 20;
/// Files that differ in more lines are not merged. Bounds memory to its square.
const MAX_EDITS: usize = 2000;
/// As far as git looks for a NUL byte.
const BINARY_PREFIX: usize = 8000;

/// The merged file; `None` for a conflict, and for binary files.
pub(super) fn merge(base: &[u8], ours: &[u8], theirs: &[u8]) -> Option<Vec<u8>> {
    let readable = |bytes: &[u8]| bytes.len() <= MAX_BYTES && !bytes.iter().take(BINARY_PREFIX).any(|&byte| byte == 0);
    if ![base, ours, theirs].into_iter().all(readable) {
        return None;
    }
    let (base, ours, theirs) = (lines(base), lines(ours), lines(theirs));
    let mut mine = hunks(&base, &ours)?.into_iter().peekable();
    let mut others = hunks(&base, &theirs)?.into_iter().peekable();
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

/// Lines of the base that a side replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hunk {
    base: Range<usize>,
    side: Range<usize>,
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

/// The shortest edit from `base` to `side`; `None` where it is too long.
///
/// Source: E. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986).
fn hunks(base: &[&[u8]], side: &[&[u8]]) -> Option<Vec<Hunk>> {
    let head = base.iter().zip(side).take_while(|(one, other)| one == other).count();
    let (base_rest, side_rest) = (&base[head..], &side[head..]);
    let tail = base_rest.iter().rev().zip(side_rest.iter().rev()).take_while(|(one, other)| one == other).count();
    let (base_rest, side_rest) = (&base_rest[..base_rest.len() - tail], &side_rest[..side_rest.len() - tail]);
    let mut found: Vec<Hunk> = Vec::new();
    for (removed, added) in edits(base_rest, side_rest)? {
        let hunk = Hunk { base: head + removed.start..head + removed.end, side: head + added.start..head + added.end };
        match found.last_mut() {
            Some(last) if last.base.end == hunk.base.start && last.side.end == hunk.side.start => {
                last.base.end = hunk.base.end;
                last.side.end = hunk.side.end;
            }
            Some(_) | None => found.push(hunk),
        }
    }
    Some(found)
}

type Edit = (Range<usize>, Range<usize>);

/// Single steps in order: a removed line, or an added one.
fn edits(base: &[&[u8]], side: &[&[u8]]) -> Option<Vec<Edit>> {
    let (n, m) = (base.len(), side.len());
    // furthest[k + edits] is the furthest line of the base reached on diagonal k = base - side.
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    let mut length = None;
    for edit in 0..=MAX_EDITS.min(n + m) {
        let mut row = vec![0; 2 * edit + 1];
        for at in (0..=2 * edit).step_by(2) {
            let mut x = match rounds.last() {
                None => 0,
                Some(before) => step(before, at, edit).1,
            };
            // y = x - k with k = at - edit.
            let Some(mut y) = (x + edit).checked_sub(at) else { continue };
            while x < n && y < m && base[x] == side[y] {
                x += 1;
                y += 1;
            }
            row[at] = x;
            if x >= n && y >= m {
                length = Some((edit, at));
                break;
            }
        }
        rounds.push(row);
        if length.is_some() {
            break;
        }
    }
    let (mut edit, mut at) = length?;
    let mut found = Vec::new();
    while edit > 0 {
        let (from, x) = step(&rounds[edit - 1], at, edit);
        let y = (x + edit).checked_sub(at)?;
        found.push(if from == at { (x..x, y.checked_sub(1)?..y) } else { (x.checked_sub(1)?..x, y..y) });
        edit -= 1;
        at = from;
    }
    found.reverse();
    Some(found)
}

/// The place in the row of the round before that leads furthest on this diagonal, and how far: down (the same index, a
/// line added) or right (two less, a line removed).
fn step(before: &[usize], at: usize, edit: usize) -> (usize, usize) {
    let down = at == 0 || at != 2 * edit && before[at - 2] < before[at];
    if down { (at, before[at]) } else { (at - 2, before[at - 2] + 1) }
}

#[cfg(test)]
mod tests {
    use super::merge;

    fn merged(base: &str, ours: &str, theirs: &str) -> Option<String> {
        merge(base.as_bytes(), ours.as_bytes(), theirs.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap())
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
