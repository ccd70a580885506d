//! Configurations of the built-in generators and transformers; everything that runs a program is refused.

use super::bounds::Budget;
use super::entry::{self, FieldSpec, Patch, Replica};
use super::error::{Code, Error};
use super::fields::{self, Create, not_scalar};
use super::form::Form;
use super::generate::{Product, file_source, generate};
use super::resource::Resource;
use super::select::Gvk;
use super::source::Documents;
use super::step::{Reader, Step, ValueTarget};
use super::transform::{Namespacing, Subjects, set_namespace};
use super::tree::{Fields, Tag, Tree};
use crate::trust::Origin;

/// Where a configuration is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// In `generators`.
    Generator,
    /// In `transformers`.
    Transformer,
    /// In `validators`.
    Validator,
}

/// Files that configurations name.
pub fn named_files(documents: &Documents) -> Vec<String> {
    let mut files = Vec::new();
    for tree in documents.trees() {
        let kind = tree.get("kind").and_then(Tree::as_text).unwrap_or_default();
        let texts = |name: &str| {
            let list = tree.get(name).and_then(Tree::as_list).unwrap_or_default();
            list.iter().filter_map(Tree::as_text).map(str::to_owned).collect::<Vec<_>>()
        };
        let text = |wanted: &str| {
            let fields = tree.as_map()?;
            let found = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.and_then(|(_, value)| value.as_text()).map(str::to_owned)
        };
        // A configuration that gives the same thing twice is refused later, for that reason.
        let twice = ["patch", "jsonOp"].iter().any(|name| text(name).is_some_and(|text| !text.is_empty()));
        match kind {
            "ConfigMapGenerator" | "SecretGenerator" => {
                files.extend(texts("envs"));
                files.extend(text("env").filter(|path| !path.is_empty()));
                files.extend(
                    texts("files").iter().filter_map(|entry| file_source(entry)).map(|(_, path)| path.to_owned()),
                );
            }
            "PatchTransformer" | "PatchJson6902Transformer" => {
                files.extend(text("path").filter(|path| !path.is_empty() && !twice));
            }
            "PatchStrategicMergeTransformer" => {
                let path = crate::model::RepoPath::root();
                files.extend(texts("paths").into_iter().filter(|text| super::layout::inline(text, &path).is_none()));
            }
            "ReplacementTransformer" => {
                let list = tree.get("replacements").and_then(Tree::as_list).unwrap_or_default();
                files.extend(list.iter().filter_map(|entry| entry.get("path")?.as_text()).map(str::to_owned));
            }
            "ValueAddTransformer" => files.extend(text("targetFilePath").filter(|path| !path.is_empty())),
            _ => {}
        }
    }
    files
}

/// The steps of one configuration.
pub fn step<O: Origin>(resource: Resource, role: Role, read: &Reader<'_, O>) -> Result<Vec<Step>, Error> {
    let (place, id) = (resource.place.clone(), resource.id());
    steps(resource, role, read).map_err(|error| error.at(place).of(id))
}

