//! Manifests for unit tests of this stage and those after it.

use crate::model::{Map, Node, Number, Object, Place, RepoPath, Scalar, Value};
use crate::secret::Secret;

/// A manifest; the text `SEALED` becomes a sealed leaf.
fn node(value: &serde_json::Value) -> Node {
    match value {
        serde_json::Value::Null => Node::null(),
        serde_json::Value::Bool(truth) => Node::Scalar(Scalar::Open(Value::Bool(*truth))),
        serde_json::Value::Number(number) => {
            Node::Scalar(Scalar::Open(Value::Number(Number::Int(number.as_i64().unwrap()))))
        }
        serde_json::Value::String(text) if text == "SEALED" => Node::Scalar(Scalar::Sealed(Secret::new(b"x".to_vec()))),
        serde_json::Value::String(text) => Node::text(text.clone()),
        serde_json::Value::Array(list) => Node::List(list.iter().map(node).collect()),
        serde_json::Value::Object(map) => {
            let mut made = Map::new();
            for (key, value) in map {
                made.insert(key.clone(), node(value));
            }
            Node::Map(made)
        }
    }
}

/// It stands at `apps/a.yaml:3`.
pub(crate) fn object(value: &serde_json::Value) -> Object {
    let Node::Map(body) = node(value) else { panic!("a mapping") };
    Object::new(body, Place { file: RepoPath::parse("apps/a.yaml").unwrap(), line: 3 }).unwrap()
}
