//! What the API server shows of a Sync's objects as it changes: metadata alone, with the rights of its ServiceAccount.
//!
//! While a kind is watched, an unchanged object costs no request; what cannot be watched is looked at in turn, as before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use serde::Deserialize;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::plan::{Existing, Identity, Inventory, Owner};

use super::ServiceAccount;
use super::discovery::Absences;
use super::kube::Acting;
use super::memory::Memory;
use super::metadata::{ACCEPT_ONE, Metadata};
use super::path;
use super::reply::Trouble;
use super::request::{About, Requests, Verb};
use super::survey::{Rack, list, rack};

/// How long the server is asked to keep a watch open, in seconds; it is renewed where it ended.
const OPEN: u32 = 290;
/// Longest silence in a watch: longer than the server was asked to keep it open.
const SILENCE: Duration = Duration::from_secs(310);
/// Upper bound on one event, in bytes; etcd refuses objects above 1.5 MiB.
const LONGEST_EVENT: usize = 4 << 20;
/// Pauses before a watch that broke off is begun anew.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Kinds in a namespace that are watched for one Sync; what is on others is looked at in turn.
const RACKS: usize = 64;
/// An answer to our own request can come after the event that it caused.
const SETTLING: Duration = Duration::from_millis(100);

/// Watches over what one Sync owns; they end with this value.
pub struct Watch {
    view: Arc<View>,
    account: ServiceAccount,
    _followers: JoinSet<()>,
}

/// What is seen, and what of it matters.
struct View {
    memory: Arc<Memory>,
    racks: BTreeMap<Rack, Followed>,
    seen: Mutex<Seen>,
    changed: Notify,
}

/// A rack that is followed.
struct Followed {
    kind: String,
    /// Told when it has to be listed again.
    again: Arc<Notify>,
}

#[derive(Default)]
struct Seen {
    /// What the Sync has recorded: objects that only bear its labels are nobody's business.
    recorded: BTreeSet<Identity>,
    /// What is followed without a gap.
    live: BTreeSet<Rack>,
    objects: BTreeMap<Identity, Existing>,
    /// Recorded objects that were not as this process left them when they were last seen.
    suspects: BTreeSet<Identity>,
}

/// One event of a watch.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    object: serde_json::Value,
}

impl Acting {
    /// Watches what is recorded in `inventory`, and calls `wake` when something of it is not as this process left it.
    /// `previous` goes on where it watches the same kinds.
    pub async fn watch(
        &self,
        inventory: &Inventory,
        previous: Option<Watch>,
        wake: impl Fn() + Send + 'static,
    ) -> Option<Watch> {
        let catalogue = self.shared.directory.current(&self.requests, &self.account).await.ok()?;
        let mut kinds: BTreeMap<Rack, String> = BTreeMap::new();
        let mut absences = Absences::new();
        for entry in inventory.iter() {
            if let Ok(target) = self.whereabouts(entry, &catalogue, &mut absences).await {
                kinds.insert(rack(&target), target.key.kind);
            }
        }
        if kinds.is_empty() {
            return None;
        }
        let recorded = inventory.iter().map(|entry| Identity::from(&entry.key)).collect();
        let kinds: BTreeMap<Rack, String> = kinds.into_iter().take(RACKS).collect();
        let goes_on =
            |previous: &Watch| previous.account == self.account && previous.view.racks.keys().eq(kinds.keys());
        if let Some(previous) = previous.filter(goes_on) {
            previous.view.record(recorded);
            return Some(previous);
        }
        let seen = Mutex::new(Seen { recorded, ..Seen::default() });
        let with_kind = |(rack, kind)| (rack, Followed { kind, again: Arc::default() });
        let racks: BTreeMap<Rack, Followed> = kinds.into_iter().map(with_kind).collect();
        let view = Arc::new(View { memory: Arc::clone(&self.memory), racks, seen, changed: Notify::new() });
        let mut followers = JoinSet::new();
        for (rack, Followed { kind, again }) in &view.racks {
            let follower = Follower {
                requests: self.requests.clone(),
                account: self.account.clone(),
                owner: self.owner.clone(),
                view: Arc::clone(&view),
                rack: rack.clone(),
                kind: kind.clone(),
                again: Arc::clone(again),
            };
            followers.spawn(follower.follow());
        }
        followers.spawn(watch_over(Arc::clone(&view), wake));
        Some(Watch { view, account: self.account.clone(), _followers: followers })
    }
}

impl Watch {
    /// Whether a recorded object is as this process left it; `None` where it is not watched now.
    pub(super) fn is_left_so(&self, rack: &Rack, identity: &Identity) -> Option<bool> {
        self.view.is_left_so(rack, identity)
    }
}