fn steps<O: Origin>(resource: Resource, role: Role, read: &Reader<'_, O>) -> Result<Vec<Step>, Error> {
    if resource.api_version() != "builtin" {
        let text = "this runs a program or a container, which is not done here; render it and commit the result";
        return Err(Error::new(Code::PluginDisabled, text));
    }
    let kind = resource.kind().to_owned();
    let mut form = Form::new(kind.clone(), resource.body, &resource.place)?.lenient();
    let (name, namespace) = match form.form("metadata")? {
        Some(mut metadata) => (metadata.text_or_empty("name")?, metadata.text_or_empty("namespace")?),
        None => (String::new(), String::new()),
    };
    for field in ["apiVersion", "kind"] {
        form.any(field);
    }
    let generates = matches!(kind.as_str(), "ConfigMapGenerator" | "SecretGenerator" | "IAMPolicyGenerator");
    if generates != (role == Role::Generator) {
        return Err(Error::new(Code::PluginLoadFailed, format!("a {kind} cannot be used here")));
    }
    match kind.as_str() {
        "ConfigMapGenerator" => generated(Product::ConfigMap, form, name, namespace, read),
        "SecretGenerator" => generated(Product::Secret, form, name, namespace, read),
        "IAMPolicyGenerator" => policy(form),
        "AnnotationsTransformer" => {
            let pairs = form.pairs("annotations")?.unwrap_or_default();
            Ok(vec![Step::Annotations(pairs, specs(&mut form)?)])
        }
        "LabelTransformer" => {
            let pairs = form.pairs("labels")?.unwrap_or_default();
            Ok(vec![Step::Labels(pairs, specs(&mut form)?)])
        }
        "NamespaceTransformer" => {
            let subjects = match form.text_or_empty("setRoleBindingSubjects")?.as_str() {
                "" | "defaultOnly" => Subjects::Default,
                "allServiceAccounts" => Subjects::ServiceAccounts,
                "none" => Subjects::Nobody,
                other => {
                    let text =
                        format!("setRoleBindingSubjects must be defaultOnly, allServiceAccounts or none, not {other}");
                    return Err(form.refuse(Code::UnknownOrBadField, text));
                }
            };
            let unset_only = form.truth("unsetOnly")?;
            if namespace.is_empty() {
                return Ok(Vec::new());
            }
            Ok(vec![Step::Namespace(namespace, specs(&mut form)?, unset_only, subjects)])
        }
        "PrefixTransformer" => Ok(vec![Step::Prefix(form.text_or_empty("prefix")?, specs(&mut form)?)]),
        "SuffixTransformer" => Ok(vec![Step::Suffix(form.text_or_empty("suffix")?, specs(&mut form)?)]),
        "PrefixSuffixTransformer" => {
            let (prefix, suffix) = (form.text_or_empty("prefix")?, form.text_or_empty("suffix")?);
            let specs = specs(&mut form)?;
            Ok(vec![Step::Prefix(prefix, specs.clone()), Step::Suffix(suffix, specs)])
        }
        "ImageTagTransformer" => {
            let image = form.form("imageTag")?.map(entry::image).transpose()?;
            let specs = specs(&mut form)?;
            Ok(image.map(|image| Step::Image(image, specs)).into_iter().collect())
        }
        "ReplicaCountTransformer" => {
            let replica = form.form("replica")?.map(entry::replica).transpose()?;
            let replica = replica.unwrap_or(Replica { name: String::new(), count: 0 });
            Ok(vec![Step::Replicas(replica, specs(&mut form)?)])
        }
        "PatchTransformer" => {
            let entry = entry::patch(form)?;
            let patches = read.patches(&entry)?;
            Ok(vec![Step::Patch(entry, patches)])
        }
        "PatchJson6902Transformer" => json_patch(form, read),
        "PatchStrategicMergeTransformer" => {
            let (paths, patches) = (form.texts("paths")?, form.text_or_empty("patches")?);
            Ok(vec![Step::Strategic(read.strategic(&paths, &patches)?)])
        }
        "ReplacementTransformer" => {
            let replacements = form.each("replacements", entry::replacement_field)?;
            Ok(vec![Step::Replacements(read.replacements(replacements)?)])
        }
        "ValueAddTransformer" => value(form, read),
        "HashTransformer" => Ok(vec![Step::Hashes]),
        "HelmChartInflationGenerator" => {
            let text = "this runs Helm, which is not done here; render the chart and commit the result";
            Err(form.refuse(Code::PluginDisabled, text))
        }
        _ => Err(form.refuse(Code::PluginLoadFailed, "there is no such built-in generator or transformer")),
    }
}

fn specs(form: &mut Form) -> Result<Vec<FieldSpec>, Error> {
    form.each("fieldSpecs", entry::field_spec)
}

fn generated<O: Origin>(
    product: Product,
    form: Form,
    name: String,
    namespace: String,
    read: &Reader<'_, O>,
) -> Result<Vec<Step>, Error> {
    let mut generator = entry::generator(form)?;
    if generator.name.is_empty() {
        generator.name = name;
    }
    if generator.namespace.is_empty() {
        generator.namespace = namespace;
    }
    let resource = generate(product, &generator, None, &read.inputs())?;
    Ok(vec![Step::Generated(vec![resource])])
}

