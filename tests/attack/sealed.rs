//! Whoever may edit an encrypted file and has no key for it: it stays shut, and costs no more than a good one.

use std::collections::BTreeMap;

use gitwarrant::keysource::{Keyring, age::generate};
use gitwarrant::kustomize::{Options, gather, render};
use gitwarrant::model::RepoPath;
use gitwarrant::sops::{self, Format, Recipients, Terms, decrypt, seal};
use gitwarrant::trust::Tree;

/// A file for one key, and that key.
fn sealed(plain: &str, format: Format) -> (String, Keyring) {
    sealed_by(None, plain, format)
}

/// As [`sealed`], by a rule that says what is encrypted.
fn sealed_by(selector: Option<(&str, &str)>, plain: &str, format: Format) -> (String, Keyring) {
    sealed_at("2026-06-01T00:00:00Z", selector, plain, format)
}

/// As [`sealed_by`], at a time.
fn sealed_at(time: &str, selector: Option<(&str, &str)>, plain: &str, format: Format) -> (String, Keyring) {
    let (identity, recipient) = generate();
    let keys = Keyring::read(vec![("a.agekey".to_owned(), identity)]).unwrap();
    let groups = vec![Recipients { age: vec![recipient], pgp: Vec::new() }];
    let selector = selector.map(|(field, rule)| (field.to_owned(), rule.to_owned()));
    let terms = Terms { groups, selector, ..Terms::default() };
    (seal(plain.as_bytes(), format, &terms, time.parse().unwrap()).unwrap(), keys)
}

fn outcome(file: &str, format: Format, keys: &Keyring) -> &'static str {
    decrypt("x", file.as_bytes(), format, format, keys).err().map_or("opened", |error| error.code())
}

const SECRET: &str = "kind: Secret\nstringData:\n    password: hunter2\n";

#[test]
fn a_key_written_in_base64_cannot_stand_beside_itself() {
    let (good, keys) = sealed(SECRET, Format::Yaml);
    // No value, so that the MAC would still hold; `cGFzc3dvcmQ=` is `password`.
    let bent = good.replace("stringData:\n", "stringData:\n    !!binary cGFzc3dvcmQ=: null\n");
    assert_eq!(outcome(&good, Format::Yaml, &keys), "opened");
    assert_eq!(outcome(&bent, Format::Yaml, &keys), "bad-format");
}

#[test]
fn a_comment_of_a_type_that_sops_never_writes_is_refused_as_a_value_is() {
    let (good, keys) = sealed(&format!("# hello\n{SECRET}"), Format::Yaml);
    assert_eq!(outcome(&good, Format::Yaml, &keys), "opened");
    assert_eq!(outcome(&good.replace("type:comment", "type:bytes"), Format::Yaml, &keys), "policy");
}

#[test]
fn a_value_cannot_be_turned_into_a_comment_that_the_mac_still_counts() {
    let (good, keys) = sealed("deny:\n    - mallory\n    - trent\nmfa: required\n", Format::Yaml);
    assert_eq!(outcome(&good, Format::Yaml, &keys), "opened");
    let line = |start: &str| good.lines().find(|line| line.trim_start().starts_with(start)).unwrap().to_owned();
    // In a list comments are bound to the same place as the elements; in a mapping, to that of a value in its stead.
    let (element, value) = (line("- ENC["), line("mfa: "));
    let in_list = good.replacen(&element, &element.replace("- ENC[", "#ENC["), 1);
    let in_map =
        good.replace(&value, &value.replace("mfa: ENC[", "mfa:\n    #ENC[")).replace("\nsops:", "\n    n: null\nsops:");
    for bent in [in_list, in_map] {
        assert_ne!(bent, good);
        assert_eq!(outcome(&bent, Format::Yaml, &keys), "value-malformed", "{bent}");
    }
    let (good, keys) = sealed("[mfa]\nrequired = yes\nby = totp\n", Format::Ini);
    let line = good.lines().find(|line| line.starts_with("required")).unwrap();
    let envelope = &line[line.find("ENC[").unwrap()..];
    let bent = good.replace(line, "").replace("[mfa]", &format!("[mfa:required]\n; {envelope}\nn =\n[mfa]"));
    assert_eq!(outcome(&good, Format::Ini, &keys), "opened");
    assert_eq!(outcome(&bent, Format::Ini, &keys), "value-malformed", "{bent}");
}

#[test]
fn a_comment_that_was_encrypted_as_text_is_read_in_files_of_that_time_alone() {
    for (time, in_map) in [("2018-12-31T23:59:59Z", "opened"), ("2019-01-01T00:00:00Z", "value-malformed")] {
        let (good, keys) = sealed_at(time, None, "mfa: required\nlist:\n    - a\n    - b\n", Format::Yaml);
        let line = |start: &str| good.lines().find(|line| line.trim_start().starts_with(start)).unwrap().to_owned();
        let (value, element) = (line("mfa: "), line("- ENC["));
        let comment = good
            .replace(&value, &value.replace("mfa: ENC[", "mfa:\n    #ENC["))
            .replace("\nlist:", "\n    n: null\nlist:");
        assert_eq!(outcome(&comment, Format::Yaml, &keys), in_map, "{comment}");
        // The MAC authenticates the time.
        let younger = comment.replace(time, "2018-06-01T00:00:00Z");
        assert_ne!(outcome(&younger, Format::Yaml, &keys), "opened");
        let in_list = good.replacen(&element, &element.replace("- ENC[", "#ENC["), 1);
        assert_eq!(outcome(&in_list, Format::Yaml, &keys), "value-malformed", "{in_list}");
    }
}

