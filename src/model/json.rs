//! JSON, read strictly: order kept, no key twice, exactly one complete object, bounded depth. Linear in the text.

use std::collections::HashSet;

/// A value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number, as it was written.
    Number(String),
    /// A string, escapes resolved.
    Text(String),
    /// An array.
    Array(Vec<Json>),
    /// An object; no key is there twice.
    Object(Vec<(String, Json)>),
}

/// Why a text is not what it should be. Names places and keys, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text breaks the grammar of RFC 8259, or goes on behind the object.
    #[error("line {line}: {what}")]
    Syntax {
        /// Line, counted from 1.
        line: usize,
        /// The rule that is broken.
        what: &'static str,
    },
    /// A key is there twice in one object.
    #[error("line {line}: the key {key:?} is already set")]
    Duplicate {
        /// Line of the second one.
        line: usize,
        /// The key.
        key: String,
    },
    /// Nested too deep.
    #[error("line {line}: nested deeper than {limit} levels")]
    TooDeep {
        /// Where the limit is crossed.
        line: usize,
        /// Levels allowed.
        limit: usize,
    },
    /// Too many values.
    #[error("line {line}: more than {limit} values")]
    TooMany {
        /// Where the limit is crossed.
        line: usize,
        /// Values allowed.
        limit: usize,
    },
    /// An array, a string, a number.
    #[error("line {line}: an object must stand here")]
    NotAnObject {
        /// Line.
        line: usize,
    },
}

/// Levels of nesting.
pub const MAX_DEPTH: usize = 128;
/// Values over the whole text.
const MAX_VALUES: usize = 400_000;

/// The members of the one object that `text` is.
pub fn parse_object(text: &str) -> Result<Vec<(String, Json)>, Error> {
    let mut reader = Reader { text, at: 0, values: 0 };
    reader.space();
    let object = match reader.peek() {
        Some(b'{') => reader.value(0)?,
        _ => return Err(Error::NotAnObject { line: reader.line() }),
    };
    reader.space();
    match object {
        Json::Object(members) if reader.at == text.len() => Ok(members),
        _ => Err(reader.syntax("only one object may be there")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    values: usize,
}

impl Reader<'_> {
    fn line(&self) -> usize {
        self.text[..self.at].matches('\n').count() + 1
    }

    fn syntax(&self, what: &'static str) -> Error {
        Error::Syntax { line: self.line(), what }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json, Error> {
        if depth >= MAX_DEPTH && matches!(self.peek(), Some(b'{' | b'[')) {
            return Err(Error::TooDeep { line: self.line(), limit: MAX_DEPTH });
        }
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(Error::TooMany { line: self.line(), limit: MAX_VALUES });
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Json, Error> {
        for (word, value) in [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))] {
            if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.syntax("a value must stand here"))
    }

    fn object(&mut self, depth: usize) -> Result<Json, Error> {
        self.at += 1;
        let mut members: Vec<(String, Json)> = Vec::new();
        let mut keys = HashSet::new();
        self.space();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.syntax("a key in double quotes must stand here"));
            }
            let key = self.string()?;
            if !keys.insert(key.clone()) {
                return Err(Error::Duplicate { line: self.line(), key });
            }
            self.space();
            if !self.take(b':') {
                return Err(self.syntax("`:` must stand behind a key"));
            }
            self.space();
            members.push((key, self.value(depth + 1)?));
            self.space();
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.take(b',') {
                return Err(self.syntax("`,` or `}` must stand behind a member"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, Error> {
        self.at += 1;
        let mut elements = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Json::Array(elements));
        }
        loop {
            self.space();
            elements.push(self.value(depth + 1)?);
            self.space();
            if self.take(b']') {
                return Ok(Json::Array(elements));
            }
            if !self.take(b',') {
                return Err(self.syntax("`,` or `]` must stand behind an element"));
            }
        }
    }

    fn number(&mut self) -> Result<Json, Error> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') && self.digits() == 0 {
            return Err(self.syntax("a digit must stand here"));
        }
        if self.take(b'.') && self.digits() == 0 {
            return Err(self.syntax("a digit must stand behind the point"));
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            if self.digits() == 0 {
                return Err(self.syntax("a digit must stand in the exponent"));
            }
        }
        if matches!(self.peek(), Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.')) {
            return Err(self.syntax("not a number"));
        }
        Ok(Json::Number(self.text[start..self.at].to_owned()))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Result<String, Error> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while self.peek().is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            out.push_str(&self.text[start..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) => return Err(self.syntax("a control character must be escaped")),
                None => return Err(self.syntax("a string is not closed")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let byte = self.peek().ok_or_else(|| self.syntax("a string is not closed"))?;
        self.at += usize::from(byte.is_ascii());
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit()?;
                let code = match unit {
                    0xd800..=0xdbff if self.take(b'\\') && self.take(b'u') => match self.unit()? {
                        low @ 0xdc00..=0xdfff => 0x10000 + ((unit - 0xd800) << 10 | (low - 0xdc00)),
                        _ => unit,
                    },
                    _ => unit,
                };
                char::from_u32(code).ok_or_else(|| self.syntax("half of a surrogate pair stands alone"))?
            }
            _ => return Err(self.syntax("an escape that JSON does not have")),
        })
    }

    fn unit(&mut self) -> Result<u32, Error> {
        let digits =
            self.text.as_bytes().get(self.at..self.at + 4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.syntax("four hexadecimal digits must stand behind `\\u`"))?;
        self.at += 4;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Json, parse_object};

    #[test]
    fn order_and_spelling_are_kept() {
        let members = parse_object("{\"b\": 1.50, \"a\": [\"\\u00e9\\ud83d\\ude00\\n\", null, true]}").unwrap();
        let expected = [
            ("b".to_owned(), Json::Number("1.50".to_owned())),
            ("a".to_owned(), Json::Array(vec![Json::Text("é😀\n".to_owned()), Json::Null, Json::Bool(true)])),
        ];
        assert_eq!(members, expected);
    }

    #[test]
    fn what_is_not_exactly_one_complete_object_is_refused() {
        for text in [
            "",
            "[]",
            "1",
            "\"a\"",
            "{",
            "{}{}",
            "{} x",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":+1}",
            "{\"a\":\"\u{1}\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":nul}",
            "{\"a\":1 /* */}",
            "\u{feff}{}",
            "{\"a\":\"\\",
            "{\"a\":\"\\é\"}",
            "{\"a\":NaN}",
        ] {
            assert!(parse_object(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_key_that_is_there_twice_is_refused_however_it_is_spelled() {
        assert_eq!(parse_object("{\"a\": 1,\n\"\\u0061\": 2}"), Err(Error::Duplicate { line: 2, key: "a".to_owned() }));
    }

    #[test]
    fn ten_thousand_levels_are_refused() {
        let text = format!("{{\"a\":{}", "[".repeat(10_000));
        assert!(matches!(parse_object(&text), Err(Error::TooDeep { .. })));
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(127), "]".repeat(127));
        assert!(parse_object(&deep).is_ok());
    }

    #[test]
    fn a_hundred_thousand_keys_are_read_in_linear_time() {
        let members: Vec<String> = (0..100_000).map(|number| format!("\"k{number}\": 1")).collect();
        assert_eq!(parse_object(&format!("{{{}}}", members.join(","))).unwrap().len(), 100_000);
    }
}
