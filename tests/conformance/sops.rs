//! Cases of `sops`: real files with the outcome a strict decryptor must have.

#![expect(clippy::unwrap_used, reason = "tests; the lint knows only functions marked as such")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use gitwarrant::keysource::Keyring;
use gitwarrant::model::json::{Json, parse_object};
use gitwarrant::secret::Secret;
use gitwarrant::sops::{Format, decrypt};

use crate::support::corpora;

/// Cases that are known to differ, each with the reason. One that holds must be taken off.
const KNOWN_GAPS: [(&str, &str); 0] = [];

struct Case {
    name: String,
    format: Format,
    output: Format,
    keys: Vec<String>,
    expect: String,
    compare: String,
}

#[test]
fn every_sops_case_has_the_outcome_it_must_have() {
    let Some(root) = corpora::collection("sops") else {
        println!("collection absent: sops");
        return;
    };
    let mut names: Vec<_> = fs::read_dir(root.join("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let mut failures = Vec::new();
    for folder in &names {
        let case = case(folder);
        let started = Instant::now();
        let verdict = judge(&root, folder, &case);
        let verdict = verdict.and_then(|()| {
            let took = started.elapsed();
            if took > Duration::from_mins(1) { Err(format!("took {took:?}")) } else { Ok(()) }
        });
        let gap = KNOWN_GAPS.iter().find(|(name, _)| *name == case.name);
        match (verdict, gap) {
            (Err(why), None) => failures.push(format!("{}: {why}", case.name)),
            (Ok(()), Some(_)) => failures.push(format!("{}: holds, take it off the list of known gaps", case.name)),
            (Ok(()), None) | (Err(_), Some(_)) => {}
        }
    }
    println!("sops: {} cases, {} differ", names.len(), failures.len());
    assert!(failures.is_empty(), "{} of {} cases differ:\n{}", failures.len(), names.len(), failures.join("\n"));
}

#[test]
fn every_fixture_of_the_real_sops_has_its_outcome() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sops");
    let index = fs::read_to_string(root.join("index.tsv")).unwrap();
    let mut failures = Vec::new();
    for line in index.lines() {
        let [name, format, keys, outcome] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let key = |key: &str| (key.to_owned(), Secret::new(fs::read(root.join("keys").join(key)).unwrap()));
        let keys = Keyring::read(keys.split(',').map(key).collect()).unwrap();
        let folder = root.join("cases").join(name);
        let format = Format::named(format).unwrap();
        let found = match decrypt(name, &fs::read(folder.join("input")).unwrap(), format, format, &keys) {
            Ok(decrypted) if outcome == "ok" => {
                let expected = fs::read(folder.join("expected")).unwrap();
                let same = decrypted.text.expose(|plain| plain == expected);
                if same { "ok" } else { "other bytes than sops" }
            }
            Ok(_) => "opened",
            Err(error) => error.code(),
        };
        if found != outcome {
            failures.push(format!("{name}: {found}, must be {outcome}"));
        }
    }
    assert!(index.lines().count() > 40 && failures.is_empty(), "{}", failures.join("\n"));
}

fn judge(root: &Path, folder: &Path, case: &Case) -> Result<(), String> {
    let input = fs::read(file_beginning(folder, "input.").expect("an input")).unwrap();
    let files = case.keys.iter().map(|key| key_file(root, key)).collect();
    let outcome = match Keyring::read(files) {
        Ok(keys) => decrypt(&case.name, &input, case.format, case.output, &keys)
            .map_err(|error| (error.code(), error.to_string())),
        Err(error) => Err((error.code(), error.to_string())),
    };
    let expected = file_beginning(folder, "expected.").filter(|_| !case.expect.starts_with("error"));
    match (outcome, case.expect.as_str()) {
        (Ok(_), expect) if expect.starts_with("error") => Err(format!("opened, must be refused ({expect})")),
        (Ok(decrypted), _) => match expected {
            Some(expected) => decrypted.text.expose(|found| compare(&case.compare, case.output, found, &expected)),
            None => Ok(()),
        },
        (Err((code, message)), "ok") => Err(format!("refused ({code}), must open: {message}")),
        (Err((_, message)), _) => leaks(folder, &message),
    }
}

/// A refusal may name keys and places, but nothing that the file holds.
fn leaks(folder: &Path, message: &str) -> Result<(), String> {
    let input = String::from_utf8_lossy(&fs::read(file_beginning(folder, "input.").unwrap()).unwrap()).into_owned();
    let told =
        ["expected.", "sops-accepted.", "sops-ignore-mac."].into_iter().filter_map(|name| file_beginning(folder, name));
    let plain: String = told.map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()).collect();
    let words = plain
        .split(|c: char| c.is_whitespace() || "\"',:".contains(c))
        .filter(|word| word.len() >= 8 && !input.contains(*word));
    match words.into_iter().find(|word| message.contains(*word)) {
        Some(_) => Err("the message repeats plaintext".to_owned()),
        None if message.contains("ENC[") => Err("the message repeats ciphertext".to_owned()),
        None => Ok(()),
    }
}

