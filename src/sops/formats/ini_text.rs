//! INI as the Go library `gopkg.in/ini.v1` takes it apart, with the options that sops sets.
//!
//! Comments belong to the key or section that follows them; `#` and `;` begin one anywhere outside of quotes.

use crate::sops::error::Fault;

/// A section; the first one is `DEFAULT` and holds what stands before any header.
pub(super) struct Section {
    pub(super) name: String,
    pub(super) comment: String,
    pub(super) keys: Vec<Key>,
}

/// A key.
pub(super) struct Key {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) comment: String,
}

/// The name of the section without a header.
pub(super) const DEFAULT: &str = "DEFAULT";

pub(super) fn parse(text: &str) -> Result<Vec<Section>, Fault> {
    let mut reader = Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 0, comment: String::new() };
    let mut sections = vec![Section { name: DEFAULT.to_owned(), comment: String::new(), keys: Vec::new() }];
    let mut unnamed = 0;
    while let Some(line) = reader.next() {
        let line = line.trim_start();
        if line.is_empty() {
            continue;
        }
        if line.starts_with(['#', ';']) {
            reader.comment.push_str(line);
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            let end = header.rfind(']').ok_or_else(|| reader.bad("a section header is not closed"))?;
            if header[..end].is_empty() {
                return Err(reader.bad("a section has no name"));
            }
            reader.comment_in(&header[end + 1..]);
            let comment = reader.take_comment();
            sections.push(Section { name: header[..end].to_owned(), comment, keys: Vec::new() });
            unnamed = 0;
            continue;
        }
        let (name, value) = reader.key_name(line)?;
        let name = if name == "-" {
            unnamed += 1;
            format!("#{unnamed}")
        } else {
            name.to_owned()
        };
        if name.is_empty() {
            return Err(reader.bad("a key has no name"));
        }
        let value = reader.value(value)?;
        let comment = reader.take_comment();
        if let Some(section) = sections.last_mut() {
            section.keys.push(Key { name, value, comment });
        }
    }
    Ok(sections)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    comment: String,
}

impl<'a> Reader<'a> {
    /// The next line with its line break.
    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.line += 1;
        Some(line)
    }

    fn bad(&self, why: &str) -> Fault {
        Fault::BadFormat { format: "ini", why: format!("line {}: {why}", self.line) }
    }

    fn take_comment(&mut self) -> String {
        std::mem::take(&mut self.comment).trim().to_owned()
    }

    fn comment_in(&mut self, text: &str) {
        if let Some(at) = text.find(['#', ';']) {
            self.comment.push_str(&text[at..]);
        }
    }

    fn key_name(&self, line: &'a str) -> Result<(&'a str, &'a str), Fault> {
        let quote = ["\"\"\"", "\"", "`"]
            .into_iter()
            .find(|quote| line.starts_with(quote) && (quote.len() == 1 || line.len() > 6));
        let no_sign = || self.bad("neither a section, a key nor a comment");
        if let Some(quote) = quote {
            let inner = &line[quote.len()..];
            let end = inner.find(quote).ok_or_else(|| self.bad("a quoted key is not closed"))?;
            let behind = &inner[end + quote.len()..];
            let sign = behind.find(['=', ':']).ok_or_else(no_sign)?;
            return Ok((inner[..end].trim(), &behind[sign + 1..]));
        }
        let sign = line.find(['=', ':']).ok_or_else(no_sign)?;
        Ok((line[..sign].trim(), &line[sign + 1..]))
    }

    fn value(&mut self, text: &'a str) -> Result<String, Fault> {
        let line = text.trim_start();
        if line.is_empty() {
            return Ok(String::new());
        }
        let quote = if line.len() > 3 && line.starts_with("\"\"\"") {
            Some("\"\"\"")
        } else {
            line.starts_with('`').then_some("`")
        };
        if let Some(quote) = quote {
            let inner = &line[quote.len()..];
            return match inner.rfind(quote) {
                Some(end) => Ok(inner[..end].to_owned()),
                None => self.lines_until(inner, quote),
            };
        }
        let line = line.trim();
        if let Some(line) = line.strip_suffix('\\') {
            return Ok(self.continued(line));
        }
        let line = match line.find(['#', ';']) {
            Some(at) => {
                self.comment.push_str(&line[at..]);
                line[..at].trim()
            }
            None => line,
        };
        let quoted = ['\'', '"'].into_iter().find_map(|quote| {
            let inner = line.strip_prefix(quote)?.strip_suffix(quote)?;
            (!inner.contains(quote)).then_some(inner)
        });
        Ok(quoted.unwrap_or(line).to_owned())
    }

    fn lines_until(&mut self, first: &str, quote: &str) -> Result<String, Fault> {
        let mut value = first.to_owned();
        while let Some(line) = self.next() {
            if let Some(end) = line.rfind(quote) {
                value.push_str(&line[..end]);
                if let Some(at) = line[end..].find(['#', ';']) {
                    self.comment.push_str(line[end + at..].trim());
                }
                return Ok(value);
            }
            value.push_str(line);
        }
        Err(self.bad("a quoted value is not closed"))
    }

    fn continued(&mut self, first: &str) -> String {
        let mut value = first.to_owned();
        while let Some(line) = self.next() {
            let line = line.trim();
            value.push_str(line);
            if line.is_empty() || !value.ends_with('\\') {
                break;
            }
            value.pop();
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn quotes_comments_and_continuations_are_read_as_the_library_does() {
        let text = "; of s\n[s]\na = 'x y' ; behind\nb: `k=v # kept`\nc = \"\"\"one\ntwo\"\"\"\nd = one\\\n  two\n\"e f\" = \n";
        let sections = parse(text).unwrap();
        let section = &sections[1];
        assert_eq!((section.name.as_str(), section.comment.as_str()), ("s", "; of s"));
        let keys: Vec<_> =
            section.keys.iter().map(|key| (key.name.as_str(), key.value.as_str(), key.comment.as_str())).collect();
        let expected = [
            ("a", "x y", "; behind"),
            ("b", "k=v # kept", ""),
            ("c", "one\ntwo", ""),
            ("d", "onetwo", ""),
            ("e f", "", ""),
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn what_is_neither_section_nor_key_is_refused() {
        for text in ["[s\n", "[]\n", "word\n", "= x\n", "a = `x\n", "\"a = x\n"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
