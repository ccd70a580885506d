//! How Go's YAML library writes a scalar: plain, quoted or as a block, by the same rules.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::yaml;
use crate::secret::{Draft, Secret};
use crate::sops::floats;
use crate::sops::tree::{Kind, Leaf, Typed};

/// How far what is written stands in.
#[derive(Clone, Copy)]
pub(super) struct Indent {
    /// The collection that the scalar is in.
    pub(super) parent: usize,
    /// The lines of a block.
    pub(super) block: usize,
}

/// Writes a leaf and ends its line; `behind` writes what follows on the line of a scalar that is not a block.
pub(super) fn write_leaf(out: &mut Draft, leaf: &Leaf, indent: Indent, behind: impl Fn(&mut Draft)) {
    let written = match leaf {
        Leaf::Sealed(sealed) => sealed.text.expose(|bytes| write(out, sealed.kind, bytes, indent, &behind)),
        Leaf::Open(plain) => match &plain.typed {
            Typed::Null => plain_text(out, "null"),
            Typed::Bool(truth) => plain_text(out, if *truth { "true" } else { "false" }),
            Typed::Int(number) => plain_text(out, &number.to_string()),
            Typed::Float(number) => plain_text(out, &float(*number)),
            Typed::Text(text) => write(out, Kind::Text, text.as_bytes(), indent, &behind),
            Typed::Bytes(bytes) => write(out, Kind::Text, bytes, indent, &behind),
            Typed::Time(text) => plain_text(out, text),
        },
    };
    if written == Written::OneLine {
        behind(out);
        out.push(b"\n");
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    OneLine,
    /// Lines, each ended.
    Block,
}

fn plain_text(out: &mut Draft, text: &str) -> Written {
    out.push(text.as_bytes());
    Written::OneLine
}

fn float(number: f64) -> String {
    match floats::general(number).as_str() {
        "NaN" => ".nan".to_owned(),
        "+Inf" => ".inf".to_owned(),
        "-Inf" => "-.inf".to_owned(),
        text => text.to_owned(),
    }
}

fn write(out: &mut Draft, kind: Kind, bytes: &[u8], indent: Indent, behind: &impl Fn(&mut Draft)) -> Written {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return binary(out, bytes, indent, behind);
    };
    match kind {
        Kind::Int | Kind::Time => out.push(bytes),
        Kind::Bool => out.push(if text == "True" { b"true" } else { b"false" }),
        Kind::Float => out.push(float(floats::parse(text).unwrap_or(f64::NAN)).as_bytes()),
        Kind::Text => {
            let shape = Shape::of(text);
            if text.contains('\n') && shape.block_allowed {
                block(out, text, indent, behind);
                return Written::Block;
            }
            one_line(out, text, &shape, indent);
        }
    }
    Written::OneLine
}

/// What is not text, as base64 with its tag.
fn binary(out: &mut Draft, bytes: &[u8], indent: Indent, behind: &impl Fn(&mut Draft)) -> Written {
    /// Columns of base64.
    const COLUMNS: usize = 70;
    let digits = Secret::new(STANDARD.encode(bytes).into_bytes());
    out.push(b"!!binary ");
    digits.expose(|digits| {
        if digits.len() < COLUMNS {
            out.push(digits);
            return Written::OneLine;
        }
        out.push(b"|");
        behind(out);
        out.push(b"\n");
        for line in digits.chunks(COLUMNS) {
            (0..indent.block).for_each(|_| out.push(b" "));
            out.push(line);
            out.push(b"\n");
        }
        Written::Block
    })
}

/// How a key was written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// `:` may follow.
    Simple,
    /// Behind a question mark, its line ended: `:` stands on a line of its own.
    Explicit,
}

/// Writes a key.
pub(super) fn write_key(out: &mut Draft, text: &str, indent: Indent) -> Key {
    let shape = Shape::of(text);
    if text.len() <= 128 && !shape.several_lines {
        one_line(out, text, &shape, indent);
        return Key::Simple;
    }
    out.push(b"? ");
    if text.contains('\n') && shape.block_allowed {
        block(out, text, indent, &|_| {});
    } else {
        one_line(out, text, &shape, indent);
        out.push(b"\n");
    }
    Key::Explicit
}

/// Writes bytes with every line break made a space.
pub(super) fn push_one_line(out: &mut Draft, bytes: &[u8]) {
    for part in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
        match part.split_last() {
            Some((b'\n' | b'\r', line)) => {
                out.push(line);
                out.push(b" ");
            }
            _ => out.push(part),
        }
    }
}

fn one_line(out: &mut Draft, text: &str, shape: &Shape, indent: Indent) {
    if text == "<<" {
        // Also where it was in quotes: sops forgets that, and its readers merge.
        out.push(b"!!merge <<");
        return;
    }
    if !text.contains('\n') && reads_as_text(text) {
        if shape.plain_allowed && !text.is_empty() {
            out.push(text.as_bytes());
            return;
        }
        if shape.single_allowed {
            out.push(b"'");
            for (number, part) in text.split('\'').enumerate() {
                if number > 0 {
                    out.push(b"''");
                }
                for (number, line) in part.split_inclusive(['\u{2028}', '\u{2029}']).enumerate() {
                    if number > 0 {
                        // To Go these two end a line.
                        (0..indent.block).for_each(|_| out.push(b" "));
                    }
                    out.push(line.as_bytes());
                }
            }
            out.push(b"'");
            return;
        }
    }
    double_quoted(out, text);
}

