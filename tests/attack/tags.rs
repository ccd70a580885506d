//! Tag objects as an attacker or an odd tool writes them, each signed over exactly what stands in it.

use std::process::Command;

use gitwarrant::trust::{Mode, Reason};

use super::place::{DAY, HOUR, Place, THEN};
use crate::support::signing::{By, SshKey, run};

const REFERENCE: &str = "refs/tags/v1.0.0";

/// A place in tag mode with an unsigned head on the pinned commit.
struct Scene {
    place: Place,
    head: String,
}

impl Scene {
    fn new() -> Self {
        let mut place = Place::new();
        place.policy.mode = Mode::Tag;
        let head = place.commit("a", "1", By::Nobody, HOUR);
        Self { place, head }
    }

    /// A tag of the head, made an hour after the pinned commit.
    fn text(&self) -> String {
        self.dated(THEN + HOUR)
    }

    fn dated(&self, date: i64) -> String {
        format!("object {}\ntype commit\ntag v1.0.0\ntagger A <a@example.org> {date} +0000\n\nrelease\n", self.head)
    }

    fn signature(&self, by: &SshKey, namespace: &str, text: &str) -> String {
        let file = self.place.kept.path().join("tag");
        std::fs::write(&file, text).unwrap();
        drop(std::fs::remove_file(file.with_extension("sig")));
        let mut keygen = Command::new("ssh-keygen");
        run(keygen.args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(&by.private).arg(&file));
        std::fs::read_to_string(file.with_extension("sig")).unwrap()
    }

    /// What is said of a tag of these bytes.
    fn judge(&self, raw: &str) -> Result<Vec<String>, Reason> {
        let file = self.place.kept.path().join("raw");
        std::fs::write(&file, raw).unwrap();
        let mut hash = self.place.signers.git(&self.place.repository, THEN);
        hash.args(["hash-object", "-t", "tag", "-w", "--literally"]).arg(&file);
        let id = run(&mut hash).stdout;
        let place = self.place.repository.join(".git").join(REFERENCE);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, id).unwrap();
        self.place.judge_at(REFERENCE)
    }

    fn signed(&self, text: &str) -> Result<Vec<String>, Reason> {
        self.judge(&format!("{text}{}", self.signature(&self.place.alice, "git", text)))
    }
}

#[allow(clippy::unnecessary_wraps, reason = "what a verdict is compared with")]
fn alice() -> Result<Vec<String>, Reason> {
    Ok(vec!["alice@example.org".to_owned()])
}

#[test]
fn headers_that_readers_take_differently_are_refused_though_they_are_signed() {
    let scene = Scene::new();
    let text = scene.text();
    let (tree, other) = (
        scene.place.signers.rev_parse(&scene.place.repository, "HEAD^{tree}"),
        format!("object {}\n", scene.place.root),
    );
    let malformed = Err(Reason::MalformedObject);
    let target = Err(Reason::TagTargetNotCommit);
    let tagger = text.lines().nth(3).unwrap();
    for (bent, expected) in [
        (text.clone(), alice()),
        // Git, too, looks for a signature where a line begins.
        (text.replace("release\n", "release"), Err(Reason::Unsigned)),
        (text.replace("release\n", "release\r\n\r\nnotes\r\n"), alice()),
        (text.replace("release\n", ""), alice()),
        (text.replace(&format!("{tagger}\n"), ""), malformed.clone()),
        (text.replace("tag v1.0.0\n", "tag v1.0.0\ntag v2.0.0\n"), malformed.clone()),
        (format!("{other}{text}"), malformed.clone()),
        (text.replace("type commit\n", &format!("type commit\n{other}")), malformed.clone()),
        (text.replace("\n\nrelease", "\nencoding latin1\n\nrelease"), malformed.clone()),
        (text.replace("type commit\ntag v1.0.0\n", "tag v1.0.0\ntype commit\n"), malformed.clone()),
        (text.replace("release", "rel\0ease"), malformed.clone()),
        (text.replace(" +0000", " +0000 +0000"), malformed.clone()),
        (text.replace(&scene.head, &scene.head[..39]), malformed.clone()),
        (text.replace(&scene.head, &scene.head.to_uppercase()), malformed),
        (text.replace("type commit", "type tree"), target.clone()),
        (text.replace("type commit", "type tag"), target.clone()),
        (text.replace(&scene.head, &tree), target.clone()),
        (text.replace("type commit", "type tree").replace(&scene.head, &tree), target),
        (text.replace(&scene.head, &"ab".repeat(20)), Err(Reason::IncompleteHistory)),
        (text.replace("tag v1.0.0", "tag refs/tags/v1.0.0"), Err(Reason::TagNameMismatch)),
        (text.replace("tag v1.0.0", "tag V1.0.0"), Err(Reason::TagNameMismatch)),
        (text.replace("tag v1.0.0", "tag v1.0.0 "), Err(Reason::TagNameMismatch)),
        (text.replace("tag v1.0.0", "tag v1.0.1"), Err(Reason::TagNameMismatch)),
    ] {
        assert_eq!(scene.signed(&bent), expected, "{bent:?}");
    }
}

