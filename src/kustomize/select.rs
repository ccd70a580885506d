//! Which objects are meant: kinds, identities, selectors.

use regex::{Regex, RegexBuilder};

use super::error::{Code, Error};
use super::schema;

/// Group, version and kind; in a selector, an empty one fits all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Gvk {
    /// Group; empty for the core group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind.
    pub kind: String,
}

impl Gvk {
    /// Group and version of an apiVersion.
    pub fn split(api_version: &str) -> (&str, &str) {
        api_version.split_once('/').unwrap_or(("", api_version))
    }

    /// From apiVersion and kind.
    pub fn new(api_version: &str, kind: &str) -> Self {
        let (group, version) = Self::split(api_version);
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    /// `group/version`, or `version` in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Whether `selector` fits, an empty part of which fits all.
    pub fn is_selected(&self, selector: &Gvk) -> bool {
        let fits = |mine: &str, wanted: &str| wanted.is_empty() || mine == wanted;
        fits(&self.group, &selector.group) && fits(&self.version, &selector.version) && fits(&self.kind, &selector.kind)
    }
}

/// What an object is called, now or formerly.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Id {
    /// Group, version, kind.
    pub gvk: Gvk,
    /// Name.
    pub name: String,
    /// Namespace, as written.
    pub namespace: String,
}

/// The namespace of what has none.
pub const NO_NAMESPACE: &str = "_non_namespaceable_";

impl Id {
    /// Whether the kind is known to have no namespace.
    pub fn is_cluster_scoped(&self) -> bool {
        schema::is_cluster_scoped(&self.gvk)
    }

    /// The namespace with the default filled in; [`NO_NAMESPACE`] for kinds without.
    pub fn effective_namespace(&self) -> &str {
        if self.is_cluster_scoped() {
            NO_NAMESPACE
        } else if self.namespace.is_empty() {
            "default"
        } else {
            &self.namespace
        }
    }

    /// The same, the namespace's default filled in.
    pub fn effective(&self) -> Id {
        Id { gvk: self.gvk.clone(), name: self.name.clone(), namespace: self.effective_namespace().to_owned() }
    }

    /// Whether both name the same object.
    pub fn is_same(&self, other: &Id) -> bool {
        self.name == other.name && self.gvk == other.gvk && self.effective_namespace() == other.effective_namespace()
    }

    /// Whether the wanted parts, where they are not empty, are these.
    pub fn is_selected(&self, gvk: &Gvk, name: &str, namespace: &str) -> bool {
        let effective = if namespace.is_empty() { "default" } else { namespace };
        (name.is_empty() || name == self.name)
            && (namespace.is_empty() || effective == self.effective_namespace())
            && self.gvk.is_selected(gvk)
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Id { gvk, name, namespace } = self;
        if namespace.is_empty() || namespace == NO_NAMESPACE {
            write!(f, "{}/{name}", gvk.kind)
        } else {
            write!(f, "{}/{namespace}/{name}", gvk.kind)
        }
    }
}

/// A selector of patches and replacements: regular expressions, anchored at both ends.
pub struct Selector {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
}

impl Selector {
    /// Compiles the parts; an empty one fits all.
    pub fn new(gvk: &Gvk, name: &str, namespace: &str, labels: &str, annotations: &str) -> Result<Self, Error> {
        Ok(Self {
            group: anchored(&gvk.group)?,
            version: anchored(&gvk.version)?,
            kind: anchored(&gvk.kind)?,
            name: anchored(name)?,
            namespace: anchored(namespace)?,
            labels: requirements(labels)?,
            annotations: requirements(annotations)?,
        })
    }

    /// Whether group, version and kind fit.
    pub fn fits_gvk(&self, gvk: &Gvk) -> bool {
        fits(self.group.as_ref(), &gvk.group)
            && fits(self.version.as_ref(), &gvk.version)
            && fits(self.kind.as_ref(), &gvk.kind)
    }

