//! A server that is not the one it claims to be.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use gitwarrant::git::{Connection, Error, Mirror, Plain, Reference, Remote, Url};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::gitserver::GitServer;
use crate::support::repo::Repo;
use crate::support::tools;

/// Runs `openssl` in `dir`; arguments are separated by spaces.
fn openssl(dir: &Path, arguments: &str) {
    let program = tools::find("openssl").unwrap_or_else(|missing| panic!("{missing}"));
    tools::run(Command::new(program).current_dir(dir).args(arguments.split(' ')))
        .unwrap_or_else(|error| panic!("{error}"));
}

/// An authority in `dir`, and a server's certificate for `name` signed by it.
fn server_config(dir: &Path, name: &str) -> rustls::ServerConfig {
    server_config_for(dir, name, "2")
}

/// The same, valid for so many days from now on.
fn server_config_for(dir: &Path, name: &str, days: &str) -> rustls::ServerConfig {
    server_config_by(dir, name, days, "")
}

/// The same, by an authority that is held to names as openssl's `nameConstraints` says, where it says something.
fn server_config_by(dir: &Path, name: &str, days: &str, held_to: &str) -> rustls::ServerConfig {
    fs::create_dir_all(dir).unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let held_to = if held_to.is_empty() { String::new() } else { format!(" -addext nameConstraints={held_to}") };
    openssl(dir, &format!("req -x509 {key} -keyout ca.key -out ca.crt -days 2 -subj /CN=test-authority{held_to}"));
    openssl(dir, &format!("req {key} -keyout server.key -out server.csr -subj /CN=test-server"));
    fs::write(dir.join("names"), format!("subjectAltName={name}\n")).unwrap();
    let sign = "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile names -out server.crt";
    openssl(dir, &format!("{sign} -days {days}"));
    let chain = CertificateDer::pem_file_iter(dir.join("server.crt")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(dir.join("server.key")).unwrap();
    rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

fn check(server: &GitServer, ca: Option<&Path>) -> Result<(), Error> {
    let url = Url::parse(&server.url("infra.git"), Plain::Refuse)?;
    let ca = ca.map(|file| fs::read(file).unwrap());
    let transport = Connection::new(Remote { ca, ..Remote::new(url) })?;
    Mirror::check(&transport, &Reference::Branch("main".into()), None).map(|_| ())
}

#[test]
fn only_the_configured_authority_is_believed_and_only_for_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(&dir.path().join("work"));
    repo.commit("a", "a");
    fs::create_dir(dir.path().join("served")).unwrap();
    repo.mirror(&dir.path().join("served/infra.git"));
    let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
    let server = GitServer::start_tls(&dir.path().join("served"), server_config(&ours, "IP:127.0.0.1"));
    let other = GitServer::start_tls(&dir.path().join("served"), server_config(&theirs, "DNS:other.example"));
    check(&server, Some(&ours.join("ca.crt"))).unwrap();
    for (server, ca) in [
        // Nobody's authority.
        (&server, None),
        // Another authority.
        (&server, Some(theirs.join("ca.crt"))),
        // The right authority, another name.
        (&other, Some(theirs.join("ca.crt"))),
    ] {
        assert_eq!(check(server, ca.as_deref()).unwrap_err().code(), "tls");
    }
    fs::write(dir.path().join("none.crt"), "no certificate\n").unwrap();
    assert_eq!(check(&server, Some(&dir.path().join("none.crt"))).unwrap_err().code(), "bad-credentials");
}

#[test]
fn an_expired_certificate_and_one_that_vouches_for_itself_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(&dir.path().join("work"));
    repo.commit("a", "a");
    fs::create_dir(dir.path().join("served")).unwrap();
    repo.mirror(&dir.path().join("served/infra.git"));
    let expired = dir.path().join("expired");
    // One that ended when it began.
    let server = GitServer::start_tls(&dir.path().join("served"), server_config_for(&expired, "IP:127.0.0.1", "0"));
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(check(&server, Some(&expired.join("ca.crt"))).unwrap_err().code(), "tls");
    let alone = dir.path().join("alone");
    let config = server_config(&alone, "IP:127.0.0.1");
    openssl(
        &alone,
        "req -x509 -key server.key -out server.crt -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1",
    );
    drop(config);
    let chain = CertificateDer::pem_file_iter(alone.join("server.crt")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(alone.join("server.key")).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let server = GitServer::start_tls(&dir.path().join("served"), config);
    for ca in [None, Some(alone.join("ca.crt"))] {
        assert_eq!(check(&server, ca.as_deref()).unwrap_err().code(), "tls");
    }
}

#[test]
fn an_authority_held_to_other_names_vouches_for_none_of_ours() {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::init(&dir.path().join("work"));
    repo.commit("a", "a");
    fs::create_dir(dir.path().join("served")).unwrap();
    repo.mirror(&dir.path().join("served/infra.git"));
    for (held_to, expected) in [("IP:127.0.0.0/255.0.0.0", None), ("IP:10.0.0.0/255.0.0.0", Some("tls"))] {
        let folder = dir.path().join(&held_to[3..6]);
        let held_to = format!("critical,permitted;{held_to}");
        let server =
            GitServer::start_tls(&dir.path().join("served"), server_config_by(&folder, "IP:127.0.0.1", "2", &held_to));
        let found = check(&server, Some(&folder.join("ca.crt"))).err().map(|error| error.code());
        assert_eq!(found, expected, "{held_to}");
    }
}
