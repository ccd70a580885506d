//! What it costs: `cargo bench`, or `cargo bench -- trust sops` for some groups of it.
//!
//! Prints a table and, as the last line of stdout, the same as JSON. A number beside ours is of the same run on the
//! same machine; where none can be measured here, none is printed.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::format_collect,
    clippy::format_push_string,
    dead_code,
    reason = "a measurement ends at what is unexpected; its numbers are far below 2^52"
)]

mod measure {
    pub mod cluster;
    pub mod kustomize;
    pub mod report;
    pub mod sops;
    pub mod trust;
}
#[allow(dead_code, unused_imports, reason = "shared with the suite, which uses more of it")]
mod support {
    pub mod controlplane;
    pub mod gitserver;
    pub mod gotool;
    pub mod loom;
    pub mod reference;
    pub mod signing;
    pub mod story;
    pub mod tools;
}

use measure::report::Report;

/// A group's name and what measures it.
type Group = (&'static str, fn(&mut Report));

/// All groups, in the order in which they are measured.
const GROUPS: &[Group] = &[
    ("trust", measure::trust::measure),
    ("sops", measure::sops::measure),
    ("kustomize", measure::kustomize::measure),
    ("cluster", measure::cluster::measure),
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if let Some(unknown) = wanted.iter().find(|name| GROUPS.iter().all(|(group, _)| group != name)) {
        eprintln!(
            "there is no group `{unknown}`; there are: {}",
            GROUPS.iter().map(|(group, _)| *group).collect::<Vec<_>>().join(", ")
        );
        std::process::exit(2);
    }
    let mut report = Report::default();
    for (group, measure) in GROUPS {
        if wanted.is_empty() || wanted.iter().any(|name| name == group) {
            report.begin(group);
            measure(&mut report);
        }
    }
    report.print();
}
