//! The only serialiser that exposes sealed leaves: JSON for the API server, in memory that is wiped.

use zeroize::Zeroizing;

use super::{Map, Node, Number, Scalar, Value};

/// `node` as compact JSON, sealed leaves in clear. One buffer, sized beforehand: nothing unwiped is left behind.
pub fn json(node: &Node) -> Zeroizing<Vec<u8>> {
    let mut size = Count(0);
    write_node(node, &mut size);
    let mut buffer = Zeroizing::new(Vec::with_capacity(size.0));
    write_node(node, &mut Buffer(&mut buffer));
    buffer
}

/// `map` as compact JSON, sealed leaves in clear.
pub fn json_of_map(map: &Map) -> Zeroizing<Vec<u8>> {
    let mut size = Count(0);
    write_map(map, &mut size);
    let mut buffer = Zeroizing::new(Vec::with_capacity(size.0));
    write_map(map, &mut Buffer(&mut buffer));
    buffer
}

/// `text` as a JSON string, quotes included.
pub fn quoted(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut size = Count(0);
    write_text(text, &mut size);
    let mut buffer = Zeroizing::new(Vec::with_capacity(size.0));
    write_text(text, &mut Buffer(&mut buffer));
    buffer
}

/// Where bytes go: a counter first, then a buffer that never grows.
trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

struct Count(usize);

impl Sink for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

struct Buffer<'a>(&'a mut Vec<u8>);

impl Sink for Buffer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        debug_assert!(self.0.capacity() - self.0.len() >= bytes.len(), "growing would leave an unwiped copy");
        self.0.extend_from_slice(bytes);
    }
}

fn write_node(node: &Node, sink: &mut dyn Sink) {
    match node {
        Node::Scalar(Scalar::Sealed(secret)) => secret.expose(|plain| write_text(plain, sink)),
        Node::Scalar(Scalar::Open(value)) => match value {
            Value::Null => sink.put(b"null"),
            Value::Bool(true) => sink.put(b"true"),
            Value::Bool(false) => sink.put(b"false"),
            Value::Number(number) => sink.put(number.json().as_bytes()),
            Value::Text(text) => write_text(text.as_bytes(), sink),
        },
        Node::List(list) => {
            sink.put(b"[");
            for (number, element) in list.iter().enumerate() {
                if number > 0 {
                    sink.put(b",");
                }
                write_node(element, sink);
            }
            sink.put(b"]");
        }
        Node::Map(map) => write_map(map, sink),
    }
}

fn write_map(map: &Map, sink: &mut dyn Sink) {
    sink.put(b"{");
    for (number, (key, value)) in map.iter().enumerate() {
        if number > 0 {
            sink.put(b",");
        }
        write_text(key.as_bytes(), sink);
        sink.put(b":");
        write_node(value, sink);
    }
    sink.put(b"}");
}

/// Escapes as Go's `encoding/json` does, so that a hash over it is the same; bytes that are not UTF-8 become U+FFFD.
fn write_text(text: &[u8], sink: &mut dyn Sink) {
    sink.put(b"\"");
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => sink.put(b"\\\""),
                '\\' => sink.put(b"\\\\"),
                '\n' => sink.put(b"\\n"),
                '\r' => sink.put(b"\\r"),
                '\t' => sink.put(b"\\t"),
                '\u{8}' => sink.put(b"\\b"),
                '\u{c}' => sink.put(b"\\f"),
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                    let code = u32::from(character);
                    let digit = |shift: u32| b"0123456789abcdef"[((code >> shift) & 15) as usize];
                    sink.put(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
                }
                _ => sink.put(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            sink.put(b"\\ufffd");
        }
    }
    sink.put(b"\"");
}

impl Number {
    /// The number as Go's `encoding/json` writes it: floats as short as can be, exponents below 1e-6 and from 1e21.
    pub fn json(self) -> String {
        match self {
            Number::Int(number) => number.to_string(),
            Number::Uint(number) => number.to_string(),
            Number::Float(number) => {
                let size = number.abs();
                if size != 0.0 && !(1e-6..1e21).contains(&size) {
                    let text = format!("{number:e}");
                    // Rust writes `1e21`, Go `1e+21`; both write `1e-7`.
                    match text.split_once('e') {
                        Some((mantissa, exponent)) if !exponent.starts_with('-') => format!("{mantissa}e+{exponent}"),
                        _ => text,
                    }
                } else {
                    format!("{number}")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{json, quoted};
    use crate::model::{Map, Node, Number, Scalar, Value};
    use crate::secret::Secret;

    #[test]
    fn sealed_leaves_are_written_in_clear_and_escaped() {
        let mut map = Map::new();
        map.insert("password", Node::Scalar(Scalar::Sealed(Secret::new(b"a\"<b>".to_vec()))));
        map.insert("n", Node::List(vec![Node::null(), Node::Scalar(Scalar::Open(Value::Bool(true)))]));
        let bytes = json(&Node::Map(map));
        assert_eq!(bytes.as_slice(), br#"{"password":"a\"\u003cb\u003e","n":[null,true]}"#);
    }

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (number, text) in [
            (Number::Int(-5), "-5"),
            (Number::Uint(u64::MAX), "18446744073709551615"),
            (Number::Float(1.5), "1.5"),
            (Number::Float(1e21), "1e+21"),
            (Number::Float(1e20), "100000000000000000000"),
            (Number::Float(1e-7), "1e-7"),
            (Number::Float(0.000_001), "0.000001"),
        ] {
            assert_eq!(number.json(), text);
        }
    }

    #[test]
    fn the_buffer_is_never_larger_than_planned() {
        let bytes = quoted("ä\u{2028}\n\u{1}".as_bytes());
        assert_eq!(bytes.as_slice(), "\"ä\\u2028\\n\\u0001\"".as_bytes());
        assert_eq!(bytes.capacity(), bytes.len());
    }
}
