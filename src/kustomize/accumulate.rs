//! Layer upon layer: resources, generators, components, transformers, validators, variables.

use std::sync::Arc;

use crate::model::{Node, Place, RepoPath, yaml};
use crate::sops::Opened;
use crate::trust::Origin;

use super::accumulator::Accumulator;
use super::bounds::Budget;
use super::configure;
use super::error::{Code, Error};
use super::fields::Config;
use super::file::Kustomization;
use super::generate::{Inputs, Product, generate};
use super::layout::{Folder, Target, inline};
use super::options::Options;
use super::origin::{Source, Trail};
use super::plugin::{self, Role};
use super::resource::Resource;
use super::schema::{Builtin, Schema, is_builtin};
use super::source::{self, Documents};
use super::step::{self, Step};
use super::tree::Tree;

/// One render.
pub struct Session<'a, O: Origin> {
    /// The closed set of files.
    pub opened: &'a Opened<O>,
    /// How.
    pub options: &'a Options,
    /// How lists merge; set by the first kustomization that names a schema.
    schema: Arc<Schema>,
    schema_is_set: bool,
    builtin: Builtin,
    visits: usize,
    /// What may still be read and copied.
    pub budget: Budget,
    trail: Trail,
}

/// Kustomizations in one render. A base that is used in several places counts each time.
const VISITS: usize = 4_000;

impl<'a, O: Origin> Session<'a, O> {
    /// A render of the files in `opened`.
    pub fn new(opened: &'a Opened<O>, options: &'a Options) -> Self {
        Self {
            opened,
            options,
            schema: Schema::builtin(),
            schema_is_set: false,
            builtin: Builtin::Unused,
            visits: 0,
            budget: Budget::of(opened),
            trail: Trail::default(),
        }
    }

    /// Notes on every object where it comes from and what changes it, if `wanted` says anything.
    #[must_use]
    pub fn noting(mut self, wanted: &[String]) -> Self {
        self.trail = Trail::start(wanted);
        self
    }

    /// Whether there is a file.
    pub fn is_file(&self, path: &RepoPath) -> bool {
        self.opened.file(path).is_some()
    }

    /// Whether anything is below a path.
    pub fn is_folder(&self, path: &RepoPath) -> bool {
        self.opened.paths().any(|file| file != path && file.is_within(path))
    }

    /// Reads the kustomization of a folder.
    pub fn read(&self, path: &RepoPath) -> Result<Kustomization, Error> {
        let is_file = |path: &RepoPath| self.is_file(path);
        let folder = Folder { path, is_file: &is_file, options: self.options };
        let file = folder.kustomization()?.ok_or_else(|| folder.without())?;
        let text = source::text(self.opened, &file)?;
        self.budget.kustomization(text.len())?;
        Kustomization::read(text, &file)
    }

    /// Adds what `kustomization`, in folder `path`, makes.
    pub fn accumulate(
        &mut self,
        path: &RepoPath,
        mut kustomization: Kustomization,
        mut into: Accumulator,
    ) -> Result<Accumulator, Error> {
        self.visits += 1;
        if self.visits > VISITS {
            let text = format!("more than {VISITS} kustomizations in one render");
            return Err(Error::new(Code::Limit, text).at(Place { file: path.clone(), line: 0 }));
        }
        self.take_schema(path, &kustomization)?;
        for written in &kustomization.resources {
            self.add_resource(path, written, &mut into)?;
        }
        let mut config = Arc::clone(Config::builtin());
        for written in &kustomization.configurations {
            let documents = self.instructions(path, written)?;
            Arc::make_mut(&mut config).merge(&configure::configuration(documents)?)?;
        }
        into.add_config(&config)?;
        for written in &kustomization.crds {
            let documents = self.instructions(path, written)?;
            Arc::make_mut(&mut into.config).merge(&configure::definitions(documents)?)?;
        }
        self.generate(path, &kustomization, &mut into)?;
        for written in &kustomization.components {
            into = self.add_component(path, written, into)?;
        }
        let transformers = std::mem::take(&mut kustomization.transformers);
        let validators = std::mem::take(&mut kustomization.validators);
        let vars = std::mem::take(&mut kustomization.vars);
        let name = kustomization.name().to_owned();
        let steps = self.steps(path, kustomization, &into.config)?;
        self.run(steps, &mut into)?;
        let steps = self.plugins(path, &name, &transformers, Role::Transformer)?;
        self.run(steps, &mut into)?;
        // A validator of the built-in kinds changes objects, or does nothing; either way there is nothing to learn.
        self.plugins(path, &name, &validators, Role::Validator)?;
        into.add_vars(&vars, &self.budget)?;
        Ok(into)
    }

