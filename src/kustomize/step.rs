//! What a kustomization does to its objects, one step after the other.

use std::sync::Arc;

use crate::model::{Place, RepoPath};
use crate::sops::{File, Opened};
use crate::trust::Origin;

use super::bounds::{Budget, SELECTION};
use super::entry::{self, FieldSpec, Image, Label, Patch, Replacement, ReplacementField, Replica};
use super::error::{Code, Error};
use super::fields::{Config, merge_specs};
use super::file::Kustomization;
use super::form::Form;
use super::generate::Inputs;
use super::hash;
use super::layout::inline;
use super::origin::{Source, Trail};
use super::patch::{Operation, Patches, apply_json6902, apply_strategic, json_patch_of, patches_of};
use super::replace::replace;
use super::resource::Resource;
use super::schema::Schema;
use super::select::Selector;
use super::source::{self, Documents};
use super::transform::{Affix, Namespacing, Subjects, add_annotations, add_labels, affix};
use super::transform::{set_image, set_namespace, set_replicas};
use super::tree::Tree;

/// One change to the objects that have come together so far.
pub enum Step {
    /// Objects to add; only in `generators`.
    Generated(Vec<Resource>),
    /// Strategic merge patches, by their own identity.
    Strategic(Vec<Resource>),
    /// An entry of `patches`.
    Patch(Patch, Patches),
    /// An entry of `patchesJson6902`.
    Json6902(Selector, Vec<Operation>),
    /// A namespace.
    Namespace(String, Vec<FieldSpec>, bool, Subjects),
    /// A name prefix.
    Prefix(String, Vec<FieldSpec>),
    /// A name suffix.
    Suffix(String, Vec<FieldSpec>),
    /// Labels.
    Labels(Vec<(String, String)>, Vec<FieldSpec>),
    /// Annotations.
    Annotations(Vec<(String, String)>, Vec<FieldSpec>),
    /// Replica counts.
    Replicas(Replica, Vec<FieldSpec>),
    /// Images.
    Image(Image, Vec<FieldSpec>),
    /// Replacements.
    Replacements(Vec<Replacement>),
    /// A value put at a path: the value, and per target whose objects, which path, and which part of a file path.
    Value(String, Vec<ValueTarget>),
    /// Name suffixes out of the content.
    Hashes,
    /// Notes on every object what has just been done.
    Noted(Source),
}

/// A target of `ValueAddTransformer`.
pub struct ValueTarget {
    /// Whose; everybody's where it is missing.
    pub selector: Option<Selector>,
    /// The field.
    pub path: String,
    /// Which part of a file path is replaced; 0 for the whole value.
    pub position: usize,
}

impl Step {
    /// Does it.
    pub fn run(self, resources: &mut Vec<Resource>, schema: &Arc<Schema>, budget: &Budget) -> Result<(), Error> {
        budget.look(self.looks(), resources.len() + 1)?;
        match self {
            Step::Generated(_) => Ok(()),
            Step::Strategic(patches) => {
                apply_strategic(&patches, resources, schema, budget)?;
                resources.retain(|resource| !resource.is_gone());
                Ok(())
            }
            Step::Patch(entry, patches) => {
                patches.apply(&entry, resources, schema, budget)?;
                resources.retain(|resource| !resource.is_gone());
                Ok(())
            }
            Step::Json6902(target, operations) => apply_json6902(&operations, &target, resources, budget),
            Step::Namespace(namespace, specs, unset_only, subjects) => {
                let how = Namespacing { namespace: &namespace, specs: &specs, unset_only, budget, subjects };
                set_namespace(&how, resources)
            }
            Step::Prefix(text, specs) => affix(Affix::Prefix(&text), &specs, resources, budget),
            Step::Suffix(text, specs) => affix(Affix::Suffix(&text), &specs, resources, budget),
            Step::Labels(pairs, specs) => add_labels(&pairs, &specs, resources, budget),
            Step::Annotations(pairs, specs) => add_annotations(&pairs, &specs, resources, budget),
            Step::Replicas(replica, specs) => set_replicas(&replica, &specs, resources, budget),
            Step::Image(image, specs) => set_image(&image, &specs, resources, budget),
            Step::Replacements(replacements) => replace(&replacements, resources, budget),
            Step::Value(value, targets) => super::plugin::add_value(&value, &targets, resources, budget),
            Step::Hashes => add_hashes(resources),
            Step::Noted(source) => source.note_transformed(resources, budget),
        }
    }

