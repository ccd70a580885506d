//! `gitwarrant init`: the Repository manifest for a working copy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Console, Failure, Outcome, working_copy};
use crate::api::{Certificate, GitReference, LocalName, Signers, SignersFrom};
use crate::git::{Plain, Repository, Url};
use crate::trust::{ConfigError, Policy, PolicyInput, SignersText};

/// Arguments of `init`.
#[derive(clap::Args)]
pub struct Args {
    /// Working copy or bare repository
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where the cluster finds the repository [default: remote `origin`]
    #[arg(long)]
    url: Option<String>,
    /// Name of the Repository; its signers are in the ConfigMap NAME-signers [default: the last part of the url]
    #[arg(long)]
    name: Option<String>,
    /// Form of the manifest
    #[arg(short, long, value_enum, default_value_t = Output::Yaml)]
    output: Output,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Output {
    Yaml,
    Json,
}

/// The fields that `init` knows; the rest has defaults.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Serialize)]
struct Metadata {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'static str>,
}

/// The signers beside the Repository: there they can be revoked without touching it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignersMap {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    data: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    url: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    allow_http: bool,
    #[serde(rename = "ref")]
    reference: GitReference,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_ref: Option<LocalName>,
    trust: Trust,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Trust {
    root: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    signers: Option<Signers>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signers_from: Vec<SignersFrom>,
}

/// Runs it.
pub fn run(args: &Args, mut console: Console<'_>) -> Result<Outcome, Failure> {
    let failed = |error: &crate::git::Error| Failure::because(error.code(), "nothing to print", error);
    let dir = working_copy::top(&args.dir);
    let repository = Repository::open(&dir).map_err(|error| failed(&error))?;
    let mut notes = Vec::new();
    let url = match args.url.clone().or_else(|| repository.remote_url("origin")) {
        Some(text) => address(&text, &mut notes)?,
        None => return Err(Failure::new("no-url", "there is no remote `origin`").help("give --url https://...")),
    };
    let branch = repository.branch().map_err(|error| failed(&error))?;
    let branch = branch.and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned));
    let Some(branch) = branch else {
        let help = "git switch to the branch that the cluster shall follow";
        return Err(Failure::new("no-branch", "HEAD is not on a branch").help(help));
    };
    let head = repository.resolve("HEAD").map_err(|error| {
        Failure::because("no-commit", format!("branch {branch} has no commit to pin"), &error).help("commit first")
    })?;
    let name = args.name.clone().unwrap_or_else(|| name_of(url.as_str()));
    // Named after its Repository: another one's signers are not replaced.
    let config_map = format!("{name}-signers");
    let (data, signers) = signers(&dir, &config_map, &mut notes)?;
    let root = head.what().head.to_string();
    if let Err(error) = understood(&root, &data, signers.as_ref()) {
        drop(writeln!(console.talk, "error[{}]: {error}", error.code()));
        return Ok(Outcome::Finding);
    }
    let map = (!data.is_empty()).then(|| SignersMap {
        api_version: "v1",
        kind: "ConfigMap",
        metadata: Metadata { name: config_map.clone(), namespace: Some("gitwarrant-system") },
        data,
    });
    let signers_from = match (&map, &signers) {
        (None, Some(_)) => Vec::new(),
        (Some(_), _) | (None, None) => vec![SignersFrom { config_map }],
    };
    notes.push(format!("root: commit {root} and its history are taken as they are; judging begins behind it"));
    if let Ok(shown) = repository.resolve(&format!("refs/remotes/origin/{branch}"))
        && shown.what().head != head.what().head
    {
        let at = shown.what().head.short();
        notes.push(format!("root: origin/{branch} was at {at} when it was last fetched; push before you apply this"));
    }
    let manifest = Manifest {
        api_version: "gitwarrant.io/v1alpha1",
        kind: "Repository",
        metadata: Metadata { name, namespace: None },
        spec: Spec {
            allow_http: url.as_str().starts_with("http:"),
            url: url.to_string(),
            reference: GitReference { branch: Some(branch), ..GitReference::default() },
            secret_ref: url.as_str().starts_with("ssh:").then(|| LocalName { name: "git".to_owned() }),
            trust: Trust { root, signers, signers_from },
        },
    };
    print(&manifest, map.as_ref(), args.output, &mut console, &notes)
}