/// Whether a plain scalar of this text would be read as text, by YAML 1.1 readers too.
fn reads_as_text(text: &str) -> bool {
    let old_bool = matches!(
        text,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF"
    );
    !old_bool && !is_base_60(text) && yaml::reads_as_text(text)
}

/// `12:30`, which YAML 1.1 reads as a number: `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = unsigned.split(':');
    let first = parts.next().unwrap_or_default();
    let first_ok =
        first.starts_with(|c: char| c.is_ascii_digit()) && first.chars().all(|c| c.is_ascii_digit() || c == '_');
    let rest: Vec<&str> = parts.collect();
    let Some((last, middle)) = rest.split_last() else { return false };
    let sixty = |part: &str| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    let (whole, fraction) = last.split_once('.').unwrap_or((last, ""));
    first_ok
        && middle.iter().all(|part| sixty(part))
        && sixty(whole)
        && fraction.chars().all(|c| c.is_ascii_digit() || c == '_')
}

/// Which ways of writing keep a text.
///
/// Source: go.yaml.in/yaml/v3 `emitterc.go`, `yaml_emitter_analyze_scalar`.
#[expect(clippy::struct_excessive_bools, reason = "independent answers about one text, named as in the source")]
struct Shape {
    plain_allowed: bool,
    single_allowed: bool,
    block_allowed: bool,
    several_lines: bool,
}

impl Shape {
    fn of(text: &str) -> Self {
        let is_break = |c: char| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
        let blank = |c: Option<char>| c.is_none_or(|c| c == ' ' || c == '\t' || is_break(c));
        let (mut indicator, mut breaks, mut special, mut tabs) =
            (text.starts_with("---") || text.starts_with("..."), false, false, false);
        let (mut break_space, mut space_break) = (false, false);
        let mut previous: Option<char> = None;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let followed_by_blank = blank(chars.peek().copied());
            indicator |= match c {
                '#' => blank(previous),
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
                    previous.is_none()
                }
                '?' | '-' => previous.is_none() && followed_by_blank,
                ':' => followed_by_blank,
                _ => false,
            };
            tabs |= c == '\t';
            special |= c != '\t' && !is_printable(c);
            break_space |= c == ' ' && previous.is_some_and(is_break);
            space_break |= is_break(c) && previous == Some(' ');
            breaks |= is_break(c);
            previous = Some(c);
        }
        let edge = |c: Option<char>| c.is_some_and(|c| c == ' ' || is_break(c));
        let edges = edge(text.chars().next()) || edge(previous);
        Self {
            plain_allowed: !(edges || break_space || space_break || tabs || special || breaks || indicator),
            single_allowed: !(break_space || space_break || tabs || special),
            block_allowed: !text.is_empty() && previous != Some(' ') && !space_break && !special,
            several_lines: breaks,
        }
    }
}

/// What libyaml prints as it is.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// A literal block, with the hints its first line and its end need.
fn block(out: &mut Draft, text: &str, indent: Indent, behind: &impl Fn(&mut Draft)) {
    let is_break = |c: char| matches!(c, '\n' | '\u{2028}' | '\u{2029}');
    out.push(b"|");
    if text.starts_with(|c| c == ' ' || is_break(c)) {
        // Go writes 4 always, and inside of lists its own reader then finds other text.
        out.push((indent.block - indent.parent).to_string().as_bytes());
    }
    let content = text.strip_suffix(is_break);
    match content {
        None => out.push(b"-"),
        Some(rest) if rest.is_empty() || rest.ends_with(is_break) => out.push(b"+"),
        Some(_) => {}
    }
    behind(out);
    out.push(b"\n");
    for line in text.split_inclusive(is_break) {
        if !line.starts_with(is_break) {
            (0..indent.block).for_each(|_| out.push(b" "));
        }
        out.push(line.as_bytes());
    }
    if content.is_none() {
        out.push(b"\n");
    }
}

fn double_quoted(out: &mut Draft, text: &str) {
    // Go's library takes every character behind a byte order mark for one.
    let by_number = text.starts_with('\u{feff}');
    out.push(b"\"");
    for c in text.chars() {
        match c {
            '"' => out.push(b"\\\""),
            '\\' => out.push(b"\\\\"),
            '\0' => out.push(b"\\0"),
            '\u{7}' => out.push(b"\\a"),
            '\u{8}' => out.push(b"\\b"),
            '\t' => out.push(b"\\t"),
            '\n' => out.push(b"\\n"),
            '\u{b}' => out.push(b"\\v"),
            '\u{c}' => out.push(b"\\f"),
            '\r' => out.push(b"\\r"),
            '\u{1b}' => out.push(b"\\e"),
            '\u{85}' => out.push(b"\\N"),
            '\u{2028}' => out.push(b"\\L"),
            '\u{2029}' => out.push(b"\\P"),
            '\u{a0}' if by_number => out.push(b"\\_"),
            c if is_printable(c) && !by_number => out.push(c.encode_utf8(&mut [0; 4]).as_bytes()),
            c => {
                let code = u32::from(c);
                let escaped = match code {
                    0..=0xff => format!("\\x{code:02X}"),
                    0x100..=0xffff => format!("\\u{code:04X}"),
                    _ => format!("\\U{code:08X}"),
                };
                out.push(escaped.as_bytes());
            }
        }
    }
    out.push(b"\"");
}
