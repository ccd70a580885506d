//! From text to raw documents: one pass over the parser's events, with an explicit stack.

use std::collections::{HashMap, hash_map};

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::Error;
use super::tree::{Comment, Duplicates, Entry, Item, Kind, Limits, Mark, Placement, Raw, RawDocument, Style};

/// Reads every document of `text`.
///
/// Aliases are replaced by what they name. Linear in the size of the result.
pub fn parse(text: &str, limits: Limits) -> Result<Vec<RawDocument>, Error> {
    if text.len() > limits.bytes {
        return Err(Error::TooLarge { bytes: text.len(), limit: limits.bytes });
    }
    let options = granit_parser::options! {
        block_scalar_eof_without_line_feed: true,
        max_buffered_comment_events: limits.bytes,
        // One level more than ours, so that ours is the one that answers.
        flow_nesting_limit: limits.depth + 1,
        block_nesting_limit: limits.depth + 1,
    };
    let mut reader = Reader::new(limits);
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| match error.kind() {
            granit_parser::ErrorKind::RecursionLimitExceeded => {
                Error::TooDeep { at: mark(*error.marker()), limit: limits.depth }
            }
            _ => Error::Syntax { at: mark(*error.marker()), what: error.info() },
        })?;
        reader.take(event, span)?;
    }
    Ok(reader.documents)
}

/// A collection that is still open.
struct Frame {
    open: Open,
    tag: Option<Box<str>>,
    anchor: usize,
    at: Mark,
}

enum Open {
    List(Vec<Item>),
    Map { entries: Vec<Entry>, key: Option<Raw>, lines: HashMap<String, u32> },
}

struct Reader {
    limits: Limits,
    values: usize,
    documents: Vec<RawDocument>,
    before: Vec<Comment>,
    frames: Vec<Frame>,
    /// The document's content, once it is complete.
    root: Option<Raw>,
    after: Vec<Comment>,
    anchors: HashMap<usize, Raw>,
    last_line: u32,
}

impl Reader {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            values: 0,
            documents: Vec::new(),
            before: Vec::new(),
            frames: Vec::new(),
            root: None,
            after: Vec::new(),
            anchors: HashMap::new(),
            last_line: 0,
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Error> {
        let at = mark(span.start);
        let mut end = mark(span.end).line;
        match event {
            Event::StreamEnd => {
                if let Some(last) = self.documents.last_mut() {
                    last.after.append(&mut self.before);
                }
            }
            Event::StreamStart | Event::DocumentStart(..) => {}
            Event::DocumentEnd => self.finish_document(at),
            Event::Comment(text, placement) => self.comment(&text, placement, at),
            Event::Scalar(text, style, anchor, tag) => {
                let style = style_of(style);
                if matches!(style, Style::Literal | Style::Folded) {
                    // The parser ends a block where the next token begins; a comment there is on a line of its own.
                    end = end.saturating_sub(1);
                }
                // The parser writes `~` for a value that was left out; such a value has no extent.
                let absent = style == Style::Plain && tag.is_none() && span.is_empty();
                let text = if absent { String::new() } else { text.into_owned() };
                let raw = Raw { kind: Kind::Scalar { text, style }, tag: full_tag(tag.as_deref()), at };
                self.complete(raw, anchor)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(Open::List(Vec::new()), anchor, full_tag(tag.as_deref()), at)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                let open = Open::Map { entries: Vec::new(), key: None, lines: HashMap::new() };
                self.open(open, anchor, full_tag(tag.as_deref()), at)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Alias(anchor) => {
                let Some(named) = self.anchors.get(&anchor) else { return Err(Error::Cycle { at }) };
                let mut copy = named.clone();
                self.charge(&copy, self.frames.len() + 1, at)?;
                copy.at = at;
                self.place(copy)?;
            }
            // Not asked for; and what a newer parser may add is refused, not skipped.
            _ => return Err(Error::Syntax { at, what: "a construct that is not supported".to_owned() }),
        }
        self.last_line = end.max(self.last_line);
        Ok(())
    }

    fn open(&mut self, open: Open, anchor: usize, tag: Option<Box<str>>, at: Mark) -> Result<(), Error> {
        if self.frames.len() >= self.limits.depth {
            return Err(Error::TooDeep { at, limit: self.limits.depth });
        }
        if matches!(self.frames.last(), Some(Frame { open: Open::Map { key: None, .. }, .. })) {
            return Err(Error::ComplexKey { at });
        }
        self.count(1, at)?;
        self.frames.push(Frame { open, tag, anchor, at });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let frame = self.frames.pop().expect("the parser closes only what it opened");
        let kind = match frame.open {
            Open::List(items) => Kind::List(items),
            Open::Map { entries, .. } => Kind::Map(entries),
        };
        let raw = Raw { kind, tag: frame.tag, at: frame.at };
        if frame.anchor != 0 {
            self.charge(&raw, self.frames.len() + 1, frame.at)?;
            self.anchors.insert(frame.anchor, raw.clone());
        }
        self.place(raw)
    }

    fn complete(&mut self, raw: Raw, anchor: usize) -> Result<(), Error> {
        self.count(1, raw.at)?;
        if anchor != 0 {
            self.count(1, raw.at)?;
            self.anchors.insert(anchor, raw.clone());
        }
        self.place(raw)
    }

    /// Puts a complete value where it belongs.
    fn place(&mut self, raw: Raw) -> Result<(), Error> {
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(raw);
            return Ok(());
        };
        match &mut frame.open {
            Open::List(items) => items.push(Item::Value(raw)),
            Open::Map { entries, key, lines } => {
                if let Some(key) = key.take() {
                    entries.push(Entry::Pair(key, raw));
                    return Ok(());
                }
                let Kind::Scalar { text, .. } = &raw.kind else { return Err(Error::ComplexKey { at: raw.at }) };
                match lines.entry(text.clone()) {
                    hash_map::Entry::Vacant(free) => {
                        free.insert(raw.at.line);
                    }
                    hash_map::Entry::Occupied(taken) => match self.limits.duplicates {
                        Duplicates::Kept => {}
                        Duplicates::Refused => {
                            let first = *taken.get();
                            return Err(Error::DuplicateKey { at: raw.at, first, key: text.clone() });
                        }
                    },
                }
                *key = Some(raw);
            }
        }
        Ok(())
    }

