//! Random documents in the formats of sops: every type, unicode, depth, comments, several documents.

use super::mutate::Random;

/// Text that a random YAML, JSON, dotenv, INI or binary file holds. `format` is its name.
pub fn random(format: &str, random: &mut Random) -> Vec<u8> {
    match format {
        "yaml" => yaml(random).into_bytes(),
        "json" => json(random, 0).into_bytes(),
        "dotenv" => dotenv(random).into_bytes(),
        "ini" => ini(random).into_bytes(),
        "binary" => (0..random.below(3000)).map(|_| random.next().to_le_bytes()[0]).collect(),
        other => panic!("there is no format {other}"),
    }
}

/// Comments that YAML documents have.
pub const COMMENTS: [&str; 6] = ["of the next", "sops:enc", "sops:clear", "é", "in the list", "behind"];

const WORDS: [&str; 24] = [
    "a",
    "password",
    "token_unencrypted",
    "cfg_secret",
    "data",
    "stringData",
    "é",
    "名前",
    "🔑",
    "x y",
    "it's",
    "null",
    "true",
    "1.5",
    "0x1F",
    "on",
    "2026-01-02",
    "- x",
    "#",
    "key: value",
    "{}",
    "[",
    "%",
    "*a",
];

/// One to four words that selectors, quoting rules and other alphabets care about.
fn text(random: &mut Random) -> String {
    let count = 1 + random.below(4);
    let words: Vec<&str> = (0..count).map(|_| *random.one(&WORDS)).collect();
    words.join(*random.one(&["", " ", "-", "/"]))
}

