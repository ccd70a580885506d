//! A hostile or broken server, and what lies between.

use std::path::Path;
use std::time::{Duration, Instant};

use gitwarrant::git::{
    Checked, Connection, Credentials, Error, Mirror, Oid, Plain, Range, Reference, Remote, Transport, Url,
};
use gitwarrant::secret::Secret;

use crate::support::gitserver::{Bend, GitServer, Guard, Seen};
use crate::support::repo::Repo;

/// A server with one repository of one commit.
pub(super) struct Scene {
    pub(super) dir: tempfile::TempDir,
    repo: Repo,
    pub(super) first: String,
    pub(super) server: GitServer,
}

impl Scene {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repo::init(&dir.path().join("work"));
        let first = repo.commit("a.yaml", "a: 1\n");
        std::fs::create_dir(dir.path().join("served")).unwrap();
        repo.mirror(&dir.path().join("served/infra.git"));
        let server = GitServer::start(&dir.path().join("served"));
        Self { dir, repo, first, server }
    }

    fn push(&self) {
        let to = self.dir.path().join("served/infra.git");
        self.repo.git(&["push", "-q", "--mirror", to.to_str().unwrap()]);
    }

    fn remote(&self) -> Remote {
        remote(&self.server.url("infra.git"))
    }

    pub(super) fn transport(&self) -> Connection {
        Connection::new(self.remote()).unwrap()
    }

    pub(super) fn mirror(&self) -> Mirror {
        Mirror::new(self.dir.path())
    }
}

fn remote(url: &str) -> Remote {
    Remote { timeout: Duration::from_secs(20), ..Remote::new(Url::parse(url, Plain::Allow).unwrap()) }
}

pub(super) fn main_branch() -> Reference {
    Reference::Branch("main".into())
}

fn alice(password: &str) -> Credentials {
    Credentials::Basic { username: "alice".into(), password: Secret::new(password.as_bytes().to_vec()) }
}

/// Everything an error says, with its causes.
pub(super) fn whole(error: &Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(&format!(": {next} {next:?}"));
        cause = next.source();
    }
    text
}

pub(super) fn fetch_error(scene: &Scene) -> Error {
    scene.mirror().fetch(&scene.transport(), &main_branch()).map(|_| ()).unwrap_err()
}

#[test]
fn head_is_fetched_with_its_objects() {
    let scene = Scene::new();
    let fetched = scene.mirror().fetch(&scene.transport(), &main_branch()).unwrap();
    assert_eq!(fetched.what().head.to_string(), scene.first);
    assert_eq!(fetched.what().reference, "refs/heads/main");
    assert!(fetched.what().tag.is_none());
    let raw = fetched.objects().read(&fetched.what().head, 1 << 20).unwrap();
    assert!(raw.bytes.starts_with(b"tree "));
}

#[test]
fn unmoved_reference_downloads_nothing() {
    let scene = Scene::new();
    let (transport, mut mirror) = (scene.transport(), scene.mirror());
    let (commit, _) = mirror.fetch(&transport, &main_branch()).unwrap().into_parts();
    scene.server.seen();
    assert_eq!(Mirror::check(&transport, &main_branch(), Some(&commit)).unwrap(), Checked::Unmoved);
    let seen = scene.server.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(!seen[0].asks_for_a_pack());
    assert!(String::from_utf8_lossy(&seen[0].body).contains("ref-prefix refs/heads/main\n"));
}

#[test]
fn the_proxy_that_is_named_is_gone_through() {
    use std::io::{BufRead as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Some(format!("http://{}", listener.local_addr().unwrap()));
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = String::new();
        std::io::BufReader::new(&stream).read_line(&mut first).unwrap();
        stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").unwrap();
        first
    });
    // Nobody knows this host: only the proxy can be asked about it.
    let remote = Remote { proxy, ..remote("http://git.invalid/infra.git") };
    let error = Connection::new(remote).unwrap().look("refs/heads/main").unwrap_err();
    assert!(matches!(error, Error::Server { status: 502, .. }), "{error}");
    assert_eq!(
        asked.join().unwrap(),
        "GET http://git.invalid/infra.git/info/refs?service=git-upload-pack HTTP/1.1\r\n"
    );
}

