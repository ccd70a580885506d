//! Looking: what exists of what is wanted and of what is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use crate::model::{Key, Place};
use crate::plan::{Departed, Entry, Existing, Identity, Inventory, Live, Located, Owner, Target};
use crate::policy::Item;

use super::defined::{Defined, defined};
use super::discovery::{Absence, Absences, Catalogue, absence};
use super::kube::Acting;
use super::metadata::{ACCEPT_LIST, ACCEPT_ONE, Metadata, Page, Partial};
use super::reply::Trouble;
use super::request::{About, Requests, Verb};
use super::{Error, ServiceAccount, Watch, path};

/// Requests in flight at once.
pub(super) const IN_FLIGHT: usize = 16;
/// From so many objects of a kind in a namespace on, one list is cheaper than a request each.
const WORTH_A_LIST: usize = 3;
/// Objects on a page.
const PAGE: usize = 200;
/// Pages of a list; a Sync has at most 5,000 objects.
const PAGES: usize = 50;

/// What is wanted, by name.
pub(super) struct Wanted {
    objects: Vec<(Key, Place)>,
    defines: Vec<Defined>,
}

impl Wanted {
    pub(super) fn of(items: &[Item]) -> Self {
        let objects = items.iter().map(|item| (item.key().clone(), item.object().place().clone())).collect();
        let defines =
            items.iter().flat_map(|item| defined(&item.key().group, &item.key().kind, item.object().body())).collect();
        Self { objects, defines }
    }
}

/// A kind in a namespace: what one list can cover. Group, version, resource, namespace.
pub(super) type Rack = (String, String, String, Option<String>);

/// Where `target` lies.
pub(super) fn rack(target: &Target) -> Rack {
    let key = &target.key;
    (key.group.clone(), key.version.clone(), target.plural.clone(), key.namespace.clone())
}

/// Everything on a rack that bears the labels of `owner` and has a name that is `wanted`, with the version of the list.
///
/// # Errors
/// Among others: so much else bears those labels that somebody must have forged them.
pub(super) async fn list(
    requests: &Requests,
    account: &ServiceAccount,
    owner: &Owner,
    (group, version, plural, namespace): &Rack,
    wanted: impl Fn(&str) -> bool,
) -> Result<(String, Vec<Metadata>), Trouble> {
    let about = About::collection(account, Verb::List, group, plural, namespace.as_deref());
    let base = path::collection(group, version, namespace.as_deref(), plural);
    let selector = path::encode(&owner.selector());
    let (mut found, mut next) = (Vec::new(), None::<String>);
    for _ in 0..PAGES {
        let mut page = format!("{base}?labelSelector={selector}&limit={PAGE}");
        if let Some(next) = &next {
            page.push_str("&continue=");
            page.push_str(&path::encode(next));
        }
        let answer = requests.send(&page, ACCEPT_LIST, None, &about).await?;
        let read: Page =
            serde_json::from_slice(&answer).map_err(|_| Trouble::Unreadable { what: "not a list of metadata" })?;
        let items = read.items.into_iter().flatten().map(|item| item.metadata);
        found.extend(items.filter(|item| wanted(&item.name)));
        next = read.metadata.next.filter(|next| !next.is_empty());
        if next.is_none() {
            return Ok((read.metadata.version.unwrap_or_default(), found));
        }
    }
    Err(Trouble::Unreadable { what: "a list without end" })
}

impl Acting {
    pub(super) async fn look(&self, wanted: &Wanted, inventory: &Inventory) -> Result<Live, Error> {
        match self.look_once(wanted, inventory).await {
            // The list of kinds is older than what the API server serves: a definition was deleted, or changed.
            Err(error) if error.is_of_kinds_not_served() => {
                let directory = &self.shared.directory;
                directory.newer(&self.requests, &self.account).await.map_err(Error::Discovery)?;
                self.look_once(wanted, inventory).await
            }
            answer => answer,
        }
    }

