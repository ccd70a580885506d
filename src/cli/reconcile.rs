//! `gitwarrant reconcile`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api;
use crate::clock::{Clock, System};
use crate::cluster::{Plain, Resource};

use super::connection::{Connection, failure};
use super::get::condition;
use super::{Console, Failure, Outcome};

/// Arguments of `reconcile`.
#[derive(clap::Args)]
pub struct Args {
    /// What is to have a turn now
    #[arg(value_enum)]
    kind: Kind,
    /// Its name
    name: String,
    /// Its namespace; the context's where absent
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Follow until the turn is over; exit code 1 if it was refused
    #[arg(long)]
    wait: bool,
    /// How long to follow
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    timeout: api::Duration,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    Sync,
    #[value(alias = "repo")]
    Repository,
}

impl Kind {
    /// Where its status says how far it has come.
    fn revision(self) -> &'static str {
        match self {
            Kind::Sync => "/status/lastAppliedRevision",
            Kind::Repository => "/status/fetched/commit",
        }
    }
}

/// Between looks.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The reason of a condition that says: somebody wants it to rest.
const SUSPENDED: &str = "Suspended";

/// Runs it.
pub fn run(args: &Args, console: Console<'_>) -> Result<Outcome, Failure> {
    let Console { out, talk: _ } = console;
    let asked = System.now().to_string();
    let ended = args.connection.run(async |plain| ask(args, &plain, &asked).await)?;
    let what = args.what();
    let said = |result: std::io::Result<()>| result.map_err(|error| Failure::because("output", "stdout", &error));
    let Some(object) = ended else {
        said(writeln!(out, "{what}: a turn was asked for"))?;
        return Ok(Outcome::Fine);
    };
    let ready = |field| condition(&object, api::condition_kind::READY, field).unwrap_or("-").escape_debug().to_string();
    let revision = object.pointer(args.kind.revision()).and_then(Value::as_str).unwrap_or("-").escape_debug();
    if ready("reason") == SUSPENDED {
        said(writeln!(out, "{what}: {}; it rests until spec.suspend is false", ready("message")))?;
        Ok(Outcome::Finding)
    } else if ready("status") == "True" {
        said(writeln!(out, "{what}: {} at {revision}", ready("reason")))?;
        Ok(Outcome::Fine)
    } else {
        said(writeln!(out, "{what}: {}: {}", ready("reason"), ready("message")))?;
        Ok(Outcome::Finding)
    }
}

impl Args {
    fn what(&self) -> String {
        match self.kind {
            Kind::Sync => format!("Sync/{}", self.name),
            Kind::Repository => format!("Repository/{}", self.name),
        }
    }
}

/// Asks for a turn; with `--wait`, the object once the turn is over.
async fn ask(args: &Args, plain: &Plain, asked: &str) -> Result<Option<Value>, Failure> {
    let namespace = args.namespace.as_deref().unwrap_or(plain.namespace());
    let (plural, namespace) = match args.kind {
        Kind::Sync => ("syncs", Some(namespace)),
        Kind::Repository => ("repositories", None),
    };
    let resource = Resource { group: api::GROUP, version: api::VERSION, plural, namespace };
    let what = args.what();
    let change = json!({"metadata": {"annotations": {api::REQUESTED_AT: asked}}});
    plain.merge(&resource, &args.name, &change).await.map_err(|error| failure(&what, &error))?;
    if !args.wait {
        return Ok(None);
    }
    let begin = Instant::now();
    while begin.elapsed() < args.timeout.get() {
        let object = plain.read(&resource, &args.name).await.map_err(|error| failure(&what, &error))?;
        if is_over(&object, asked) {
            return Ok(Some(object));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Err(Failure::new("timeout", format!("{what}: no turn was ended within {}", args.timeout))
        .help("is the agent running? See its logs, and whether the object is suspended"))
}

/// Whether the turn that was asked for has been answered.
fn is_over(object: &Value, asked: &str) -> bool {
    let handled = object.pointer("/status/lastHandledRequestedAt").and_then(Value::as_str) == Some(asked);
    let ready = condition(object, api::condition_kind::READY, "status");
    let under_way = condition(object, api::condition_kind::RECONCILING, "status") == Some("True");
    let rests = condition(object, api::condition_kind::READY, "reason") == Some(SUSPENDED);
    handled && (rests || matches!(ready, Some("True" | "False")) && !(under_way && ready != Some("False")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::is_over;

    #[test]
    fn a_turn_is_over_when_this_very_request_was_answered() {
        let object = |handled: &str, ready: &str| json!({"status": {"lastHandledRequestedAt": handled, "conditions": [{"type": "Ready", "status": ready}]}});
        assert!(is_over(&object("now", "True"), "now"));
        assert!(is_over(&object("now", "False"), "now"));
        assert!(!is_over(&object("now", "Unknown"), "now"));
        assert!(!is_over(&object("before", "True"), "now"));
        assert!(!is_over(&json!({}), "now"));
        let mut resting = object("now", "Unknown");
        resting["status"]["conditions"][0]["reason"] = json!("Suspended");
        assert!(is_over(&resting, "now"));
    }
}