    fn run(&mut self, steps: Vec<Step>, into: &mut Accumulator) -> Result<(), Error> {
        into.forget();
        steps.into_iter().try_for_each(|step| {
            if step.walks_schema() {
                self.builtin = Builtin::Walked;
            }
            step.run(&mut into.resources, &self.schema, &self.budget)
        })
    }

    /// A file that a kustomization in `folder` names.
    pub fn find(&self, folder: &RepoPath, written: &str) -> Result<RepoPath, Error> {
        let is_file = |path: &RepoPath| self.is_file(path);
        Folder { path: folder, is_file: &is_file, options: self.options }.file(written)
    }

    /// The documents of a file that says how to render: sealed, it would say nothing, and nobody would notice.
    fn instructions(&self, folder: &RepoPath, written: &str) -> Result<Documents, Error> {
        let file = self.find(folder, written)?;
        source::text(self.opened, &file)?;
        Documents::open(self.opened, &file, &self.budget)
    }

    fn target(&self, folder: &RepoPath, written: &str) -> Result<Target, Error> {
        let is_file = |path: &RepoPath| self.is_file(path);
        Folder { path: folder, is_file: &is_file, options: self.options }.target(written, &|path| self.is_folder(path))
    }

    fn add_resource(&mut self, folder: &RepoPath, written: &str, into: &mut Accumulator) -> Result<(), Error> {
        match self.target(folder, written)? {
            Target::File(file) => {
                let mut resources = objects(Documents::open(self.opened, &file, &self.budget)?)?;
                resources.iter().try_for_each(|resource| self.budget.object(resource))?;
                if self.builtin == Builtin::Unused && resources.iter().any(|resource| !is_builtin(&resource.gvk())) {
                    self.builtin = Builtin::Asked;
                }
                self.trail.note_file(written, &mut resources);
                into.append(resources)
            }
            Target::Folder(path) => {
                let kustomization = self.read(&path)?;
                if kustomization.component {
                    let text = "a Component cannot be in `resources`; name it in `components`";
                    return Err(mismatch(&path, text));
                }
                let base =
                    self.deeper(written, |session| session.accumulate(&path, kustomization, Accumulator::default()))?;
                into.absorb_base(base, &self.budget)
            }
        }
    }

    fn add_component(&mut self, folder: &RepoPath, written: &str, into: Accumulator) -> Result<Accumulator, Error> {
        let Target::Folder(path) = self.target(folder, written)? else {
            return Err(mismatch(folder, "an entry of `components` must be a folder"));
        };
        let kustomization = self.read(&path)?;
        if !kustomization.component {
            let text = "an entry of `components` must be of kind Component; a Kustomization belongs in `resources`";
            return Err(mismatch(&path, text));
        }
        let done = self.deeper(written, |session| session.accumulate(&path, kustomization, into))?;
        // kustomize puts all of it anew onto nothing: what is called like something else by now is refused, and special
        // fields of `configurations` drop the general ones.
        let mut anew = Accumulator::default();
        anew.absorb_base(done, &self.budget)?;
        Ok(anew)
    }

    /// Does something with the trail one entry further.
    fn deeper<T>(&mut self, written: &str, does: impl FnOnce(&mut Self) -> T) -> T {
        let further = self.trail.further(written);
        let here = std::mem::replace(&mut self.trail, further);
        let done = does(self);
        self.trail = here;
        done
    }

    fn generate(
        &mut self,
        folder: &RepoPath,
        kustomization: &Kustomization,
        into: &mut Accumulator,
    ) -> Result<(), Error> {
        let place = kustomization.place.clone().unwrap_or(Place { file: folder.clone(), line: 0 });
        let global = kustomization.generator_options.as_ref();
        let find = |written: &str| self.find(folder, written);
        let inputs = Inputs { opened: self.opened, find: &find, place: &place, budget: &self.budget };
        let products = [(Product::ConfigMap, &kustomization.config_maps), (Product::Secret, &kustomization.secrets)];
        for (product, generators) in products {
            let source = self.trail.field(kustomization.name(), product.generator());
            for generator in generators {
                let mut generated = generate(product, generator, global, &inputs)?;
                if let Some(source) = &source {
                    source.note_generated(&mut generated);
                }
                into.absorb(generated, &self.budget)?;
            }
        }
        for step in self.plugins(folder, kustomization.name(), &kustomization.generators, Role::Generator)? {
            step.generated().into_iter().try_for_each(|generated| into.absorb(generated, &self.budget))?;
        }
        Ok(())
    }

    fn steps(&self, folder: &RepoPath, kustomization: Kustomization, config: &Config) -> Result<Vec<Step>, Error> {
        let read = step::Reader {
            opened: self.opened,
            find: &|written: &str| self.find(folder, written),
            place: kustomization.place.clone().unwrap_or(Place { file: folder.clone(), line: 0 }),
            budget: &self.budget,
        };
        step::of_kustomization(kustomization, config, &read, &self.trail)
    }