#[test]
fn the_newest_tag_of_a_range_is_followed() {
    let scene = Scene::new();
    scene.repo.git(&["tag", "v1.0.0"]);
    let second = scene.repo.commit("a.yaml", "a: 2\n");
    scene.repo.git(&["tag", "-a", "-m", "two", "v1.2.0"]);
    scene.repo.commit("a.yaml", "a: 3\n");
    scene.repo.git(&["tag", "v2.0.0"]);
    scene.repo.git(&["tag", "newest"]);
    scene.push();
    let range = |text| Reference::Semver(Range::parse(text).unwrap());
    let fetched = scene.mirror().fetch(&scene.transport(), &range("1.x")).unwrap();
    assert_eq!((&*fetched.what().reference, fetched.what().head.to_string()), ("refs/tags/v1.2.0", second.clone()));
    assert!(fetched.what().tag.is_some());
    // The same tag object under a higher name is no quiet day: whoever judges must see that name.
    let (known, _) = fetched.into_parts();
    assert_eq!(Mirror::check(&scene.transport(), &range("1.x"), Some(&known)).unwrap(), Checked::Unmoved);
    scene.repo.git(&["update-ref", "refs/tags/v1.9.0", "refs/tags/v1.2.0"]);
    scene.push();
    let moved = Mirror::check(&scene.transport(), &range("1.x"), Some(&known)).unwrap();
    assert!(matches!(moved, Checked::Moved(offer) if offer.name == "refs/tags/v1.9.0"));
    scene.repo.git(&["update-ref", "-d", "refs/tags/v1.9.0"]);
    let error = scene.mirror().fetch(&scene.transport(), &range("3.x")).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Gone { .. }), "{error}");
    // In a working copy as over the network, packed or not.
    for _ in 0..2 {
        let here = gitwarrant::git::Repository::open(scene.repo.dir()).unwrap().follow(&range("1.x")).unwrap();
        assert_eq!((&*here.what().reference, here.what().head.to_string()), ("refs/tags/v1.2.0", second.clone()));
        scene.repo.git(&["pack-refs", "--all"]);
    }
}

#[test]
fn only_what_is_missing_is_downloaded() {
    let scene = Scene::new();
    let (transport, mut mirror) = (scene.transport(), scene.mirror());
    let (commit, _) = mirror.fetch(&transport, &main_branch()).unwrap().into_parts();
    let second = scene.repo.commit("a.yaml", "a: 2\n");
    scene.push();
    assert!(matches!(Mirror::check(&transport, &main_branch(), Some(&commit)).unwrap(), Checked::Moved(_)));
    scene.server.seen();
    let fetched = mirror.fetch(&transport, &main_branch()).unwrap();
    assert_eq!(fetched.what().head.to_string(), second);
    let asked = scene.server.seen().into_iter().find(Seen::asks_for_a_pack).unwrap();
    assert!(String::from_utf8_lossy(&asked.body).contains(&format!("have {}\n", scene.first)));
    assert!(fetched.objects().contains(&scene.first.parse().unwrap()));
    // What is there already is not asked for again, wherever the reference points.
    scene.repo.git(&["reset", "-q", "--hard", &scene.first]);
    scene.push();
    assert_eq!(mirror.fetch(&transport, &main_branch()).unwrap().what().head.to_string(), scene.first);
    assert!(!scene.server.seen().iter().any(Seen::asks_for_a_pack));
}

#[test]
fn sha256_repository_is_fetched() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("work")).unwrap();
    let init = ["init", "-q", "-b", "main", "--object-format", "sha256", "."];
    crate::support::tools::run(crate::support::repo::git(&dir.path().join("work")).args(init)).unwrap();
    let repo = Repo::init(&dir.path().join("work"));
    let commit = repo.commit("a", "a");
    std::fs::create_dir(dir.path().join("served")).unwrap();
    repo.mirror(&dir.path().join("served/infra.git"));
    let server = GitServer::start(&dir.path().join("served"));
    let transport = Connection::new(remote(&server.url("infra.git"))).unwrap();
    let fetched = Mirror::new(dir.path()).fetch(&transport, &main_branch()).unwrap();
    assert_eq!(fetched.what().head.to_string(), commit);
}

