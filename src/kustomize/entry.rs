//! Entries of a kustomization file, and how they are read.

use super::error::{Code, Error};
use super::form::Form;
use super::select::{Gvk, Selector};

/// An entry of `labels`.
#[allow(missing_docs)]
pub struct Label {
    pub pairs: Vec<(String, String)>,
    pub include_selectors: bool,
    pub include_templates: bool,
    pub include_claims: bool,
    pub specs: Vec<FieldSpec>,
}

/// A field of some kinds of objects.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSpec {
    pub gvk: Gvk,
    pub path: String,
    pub create: bool,
}

/// An entry of `patches` or `patchesJson6902`.
#[allow(missing_docs)]
pub struct Patch {
    pub path: String,
    pub text: String,
    pub target: Option<Selector>,
    pub allow_name_change: bool,
    pub allow_kind_change: bool,
}

/// An entry of `images`.
#[allow(missing_docs)]
pub struct Image {
    pub name: String,
    pub new_name: String,
    pub tag_suffix: String,
    pub new_tag: String,
    pub digest: String,
}

/// An entry of `replicas`.
#[allow(missing_docs)]
pub struct Replica {
    pub name: String,
    pub count: i64,
}

/// An entry of `vars`.
#[allow(missing_docs)]
#[derive(Clone, PartialEq, Eq)]
pub struct Var {
    pub name: String,
    pub gvk: Gvk,
    pub object_name: String,
    pub namespace: String,
    pub field_path: String,
}

/// An entry of `replacements`: written here, or in a file.
pub enum ReplacementField {
    /// Written in another file.
    Path(String),
    /// Written here.
    Inline(Box<Replacement>),
}

/// A replacement.
#[allow(missing_docs)]
pub struct Replacement {
    pub source: Option<Source>,
    pub source_value: Option<String>,
    pub targets: Vec<Target>,
}

/// Where a replacement comes from.
#[allow(missing_docs)]
pub struct Source {
    pub gvk: Gvk,
    pub name: String,
    pub namespace: String,
    pub field_path: String,
    pub options: FieldOptions,
}

/// Where a replacement goes.
#[allow(missing_docs)]
pub struct Target {
    pub select: Option<Selector>,
    pub reject: Vec<Selector>,
    pub field_paths: Vec<String>,
    pub options: FieldOptions,
}

/// How a replacement is cut out or put in.
#[allow(missing_docs)]
#[derive(Default, Clone)]
pub struct FieldOptions {
    pub delimiter: String,
    pub index: i64,
    pub create: bool,
}

/// `sortOptions`.
pub enum Sort {
    /// In the order of the files.
    Fifo,
    /// By kind: those first, those last, the rest between.
    Legacy(Option<(Vec<String>, Vec<String>)>),
}

/// An entry of `configMapGenerator` or `secretGenerator`.
#[allow(missing_docs)]
pub struct Generator {
    pub name: String,
    pub namespace: String,
    pub behavior: String,
    pub literals: Vec<String>,
    pub files: Vec<String>,
    pub envs: Vec<String>,
    pub kind: String,
    pub options: Option<GeneratorOptions>,
}

/// `generatorOptions`, or the options of one generator.
#[allow(missing_docs)]
#[derive(Default, Clone)]
pub struct GeneratorOptions {
    pub labels: Vec<(String, String)>,
    pub annotations: Vec<(String, String)>,
    pub disable_name_suffix_hash: bool,
    pub immutable: bool,
}

/// Reads such an entry.
pub fn image(mut form: Form) -> Result<Image, Error> {
    let image = Image {
        name: form.text_or_empty("name")?,
        new_name: form.text_or_empty("newName")?,
        tag_suffix: form.text_or_empty("tagSuffix")?,
        new_tag: form.text_or_empty("newTag")?,
        digest: form.text_or_empty("digest")?,
    };
    form.done()?;
    Ok(image)
}

