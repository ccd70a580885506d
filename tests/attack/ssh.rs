//! `ssh://`: who is let in, which server is believed, and what comes back.

use std::path::PathBuf;
use std::time::Duration;

use gitwarrant::git::{
    Checked, Connection, Credentials, Error, Identity, Mirror, Plain, Reference, Remote, Transport as _, Url,
};
use gitwarrant::secret::Secret;

use crate::support::repo::Repo;
use crate::support::signing::{Signers, SshKey};
use crate::support::sshserver::{Habit, SshServer};
use crate::support::tools;

/// A server with one repository of one commit.
struct Scene {
    dir: tempfile::TempDir,
    keys: Signers,
    repo: Repo,
    first: String,
    host: SshKey,
    client: SshKey,
}

impl Scene {
    fn new(client_kind: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repo::init(&dir.path().join("work"));
        let first = repo.commit("a.yaml", "a: 1\n");
        std::fs::create_dir(dir.path().join("served")).unwrap();
        repo.mirror(&dir.path().join("served/infra.git"));
        let keys = Signers::new();
        let (host, client) = (keys.ssh_key("host", "ed25519"), keys.ssh_key("client", client_kind));
        Self { dir, keys, repo, first, host, client }
    }

    fn served(&self) -> PathBuf {
        self.dir.path().join("served")
    }

    fn serve(&self, habit: Habit) -> SshServer {
        SshServer::start(&self.served(), &self.host.private, &self.client.public, habit)
    }

    fn fetch(&self, server: &SshServer, path: &str, key: &SshKey, known_hosts: String) -> Result<String, Error> {
        let connection = connect(&server.url(path), key, known_hosts)?;
        let fetched = Mirror::new(self.dir.path()).fetch(&connection, &main_branch())?;
        Ok(fetched.what().head.to_string())
    }
}

/// A connection with `key` that believes `known_hosts`.
fn connect(url: &str, key: &SshKey, known_hosts: String) -> Result<Connection, Error> {
    let key = Secret::new(std::fs::read(&key.private).unwrap());
    remote(url, Credentials::Ssh(Identity { key, passphrase: None, known_hosts }))
}

fn remote(url: &str, credentials: Credentials) -> Result<Connection, Error> {
    let url = Url::parse(url, Plain::Refuse)?;
    Connection::new(Remote { timeout: Duration::from_secs(20), credentials, ..Remote::new(url) })
}

fn main_branch() -> Reference {
    Reference::Branch("main".into())
}

#[test]
fn head_is_fetched_over_ssh_with_every_kind_of_key() {
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let scene = Scene::new(kind);
        let server = scene.serve(Habit::Good);
        let known = server.known_as(&scene.host.public);
        assert_eq!(scene.fetch(&server, "infra.git", &scene.client, known).unwrap(), scene.first, "{kind}");
    }
}

#[test]
fn what_moved_is_fetched_and_what_did_not_is_not() {
    let scene = Scene::new("ed25519");
    let server = scene.serve(Habit::Good);
    let known = server.known_as(&scene.host.public);
    let connection = connect(&server.url("infra.git"), &scene.client, known).unwrap();
    let mut mirror = Mirror::new(scene.dir.path());
    let (commit, _) = mirror.fetch(&connection, &main_branch()).unwrap().into_parts();
    assert_eq!(Mirror::check(&connection, &main_branch(), Some(&commit)).unwrap(), Checked::Unmoved);
    let second = scene.repo.commit("a.yaml", "a: 2\n");
    scene.repo.git(&["push", "-q", "--mirror", scene.served().join("infra.git").to_str().unwrap()]);
    assert!(matches!(Mirror::check(&connection, &main_branch(), Some(&commit)).unwrap(), Checked::Moved(_)));
    assert_eq!(mirror.fetch(&connection, &main_branch()).unwrap().what().head.to_string(), second);
    let gone = mirror.fetch(&connection, &Reference::Branch("gone".into())).map(|_| ()).unwrap_err();
    assert!(matches!(gone, Error::Gone { .. }), "{gone}");
}