    fn comment(&mut self, text: &str, placement: granit_parser::Placement, at: Mark) {
        // Behind the `|` that begins a block, only the parser knows that something stands there.
        let behind = placement == granit_parser::Placement::Right || at.line == self.last_line;
        let placement = if behind { Placement::Behind } else { Placement::Own };
        let comment = Comment { text: text.to_owned(), at, placement };
        match self.frames.last_mut() {
            Some(Frame { open: Open::List(items), .. }) => items.push(Item::Comment(comment)),
            Some(Frame { open: Open::Map { entries, .. }, .. }) => entries.push(Entry::Comment(comment)),
            None if self.root.is_some() => self.after.push(comment),
            None => self.before.push(comment),
        }
    }

    fn finish_document(&mut self, at: Mark) {
        let empty = Raw { kind: Kind::Scalar { text: String::new(), style: Style::Plain }, tag: None, at };
        let document = RawDocument {
            before: std::mem::take(&mut self.before),
            root: self.root.take().unwrap_or(empty),
            after: std::mem::take(&mut self.after),
        };
        self.documents.push(document);
        self.anchors.clear();
    }

    fn count(&mut self, values: usize, at: Mark) -> Result<(), Error> {
        self.values += values;
        if self.values > self.limits.values {
            return Err(Error::TooMany { at, limit: self.limits.values });
        }
        Ok(())
    }

    /// Counts what a copy of `raw` costs, at `depth`.
    fn charge(&mut self, raw: &Raw, depth: usize, at: Mark) -> Result<(), Error> {
        let scalar = matches!(raw.kind, Kind::Scalar { .. });
        if !scalar && depth > self.limits.depth {
            return Err(Error::TooDeep { at, limit: self.limits.depth });
        }
        self.count(1, at)?;
        match &raw.kind {
            // Long text costs memory as values do.
            Kind::Scalar { text, .. } => self.count(text.len() / BYTES_A_VALUE, at),
            Kind::List(items) => items.iter().try_for_each(|item| match item {
                Item::Comment(comment) => self.count(1 + comment.text.len() / BYTES_A_VALUE, at),
                Item::Value(value) => self.charge(value, depth + 1, at),
            }),
            Kind::Map(entries) => entries.iter().try_for_each(|entry| match entry {
                Entry::Comment(comment) => self.count(1 + comment.text.len() / BYTES_A_VALUE, at),
                Entry::Pair(key, value) => {
                    self.charge(key, depth + 1, at)?;
                    self.charge(value, depth + 1, at)
                }
            }),
        }
    }
}

/// Bytes of copied text that count as one value more.
const BYTES_A_VALUE: usize = 128;

fn mark(marker: granit_parser::Marker) -> Mark {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Mark { line: count(marker.line()), column: count(marker.col() + 1) }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}

/// The bare `!` says nothing to go-yaml.
fn full_tag(tag: Option<&Tag>) -> Option<Box<str>> {
    tag.map(Tag::to_string).filter(|tag| tag != "!").map(String::into_boxed_str)
}
