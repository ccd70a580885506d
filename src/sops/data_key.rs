//! From wrapped keys to the data key.

use super::error::Fault;
use super::metadata::{Entry, Metadata};
use super::shamir;
use crate::keysource::{KeySource, Miss, Provider, Wrapped};
use crate::secret::Secret;

/// The data key of a file, through the first entry of each group that opens.
///
/// Keys at hand go before keys of a service, as in sops.
pub(super) fn data_key(metadata: &Metadata, keys: &dyn KeySource) -> Result<Secret, Fault> {
    let mut why = Vec::new();
    let mut parts: Vec<Secret> = metadata.groups.iter().filter_map(|group| open_group(group, keys, &mut why)).collect();
    let missing = |why| {
        let entries = metadata.groups.iter().flatten();
        let wanted = entries.map(|entry| format!("{} {}", entry.provider.name(), entry.recipient)).collect();
        Fault::NoUsableKey { wanted, held: keys.recipients(), why }
    };
    if parts.len() < metadata.threshold {
        return Err(missing(why));
    }
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
    Ok(key)
}

fn open_group(group: &[Entry], keys: &dyn KeySource, why: &mut Vec<&'static str>) -> Option<Secret> {
    let by = |provider: Provider| group.iter().filter(move |entry| entry.provider == provider);
    let services = group.iter().filter(|entry| !matches!(entry.provider, Provider::Age | Provider::OpenPgp));
    for entry in by(Provider::Age).chain(by(Provider::OpenPgp)).chain(services) {
        match keys.unwrap_key(Wrapped { provider: entry.provider, enc: &entry.enc }) {
            Ok(key) => return Some(key),
            Err(Miss::NotOurs) => {}
            Err(Miss::Unusable(reason)) if why.contains(&reason) => {}
            Err(Miss::Unusable(reason)) => why.push(reason),
        }
    }
    None
}