    /// How often it looks at each object.
    fn looks(&self) -> usize {
        match self {
            Step::Generated(_) => 0,
            Step::Strategic(patches) | Step::Patch(_, Patches::Strategic(patches)) => SELECTION * patches.len(),
            Step::Patch(_, Patches::Json(_)) | Step::Json6902(..) => SELECTION,
            Step::Namespace(_, specs, ..) | Step::Prefix(_, specs) | Step::Suffix(_, specs) | Step::Image(_, specs) => {
                1 + specs.len()
            }
            Step::Labels(pairs, specs) | Step::Annotations(pairs, specs) => pairs.len() * specs.len(),
            Step::Replicas(_, specs) => SELECTION * specs.len(),
            Step::Replacements(replacements) => {
                replacements.iter().map(|one| SELECTION * (1 + one.targets.len())).sum()
            }
            Step::Value(_, targets) => SELECTION * targets.len(),
            Step::Hashes | Step::Noted(_) => 1,
        }
    }

    /// Whether it looks up how lists are merged.
    pub fn walks_schema(&self) -> bool {
        matches!(self, Step::Strategic(_) | Step::Patch(_, Patches::Strategic(_)))
    }

    /// The objects of a generator.
    pub fn generated(self) -> Vec<Resource> {
        match self {
            Step::Generated(resources) => resources,
            _ => Vec::new(),
        }
    }

    /// The same step, its objects noted as made by `source`.
    #[must_use]
    pub fn made_by(mut self, source: &Source) -> Self {
        if let Step::Generated(resources) = &mut self {
            resources.iter_mut().for_each(|resource| source.note_generated(resource));
        }
        self
    }
}

/// Appends to the name of every generated object a hash of its content.
pub fn add_hashes(resources: &mut [Resource]) -> Result<(), Error> {
    for resource in resources.iter_mut().filter(|resource| resource.hashed) {
        if hash::publishes(resource) {
            continue;
        }
        resource.telling = hash::tells(resource);
        let suffix = hash::suffix(resource)?;
        resource.remember_id();
        let name = format!("{}-{suffix}", resource.name());
        resource.metadata_mut().set("name", Tree::text(name));
    }
    Ok(())
}

/// How a step's files are read.
pub struct Reader<'a, O: Origin> {
    /// The closed set of files.
    pub opened: &'a Opened<O>,
    /// Turns a path as written into a file.
    pub find: &'a dyn Fn(&str) -> Result<RepoPath, Error>,
    /// Where the step is written.
    pub place: Place,
    /// What it may cost.
    pub budget: &'a Budget,
}