    async fn look_once(&self, wanted: &Wanted, inventory: &Inventory) -> Result<Live, Error> {
        let (targets, catalogue) = self.resolve(wanted).await?;
        let catalogue = self.with_recorded(catalogue, inventory).await?;
        let identities: BTreeSet<Identity> = targets.iter().map(|found| Identity::from(&found.target.key)).collect();
        let recorded = inventory.iter().filter(|entry| !identities.contains(&Identity::from(&entry.key)));
        let mut live = Live::default();
        let (mut departed, mut absences) = (Vec::new(), Absences::new());
        for entry in recorded {
            match self.whereabouts(entry, &catalogue, &mut absences).await {
                Ok(target) => departed.push((Identity::from(&entry.key), target)),
                Err(answer) => live.left(Identity::from(&entry.key), answer),
            }
        }
        let on_rack = targets.iter().filter_map(|found| found.seen_at.as_ref());
        let existing = self.existing(on_rack.chain(departed.iter().map(|(_, target)| target))).await?;
        let now = |target: &Target| match existing.get(&Identity::from(&target.key)) {
            Some(Looked::Exists(existing)) => Ok(Some(existing.clone())),
            Some(Looked::Absent) | None => Ok(None),
            Some(Looked::Hidden(trouble)) => Err(trouble.clone()),
        };
        let mut hidden = Vec::new();
        for Found { named, target, .. } in targets {
            match now(&target) {
                Ok(existing) => live.found(named, Located { target, existing }),
                Err(trouble) => {
                    hidden.push(super::Failure { what: named.to_string(), unwritten: None, verb: Verb::Get, trouble });
                }
            }
        }
        for (identity, target) in departed {
            let answer = match now(&target) {
                Ok(Some(existing)) => Departed::Present(Box::new(Located { target, existing: Some(existing) })),
                Ok(None) => Departed::Gone,
                // A right that was taken away is no reason to conclude anything.
                Err(_) => Departed::Unknown,
            };
            live.left(identity, answer);
        }
        if hidden.is_empty() { Ok(live) } else { Err(Error::Failures(hidden)) }
    }

    /// Whether every recorded object is just as this process left it. What is watched costs nothing, the rest a look at
    /// its metadata; where anything is not certain the answer is no, and the whole turn is taken.
    pub async fn undisturbed(&self, inventory: &Inventory, watch: Option<&Watch>) -> bool {
        let Ok(catalogue) = self.shared.directory.current(&self.requests, &self.account).await else { return false };
        let (mut targets, mut absences) = (Vec::with_capacity(inventory.len()), Absences::new());
        for entry in inventory.iter() {
            let Ok(target) = self.whereabouts(entry, &catalogue, &mut absences).await else { return false };
            match watch.and_then(|watch| watch.is_left_so(&rack(&target), &Identity::from(&target.key))) {
                Some(true) => {}
                Some(false) => return false,
                None => targets.push(target),
            }
        }
        let Ok(existing) = self.existing(targets.iter()).await else { return false };
        targets.iter().all(|target| {
            let identity = Identity::from(&target.key);
            match existing.get(&identity) {
                Some(Looked::Exists(existing)) => self.memory.left_so(&identity, existing),
                Some(Looked::Absent | Looked::Hidden(_)) | None => false,
            }
        })
    }

    /// Where each wanted object lives.
    async fn resolve(&self, wanted: &Wanted) -> Result<(Vec<Found>, Arc<Catalogue>), Error> {
        let directory = &self.shared.directory;
        let read = directory.current(&self.requests, &self.account).await.map_err(Error::Discovery)?;
        let (found, missing) = place(wanted, &read);
        if missing.is_empty() {
            return Ok((scoped(found)?, read));
        }
        // A kind may have come since the catalogue was read.
        let read = directory.newer(&self.requests, &self.account).await.map_err(Error::Discovery)?;
        let (found, missing) = place(wanted, &read);
        if missing.is_empty() { Ok((scoped(found)?, read)) } else { Err(Error::UnknownKinds(missing)) }
    }

