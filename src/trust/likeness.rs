//! How much of one file is in another, as git counts it.
//!
//! Source: git's diffcore-delta.c (hash_chars, diffcore_count_changes) and diffcore-rename.c (estimate_similarity). What a
//! file ends with behind its last line feed counts since git 2.44; where that decides, versions differ.

use super::text_merge::is_binary;

/// git calls two files alike when half of the larger one is in the other.
const ALIKE: usize = 2;
/// git cuts lines that are longer.
const MAX_CHUNK: usize = 64;
/// As many different pieces git tells apart. It takes some different ones for the same, and so must we.
const HASHBASE: u32 = 107_927;

/// Whether git takes one file for another one that was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// It does not.
    None,
    /// Some versions do.
    Doubtful,
    /// It does.
    Clear,
}

/// What a file is made of.
#[derive(Debug)]
pub(super) struct Content {
    size: usize,
    /// Bytes by piece, a line or 64 bytes of a longer one; ordered by piece.
    pieces: Vec<(u32, usize)>,
    /// The piece behind the last line feed.
    tail: Option<(u32, usize)>,
}

impl Content {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let is_text = !is_binary(bytes);
        let mut counts = vec![0_usize; HASHBASE as usize];
        let (mut one, mut other, mut length) = (0_u32, 0_u32, 0);
        for (at, byte) in bytes.iter().enumerate() {
            // Line ends of either kind are alike.
            if is_text && *byte == b'\r' && bytes.get(at + 1) == Some(&b'\n') {
                continue;
            }
            (one, other) = (one << 7 ^ other >> 25, other << 7 ^ one >> 25);
            one = one.wrapping_add(u32::from(*byte));
            length += 1;
            if length == MAX_CHUNK || *byte == b'\n' {
                counts[piece(one, other) as usize] += length;
                (one, other, length) = (0, 0, 0);
            }
        }
        let pieces = (0..HASHBASE).zip(counts).filter(|(_, count)| *count > 0).collect();
        Self { size: bytes.len(), pieces, tail: (length > 0).then(|| (piece(one, other), length)) }
    }

    /// How many different pieces there are.
    pub(super) fn pieces(&self) -> usize {
        self.pieces.len() + 1
    }

    /// How like the file is to `other`, which is `identical` or not. An empty file is like none.
    pub(super) fn likeness(&self, other: &Self, identical: bool) -> Likeness {
        let largest = self.size.max(other.size);
        if largest == 0 || self.size.min(other.size) * ALIKE < largest {
            return Likeness::None;
        }
        if identical {
            return Likeness::Clear;
        }
        let enough = |copied: usize| copied * ALIKE >= largest;
        let (without, with) = self.copied(other);
        match (enough(without), enough(with)) {
            (true, true) => Likeness::Clear,
            (true, false) | (false, true) => Likeness::Doubtful,
            (false, false) => Likeness::None,
        }
    }

    /// Bytes that both have, without what stands behind the last line feed and with it.
    fn copied(&self, other: &Self) -> (usize, usize) {
        let (mut ones, mut others) = (self.pieces.iter().peekable(), other.pieces.iter().peekable());
        let mut shared = 0;
        while let (Some((one, count)), Some((piece, other_count))) = (ones.peek(), others.peek()) {
            if one == piece {
                shared += *count.min(other_count);
            }
            if one <= piece {
                ones.next();
            } else {
                others.next();
            }
        }
        let tails = [self.tail, other.tail].map(|tail| tail.map(|(piece, _)| piece));
        let mut pieces: Vec<u32> = tails.into_iter().flatten().collect();
        pieces.dedup();
        let more = |piece: u32| self.count(piece, true).min(other.count(piece, true));
        let before = |piece: u32| self.count(piece, false).min(other.count(piece, false));
        let grown: usize = pieces.into_iter().map(|piece| more(piece) - before(piece)).sum();
        (shared, shared + grown)
    }

    /// Bytes of `piece`, those behind the last line feed too where `tail` says so.
    fn count(&self, piece: u32, tail: bool) -> usize {
        let found = self.pieces.binary_search_by_key(&piece, |(piece, _)| *piece);
        let last = self.tail.filter(|(last, _)| tail && *last == piece).map_or(0, |(_, count)| count);
        found.map_or(0, |at| self.pieces[at].1) + last
    }
}

fn piece(one: u32, other: u32) -> u32 {
    one.wrapping_add(other.wrapping_mul(0x61)) % HASHBASE
}

#[cfg(test)]
mod tests {
    use super::{Content, Likeness};

    fn likeness(one: &str, other: &str) -> Likeness {
        Content::of(one.as_bytes()).likeness(&Content::of(other.as_bytes()), one == other)
    }

    #[test]
    fn half_of_the_larger_file_makes_two_alike() {
        assert_eq!(likeness("a1\nb1\nc1\nd1\n", "a1\nb1\nx1\ny1\n"), Likeness::Clear);
        assert_eq!(likeness("a1\nb1\nc1\nd1\n", "a1\nw1\nx1\ny1\n"), Likeness::None);
        assert_eq!(likeness("a1\nb1\n", "a1\nb1\nc1\nd1\ne"), Likeness::None, "half of the smaller one is not enough");
        assert_eq!(likeness("", ""), Likeness::None);
    }

    #[test]
    fn line_ends_count_for_nothing_but_size() {
        assert_eq!(likeness("abcd\nefgh\n", "abcd\r\nefgh\r\n"), Likeness::Clear);
        // Six bytes are copied of a dozen, and of thirteen.
        assert_eq!(likeness("a\nb\nc\n", "a\r\nb\r\nc\r\nxy\n"), Likeness::Clear);
        assert_eq!(likeness("a\nb\nc\n", "a\r\nb\r\nc\r\nxyz\n"), Likeness::None);
        assert_eq!(likeness("\0\nabcd\nefgh\n", "\0\nabcd\r\nefgh\r\n"), Likeness::None, "binary");
    }

    #[test]
    fn where_versions_of_git_differ_it_is_doubtful() {
        assert_eq!(likeness("abcdefgh", "abcdefgh"), Likeness::Clear, "the same");
        assert_eq!(likeness("x\nabcdefgh", "y\nabcdefgh"), Likeness::Doubtful);
        assert_eq!(likeness("abcdefgh\nx", "abcdefgh\ny"), Likeness::Clear);
    }
}
