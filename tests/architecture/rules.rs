//! The rules of the house. Each answers with what breaks it, one line each; an empty answer is a house in order.

use super::source::{Named, Source};

/// Which modules of ours a module may name. The stages after `trust` name it for the origin of what they carry.
const MAY_NAME: [(&str, &[&str]); 16] = [
    ("secret", &[]),
    ("clock", &[]),
    ("api", &[]),
    ("telemetry", &[]),
    ("model", &["secret"]),
    ("git", &["model", "secret", "clock"]),
    ("trust", &["git", "model"]),
    ("keysource", &["secret", "clock"]),
    ("sops", &["model", "secret", "keysource", "trust"]),
    ("kustomize", &["model", "secret", "sops", "trust"]),
    ("policy", &["model", "secret", "kustomize", "trust"]),
    ("plan", &["model", "policy", "trust"]),
    ("cluster", &["model", "secret", "policy", "plan", "trust", "clock"]),
    ("settings", &["model", "secret"]),
    (
        "agent",
        &[
            "secret",
            "clock",
            "api",
            "telemetry",
            "model",
            "git",
            "trust",
            "keysource",
            "sops",
            "kustomize",
            "policy",
            "plan",
            "cluster",
            "settings",
        ],
    ),
    (
        "cli",
        &[
            "secret",
            "clock",
            "api",
            "telemetry",
            "model",
            "git",
            "trust",
            "keysource",
            "sops",
            "kustomize",
            "policy",
            "plan",
            "cluster",
            "settings",
            "agent",
        ],
    ),
];

/// Same input, same output: no clock, no environment, no network, no disk.
const PURE: [&str; 7] = ["secret", "model", "trust", "sops", "kustomize", "policy", "plan"];

/// What a pure module may not name.
const IMPURE: [&[&str]; 10] = [
    &["tokio"],
    &["kube"],
    &["std", "fs"],
    &["std", "net"],
    &["std", "env"],
    &["std", "process"],
    &["SystemTime", "now"],
    &["Instant", "now"],
    &["Timestamp", "now"],
    &["Zoned", "now"],
];

/// A foreign crate, and the beginnings of the paths from which it may be named.
const DOORS: [(&str, &[&str]); 8] = [
    ("gix", &["src/git/"]),
    ("russh", &["src/git/ssh.rs", "src/git/known_hosts.rs"]),
    ("sequoia_openpgp", &["src/trust/openpgp", "src/keysource/pgp"]),
    ("ssh_key", &["src/trust/sshsig"]),
    ("age", &["src/keysource/age"]),
    ("granit_parser", &["src/model/yaml"]),
    ("kube", &["src/api/", "src/cluster/", "src/agent/"]),
    ("zeroize", &["src/secret/", "src/model/wire.rs"]),
];

/// Lines a source file may have.
const MAX_LINES: usize = 500;

/// Edges between modules that the table does not allow, and modules it does not list.
pub fn edges(source: &Source) -> Vec<String> {
    if matches!(source.path.as_str(), "src/main.rs" | "src/lib.rs") {
        return Vec::new();
    }
    let module = source.module();
    let Some((_, allowed)) = MAY_NAME.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{}: module `{module}` is not listed in tests/architecture/rules.rs", source.path)];
    };
    let mut broken = Vec::new();
    for Named { parts, line, used } in source.paths() {
        if parts == ["crate"] && !used {
            continue; // `pub(crate)`
        }
        let climbs = parts.iter().take_while(|part| *part == "super").count();
        let target = match parts.first().map(String::as_str) {
            Some("crate") => parts.get(1),
            Some("super") if climbs >= source.depth() => parts.get(climbs),
            _ => continue,
        };
        let target = target.map_or("everything", String::as_str);
        if target != module && !allowed.contains(&target) {
            broken.push(format!("{}:{line}: `{module}` may not name `{target}`", source.path));
        }
    }
    broken
}

/// What a pure module names that is not pure.
pub fn impurities(source: &Source) -> Vec<String> {
    if !PURE.contains(&source.module()) {
        return Vec::new();
    }
    let mut broken = Vec::new();
    for named in source.paths() {
        let parts: Vec<&str> = named.parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        for impure in IMPURE {
            let names = match impure {
                [krate] => parts.first() == Some(krate) && (parts.len() > 1 || named.used),
                _ => parts.windows(impure.len()).any(|window| window == impure),
            };
            if names {
                let what = impure.join("::");
                broken.push(format!("{}:{}: a pure module may not name `{what}`", source.path, named.line));
            }
        }
    }
    broken
}

/// Foreign crates named outside their door.
pub fn doors(source: &Source) -> Vec<String> {
    let mut broken = Vec::new();
    for named in source.paths() {
        let absolute = named.parts.first().is_some_and(String::is_empty);
        let krate = &named.parts[usize::from(absolute).min(named.parts.len() - 1)];
        let Some((_, allowed)) = DOORS.iter().find(|(name, _)| name == krate) else { continue };
        // A module of ours may have the name of the crate that it alone may use, as keysource/age.rs.
        let own = !absolute && source.code.contains(&format!("mod {krate};"));
        let is_path = absolute || named.parts.len() > 1 || named.used;
        if is_path && !own && !allowed.iter().any(|door| source.path.starts_with(door)) {
            let doors = allowed.join(", ");
            broken.push(format!("{}:{}: crate `{krate}` may be named only in {doors}", source.path, named.line));
        }
    }
    broken
}

/// Whether the shipped code looks at a secret's plaintext.
pub fn exposes(source: &Source) -> bool {
    source.shipped.match_indices("expose").any(|(at, word)| {
        let before = source.shipped[..at].trim_end().ends_with(['.', ':']);
        let after = source.shipped[at + word.len()..].trim_start().starts_with(['(', ')', ',', ';']);
        before && after
    })
}

/// Files that expose without being listed, and listed files that do not any more.
pub fn exposure(sources: &[Source], listed: &[&str]) -> Vec<String> {
    let unlisted = sources.iter().filter(|source| exposes(source) && !listed.contains(&source.path.as_str()));
    let stale = listed.iter().filter(|path| !sources.iter().any(|source| source.path == **path && exposes(source)));
    unlisted
        .map(|source| format!("{}: calls `expose` and is not on the list", source.path))
        .chain(stale.map(|path| format!("{path}: is on the list and does not call `expose`")))
        .collect()
}

/// Files that have grown past one sitting.
pub fn length(source: &Source) -> Vec<String> {
    let too_long = source.lines > MAX_LINES;
    too_long.then(|| format!("{}: {} lines, {MAX_LINES} allowed", source.path, source.lines)).into_iter().collect()
}

/// `unsafe`, unit tests included.
pub fn unsafety(source: &Source) -> Vec<String> {
    let words = source.code.lines().enumerate().filter(|(_, line)| {
        line.split(|char: char| !char.is_alphanumeric() && char != '_').any(|word| word == "unsafe")
    });
    words.map(|(index, _)| format!("{}:{}: `unsafe`", source.path, index + 1)).collect()
}

/// Whether `text` holds a private key that opens something.
pub fn private_key(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    ["PRIVATE KEY", "AGE-SECRET-KEY-"].iter().any(|mark| upper.contains(mark))
}
