//! YAML in several notations, so that the reader is compared as well.

use serde_json::Value;

use crate::support::mutate::Random;

/// `value` as YAML: block or flow style, texts plain where that is safe, or in quotes.
pub fn yaml(value: &Value, random: &mut Random) -> String {
    let mut out = String::new();
    block(value, 0, random, &mut out);
    out
}

fn block(value: &Value, indent: usize, random: &mut Random, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                *out += &format!("{pad}{}:", scalar(key, random));
                inner(value, indent, random, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for value in list {
                *out += &format!("{pad}-");
                match value {
                    Value::Object(map) if !map.is_empty() && random.below(3) > 0 => {
                        let mut text = String::new();
                        block(value, indent + 2, random, &mut text);
                        *out += &format!(" {}", &text[indent + 2..]);
                    }
                    _ => inner(value, indent, random, out),
                }
            }
        }
        other => *out += &format!("{pad}{}\n", flow(other, random)),
    }
}

fn inner(value: &Value, indent: usize, random: &mut Random, out: &mut String) {
    let nested = matches!(value, Value::Object(map) if !map.is_empty())
        || matches!(value, Value::Array(list) if !list.is_empty());
    match value {
        Value::String(text)
            if text.contains('\n')
                && !text.contains('\u{2028}')
                && !text.starts_with([' ', '\n'])
                && random.below(3) > 0 =>
        {
            let mark = if text.ends_with("\n\n") {
                "|+"
            } else if text.ends_with('\n') {
                "|"
            } else {
                "|-"
            };
            *out += &format!(" {mark}\n");
            for line in text.trim_end_matches('\n').split('\n') {
                *out += &format!("{}{line}\n", " ".repeat(indent + 2));
            }
            if mark == "|+" {
                *out += &"\n".repeat(text.len() - text.trim_end_matches('\n').len() - 1);
            }
        }
        _ if nested && random.below(8) > 0 => {
            *out += "\n";
            block(value, indent + 2, random, out);
        }
        other => *out += &format!(" {}\n", flow(other, random)),
    }
}

fn flow(value: &Value, random: &mut Random) -> String {
    match value {
        Value::String(text) => scalar(text, random),
        Value::Object(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{}: {}", scalar(key, random), flow(value, random))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Array(list) => {
            let elements: Vec<String> = list.iter().map(|value| flow(value, random)).collect();
            format!("[{}]", elements.join(", "))
        }
        other => other.to_string(),
    }
}

fn scalar(text: &str, random: &mut Random) -> String {
    let safe = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && text.len() > 1
        && !["true", "false", "null", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str());
    match random.below(4) {
        0 | 1 if safe => text.to_owned(),
        2 if !text.contains(['\n', '\t', '\u{2028}']) => format!("'{}'", text.replace('\'', "''")),
        // A raw U+2028 ends the line for kustomize.
        _ => Value::String(text.to_owned()).to_string().replace('\u{2028}', "\\u2028"),
    }
}
