//! A verdict as machines of other houses read it: workflow commands of GitHub Actions, and SARIF.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::verdict::{Verdict, subject};
use crate::git::Objects;
use crate::trust::Reason;

/// One line, which GitHub shows beside the commit.
///
/// Source: GitHub Actions, "Workflow commands": `%`, line ends and, in properties, `:` and `,` are escaped.
pub(super) fn github(verdict: &Verdict, objects: &Objects, out: &mut dyn Write) -> io::Result<()> {
    let Some(reason) = verdict.reason() else {
        return writeln!(out, "::notice title=accepted::{}", data(&verdict.message()));
    };
    let file = files(verdict).first().map(|file| format!("file={},", property(file))).unwrap_or_default();
    let text = format!("{}\n{}. {}", said(verdict, objects), reason.why(), reason.remedy());
    writeln!(out, "::error {file}title={}::{}", property(reason.code()), data(&text))
}

/// The one result, or none, with the rule it breaks.
///
/// Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".
///
/// Where no file of the history is at fault it points to `policy`, the file that says who is believed: GitHub takes no
/// result without a file.
pub(super) fn sarif(verdict: &Verdict, objects: &Objects, policy: &Path) -> Value {
    let rules: Vec<Value> = Reason::ALL.iter().copied().map(rule).collect();
    let results: Vec<Value> =
        verdict.reason().map(|reason| result(verdict, reason, objects, policy)).into_iter().collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "gitwarrant", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "results": results,
            "columnKind": "unicodeCodePoints",
        }],
    })
}

fn rule(reason: Reason) -> Value {
    json!({
        "id": reason.code(),
        "shortDescription": {"text": reason.what()},
        "fullDescription": {"text": reason.why()},
        "help": {"text": reason.remedy()},
        "defaultConfiguration": {"level": "error"},
    })
}

fn result(verdict: &Verdict, reason: Reason, objects: &Objects, policy: &Path) -> Value {
    let place = |file: &str| json!({"physicalLocation": {"artifactLocation": {"uri": uri(file)}}});
    let mut locations: Vec<Value> = files(verdict).iter().take(10).map(|file| place(file)).collect();
    let mut result = json!({
        "ruleId": reason.code(),
        "ruleIndex": Reason::ALL.iter().position(|one| *one == reason),
        "level": "error",
        "message": {"text": format!("{}. {}", said(verdict, objects), reason.remedy())},
    });
    if let Verdict::Refused(refusal) = verdict {
        let at = refusal.at().unwrap_or(refusal.head()).to_string();
        result["partialFingerprints"] = json!({"commit/v1": at});
    }
    if locations.is_empty() {
        locations.push(place(&policy.to_string_lossy()));
    }
    result["locations"] = json!(locations);
    result
}

/// What was found, and the subject of the commit it was found in.
fn said(verdict: &Verdict, objects: &Objects) -> String {
    let subject = match verdict {
        Verdict::Refused(refusal) => refusal.at().map(|at| subject(objects, at)).unwrap_or_default(),
        Verdict::Accepted { .. } | Verdict::NoPolicy(_) => String::new(),
    };
    if subject.is_empty() { verdict.message() } else { format!("{} ({subject})", verdict.message()) }
}

fn files(verdict: &Verdict) -> &[String] {
    match verdict {
        Verdict::Refused(refusal) => refusal.touched(),
        Verdict::Accepted { .. } | Verdict::NoPolicy(_) => &[],
    }
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A path as a relative reference.
fn uri(path: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(byte);
    path.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::{data, property, uri};

    #[test]
    fn nothing_said_ends_a_workflow_command_or_starts_another() {
        assert_eq!(data("a\n::stop-commands::x\r50%"), "a%0A::stop-commands::x%0D50%25");
        assert_eq!(property("a,b:c\n"), "a%2Cb%3Ac%0A");
        assert_eq!(uri("prod/a b%.yaml"), "prod/a%20b%25.yaml");
    }
}