/// Reads such an entry.
pub fn label(mut form: Form) -> Result<Label, Error> {
    let label = Label {
        pairs: form.pairs("pairs")?.unwrap_or_default(),
        include_selectors: form.truth("includeSelectors")?,
        include_templates: form.truth("includeTemplates")?,
        include_claims: form.truth("includeVolumeClaimTemplates")?,
        specs: form.each("fields", field_spec)?,
    };
    form.done()?;
    Ok(label)
}

/// Reads a field spec.
pub fn field_spec(mut form: Form) -> Result<FieldSpec, Error> {
    let spec = FieldSpec { gvk: gvk(&mut form)?, path: form.text_or_empty("path")?, create: form.truth("create")? };
    form.done()?;
    Ok(spec)
}

fn gvk(form: &mut Form) -> Result<Gvk, Error> {
    Ok(Gvk {
        group: form.text_or_empty("group")?,
        version: form.text_or_empty("version")?,
        kind: form.text_or_empty("kind")?,
    })
}

/// Reads a patch entry.
pub fn patch(mut form: Form) -> Result<Patch, Error> {
    let mut options = form.form("options")?;
    let (mut allow_name_change, mut allow_kind_change) = (false, false);
    if let Some(options) = &mut options {
        allow_name_change = options.truth("allowNameChange")?;
        allow_kind_change = options.truth("allowKindChange")?;
    }
    options.map_or(Ok(()), Form::done)?;
    let patch = Patch {
        path: form.text_or_empty("path")?,
        text: form.text_or_empty("patch")?,
        target: form.form("target")?.map(selector).transpose()?,
        allow_name_change,
        allow_kind_change,
    };
    form.done()?;
    Ok(patch)
}

/// Reads a selector.
pub fn selector(mut form: Form) -> Result<Selector, Error> {
    let gvk = gvk(&mut form)?;
    let (name, namespace) = (form.text_or_empty("name")?, form.text_or_empty("namespace")?);
    let labels = form.text_or_empty("labelSelector")?;
    let annotations = form.text_or_empty("annotationSelector")?;
    let selector = Selector::new(&gvk, &name, &namespace, &labels, &annotations)
        .map_err(|error| error.at(form.place().clone()))?;
    form.done()?;
    Ok(selector)
}

/// Reads such an entry.
pub fn replica(mut form: Form) -> Result<Replica, Error> {
    let replica = Replica { name: form.text_or_empty("name")?, count: form.integer("count")?.unwrap_or(0) };
    form.done()?;
    Ok(replica)
}

/// Reads such an entry.
pub fn var(mut form: Form) -> Result<Var, Error> {
    let name = form.text_or_empty("name")?;
    let Some(mut object) = form.form("objref")? else {
        return Err(form.refuse(Code::VarError, format!("variable `{name}` needs an `objref`")));
    };
    let api_version = object.text_or_empty("apiVersion")?;
    let (group, version) = Gvk::split(&api_version);
    let (outer_group, outer_version) = (object.text_or_empty("group")?, object.text_or_empty("version")?);
    let or = |first: &str, second: String| if first.is_empty() { second } else { first.to_owned() };
    let mut field_path = None;
    if let Some(mut field) = form.form("fieldref")? {
        field_path = field.text("fieldpath")?;
        field.done()?;
    }
    let var = Var {
        name,
        gvk: Gvk {
            group: or(group, outer_group),
            version: or(version, outer_version),
            kind: object.text_or_empty("kind")?,
        },
        object_name: object.text_or_empty("name")?,
        namespace: object.text_or_empty("namespace")?,
        field_path: field_path.filter(|path| !path.is_empty()).unwrap_or_else(|| "metadata.name".to_owned()),
    };
    object.done()?;
    form.done()?;
    Ok(var)
}

/// Reads such an entry.
pub fn replacement_field(mut form: Form) -> Result<ReplacementField, Error> {
    let path = form.text_or_empty("path")?;
    let replacement = replacement(form)?;
    if path.is_empty() {
        return Ok(ReplacementField::Inline(Box::new(replacement)));
    }
    if replacement.source.is_some() || replacement.source_value.is_some() || !replacement.targets.is_empty() {
        return Err(Error::new(
            Code::ReplacementError,
            "a replacement is either a `path` or written in place, not both",
        ));
    }
    Ok(ReplacementField::Path(path))
}