#[test]
fn exactly_one_signature_of_somebody_listed_ends_a_tag() {
    let scene = Scene::new();
    let text = scene.text();
    let good = scene.signature(&scene.place.alice, "git", &text);
    let mallory = scene.place.signers.ssh_key("mallory", "ed25519");
    let malformed = Err(Reason::MalformedSignature);
    for (raw, expected) in [
        (format!("{text}{good}"), alice()),
        (text.clone(), Err(Reason::Unsigned)),
        (format!("{text}{good}more\n"), malformed.clone()),
        (format!("{text}{good}{good}"), malformed.clone()),
        (format!("{text}{good}{}", scene.signature(&mallory, "git", &format!("{text}{good}"))), malformed.clone()),
        (format!("{text}{}", &good[..good.len() - 30]), malformed.clone()),
        (format!("{text}{}", good.replace("SSH SIGNATURE", "PGP SIGNATURE")), malformed.clone()),
        (format!("{text}{}", good.replace("SSH SIGNATURE", "SIGNED MESSAGE")), Err(Reason::UnsupportedSignature)),
        (text.replace("\n\n", &format!("\ngpgsig {}\n\n", good.trim_end().replace('\n', "\n "))), malformed),
        (format!("{}{good}", text.replace("release", "other")), Err(Reason::BadSignature)),
        (format!("{text} {good}"), Err(Reason::Unsigned)),
        (format!("{text}{}", scene.signature(&mallory, "git", &text)), Err(Reason::UnknownSigner)),
        (format!("{text}{}", scene.signature(&scene.place.alice, "file", &text)), Err(Reason::WrongNamespace)),
    ] {
        assert_eq!(scene.judge(&raw), expected, "{raw}");
    }
}

#[test]
fn a_tag_is_judged_at_the_time_that_its_tagger_gives_within_reason() {
    let mut scene = Scene::new();
    let (line, now) = (scene.place.alice.public.clone(), scene.place.now);
    for (date, window, expected) in [
        (THEN + HOUR, "valid-before=\"20260601010000Z\" ", alice()),
        (THEN + HOUR + 1, "valid-before=\"20260601010000Z\" ", Err(Reason::KeyNotValidAtTime)),
        (now + HOUR, "", alice()),
        (now + HOUR + 1, "", Err(Reason::FutureDated)),
        (THEN - DAY + HOUR, "", alice()),
        (THEN - DAY + HOUR - 1, "", Err(Reason::TimeRegression)),
    ] {
        scene.place.allow(format!("alice@example.org {window}{line}\n"));
        assert_eq!(scene.signed(&scene.dated(date)), expected, "{date} {window}");
    }
    scene.place.allow(format!("alice@example.org {line}\n"));
    scene.place.policy.signers[0].revoked = Some(line.into_bytes());
    assert_eq!(scene.signed(&scene.text()), Err(Reason::RevokedKey));
}

#[test]
fn a_signed_tag_of_anything_but_a_commit_is_refused() {
    let scene = Scene::new();
    let place = &scene.place;
    for target in ["HEAD^{tree}", "HEAD:a"] {
        let mut git = place.signers.git(&place.repository, THEN + HOUR);
        git.args(["-c", "gpg.format=ssh", "-c"]).arg(format!("user.signingKey={}", place.alice.private.display()));
        run(git.args(["tag", "--sign", "--force", "--message", "m", "v1.0.0", target]));
        assert_eq!(place.judge_at(REFERENCE), Err(Reason::TagTargetNotCommit), "{target}");
    }
}

#[test]
fn a_signed_tag_of_a_tag_is_refused_however_long_the_chain() {
    let scene = Scene::new();
    let place = &scene.place;
    place.git(&["tag", "--annotate", "--message", "m", "n0"]);
    for number in 1..13 {
        place.git(&["tag", "--annotate", "--message", "m", &format!("n{number}"), &format!("n{}", number - 1)]);
    }
    for target in ["n0", "n3", "n12"] {
        let mut git = place.signers.git(&place.repository, THEN + HOUR);
        git.args(["-c", "gpg.format=ssh", "-c"]).arg(format!("user.signingKey={}", place.alice.private.display()));
        run(git.args(["tag", "--sign", "--force", "--message", "m", "v1.0.0", target]));
        assert_eq!(place.judge_at(REFERENCE), Err(Reason::TagTargetNotCommit), "{target}");
    }
}

#[test]
fn a_tag_that_was_applied_is_not_judged_again_and_never_moves() {
    let mut scene = Scene::new();
    scene.place.signers.tag(&scene.place.repository, "v1.0.0", By::Nobody, THEN + HOUR);
    scene.place.applied(&scene.head.clone());
    scene.place.base.applied_tag = Some("v1.0.0".into());
    assert_eq!(scene.place.judge_at(REFERENCE), Ok(vec![]));
    scene.place.base.applied_tag = Some(REFERENCE.into());
    assert_eq!(scene.place.judge_at(REFERENCE), Ok(vec![]), "by its full name");
    scene.head = scene.place.commit("a", "2", By::Nobody, 2 * HOUR);
    assert_eq!(scene.signed(&scene.text()), Err(Reason::TagMoved), "forwards too, and signed");
}
