//! The shipped CustomResourceDefinitions are those the code reads.

use std::path::{Path, PathBuf};

use gitwarrant::api;

/// Set to write the files anew instead of comparing them.
const UPDATE: &str = "GITWARRANT_UPDATE_GOLDEN";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/crds")
}

#[test]
fn shipped_definitions_are_those_the_code_reads() {
    for definition in api::definitions() {
        let name = format!("{}_{}.yaml", api::GROUP, definition.spec.names.plural);
        let file = folder().join(&name);
        let made = serde_yaml::to_string(&definition).unwrap();
        if std::env::var_os(UPDATE).is_some() {
            std::fs::write(&file, &made).unwrap();
        }
        let shipped = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            made == shipped,
            "deploy/crds/{name} is out of date: run the test once with {UPDATE}=1 and look at the difference"
        );
    }
}

#[test]
fn every_shipped_definition_is_listed() {
    let list = std::fs::read_to_string(folder().join("kustomization.yaml")).unwrap();
    for definition in api::definitions() {
        let line = format!("- {}_{}.yaml\n", api::GROUP, definition.spec.names.plural);
        assert!(list.contains(&line), "deploy/crds/kustomization.yaml lacks {line:?}");
    }
}

#[test]
fn a_field_that_nobody_knows_is_kept_so_that_it_can_be_refused() {
    for definition in api::definitions() {
        let schema = serde_json::to_value(&definition.spec.versions[0].schema).unwrap();
        let spec = &schema["openAPIV3Schema"]["properties"]["spec"];
        assert_eq!(spec["x-kubernetes-preserve-unknown-fields"], true, "{}", definition.spec.names.kind);
    }
    let text = serde_json::json!({"url": "https://git.example.org/a.git", "ref": {"branch": "main"},
        "trust": {"root": "4f1c2d9e00112233445566778899aabbccddeeff", "signersFrom": [{"configMap": "signers"}], "pathRulez": []}});
    let refused = serde_json::from_value::<api::RepositorySpec>(text).unwrap_err().to_string();
    assert!(refused.contains("pathRulez"), "{refused}");
}

#[test]
fn a_repository_without_trust_is_refused() {
    let text = serde_json::json!({"url": "https://git.example.org/a.git", "ref": {"branch": "main"}});
    let refused = serde_json::from_value::<api::RepositorySpec>(text).unwrap_err().to_string();
    assert!(refused.contains("trust"), "{refused}");
}
