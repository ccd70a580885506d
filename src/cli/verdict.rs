//! How a verdict on a history is shown.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Console;
use crate::git::{Kind, Objects, Oid};
use crate::trust::{ConfigError, Judged, Reason, Refusal, SignatureKind};

/// What `verify` found.
pub(super) enum Verdict {
    /// Every rule passed; the commits judged, newest first.
    Accepted { head: Oid, judged: Vec<Judged> },
    /// A rule did not.
    Refused(Box<Refusal>),
    /// The configuration cannot be understood, so nobody is believed.
    NoPolicy(ConfigError),
}

/// What stands around a table.
pub(super) struct Heading {
    pub(super) repository: String,
    pub(super) since: Oid,
    pub(super) elapsed: std::time::Duration,
}

impl Verdict {
    pub(super) fn judged(&self) -> &[Judged] {
        match self {
            Verdict::Accepted { judged, .. } => judged,
            Verdict::Refused(refusal) => refusal.judged(),
            Verdict::NoPolicy(_) => &[],
        }
    }

    pub(super) fn reason(&self) -> Option<Reason> {
        match self {
            Verdict::Accepted { .. } => None,
            Verdict::Refused(refusal) => Some(refusal.reason()),
            Verdict::NoPolicy(_) => Some(Reason::BadConfiguration),
        }
    }

    pub(super) fn message(&self) -> String {
        match self {
            Verdict::Accepted { judged, .. } => format!("{} new commits, every rule passed", judged.len()),
            Verdict::Refused(refusal) => refusal.to_string(),
            Verdict::NoPolicy(error) => error.to_string(),
        }
    }

    /// One JSON object. Scripts rely on its fields.
    pub(super) fn json(&self) -> Value {
        let (head, at) = match self {
            Verdict::Accepted { head, .. } => (Some(head), None),
            Verdict::Refused(refusal) => (Some(refusal.head()), refusal.at()),
            Verdict::NoPolicy(_) => (None, None),
        };
        let touched = match self {
            Verdict::Refused(refusal) => refusal.touched().to_vec(),
            Verdict::Accepted { .. } | Verdict::NoPolicy(_) => Vec::new(),
        };
        json!({
            "apiVersion": "cli.gitwarrant.io/v1",
            "verdict": if self.reason().is_none() { "accept" } else { "reject" },
            "reason": self.reason().map(Reason::code),
            "head": head.map(ToString::to_string),
            "at": at.map(ToString::to_string),
            "files": touched,
            "judged": self.judged().len(),
            "commits": self.judged().iter().map(commit).collect::<Vec<_>>(),
            "message": self.message(),
        })
    }

    /// A table for people; the explanation goes where talk goes.
    pub(super) fn table(&self, heading: &Heading, objects: &Objects, console: &mut Console<'_>) -> io::Result<()> {
        let out = &mut console.out;
        writeln!(out, "Repository  {}, judged since {}", heading.repository, heading.since.short())?;
        let width = self.judged().iter().map(|one| one.signer.chars().count()).max().unwrap_or(1);
        for one in self.judged().iter().rev() {
            let (id, kind, subject) = (one.id.short(), word(one.kind), subject(objects, &one.id));
            writeln!(out, "  ✔ {id}  {kind}  {:width$}  {}  {subject}", plain(&one.signer), short_key(&one.key))?;
        }
        if let Verdict::Refused(refusal) = self
            && let Some(at) = refusal.at()
        {
            let subject = subject(objects, at);
            writeln!(out, "  ✗ {}  —    {:width$}  {}  {subject}", at.short(), "-", refusal.code())?;
        }
        self.explain(console)?;
        let failed = usize::from(self.reason().is_some());
        let verified = self.judged().len();
        writeln!(console.out, "{verified} verified · {failed} failed · {} ms", heading.elapsed.as_millis())
    }

    /// Why it was refused, and what to do; nothing where it was not.
    pub(super) fn explain(&self, console: &mut Console<'_>) -> io::Result<()> {
        let Some(reason) = self.reason() else { return Ok(()) };
        let talk = &mut console.talk;
        writeln!(talk, "error[{reason}]: {}", self.message())?;
        if let Verdict::Refused(refusal) = self
            && let Some(first) = refusal.touched().first()
        {
            let more = refusal.touched().len() - 1;
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            writeln!(talk, "  --> {first}{more}")?;
        }
        writeln!(talk, "  = note: {}", reason.why())?;
        if let Verdict::Refused(refusal) = self
            && refusal.at().is_some_and(|at| at != refusal.head())
        {
            let head = refusal.head().short();
            writeln!(talk, "  = note: it lies below the head {head}, whose own signature does not vouch for it")?;
        }
        writeln!(talk, "  = help: {}", reason.remedy())?;
        writeln!(talk, "  = help: more: gitwarrant explain {reason}")
    }
}

fn commit(one: &Judged) -> Value {
    json!({"id": one.id.to_string(), "signer": one.signer, "key": one.key, "kind": word(one.kind)})
}

fn word(kind: SignatureKind) -> &'static str {
    match kind {
        SignatureKind::Ssh => "ssh",
        SignatureKind::Pgp => "pgp",
    }
}

fn short_key(key: &str) -> String {
    let (start, end) = (key.chars().take(11).collect::<String>(), key.len().saturating_sub(4));
    key.get(end..).map_or_else(|| key.to_owned(), |tail| format!("{start}…{tail}"))
}

/// The first line of the message, as far as it fits.
pub(super) fn subject(objects: &Objects, id: &Oid) -> String {
    let Ok(raw) = objects.read(id, 1 << 20) else { return String::new() };
    if !matches!(raw.kind, Kind::Commit | Kind::Tag) {
        return String::new();
    }
    let text = String::from_utf8_lossy(&raw.bytes);
    let line = text.split_once("\n\n").and_then(|(_, message)| message.lines().next()).unwrap_or_default();
    plain(line.chars().take(72).collect::<String>().as_str())
}

/// Without anything that a terminal would obey, or that would turn the text around.
pub(super) fn plain(text: &str) -> String {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().flat_map(|c| if odd(c) { c.escape_default().collect() } else { vec![c] }).collect()
}
