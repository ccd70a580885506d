//! Printing for people and programs: sealed leaves are `<sealed>`, always.

use super::yaml::{self, Style, Typed};
use super::{Map, Node, Scalar, Value};

/// What stands in the place of a sealed leaf.
pub const SEALED: &str = "<sealed>";

/// `node` as YAML, keys in the order they have.
pub fn yaml(node: &Node) -> String {
    let mut out = String::new();
    block(node, 0, &mut out);
    out
}

/// `map` as YAML with sorted keys, as `kustomize build` prints objects.
pub fn yaml_sorted(map: &Map) -> String {
    yaml(&Node::Map(sorted_map(map)))
}

/// `node` as JSON on one line.
pub fn json(node: &Node) -> String {
    String::from_utf8_lossy(&super::wire::json(&masked(node))).into_owned()
}

/// `node` as JSON with an indent of two.
pub fn json_lines(node: &Node) -> String {
    let mut out = String::new();
    json_block(node, 0, &mut out);
    out
}

/// The same with every sealed leaf replaced by [`SEALED`].
fn masked(node: &Node) -> Node {
    match node {
        Node::Scalar(Scalar::Sealed(_)) => Node::text(SEALED),
        Node::Scalar(open @ Scalar::Open(_)) => Node::Scalar(open.share()),
        Node::List(list) => Node::List(list.iter().map(masked).collect()),
        Node::Map(map) => Node::Map(map.iter().map(|(key, node)| (key.to_owned(), masked(node))).collect()),
    }
}

fn sorted(node: &Node) -> Node {
    match node {
        Node::Scalar(scalar) => Node::Scalar(scalar.share()),
        Node::List(list) => Node::List(list.iter().map(sorted).collect()),
        Node::Map(map) => Node::Map(sorted_map(map)),
    }
}

fn sorted_map(map: &Map) -> Map {
    let mut entries: Vec<(String, Node)> = map.iter().map(|(key, node)| (key.to_owned(), sorted(node))).collect();
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    entries.into_iter().collect()
}

fn block(node: &Node, indent: usize, out: &mut String) {
    match node {
        Node::Map(map) if !map.is_empty() => {
            for (key, value) in map.iter() {
                pad(indent, out);
                out.push_str(&word(key));
                out.push(':');
                inner(value, indent, out);
            }
        }
        Node::List(list) if !list.is_empty() => {
            for element in list {
                pad(indent, out);
                out.push('-');
                match element {
                    Node::Map(map) if !map.is_empty() => {
                        // The first key stands behind the dash.
                        let mut text = String::new();
                        block(element, indent + 2, &mut text);
                        out.push(' ');
                        out.push_str(&text[indent + 2..]);
                    }
                    Node::List(list) if !list.is_empty() => {
                        let mut text = String::new();
                        block(element, indent + 2, &mut text);
                        out.push(' ');
                        out.push_str(&text[indent + 2..]);
                    }
                    Node::Scalar(_) | Node::List(_) | Node::Map(_) => scalar_line(element, indent, out),
                }
            }
        }
        Node::Scalar(_) | Node::List(_) | Node::Map(_) => {
            pad(indent, out);
            out.push_str(&leaf(node));
            out.push('\n');
        }
    }
}

/// What stands behind a key.
fn inner(value: &Node, indent: usize, out: &mut String) {
    match value {
        Node::Map(map) if !map.is_empty() => {
            out.push('\n');
            block(value, indent + 2, out);
        }
        // Lists are not indented below their key, as kustomize prints them.
        Node::List(list) if !list.is_empty() => {
            out.push('\n');
            block(value, indent, out);
        }
        Node::Scalar(_) | Node::List(_) | Node::Map(_) => scalar_line(value, indent, out),
    }
}

fn scalar_line(node: &Node, indent: usize, out: &mut String) {
    out.push(' ');
    match node.as_text().filter(|text| is_block(text)) {
        None => out.push_str(&leaf(node)),
        Some(text) => {
            let kept = text.trim_end_matches('\n');
            let mark = match text.len() - kept.len() {
                0 => "|-",
                1 => "|",
                _ => "|+",
            };
            out.push_str(mark);
            let lines = if mark == "|+" { &text[..text.len() - 1] } else { kept };
            for line in lines.split('\n') {
                out.push('\n');
                if !line.is_empty() {
                    pad(indent + 2, out);
                    out.push_str(line);
                }
            }
        }
    }
    out.push('\n');
}

/// Whether a text can be written as a block without loss.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control())
        && !text.trim_end_matches('\n').is_empty()
        && !text.contains('\u{feff}')
}