fn compare(mode: &str, format: Format, found: &[u8], expected: &Path) -> Result<(), String> {
    let wanted = fs::read(expected).unwrap();
    if found == wanted {
        return Ok(());
    }
    let same = match mode {
        "bytes" => false,
        "json-tree" => tree_of_json(found)? == tree_of_json(&wanted)?,
        "yaml-tree" | "ignore-comments" => {
            assert_eq!(format, Format::Yaml);
            tree_of_yaml(found)? == tree_of_yaml(&wanted)?
        }
        other => panic!("an unknown way to compare: {other}"),
    };
    if same { Ok(()) } else { Err(format!("opened to something else (compared as {mode})")) }
}

fn tree_of_json(bytes: &[u8]) -> Result<Vec<(String, Json)>, String> {
    parse_object(std::str::from_utf8(bytes).map_err(|error| error.to_string())?).map_err(|error| error.to_string())
}

/// Documents as texts that tell types and order, read with another library than the one under test.
fn tree_of_yaml(bytes: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let documents = serde_yaml::Deserializer::from_str(text);
    let mut trees = Vec::new();
    for document in documents {
        let value: serde_yaml::Value = serde::Deserialize::deserialize(document).map_err(|error| error.to_string())?;
        trees.push(format!("{value:?}"));
    }
    Ok(trees)
}

fn file_beginning(folder: &Path, name: &str) -> Option<std::path::PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| {
        path.file_name().unwrap().to_str().unwrap().starts_with(name) && !path.to_str().unwrap().ends_with("as.json")
    });
    found.pop()
}

fn key_file(root: &Path, name: &str) -> (String, Secret) {
    let keys = root.join("keys");
    let (path, suffix) = if name.starts_with("age") {
        (keys.join(format!("{name}.txt")), "agekey")
    } else if name.starts_with("pgp") {
        (keys.join(format!("{name}.asc")), "asc")
    } else {
        (keys.join(name), "sshkey")
    };
    (
        format!("{name}.{suffix}"),
        Secret::new(fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))),
    )
}

fn case(folder: &Path) -> Case {
    let text = fs::read_to_string(folder.join("case.json")).unwrap();
    let members = parse_object(&text).unwrap_or_else(|_| {
        // One message in the collection holds a quote that is not escaped.
        let readable: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("\"message\":")).collect();
        parse_object(&readable.join("\n")).unwrap()
    });
    let member = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let text = |name: &str| match member(name) {
        Some(Json::Text(text)) => text,
        other => panic!("{}: {name} is {other:?}", folder.display()),
    };
    let keys = match member("keys") {
        Some(Json::Array(keys)) => {
            keys.into_iter().map(|key| if let Json::Text(key) = key { key } else { panic!("a key") }).collect()
        }
        other => panic!("keys are {other:?}"),
    };
    let format = |name: &str| Format::named(&text(name)).unwrap();
    Case {
        name: text("name"),
        format: format("format"),
        output: format("output_format"),
        keys,
        expect: text("expect"),
        compare: text("compare"),
    }
}
