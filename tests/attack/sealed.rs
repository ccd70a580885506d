//! Whoever may edit an encrypted file and has no key for it: it stays shut, and costs no more than a good one.

use gitwarrant::keysource::{Keyring, age::generate};
use gitwarrant::sops::{Format, Recipients, Terms, decrypt, seal};

/// A file for one key, and that key.
fn sealed(plain: &str, format: Format) -> (String, Keyring) {
    let (identity, recipient) = generate();
    let keys = Keyring::read(vec![("a.agekey".to_owned(), identity)]).unwrap();
    let groups = vec![Recipients { age: vec![recipient], pgp: Vec::new() }];
    let terms = Terms { groups, ..Terms::default() };
    (seal(plain.as_bytes(), format, &terms, jiff::Timestamp::UNIX_EPOCH).unwrap(), keys)
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
