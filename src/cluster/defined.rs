//! Kinds that the objects to be applied define themselves.

use crate::model::{Map, Node};

/// A kind as a CustomResourceDefinition defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Defined {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) plural: String,
    pub(super) namespaced: bool,
}

/// The kinds that `body`, if it is a CustomResourceDefinition, will make the API server serve.
pub(super) fn defined(group: &str, kind: &str, body: &Map) -> Vec<Defined> {
    if (group, kind) != ("apiextensions.k8s.io", "CustomResourceDefinition") {
        return Vec::new();
    }
    read(body).unwrap_or_default()
}

/// `None` where something is missing; the API server then refuses the definition and says what.
fn read(body: &Map) -> Option<Vec<Defined>> {
    let spec = body.get("spec")?;
    let text = |path: &[&str]| spec.at(path).and_then(Node::as_text).map(str::to_owned);
    let (group, kind, plural) = (text(&["group"])?, text(&["names", "kind"])?, text(&["names", "plural"])?);
    let namespaced = text(&["scope"])? == "Namespaced";
    let versions = spec.at(&["versions"])?.as_list()?.iter().filter_map(|version| {
        let is_served = version.at(&["served"]).is_none_or(|served| !is_false(served));
        version.at(&["name"])?.as_text().filter(|_| is_served).map(str::to_owned)
    });
    let make =
        |version| Defined { group: group.clone(), version, kind: kind.clone(), plural: plural.clone(), namespaced };
    Some(versions.map(make).collect())
}

fn is_false(node: &Node) -> bool {
    use crate::model::{Scalar, Value};
    matches!(node, Node::Scalar(Scalar::Open(Value::Bool(false))))
}
