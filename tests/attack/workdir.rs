//! Repositories on disk, and working directories, as an attacker may leave them.

use std::fs;
use std::os::unix::fs::symlink;

use gitwarrant::git::{Reference, Repository, files};
use gitwarrant::model::RepoPath;

use crate::support::repo::Repo;

#[test]
fn revisions_are_resolved_as_git_resolves_them() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(&dir.path().join("work"));
    let first = repo.commit("a", "1");
    repo.git(&["tag", "-a", "-m", "v1", "v1"]);
    let second = repo.commit("a", "2");
    repo.git(&["branch", "feature/x", &first]);
    let linked = dir.path().join("linked");
    repo.git(&["worktree", "add", "-q", linked.to_str().unwrap(), "feature/x"]);
    let bare = dir.path().join("bare.git");
    for packed in [false, true] {
        if packed {
            repo.git(&["pack-refs", "--all"]);
            repo.git(&["repack", "-adq"]);
            repo.mirror(&bare);
        }
        let places = [Some(repo.dir()), packed.then_some(bare.as_path())];
        for place in places.into_iter().flatten() {
            let opened = Repository::open(place).unwrap();
            for (revision, id) in [
                ("HEAD", &second),
                ("main", &second),
                ("refs/heads/main", &second),
                ("heads/main", &second),
                ("feature/x", &first),
                ("v1", &first),
                (first.as_str(), &first),
                (&first[..10], &first),
            ] {
                let found = opened.resolve(revision).unwrap();
                assert_eq!(&found.what().head.to_string(), id, "{revision} in {}", place.display());
            }
            let tagged = opened.follow(&Reference::Tag("v1".into())).unwrap();
            assert_eq!(tagged.what().tag.unwrap().to_string(), repo.git(&["rev-parse", "v1"]));
        }
        let opened = Repository::open(&linked).unwrap();
        assert_eq!(opened.resolve("HEAD").unwrap().what().head.to_string(), first);
        assert_eq!(opened.branch().unwrap().as_deref(), Some("refs/heads/feature/x"));
        assert_eq!(opened.resolve("main").unwrap().what().head.to_string(), second);
    }
}

#[test]
fn revisions_that_name_nothing_or_two_things_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(dir.path());
    repo.commit("a", "1");
    repo.git(&["tag", "main"]);
    let opened = Repository::open(dir.path()).unwrap();
    for bad in ["main", "other", "../config", "config", "refs/heads/../../config", "", "-q", "HEAD~1", "deadbeef"] {
        assert_eq!(opened.resolve(bad).map(|_| ()).unwrap_err().code(), "bad-revision", "{bad:?}");
    }
    // A blob is no commit.
    let blob = repo.git(&["rev-parse", "HEAD:a"]);
    assert_eq!(opened.resolve(&blob).map(|_| ()).unwrap_err().code(), "bad-revision");
    assert_eq!(Repository::open(&dir.path().join("a")).map(|_| ()).unwrap_err().code(), "not-a-repository");
}

#[test]
fn links_are_followed_inside_the_folder_and_refused_outside() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("base")).unwrap();
    fs::create_dir_all(root.join(".git")).unwrap();
    fs::write(root.join(".git/config"), "secret").unwrap();
    fs::write(root.join("base/a.yaml"), "a: 1\n").unwrap();
    symlink("base", root.join("again")).unwrap();
    symlink(".git/config", root.join("stolen")).unwrap();
    let found = files(&root).unwrap();
    let names: Vec<&str> = found.keys().map(RepoPath::as_str).collect();
    assert_eq!(names, ["again/a.yaml", "base/a.yaml"]);
    for (target, name) in [("/etc/hostname", "out"), ("../root2", "out"), ("nowhere", "out"), ("..", "base/up")] {
        symlink(target, root.join(name)).unwrap();
        assert_eq!(files(&root).unwrap_err().code(), "bad-file", "{target}");
        fs::remove_file(root.join(name)).unwrap();
    }
}