#[test]
fn annotated_tag_names_its_commit_and_itself() {
    let scene = Scene::new();
    scene.repo.git(&["tag", "-a", "-m", "v1", "v1.0.0"]);
    scene.push();
    let tag: Oid = scene.repo.git(&["rev-parse", "v1.0.0"]).parse().unwrap();
    let reference = Reference::Tag("v1.0.0".into());
    let (commit, _) = scene.mirror().fetch(&scene.transport(), &reference).unwrap().into_parts();
    assert_eq!((commit.head.to_string(), commit.tag), (scene.first.clone(), Some(tag)));
    assert_eq!(Mirror::check(&scene.transport(), &reference, Some(&commit)).unwrap(), Checked::Unmoved);
}

#[test]
fn exact_commit_is_fetched_by_its_id() {
    let scene = Scene::new();
    scene.repo.commit("a.yaml", "a: 2\n");
    scene.push();
    let reference = Reference::Commit(scene.first.parse().unwrap());
    let fetched = scene.mirror().fetch(&scene.transport(), &reference).unwrap();
    assert_eq!(fetched.what().head.to_string(), scene.first);
    let absent = Reference::Commit("4f1c2d9e00112233445566778899aabbccddeeff".parse().unwrap());
    let error = scene.mirror().fetch(&scene.transport(), &absent).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "ref-gone", "{error}");
}

#[test]
fn gone_branch_empty_repository_and_missing_repository_are_told_apart() {
    let scene = Scene::new();
    let gone = Mirror::check(&scene.transport(), &Reference::Branch("other".into()), None).unwrap_err();
    assert_eq!(gone.code(), "ref-gone", "{gone}");
    Repo::init(&scene.dir.path().join("nothing")).mirror(&scene.dir.path().join("served/empty.git"));
    let empty = Connection::new(remote(&scene.server.url("empty.git"))).unwrap();
    assert_eq!(Mirror::check(&empty, &main_branch(), None).unwrap_err().code(), "empty-repository");
    let absent = Connection::new(remote(&scene.server.url("absent.git"))).unwrap();
    assert_eq!(Mirror::check(&absent, &main_branch(), None).unwrap_err().code(), "no-repository");
}

#[test]
fn branch_whose_name_only_begins_so_is_not_taken_for_it() {
    let scene = Scene::new();
    let served = scene.dir.path().join("served/infra.git");
    scene.repo.git(&["--git-dir", served.to_str().unwrap(), "branch", "-m", "main", "main2"]);
    assert_eq!(fetch_error(&scene).code(), "ref-gone");
}

#[test]
fn statuses_keep_their_meaning() {
    let scene = Scene::new();
    for (status, code) in [
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "no-repository"),
        (410, "no-repository"),
        (429, "server-error"),
        (500, "server-error"),
        (503, "server-error"),
        (204, "server-error"),
    ] {
        scene.server.bend(Bend::Status(status));
        assert_eq!(fetch_error(&scene).code(), code, "{status}");
    }
    // 200 without a git server behind it: a login page.
    scene.server.bend(Bend::Status(200));
    assert_eq!(fetch_error(&scene).code(), "bad-answer");
}

#[test]
fn basic_and_bearer_credentials_open_the_repository() {
    let scene = Scene::new();
    for (guard, credentials) in [
        (Guard::alice(), alice("hunter2")),
        (Guard::alice(), alice("hunter2\n")),
        (Guard::Header("Bearer tok-1".into()), Credentials::Bearer(Secret::new(b"tok-1".to_vec()))),
    ] {
        scene.server.guard(guard);
        let transport = Connection::new(Remote { credentials, ..scene.remote() }).unwrap();
        assert!(scene.mirror().fetch(&transport, &main_branch()).is_ok());
    }
    assert_eq!(fetch_error(&scene).code(), "unauthorized");
}