#[test]
fn what_a_value_claims_to_be_asks_nothing_about_it() {
    const CLAIMS: [&str; 4] = ["int", "float", "bool", "time"];
    // Of a Secret, and of a file of texts: refused before anything is opened, whatever it is.
    for (selector, plain, format) in [
        (Some(("encrypted_regex", "^stringData$")), SECRET, Format::Yaml),
        (None, "pin=1234\n", Format::Dotenv),
        (None, "[a]\npin = 1234\n", Format::Ini),
        (None, "1234", Format::Binary),
    ] {
        let (good, keys) = sealed_by(selector, plain, format);
        assert_eq!(outcome(&good, format, &keys), "opened", "{good}");
        for claim in CLAIMS {
            let bent = good.replacen("type:str", &format!("type:{claim}"), 1);
            assert_eq!(outcome(&bent, format, &keys), "policy", "{claim}");
            let of_another_value = bent.replacen("data:", "data:AAAA", 1);
            assert_eq!(outcome(&of_another_value, format, &keys), "policy", "{claim}");
        }
    }
    // Elsewhere what does not fit is answered as any other change is, without a place.
    let (good, keys) = sealed("flag: hello\n", Format::Yaml);
    let error =
        |file: &str| decrypt("x", file.as_bytes(), Format::Yaml, Format::Yaml, &keys).err().unwrap().to_string();
    for claim in CLAIMS {
        let bent = good.replacen("type:str", &format!("type:{claim}"), 1);
        assert_eq!(error(&bent), error(&format!("note_unencrypted: 1\n{good}")), "{claim}");
    }
}

#[test]
fn a_file_whose_open_text_nothing_authenticates_is_warned_of_when_it_renders() {
    let (identity, recipient) = generate();
    let keys = Keyring::read(vec![("a.agekey".to_owned(), identity)]).unwrap();
    let groups = vec![Recipients { age: vec![recipient], pgp: Vec::new() }];
    let selector = Some(("encrypted_regex".to_owned(), "^stringData$".to_owned()));
    let plain = format!("apiVersion: v1\nmetadata:\n    name: db\n{SECRET}");
    for (mac_only_encrypted, expected) in [(true, 1), (false, 0)] {
        let terms =
            Terms { groups: groups.clone(), selector: selector.clone(), mac_only_encrypted, ..Terms::default() };
        let file = seal(plain.as_bytes(), Format::Yaml, &terms, "2026-06-01T00:00:00Z".parse().unwrap()).unwrap();
        let path = |path: &str| RepoPath::parse(path).unwrap();
        let kustomization = b"resources: [db.yaml]\n".to_vec();
        let files = [(path("kustomization.yaml"), kustomization), (path("db.yaml"), file.into_bytes())];
        let tree = Tree::local(files.into_iter().collect::<BTreeMap<_, _>>());
        let Ok(sources) = gather(tree, &RepoPath::root(), &Options::AGENT) else { panic!("two files") };
        let Ok(opened) = sops::unseal(sources, &keys) else { panic!("a good key") };
        let Ok(rendered) = render(opened, &RepoPath::root(), &Options::AGENT) else { panic!("one Secret") };
        let told: Vec<String> = rendered.warnings().iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), expected, "{told:?}");
        assert!(told.iter().all(|warning| warning.starts_with("db.yaml: only encrypted values are authenticated")));
    }
}

#[test]
fn an_expression_that_is_slow_on_a_long_text_is_not_searched_for() {
    let (good, keys) = sealed(SECRET, Format::Yaml);
    for slow in ["a.{800}xyz?[^abx]", "(?:[ab].{0,400}x){2}[^abx]", "[ab]{900}[^abx]"] {
        let bent = good.replace("unencrypted_suffix: _unencrypted", &format!("unencrypted_comment_regex: '{slow}'"));
        assert_ne!(bent, good);
        // A short text is looked at: the rule leaves as it was what was encrypted.
        assert_eq!(outcome(&format!("# abx\n{bent}"), Format::Yaml, &keys), "opened", "{slow}");
        let long = format!("# {}\n{bent}", "abxbaxab".repeat(500_000));
        assert_eq!(outcome(&long, Format::Yaml, &keys), "limit", "{slow}");
    }
}

#[test]
fn many_keys_below_a_long_name_cost_no_more_than_the_file() {
    let keys: String = (0..100_000).map(|number| format!("k{number}=\n")).collect();
    let file = format!("[{}]\n{keys}", "s".repeat(3 << 20));
    assert_eq!(outcome(&file, Format::Ini, &Keyring::empty()), "no-metadata");
}

#[test]
fn comments_that_an_alias_repeats_are_counted_as_values_are() {
    let many = "    # of many\n".repeat(50_000);
    let long = format!("    #{}\n", "x".repeat(1 << 20));
    for comments in [many, long] {
        let aliases = vec!["*a"; 100_000].join(", ");
        let file = format!("a: &a\n    b: 1\n{comments}    c: 1\nd: [{aliases}]\n");
        assert_eq!(outcome(&file, Format::Yaml, &Keyring::empty()), "limit");
    }
}

#[test]
fn a_version_that_is_none_is_refused() {
    let (good, keys) = sealed(SECRET, Format::Yaml);
    for version in ["3.13.3-rc.1+build", "v3.13.3", "1.14"] {
        let other = good.replace("version: 3.13.3", &format!("version: {version}"));
        assert_eq!(outcome(&other, Format::Yaml, &keys), "opened", "{version}");
    }
    for version in ["3.13.3-", "3.13.3+", "3.13.3-01", "3.13.3-a..b", "3.13", "3.13.3.1", "latest"] {
        let other = good.replace("version: 3.13.3", &format!("version: {version}"));
        assert_eq!(outcome(&other, Format::Yaml, &keys), "bad-metadata", "{version}");
    }
}
