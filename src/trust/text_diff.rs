//! What differs between two texts, line by line, to the letter as git's merges see it: where lines repeat there are
//! several shortest answers, and another one than git's would merge to another file.
//!
//! Source: git's xdiff/xhistogram.c and, for where a change among equal lines lies, xdl_change_compact in xdiff/xdiffi.c.

use std::collections::HashMap;
use std::ops::Range;

/// Lines that occur more often than this are no landmark.
const MAX_OCCURRENCES: usize = 64;

/// Lines of the base that a side replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hunk {
    pub(super) base: Range<usize>,
    pub(super) side: Range<usize>,
}

/// What a side changes, in order, by numbers that stand for lines. `None` where nothing but common lines is left to tell
/// the texts by (git then asks another algorithm), and where more than `steps` lines would be looked at: a text can be made
/// to cost the square of its length.
pub(super) fn hunks(base: &[u32], side: &[u32], steps: &mut usize) -> Option<Vec<Hunk>> {
    let mut gone = Text::new(base);
    let mut come = Text::new(side);
    let mut open = vec![(0..base.len(), 0..side.len())];
    while let Some((ours, theirs)) = open.pop() {
        if ours.is_empty() || theirs.is_empty() {
            gone.mark(ours);
            come.mark(theirs);
            continue;
        }
        match Landmarks::new(base, side, ours.clone(), theirs.clone(), steps)?.rarest()? {
            Common::Nothing => {
                gone.mark(ours);
                come.mark(theirs);
            }
            Common::Stretch(common) => {
                open.push((common.base.end..ours.end, common.side.end..theirs.end));
                open.push((ours.start..common.base.start, theirs.start..common.side.start));
            }
        }
    }
    compact(&mut gone, &come)?;
    compact(&mut come, &gone)?;
    Some(script(&gone, &come))
}

/// What two texts share.
enum Common {
    Nothing,
    Stretch(Hunk),
}

/// Where the lines of the base occur, and the best stretch found that both texts share.
struct Landmarks<'a> {
    base: &'a [u32],
    side: &'a [u32],
    ours: Range<usize>,
    theirs: Range<usize>,
    places: HashMap<u32, Vec<usize>>,
    steps: &'a mut usize,
    best: Option<Hunk>,
    /// How often the rarest line of the best stretch occurs; only rarer lines are looked at.
    rarity: usize,
    any_common: bool,
}

impl<'a> Landmarks<'a> {
    fn new(
        base: &'a [u32],
        side: &'a [u32],
        ours: Range<usize>,
        theirs: Range<usize>,
        steps: &'a mut usize,
    ) -> Option<Self> {
        *steps = steps.checked_sub(ours.len() + theirs.len())?;
        let mut places: HashMap<u32, Vec<usize>> = HashMap::new();
        for at in ours.clone() {
            places.entry(base[at]).or_default().push(at);
        }
        let rarity = MAX_OCCURRENCES + 1;
        Some(Self { base, side, ours, theirs, places, steps, best: None, rarity, any_common: false })
    }

    /// The stretch around the rarest line, the longest of several.
    fn rarest(mut self) -> Option<Common> {
        let mut at = self.theirs.start;
        while at < self.theirs.end {
            at = self.try_line(at)?;
        }
        match self.best {
            _ if self.any_common && self.rarity > MAX_OCCURRENCES => None,
            Some(best) => Some(Common::Stretch(best)),
            None => Some(Common::Nothing),
        }
    }

    /// Tries every place of line `at` of the side; the next line to try.
    fn try_line(&mut self, at: usize) -> Option<usize> {
        let mut next = at + 1;
        let Some(places) = self.places.get(&self.side[at]) else { return Some(next) };
        self.any_common = true;
        if places.len() > self.rarity {
            return Some(next);
        }
        let mut covered = None;
        for &place in places {
            if covered.is_some_and(|covered| place < covered) {
                continue;
            }
            let (stretch, rarity) = self.around(place, at, places.len());
            *self.steps = self.steps.checked_sub(stretch.base.len())?;
            next = next.max(stretch.side.end);
            covered = Some(stretch.base.end);
            let longest = self.best.as_ref().map_or(1, |best| best.base.len());
            if longest < stretch.base.len() || rarity < self.rarity {
                (self.best, self.rarity) = (Some(stretch), rarity);
            }
        }
        Some(next)
    }

    /// The common stretch around two equal lines, and how often its rarest line occurs.
    fn around(&self, place: usize, at: usize, occurrences: usize) -> (Hunk, usize) {
        let (mut base, mut side) = (place..place + 1, at..at + 1);
        let mut rarity = occurrences;
        let mut also = |line: usize| {
            if rarity > 1 {
                rarity = rarity.min(self.places.get(&self.base[line]).map_or(0, Vec::len));
            }
        };
        while base.start > self.ours.start
            && side.start > self.theirs.start
            && self.base[base.start - 1] == self.side[side.start - 1]
        {
            (base.start, side.start) = (base.start - 1, side.start - 1);
            also(base.start);
        }
        while base.end < self.ours.end && side.end < self.theirs.end && self.base[base.end] == self.side[side.end] {
            also(base.end);
            (base.end, side.end) = (base.end + 1, side.end + 1);
        }
        (Hunk { base, side }, rarity)
    }
}

/// A text, and which of its lines the other has not.
struct Text<'a> {
    lines: &'a [u32],
    changed: Vec<bool>,
}