fn print(
    manifest: &Manifest,
    map: Option<&SignersMap>,
    output: Output,
    console: &mut Console<'_>,
    notes: &[String],
) -> Result<Outcome, Failure> {
    let unprintable =
        |error: &(dyn std::error::Error + 'static)| Failure::because("output", "the manifest cannot be printed", error);
    let yaml = |error: serde_yaml::Error| unprintable(&error);
    let text = match (output, map) {
        (Output::Yaml, None) => serde_yaml::to_string(manifest).map_err(yaml)?,
        (Output::Yaml, Some(map)) => {
            // The signers first: a Repository whose ConfigMap is not there yet believes nobody, and says so.
            let (first, second) =
                (serde_yaml::to_string(map).map_err(yaml)?, serde_yaml::to_string(manifest).map_err(yaml)?);
            format!("{first}---\n{second}")
        }
        (Output::Json, None) => serde_json::to_string_pretty(manifest).map_err(|error| unprintable(&error))? + "\n",
        (Output::Json, Some(map)) => {
            let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [map, manifest]});
            format!("{list:#}\n")
        }
    };
    for note in notes {
        writeln!(console.talk, "note: {note}").map_err(|error| unprintable(&error))?;
    }
    console.out.write_all(text.as_bytes()).map_err(|error| unprintable(&error))?;
    Ok(Outcome::Fine)
}

/// The address as the agent can ask it: `ssh://` in place of git's short form, and no password in it.
fn address(text: &str, notes: &mut Vec<String>) -> Result<Url, Failure> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme, rest.to_owned()),
        // git@example.org:team/infra.git
        None => match text.split_once(':') {
            Some((host, path)) if !host.contains('/') && !path.starts_with(':') => {
                ("ssh", format!("{host}/{}", path.trim_start_matches('/')))
            }
            _ => ("file", text.to_owned()),
        },
    };
    let (authority, path) = rest.split_once('/').unwrap_or((&rest, ""));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let address = match scheme {
        "https" | "http" => {
            if !user.is_empty() {
                let note = "url: user and password are left out; put them into a Secret and name it in `secretRef`";
                notes.push(note.into());
            }
            if scheme == "http" {
                notes.push(
                    "url: plain http, which allowHttp permits: everybody on the way sees and can withhold".into(),
                );
            }
            format!("{scheme}://{host}/{path}")
        }
        "ssh" => {
            let note =
                "url: ssh needs Secret `git` with `identity` (a deploy key) and `known_hosts` in the agent's namespace";
            notes.push(note.into());
            let user = if user.is_empty() { "git" } else { user };
            format!("ssh://{user}@{host}/{path}")
        }
        _ => text.to_owned(),
    };
    let url = Url::parse(&address, Plain::Allow);
    url.map_err(|error| {
        let help = "give --url https://... or --url ssh://...";
        Failure::because(error.code(), "the cluster cannot ask this address", &error).help(help)
    })
}

/// A name that Kubernetes takes, out of the last part of the address.
fn name_of(url: &str) -> String {
    let last = url.rsplit('/').next().unwrap_or_default();
    let last = last.strip_suffix(".git").unwrap_or(last).to_ascii_lowercase();
    let plain: String = last.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(63).collect();
    match plain.trim_matches('-') {
        "" => "repository".to_owned(),
        name => name.to_owned(),
    }
}

/// Whether the agent would take these signers as a whole; messages name the files in `keys/`.
fn understood(root: &str, data: &BTreeMap<String, String>, signers: Option<&Signers>) -> Result<(), ConfigError> {
    let mut text = SignersText { name: KEYS.to_owned(), ..SignersText::default() };
    for (entry, value) in data {
        match entry.strip_suffix(".asc") {
            Some(principal) => text.openpgp.push((principal.to_owned(), value.clone())),
            None if entry == REVOKED => text.revoked = Some(value.clone().into_bytes()),
            None => text.allowed_signers = Some(value.clone()),
        }
    }
    let beside = signers.into_iter().flat_map(|signers| &signers.openpgp);
    text.openpgp.extend(beside.map(|one| (one.principal.clone(), one.certificate.clone())));
    let input = PolicyInput { root: root.to_owned(), signers: vec![text], ..PolicyInput::default() };
    Policy::read(&input).map(drop)
}