    /// The catalogue, read anew where it lacks a kind that is recorded: an older one says nothing about what is gone.
    async fn with_recorded(&self, read: Arc<Catalogue>, inventory: &Inventory) -> Result<Arc<Catalogue>, Error> {
        let known = |entry: &Entry| read.any(&entry.key.group, &entry.key.version, &entry.key.kind).is_some();
        if inventory.iter().all(known) {
            return Ok(read);
        }
        self.shared.directory.newer(&self.requests, &self.account).await.map_err(Error::Discovery)
    }

    /// Where a recorded object lives, or what can be said without looking.
    pub(super) async fn whereabouts(
        &self,
        entry: &Entry,
        catalogue: &Catalogue,
        absences: &mut Absences,
    ) -> Result<Target, Departed> {
        let key = &entry.key;
        if let Some(served) = catalogue.any(&key.group, &key.version, &key.kind) {
            // A definition that was made anew with another scope: what was recorded went with the old one.
            if served.namespaced != key.namespace.is_some() {
                return Err(Departed::Gone);
            }
            let key = Key { version: served.version.clone(), ..key.clone() };
            return Ok(Target { key, plural: served.plural.clone() });
        }
        let kind = (key.group.clone(), key.version.clone(), key.kind.clone());
        let said = match absences.get(&kind) {
            Some(said) => *said,
            None => {
                let said = absence(&self.requests, &self.account, &key.group, &key.version, &key.kind).await;
                absences.insert(kind, said);
                said
            }
        };
        match said {
            Absence::Certain => Err(Departed::Gone),
            Absence::Unknown => Err(Departed::Unknown),
        }
    }

    async fn existing(&self, targets: impl Iterator<Item = &Target>) -> Result<BTreeMap<Identity, Looked>, Error> {
        let mut racks: BTreeMap<Rack, Vec<Target>> = BTreeMap::new();
        for target in targets {
            racks.entry(rack(target)).or_default().push(target.clone());
        }
        let lists = racks.into_iter().map(|(rack, targets)| self.scan(rack, targets));
        let scanned: Vec<Scan> = stream::iter(lists).buffer_unordered(IN_FLIGHT).try_collect().await?;
        let mut looked = BTreeMap::new();
        let mut singly = Vec::new();
        for (found, rest) in scanned {
            looked.extend(found);
            singly.extend(rest);
        }
        let gets = singly.into_iter().map(|target| async move {
            let answer = self.read(&target).await?;
            Ok::<_, Error>((Identity::from(&target.key), answer))
        });
        let read: Vec<(Identity, Looked)> = stream::iter(gets).buffer_unordered(IN_FLIGHT).try_collect().await?;
        looked.extend(read);
        Ok(looked)
    }

    /// What one list tells about `targets`, and those it says nothing about: not existing, or not labelled as ours.
    async fn scan(&self, rack: Rack, targets: Vec<Target>) -> Result<Scan, Error> {
        if targets.len() < WORTH_A_LIST {
            return Ok((Vec::new(), targets));
        }
        let names: BTreeSet<&str> = targets.iter().map(|target| target.key.name.as_str()).collect();
        let mut owned: BTreeMap<String, Existing> =
            match list(&self.requests, &self.account, &self.owner, &rack, |name| names.contains(name)).await {
                Ok((_, found)) => found.into_iter().map(|one| (one.name.clone(), one.into())).collect(),
                // Listing is a right of its own, and whoever forges labels can make a list too long to read: each object is
                // looked at singly then.
                Err(Trouble::Denied { .. } | Trouble::Unreadable { .. }) => return Ok((Vec::new(), targets)),
                Err(trouble) => return Err(Error::one(&rack.2, Verb::List, trouble)),
            };
        let mut found = Vec::new();
        let mut rest = Vec::new();
        for target in targets {
            match owned.remove(&target.key.name) {
                Some(existing) => found.push((Identity::from(&target.key), Looked::Exists(existing))),
                None => rest.push(target),
            }
        }
        Ok((found, rest))
    }

