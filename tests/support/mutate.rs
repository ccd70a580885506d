//! Fuzzing without a second toolchain: seeds are bent at random, the same way in every run.
//!
//! `GITWARRANT_FUZZ` is the number of inputs a target sees (2,000 unless told), `GITWARRANT_FUZZ_SEED` where the random
//! numbers start. A longer hunt is `GITWARRANT_FUZZ=5000000 cargo test fuzz`.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// No input grows beyond this.
const MAX_INPUT: usize = 1 << 16;

/// Random numbers that start where they are told (splitmix64).
pub struct Random(u64);

impl Random {
    /// Starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    /// One of `all`, which holds at least one.
    pub fn one<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Calls `target` with bent `seeds`; prints the input on which it panics. Says how many it saw.
pub fn fuzz(name: &str, seeds: &[Vec<u8>], mut target: impl FnMut(&[u8])) {
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let number = |variable: &str, otherwise: u64| {
        std::env::var(variable).ok().map_or(otherwise, |text| text.parse().expect("a fuzzing variable is a number"))
    };
    let (count, mut random) = (number("GITWARRANT_FUZZ", 2_000), Random::new(number("GITWARRANT_FUZZ_SEED", 1)));
    for round in 0..count {
        let input = bent(seeds, &mut random);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&input))) {
            println!("{name} panics at input {round}: {}", input.escape_ascii());
            resume_unwind(panic);
        }
    }
    println!("fuzz {name}: {count} inputs from {} seeds", seeds.len());
}

/// One seed with one to eight changes.
fn bent(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = random.one(seeds).clone();
    for _ in 0..=random.below(8) {
        bend(&mut input, seeds, random);
    }
    input.truncate(MAX_INPUT);
    input
}

fn bend(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    const TOKENS: [&[u8]; 20] = [
        b"\0",
        b"\n",
        b"\r\n",
        b"\t",
        b" ",
        b"\"",
        b"'",
        b"=",
        b":",
        b"-",
        b"0",
        b"-1",
        b"18446744073709551616",
        b"\xff",
        b"\xc3\x28",
        b"\xe2\x80\xae",
        b"[[[[[[[[",
        b"{{{{{{{{",
        b"&a *a",
        b"../",
    ];
    let at = random.below(input.len() + 1);
    let length = random.below(input.len().saturating_sub(at).min(64) + 1);
    match random.below(8) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = u8::try_from(random.below(256)).unwrap_or(0),
        2 => drop(input.drain(at..at + length)),
        3 => input.truncate(at),
        4 => {
            let twice = input[at..at + length].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, twice);
        }
        5 => {
            let other = random.one(seeds);
            let from = random.below(other.len() + 1);
            let part = &other[from..other.len().min(from + 256)];
            input.splice(at..at, part.iter().copied());
        }
        _ => {
            let token = random.one(&TOKENS);
            input.splice(at..at, token.iter().copied());
        }
    }
}