/// What `keys/` says about signers: entries for the ConfigMap, and what cannot be an entry there.
fn signers(
    dir: &Path,
    config_map: &str,
    notes: &mut Vec<String>,
) -> Result<(BTreeMap<String, String>, Option<Signers>), Failure> {
    let folder = dir.join(KEYS);
    let mut data = BTreeMap::new();
    for name in ["allowed_signers", REVOKED] {
        data.extend(key_file(&folder.join(name))?.map(|text| (name.to_owned(), text)));
    }
    let mut openpgp = Vec::new();
    let entries = std::fs::read_dir(&folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "asc")) {
        let Some(principal) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let Some(certificate) = key_file(path)? else { continue };
        // The names of a ConfigMap's entries hold no `@`.
        if principal.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.')) {
            data.insert(format!("{principal}.asc"), certificate);
        } else {
            openpgp.push(Certificate { principal: principal.to_owned(), certificate });
        }
    }
    if !openpgp.is_empty() {
        notes.push("signers: certificates of principals with an `@` stand in the Repository; rename the files to have all in the ConfigMap".into());
    }
    if !data.contains_key("allowed_signers") && openpgp.is_empty() && data.keys().all(|name| name == REVOKED) {
        notes.push(format!(
            "signers: none in keys/ (allowed_signers, PRINCIPAL.asc); put them into ConfigMap `{config_map}`"
        ));
        return Ok((BTreeMap::new(), None));
    }
    notes.push("signers: as in keys/ now; compare each fingerprint with its owner before you apply this".into());
    let written = (!openpgp.is_empty()).then_some(Signers { allowed_signers: None, revoked: None, openpgp });
    Ok((data, written))
}

/// A file of public keys; `None` where there is none, or nothing in it.
fn key_file(path: &Path) -> Result<Option<String>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::because("bad-keys", path.display(), &error)),
    };
    if text.len() > MAX_KEYS {
        return Err(Failure::new("bad-keys", format!("{}: more than 512 KiB", path.display())));
    }
    if text.contains("PRIVATE KEY") {
        let help = "take it out of the repository and out of its history, and make a new key";
        return Err(Failure::new("private-key", format!("{}: holds a private key", path.display())).help(help));
    }
    let says_something = text.lines().any(|line| !matches!(line.trim().bytes().next(), None | Some(b'#')));
    Ok(says_something.then_some(text))
}

/// The folder with the signers.
const KEYS: &str = "keys";
/// The file with what is withdrawn.
const REVOKED: &str = "revoked";
/// Upper bound on one file of keys, in bytes; the definition of Repository takes no more.
const MAX_KEYS: usize = 512 << 10;

#[cfg(test)]
mod tests {
    use super::{address, name_of};

    #[test]
    fn addresses_are_written_as_the_agent_takes_them() {
        for (given, asked) in [
            ("git@example.org:team/infra.git", "ssh://git@example.org/team/infra.git"),
            ("example.org:team/infra.git", "ssh://git@example.org/team/infra.git"),
            ("ssh://git@example.org:2222/team/infra.git", "ssh://git@example.org:2222/team/infra.git"),
            ("https://bob:hunter2@example.org/infra.git", "https://example.org/infra.git"),
            ("https://example.org:8443/infra.git", "https://example.org:8443/infra.git"),
        ] {
            assert_eq!(address(given, &mut Vec::new()).unwrap().as_str(), asked);
        }
        for bad in ["/srv/git/infra.git", "../infra.git", "file:///srv/git/infra.git", "-oProxyCommand=id:x", "ext::id"]
        {
            assert!(address(bad, &mut Vec::new()).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_what_kubernetes_takes() {
        assert_eq!(name_of("https://example.org/Team/My_Infra.git"), "my-infra");
        assert_eq!(name_of("https://example.org/...git"), "repository");
    }
}