#[test]
fn a_server_whose_key_is_not_pinned_is_refused_before_our_key_is_shown() {
    let scene = Scene::new("ed25519");
    let server = scene.serve(Habit::Good);
    let other = scene.keys.ssh_key("other", "ed25519");
    let error = scene.fetch(&server, "infra.git", &scene.client, server.known_as(&other.public)).unwrap_err();
    let Error::HostKey { found, .. } = &error else { panic!("{error}") };
    let listed = tools::run(std::process::Command::new("ssh-keygen").arg("-lf").arg(&scene.host.private)).unwrap();
    assert!(listed.contains(found.as_str()), "{listed} {found}");

    let revoked = format!("{}@revoked * {}\n", server.known_as(&scene.host.public), scene.host.public);
    let error = scene.fetch(&server, "infra.git", &scene.client, revoked).unwrap_err();
    assert!(matches!(error, Error::HostKey { .. }), "{error}");

    for known in ["", "example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ\n"]
    {
        let error = scene.fetch(&server, "infra.git", &scene.client, known.to_owned()).unwrap_err();
        assert!(matches!(error, Error::BadMaterial { what: "known_hosts", .. }), "{error}");
    }
}

#[test]
fn a_key_that_the_server_does_not_take_is_named() {
    let scene = Scene::new("ed25519");
    let server = scene.serve(Habit::Good);
    let stranger = scene.keys.ssh_key("stranger", "ed25519");
    let error =
        scene.fetch(&server, "infra.git", &stranger, server.known_as(&scene.host.public)).unwrap_err().to_string();
    let listed = tools::run(std::process::Command::new("ssh-keygen").arg("-lf").arg(&stranger.private)).unwrap();
    let fingerprint = listed.split(' ').nth(1).unwrap();
    assert!(error.contains(fingerprint) && error.contains("user git"), "{error}");
}

#[test]
fn a_server_that_speaks_an_older_protocol_or_has_no_such_repository_is_told_so() {
    let scene = Scene::new("ed25519");
    let old = scene.serve(Habit::OldProtocol);
    let error = scene.fetch(&old, "infra.git", &scene.client, old.known_as(&scene.host.public)).unwrap_err();
    assert!(error.to_string().contains("older version"), "{error}");
    let server = scene.serve(Habit::Good);
    let known = server.known_as(&scene.host.public);
    let error = scene.fetch(&server, "absent.git", &scene.client, known).unwrap_err();
    let Error::Declined { text, .. } = &error else { panic!("{error}") };
    assert!(text.contains("does not appear to be a git repository"), "{text}");
}

#[test]
fn a_silent_server_ends_with_the_time_it_has() {
    let scene = Scene::new("ed25519");
    let server = scene.serve(Habit::Silent);
    let url = Url::parse(&server.url("infra.git"), Plain::Refuse).unwrap();
    let key = Secret::new(std::fs::read(&scene.client.private).unwrap());
    let known_hosts = server.known_as(&scene.host.public);
    let credentials = Credentials::Ssh(Identity { key, passphrase: None, known_hosts });
    let remote = Remote { timeout: Duration::from_secs(2), credentials, ..Remote::new(url) };
    let error = Connection::new(remote).unwrap().look("refs/heads/main").unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_and_no_other() {
    let scene = Scene::new("ed25519");
    let server = scene.serve(Habit::Good);
    let mut change = std::process::Command::new("ssh-keygen");
    change.args(["-q", "-p", "-P", "", "-N", "correct horse", "-f"]).arg(&scene.client.private);
    tools::run(&mut change).unwrap();
    let fetch = |phrase: &str| {
        let key = Secret::new(std::fs::read(&scene.client.private).unwrap());
        let passphrase = Some(Secret::new(phrase.as_bytes().to_vec()));
        let known_hosts = server.known_as(&scene.host.public);
        remote(&server.url("infra.git"), Credentials::Ssh(Identity { key, passphrase, known_hosts }))
    };
    let head = Mirror::new(scene.dir.path()).fetch(&fetch("correct horse\n").unwrap(), &main_branch()).unwrap();
    assert_eq!(head.what().head.to_string(), scene.first);
    let error = fetch("battery staple").map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::BadMaterial { what: "the identity", .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("battery"));
}

#[test]
fn credentials_of_one_kind_are_not_used_for_the_other() {
    let scene = Scene::new("ed25519");
    let key = || Secret::new(std::fs::read(&scene.client.private).unwrap());
    let identity = Identity { key: key(), passphrase: None, known_hosts: String::new() };
    let error = remote("https://localhost:1/infra.git", Credentials::Ssh(identity)).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::BadMaterial { .. }), "{error}");
    let error = remote("ssh://git@localhost:1/infra.git", Credentials::Bearer(key())).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::BadMaterial { .. }), "{error}");
}
