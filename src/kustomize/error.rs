//! Why a kustomization cannot be rendered.

use crate::model::{Class, Place, RepoPath};

use super::written::{About, Lines};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    code: Code,
    place: Option<Place>,
    object: Option<String>,
    /// The field, outermost name first.
    field: Vec<String>,
    what: String,
    /// What of the kustomization it is about, until its line is known.
    about: Option<About>,
}

/// What kind of thing is wrong; scripts rely on the words of [`Code::as_str`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// Several objects fit a reference.
    AmbiguousReference,
    /// The namespace of a subject is null.
    BlankNamespace,
    /// A component where a kustomization is wanted, or the other way round.
    ComponentKindMismatch,
    /// A kustomization includes itself.
    Cycle,
    /// Two objects have the same identity.
    DuplicateId,
    /// The kustomization says nothing.
    EmptyKustomization,
    /// Nothing comes out.
    EmptyRender,
    /// A field is of another kind than a transformation needs.
    FieldKindMismatch,
    /// A generated object exists, or does not, against what its behavior says.
    GeneratorBehavior,
    /// An input of a generator is malformed.
    GeneratorInput,
    /// A JSON patch does not apply.
    JsonPatchFailed,
    /// More than may be.
    Limit,
    /// A file outside of where files may be.
    LoadRestriction,
    /// Not YAML.
    MalformedYaml,
    /// A file is not there.
    MissingFile,
    /// An object without kind or name.
    MissingKindOrName,
    /// A folder without a kustomization.
    MissingKustomization,
    /// A folder with several kustomizations.
    MultipleKustomizationFiles,
    /// A schema that cannot be used.
    OpenApi,
    /// A path that leaves the tree; the same word as for a file where files may not be.
    OutsideTree,
    /// A patch that cannot be read.
    PatchInvalid,
    /// A patch that fits no object, or several.
    PatchTargetMissing,
    /// Something that runs a program.
    PluginDisabled,
    /// A built-in transformer that does not exist.
    PluginLoadFailed,
    /// Something that is fetched from elsewhere.
    RemoteBase,
    /// A replacement that cannot be made.
    ReplacementError,
    /// A `$patch` directive that does not exist.
    SmpUnknownDirective,
    /// A `${...}` that cannot be evaluated.
    Substitution,
    /// A variable fits several objects.
    UnableToDisambiguate,
    /// A field that does not exist, or of the wrong type.
    UnknownOrBadField,
    /// A value that JSON does not have.
    UnserializableValue,
    /// A variable that cannot be resolved.
    VarError,
}

impl Code {
    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::AmbiguousReference => "ambiguous-reference",
            Code::BlankNamespace => "blank-namespace",
            Code::ComponentKindMismatch => "component-kind-mismatch",
            Code::Cycle => "cycle",
            Code::DuplicateId => "duplicate-id",
            Code::EmptyKustomization => "empty-kustomization",
            Code::EmptyRender => "empty-render",
            Code::FieldKindMismatch => "field-kind-mismatch",
            Code::GeneratorBehavior => "generator-behavior",
            Code::GeneratorInput => "generator-input",
            Code::JsonPatchFailed => "json-patch-failed",
            Code::Limit => "limit",
            Code::LoadRestriction | Code::OutsideTree => "load-restriction",
            Code::MalformedYaml => "malformed-yaml",
            Code::MissingFile => "missing-file",
            Code::MissingKindOrName => "missing-kind-or-name",
            Code::MissingKustomization => "missing-kustomization",
            Code::MultipleKustomizationFiles => "multiple-kustomization-files",
            Code::OpenApi => "openapi",
            Code::PatchInvalid => "patch-invalid",
            Code::PatchTargetMissing => "patch-target-missing",
            Code::PluginDisabled => "plugin-disabled",
            Code::PluginLoadFailed => "plugin-load-failed",
            Code::RemoteBase => "remote-base",
            Code::ReplacementError => "replacement-error",
            Code::SmpUnknownDirective => "smp-unknown-directive",
            Code::Substitution => "substitution",
            Code::UnableToDisambiguate => "unable-to-disambiguate",
            Code::UnknownOrBadField => "unknown-or-bad-field",
            Code::UnserializableValue => "unserializable-value",
            Code::VarError => "var-error",
        }
    }
}

