use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use super::{FIRST_PAUSE, Followed, LONGEST_PAUSE, Rack, Seen, View, Watched, identity, pause_after, read};
use crate::cluster::memory::Memory;
use crate::cluster::metadata::Metadata;
use crate::cluster::reply::Trouble;
use crate::plan::{Existing, Identity};

fn maps() -> Rack {
    (String::new(), "v1".to_owned(), "configmaps".to_owned(), Some("shop".to_owned()))
}

fn map(name: &str) -> Identity {
    identity(&maps(), "ConfigMap", name.to_owned())
}

fn metadata(name: &str, version: &str) -> Metadata {
    serde_json::from_value(serde_json::json!({"name": name, "uid": format!("uid-{name}"), "resourceVersion": version}))
        .unwrap()
}

fn existing(name: &str, version: &str) -> Existing {
    metadata(name, version).into()
}

/// `a` and `b` are recorded, and were applied as version 1.
fn view() -> View {
    let memory = Memory::new();
    for name in ["a", "b"] {
        memory.remember(map(name), &existing(name, "1"), memory.fingerprint(b"manifest"));
    }
    let recorded = BTreeSet::from([map("a"), map("b")]);
    let seen = Mutex::new(Seen { recorded, ..Seen::default() });
    let racks = BTreeMap::from([(maps(), Followed { kind: "ConfigMap".to_owned(), again: Arc::default() })]);
    let view = View { memory: Arc::new(memory), racks, seen, changed: Notify::new() };
    view.listed(&maps(), "ConfigMap", vec![metadata("a", "1"), metadata("b", "1")]);
    assert!(!view.is_disturbed());
    view
}

#[test]
fn what_is_changed_deleted_or_was_gone_before_the_list_disturbs() {
    let changed = view();
    changed.shown(map("a"), Some(existing("a", "2")));
    assert!(changed.is_disturbed());
    let deleted = view();
    deleted.shown(map("b"), None);
    assert!(deleted.is_disturbed());
    let gone = view();
    gone.listed(&maps(), "ConfigMap", vec![metadata("a", "1")]);
    assert!(gone.is_disturbed());
}

#[test]
fn what_this_process_has_written_disturbs_nobody_however_late_its_answer_comes() {
    let view = view();
    view.shown(map("a"), Some(existing("a", "2")));
    view.memory.remember(map("a"), &existing("a", "2"), view.memory.fingerprint(b"newer"));
    assert!(!view.is_disturbed());
    view.shown(map("b"), None);
    view.memory.forget(&map("b"));
    assert!(!view.is_disturbed());
}

#[test]
fn objects_that_only_bear_our_labels_disturb_nobody_and_are_not_kept() {
    let view = view();
    for number in 0..1000 {
        let name = format!("forged-{number}");
        view.shown(map(&name), Some(existing(&name, "1")));
    }
    assert!(!view.is_disturbed());
    assert_eq!(view.seen().objects.len(), 2);
}

#[test]
fn object_that_was_shown_before_it_was_recorded_is_not_taken_for_gone() {
    let view = view();
    view.shown(map("c"), Some(existing("c", "1")));
    view.memory.remember(map("c"), &existing("c", "1"), view.memory.fingerprint(b"manifest"));
    view.record(BTreeSet::from([map("a"), map("b"), map("c")]));
    assert_eq!(view.is_left_so(&maps(), &map("c")), None);
    view.listed(&maps(), "ConfigMap", ["a", "b", "c"].map(|name| metadata(name, "1")).into());
    assert_eq!(view.is_left_so(&maps(), &map("c")), Some(true));
    assert!(!view.is_disturbed());
    // What only goes is not listed for.
    view.record(BTreeSet::from([map("a"), map("c")]));
    assert_eq!(view.is_left_so(&maps(), &map("a")), Some(true));
}

#[test]
fn watch_that_ends_at_once_is_begun_later_and_later() {
    let mut pause = FIRST_PAUSE;
    let mut all = Vec::new();
    for _ in 0..8 {
        pause = pause_after(pause, Duration::ZERO);
        all.push(pause.as_secs());
    }
    assert_eq!(all, [2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(pause_after(pause, LONGEST_PAUSE * 2), FIRST_PAUSE);
}

#[test]
fn rack_whose_follower_breaks_down_is_looked_at_again() {
    let view = view();
    assert_eq!(view.is_left_so(&maps(), &map("a")), Some(true));
    let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _watched = Watched { view: &view, rack: &maps() };
        panic!("as a follower might");
    }));
    assert!(broken.is_err());
    assert_eq!(view.is_left_so(&maps(), &map("a")), None);
}

#[test]
fn lines_of_a_watch_are_read_and_unknown_ones_begin_anew() {
    let line = |kind: &str, object: &str| format!(r#"{{"type":"{kind}","object":{object}}}"#);
    let told = |text: String| read(text.as_bytes(), &maps(), "ConfigMap");
    let object = r#"{"kind":"PartialObjectMetadata","metadata":{"name":"a","uid":"u","resourceVersion":"7"}}"#;
    let shown = told(line("MODIFIED", object)).unwrap();
    assert_eq!(shown.at.as_deref(), Some("7"));
    let (identity, existing) = shown.object.unwrap();
    assert_eq!((identity, existing.map(|existing| existing.uid)), (map("a"), Some("u".to_owned())));
    let deleted = told(line("DELETED", object)).unwrap();
    assert_eq!(deleted.object, Some((map("a"), None)));
    let bookmark = told(line("BOOKMARK", r#"{"metadata":{"resourceVersion":"9"}}"#)).unwrap();
    assert_eq!((bookmark.at.as_deref(), bookmark.object), (Some("9"), None));
    let expired = line("ERROR", r#"{"kind":"Status","code":410,"reason":"Expired"}"#);
    assert!(matches!(told(expired), Err(Trouble::Changed)));
    for bent in [
        "",
        "{}",
        r#"{"type":"ADDED","object":null}"#,
        r#"{"type":"ADDED","object":[]}"#,
        r#"{"type":"ADDED","object":"x"}"#,
        r#"{"type":"ADDED","object":7}"#,
        r#"{"type":"ADDED","object":{"metadata":{"name":"a"}}}"#,
    ] {
        assert!(matches!(told(bent.to_owned()), Err(Trouble::Unreadable { .. })), "{bent}");
    }
}