fn leaf(node: &Node) -> String {
    match node {
        Node::Scalar(Scalar::Sealed(_)) => word(SEALED),
        Node::Scalar(Scalar::Open(Value::Text(text))) => word(text),
        Node::Scalar(Scalar::Open(Value::Null)) => "null".to_owned(),
        Node::Scalar(Scalar::Open(Value::Bool(truth))) => truth.to_string(),
        Node::Scalar(Scalar::Open(Value::Number(number))) => number.json(),
        Node::List(_) => "[]".to_owned(),
        Node::Map(_) => "{}".to_owned(),
    }
}

/// A text as a scalar on one line, in quotes where it would be read as something else.
fn word(text: &str) -> String {
    let typed = yaml::resolve(text, Style::Plain, None);
    let old_bool = matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "yes" | "on" | "n" | "no" | "off" | "true" | "false" | "null" | "~"
    );
    let is_text = matches!(typed, Some(Typed::Text(_))) && !old_bool && !like_number(text);
    if is_text && is_plain(text) {
        return text.to_owned();
    }
    if text.chars().all(|c| !c.is_control() && c != '\u{feff}' && c != '\u{2028}' && c != '\u{2029}') {
        if is_text {
            return format!("'{}'", text.replace('\'', "''"));
        }
        return format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    json(&Node::text(text))
}

/// Whether other readers might see a number: `1e3`, `1_000`, `12:30:45`.
fn like_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'))
        && text.chars().all(|c| c.is_ascii_digit() || "+-._:eExXabcdfABCDFo".contains(c))
}

/// Whether a text may stand without quotes.
fn is_plain(text: &str) -> bool {
    let first = text.starts_with(|c: char| "-?:,[]{}#&*!|>'\"%@` =".contains(c));
    let first = first && !(text.starts_with(['-', '?', ':']) && text[1..].starts_with(|c: char| !" ,[]{}".contains(c)));
    !first
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.chars().any(|c| c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{85}'))
        && !text.starts_with("---")
        && !text.starts_with("...")
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn json_block(node: &Node, indent: usize, out: &mut String) {
    let line = |out: &mut String, indent: usize| {
        out.push('\n');
        pad(indent, out);
    };
    match node {
        Node::List(list) if !list.is_empty() => {
            out.push('[');
            for (number, element) in list.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                line(out, indent + 2);
                json_block(element, indent + 2, out);
            }
            line(out, indent);
            out.push(']');
        }
        Node::Map(map) if !map.is_empty() => {
            out.push('{');
            for (number, (key, value)) in map.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                line(out, indent + 2);
                out.push_str(&json(&Node::text(key)));
                out.push_str(": ");
                json_block(value, indent + 2, out);
            }
            line(out, indent);
            out.push('}');
        }
        Node::Scalar(_) | Node::List(_) | Node::Map(_) => out.push_str(&json(node)),
    }
}

#[cfg(test)]
mod tests {
    use super::{json, json_lines, yaml, yaml_sorted};
    use crate::model::yaml::{Limits, read};
    use crate::model::{Map, Node, Scalar};
    use crate::secret::Secret;

    fn node(text: &str) -> Node {
        read(text, Limits::MANIFEST).unwrap().remove(0).0
    }

    #[test]
    fn a_sealed_leaf_is_never_shown() {
        let mut map = Map::new();
        map.insert("b", Node::Scalar(Scalar::Sealed(Secret::new(b"hunter2".to_vec()))));
        map.insert("a", Node::text("x"));
        assert_eq!(yaml_sorted(&map), "a: x\nb: <sealed>\n");
        let node = Node::Map(map);
        assert_eq!(json(&node), r#"{"b":"\u003csealed\u003e","a":"x"}"#);
        assert!(!json_lines(&node).contains("hunter2"));
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same() {
        let text = "a: 'yes'\nb: \"0755\"\nc: '1e3'\nd: |\n  one\n    two\n\n  three\ne: \"x: y\"\nf: ' lead'\ng: []\nh: {}\n\
                    i: [[1, 2], {a: b, c: [d]}]\nj: \"tab\\there\"\nk: '# no'\nl: \"keep\\n\\n\"\nm: null\nn: 1.5\no: '12:30'\n\
                    p: '-'\nq: '- a'\nr: ''\ns: \"it's\"\nt: '2001-01-01'\nu: \"\\n\"\n";
        let once = node(text);
        let printed = yaml(&once);
        assert_eq!(json(&node(&printed)), json(&once), "{printed}");
    }

    #[test]
    fn objects_look_as_kustomize_prints_them() {
        let once = node("spec:\n  ports:\n    - {port: 80, name: http}\n  args: [a, 'b c']\nkind: X\n");
        let Node::Map(map) = once else { panic!() };
        assert_eq!(
            yaml_sorted(&map),
            "kind: X\nspec:\n  args:\n  - a\n  - b c\n  ports:\n  - name: http\n    port: 80\n"
        );
    }
}