impl Error {
    /// `what` says what was expected, what was found and what to do; never a sealed value.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, place: None, object: None, field: Vec::new(), what: clipped(what.into(), WHAT), about: None }
    }

    /// A YAML error in `file`.
    pub fn yaml(place: Place, error: &crate::model::yaml::Error) -> Self {
        use crate::model::yaml::Error as Yaml;
        let code = match error {
            Yaml::Syntax { .. } | Yaml::DuplicateKey { .. } | Yaml::Separator { .. } | Yaml::Merge { .. } => {
                Code::MalformedYaml
            }
            Yaml::Cycle { .. } => Code::Cycle,
            Yaml::TooLarge { .. } | Yaml::TooDeep { .. } | Yaml::TooMany { .. } => Code::Limit,
            Yaml::ComplexKey { .. } | Yaml::KeyNotText { .. } | Yaml::Unserializable { .. } | Yaml::Tag { .. } => {
                Code::UnserializableValue
            }
        };
        let line = if error.line() == 0 { place.line } else { error.line() };
        Self::new(code, error.to_string()).at(Place { line, ..place })
    }

    /// Says where, unless that is known already.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    /// Says what of the kustomization it is about, unless that is known already.
    #[must_use]
    pub fn about(mut self, about: About) -> Self {
        self.about.get_or_insert(about);
        self
    }

    /// Finds its line in the kustomization at `file`, if it says what of it it is about.
    #[must_use]
    pub fn found_in(mut self, lines: &Lines, file: &RepoPath) -> Self {
        // The fields that a Sync lays over a kustomization are in no file.
        if let Some(about) = self.about.take().filter(|_| !file.is_root()) {
            self.place = Some(Place { file: file.clone(), line: lines.find(&about) });
        }
        self
    }

    /// Says of which object, unless that is known already.
    #[must_use]
    pub fn of(mut self, object: impl std::fmt::Display) -> Self {
        self.object.get_or_insert_with(|| clipped(object.to_string(), NAME));
        self
    }

    /// Says in which field; called from the inside outwards.
    #[must_use]
    pub fn within(mut self, name: &str) -> Self {
        self.field.insert(0, clipped(name.to_owned(), NAME));
        self
    }

    /// The same with another code.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// The stable word for it.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Who has to act: whoever wrote the files.
    pub fn class(&self) -> Class {
        Class::Refused
    }

    /// Where, if that is known.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field.join("."))?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {}

/// Longest text of a message about what is wrong, in bytes: it may repeat what is written, and that may be long.
const WHAT: usize = 1_000;

/// Longest name in a message, in bytes.
const NAME: usize = 300;

/// Errors of one refusal that are told one by one.
const TOLD: usize = 100;

fn clipped(mut text: String, length: usize) -> String {
    if text.len() > length {
        let end = (0..=length).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
        text.shrink_to_fit();
    }
    text
}

/// Errors while they are found.
#[derive(Debug, Default)]
pub struct Found {
    told: Vec<Error>,
    more: usize,
}

impl Found {
    /// Adds one.
    pub fn push(&mut self, error: Error) {
        if self.is_full() {
            self.more += 1;
        } else {
            self.told.push(error);
        }
    }

    /// Whether no more are told.
    pub fn is_full(&self) -> bool {
        self.told.len() >= TOLD
    }

    /// The refusal, if anything was found.
    pub fn into_result(self) -> Result<(), Errors> {
        if self.told.is_empty() { Ok(()) } else { Err(Errors(self)) }
    }
}

/// Everything that is wrong, the first cause first; never empty.
#[derive(Debug)]
pub struct Errors(Found);

impl Errors {
    /// Each of them, up to a hundred.
    pub fn iter(&self) -> impl Iterator<Item = &Error> {
        self.0.told.iter()
    }

    /// How many more there are.
    pub fn more(&self) -> usize {
        self.0.more
    }

    /// Who has to act: whoever wrote the files.
    pub fn class(&self) -> Class {
        Class::Refused
    }

    /// The code of the first cause.
    pub fn code(&self) -> &'static str {
        self.0.told.first().map_or("limit", |error| error.code.as_str())
    }
}

impl From<Error> for Errors {
    fn from(error: Error) -> Self {
        Self(Found { told: vec![error], more: 0 })
    }
}

impl std::fmt::Display for Errors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, error) in self.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        match self.0.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Errors {}