    /// One object's metadata.
    async fn read(&self, target: &Target) -> Result<Looked, Error> {
        let about = About::object(&self.account, Verb::Get, &target.key, &target.plural);
        match self.requests.send(&path::object(target), ACCEPT_ONE, None, &about).await {
            Ok(answer) => {
                let read: Partial = serde_json::from_slice(&answer).map_err(|_| {
                    Error::one(&target.key, Verb::Get, Trouble::Unreadable { what: "not an object's metadata" })
                })?;
                Ok(Looked::Exists(read.metadata.into()))
            }
            Err(Trouble::NotFound) => Ok(Looked::Absent),
            Err(trouble @ Trouble::Denied { .. }) => Ok(Looked::Hidden(trouble)),
            Err(trouble) => Err(Error::one(&target.key, Verb::Get, trouble)),
        }
    }

    /// What exists of one object now.
    pub(super) async fn now(&self, target: &Target) -> Result<Option<Existing>, Trouble> {
        let about = About::object(&self.account, Verb::Get, &target.key, &target.plural);
        match self.requests.send(&path::object(target), ACCEPT_ONE, None, &about).await {
            Ok(answer) => {
                let read: Partial = serde_json::from_slice(&answer)
                    .map_err(|_| Trouble::Unreadable { what: "not an object's metadata" })?;
                Ok(Some(read.metadata.into()))
            }
            Err(Trouble::NotFound) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }
}

/// What one list told, and what it told nothing about.
type Scan = (Vec<(Identity, Looked)>, Vec<Target>);

/// What looking at one object showed.
enum Looked {
    Exists(Existing),
    Absent,
    Hidden(Trouble),
}

/// A wanted object, and where it lives.
struct Found {
    /// As its manifest names it.
    named: Key,
    place: Place,
    target: Target,
    namespaced: bool,
    /// Where it is looked at now: in another version, where its own is only defined by what is going to be applied.
    seen_at: Option<Target>,
}

fn place(wanted: &Wanted, catalogue: &Catalogue) -> (Vec<Found>, Vec<(Key, Place)>) {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for (key, place) in &wanted.objects {
        let is_this = |one: &&Defined| one.group == key.group && one.version == key.version && one.kind == key.kind;
        let served = catalogue.exact(&key.group, &key.version, &key.kind);
        let defined = wanted.defines.iter().find(is_this);
        let known = served
            .map(|served| (served.plural.clone(), served.namespaced))
            .or_else(|| defined.map(|defined| (defined.plural.clone(), defined.namespaced)));
        let Some((plural, namespaced)) = known else {
            missing.push((key.clone(), place.clone()));
            continue;
        };
        let namespace = key.namespace.clone().filter(|_| namespaced);
        let target = Target { key: Key { namespace, ..key.clone() }, plural };
        let seen_at = catalogue.any(&key.group, &key.version, &key.kind).map(|served| Target {
            key: Key { version: served.version.clone(), ..target.key.clone() },
            plural: served.plural.clone(),
        });
        found.push(Found { named: key.clone(), place: place.clone(), target, namespaced, seen_at });
    }
    (found, missing)
}

/// Refuses objects that need a namespace and have none: the API server would have to guess.
fn scoped(found: Vec<Found>) -> Result<Vec<Found>, Error> {
    let lost = |one: &&Found| one.namespaced && one.target.key.namespace.is_none();
    let homeless: Vec<_> = found.iter().filter(lost).map(|one| (one.named.clone(), one.place.clone())).collect();
    if homeless.is_empty() { Ok(found) } else { Err(Error::NoNamespace(homeless)) }
}