    /// Whether the name fits.
    pub fn fits_name(&self, name: &str) -> bool {
        fits(self.name.as_ref(), name)
    }

    /// Whether it says anything about the name.
    pub fn has_name(&self) -> bool {
        self.name.is_some()
    }

    /// Whether the namespace fits.
    pub fn fits_namespace(&self, namespace: &str) -> bool {
        fits(self.namespace.as_ref(), namespace)
    }

    /// Whether labels and annotations, looked up by the two functions, fit.
    pub fn fits_metadata<'a>(
        &self,
        label: impl Fn(&str) -> Option<&'a str>,
        annotation: impl Fn(&str) -> Option<&'a str>,
    ) -> bool {
        self.labels.iter().all(|wanted| wanted.holds(label(&wanted.key)))
            && self.annotations.iter().all(|wanted| wanted.holds(annotation(&wanted.key)))
    }

    /// Whether it says anything about labels or annotations.
    pub fn looks_at_metadata(&self) -> bool {
        !(self.labels.is_empty() && self.annotations.is_empty())
    }

    /// Whether it says anything about the identity.
    pub fn looks_at_identity(&self) -> bool {
        [&self.group, &self.version, &self.kind, &self.name, &self.namespace].iter().any(|part| part.is_some())
    }
}

fn fits(part: Option<&Regex>, text: &str) -> bool {
    part.is_none_or(|regex| regex.is_match(text))
}

fn anchored(pattern: &str) -> Result<Option<Regex>, Error> {
    if pattern.is_empty() { Ok(None) } else { regex(&format!("^(?:{pattern})$")).map(Some) }
}

/// Compiles a regular expression of bounded size; matching takes linear time.
pub fn regex(pattern: &str) -> Result<Regex, Error> {
    const LIMIT: usize = 1 << 20;
    RegexBuilder::new(pattern).size_limit(LIMIT).build().map_err(|_| {
        Error::new(Code::UnknownOrBadField, format!("{pattern:?} is not a regular expression, or too large a one"))
    })
}

/// One requirement of a label selector.
struct Requirement {
    key: String,
    test: Test,
}

enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Missing,
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        match &self.test {
            Test::In(values) => value.is_some_and(|value| values.iter().any(|wanted| wanted == value)),
            Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|wanted| wanted != value)),
            Test::Exists => value.is_some(),
            Test::Missing => value.is_none(),
        }
    }
}

/// Reads `a=b, c!=d, e in (x, y), f notin (z), g, !h`.
fn requirements(text: &str) -> Result<Vec<Requirement>, Error> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    let parts = parts.into_iter().map(str::trim);
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    parts.map(requirement).collect()
}

fn requirement(part: &str) -> Result<Requirement, Error> {
    let wrong = || Error::new(Code::UnknownOrBadField, format!("{part:?} is not a requirement of a label selector"));
    let (key, test) = if let Some((key, value)) = part.split_once("!=") {
        (key, Test::NotIn(vec![value.trim().to_owned()]))
    } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        (key, Test::In(vec![value.trim().to_owned()]))
    } else if let Some((key, values)) = part.split_once(" notin ") {
        (key, Test::NotIn(set(values).ok_or_else(wrong)?))
    } else if let Some((key, values)) = part.split_once(" in ") {
        (key, Test::In(set(values).ok_or_else(wrong)?))
    } else if let Some(key) = part.strip_prefix('!') {
        (key, Test::Missing)
    } else {
        (part, Test::Exists)
    };
    let key = key.trim();
    if key.is_empty() || key.contains(|c: char| c.is_whitespace() || "=!(),".contains(c)) {
        return Err(wrong());
    }
    Ok(Requirement { key: key.to_owned(), test })
}

fn set(text: &str) -> Option<Vec<String>> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
    Some(inner.split(',').map(|value| value.trim().to_owned()).collect())
}
