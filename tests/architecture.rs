//! The house is in order: reads the sources and fails on what breaks a rule of CONTRIBUTING.md.

mod rules;
mod source;

use std::path::{Path, PathBuf};

use source::Source;

/// Files whose shipped code may look at plaintext.
const EXPOSE: [&str; 27] = [
    "src/agent/credentials.rs",
    "src/cli/decrypt.rs",
    "src/git/http.rs",
    "src/git/ssh.rs",
    "src/keysource/age.rs",
    "src/keysource/hybrid.rs",
    "src/keysource/keyring.rs",
    "src/keysource/ocb.rs",
    "src/keysource/packets.rs",
    "src/keysource/pgp.rs",
    "src/keysource/seipd.rs",
    "src/kustomize/generate.rs",
    "src/kustomize/hash.rs",
    "src/model/wire.rs",
    "src/policy/string_data.rs",
    "src/sops/formats/dotenv.rs",
    "src/sops/formats/ini.rs",
    "src/sops/formats/json.rs",
    "src/sops/formats/mod.rs",
    "src/sops/formats/yaml_scalar.rs",
    "src/sops/formats/yaml_write.rs",
    "src/sops/leaf.rs",
    "src/sops/mac.rs",
    "src/sops/seal.rs",
    "src/sops/shamir.rs",
    "src/sops/strict.rs",
    "src/sops/unseal.rs",
];

/// What may stand at the top of the repository, dotfiles aside.
const TOP: [&str; 10] = [
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "clusters",
    "deploy",
    "keys",
    "src",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Fails with every line of `broken`.
fn assert_none(broken: impl IntoIterator<Item = String>) {
    let broken: Vec<String> = broken.into_iter().collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn modules_name_only_those_the_table_allows() {
    assert_none(source::read(root(), "src").iter().flat_map(rules::edges));
}

#[test]
fn pure_modules_reach_no_clock_disk_network_or_environment() {
    assert_none(source::read(root(), "src").iter().flat_map(rules::impurities));
}

#[test]
fn foreign_crates_have_one_door() {
    assert_none(source::read(root(), "src").iter().flat_map(rules::doors));
}

#[test]
fn plaintext_is_looked_at_only_in_listed_files() {
    assert_none(rules::exposure(&source::read(root(), "src"), &EXPOSE));
}

#[test]
fn no_file_is_longer_than_one_sitting() {
    let sources = ["src", "tests"].map(|folder| source::read(root(), folder));
    assert_none(sources.iter().flatten().flat_map(rules::length));
}

#[test]
fn there_is_no_unsafe_code() {
    assert_none(source::read(root(), "src").iter().flat_map(rules::unsafety));
}

#[test]
fn the_top_level_holds_nothing_unexpected() {
    let entries = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let unexpected = entries.filter(|name| {
        !name.starts_with('.') && !matches!(name.as_str(), "target" | "tests") && !TOP.contains(&name.as_str())
    });
    assert_none(unexpected.map(|name| format!("{name}: does not belong at the top of the repository")));
}

#[test]
fn keys_and_clusters_hold_no_private_key() {
    let mut folders: Vec<PathBuf> = ["keys", "clusters"].map(|folder| root().join(folder)).into();
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            read += 1;
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            assert!(!rules::private_key(&text), "{} holds a private key", path.display());
        }
    }
    assert!(read > 5, "only {read} files were read");
}

/// Each rule fails on what it is there for.
mod each_rule_can_fail {
    use super::{Source, rules};

    fn broken(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> bool {
        !rule(&Source::new(path, text)).is_empty()
    }

    #[test]
    fn edges() {
        assert!(broken(rules::edges, "src/model/node.rs", "use crate::git::Oid;"));
        assert!(broken(rules::edges, "src/model/node.rs", "use crate::{secret::Secret, git};"));
        assert!(broken(rules::edges, "src/model/node.rs", "use super::super::trust::verify;"));
        assert!(broken(rules::edges, "src/secret/mod.rs", "use super::model::Node;"));
        assert!(broken(rules::edges, "src/secret/mod.rs", "fn f() -> crate::cli::Failure {}"));
        assert!(broken(rules::edges, "src/secret/mod.rs", "use crate::*;"));
        assert!(broken(rules::edges, "src/utils/mod.rs", ""));
        assert!(!broken(rules::edges, "src/model/node.rs", "use crate::secret::Secret; use super::RepoPath;"));
        assert!(!broken(rules::edges, "src/trust/openpgp/key.rs", "use super::super::verified::Judged;"));
    }

    #[test]
    fn impurities() {
        assert!(broken(rules::impurities, "src/trust/x.rs", "use std::{collections::BTreeMap, fs};"));
        assert!(broken(rules::impurities, "src/trust/x.rs", "let x = std::env::var(name);"));
        assert!(broken(rules::impurities, "src/trust/x.rs", "let x = SystemTime::now();"));
        assert!(broken(rules::impurities, "src/trust/x.rs", "let x = jiff::Timestamp::now();"));
        assert!(broken(rules::impurities, "src/trust/x.rs", "use ::tokio::sync;"));
        assert!(!broken(rules::impurities, "src/git/x.rs", "use std::fs;"));
        assert!(!broken(rules::impurities, "src/trust/x.rs", "/// [`std::fs`]\nuse std::collections::BTreeMap;"));
    }

    #[test]
    fn doors() {
        assert!(broken(rules::doors, "src/trust/x.rs", "use gix::ObjectId;"));
        assert!(broken(rules::doors, "src/cli/get.rs", "fn f(client: ::kube::Client) {}"));
        assert!(broken(rules::doors, "src/keysource/mod.rs", "mod age; use ::age::Identity;"));
        assert!(!broken(rules::doors, "src/keysource/mod.rs", "mod age; pub use age::AgeKey;"));
        assert!(!broken(rules::doors, "src/trust/sshsig/key.rs", "use ssh_key::PublicKey;"));
        assert!(!broken(rules::doors, "src/cli/get.rs", "let age = now - then; age.total();"));
    }

    #[test]
    fn exposure() {
        let exposing = || vec![Source::new("src/x.rs", "secret\n    .expose(|plain| plain.len())")];
        assert_eq!(rules::exposure(&exposing(), &[]).len(), 1);
        assert_eq!(rules::exposure(&[Source::new("src/x.rs", "map(Secret::expose, x)")], &[]).len(), 1);
        assert!(rules::exposure(&exposing(), &["src/x.rs"]).is_empty());
        assert_eq!(rules::exposure(&[], &["src/x.rs"]).len(), 1);
        assert!(rules::exposure(&[Source::new("src/x.rs", "// never .expose( it")], &[]).is_empty());
    }

    #[test]
    fn length_and_unsafety() {
        assert!(broken(rules::length, "src/x.rs", &"\n".repeat(501)));
        assert!(!broken(rules::length, "src/x.rs", &"\n".repeat(500)));
        assert!(broken(rules::unsafety, "src/x.rs", "#[cfg(test)] mod tests { fn f() { unsafe { g() } } }"));
        assert!(!broken(rules::unsafety, "src/x.rs", "// unsafe\nlet unsafely = \"unsafe\";"));
    }

    #[test]
    fn private_keys() {
        assert!(rules::private_key("-----BEGIN OPENSSH PRIVATE KEY-----"));
        assert!(rules::private_key("age-secret-key-1QQ"));
        assert!(!rules::private_key("-----BEGIN PGP PUBLIC KEY BLOCK-----"));
    }
}
