//! A Rust source as the rules see it: code without comments, literals and unit tests, and the paths it names.

use std::path::Path;

/// One source file.
pub struct Source {
    /// Relative to the repository, `/`-separated.
    pub path: String,
    /// Its lines, as they stand.
    pub lines: usize,
    /// Comments and literals blanked.
    pub code: String,
    /// Unit tests blanked too.
    pub shipped: String,
}

impl Source {
    /// The source `text` at `path`.
    pub fn new(path: &str, text: &str) -> Self {
        let code = without_literals(text);
        let tests = path.ends_with("/tests.rs") || path.contains("/tests/");
        let shipped = if tests { String::new() } else { without_unit_tests(&code) };
        Self { path: path.to_owned(), lines: text.lines().count(), code, shipped }
    }

    /// The module of the crate it belongs to: `src/trust/range.rs` and `src/trust.rs` are of `trust`.
    pub fn module(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap_or(&self.path);
        below.split('/').next().unwrap_or(below).trim_end_matches(".rs")
    }

    /// How many `super` lead from it to the crate's root.
    pub fn depth(&self) -> usize {
        let below = self.path.strip_prefix("src/").unwrap_or(&self.path);
        below.split('/').filter(|part| *part != "mod.rs").count()
    }

    /// Every path the shipped code names, groups taken apart.
    pub fn paths(&self) -> Vec<Named> {
        paths(&self.shipped)
    }
}

/// A path in the code: `std::{fs, io::Read}` is two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its parts; a leading `::` is an empty first part.
    pub parts: Vec<String>,
    /// Whether it stands in a `use`.
    pub used: bool,
    /// 1-based.
    pub line: usize,
}

/// Every `.rs` file below `folder` of the repository at `root`, in order of names.
pub fn read(root: &Path, folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let relative = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                found.push(Source::new(&relative, &text));
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// `text` with comments and the insides of literals as blanks; lines keep their numbers.
fn without_literals(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let length = literal_length(&chars, at).max(1);
        let kept = length == 1;
        for char in &chars[at..at + length] {
            code.push(if kept || *char == '\n' { *char } else { ' ' });
        }
        at += length;
        // The rest of an identifier: what follows in it starts no raw string.
        if kept && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_') {
            while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                code.push(chars[at]);
                at += 1;
            }
        }
    }
    code
}

/// How many characters the comment or literal at `at` has; 0 where there is none.
fn literal_length(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let starts = |text: &str| text.chars().enumerate().all(|(index, char)| rest.get(index) == Some(&char));
    if starts("//") {
        return rest.iter().position(|char| *char == '\n').unwrap_or(rest.len());
    }
    if starts("/*") {
        let (mut depth, mut index) = (0_usize, 0);
        while index < rest.len() {
            match (rest[index], rest.get(index + 1)) {
                ('/', Some('*')) => (depth, index) = (depth + 1, index + 2),
                ('*', Some('/')) => (depth, index) = (depth - 1, index + 2),
                _ => index += 1,
            }
            if depth == 0 {
                break;
            }
        }
        return index;
    }
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        let after = rest.get(prefix.len());
        starts(prefix) && (after == Some(&'"') || (prefix.ends_with('r') && after == Some(&'#')))
    });
    if let Some(prefix) = prefix {
        return string_length(rest, prefix);
    }
    let quote = usize::from(starts("b'"));
    if rest.get(quote) == Some(&'\'') {
        // 'x' and '\…' are characters; 'x without the second quote is a lifetime.
        if rest.get(quote + 1) == Some(&'\\') {
            return rest.iter().skip(quote + 3).position(|char| *char == '\'').map_or(0, |more| quote + 4 + more);
        }
        if rest.get(quote + 2) == Some(&'\'') {
            return quote + 3;
        }
    }
    0
}

fn string_length(rest: &[char], prefix: &str) -> usize {
    let raw = prefix.ends_with('r');
    let hashes = rest[prefix.len()..].iter().take_while(|char| **char == '#').count();
    let mut index = prefix.len() + hashes;
    if rest.get(index) != Some(&'"') {
        return 0; // r#type is an identifier
    }
    index += 1;
    while index < rest.len() {
        match rest[index] {
            '\\' if !raw => index += 2,
            '"' if rest[index + 1..].iter().take(hashes).filter(|char| **char == '#').count() == hashes => {
                return index + 1 + hashes;
            }
            _ => index += 1,
        }
    }
    rest.len()
}

