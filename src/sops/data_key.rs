//! From wrapped keys to the data key.

use super::error::Fault;
use super::metadata::{Entry, Metadata};
use super::shamir;
use crate::keysource::{KeySource, Miss, Provider, Unwrapped, Wrapped};
use crate::secret::Secret;

/// The data key of a file.
pub(super) struct DataKey {
    pub(super) key: Secret,
    /// The public names of the keys that opened it, or its parts.
    pub(super) by: Vec<String>,
}

/// Entries of one file that look right and do not open, at most. Each has cost operations with private keys.
const MAX_FAILURES: usize = 32;

/// The data key of a file, through the first entry of each group that opens.
///
/// Keys at hand go before keys of a service, as in sops.
pub(super) fn data_key(metadata: &Metadata, keys: &dyn KeySource) -> Result<DataKey, Fault> {
    let mut search = Search { keys, failures: 0, why: Vec::new() };
    let opened: Vec<Unwrapped> = metadata.groups.iter().filter_map(|group| search.open(group)).collect();
    let why = search.why;
    let missing = |why| {
        let entries = metadata.groups.iter().flatten();
        let wanted = entries.map(|entry| format!("{} {}", entry.provider.name(), entry.recipient)).collect();
        let (place, none_given) = (keys.place().to_owned(), keys.none_given());
        Fault::NoUsableKey { wanted, held: keys.recipients(), place, none_given, why }
    };
    if opened.len() < metadata.threshold {
        return Err(missing(why));
    }
    let (mut parts, by): (Vec<Secret>, _) = opened.into_iter().map(|part| (part.key, part.by)).unzip();
    let key = if metadata.groups.len() == 1 {
        parts.pop().ok_or_else(|| missing(why))?
    } else {
        shamir::combine(&parts).map_err(|error| {
            missing(vec![match error {
                shamir::Error::TooFew => "fewer than two parts of the key were opened",
                shamir::Error::Lengths => "the parts of the key do not fit together",
                shamir::Error::Numbers => "two parts of the key have the same number",
            }])
        })?
    };
    Ok(DataKey { key, by })
}

struct Search<'a> {
    keys: &'a dyn KeySource,
    failures: usize,
    why: Vec<&'static str>,
}

impl Search<'_> {
    fn open(&mut self, group: &[Entry]) -> Option<Unwrapped> {
        let by = |provider: Provider| group.iter().filter(move |entry| entry.provider == provider);
        let services = group.iter().filter(|entry| !matches!(entry.provider, Provider::Age | Provider::OpenPgp));
        for entry in by(Provider::Age).chain(by(Provider::OpenPgp)).chain(services) {
            if self.failures == MAX_FAILURES {
                self.because("too many entries look right and do not open");
                return None;
            }
            match self.keys.unwrap_key(Wrapped { provider: entry.provider, enc: &entry.enc }) {
                Ok(opened) => return Some(opened),
                Err(Miss::NotOurs) => {}
                Err(Miss::Unusable(reason)) => {
                    self.failures += 1;
                    self.because(reason);
                }
            }
        }
        None
    }

    fn because(&mut self, reason: &'static str) {
        if !self.why.contains(&reason) {
            self.why.push(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{MAX_FAILURES, data_key};
    use crate::keysource::{KeySource, Miss, Provider, Unwrapped, Wrapped};
    use crate::secret::Secret;
    use crate::sops::metadata::{Entry, MacCovers, Metadata};
    use crate::sops::selector::Selector;

    /// Opens nothing but what says `good`, and counts.
    struct Counting(AtomicUsize);

    impl KeySource for Counting {
        fn unwrap_key(&self, wrapped: Wrapped<'_>) -> Result<Unwrapped, Miss> {
            self.0.fetch_add(1, Ordering::Relaxed);
            match wrapped.enc {
                "good" => Ok(Unwrapped { key: Secret::new(vec![1; 32]), by: "me".to_owned() }),
                _ => Err(Miss::Unusable("changed")),
            }
        }

        fn recipients(&self) -> Vec<String> {
            Vec::new()
        }

        fn place(&self) -> &'static str {
            "a test"
        }
    }

    fn metadata(bad: usize) -> Metadata {
        let entry = |enc: &str| Entry { provider: Provider::Age, recipient: String::new(), enc: enc.to_owned() };
        let mut group: Vec<Entry> = (0..bad).map(|_| entry("bad")).collect();
        group.push(entry("good"));
        Metadata {
            groups: vec![group],
            threshold: 1,
            selector: Selector::UnencryptedSuffix("_".to_owned()),
            mac: String::new(),
            modified: String::new(),
            mac_covers: MacCovers::Everything,
        }
    }

    #[test]
    fn entries_that_do_not_open_are_passed_over_and_the_one_that_does_is_named() {
        let found = data_key(&metadata(MAX_FAILURES - 1), &Counting(AtomicUsize::new(0)));
        assert_eq!(found.unwrap_or_else(|fault| panic!("{fault}")).by, ["me"]);
    }

    #[test]
    fn a_file_full_of_entries_that_look_right_costs_a_bounded_number_of_private_key_operations() {
        let keys = Counting(AtomicUsize::new(0));
        assert_eq!(data_key(&metadata(200), &keys).err().unwrap().code(), "no-usable-key");
        assert_eq!(keys.0.load(Ordering::Relaxed), MAX_FAILURES);
    }
}