impl<O: Origin> Reader<'_, O> {
    /// What a generator reads.
    pub fn inputs(&self) -> Inputs<'_, O> {
        Inputs { opened: self.opened, find: self.find, place: &self.place, budget: self.budget }
    }

    /// The documents of a file that is named.
    pub fn documents(&self, written: &str) -> Result<Documents, Error> {
        Documents::open(self.opened, &(self.find)(written)?, self.budget)
    }

    /// The patches of an entry: from its file, or as written in place.
    pub fn patches(&self, entry: &Patch) -> Result<Patches, Error> {
        let refuse = |text: &str| Error::new(Code::PatchInvalid, text).at(self.place.clone());
        match (entry.path.as_str(), entry.text.trim()) {
            ("", "") => Err(refuse("a patch needs a `path` or a `patch`")),
            ("", text) => self.patches_of_text(text, &self.place),
            (written, "") => {
                let file = (self.find)(written)?;
                let place = Place { file: file.clone(), line: 0 };
                match source::file(self.opened, &file)? {
                    File::Plain(bytes) => self.patches_of_text(source::utf8(bytes, &file)?, &place),
                    File::Sealed(_) => patches_of(Documents::open(self.opened, &file, self.budget)?, &place),
                }
            }
            _ => Err(refuse("a patch has either a `path` or a `patch`, not both")),
        }
    }

    /// The patches of a text.
    fn patches_of_text(&self, text: &str, place: &Place) -> Result<Patches, Error> {
        let invalid = |error: Error| error.with_code(Code::PatchInvalid);
        if let Some(operations) = Documents::read_operations(text, &place.file).map_err(invalid)? {
            self.budget.tree(&operations)?;
            return json_patch_of(operations, place);
        }
        let documents = Documents::read_patches(text, &place.file).map_err(invalid)?;
        documents.trees().try_for_each(|tree| self.budget.tree(tree))?;
        patches_of(documents, place)
    }

    /// An entry of `patchesJson6902`: a list of operations for objects of one name.
    pub fn json6902(&self, entry: Patch) -> Result<Step, Error> {
        let refuse = |code, text: &str| Error::new(code, text).at(self.place.clone());
        let target = entry.target.filter(Selector::has_name).ok_or_else(|| {
            refuse(Code::PatchInvalid, "the `target` of a JSON patch needs a `name` here; `patches` can do without")
        })?;
        let (text, place) = match (entry.path.as_str(), entry.text.as_str()) {
            ("", "") => return Err(refuse(Code::PatchInvalid, "a patch needs a `path` or a text")),
            ("", text) => (text, self.place.clone()),
            (written, "") => {
                let file = (self.find)(written)?;
                (source::text(self.opened, &file)?, Place { file, line: 0 })
            }
            _ => return Err(refuse(Code::PatchInvalid, "a patch has either a `path` or a text, not both")),
        };
        let invalid = |error: Error| error.with_code(Code::PatchInvalid);
        let operations = Documents::read_operations(text, &place.file).map_err(invalid)?;
        let operations = operations.ok_or_else(|| {
            refuse(Code::UnknownOrBadField, "a JSON patch must be a list of operations").at(place.clone())
        })?;
        match json_patch_of(operations, &place)? {
            Patches::Json(operations) if operations.is_empty() => {
                Err(refuse(Code::PatchInvalid, "the JSON patch is empty"))
            }
            Patches::Json(operations) => Ok(Step::Json6902(target, operations)),
            Patches::Strategic(_) => unreachable!("operations make a JSON patch"),
        }
    }

    /// Strategic merge patches, each a path or written in place.
    pub fn strategic(&self, entries: &[String], more: &str) -> Result<Vec<Resource>, Error> {
        let mut patches = Vec::new();
        for written in entries {
            let documents = match inline(written, &self.place.file) {
                Some(documents) => documents,
                None => self.documents(written)?,
            };
            patches.extend(manifests(documents)?);
        }
        if !more.is_empty() {
            patches.extend(manifests(Documents::read(more, &self.place.file)?)?);
        }
        if patches.is_empty() {
            let text = "the strategic merge patches are empty";
            return Err(Error::new(Code::PatchInvalid, text).at(self.place.clone()));
        }
        Ok(patches)
    }

    /// Replacements, each in a file or written in place.
    pub fn replacements(&self, fields: Vec<ReplacementField>) -> Result<Vec<Replacement>, Error> {
        let mut replacements = Vec::new();
        for field in fields {
            match field {
                ReplacementField::Inline(replacement) => replacements.push(*replacement),
                ReplacementField::Path(written) => {
                    let path = (self.find)(&written)?;
                    let place = Place { file: path.clone(), line: 0 };
                    source::text(self.opened, &path)?;
                    for (tree, _) in self.documents(&written)?.into_inner() {
                        let trees = match tree {
                            Tree::List(list) => list,
                            other @ (Tree::Map(_) | Tree::Leaf(_)) => vec![other],
                        };
                        for tree in trees {
                            replacements.push(entry::replacement(Form::new("replacement", tree, &place)?.lenient())?);
                        }
                    }
                }
            }
        }
        Ok(replacements)
    }
}

