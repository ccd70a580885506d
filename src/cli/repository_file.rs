//! A file that holds a `Repository`, and perhaps the ConfigMaps that its trust names.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize as _;

use super::Failure;
use crate::agent::{SignersMap, policy_input, reference};
use crate::api::Repository;
use crate::git::{self, Commit, Fetched, Reference};
use crate::trust::{ConfigError, Policy};

/// Upper bound on the file, in bytes: more than all that the API server would take.
const MAX_FILE: u64 = 8 << 20;

/// What the file says, understood as a whole.
pub(super) struct RepositoryFile {
    /// Name of the Repository.
    pub(super) name: String,
    pub(super) reference: Reference,
    pub(super) policy: Policy,
}

/// Reads the file. The inner error is a trust configuration that cannot be understood, which is a verdict.
pub(super) fn read(path: &Path) -> Result<Result<RepositoryFile, ConfigError>, Failure> {
    let because = |error: &std::io::Error| Failure::because("unreadable-file", path.display(), error);
    let length = std::fs::metadata(path).map_err(|error| because(&error))?.len();
    if length > MAX_FILE {
        return Err(Failure::new("unreadable-file", format!("{}: more than {MAX_FILE} bytes", path.display())));
    }
    let text = std::fs::read_to_string(path).map_err(|error| because(&error))?;
    Ok(understand(&path.display().to_string(), &text))
}

/// What is judged, always under the name of the Repository's own reference: `revision`, or what that points at.
pub(super) fn fetched(
    dir: &Path,
    revision: Option<&str>,
    repository: &git::Repository,
    file: &RepositoryFile,
) -> Result<Fetched<Commit>, Failure> {
    let found = match revision {
        Some(revision) => repository.resolve(revision),
        None => repository.follow(&file.reference),
    };
    let failed = |error: git::Error| Failure::because(error.code(), dir.display(), &error);
    let absent = |error: git::Error| match revision {
        Some(_) => failed(error).help("give a full id, a branch, a tag or HEAD, perhaps with `~2` or `^` behind it"),
        None => {
            failed(error).help("that is what spec.ref of the Repository names; --head HEAD judges what is checked out")
        }
    };
    let (mut commit, objects) = found.map_err(absent)?.into_parts();
    if let Some(name) = file.reference.full_name().map_err(failed)? {
        commit.reference = name;
    }
    Ok(Fetched::new(commit, objects))
}

fn understand(file: &str, text: &str) -> Result<RepositoryFile, ConfigError> {
    let refuse = |what: String| ConfigError { file: file.to_owned(), line: None, what };
    let mut repositories = Vec::new();
    let mut maps = Vec::new();
    let mut documents = Vec::new();
    for (number, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let value = serde_yaml::Value::deserialize(document).map_err(|error| located(file, &error))?;
        let items = match value.get("items").and_then(|items| items.as_sequence()) {
            Some(items) if value.get("kind").and_then(|kind| kind.as_str()) == Some("List") => items.clone(),
            Some(_) | None => vec![value],
        };
        documents.extend(items.into_iter().map(|value| (number, value)));
    }
    for (number, value) in documents {
        let word = |key: &str| value.get(key).and_then(|word| word.as_str()).unwrap_or_default().to_owned();
        match (word("apiVersion").as_str(), word("kind").as_str()) {
            ("gitwarrant.io/v1alpha1", "Repository") => {
                let repository: Repository = serde_yaml::from_value(value).map_err(|error| {
                    // A value knows no lines; its document does, unless it is a List.
                    let document = serde_yaml::Deserializer::from_str(text).nth(number);
                    let whole = document.and_then(|document| Repository::deserialize(document).err());
                    located(file, whole.as_ref().filter(|whole| whole.location().is_some()).unwrap_or(&error))
                })?;
                repositories.push(repository);
            }
            ("v1", "ConfigMap") => {
                let map = signers_map(&value).ok_or_else(|| refuse("a ConfigMap cannot be read".into()))?;
                maps.push(map);
            }
            // Other objects may lie in the same file; they decide nothing here.
            _ => {}
        }
    }
    let [repository] = repositories.as_slice() else {
        let count = repositories.len();
        return Err(refuse(format!(
            "{count} objects of kind Repository (gitwarrant.io/v1alpha1) where one is expected"
        )));
    };
    let policy = Policy::read(&policy_input(&repository.spec.trust, &maps)?)?;
    let reference = reference(&repository.spec.reference).map_err(refuse)?;
    let name = repository.metadata.name.clone().unwrap_or_default();
    Ok(RepositoryFile { name, reference, policy })
}

/// What does not read, with its line.
fn located(file: &str, error: &serde_yaml::Error) -> ConfigError {
    let line = error.location().map(|at| at.line());
    ConfigError { file: file.to_owned(), line, what: error.to_string() }
}

/// Only `data`: signers are text. A ConfigMap with anything binary is not for here.
fn signers_map(value: &serde_yaml::Value) -> Option<SignersMap> {
    let name = value.get("metadata")?.get("name")?.as_str()?.to_owned();
    let mut entries = BTreeMap::new();
    if value.get("binaryData").is_some() {
        return None;
    }
    if let Some(data) = value.get("data") {
        for (key, text) in data.as_mapping()? {
            entries.insert(key.as_str()?.to_owned(), text.as_str()?.as_bytes().to_vec());
        }
    }
    Some(SignersMap { name, entries })
}