/// Reads a replacement.
pub fn replacement(mut form: Form) -> Result<Replacement, Error> {
    let replacement = Replacement {
        source: form.form("source")?.map(source).transpose()?,
        source_value: form.text("sourceValue")?,
        targets: form.each("targets", target)?,
    };
    form.done()?;
    Ok(replacement)
}

/// Reads such an entry.
pub fn source(mut form: Form) -> Result<Source, Error> {
    let source = Source {
        gvk: gvk(&mut form)?,
        name: form.text_or_empty("name")?,
        namespace: form.text_or_empty("namespace")?,
        field_path: form.text("fieldPath")?.filter(|path| !path.is_empty()).unwrap_or_else(default_path),
        options: form.form("options")?.map(field_options).transpose()?.unwrap_or_default(),
    };
    form.done()?;
    Ok(source)
}

/// Reads such an entry.
pub fn target(mut form: Form) -> Result<Target, Error> {
    let mut field_paths = form.texts("fieldPaths")?;
    if field_paths.is_empty() {
        field_paths.push(default_path());
    }
    let target = Target {
        select: form.form("select")?.map(selector).transpose()?,
        reject: form.each("reject", selector)?,
        field_paths,
        options: form.form("options")?.map(field_options).transpose()?.unwrap_or_default(),
    };
    form.done()?;
    Ok(target)
}

fn default_path() -> String {
    "metadata.name".to_owned()
}

/// Reads such an entry.
pub fn field_options(mut form: Form) -> Result<FieldOptions, Error> {
    form.text("encoding")?;
    let options = FieldOptions {
        delimiter: form.text_or_empty("delimiter")?,
        index: form.integer("index")?.unwrap_or(0),
        create: form.truth("create")?,
    };
    form.done()?;
    Ok(options)
}

/// Reads such an entry.
pub fn sort(mut form: Form) -> Result<Sort, Error> {
    let order = form.text_or_empty("order")?;
    let legacy = match form.form("legacySortOptions")? {
        None => None,
        Some(mut legacy) => {
            let lists = (legacy.texts("orderFirst")?, legacy.texts("orderLast")?);
            legacy.done()?;
            Some(lists)
        }
    };
    let sort = match (order.as_str(), legacy) {
        ("fifo", None) => Sort::Fifo,
        ("legacy", legacy) => Sort::Legacy(legacy),
        ("fifo", Some(_)) => {
            return Err(form.refuse(Code::UnknownOrBadField, "`legacySortOptions` is set, but `order` is fifo"));
        }
        _ => return Err(form.refuse(Code::UnknownOrBadField, "`order` must be fifo or legacy")),
    };
    form.done()?;
    Ok(sort)
}

/// Reads an entry of a generator.
pub fn generator(mut form: Form) -> Result<Generator, Error> {
    let mut envs: Vec<String> = form.text("env")?.into_iter().filter(|path| !path.is_empty()).collect();
    envs.splice(0..0, form.texts("envs")?);
    let generator = Generator {
        name: form.text_or_empty("name")?,
        namespace: form.text_or_empty("namespace")?,
        behavior: form.text_or_empty("behavior")?,
        literals: form.texts("literals")?,
        files: form.texts("files")?,
        envs,
        kind: form.text_or_empty("type")?,
        options: form.form("options")?.map(generator_options).transpose()?,
    };
    form.done()?;
    Ok(generator)
}

/// Reads such an entry.
pub fn generator_options(mut form: Form) -> Result<GeneratorOptions, Error> {
    let options = GeneratorOptions {
        labels: form.pairs("labels")?.unwrap_or_default(),
        annotations: form.pairs("annotations")?.unwrap_or_default(),
        disable_name_suffix_hash: form.truth("disableNameSuffixHash")?,
        immutable: form.truth("immutable")?,
    };
    form.done()?;
    Ok(options)
}