    /// The steps that configurations of generators, transformers or validators describe.
    ///
    /// `name` is that of the kustomization file they are named in.
    fn plugins(&mut self, folder: &RepoPath, name: &str, entries: &[String], role: Role) -> Result<Vec<Step>, Error> {
        let mut configurations = Accumulator::default();
        let mut paths = Vec::new();
        for written in entries {
            match inline(written, folder) {
                Some(documents) => {
                    let mut resources = objects(documents)?;
                    self.trail.note_file(name, &mut resources);
                    configurations.append(resources)?;
                }
                None => paths.push(written),
            }
        }
        for written in paths {
            self.add_resource(folder, written, &mut configurations)?;
        }
        let read = step::Reader {
            opened: self.opened,
            find: &|written: &str| self.find(folder, written),
            place: Place { file: folder.clone(), line: 0 },
            budget: &self.budget,
        };
        let mut steps = Vec::new();
        for resource in configurations.resources {
            let source = Source::of(&resource);
            let own = plugin::step(resource, role, &read)?;
            match (source, role) {
                (None, _) | (_, Role::Validator) => steps.extend(own),
                (Some(source), Role::Generator) => steps.extend(own.into_iter().map(|step| step.made_by(&source))),
                (Some(source), Role::Transformer) => {
                    steps.extend(own);
                    steps.push(Step::Noted(source));
                }
            }
        }
        Ok(steps)
    }

    fn take_schema(&mut self, folder: &RepoPath, kustomization: &Kustomization) -> Result<(), Error> {
        let text = |wanted: &str| {
            kustomization.open_api.iter().find(|(name, _)| name == wanted).map(|(_, text)| text.as_str())
        };
        let refuse = |text: &str| Error::new(Code::OpenApi, text).at(Place { file: folder.clone(), line: 0 });
        if self.schema_is_set {
            return Ok(());
        }
        match (text("path"), text("version")) {
            (None, None) => Ok(()),
            (Some(_), Some(_)) => Err(refuse("`openapi` takes either a `path` or a `version`, not both")),
            (None, Some("v1.21.2" | "v1_21_2")) => {
                self.schema_is_set = true;
                Ok(())
            }
            (None, Some(other)) => {
                Err(refuse(&format!("the schema of Kubernetes {other} is not built in; v1.21.2 is")))
            }
            (Some(written), None) => {
                let file = self.find(folder, written)?;
                let text = source::text(self.opened, &file)?;
                let limits = yaml::Limits { duplicates: yaml::Duplicates::Kept, ..yaml::Limits::MANIFEST };
                let place = Place { file: file.clone(), line: 0 };
                let documents = yaml::read(text, limits).map_err(|error| Error::yaml(place, &error))?;
                let document = documents.into_iter().next().map_or_else(Node::null, |(node, _)| node);
                self.schema = Schema::from_document(&document, &file, self.builtin)?;
                self.schema_is_set = true;
                Ok(())
            }
        }
    }
}

fn mismatch(path: &RepoPath, text: &str) -> Error {
    Error::new(Code::ComponentKindMismatch, text).at(Place { file: path.clone(), line: 0 })
}

/// The objects of a file; lists are opened.
pub fn objects(documents: Documents) -> Result<Vec<Resource>, Error> {
    let mut queue: std::collections::VecDeque<(Tree, Place)> = documents.into_inner().into();
    let single = queue.len() == 1;
    let mut resources = Vec::new();
    let mut opened_list = false;
    while let Some((tree, place)) = queue.pop_front() {
        let mut resource = Resource::checked(tree, place)?;
        resource.take_former_names();
        let is_list = resource.kind().ends_with("List") && resource.body.get("items").is_some();
        if !is_list {
            resources.push(resource);
            continue;
        }
        let place = resource.place.clone();
        let Tree::Map(mut body) = resource.body else { continue };
        match body.remove("items") {
            Some(Tree::List(items)) => {
                // The only document's items keep their place and their notation; those of a list among others go to the
                // end, and kustomize takes them apart as JSON: `0o7` is 7 from there on.
                let is_alone = single && !opened_list;
                opened_list = true;
                for item in items.into_iter().filter(|item| !item.is_empty()) {
                    let item = if is_alone { Some(item) } else { item.into_node().map(Tree::from_node) };
                    let text = "an item holds a value that JSON does not have";
                    let item = item.ok_or_else(|| Error::new(Code::UnserializableValue, text).at(place.clone()))?;
                    queue.push_back((item, place.clone()));
                }
            }
            Some(items) if items.is_null() => {}
            Some(_) | None => {
                return Err(Error::new(Code::FieldKindMismatch, "`items` must be a list").at(place));
            }
        }
    }
    Ok(resources)
}
