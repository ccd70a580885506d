//! What was decrypted leaves no trace in the memory of the process that decrypted it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use gitwarrant::keysource::Keyring;
use gitwarrant::secret::Secret;
use gitwarrant::sops::{Format, decrypt};

use crate::support::gotool::SOPS;

/// The two halves of every secret. Only a shell joins them, so that this process never has the whole for another reason.
const HALVES: [&str; 2] = ["6f0c91d7e2ab", "54b8d13f7c60"];

/// Values of each form that a writer treats differently, `@` being the secret. Long ones: what is freed loses its first bytes.
const VALUES: [&str; 9] = [
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@bbbbbbbbbbbbbbbb",
    "4aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@bbbbbbbbbbbbbbbb",
    "4111111111111111_111111111111111@11111111111111_1z",
    "-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@bbbbbbbbbbbbbbbb",
    "key: aaaaaaaaaaaaaaaaaaaaaaaaaaa@ # bbbbbbbbbbbbbbbb",
    "it's aaaaaaaaaaaaaaaaaaaaaaaaaaa@ <&> \\u00e9",
    "line aaaaaaaaaaaaaaaaaaaaaaaaaaa\\nand @\\nbbbbbbbbbbbbbb",
    "tab\\taaaaaaaaaaaaaaaaaaaaaaaaaaaaa@\\tbbbbbbbbbbbbbb",
    "12:30:45:59:12:30:45:59:12:30:45:@:12:30",
];

/// A file of the real sops with `VALUES`.
fn sealed(folder: &Path, recipient: &str) -> Vec<u8> {
    let lines: String = VALUES
        .iter()
        .enumerate()
        .map(|(at, value)| format!("\"k{at}\": \"{}\", ", value.replace('@', "$1$2")))
        .collect();
    let script = format!(
        "cat <<END >plain.json\n{{{lines}\"last\": 1}}\nEND\n\
         exec \"$3\" encrypt --age {recipient} --input-type json --output-type yaml plain.json"
    );
    let shell = Command::new("sh")
        .args(["-c", &script, "sh", HALVES[0], HALVES[1]])
        .arg(SOPS.program().unwrap())
        .current_dir(folder)
        .env("SOPS_DISABLE_VERSION_CHECK", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(shell.status.success(), "{}", String::from_utf8_lossy(&shell.stderr));
    shell.stdout
}

/// How often the first half stands directly before the second in memory that can be written to.
fn whole() -> usize {
    /// Read at once, into one buffer: a second one would itself be a trace.
    const BLOCK: usize = 1 << 20;
    let finder = regex::bytes::Regex::new(HALVES[0]).unwrap();
    let memory = File::open("/proc/self/mem").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut bytes = vec![0; BLOCK];
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (begin, end) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
        let address = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let (mut at, end) = (address(begin), address(end));
        while at < end {
            // Regions come and go while other tests run.
            let Ok(read) = memory.read_at(&mut bytes, at) else { break };
            let joined = |half: regex::bytes::Match<'_>| bytes[half.end()..].starts_with(HALVES[1].as_bytes());
            found += finder.find_iter(&bytes[..read]).filter(|half| joined(*half)).count();
            bytes.fill(0);
            // What lies across two blocks is seen with the second.
            let step = if read > 64 { read - 64 } else { read.max(1) };
            at += u64::try_from(step).unwrap();
        }
    }
    found
}

#[test]
fn what_was_decrypted_is_nowhere_once_it_was_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sops/keys/one.agekey");
    let identity = fs::read_to_string(keys).unwrap();
    let recipient = identity.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    let file = sealed(folder.path(), recipient);
    let keys = Keyring::read(vec![("one.agekey".to_owned(), Secret::new(identity.clone().into_bytes()))]).unwrap();
    for output in [Format::Yaml, Format::Json, Format::Dotenv] {
        let opened = decrypt("x", &file, Format::Yaml, output, &keys).unwrap_or_else(|error| panic!("{error}"));
        assert!(whole() >= VALUES.len(), "{}: what is known to be there is found", output.name());
        drop(opened);
        assert_eq!(whole(), 0, "{}: copies are left", output.name());
    }
}
