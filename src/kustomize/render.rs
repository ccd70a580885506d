//! From opened files to the ordered list of objects.

use crate::model::{Key, Node, Object, Place, RepoPath};
use crate::sops::{self, Opened};
use crate::trust::Origin;

use super::accumulate::Session;
use super::accumulator::{Accumulator, none_twice};
use super::entry::Sort;
use super::error::{Code, Error, Errors, Found};
use super::file::{Kustomization, NAMES};
use super::gather::plain_folder;
use super::layer::Layer;
use super::options::{Options, Order, PlainFolders};
use super::origin;
use super::references;
use super::resource::Resource;
use super::source;
use super::step::add_hashes;
use super::substitute;
use super::transform::sort_legacy;
use super::written;

/// The objects that a kustomization makes, in order. Holds secrets: neither `Debug` nor `Clone`.
pub struct Rendered<O: Origin> {
    objects: Vec<Object>,
    warnings: Vec<Warning>,
    origin: O,
}

/// Something that renders, and that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// An encrypted file opens, and something about it is weaker than it looks.
    #[error("{file}: {warning}")]
    Encrypted {
        /// The file.
        file: RepoPath,
        /// What.
        warning: sops::Warning,
    },
    /// A field of a kustomization is there twice. kustomize says nothing, and takes the last one.
    #[error("{place}: `{field}` is there already, in line {first}; this one counts. Keep one of them")]
    FieldTwice {
        /// The field.
        field: String,
        /// The line of the first one.
        first: u32,
        /// The one that counts.
        place: Place,
    },
    /// A name is made from a secret so short that the name gives it away.
    #[error(
        "{place}: {object}: the suffix of its name is a hash of its content, and the decrypted values in it are so \
         short that they can be found by trying: use longer values, or set disableNameSuffixHash: true in the options \
         of its generator"
    )]
    TellingName {
        /// The object, by the name it has now.
        object: Key,
        /// Where it is generated.
        place: Place,
    },
}

impl<O: Origin> Rendered<O> {
    /// The objects in order.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// What a person should look at; names places, never values.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Objects and origin, for the next stage.
    pub(crate) fn into_parts(self) -> (Vec<Object>, O) {
        (self.objects, self.origin)
    }
}

/// Renders the kustomization in `path`.
///
/// A function of the files and the options alone.
///
/// # Errors
/// Everything that is wrong; nothing is rendered in part. `empty-render` where nothing comes out: the next stage would
/// take that for a wish to delete everything.
pub fn render<O: Origin>(opened: Opened<O>, path: &RepoPath, options: &Options) -> Result<Rendered<O>, Errors> {
    render_under(&Layer::default(), opened, path, options)
}

/// The same with a layer over it.
///
/// # Errors
/// Those of [`render`], and `substitution` for variables.
pub fn render_under<O: Origin>(
    layer: &Layer,
    opened: Opened<O>,
    path: &RepoPath,
    options: &Options,
) -> Result<Rendered<O>, Errors> {
    let mut warnings = twice(&opened);
    let encrypted =
        |(file, warning): &(RepoPath, sops::Warning)| Warning::Encrypted { file: file.clone(), warning: *warning };
    warnings.extend(opened.warnings().iter().map(encrypted));
    let objects = objects(layer, &opened, path, *options, &mut warnings)?;
    if objects.is_empty() {
        let text = "nothing comes out of this kustomization";
        return Err(Error::new(Code::EmptyRender, text).at(Place { file: path.clone(), line: 0 }).into());
    }
    Ok(Rendered { objects, warnings, origin: opened.into_origin() })
}

/// Fields of kustomizations that are there twice.
fn twice<O: Origin>(opened: &Opened<O>) -> Vec<Warning> {
    let files = opened.paths().filter(|file| NAMES.contains(&file.name()));
    let warnings = files.filter_map(|file| Some((file, source::text(opened, file).ok()?))).flat_map(|(file, text)| {
        written::twice(text).into_iter().map(|(field, first, last)| Warning::FieldTwice {
            field,
            first,
            place: Place { file: file.clone(), line: usize::try_from(last).unwrap_or_default() },
        })
    });
    warnings.collect()
}

fn objects<O: Origin>(
    layer: &Layer,
    opened: &Opened<O>,
    path: &RepoPath,
    options: Options,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Object>, Errors> {
    let session = Session::new(opened, &options);
    let mut kustomization = top(&session, path)?;
    layer.lay_over(&mut kustomization)?;
    let (sort, wanted) = (kustomization.sort.take(), std::mem::take(&mut kustomization.build_metadata));
    let mut session = session.noting(&wanted);
    let Accumulator { mut resources, config, vars, .. } =
        session.accumulate(path, kustomization, Accumulator::default())?;
    add_hashes(&mut resources)?;
    references::fix(&config, &mut resources, &session.budget)?.into_result()?;
    substitute::resolve(&vars, &config, &mut resources, &session.budget)?;
    resources.retain(|resource| !is_local(resource));
    none_twice(&resources)?;
    match (&sort, options.order) {
        (Some(Sort::Fifo), _) | (None, Order::AsWritten) => {}
        (Some(Sort::Legacy(lists)), _) => sort_legacy(lists.as_ref(), &mut resources),
        (None, Order::Legacy) => sort_legacy(None, &mut resources),
    }
    origin::finish(&wanted, &mut resources);
    layer.finish(&mut resources, &session.budget)?;
    let mut errors = Found::default();
    let mut objects = Vec::with_capacity(resources.len());
    for resource in resources {
        let telling = resource.telling;
        match object(resource) {
            Ok(object) => {
                if telling {
                    warnings.push(Warning::TellingName { object: object.key(), place: object.place().clone() });
                }
                objects.push(object);
            }
            Err(error) => errors.push(error),
        }
    }
    errors.into_result()?;
    Ok(objects)
}

/// The kustomization of the folder, or one of every manifest below it.
fn top<O: Origin>(session: &Session<'_, O>, path: &RepoPath) -> Result<Kustomization, Error> {
    let has_file = NAMES.iter().filter_map(|name| path.resolve(name).ok()).any(|file| session.is_file(&file));
    if has_file || session.options.plain_folders == PlainFolders::Refused {
        return session.read(path);
    }
    let below = session.opened.paths().filter(|file| file.is_within(path) && *file != path);
    let (files, folders) = plain_folder(below, path);
    let mut resources: Vec<String> = files.iter().chain(&folders).map(|file| relative(file, path)).collect();
    resources.sort();
    Ok(Kustomization { resources, ..Kustomization::default() })
}

fn relative(file: &RepoPath, folder: &RepoPath) -> String {
    let below = file.as_str().strip_prefix(folder.as_str()).unwrap_or(file.as_str());
    format!("./{}", below.trim_start_matches('/'))
}

/// Whether an object is only for rendering.
fn is_local(resource: &Resource) -> bool {
    resource.annotation("config.kubernetes.io/local-config").is_some_and(|text| text != "false")
}

fn object(resource: Resource) -> Result<Object, Error> {
    let id = resource.id();
    let (node, place) = resource.finish()?;
    let Node::Map(body) = node else {
        return Err(Error::new(Code::MissingKindOrName, "an object must be a mapping").at(place).of(id));
    };
    Object::new(body, place).map_err(|error| {
        let text = format!("`{}` must be a plain non-empty text", error.field);
        Error::new(Code::MissingKindOrName, text).at(error.place).of(id)
    })
}