/// A service account for Google's workload identity.
fn policy(mut form: Form) -> Result<Vec<Step>, Error> {
    let cloud = form.text_or_empty("cloud")?;
    if cloud != "gke" {
        return Err(form.refuse(Code::UnknownOrBadField, format!("`cloud` must be gke, not {cloud:?}")));
    }
    let mut read = |name: &str, fields: [&str; 2]| -> Result<(String, String), Error> {
        let Some(mut inner) = form.form(name)? else { return Ok((String::new(), String::new())) };
        Ok((inner.text_or_empty(fields[0])?, inner.text_or_empty(fields[1])?))
    };
    let (name, namespace) = read("kubernetesService", ["name", "namespace"])?;
    let (account, project) = read("serviceAccount", ["name", "projectId"])?;
    let mut body = Fields::default();
    body.set("apiVersion", Tree::text("v1"));
    body.set("kind", Tree::text("ServiceAccount"));
    let mut resource = Resource::new(Tree::Map(body), form.place().clone());
    resource.set_identity(&name, &namespace);
    let text = format!("{account}@{project}.iam.gserviceaccount.com");
    resource.set_meta("annotations", "iam.gke.io/gcp-service-account", &text);
    Ok(vec![Step::Generated(vec![resource])])
}

fn json_patch<O: Origin>(mut form: Form, read: &Reader<'_, O>) -> Result<Vec<Step>, Error> {
    let entry = Patch {
        target: form.form("target")?.map(entry::selector).transpose()?,
        path: form.text_or_empty("path")?,
        text: form.text_or_empty("jsonOp")?,
        allow_name_change: false,
        allow_kind_change: false,
    };
    Ok(vec![read.json6902(entry)?])
}

fn value<O: Origin>(mut form: Form, read: &Reader<'_, O>) -> Result<Vec<Step>, Error> {
    let mut value = form.text_or_empty("value")?.trim().to_owned();
    if value.is_empty() {
        read.place.file.name().clone_into(&mut value);
    }
    let mut targets = form.each("targets", value_target)?;
    let more = form.text_or_empty("targetFilePath")?;
    if !more.is_empty() {
        for (tree, place) in read.documents(&more)?.into_inner() {
            targets.extend(Form::new("targets", tree, &place)?.lenient().each("targets", value_target)?);
        }
    }
    if targets.is_empty() {
        return Err(form.refuse(Code::UnknownOrBadField, "there must be one target at least"));
    }
    Ok(vec![Step::Value(value, targets)])
}

fn value_target(mut form: Form) -> Result<ValueTarget, Error> {
    let position = form.integer("filePathPosition")?.unwrap_or(0);
    let position = usize::try_from(position);
    let position = position.map_err(|_| form.refuse(Code::UnknownOrBadField, "`filePathPosition` is negative"))?;
    let target = ValueTarget {
        selector: form.form("selector")?.map(entry::selector).transpose()?,
        path: form.text_or_empty("fieldPath")?,
        position,
    };
    if target.path.is_empty() {
        return Err(form.refuse(Code::UnknownOrBadField, "`fieldPath` must not be empty"));
    }
    form.done()?;
    Ok(target)
}

/// Puts a value at a path of some objects, or into one part of the file path that stands there.
pub fn add_value(
    value: &str,
    targets: &[ValueTarget],
    resources: &mut [Resource],
    budget: &Budget,
) -> Result<(), Error> {
    for target in targets {
        for resource in resources.iter_mut() {
            if target.selector.as_ref().is_some_and(|selector| !resource.is_selected(selector)) {
                continue;
            }
            if target.path == "metadata/namespace" {
                let subjects = Subjects::Default;
                let how = Namespacing { namespace: value, specs: &[], unset_only: false, budget, subjects };
                set_namespace(&how, std::slice::from_mut(resource))?;
                continue;
            }
            let spec = FieldSpec { gvk: Gvk::default(), path: target.path.clone(), create: true };
            let gvk = resource.gvk();
            spec.visit(&gvk, &mut resource.body, Create::Scalar(Tag::Text), budget, &mut |tree| {
                let Some(old) = tree.as_text() else { return Err(not_scalar(tree)) };
                let new = match target.position.checked_sub(1) {
                    None => value.to_owned(),
                    Some(at) => with_part(old, at, value),
                };
                fields::set_scalar(tree, &new, budget)
            })?;
        }
    }
    Ok(())
}

/// A file path with a part put in at `at`; a leading slash stays.
fn with_part(path: &str, at: usize, part: &str) -> String {
    let (slash, rest) = path.strip_prefix('/').map_or(("", path), |rest| ("/", rest));
    let mut parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    parts.insert(at.min(parts.len()), part);
    format!("{slash}{}", parts.join("/"))
}
