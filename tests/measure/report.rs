//! Rows of numbers, as people and as programs read them; and how a number is taken.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

/// What was measured.
#[derive(Default)]
pub struct Report {
    group: &'static str,
    rows: Vec<Row>,
}

struct Row {
    group: &'static str,
    what: String,
    ours: f64,
    beside: Option<(String, f64)>,
    unit: &'static str,
}

impl Report {
    /// What follows belongs to `group`.
    pub fn begin(&mut self, group: &'static str) {
        self.group = group;
        eprintln!("measuring {group} ...");
    }

    /// One number of ours.
    pub fn row(&mut self, what: impl Into<String>, ours: f64, unit: &'static str) {
        self.rows.push(Row { group: self.group, what: what.into(), ours, beside: None, unit });
    }

    /// One number of ours and that of `other` at the same work in the same run.
    pub fn beside(&mut self, what: impl Into<String>, ours: f64, other: &str, theirs: f64, unit: &'static str) {
        let beside = Some((other.to_owned(), theirs));
        self.rows.push(Row { group: self.group, what: what.into(), ours, beside, unit });
    }

    /// The table, then one line of JSON.
    pub fn print(&self) {
        let width = self.rows.iter().map(|row| row.what.len()).max().unwrap_or(0);
        for row in &self.rows {
            let beside = row.beside.as_ref().map_or(String::new(), |(other, theirs)| {
                format!("   {other} {theirs:.2} {}, ratio {:.2}", row.unit, row.ours / theirs)
            });
            println!("{:<10} {:<width$} {:>12.2} {}{beside}", row.group, row.what, row.ours, row.unit);
        }
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|row| {
                let mut value = json!({"group": row.group, "what": row.what, "value": row.ours, "unit": row.unit});
                if let Some((other, theirs)) = &row.beside {
                    value["beside"] = json!({"what": other, "value": theirs});
                }
                value
            })
            .collect();
        println!("{}", json!(rows));
    }
}

/// The middle of `times` runs, each timed for itself, after one that does not count.
pub fn median(times: usize, mut work: impl FnMut()) -> Duration {
    work();
    let mut all: Vec<Duration> = (0..times)
        .map(|_| {
            let begin = Instant::now();
            work();
            begin.elapsed()
        })
        .collect();
    all.sort();
    all[times / 2]
}

/// What a process cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// By the clock.
    pub wall: Duration,
    /// User and system time, to the 10 ms of the kernel's ticks, over the number of runs.
    pub cpu: Duration,
    /// The highest resident memory that was seen, in MiB.
    pub peak: f64,
}

/// Runs `program` `times` times; the mean of time, the highest of memory. Its output is thrown away.
pub fn process(times: u32, program: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Cost {
    let own = program.canonicalize().unwrap();
    let (before, begin) = (children_cpu(), Instant::now());
    let mut peak: f64 = 0.0;
    for _ in 0..times {
        let mut child = Command::new(program)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while child.try_wait().unwrap().is_none() {
            // Until it has become the program, a child shows the memory of its parent.
            let became = std::fs::read_link(format!("/proc/{}/exe", child.id())).is_ok_and(|running| running == own);
            if became {
                peak = peak.max(resident(child.id(), "VmHWM").unwrap_or(0.0));
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        assert!(child.wait().unwrap().success(), "{} {arguments:?} failed", program.display());
    }
    Cost { wall: begin.elapsed() / times, cpu: children_cpu().saturating_sub(before) / times, peak }
}

/// `VmRSS` or `VmHWM` of a process, in MiB.
pub fn resident(pid: u32, field: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

/// CPU time that a process has used, its threads included.
pub fn cpu(pid: u32) -> Duration {
    ticks(&format!("/proc/{pid}/stat"), 11)
}

/// CPU time of all processes that this one has started and seen end.
fn children_cpu() -> Duration {
    ticks("/proc/self/stat", 13)
}

/// Two neighbouring fields of a stat file, by their place after the name; a tick is 10 ms on Linux.
fn ticks(file: &str, at: usize) -> Duration {
    let stat = std::fs::read_to_string(file).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let sum: u64 = fields[at..at + 2].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(sum * 10)
}