/// `code` with every `#[cfg(test)]` item blanked.
fn without_unit_tests(code: &str) -> String {
    let mut shipped = code.to_owned();
    while let Some(begin) = shipped.find("#[cfg(test)]") {
        let mut depth = 0_usize;
        let mut end = shipped.len();
        for (index, char) in shipped[begin..].char_indices().skip("#[cfg(test)]".len()) {
            match char {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(char, '}' | ';') {
                end = begin + index + 1;
                break;
            }
        }
        let blank: String = shipped[begin..end].chars().map(|char| if char == '\n' { '\n' } else { ' ' }).collect();
        shipped.replace_range(begin..end, &blank);
    }
    shipped
}

/// Every path in `code`.
fn paths(code: &str) -> Vec<Named> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let used = at > 0 && tokens[at - 1].0 == "use";
        let begin = at;
        path(&tokens, &mut at, &[], used, &mut found);
        at = at.max(begin + 1);
    }
    found
}

/// Reads one path (or a group's list) at `at`, behind `before`.
fn path(tokens: &[(&str, usize)], at: &mut usize, before: &[String], used: bool, found: &mut Vec<Named>) {
    let mut parts = before.to_vec();
    let line = tokens.get(*at).map_or(0, |token| token.1);
    let text = |index: usize| tokens.get(index).map_or("", |token| token.0);
    if before.is_empty() && text(*at) == "::" {
        parts.push(String::new());
    } else {
        if !is_word(text(*at)) {
            return;
        }
        parts.push(text(*at).to_owned());
        *at += 1;
    }
    while text(*at) == "::" {
        *at += 1;
        if text(*at) == "{" {
            *at += 1;
            while !matches!(text(*at), "}" | "") {
                let begin = *at;
                path(tokens, at, &parts, used, found);
                *at = (*at).max(begin + 1);
            }
            *at += 1;
            return;
        }
        if !is_word(text(*at)) {
            break;
        }
        parts.push(text(*at).to_owned());
        *at += 1;
    }
    found.push(Named { parts, used, line });
}

/// Whether `token` may be a part of a path.
fn is_word(token: &str) -> bool {
    // What can stand right before the `::` of an absolute path and is no part of it.
    let keyword = matches!(token, "use" | "as" | "dyn" | "else" | "for" | "if" | "impl" | "in" | "match" | "return");
    !keyword && token.starts_with(|char: char| char.is_alphabetic() || char == '_')
}

/// Words, `::` and every other visible character, each with its line.
fn tokens(code: &str) -> Vec<(&str, usize)> {
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(rest.len());
            let length = if rest.starts_with("::") { 2 } else { word.max(first.len_utf8()) };
            if !first.is_whitespace() {
                found.push((&rest[..length], number + 1));
            }
            rest = &rest[length..];
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::Source;

    fn named(text: &str) -> Vec<String> {
        Source::new("src/x/y.rs", text).paths().iter().map(|named| named.parts.join("::")).collect()
    }

    #[test]
    fn groups_are_taken_apart() {
        assert_eq!(named("use std::{fs, io::{self, Read}};"), ["std::fs", "std::io::self", "std::io::Read"]);
    }

    #[test]
    fn a_leading_double_colon_is_kept() {
        assert_eq!(named("::kube::Client::new()"), ["::kube::Client::new"]);
    }

    #[test]
    fn comments_and_literals_name_nothing() {
        assert_eq!(named("// std::fs\n/* a::b /* c::d */ */ x(\"e::f\\\"\", r#\"g::\"h\"#, 'i', b'\\'');"), ["x"]);
    }

    #[test]
    fn lifetimes_hide_nothing() {
        assert_eq!(named("fn f<'a>(x: &'a std::fs::File) {}").last().unwrap(), "std::fs::File");
    }

    #[test]
    fn unit_tests_are_not_shipped() {
        assert_eq!(named("a::b();\n#[cfg(test)]\nmod tests { fn f() { c::d() } }\ne::f();"), ["a::b", "e::f"]);
    }
}
