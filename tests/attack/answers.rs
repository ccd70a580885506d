//! Answers of a git server that are none, or that point elsewhere.

use gitwarrant::git::Transport as _;

use super::transport::{Scene, fetch_error, main_branch, packs, whole};
use crate::support::gitserver::Bend;

#[test]
fn garbage_in_place_of_the_protocol_is_an_error() {
    let scene = Scene::new();
    for garbage in
        ["", "0", "0003", "0002", "fff5", "ffff", "zzzz", "0005\u{1}", "000dpackfile\n", "0004", "0001", "0009PACK"]
    {
        scene.server.bend(Bend::Say(garbage.into()));
        let error = fetch_error(&scene);
        assert_eq!(error.code(), "bad-answer", "{garbage:?}: {error}");
    }
}

#[test]
fn garbage_in_place_of_a_pack_is_an_error_and_leaves_nothing() {
    let scene = Scene::new();
    let begin = "000dpackfile\n";
    for garbage in [
        // Nothing, an empty frame, a band that is none, an end, a section, frames of impossible length.
        "",
        "0004",
        "0005\u{9}",
        "0006\u{4}x",
        "0000",
        "0001",
        "0002",
        "0003",
        "fff1",
        "zzzz",
        "0005",
        "0009\u{1}PA",
        // Talk and nothing else, empty parts and nothing else.
        "000a\u{2}wait\n0000",
        "0005\u{1}0005\u{1}0000",
        // A pack of no objects, cut and with a wrong checksum.
        "0011\u{1}PACK\0\0\0\u{2}\0\0\0\u{0}0000",
        "0015\u{1}PACK\0\0\0\u{2}\0\0\0\0aaaa0000",
    ] {
        scene.server.bend(Bend::Send(format!("{begin}{garbage}").into_bytes()));
        let error = fetch_error(&scene);
        assert!(matches!(error.code(), "bad-pack" | "bad-answer"), "{garbage:?}: {}", whole(&error));
    }
    scene.server.bend(Bend::Send(format!("{begin}0011\u{3}no more now\u{1b}").into_bytes()));
    let error = fetch_error(&scene);
    assert!(error.to_string().contains("no more now") && !error.to_string().contains('\u{1b}'), "{error}");
    assert_eq!(packs(scene.dir.path()), 0);
}

/// What would come from elsewhere is not fetched there: not from a bundle, not from an address in the answer.
#[test]
fn nothing_is_fetched_from_where_the_server_points_to() {
    let (scene, elsewhere) = (Scene::new(), Scene::new());
    let there = elsewhere.server.url("infra.git");
    let offered = format!("000fbundle-uri\n{:04x}bundle.x.uri={there}\n", there.len() + 18);
    scene.server.bend(Bend::Boast("0012server-option\n".into(), offered.clone() + "0012server-option\n"));
    let fetched = scene.mirror().fetch(&scene.transport(), &main_branch()).unwrap();
    assert_eq!(fetched.what().head.to_string(), scene.first);
    assert!(scene.server.seen().iter().all(|seen| !String::from_utf8_lossy(&seen.body).contains("bundle")));
    let line = format!("{} {there}\n", "ab".repeat(20));
    let answer = format!("0012packfile-uris\n{:04x}{line}0001000dpackfile\n0000", line.len() + 4);
    scene.server.bend(Bend::Send(answer.into_bytes()));
    assert_eq!(fetch_error(&scene).code(), "bad-answer");
    assert!(elsewhere.server.seen().is_empty());
}

#[test]
fn names_that_nobody_asked_for_or_git_does_not_take_are_not_offered() {
    let scene = Scene::new();
    let long = format!("refs/tags/{}", "x".repeat(60_000));
    let names = [
        "refs/tags/v1.0.0",
        "refs/tags/../../v9.0.0",
        "refs/tags/v9.0.0.lock",
        "refs/tags/v9.0.0\u{7}",
        "refs/heads/v9.0.0",
        "v9.0.0",
        &long,
    ];
    let line = |name: &&str| format!("{:04x}{} {name}\n", name.len() + 46, scene.first);
    scene.server.bend(Bend::Say(format!("{}0000", names.iter().map(line).collect::<String>()).into_bytes()));
    let (_, offers) = scene.transport().tags().unwrap();
    assert_eq!(offers.iter().map(|offer| offer.name.as_str()).collect::<Vec<_>>(), ["refs/tags/v1.0.0"]);
}
