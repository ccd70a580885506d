//! The keys that a policy lists, for people to look at. Nothing is judged by this.

use jiff::Timestamp;

use super::policy::Policy;
use super::sshsig::Presented;
use super::verified::SignatureKind;

/// One key that a policy lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    /// The principals of its line, or whose certificate it is in.
    pub principals: Vec<String>,
    /// How it signs.
    pub kind: SignatureKind,
    /// `SHA256:…` for SSH, hexadecimal for OpenPGP.
    pub fingerprint: String,
    /// Whether it certifies keys instead of signing commits.
    pub authority: bool,
    /// What it may change: globs of path rules; `merges` for a forge's key; `**` where no rule says otherwise.
    pub scope: Vec<String>,
    /// When it comes into force.
    pub after: Option<Timestamp>,
    /// When it stops to be.
    pub before: Option<Timestamp>,
    /// Why no new commit by it would be accepted now, if that is so.
    pub fault: Option<String>,
}

impl Policy {
    /// Every key that is listed here, as things are `now`; keys in the repository's own file are not.
    pub fn keys(&self, now: Timestamp) -> Vec<ListedKey> {
        let mut keys: Vec<ListedKey> = self.allowed.lines().iter().map(|line| self.ssh_key(line, now)).collect();
        keys.extend(self.certificates.keys(now.as_second()));
        for key in &mut keys {
            key.scope = self.scope(&key.principals);
            if key.principals.iter().any(|name| self.revoked_principals.contains(name)) {
                key.fault = Some("its principal is withdrawn".into());
            }
        }
        keys
    }

    /// Principals that rules name and no key is listed for: nobody can do what the rules leave to them.
    pub fn absent(&self, now: Timestamp) -> Vec<String> {
        if self.in_repository.is_some() {
            return Vec::new();
        }
        let keys = self.keys(now);
        let by_rules = self.path_rules.iter().flat_map(|rule| &rule.signers);
        let named = by_rules.chain(&self.promoters).chain(&self.merge_only).chain(&self.no_touch_allowed);
        let certified =
            |name: &str| self.allowed.lines().iter().any(|line| line.authority && line.principals.matches(name));
        let mut absent: Vec<String> = named
            .filter(|name| !keys.iter().any(|key| key.principals.contains(name)) && !certified(name))
            .cloned()
            .collect();
        absent.sort();
        absent.dedup();
        absent
    }

    /// Whether a key is listed for `principal`, by name, by pattern or by an authority; in the repository anybody may be.
    pub(super) fn lists(&self, principal: &str) -> bool {
        self.in_repository.is_some()
            || self.allowed.lines().iter().any(|line| line.principals.matches(principal))
            || self.certificates.are_of(principal)
    }

    /// How many people could sign now, where the threshold asks for more of them: nothing at all would be accepted.
    ///
    /// `None` too where nobody can tell from here: with authorities, patterns, or signers in the repository.
    pub fn short_of_threshold(&self, now: Timestamp) -> Option<(usize, usize)> {
        let keys: Vec<ListedKey> = self.keys(now).into_iter().filter(|key| key.fault.is_none()).collect();
        let names = || keys.iter().flat_map(|key| &key.principals);
        if self.threshold <= 1
            || self.in_repository.is_some()
            || keys.iter().any(|key| key.authority)
            || names().any(|name| name.contains(['*', '?', '!']))
        {
            return None;
        }
        let person = |key: &&ListedKey| !key.principals.iter().any(|name| self.merge_only.contains(name));
        let people: Vec<&ListedKey> = keys.iter().filter(person).collect();
        let mut names: Vec<&String> = people.iter().flat_map(|key| &key.principals).collect();
        names.sort();
        names.dedup();
        // A person may have several keys, and a key several names.
        let most = names.len().min(people.len());
        (most < self.threshold).then_some((most, self.threshold))
    }

    fn ssh_key(&self, line: &super::allowed_signers::Line, now: Timestamp) -> ListedKey {
        let (after, before) = line.window();
        let fault = if self.revoked.withdraws(&Presented::Key(line.key.clone())) {
            Some("it is withdrawn".to_owned())
        } else if let Err(weak) = line.key.refuse_weak() {
            Some(weak.fact)
        } else if !line.for_git() {
            Some("its line is not for git".to_owned())
        } else if before.is_some_and(|before| before < now.as_second()) {
            Some("its time is over".to_owned())
        } else if after.is_some_and(|after| after > now.as_second()) {
            Some("its time has not come".to_owned())
        } else {
            None
        };
        let time = |seconds: i64| Timestamp::from_second(seconds).ok();
        ListedKey {
            principals: line.principals.names(),
            kind: SignatureKind::Ssh,
            fingerprint: line.key.fingerprint(),
            authority: line.authority,
            scope: Vec::new(),
            after: after.and_then(time),
            before: before.and_then(time),
            fault,
        }
    }

    fn scope(&self, principals: &[String]) -> Vec<String> {
        let one_of = |names: &[String]| principals.iter().any(|name| names.contains(name));
        if one_of(&self.merge_only) {
            return vec!["merges".to_owned()];
        }
        if self.path_rules.is_empty() {
            return vec!["**".to_owned()];
        }
        let rules = self.path_rules.iter().filter(|rule| one_of(&rule.signers));
        rules.flat_map(|rule| rule.paths.iter().map(ToString::to_string)).collect()
    }
}
