//! `${...}`: parsed and evaluated in one go.

use crate::kustomize::error::{Code, Error};

use super::glob;
use super::value::{Joined, Variable, Variables};

/// Defaults inside defaults.
const DEPTH: usize = 16;

/// Upper bound on all that comes out of one render, in bytes: twice what a whole render may hold.
const MAX_OUTPUT: usize = 64 << 20;

/// A sealed variable counts as the next multiple of so many bytes.
const SEALED_STEP: usize = 4 << 10;

/// Upper bound on a text that a pattern is tried on, in characters; every beginning of it is tried.
const MAX_PATTERN_TEXT: usize = 4096;

/// Upper bound on the characters compared for patterns in one render: a second's work at most.
const MAX_STEPS: usize = 200_000_000;

/// Puts values in the place of variables, and bounds what comes out.
pub struct Evaluator<'a> {
    variables: &'a Variables,
    left: usize,
    steps_left: usize,
}

impl<'a> Evaluator<'a> {
    /// Of these variables.
    pub fn new(variables: &'a Variables) -> Self {
        Self { variables, left: MAX_OUTPUT, steps_left: MAX_STEPS }
    }

    /// `text` with every `${...}` evaluated and every `$$` made `$`. `$NAME` without braces is text.
    ///
    /// # Errors
    /// A variable that is not set and has no default; an expression that is malformed, or would look into a sealed
    /// value.
    pub fn evaluate(&mut self, text: &str) -> Result<Joined, Error> {
        let mut joined = Joined::default();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            joined.push(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(more) = rest.strip_prefix('$') {
                joined.push("$");
                rest = more;
            } else if let Some(open) = rest.strip_prefix('{') {
                let (value, more) = self.expression(open, DEPTH)?;
                joined.append(value);
                rest = more;
            } else {
                joined.push("$");
            }
        }
        joined.push(rest);
        Ok(joined)
    }