impl<'a> Text<'a> {
    fn new(lines: &'a [u32]) -> Self {
        Self { lines, changed: vec![false; lines.len()] }
    }

    fn mark(&mut self, lines: Range<usize>) {
        self.changed[lines].fill(true);
    }

    fn is_changed(&self, at: usize) -> bool {
        self.changed.get(at).copied().unwrap_or(false)
    }

    /// Widens a group at its end over the changed lines behind it.
    fn widened(&self, mut group: Range<usize>) -> Range<usize> {
        while self.is_changed(group.end) {
            group.end += 1;
        }
        group
    }

    fn widened_up(&self, mut group: Range<usize>) -> Range<usize> {
        while group.start > 0 && self.is_changed(group.start - 1) {
            group.start -= 1;
        }
        group
    }

    /// The group of changed lines behind the next unchanged one; it may be empty.
    fn next(&self, group: &Range<usize>) -> Option<Range<usize>> {
        (group.end < self.lines.len()).then(|| self.widened(group.end + 1..group.end + 1))
    }

    fn previous(&self, group: &Range<usize>) -> Option<Range<usize>> {
        let end = group.start.checked_sub(1)?;
        Some(self.widened_up(end..end))
    }

    /// Moves a group one line on, where its first line is the one behind it; it may join the next group.
    fn slide_down(&mut self, group: &mut Range<usize>) -> bool {
        let moves = group.end < self.lines.len() && self.lines[group.start] == self.lines[group.end];
        if moves {
            (self.changed[group.start], self.changed[group.end]) = (false, true);
            *group = self.widened(group.start + 1..group.end + 1);
        }
        moves
    }

    fn slide_up(&mut self, group: &mut Range<usize>) -> bool {
        let moves = group.start > 0 && self.lines[group.start - 1] == self.lines[group.end - 1];
        if moves {
            (self.changed[group.start - 1], self.changed[group.end - 1]) = (true, false);
            *group = self.widened_up(group.start - 1..group.end - 1);
        }
        moves
    }
}

/// Moves every group of changed lines as far down as it goes, or to where the other text changes too.
fn compact(text: &mut Text<'_>, other: &Text<'_>) -> Option<()> {
    let (mut group, mut beside) = (text.widened(0..0), other.widened(0..0));
    loop {
        if !group.is_empty() {
            let (highest, meets) = settle(text, other, &mut group, &mut beside)?;
            if group.end != highest && meets {
                while beside.is_empty() {
                    if !text.slide_up(&mut group) {
                        return None;
                    }
                    beside = other.previous(&beside)?;
                }
            }
        }
        match text.next(&group) {
            None => return Some(()),
            Some(next) => group = next,
        }
        beside = other.next(&beside)?;
    }
}

/// Moves a group up and down until it joins no more of its neighbours. Tells where its end lies at the highest, and
/// whether it met changes of the other text on the way.
fn settle(
    text: &mut Text<'_>,
    other: &Text<'_>,
    group: &mut Range<usize>,
    beside: &mut Range<usize>,
) -> Option<(usize, bool)> {
    loop {
        let size = group.len();
        while text.slide_up(group) {
            *beside = other.previous(beside)?;
        }
        let highest = group.end;
        let mut meets = beside.start < beside.end;
        while text.slide_down(group) {
            *beside = other.next(beside)?;
            meets |= beside.start < beside.end;
        }
        if group.len() == size {
            return Some((highest, meets));
        }
    }
}

fn script(gone: &Text<'_>, come: &Text<'_>) -> Vec<Hunk> {
    let mut found = Vec::new();
    let (mut base, mut side) = (0, 0);
    while base < gone.lines.len() || side < come.lines.len() {
        let hunk = Hunk { base: gone.widened(base..base), side: come.widened(side..side) };
        (base, side) = (hunk.base.end + 1, hunk.side.end + 1);
        if !hunk.base.is_empty() || !hunk.side.is_empty() {
            found.push(hunk);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Hunk, hunks};

    fn changes(base: &str, side: &str) -> Vec<Hunk> {
        let lines = |text: &str| text.bytes().map(u32::from).collect::<Vec<_>>();
        hunks(&lines(base), &lines(side), &mut 1_000).unwrap()
    }

    #[test]
    fn changes_among_equal_lines_lie_where_git_puts_them() {
        // `git diff --diff-algorithm=histogram --no-indent-heuristic -U0` of one letter a line.
        assert_eq!(changes("abc", "abc"), []);
        assert_eq!(changes("aab", "aaab"), [Hunk { base: 2..2, side: 2..3 }]);
        assert_eq!(changes("xabab", "xababab"), [Hunk { base: 5..5, side: 5..7 }]);
        assert_eq!(changes("abcd", "bcxd"), [Hunk { base: 0..1, side: 0..0 }, Hunk { base: 3..3, side: 2..3 }]);
    }

    #[test]
    fn nothing_but_common_lines_is_no_difference_to_trust() {
        let (base, side) = (vec![7; 100], vec![7; 90]);
        assert_eq!(hunks(&base, &side, &mut 1_000_000), None);
    }

    #[test]
    fn a_difference_that_takes_too_many_steps_is_given_up() {
        let (base, side): (Vec<u32>, Vec<u32>) = ((0..1_000).collect(), (0..1_000).rev().collect());
        assert_eq!(hunks(&base, &side, &mut 1_000), None);
        let mut steps = 1_000_000;
        assert!(hunks(&base, &side, &mut steps).is_some() && steps < 1_000_000);
    }
}