#[test]
fn refused_credentials_appear_in_no_error() {
    let scene = Scene::new();
    scene.server.guard(Guard::alice());
    let remote = || Remote { credentials: alice("wrong-horse"), ..scene.remote() };
    let error = Mirror::check(&Connection::new(remote()).unwrap(), &main_branch(), None).unwrap_err();
    assert_eq!(error.code(), "unauthorized");
    assert!(!whole(&error).contains("wrong-horse") && !whole(&error).contains("d3Jvbmct"), "{}", whole(&error));
    // Nor when the server repeats them.
    scene.server.guard(Guard::Open);
    scene.server.bend(Bend::Say(b"0021ERR no access for wrong-horse".to_vec()));
    let error = Mirror::check(&Connection::new(remote()).unwrap(), &main_branch(), None).unwrap_err();
    assert_eq!(error.code(), "declined");
    assert!(!whole(&error).contains("wrong-horse"), "{}", whole(&error));
    scene.server.bend(Bend::Redirect("https://evil.example/wrong-horse?password=wrong-horse".into()));
    let error = Mirror::check(&Connection::new(remote()).unwrap(), &main_branch(), None).unwrap_err();
    assert_eq!(error.code(), "redirected");
    assert!(!whole(&error).contains("wrong-horse"), "{}", whole(&error));
    // As the header carries them, and across the length at which the server's words are cut.
    let padding = "x".repeat(170);
    for echo in ["h/YWxpY2U6d3JvbmctaG9yc2U=".to_owned(), format!("{padding}/wrong-horse")] {
        scene.server.bend(Bend::Redirect(format!("https://evil.example/{echo}")));
        let error = Mirror::check(&Connection::new(remote()).unwrap(), &main_branch(), None).unwrap_err();
        assert!(whole(&error).contains("withheld"), "{}", whole(&error));
    }
}

#[test]
fn redirect_is_refused_and_credentials_go_nowhere_else() {
    let (scene, evil) = (Scene::new(), Scene::new());
    scene.server.bend(Bend::Redirect(evil.server.url("infra.git/info/refs?service=git-upload-pack")));
    let transport = Connection::new(Remote { credentials: alice("hunter2"), ..scene.remote() }).unwrap();
    let error = scene.mirror().fetch(&transport, &main_branch()).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "redirected", "{error}");
    assert!(evil.server.seen().is_empty());
}

#[test]
fn credentials_are_not_sent_unencrypted_over_a_network() {
    let url = Url::parse("http://git.example.org/infra.git", Plain::Allow).unwrap();
    let error = Connection::new(Remote { credentials: alice("hunter2"), ..Remote::new(url) }).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "bad-url");
    assert!(!whole(&error).contains("hunter2"));
}

#[test]
fn credentials_for_this_machine_go_through_no_proxy_and_to_no_name_like_it() {
    let here = "http://127.0.0.1:8080/infra.git";
    for (url, proxy) in [
        ("http://127.example.org/infra.git", None),
        ("http://127.0.0.1.example.org/infra.git", None),
        (here, Some("http://proxy.example.org:3128".to_owned())),
    ] {
        let remote = Remote { credentials: alice("hunter2"), proxy, ..remote(url) };
        assert_eq!(Connection::new(remote).map(drop).unwrap_err().code(), "bad-url", "{url}");
    }
    assert!(Connection::new(Remote { credentials: alice("hunter2"), ..remote(here) }).is_ok());
}

#[test]
fn stalled_server_ends_at_the_deadline() {
    let scene = Scene::new();
    scene.server.bend(Bend::Stall);
    let start = Instant::now();
    let transport = Connection::new(Remote { timeout: Duration::from_millis(700), ..scene.remote() }).unwrap();
    let error = Mirror::check(&transport, &main_branch(), None).unwrap_err();
    assert!(matches!(error.code(), "timed-out" | "bad-answer"), "{}", whole(&error));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn absent_server_is_unreachable() {
    let scene = Scene::new();
    let url = scene.server.url("infra.git");
    drop(scene);
    let error = Mirror::check(&Connection::new(remote(&url)).unwrap(), &main_branch(), None).unwrap_err();
    assert_eq!(error.code(), "unreachable", "{}", whole(&error));
}

#[test]
fn cut_and_flipped_packs_are_refused_and_leave_nothing() {
    let scene = Scene::new();
    let mut mirror = scene.mirror();
    for bend in [Bend::Cut(0), Bend::Cut(20), Bend::Cut(60), Bend::Cut(200), Bend::Flip(60), Bend::Flip(10)] {
        scene.server.bend(bend);
        let error = mirror.fetch(&scene.transport(), &main_branch()).map(|_| ()).unwrap_err();
        assert!(matches!(error.code(), "bad-pack" | "bad-answer"), "{}", whole(&error));
    }
    assert_eq!(packs(scene.dir.path()), 0);
    scene.server.bend(Bend::Straight);
    assert!(mirror.fetch(&scene.transport(), &main_branch()).is_ok());
    assert_eq!(packs(scene.dir.path()), 1);
}

/// Files in the pack folders of mirrors, two a pack.
pub(super) fn packs(below: &Path) -> usize {
    let mirrors = std::fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path().join("pack"));
    let files: usize = mirrors.filter_map(|pack| std::fs::read_dir(pack).ok()).map(Iterator::count).sum();
    files / 2
}