    /// What follows `${`: its value, and what is behind the closing brace.
    fn expression<'t>(&mut self, text: &'t str, depth: usize) -> Result<(Joined, &'t str), Error> {
        if depth == 0 {
            return Err(Error::new(Code::Limit, format!("more than {DEPTH} expressions inside each other")));
        }
        if let Some(text) = text.strip_prefix('#') {
            let (name, rest) = name(text)?;
            let rest = closed(rest, name)?;
            let length = self.open(name, "#")?.len();
            return Ok((self.one(&Variable::Open(length.to_string()))?, rest));
        }
        let (name, rest) = name(text)?;
        if let Some(rest) = rest.strip_prefix('}') {
            let value = self.variables.get(name).ok_or_else(|| unset(name))?;
            return Ok((self.one(value)?, rest));
        }
        let (operator, rest) = operator(rest).ok_or_else(|| malformed(name))?;
        let default = |value: Option<&Variable>| match (operator, value) {
            (_, None) => true,
            (":-" | ":=", Some(Variable::Open(text))) => text.is_empty(),
            (_, Some(_)) => false,
        };
        if matches!(operator, ":-" | ":=" | "-" | "=") {
            // The default is parsed even where it is not used, and evaluated: what is wrong with it is wrong always.
            let (otherwise, rest) = self.argument(rest, depth, "}", name)?;
            let rest = closed(rest, name)?;
            return match self.variables.get(name).filter(|value| !default(Some(value))) {
                Some(value) => Ok((self.one(value)?, rest)),
                None => Ok((otherwise, rest)),
            };
        }
        let value = self.open(name, operator)?.to_owned();
        let separator = match operator {
            ":" => ":}",
            "/" | "//" | "/#" | "/%" => "/}",
            _ => "}",
        };
        let (first, mut rest) = self.open_argument(rest, depth, separator, name)?;
        let mut second = None;
        if let Some(more) =
            separator.strip_suffix('}').filter(|mark| !mark.is_empty()).and_then(|mark| rest.strip_prefix(mark))
        {
            let (argument, more) = self.open_argument(more, depth, "}", name)?;
            (second, rest) = (Some(argument), more);
        }
        let rest = closed(rest, name)?;
        self.afford(name, operator, &value, &first, second.as_deref().unwrap_or_default())?;
        let result = function(name, operator, &value, &first, second.as_deref())?;
        Ok((self.one(&Variable::Open(result))?, rest))
    }

    /// An argument: text with expressions inside, up to one of `ends`.
    fn argument<'t>(
        &mut self,
        text: &'t str,
        depth: usize,
        ends: &str,
        name: &str,
    ) -> Result<(Joined, &'t str), Error> {
        let mut joined = Joined::default();
        let mut rest = text;
        loop {
            let at = rest.find(|c| c == '$' || c == '\\' || ends.contains(c)).ok_or_else(|| malformed(name))?;
            joined.push(&rest[..at]);
            rest = &rest[at..];
            if let Some(open) = rest.strip_prefix("${") {
                let (value, more) = self.expression(open, depth - 1)?;
                joined.append(value);
                rest = more;
            } else if let Some(more) = rest.strip_prefix('\\') {
                // Only the delimiter of a replacement is escaped.
                let escaped = ends.contains('/') && more.starts_with(['/', '\\']);
                joined.push(if escaped { &more[..1] } else { "\\" });
                rest = if escaped { &more[1..] } else { more };
            } else if let Some(more) = rest.strip_prefix('$') {
                joined.push("$");
                rest = more;
            } else {
                return Ok((joined, rest));
            }
        }
    }

    fn open_argument<'t>(
        &mut self,
        text: &'t str,
        depth: usize,
        ends: &str,
        name: &str,
    ) -> Result<(String, &'t str), Error> {
        let (joined, rest) = self.argument(text, depth, ends, name)?;
        let text = joined.into_text().map_err(|_| looks_inside(name))?;
        Ok((text, rest))
    }

    /// The open value of a variable that a function looks into.
    fn open(&self, name: &str, operator: &str) -> Result<&'a str, Error> {
        match self.variables.get(name) {
            Some(Variable::Open(text)) => Ok(text),
            Some(Variable::Sealed(_)) => {
                let text = format!("`${{{name}}}` comes from a Secret, and `{operator}` would look into it");
                Err(Error::new(Code::Substitution, text))
            }
            None => Err(unset(name)),
        }
    }

    /// Refuses before it is done what would cost too much.
    fn afford(&mut self, name: &str, operator: &str, value: &str, first: &str, second: &str) -> Result<(), Error> {
        match operator {
            "/" | "//" if first.is_empty() => {
                Err(Error::new(Code::Substitution, format!("`${{{name}{operator}...}}` has nothing to look for")))
            }
            "//" if value.matches(first).count().saturating_mul(second.len()) > self.left => Err(too_much_text()),
            "#" | "##" | "%" | "%%" => {
                let steps = value.len().saturating_mul(value.len()).saturating_mul(first.len());
                self.steps_left = self.steps_left.checked_sub(steps).ok_or_else(|| {
                    let text = format!("`${{{name}{operator}...}}`: patterns are tried in more than {MAX_STEPS} steps");
                    Error::new(Code::Limit, text)
                })?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn one(&mut self, value: &Variable) -> Result<Joined, Error> {
        let length = match value {
            Variable::Open(text) => text.len(),
            // Not to the byte: what is left would tell its length.
            Variable::Sealed(secret) => secret.size().next_multiple_of(SEALED_STEP),
        };
        self.left = self.left.checked_sub(length).ok_or_else(too_much_text)?;
        let mut joined = Joined::default();
        joined.push_variable(value);
        Ok(joined)
    }
}

fn too_much_text() -> Error {
    Error::new(Code::Limit, format!("variables make more than {MAX_OUTPUT} bytes of text"))
}

fn name(text: &str) -> Result<(&str, &str), Error> {
    let end = text.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len());
    if end == 0 {
        let text = "`${` without a variable's name behind it; write `$${` where no variable is meant";
        return Err(Error::new(Code::Substitution, text));
    }
    Ok(text.split_at(end))
}

fn operator(text: &str) -> Option<(&str, &str)> {
    const OPERATORS: [&str; 17] =
        [":-", ":=", "-", "=", ":", "^^", "^", ",,", ",", "##", "#", "%%", "%", "//", "/#", "/%", "/"];
    // Flux takes these two for a default, a shell does not.
    if text.starts_with(":?") || text.starts_with(":+") {
        return None;
    }
    OPERATORS.iter().find(|operator| text.starts_with(**operator)).map(|operator| text.split_at(operator.len()))
}

fn closed<'t>(text: &'t str, name: &str) -> Result<&'t str, Error> {
    text.strip_prefix('}').ok_or_else(|| malformed(name))
}

