//! Patterns of `${NAME#pattern}` and its kin: `*`, `?`, `[a-z]`, `[^a]` and `\`.

/// Whether all of `text` fits `pattern`; in steps bounded by the product of their lengths. A malformed pattern fits nothing.
pub fn fits(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stands, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if let Some(width) = one(&pattern[p..], text[t]) {
            p += width;
            t += 1;
        } else if let Some((at, taken)) = star {
            (p, t) = (at + 1, taken + 1);
            star = Some((at, taken + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// How much of the pattern stands for one character, if `c` fits it.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match *pattern {
        ['?', ..] => Some(1),
        ['\\', escaped, ..] => (escaped == c).then_some(2),
        ['[', ..] => {
            let negated = pattern.get(1) == Some(&'^');
            let mut at = 1 + usize::from(negated);
            let first = at;
            let mut found = false;
            while *pattern.get(at)? != ']' || at == first {
                let low = pattern[at];
                let high = match (pattern.get(at + 1), pattern.get(at + 2)) {
                    (Some('-'), Some(high)) if *high != ']' => {
                        at += 2;
                        *high
                    }
                    _ => low,
                };
                found |= (low..=high).contains(&c);
                at += 1;
            }
            (found != negated).then_some(at + 1)
        }
        [plain, ..] => (plain == c).then_some(1),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    fn fits(pattern: &str, text: &str) -> bool {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        super::fits(&chars(pattern), &chars(text))
    }

    #[test]
    fn stars_classes_and_escapes_mean_what_they_mean_in_a_shell() {
        assert!(fits("a*c", "abbc") && fits("*", "") && fits("?b", "ab") && fits("[a-c]x", "bx"));
        assert!(fits("[^a]", "b") && fits(r"\*", "*") && fits("*a*b*", "xxaxxbxx"));
        assert!(!fits("a*c", "abb") && !fits("[^a]", "a") && !fits("[a", "a") && !fits(r"\*", "x"));
    }
}
