//! Opening encrypted files: in this process, and as a whole process beside the real sops.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gitwarrant::keysource::Keyring;
use gitwarrant::secret::Secret;
use gitwarrant::sops::{Format, decrypt};

use super::report::{Report, median, process};
use crate::support::gotool::SOPS;
use crate::support::tools;

/// Files of this size are measured for their throughput.
const MEGABYTE: usize = 1_000_000;

/// Measures.
pub fn measure(report: &mut Report) {
    let bench = Bench::new();
    small(report, "age", "yaml-secret", "one.agekey");
    small(report, "age post-quantum", "yaml-hybrid", "hybrid.agekey");
    small(report, "PGP cv25519", "yaml-secret-pgp", "pgp.asc");
    for (format, text) in [
        (Format::Yaml, lines("", "value_", ": ", "", MEGABYTE / 1000)),
        (Format::Json, format!("{{{}}}", lines("\"", "value_", "\": \"", "\",", MEGABYTE / 1000) + "\"end\": 1")),
        (Format::Binary, "0123456789abcdef".repeat(MEGABYTE / 16)),
    ] {
        bench.throughput(report, format, &text);
    }
    bench.many_values(report);
    bench.whole_process(report);
}

/// `count` lines of about a thousand bytes.
fn lines(before: &str, key: &str, between: &str, behind: &str, count: usize) -> String {
    (0..count).map(|at| format!("{before}{key}{at:06}{between}{}{behind}\n", "0123456789abcdef".repeat(61))).collect()
}

struct Bench {
    folder: tempfile::TempDir,
    sops: PathBuf,
    recipient: String,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sops")
}

fn keys(name: &str) -> Keyring {
    Keyring::read(vec![(name.to_owned(), Secret::new(fs::read(fixtures().join("keys").join(name)).unwrap()))]).unwrap()
}

fn open(sealed: &[u8], format: Format, keys: &Keyring) {
    assert!(decrypt("x", sealed, format, format, keys).is_ok());
}

fn small(report: &mut Report, what: &str, case: &str, key: &str) {
    let sealed = fs::read(fixtures().join("cases").join(case).join("input")).unwrap();
    let keys = keys(key);
    let took = median(301, || open(&sealed, Format::Yaml, &keys));
    report.row(format!("small {what} Secret, in process"), took.as_secs_f64() * 1e6, "us");
}

impl Bench {
    fn new() -> Self {
        let key = fs::read_to_string(fixtures().join("keys/one.agekey")).unwrap();
        let recipient = key.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
        Self {
            folder: tempfile::tempdir().unwrap(),
            sops: SOPS.program().unwrap_or_else(|why| panic!("{why}")),
            recipient,
        }
    }

    /// `plain`, encrypted by the real sops for one age recipient.
    fn sealed(&self, name: &str, format: Format, plain: &str) -> (PathBuf, Vec<u8>) {
        let (clear, sealed) = (self.folder.path().join("clear"), self.folder.path().join(name));
        fs::write(&clear, plain).unwrap();
        let types = ["--input-type", format.name(), "--output-type", format.name()];
        let command = &mut Command::new(&self.sops);
        command.args(["encrypt", "--age", &self.recipient]).args(types).arg("--output").arg(&sealed).arg(&clear);
        tools::run(command).unwrap_or_else(|why| panic!("{why}"));
        let bytes = fs::read(&sealed).unwrap();
        (sealed, bytes)
    }

    fn throughput(&self, report: &mut Report, format: Format, plain: &str) {
        let (file, sealed) = self.sealed(&format!("large.{}", format.name()), format, plain);
        let keys = keys("one.agekey");
        let speed = |seconds: f64| sealed.len() as f64 / 1e6 / seconds;
        let took = median(21, || open(&sealed, format, &keys));
        report.row(format!("1 MB of {}, in process", format.name()), speed(took.as_secs_f64()), "MB/s");
        let (ours, theirs) = self.both(5, &file, format);
        let what = format!("1 MB of {}, whole process, CPU", format.name());
        report.beside(what, ours.cpu.as_secs_f64() * 1e3, "sops", theirs.cpu.as_secs_f64() * 1e3, "ms");
    }

    fn many_values(&self, report: &mut Report) {
        let plain: String = (0..20_000).map(|at| format!("value_{at:06}: password-{at}\n")).collect();
        let (file, sealed) = self.sealed("many.yaml", Format::Yaml, &plain);
        let keys = keys("one.agekey");
        let took = median(11, || open(&sealed, Format::Yaml, &keys));
        report.row("20,000 encrypted values, in process", took.as_secs_f64() * 1e3, "ms");
        let (ours, theirs) = self.both(5, &file, Format::Yaml);
        let what = "20,000 encrypted values, whole process, CPU";
        report.beside(what, ours.cpu.as_secs_f64() * 1e3, "sops", theirs.cpu.as_secs_f64() * 1e3, "ms");
        report.beside("20,000 encrypted values, whole process, peak memory", ours.peak, "sops", theirs.peak, "MiB");
    }

    fn whole_process(&self, report: &mut Report) {
        let file = fixtures().join("cases/yaml-secret/input");
        let (ours, theirs) = self.both(100, &file, Format::Yaml);
        let what = |rest: &str| format!("small age Secret, whole process, {rest}");
        report.beside(what("CPU"), ours.cpu.as_secs_f64() * 1e3, "sops", theirs.cpu.as_secs_f64() * 1e3, "ms");
        report.beside(what("wall"), ours.wall.as_secs_f64() * 1e3, "sops", theirs.wall.as_secs_f64() * 1e3, "ms");
        report.beside(what("peak memory"), ours.peak, "sops", theirs.peak, "MiB");
    }

    /// The same file through both programs.
    fn both(&self, times: u32, file: &Path, format: Format) -> (super::report::Cost, super::report::Cost) {
        let key = fixtures().join("keys/one.agekey");
        let (file, key) = (file.to_str().unwrap(), key.to_str().unwrap());
        let types = ["--input-type", format.name(), "--output-type", format.name()];
        let environment = [("SOPS_AGE_KEY_FILE", key), ("SOPS_DISABLE_VERSION_CHECK", "1")];
        let arguments = [&["decrypt"], &types[..], &[file]].concat();
        let run = |program: &Path| process(times, program, &arguments, &environment);
        (run(Path::new(env!("CARGO_BIN_EXE_gitwarrant"))), run(&self.sops))
    }
}