fn function(name: &str, operator: &str, value: &str, first: &str, second: Option<&str>) -> Result<String, Error> {
    let capital = |to: &dyn Fn(char) -> String| {
        let mut chars = value.chars();
        chars.next().map_or(String::new(), |c| to(c) + chars.as_str())
    };
    Ok(match operator {
        "^^" | "^" | ",," | "," if !first.is_empty() => return Err(malformed(name)),
        "^^" => value.to_uppercase(),
        ",," => value.to_lowercase(),
        "^" => capital(&|c| c.to_uppercase().collect()),
        "," => capital(&|c| c.to_lowercase().collect()),
        "//" => value.replace(first, second.unwrap_or_default()),
        "/" => value.replacen(first, second.unwrap_or_default(), 1),
        "/#" => match value.strip_prefix(first) {
            Some(rest) => second.unwrap_or_default().to_owned() + rest,
            None => value.to_owned(),
        },
        "/%" => match value.strip_suffix(first) {
            Some(rest) => rest.to_owned() + second.unwrap_or_default(),
            None => value.to_owned(),
        },
        ":" => slice(name, value, first, second)?,
        _ => trimmed(name, operator, value, first)?,
    })
}

/// From an offset on; a negative one counts from the end. A negative length leaves out the end.
fn slice(name: &str, value: &str, from: &str, length: Option<&str>) -> Result<String, Error> {
    let number = |text: &str| {
        let text = text.trim();
        text.parse::<i32>()
            .map_err(|_| Error::new(Code::Substitution, format!("`${{{name}:...}}` needs a number, not `{text}`")))
    };
    let all = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let from = i64::from(number(from)?);
    let from = if from < 0 { (all + from).max(0) } else { from.min(all) };
    let end = match length.map(number).transpose()?.map(i64::from) {
        None => all,
        Some(length) if length < 0 => (all + length).max(from),
        Some(length) => (from + length).min(all),
    };
    let [from, end] = [from, end].map(|at| usize::try_from(at).unwrap_or_default());
    let text = value.get(from..end);
    let text =
        text.ok_or_else(|| Error::new(Code::Substitution, format!("`${{{name}:...}}` would cut a character in two")))?;
    Ok(text.to_owned())
}

/// Without the shortest or longest beginning or end that fits `pattern`.
fn trimmed(name: &str, operator: &str, value: &str, pattern: &str) -> Result<String, Error> {
    let (value, pattern): (Vec<char>, Vec<char>) = (value.chars().collect(), pattern.chars().collect());
    if value.len() > MAX_PATTERN_TEXT || pattern.len() > MAX_PATTERN_TEXT {
        let text = format!("`${{{name}{operator}...}}`: more than {MAX_PATTERN_TEXT} characters");
        return Err(Error::new(Code::Limit, text));
    }
    let lengths: Box<dyn Iterator<Item = usize>> =
        if operator.len() == 1 { Box::new(1..=value.len()) } else { Box::new((1..=value.len()).rev()) };
    for length in lengths {
        let at = value.len() - length;
        if operator.starts_with('#') && glob::fits(&pattern, &value[..length]) {
            return Ok(value[length..].iter().collect());
        }
        if operator.starts_with('%') && glob::fits(&pattern, &value[at..]) {
            return Ok(value[..at].iter().collect());
        }
    }
    Ok(value.iter().collect())
}

fn unset(name: &str) -> Error {
    let text = format!(
        "variable `{name}` is not set; set it in spec.postBuild, give a default (`${{{name}:-...}}`), or write \
         `$${{{name}}}` where no variable is meant"
    );
    Error::new(Code::Substitution, text)
}

fn malformed(name: &str) -> Error {
    Error::new(Code::Substitution, format!("`${{{name}...` is not an expression that is known, or is not closed"))
}

fn looks_inside(name: &str) -> Error {
    Error::new(
        Code::Substitution,
        format!("an argument of `${{{name}...}}` comes from a Secret, and cannot be looked into"),
    )
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
