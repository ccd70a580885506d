//! `gitwarrant get`.

use serde_json::{Value, json};

use crate::api;
use crate::clock::{Clock, System};
use crate::cluster::{Plain, Resource};

use super::connection::{Connection, failure};
use super::{Console, Failure, Outcome};

/// Arguments of `get`.
#[derive(clap::Args)]
pub struct Args {
    /// What to show
    #[arg(value_enum, default_value_t = What::All)]
    what: What,
    /// Only the one of this name
    name: Option<String>,
    /// Of every namespace
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Of this namespace; the context's where absent
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// How to show it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Where from, and who is believed
    #[value(aliases = ["repository", "repo", "repos"])]
    Repositories,
    /// What is applied where
    #[value(alias = "sync")]
    Syncs,
    /// What was applied on whose word
    #[value(alias = "warrant")]
    Warrants,
    /// All of these
    All,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Table,
    /// The table with the messages of what is or is not ready
    Wide,
    Json,
    Yaml,
    Name,
}

/// One kind of resource, and the columns that are worth seeing.
struct Kind {
    what: What,
    plural: &'static str,
    singular: &'static str,
    namespaced: bool,
    columns: &'static [(&'static str, Column)],
}

/// Where a column's text comes from.
#[derive(Clone, Copy)]
enum Column {
    /// A JSON pointer.
    At(&'static str),
    /// A part of the Ready condition.
    Ready(&'static str),
    /// The reason of the Ready condition, and what else a person should know of one that is ready.
    Reason,
    /// What is held back: the newest commit, where it is not applied or was refused; deletions that wait for approval.
    Held,
    /// A commit, or a reference and a commit, at a JSON pointer: its first seven digits are shown.
    Revision(&'static str),
    /// The length of a list.
    Count(&'static str),
    /// How old it is.
    Age,
}

const KINDS: [Kind; 3] = [
    Kind {
        what: What::Repositories,
        plural: "repositories",
        singular: "repository",
        namespaced: false,
        columns: &[
            ("READY", Column::Ready("status")),
            ("REASON", Column::Reason),
            ("REVISION", Column::Revision("/status/verified/revision")),
            ("SIGNER", Column::At("/status/verified/signer")),
            ("HELD", Column::Held),
            ("AGE", Column::Age),
        ],
    },
    Kind {
        what: What::Syncs,
        plural: "syncs",
        singular: "sync",
        namespaced: true,
        columns: &[
            ("READY", Column::Ready("status")),
            ("REASON", Column::Reason),
            ("REVISION", Column::Revision("/status/lastAppliedRevision")),
            ("SIGNER", Column::At("/status/signer")),
            ("HELD", Column::Held),
            ("AGE", Column::Age),
        ],
    },
    Kind {
        what: What::Warrants,
        plural: "warrants",
        singular: "warrant",
        namespaced: true,
        columns: &[
            ("REPOSITORY", Column::At("/spec/repository")),
            ("APPLIED", Column::Revision("/spec/applied")),
            ("SIGNER", Column::At("/spec/signers/0/signer")),
            ("OBJECTS", Column::Count("/spec/inventory")),
            ("AGE", Column::Age),
        ],
    },
];

/// Runs it.
pub fn run(args: &Args, console: Console<'_>) -> Result<Outcome, Failure> {
    let Console { out, talk } = console;
    let (found, namespace) = args.connection.run(async |plain| {
        let namespace = args.namespace.as_deref().unwrap_or(plain.namespace()).to_owned();
        fetch(args, &plain, &namespace).await.map(|found| (found, namespace))
    })?;
    let text = match args.output {
        Format::Table => tables(args, &found, &[]),
        Format::Wide => tables(args, &found, &[("MESSAGE", Column::Ready("message"))]),
        Format::Name => names(&found),
        Format::Json => format!("{:#}\n", list(&found)),
        Format::Yaml => serde_yaml::to_string(&list(&found))
            .map_err(|error| Failure::because("output", "the objects cannot be written as YAML", &error))?,
    };
    write!(out, "{text}").map_err(|error| Failure::because("output", "stdout", &error))?;
    if found.iter().all(|(_, items)| items.is_empty()) {
        writeln!(talk, "{}", args.nothing(&namespace)).map_err(|error| Failure::because("output", "stderr", &error))?;
    }
    Ok(Outcome::Fine)
}

impl Args {
    /// What was looked for, and where it was not.
    fn nothing(&self, namespace: &str) -> String {
        let what = match self.what {
            What::Repositories => "no Repository",
            What::Syncs => "no Sync",
            What::Warrants => "no Warrant",
            What::All => "neither a Repository nor a Sync nor a Warrant",
        };
        match (self.what, &self.namespace) {
            (What::Repositories, _) => format!("there is {what}"),
            _ if self.all_namespaces => format!("there is {what} in any namespace"),
            (_, Some(_)) => format!("there is {what} in namespace {namespace}"),
            (_, None) => {
                format!("there is {what} in namespace {namespace}, which is the context's; -A looks into every one")
            }
        }
    }
}

type Found = Vec<(&'static Kind, Vec<Value>)>;

async fn fetch(args: &Args, plain: &Plain, namespace: &str) -> Result<Found, Failure> {
    let mut found = Vec::new();
    for kind in KINDS.iter().filter(|kind| args.what == What::All || args.what == kind.what) {
        let resource = Resource {
            group: api::GROUP,
            version: api::VERSION,
            plural: kind.plural,
            namespace: Some(namespace).filter(|_| kind.namespaced && !args.all_namespaces),
        };
        let mut items = plain.list(&resource).await.map_err(|error| failure(kind.plural, &error))?;
        items.retain(|item| args.name.as_ref().is_none_or(|name| at(item, "/metadata/name") == *name));
        found.push((kind, items));
    }
    match &args.name {
        Some(name) if found.iter().all(|(_, items)| items.is_empty()) => {
            Err(Failure::new("not-found", format!("{name}: {}", args.nothing(namespace))))
        }
        Some(_) | None => Ok(found),
    }
}

fn list(found: &Found) -> Value {
    let items: Vec<&Value> = found.iter().flat_map(|(_, items)| items).collect();
    json!({"apiVersion": "cli.gitwarrant.io/v1", "kind": "List", "items": items})
}

fn names(found: &Found) -> String {
    let line = |kind: &Kind, item: &Value| format!("{}.{}/{}\n", kind.singular, api::GROUP, at(item, "/metadata/name"));
    found.iter().flat_map(|(kind, items)| items.iter().map(move |item| line(kind, item))).collect()
}

fn tables(args: &Args, found: &Found, more: &[(&str, Column)]) -> String {
    let mut tables = Vec::new();
    for (kind, items) in found.iter().filter(|(_, items)| !items.is_empty()) {
        let columns: Vec<(&str, Column)> = kind.columns.iter().chain(more).copied().collect();
        let mut head: Vec<String> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        head.insert(0, "NAME".to_owned());
        let with_namespace = kind.namespaced && args.all_namespaces;
        if with_namespace {
            head.insert(0, "NAMESPACE".to_owned());
        }
        let mut rows = vec![head];
        for item in items {
            let mut row: Vec<String> = columns.iter().map(|(_, column)| cell(item, *column)).collect();
            row.insert(0, at(item, "/metadata/name"));
            if with_namespace {
                row.insert(0, at(item, "/metadata/namespace"));
            }
            rows.push(row);
        }
        tables.push(table(&rows));
    }
    tables.join("\n")
}

/// Columns as wide as they need, two spaces apart.
fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn cell(item: &Value, column: Column) -> String {
    match column {
        Column::At(pointer) => at(item, pointer),
        Column::Revision(pointer) => short(&at(item, pointer)),
        // A message of several causes has a line for each.
        Column::Ready(field) => {
            let text = condition(item, api::condition_kind::READY, field).unwrap_or("-");
            one_line(&text.lines().collect::<Vec<_>>().join("; "))
        }
        Column::Reason => reason(item),
        Column::Held => held(item),
        Column::Count(pointer) => {
            item.pointer(pointer).and_then(Value::as_array).map_or("-".to_owned(), |list| list.len().to_string())
        }
        Column::Age => {
            let made = item.pointer("/metadata/creationTimestamp").and_then(Value::as_str);
            made.and_then(|text| text.parse().ok()).map_or("-".to_owned(), |made| age(made, System.now()))
        }
    }
}

/// `Applied`; `Applied, Stale` where the view of the remote is old; `Applied, Distrusted` where nobody would apply it today.
fn reason(item: &Value) -> String {
    use api::condition_kind::{DISTRUSTED, FRESH, READY};
    let mut words = vec![condition(item, READY, "reason").unwrap_or("-")];
    if condition(item, READY, "status") == Some("True") {
        let stale = condition(item, FRESH, "status") == Some("False");
        words.extend(condition(item, FRESH, "reason").filter(|_| stale));
        words.extend((condition(item, DISTRUSTED, "status") == Some("True")).then_some("Distrusted"));
    }
    one_line(&words.join(", "))
}

/// `c07d5e2` or `c07d5e2 unsigned`; `3 deletions`; both; or a dash.
fn held(item: &Value) -> String {
    let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str);
    let mut parts = Vec::new();
    if let Some(head) = text("/status/rejected/head") {
        parts.push(format!("{} {}", short(head), text("/status/rejected/reason").unwrap_or_default()));
    }
    let (tried, applied) = (text("/status/lastAttemptedRevision"), text("/status/lastAppliedRevision"));
    if let Some(tried) = tried.filter(|_| tried != applied) {
        parts.push(short(tried.rsplit('@').next().unwrap_or(tried)));
    }
    let deletions = item.pointer("/status/heldDeletions").and_then(Value::as_array).map_or(0, Vec::len);
    if deletions > 0 {
        parts.push(format!("{deletions} deletions"));
    }
    if parts.is_empty() { "-".to_owned() } else { one_line(&parts.join(", ")) }
}

fn at(item: &Value, pointer: &str) -> String {
    one_line(item.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).unwrap_or("-"))
}

/// `main@4f1c2d9` of `main@4f1c2d9e…`.
fn short(revision: &str) -> String {
    let (reference, commit) = match revision.rsplit_once('@') {
        Some((reference, commit)) => (format!("{reference}@"), commit),
        None => (String::new(), revision),
    };
    reference + &commit.chars().take(7).collect::<String>()
}

/// What a status holds may come from elsewhere.
fn one_line(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// A part of a condition.
pub(super) fn condition<'a>(item: &'a Value, kind: &str, field: &str) -> Option<&'a str> {
    let all = item.pointer("/status/conditions")?.as_array()?;
    all.iter().find(|condition| condition["type"] == kind)?.get(field)?.as_str()
}

/// The largest unit alone: `31d`, `12m`.
fn age(made: jiff::Timestamp, now: jiff::Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(made.as_second()).max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Column, age, cell, table};

    #[test]
    fn columns_line_up_and_lines_do_not_trail() {
        let rows = [["NAME", "READY"], ["prod-eu", "True"], ["x", "-"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "NAME     READY\nprod-eu  True\nx        -\n");
    }

    #[test]
    fn what_is_not_known_is_a_dash_and_nothing_breaks_the_line() {
        let item = json!({"status": {"signer": "a\nb", "conditions": [{"type": "Ready", "status": "False"}]}});
        assert_eq!(cell(&item, Column::At("/status/signer")), "a\\nb");
        assert_eq!(cell(&item, Column::At("/status/none")), "-");
        assert_eq!(cell(&item, Column::Ready("status")), "False");
        let item = json!({"status": {"conditions": [{"type": "Ready", "message": "a: one\nb: \u{1b}two\n"}]}});
        assert_eq!(cell(&item, Column::Ready("message")), "a: one; b: \\u{1b}two");
    }

    #[test]
    fn what_is_held_back_or_old_is_seen_at_a_glance() {
        let ready = |status: &str, reason: &str| json!({"type": "Ready", "status": status, "reason": reason});
        let fresh = json!({"type": "Fresh", "status": "False", "reason": "Stale"});
        let distrusted = json!({"type": "Distrusted", "status": "True", "reason": "RevokedKey"});
        let shown = |status: serde_json::Value| {
            let item = json!({"status": status});
            (cell(&item, Column::Reason), cell(&item, Column::Held))
        };
        let told = |reason: &str, held: &str| (reason.to_owned(), held.to_owned());
        let good = json!({"conditions": [ready("True", "Applied")], "lastAttemptedRevision": "main@0123456789",
            "lastAppliedRevision": "main@0123456789"});
        assert_eq!(shown(good), told("Applied", "-"));
        let refused = json!({"conditions": [ready("False", "Unsigned"), fresh], "heldDeletions": ["a", "b"],
            "lastAttemptedRevision": "main@fedcba9876", "lastAppliedRevision": "main@0123456789"});
        assert_eq!(shown(refused), told("Unsigned", "fedcba9, 2 deletions"));
        assert_eq!(
            shown(json!({"conditions": [ready("True", "Applied"), fresh, distrusted]})),
            told("Applied, Stale, Distrusted", "-")
        );
        let rejected =
            json!({"conditions": [ready("True", "Fetched")], "rejected": {"head": "fedcba9876", "reason": "unsigned"}});
        assert_eq!(shown(rejected), told("Fetched", "fedcba9 unsigned"));
        assert_eq!(shown(json!({})), told("-", "-"));
    }

    #[test]
    fn revisions_are_short() {
        let item = json!({"status": {"a": "main@0123456789abcdef", "b": "0123456789abcdef", "c": null}});
        let shown = ["/status/a", "/status/b", "/status/c"].map(|at| cell(&item, Column::Revision(at)));
        assert_eq!(shown, ["main@0123456", "0123456", "-"]);
    }

    #[test]
    fn ages_are_short() {
        let at = |second| jiff::Timestamp::from_second(second).unwrap();
        let shown = [5, 125, 7300, 200_000].map(|second| age(at(0), at(second)));
        assert_eq!(shown, ["5s", "2m", "2h", "2d"]);
    }
}