/// Wakes whoever can put it right.
async fn watch_over(view: Arc<View>, wake: impl Fn() + Send) {
    loop {
        view.changed.notified().await;
        tokio::time::sleep(SETTLING).await;
        if view.is_disturbed() {
            wake();
        }
    }
}

impl View {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Each change leaves the maps whole.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What matters from now on. Where something is new, the rack is listed again: what was shown of it before was
    /// nobody's business, and is not known.
    fn record(&self, recorded: BTreeSet<Identity>) {
        let mut seen = self.seen();
        for (rack, Followed { kind, again }) in &self.racks {
            let new = recorded.difference(&seen.recorded).any(|identity| identity_is_on(identity, rack, kind));
            if new {
                seen.live.remove(rack);
                again.notify_one();
            }
        }
        seen.suspects.retain(|identity| recorded.contains(identity));
        seen.recorded = recorded;
    }

    /// Everything of a rack, as it was listed.
    fn listed(&self, rack: &Rack, kind: &str, found: Vec<Metadata>) {
        let mut seen = self.seen();
        let of_rack = |identity: &Identity| identity_is_on(identity, rack, kind);
        seen.objects.retain(|identity, _| !of_rack(identity));
        let existing = found.into_iter().map(|one| (identity(rack, kind, one.name.clone()), Existing::from(one)));
        let recorded: Vec<_> = existing.filter(|(identity, _)| seen.recorded.contains(identity)).collect();
        seen.objects.extend(recorded);
        seen.live.insert(rack.clone());
        let all: Vec<Identity> = seen.recorded.iter().filter(|identity| of_rack(identity)).cloned().collect();
        self.suspect(seen, all);
    }

    fn shown(&self, identity: Identity, existing: Option<Existing>) {
        let mut seen = self.seen();
        if !seen.recorded.contains(&identity) {
            return;
        }
        match existing {
            Some(existing) => drop(seen.objects.insert(identity.clone(), existing)),
            None => drop(seen.objects.remove(&identity)),
        }
        self.suspect(seen, vec![identity]);
    }

    fn lost(&self, rack: &Rack) {
        self.seen().live.remove(rack);
    }

    /// Whether a recorded object is as this process left it; `None` where it is not watched now.
    fn is_left_so(&self, rack: &Rack, identity: &Identity) -> Option<bool> {
        let seen = self.seen();
        let bears_labels = !self.memory.is_out_of_sight(identity);
        let watched = bears_labels && seen.live.contains(rack) && seen.recorded.contains(identity);
        watched.then(|| self.is_left(&seen, identity))
    }

    fn suspect(&self, mut seen: MutexGuard<'_, Seen>, identities: Vec<Identity>) {
        let strange = |one: &Identity| !self.memory.is_out_of_sight(one) && !self.is_left(&seen, one);
        let strange: Vec<Identity> = identities.into_iter().filter(strange).collect();
        if !strange.is_empty() {
            seen.suspects.extend(strange);
            self.changed.notify_one();
        }
    }

    fn is_left(&self, seen: &Seen, identity: &Identity) -> bool {
        seen.objects.get(identity).is_some_and(|existing| self.memory.left_so(identity, existing))
    }

    fn is_disturbed(&self) -> bool {
        let mut seen = self.seen();
        let suspects = std::mem::take(&mut seen.suspects);
        suspects.iter().any(|one| self.memory.is_disturbed_by(one, seen.objects.get(one)))
    }
}

fn identity(rack: &Rack, kind: &str, name: String) -> Identity {
    let (group, _, _, namespace) = rack;
    Identity { group: group.clone(), kind: kind.to_owned(), namespace: namespace.clone(), name }
}

fn identity_is_on(identity: &Identity, rack: &Rack, kind: &str) -> bool {
    let (group, _, _, namespace) = rack;
    identity.group == *group && identity.kind == kind && identity.namespace == *namespace
}

/// Follows one rack.
struct Follower {
    requests: Requests,
    account: ServiceAccount,
    owner: Owner,
    view: Arc<View>,
    rack: Rack,
    kind: String,
    again: Arc<Notify>,
}

impl Follower {
    async fn follow(self) {
        // A panic ends in looking in turn, and not in a view that nobody brings up to date.
        let watched = Watched { view: &self.view, rack: &self.rack };
        let mut pause = FIRST_PAUSE;
        loop {
            let begun = Instant::now();
            let Some(place) = self.requests.place_for_watch() else {
                tokio::time::sleep(LONGEST_PAUSE * 5).await;
                continue;
            };
            let ended = tokio::select! {
                ended = self.until_it_breaks() => ended,
                () = self.again.notified() => continue,
            };
            watched.is_lost();
            // Without the right to watch the objects are looked at in turn; whoever grants it restarts nothing for it.
            pause = match ended {
                Trouble::Denied { .. } => LONGEST_PAUSE * 5,
                _ => pause_after(pause, begun.elapsed()),
            };
            drop(place);
            tokio::time::sleep(pause).await;
        }
    }

