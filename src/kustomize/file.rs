//! The kustomization file: every field known, every unknown field refused.

use crate::model::yaml::{self, Duplicates, Entry, Kind, Limits, Raw, Style};
use crate::model::{Place, RepoPath};

use super::entry::{
    Generator, GeneratorOptions, Image, Label, Patch, ReplacementField, Replica, Sort, Var, generator,
    generator_options, image, label, patch, replacement_field, replica, sort, var,
};
use super::error::{Code, Error};
use super::form::Form;
use super::tree::{Leaf, Tag, Tree};
use super::written::Lines;

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
        let read = Self::take(&mut form).and_then(|kustomization| form.done().map(|()| kustomization));
        let kustomization = read.map_err(|error| error.found_in(&Lines::of(text), path))?;
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

    /// The name of its file.
    pub fn name(&self) -> &str {
        self.place.as_ref().map_or(NAMES[0], |place| place.file.name())
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

/// A tree by the scalar rules of YAML 1.1, by which kustomize reads its own file: `yes` and `on` are booleans.
///
/// Later duplicates win; keys that are not texts are kept as written.
pub fn old_tree(raw: Raw) -> Result<Tree, yaml::Error> {
    match raw.kind {
        Kind::Scalar { text, style: Style::Plain } if raw.tag.is_none() && is_old_bool(&text) => {
            let truth = matches!(text.as_bytes(), [b'y' | b'Y', ..] | [b'o' | b'O', b'n' | b'N']);
            Ok(Tree::Leaf(Leaf::Open { text: truth.to_string(), tag: Tag::Bool }))
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
