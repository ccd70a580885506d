//! Strict reading of a mapping with known fields: what is not asked for is refused.

use crate::model::Place;

use super::error::{Code, Error};
use super::tree::{Fields, Leaf, Tag, Tree};
use super::written::About;

/// Upper bound on the entries of a list such as `patches`: each may have patterns, which take a hundred times their text.
const ENTRIES: usize = 5_000;

/// A mapping whose fields are taken one by one.
pub struct Form {
    /// What the mapping is, for messages.
    what: String,
    place: Place,
    fields: Vec<(String, Tree)>,
    /// Numbers and booleans are taken as texts, and unknown fields left alone.
    lenient: bool,
}

impl Form {
    /// The fields of `tree`, which must be a mapping.
    pub fn new(what: impl Into<String>, tree: Tree, place: &Place) -> Result<Self, Error> {
        let what = what.into();
        match tree {
            Tree::Map(fields) => Ok(Self::of(what, fields, place)),
            Tree::Leaf(_) if tree.is_null() => Ok(Self::of(what, Fields::default(), place)),
            Tree::Leaf(_) | Tree::List(_) => {
                let text = format!("`{what}` must be a mapping, not {}", tree.kind());
                Err(Error::new(Code::UnknownOrBadField, text).at(place.clone()))
            }
        }
    }

    /// The fields of a mapping.
    pub fn of(what: impl Into<String>, fields: Fields, place: &Place) -> Self {
        Self { what: what.into(), place: place.clone(), fields: fields.into_iter().collect(), lenient: false }
    }

    /// The same, but as kustomize reads configurations of transformers: numbers and booleans are taken as texts, and
    /// unknown fields are left alone.
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// The field, whatever it is; `None` where it is missing or null.
    ///
    /// Names are matched without regard to case, and the last of several counts, as kustomize does.
    pub fn any(&mut self, name: &str) -> Option<Tree> {
        let mut found = None;
        while let Some(at) = self.fields.iter().position(|(key, _)| key.eq_ignore_ascii_case(name)) {
            found = Some(self.fields.remove(at).1);
        }
        found.filter(|tree| !tree.is_null())
    }

    /// A text field.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        let Some(tree) = self.any(name) else { return Ok(None) };
        self.text_of(name, tree).map(Some)
    }

    /// A text field, empty where it is missing.
    pub fn text_or_empty(&mut self, name: &str) -> Result<String, Error> {
        Ok(self.text(name)?.unwrap_or_default())
    }

    /// A boolean field, false where it is missing.
    pub fn truth(&mut self, name: &str) -> Result<bool, Error> {
        match self.any(name) {
            None => Ok(false),
            Some(Tree::Leaf(Leaf::Open { text, tag: Tag::Bool })) => Ok(text.eq_ignore_ascii_case("true")),
            Some(other) => Err(self.wrong(name, "true or false", &other)),
        }
    }

    /// An integer field.
    pub fn integer(&mut self, name: &str) -> Result<Option<i64>, Error> {
        let Some(tree) = self.any(name) else { return Ok(None) };
        let wrong = self.wrong(name, "an integer", &tree);
        match tree.into_node() {
            Some(crate::model::Node::Scalar(crate::model::Scalar::Open(crate::model::Value::Number(
                crate::model::Number::Int(number),
            )))) => Ok(Some(number)),
            _ => Err(wrong),
        }
    }

    /// A list; empty where it is missing.
    pub fn list(&mut self, name: &str) -> Result<Vec<Tree>, Error> {
        match self.any(name) {
            None => Ok(Vec::new()),
            Some(Tree::List(list)) => Ok(list),
            Some(other) => Err(self.wrong(name, "a list", &other)),
        }
    }

    /// A list of texts; empty where it is missing.
    pub fn texts(&mut self, name: &str) -> Result<Vec<String>, Error> {
        let list = self.list(name)?;
        list.into_iter().map(|tree| if tree.is_null() { Ok(String::new()) } else { self.text_of(name, tree) }).collect()
    }

    /// A list of mappings, each read by `read`.
    pub fn each<T>(&mut self, name: &str, read: impl Fn(Form) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        let place = self.place.clone();
        let lenient = self.lenient;
        let form = |tree| Form::new(name, tree, &place).map(|form| Form { lenient, ..form });
        let entries = self.list(name)?;
        if entries.len() > ENTRIES {
            let text = format!("`{name}` has {} entries; at most {ENTRIES} are allowed", entries.len());
            return Err(self.refuse(Code::Limit, text));
        }
        entries.into_iter().map(|tree| read(form(tree)?)).collect()
    }

    /// A mapping of texts, in the order of keys; `None` where it is missing.
    pub fn pairs(&mut self, name: &str) -> Result<Option<Vec<(String, String)>>, Error> {
        let fields = match self.any(name) {
            None => return Ok(None),
            Some(Tree::Map(fields)) => fields,
            Some(other) => return Err(self.wrong(name, "a mapping", &other)),
        };
        let pairs = fields.into_iter().map(|(key, tree)| {
            let text = if tree.is_null() { String::new() } else { self.text_of(name, tree)? };
            Ok((key, text))
        });
        let mut pairs = pairs.collect::<Result<Vec<_>, Error>>()?;
        pairs.sort();
        Ok(Some(pairs))
    }

    /// A mapping; `None` where it is missing.
    pub fn form(&mut self, name: &str) -> Result<Option<Form>, Error> {
        let place = self.place.clone();
        let lenient = self.lenient;
        self.any(name).map(|tree| Form::new(name, tree, &place).map(|form| Form { lenient, ..form })).transpose()
    }

    /// Refuses what was not asked for.
    pub fn done(self) -> Result<(), Error> {
        match self.fields.first() {
            None => Ok(()),
            Some(_) if self.lenient => Ok(()),
            Some((name, _)) => {
                let about = About::Field { of: self.what.clone(), name: name.clone() };
                let text = format!("{}: unknown field `{name}`", self.what);
                Err(Error::new(Code::UnknownOrBadField, text).at(self.place).about(about))
            }
        }
    }

    /// Where the mapping stands.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// A refusal of something in this mapping.
    pub fn refuse(&self, code: Code, what: impl std::fmt::Display) -> Error {
        Error::new(code, format!("{}: {what}", self.what)).at(self.place.clone())
    }

    fn text_of(&self, name: &str, tree: Tree) -> Result<String, Error> {
        match tree {
            Tree::Leaf(Leaf::Open { text, tag: Tag::Text | Tag::Quoted | Tag::Time | Tag::Binary }) => Ok(text),
            Tree::Leaf(Leaf::Open { text, .. }) if self.lenient => Ok(text),
            other => Err(self.wrong(name, "a text (in quotes, where it looks like a number or a boolean)", &other)),
        }
    }

    fn wrong(&self, name: &str, wanted: &str, found: &Tree) -> Error {
        let found = match found {
            Tree::Leaf(Leaf::Open { tag: Tag::Bool, .. }) => "a boolean",
            Tree::Leaf(Leaf::Open { tag: Tag::Int | Tag::Float, .. }) => "a number",
            Tree::Leaf(_) | Tree::List(_) | Tree::Map(_) => found.kind(),
        };
        let about = About::Field { of: self.what.clone(), name: name.to_owned() };
        self.refuse(Code::UnknownOrBadField, format!("`{name}` must be {wanted}, not {found}")).about(about)
    }
}