    /// Lists, and follows what comes after; a watch that ends in peace goes on where it ended.
    async fn until_it_breaks(&self) -> Trouble {
        let wanted = |name: &str| {
            let identity = identity(&self.rack, &self.kind, name.to_owned());
            self.view.seen().recorded.contains(&identity)
        };
        let listed = list(&self.requests, &self.account, &self.owner, &self.rack, wanted).await;
        let (mut version, found) = match listed {
            Ok(listed) => listed,
            Err(trouble) => return trouble,
        };
        self.view.listed(&self.rack, &self.kind, found);
        let mut pause = FIRST_PAUSE;
        loop {
            let begun = Instant::now();
            version = match self.watch_from(&version).await {
                Ok(version) => version,
                Err(trouble) => return trouble,
            };
            if begun.elapsed() < FIRST_PAUSE {
                pause = pause_after(pause, begun.elapsed());
                tokio::time::sleep(pause).await;
            } else {
                pause = FIRST_PAUSE;
            }
        }
    }

    async fn watch_from(&self, version: &str) -> Result<String, Trouble> {
        let (group, api_version, plural, namespace) = &self.rack;
        let about = About::collection(&self.account, Verb::Watch, group, plural, namespace.as_deref());
        let base = path::collection(group, api_version, namespace.as_deref(), plural);
        let (selector, from) = (path::encode(&self.owner.selector()), path::encode(version));
        let path = format!(
            "{base}?watch=true&labelSelector={selector}&resourceVersion={from}&allowWatchBookmarks=true&timeoutSeconds={OPEN}"
        );
        let mut body = self.requests.open(&path, ACCEPT_ONE, &about).await?;
        let mut version = version.to_owned();
        let mut text = BytesMut::new();
        let broken = |what: &str| Trouble::Unreachable { what: what.to_owned() };
        loop {
            let frame = tokio::time::timeout(SILENCE, body.frame()).await.map_err(|_| broken("a watch fell silent"))?;
            let Some(frame) = frame else { return Ok(version) };
            let Ok(data) = frame.map_err(|_| broken("a watch broke off"))?.into_data() else { continue };
            text.extend_from_slice(&data);
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line = text.split_to(end);
                text.advance(1);
                self.take(&line, &mut version)?;
            }
            if text.len() > LONGEST_EVENT {
                return Err(Trouble::Unreadable { what: "an event without end" });
            }
        }
    }

    fn take(&self, line: &[u8], version: &mut String) -> Result<(), Trouble> {
        let Told { at, object } = read(line, &self.rack, &self.kind)?;
        if let Some(at) = at {
            *version = at;
        }
        if let Some((identity, existing)) = object {
            self.view.shown(identity, existing);
        }
        Ok(())
    }
}

/// How long to wait after a watch that lasted so long: twice as long each time, unless it was worth beginning.
fn pause_after(pause: Duration, lasted: Duration) -> Duration {
    if lasted > LONGEST_PAUSE { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) }
}

/// A rack that somebody follows; when this ends, nobody does.
struct Watched<'a> {
    view: &'a View,
    rack: &'a Rack,
}

impl Watched<'_> {
    fn is_lost(&self) {
        self.view.lost(self.rack);
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.is_lost();
    }
}

/// What one line of a watch says.
struct Told {
    /// Where the watch is now.
    at: Option<String>,
    /// An object, and what exists of it.
    object: Option<(Identity, Option<Existing>)>,
}

fn read(line: &[u8], rack: &Rack, kind: &str) -> Result<Told, Trouble> {
    let unreadable = |_| Trouble::Unreadable { what: "not an event" };
    let Event { kind: event, mut object } = serde_json::from_slice(line).map_err(unreadable)?;
    let at = object.pointer("/metadata/resourceVersion").and_then(serde_json::Value::as_str).map(str::to_owned);
    let exists = match event.as_str() {
        "ADDED" | "MODIFIED" => true,
        "DELETED" => false,
        "BOOKMARK" => return Ok(Told { at, object: None }),
        // `ERROR`: the version is too old, or the server ends the watch; both begin with a list.
        _ => return Err(Trouble::Changed),
    };
    let metadata = object.get_mut("metadata").map(serde_json::Value::take).unwrap_or_default();
    let metadata: Metadata = serde_json::from_value(metadata).map_err(unreadable)?;
    let identity = identity(rack, kind, metadata.name.clone());
    Ok(Told { at, object: Some((identity, exists.then(|| metadata.into()))) })
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