fn key(random: &mut Random, used: &mut Vec<String>) -> String {
    loop {
        let key = match random.below(3) {
            0 => {
                (*random.one(&["data", "stringData", "a_secret", "b_unencrypted", "c_open", "kind", "spec"])).to_owned()
            }
            1 => format!("key{}", random.below(100)),
            _ => text(random),
        };
        if key != "sops" && !used.contains(&key) {
            used.push(key.clone());
            return key;
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

fn number(random: &mut Random) -> String {
    match random.below(7) {
        0 => "0".to_owned(),
        1 => format!("-{}", random.below(1_000_000)),
        2 => format!("{}", random.next() >> 1),
        3 => format!("{}.{}", random.below(1000), 1 + random.below(9)),
        4 => format!("{}e{}", 1 + random.below(9), random.below(30)),
        5 => format!("{}e-{}", 1 + random.below(9), 1 + random.below(12)),
        _ => format!("-0.{}", 1 + random.below(9999)),
    }
}

fn json(random: &mut Random, depth: usize) -> String {
    let mut used = Vec::new();
    let members = 0..random.below(6) + usize::from(depth == 0);
    let members = members.map(|_| format!("{}: {}", quoted(&key(random, &mut used)), json_value(random, depth + 1)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
}

fn json_value(random: &mut Random, depth: usize) -> String {
    match random.below(if depth > 5 { 6 } else { 9 }) {
        0 => "null".to_owned(),
        1 => (*random.one(&["true", "false"])).to_owned(),
        2 => number(random),
        3 => "\"\"".to_owned(),
        4 => quoted(&format!("{}\n\t\u{1}<&>\u{2028}{}", text(random), text(random))),
        5 => quoted(&text(random)),
        6 => format!("[{}]", (0..random.below(4)).map(|_| json_value(random, depth + 1)).collect::<Vec<_>>().join(",")),
        _ => json(random, depth),
    }
}

fn dotenv(random: &mut Random) -> String {
    let mut out = String::new();
    for at in 0..=random.below(12) {
        match random.below(6) {
            0 => out.push_str(&format!("# {}\n", text(random))),
            1 => out.push_str(&format!("EMPTY{at}=\n")),
            2 => out.push_str(&format!("LINES_{at}={}\\n{}\n", text(random), text(random))),
            3 => out.push_str(&format!("b_unencrypted{at}_unencrypted={}\n", text(random))),
            _ => out.push_str(&format!("KEY_{at}_secret=\"{}\"={}\n", text(random), text(random))),
        }
    }
    out
}

fn ini(random: &mut Random) -> String {
    let mut out = String::new();
    for section in 0..=random.below(3) {
        if random.below(3) == 0 {
            out.push_str("; of the section\n");
        }
        out.push_str(&format!("[section{section}]\n"));
        for at in 0..random.below(6) {
            if random.below(4) == 0 {
                out.push_str("; of the key\n");
            }
            let value =
                random.one(&["plain", "", "with = sign", "é 名前 🔑", "`k=v # kept`", "12", "true", "C:\\path\\x"]);
            let name = random.one(&["a", "b_secret", "c_unencrypted", "long key"]);
            out.push_str(&format!("{name}{at} = {value}\n"));
        }
        out.push('\n');
    }
    out
}

fn yaml(random: &mut Random) -> String {
    let documents = 1 + random.below(3) / 2 * (1 + random.below(2));
    let texts: Vec<String> = (0..documents)
        .map(|_| {
            let mut out = String::new();
            mapping(random, 0, 0, &mut out);
            out
        })
        .collect();
    texts.join("---\n")
}

/// At least one pair, each on a line of its own behind `indent` blanks.
fn mapping(random: &mut Random, indent: usize, depth: usize, out: &mut String) {
    let mut used = Vec::new();
    for _ in 0..=random.below(5) {
        if random.below(6) == 0 {
            out.push_str(&format!("{:indent$}# {}\n", "", random.one(&COMMENTS[..4])));
        }
        out.push_str(&format!("{:indent$}{}:", "", yaml_key(&key(random, &mut used))));
        value(random, indent, depth, out);
    }
}

fn yaml_key(key: &str) -> String {
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && key.parse::<f64>().is_err();
    if plain && !["null", "true", "on"].contains(&key) { key.to_owned() } else { quoted(key) }
}

/// What follows a colon or a dash, to the end of its line or lines.
fn value(random: &mut Random, indent: usize, depth: usize, out: &mut String) {
    match random.below(if depth > 5 { 9 } else { 13 }) {
        0 => out.push_str(&format!(" {}\n", random.one(&["null", "~", "true", "False", "\"\"", "''", "{}", "[]"]))),
        1 | 2 => out.push_str(&format!(" {}\n", number(random))),
        3 => out
            .push_str(&format!(" {}\n", random.one(&["0x1F", "0o17", "017", "1_000", ".inf", "-.inf", ".nan", "+12"]))),
        4 => out.push_str(&format!(
            " {}\n",
            random.one(&["2026-01-02T03:04:05Z", "2026-01-02", "2026-01-02T03:04:05.5+01:00"])
        )),
        5 => {
            let (head, tail) = (random.one(&["|", "|-", "|+"]), *random.one(&["", "\n"]));
            let inner = indent + 2;
            out.push_str(&format!(" {head}\n{:inner$}{}\n{:inner$}  deeper\n{tail}", "", "one", ""));
        }
        6 => out.push_str(&format!(" {}\n", quoted(&format!("{}\n{}\n\u{7}", text(random), text(random))))),
        7 => out.push_str(&format!(" '{}'\n", text(random).replace('\'', "''"))),
        8 => out.push_str(&format!(" {} # behind\n", quoted(&text(random)))),
        9 | 10 => {
            out.push('\n');
            let inner = indent + 1 + random.below(4);
            mapping(random, inner, depth + 1, out);
        }
        _ => {
            out.push('\n');
            let inner = indent + random.below(3);
            // Between a dash and the list it begins, no comment: sops itself loses it.
            let behind_dash = out.ends_with("-\n");
            for at in 0..=random.below(3) {
                if random.below(8) == 0 && !(behind_dash && at == 0) {
                    out.push_str(&format!("{:inner$}# in the list\n", ""));
                }
                out.push_str(&format!("{:inner$}-", ""));
                value(random, inner, depth + 1, out);
            }
        }
    }
}
