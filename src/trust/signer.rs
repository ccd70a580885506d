//! Who signed, and who that may speak for.

use super::pattern::PatternList;
use super::verified::{Judged, SignatureKind};
use crate::git::Oid;

/// Upper bound on an address, in bytes.
const MAX_ADDRESS: usize = 320;

/// The holder of a listed key who made a good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signer {
    /// The principals the key stands for; never empty.
    pub(super) names: Vec<String>,
    /// Whom the key may speak for, where its lines say so by pattern.
    pub(super) speaks_for: Vec<PatternList>,
    /// Fingerprint: `SHA256:…` or hexadecimal.
    pub(super) key: String,
    pub(super) kind: SignatureKind,
}

impl Signer {
    /// Whether one of `principals` is the signer.
    pub(super) fn is_among(&self, principals: &[String]) -> bool {
        self.names.iter().any(|name| principals.contains(name))
    }

    /// Whether the signer may be one of `principals`: by name, or because a line gives the key to whoever fits a pattern.
    ///
    /// For what only restricts. A key that everybody at a forge may use is the forge's key too.
    pub(super) fn may_be(&self, principals: &[String]) -> bool {
        let fits = |principal: &String| {
            self.names.contains(principal)
                || self.speaks_for.iter().any(|list| list.matches(principal))
                || self.speaks_for.is_empty()
                    && self.names.iter().any(|name| PatternList::new(name.as_str()).matches(principal))
        };
        principals.iter().any(fits)
    }

    /// Whether `email` is an address of the signer.
    pub(super) fn has_address(&self, email: &str) -> bool {
        // Nobody's is longer, and whoever commits chooses it. Source: RFC 3696, section 3.
        email.len() <= MAX_ADDRESS
            && (self.names.iter().any(|name| name == email) || self.speaks_for.iter().any(|list| list.matches(email)))
    }

    /// The proof for commit `id`.
    pub(super) fn judged(&self, id: Oid) -> Judged {
        Judged { id, signer: self.names.join(","), key: self.key.clone(), kind: self.kind }
    }

    /// The same signer with the principals that `other` agrees to; `None` where there is none.
    pub(super) fn shared_with(mut self, other: &Signer) -> Option<Self> {
        self.names.retain(|name| other.names.contains(name));
        self.speaks_for.clear();
        (!self.names.is_empty()).then_some(self)
    }

    /// Whether the two may be one person: they share a key or a name, or a pattern of one fits the other.
    fn meets(&self, other: &Signer) -> bool {
        let by_pattern = |signer: &Signer| signer.names.iter().any(|name| name.contains(['*', '?']));
        self.key == other.key
            || self.may_be(&other.names)
            || other.may_be(&self.names)
            || by_pattern(self) && by_pattern(other)
    }
}

/// How many different people made these signatures: signers that share a principal count once.
pub(super) fn people(signers: &[Signer]) -> usize {
    let mut groups: Vec<Vec<&Signer>> = Vec::new();
    for signer in signers {
        let (mut same, mut rest): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group: &Vec<&Signer>| group.iter().any(|other| other.meets(signer)));
        let mut merged: Vec<&Signer> = same.drain(..).flatten().collect();
        merged.push(signer);
        rest.push(merged);
        groups = rest;
    }
    groups.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(names: &[&str]) -> Signer {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Signer { key: format!("SHA256:{names:?}"), names, speaks_for: vec![], kind: SignatureKind::Ssh }
    }

    #[test]
    fn two_keys_of_one_principal_are_one_person() {
        assert_eq!(people(&[signer(&["a"]), signer(&["a"])]), 1);
        assert_eq!(people(&[signer(&["a"]), signer(&["b"]), signer(&["a", "b"])]), 1);
        assert_eq!(people(&[signer(&["a"]), signer(&["b"])]), 2);
        assert_eq!(people(&[]), 0);
    }

    #[test]
    fn one_key_under_two_names_is_one_person() {
        let other = Signer { key: signer(&["a"]).key, ..signer(&["b"]) };
        assert_eq!(people(&[signer(&["a"]), other]), 1);
    }

    #[test]
    fn a_key_for_whoever_fits_a_pattern_is_nobody_else() {
        assert_eq!(people(&[signer(&["*@x"]), signer(&["alice@x"])]), 1);
        assert_eq!(people(&[signer(&["a*"]), signer(&["*b"])]), 1, "one name may fit both");
        assert_eq!(people(&[signer(&["*@x"]), signer(&["alice@y"])]), 2);
        let anybody_but_bob = Signer { speaks_for: vec![PatternList::new("*@x,!bob@x")], ..signer(&["*@x"]) };
        assert!(anybody_but_bob.may_be(&["alice@x".into()]) && !anybody_but_bob.may_be(&["bob@x".into()]));
    }
}