#[test]
fn server_that_offers_one_commit_and_sends_another_is_refused() {
    let scene = Scene::new();
    let absent = "4f1c2d9e00112233445566778899aabbccddeeff";
    scene.server.bend(Bend::Swap(scene.first.clone(), absent.into()));
    let error = fetch_error(&scene);
    assert!(matches!(error.code(), "ref-gone" | "bad-pack"), "{error}");
}

#[test]
fn answer_over_the_limit_is_refused() {
    let scene = Scene::new();
    let noise: String = (0..4000u32).map(|n| format!("{:x}", n.wrapping_mul(2_654_435_761))).collect();
    scene.repo.commit("noise", &noise);
    scene.push();
    let transport = Connection::new(Remote { max_bytes: 5000, ..scene.remote() }).unwrap();
    let error = scene.mirror().fetch(&transport, &main_branch()).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "too-large", "{error}");
}

#[test]
fn shallow_repository_is_refused() {
    let scene = Scene::new();
    scene.repo.commit("a.yaml", "a: 2\n");
    scene.push();
    let (from, to) = (scene.dir.path().join("served/infra.git"), scene.dir.path().join("served/shallow.git"));
    let from = format!("file://{}", from.display());
    scene.repo.git(&["clone", "-q", "--bare", "--depth=1", &from, to.to_str().unwrap()]);
    let transport = Connection::new(remote(&scene.server.url("shallow.git"))).unwrap();
    let fetched = scene.mirror().fetch(&transport, &main_branch());
    // Either the server says so, or the parent is missing when it is asked for.
    if let Ok(fetched) = fetched {
        assert!(!fetched.objects().contains(&scene.first.parse().unwrap()));
    }
}

#[test]
fn only_the_configured_reference_is_asked_for_whatever_else_is_there() {
    let scene = Scene::new();
    let served = scene.dir.path().join("served/infra.git");
    let many: String = (0..20_000).map(|n| format!("{} refs/pull/{n}/head\n", scene.first)).collect();
    std::fs::write(served.join("packed-refs"), format!("# pack-refs with: peeled fully-peeled sorted \n{many}"))
        .unwrap();
    // HEAD points elsewhere, which is the server's affair.
    std::fs::write(served.join("HEAD"), "ref: refs/heads/other\n").unwrap();
    std::fs::create_dir_all(served.join("refs/heads")).unwrap();
    std::fs::write(served.join("refs/heads/main"), format!("{}\n", scene.first)).unwrap();
    // Far less than a list of twenty thousand would take.
    let transport = Connection::new(Remote { max_bytes: 5000, ..scene.remote() }).unwrap();
    let fetched = scene.mirror().fetch(&transport, &main_branch()).unwrap();
    assert_eq!(fetched.what().head.to_string(), scene.first);
}

#[test]
fn names_that_leave_the_namespace_are_not_asked_for() {
    let scene = Scene::new();
    let error = Mirror::check(&scene.transport(), &Reference::Name("refs/heads/../../x".into()), None).unwrap_err();
    assert_eq!(error.code(), "bad-reference");
    assert!(scene.server.seen().is_empty());
}

#[test]
fn forgotten_mirror_starts_anew() {
    let scene = Scene::new();
    let (transport, mut mirror) = (scene.transport(), scene.mirror());
    mirror.fetch(&transport, &main_branch()).unwrap();
    mirror.forget();
    assert_eq!(packs(scene.dir.path()), 0);
    mirror.fetch(&transport, &main_branch()).unwrap();
    assert_eq!(packs(scene.dir.path()), 1);
}

#[test]
fn transport_of_tests_is_taken_like_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(&dir.path().join("work"));
    let id: Oid = repo.commit("a", "a").parse().unwrap();
    let offer = gitwarrant::git::Offer { name: "refs/heads/main".into(), id };
    let canned = gitwarrant::git::Canned::new(gitwarrant::git::Algorithm::Sha1, Some(offer), repo.pack("HEAD\n"));
    let seam: &dyn Transport = &canned;
    let fetched = Mirror::new(dir.path()).fetch(seam, &main_branch()).unwrap();
    assert_eq!(fetched.what().head, id);
    assert_eq!(canned.sent(), [id]);
}
