//! A verdict as machines of other houses read it: workflow commands of GitHub Actions, SARIF, and JUnit.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::verdict::{Verdict, plain, subject};
use crate::git::{Objects, Oid};
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

/// One test for each commit that was judged, the one that failed last; one that says so where there was none.
///
/// Source: the format that GitLab and Jenkins read: `testsuites`, `testsuite`, `testcase`, `failure`.
pub(super) fn junit(verdict: &Verdict, objects: &Objects, out: &mut dyn Write) -> io::Result<()> {
    let name = |id: &Oid| format!("{} {}", id.short(), subject(objects, id));
    let mut cases: Vec<(String, Option<Reason>)> =
        verdict.judged().iter().rev().map(|one| (format!("{} ({})", name(&one.id), one.signer), None)).collect();
    let failed = match verdict {
        Verdict::Refused(refusal) => refusal.at().map_or_else(|| "history".to_owned(), name),
        Verdict::NoPolicy(_) => "trust configuration".to_owned(),
        Verdict::Accepted { head, .. } => format!("{} is what was applied", name(head)),
    };
    if verdict.reason().is_some() || cases.is_empty() {
        cases.push((failed, verdict.reason()));
    }
    let failures = cases.iter().filter(|(_, reason)| reason.is_some()).count();
    let suite = format!("name=\"gitwarrant verify\" tests=\"{}\" failures=\"{failures}\"", cases.len());
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite {suite}>")?;
    for (name, reason) in &cases {
        write!(out, "<testcase classname=\"gitwarrant.verify\" name=\"{}\"", xml(name))?;
        match reason {
            None => writeln!(out, "/>")?,
            Some(reason) => {
                let (code, text) = (reason.code(), xml(&said(verdict, objects)));
                let help = xml(&format!("{}. {}", reason.why(), reason.remedy()));
                writeln!(out, ">\n<failure type=\"{code}\" message=\"{text}\">{help}</failure>\n</testcase>")?;
            }
        }
    }
    writeln!(out, "</testsuite>\n</testsuites>")
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

/// Text and attributes alike; no control character stays, as XML has no way to write most of them.
fn xml(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    plain(&escaped)
}

/// A path as a relative reference.
fn uri(path: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(byte);
    path.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::{data, property, uri, xml};

    #[test]
    fn nothing_said_ends_a_workflow_command_or_starts_another() {
        assert_eq!(data("a\n::stop-commands::x\r50%"), "a%0A::stop-commands::x%0D50%25");
        assert_eq!(property("a,b:c\n"), "a%2Cb%3Ac%0A");
        assert_eq!(uri("prod/a b%.yaml"), "prod/a%20b%25.yaml");
        assert_eq!(xml("a\"/><b>&\u{1b}\n"), "a&quot;/&gt;&lt;b&gt;&amp;\\u{1b}\\n");
    }
}