fn manifests(documents: Documents) -> Result<Vec<Resource>, Error> {
    let patches = documents.into_inner().into_iter().map(|(tree, place)| Resource::checked(tree, place));
    patches.collect::<Result<_, _>>().map_err(|error: Error| error.with_code(Code::PatchInvalid))
}

/// The steps of a kustomization, in the order in which kustomize takes them.
pub fn of_kustomization<O: Origin>(
    kustomization: Kustomization,
    config: &Config,
    read: &Reader<'_, O>,
    trail: &Trail,
) -> Result<Vec<Step>, Error> {
    let mut steps = Noting { steps: Vec::new(), trail, name: read.place.file.name().to_owned() };
    if !kustomization.patches_strategic_merge.is_empty() {
        let patches = read.strategic(&kustomization.patches_strategic_merge, "")?;
        steps.add("PatchStrategicMergeTransformer", Step::Strategic(patches));
    }
    for entry in kustomization.patches {
        let patches = read.patches(&entry)?;
        steps.add("PatchTransformer", Step::Patch(entry, patches));
    }
    if !kustomization.namespace.is_empty() {
        let step = Step::Namespace(kustomization.namespace, config.namespace.clone(), false, Subjects::Default);
        steps.add("NamespaceTransformer", step);
    }
    if !kustomization.name_prefix.is_empty() {
        steps.add("PrefixTransformer", Step::Prefix(kustomization.name_prefix, config.name_prefix.clone()));
    }
    if !kustomization.name_suffix.is_empty() {
        steps.add("SuffixTransformer", Step::Suffix(kustomization.name_suffix, config.name_suffix.clone()));
    }
    let any_labels = !(kustomization.labels.is_empty() && kustomization.common_labels.is_empty());
    for label in kustomization.labels {
        let step = labels(label, config)?;
        if let Step::Labels(_, specs) = &step {
            read.budget.specs(specs)?;
        }
        steps.add("LabelTransformer", step);
    }
    if any_labels {
        steps.add("LabelTransformer", Step::Labels(kustomization.common_labels, config.common_labels.clone()));
    }
    if !kustomization.common_annotations.is_empty() {
        let step = Step::Annotations(kustomization.common_annotations, config.common_annotations.clone());
        steps.add("AnnotationsTransformer", step);
    }
    for entry in kustomization.patches_json6902 {
        steps.add("PatchJson6902Transformer", read.json6902(entry)?);
    }
    for replica in kustomization.replicas {
        read.budget.specs(&config.replicas)?;
        steps.add("ReplicaCountTransformer", Step::Replicas(replica, config.replicas.clone()));
    }
    for image in kustomization.images {
        read.budget.specs(&config.images)?;
        steps.add("ImageTagTransformer", Step::Image(image, config.images.clone()));
    }
    if !kustomization.replacements.is_empty() {
        let replacements = read.replacements(kustomization.replacements)?;
        steps.add("ReplacementTransformer", Step::Replacements(replacements));
    }
    Ok(steps.steps)
}

/// Steps, each followed by the note that it was done, where such notes are wanted.
struct Noting<'a> {
    steps: Vec<Step>,
    trail: &'a Trail,
    name: String,
}

impl Noting<'_> {
    fn add(&mut self, kind: &str, step: Step) {
        self.steps.push(step);
        self.steps.extend(self.trail.field(&self.name, kind).map(Step::Noted));
    }
}

fn labels(label: Label, config: &Config) -> Result<Step, Error> {
    let mut specs = label.specs;
    merge_specs(&mut specs, &config.labels)?;
    if label.include_selectors {
        merge_specs(&mut specs, &config.common_labels)?;
    } else {
        if label.include_templates {
            merge_specs(&mut specs, &config.template_labels)?;
        }
        if label.include_claims {
            merge_specs(&mut specs, &config.claim_labels)?;
        }
        merge_specs(&mut specs, &[FieldSpec::everywhere("metadata/labels")])?;
    }
    Ok(Step::Labels(label.pairs, specs))
}
