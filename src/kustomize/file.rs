//! The kustomization file: every field known, every unknown field refused.

use crate::model::yaml::{self, Duplicates, Entry, Kind, Limits, Raw, Style};
use crate::model::{Place, RepoPath};

use super::error::{Code, Error};
use super::form::Form;
use super::select::{Gvk, Selector};
use super::tree::{Leaf, Tag, Tree};

/// The names that a kustomization file may have.
pub const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A kustomization file. Fields mean what kustomize documents.
#[allow(missing_docs)] // the names are kustomize's own
#[derive(Default)]
pub struct Kustomization {
    pub place: Option<Place>,
    pub component: bool,
    pub open_api: Vec<(String, String)>,
    pub name_prefix: String,
    pub name_suffix: String,
    pub namespace: String,
    pub common_labels: Vec<(String, String)>,
    pub labels: Vec<Label>,
    pub common_annotations: Vec<(String, String)>,
    pub patches_strategic_merge: Vec<String>,
    pub patches_json6902: Vec<Patch>,
    pub patches: Vec<Patch>,
    pub images: Vec<Image>,
    pub replacements: Vec<ReplacementField>,
    pub replicas: Vec<Replica>,
    pub vars: Vec<Var>,
    pub sort: Option<Sort>,
    pub resources: Vec<String>,
    pub components: Vec<String>,
    pub crds: Vec<String>,
    pub config_maps: Vec<Generator>,
    pub secrets: Vec<Generator>,
    pub generator_options: Option<GeneratorOptions>,
    pub configurations: Vec<String>,
    pub generators: Vec<String>,
    pub transformers: Vec<String>,
    pub validators: Vec<String>,
    pub build_metadata: Vec<String>,
}

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
    pub patch: String,
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
    Inline(Replacement),
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

impl Kustomization {
    /// Reads `text`, the file at `path`.
    ///
    /// # Errors
    /// Where it is not YAML, is empty, or has a field that is unknown or of the wrong type.
    pub fn read(text: &str, path: &RepoPath) -> Result<Self, Error> {
        let place = Place { file: path.clone(), line: 0 };
        let limits = Limits { duplicates: Duplicates::Kept, ..Limits::MANIFEST };
        let wrong = |error: &yaml::Error| {
            let error = Error::yaml(place.clone(), error);
            // kustomize tells a kustomization that is not YAML by the same class as a wrong field.
            if error.code() == Code::Limit { error } else { error.with_code(Code::UnknownOrBadField) }
        };
        let mut documents = yaml::parse(text, limits).map_err(|error| wrong(&error))?;
        if documents.is_empty() {
            return Err(Error::new(Code::EmptyKustomization, "the kustomization is empty").at(place));
        }
        // Documents after the first are ignored, as kustomize does.
        let tree = old_tree(documents.swap_remove(0).root).map_err(|error| wrong(&error))?;
        if tree.is_null() {
            return Err(Error::new(Code::EmptyKustomization, "the kustomization is empty").at(place));
        }
        let mut form = Form::new("kustomization", tree, &place)?;
        let kustomization = Self::take(&mut form)?;
        form.done()?;
        if kustomization.is_empty() {
            return Err(Error::new(Code::EmptyKustomization, "the kustomization is empty").at(place));
        }
        Ok(Self { place: Some(place), ..kustomization })
    }

    fn take(form: &mut Form) -> Result<Self, Error> {
        let component = kind(form)?;
        form.any("metadata");
        for field in ["helmCharts", "helmChartInflationGenerator", "helmGlobals"] {
            if form.any(field).is_some() {
                let text =
                    format!("`{field}` runs Helm, which is not done here; render the chart and commit the result");
                return Err(form.refuse(Code::PluginDisabled, text));
            }
        }
        let mut resources = form.texts("resources")?;
        resources.extend(form.texts("bases")?);
        let mut images = form.each("images", image)?;
        images.extend(form.each("imageTags", image)?);
        Ok(Self {
            place: None,
            component,
            open_api: form.pairs("openapi")?.unwrap_or_default(),
            name_prefix: form.text_or_empty("namePrefix")?,
            name_suffix: form.text_or_empty("nameSuffix")?,
            namespace: form.text_or_empty("namespace")?,
            common_labels: form.pairs("commonLabels")?.unwrap_or_default(),
            labels: form.each("labels", label)?,
            common_annotations: form.pairs("commonAnnotations")?.unwrap_or_default(),
            patches_strategic_merge: form.texts("patchesStrategicMerge")?,
            patches_json6902: form.each("patchesJson6902", patch)?,
            patches: form.each("patches", patch)?,
            images,
            replacements: form.each("replacements", replacement_field)?,
            replicas: form.each("replicas", replica)?,
            vars: form.each("vars", var)?,
            sort: form.form("sortOptions")?.map(sort).transpose()?,
            resources,
            components: form.texts("components")?,
            crds: form.texts("crds")?,
            config_maps: form.each("configMapGenerator", generator)?,
            secrets: form.each("secretGenerator", generator)?,
            generator_options: form.form("generatorOptions")?.map(generator_options).transpose()?,
            configurations: form.texts("configurations")?,
            generators: form.texts("generators")?,
            transformers: form.texts("transformers")?,
            validators: form.texts("validators")?,
            build_metadata: form.texts("buildMetadata")?,
        })
    }

    fn is_empty(&self) -> bool {
        !self.component
            && self.sort.is_none()
            && self.generator_options.is_none()
            && [&self.name_prefix, &self.name_suffix, &self.namespace].iter().all(|text| text.is_empty())
            && [&self.open_api, &self.common_labels, &self.common_annotations].iter().all(|pairs| pairs.is_empty())
            && [
                &self.patches_strategic_merge,
                &self.resources,
                &self.components,
                &self.crds,
                &self.configurations,
                &self.generators,
                &self.transformers,
                &self.validators,
                &self.build_metadata,
            ]
            .iter()
            .all(|texts| texts.is_empty())
            && self.labels.is_empty()
            && self.patches_json6902.is_empty()
            && self.patches.is_empty()
            && self.images.is_empty()
            && self.replacements.is_empty()
            && self.replicas.is_empty()
            && self.vars.is_empty()
            && self.config_maps.is_empty()
            && self.secrets.is_empty()
    }
}

/// Whether it is a component.
fn kind(form: &mut Form) -> Result<bool, Error> {
    let kind = form.text_or_empty("kind")?;
    let api_version = form.text_or_empty("apiVersion")?;
    match (kind.as_str(), api_version.as_str()) {
        ("" | "Kustomization", "" | "kustomize.config.k8s.io/v1beta1") => Ok(false),
        ("Component", "" | "kustomize.config.k8s.io/v1alpha1") => Ok(true),
        ("Component", _) => Err(form
            .refuse(Code::ComponentKindMismatch, "apiVersion of a Component must be kustomize.config.k8s.io/v1alpha1")),
        ("" | "Kustomization", found) => Err(form.refuse(
            Code::UnknownOrBadField,
            format!("apiVersion must be kustomize.config.k8s.io/v1beta1, not {found}"),
        )),
        (found, _) => {
            Err(form.refuse(Code::UnknownOrBadField, format!("kind must be Kustomization or Component, not {found}")))
        }
    }
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

fn label(mut form: Form) -> Result<Label, Error> {
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
        patch: form.text_or_empty("patch")?,
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

fn var(mut form: Form) -> Result<Var, Error> {
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
        return Ok(ReplacementField::Inline(replacement));
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

fn source(mut form: Form) -> Result<Source, Error> {
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

fn target(mut form: Form) -> Result<Target, Error> {
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

fn field_options(mut form: Form) -> Result<FieldOptions, Error> {
    form.text("encoding")?;
    let options = FieldOptions {
        delimiter: form.text_or_empty("delimiter")?,
        index: form.integer("index")?.unwrap_or(0),
        create: form.truth("create")?,
    };
    form.done()?;
    Ok(options)
}

fn sort(mut form: Form) -> Result<Sort, Error> {
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

fn generator_options(mut form: Form) -> Result<GeneratorOptions, Error> {
    let options = GeneratorOptions {
        labels: form.pairs("labels")?.unwrap_or_default(),
        annotations: form.pairs("annotations")?.unwrap_or_default(),
        disable_name_suffix_hash: form.truth("disableNameSuffixHash")?,
        immutable: form.truth("immutable")?,
    };
    form.done()?;
    Ok(options)
}

/// A tree by the scalar rules of YAML 1.1, by which kustomize reads its own file: `yes` and `on` are booleans.
///
/// Later duplicates win; keys that are not texts are kept as written.
pub fn old_tree(raw: Raw) -> Result<Tree, yaml::Error> {
    match raw.kind {
        Kind::Scalar { text, style: Style::Plain } if raw.tag.is_none() && is_old_bool(&text) => {
            Ok(Tree::Leaf(Leaf::Open { text, tag: Tag::Bool }))
        }
        Kind::Scalar { .. } => Tree::from_raw(raw),
        Kind::List(items) => {
            let values = items.into_iter().filter_map(|item| match item {
                yaml::Item::Comment(_) => None,
                yaml::Item::Value(value) => Some(old_tree(value)),
            });
            values.collect::<Result<_, _>>().map(Tree::List)
        }
        Kind::Map(entries) => {
            let mut fields = super::tree::Fields::default();
            let mut merged = Vec::new();
            for entry in entries {
                let Entry::Pair(key, value) = entry else { continue };
                let Kind::Scalar { text, style } = &key.kind else {
                    return Err(yaml::Error::ComplexKey { at: key.at });
                };
                if *style == Style::Plain && text == "<<" {
                    merged.extend(yaml::merge_sources(value)?);
                } else {
                    fields.set(&text.clone(), old_tree(value)?);
                }
            }
            for source in merged {
                let whole = Raw { kind: Kind::Map(source), tag: None, at: raw.at };
                if let Tree::Map(more) = old_tree(whole)? {
                    for (key, tree) in more {
                        fields.entry(&key, || tree);
                    }
                }
            }
            Ok(Tree::Map(fields))
        }
    }
}

fn is_old_bool(text: &str) -> bool {
    matches!(
        text,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF"
    )
}
