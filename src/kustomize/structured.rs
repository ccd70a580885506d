//! JSON and YAML inside a text: a replacement may go on into it.

use crate::model::yaml::{self, Limits};
use crate::model::{Map, Node, Scalar, show, wire};
use crate::secret::Secret;

use super::bounds::Budget;
use super::error::{Code, Error};
use super::path::{self, Kind, Part};
use super::tree::{Leaf, Tag, Tree};

/// How many steps of `path` lead to a text that is not at its end, and holds JSON or YAML.
///
/// # Errors
/// Where looking costs too much.
pub fn scalar_on_the_way(body: &Tree, path: &[Part], budget: &Budget) -> Result<Option<usize>, Error> {
    for length in 1..path.len() {
        match path::find(body, &path[..length], budget) {
            Ok(Some(Tree::Leaf(Leaf::Open { text, tag: Tag::Text | Tag::Quoted }))) => {
                budget.look(READING, text.len())?;
                if parse(text).is_some_and(|tree| matches!(tree, Tree::Map(_) | Tree::List(_))) {
                    return Ok(Some(length));
                }
            }
            Err(error) if error.code() == Code::Limit => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(None)
}

/// Looks for each byte of a text that is taken apart and put together again, as often as that is done here.
const READING: usize = 8;

/// Changes what `inner` names inside the text at `outer`.
pub fn put(
    body: &mut Tree,
    (outer, inner): (&[Part], &[Part]),
    create: Option<Kind>,
    budget: &Budget,
    set: &mut dyn FnMut(&mut Tree) -> Result<(), Error>,
) -> Result<(), Error> {
    let refuse = |text: &str| Error::new(Code::ReplacementError, text);
    let mut found = 0;
    path::visit(body, outer, None, budget, &mut |leaf| {
        let Some((text, mut tree)) = leaf.as_text().and_then(|text| Some((text.to_owned(), parse(text)?))) else {
            return Ok(());
        };
        budget.tree(&tree)?;
        found += path::visit(&mut tree, inner, create, budget, set)?;
        let node = tree.into_node().ok_or_else(|| refuse("a text was put where a number or a boolean stood"))?;
        *leaf =
            Tree::Leaf(write(&node, &text).ok_or_else(|| {
                refuse("a sealed value can be put into a text that is JSON, not into one that is YAML")
            })?);
        Ok(())
    })?;
    if found == 0 { Err(refuse("there is no such field inside the text")) } else { Ok(()) }
}

/// The one document of YAML, or of JSON, that `text` is.
pub fn parse(text: &str) -> Option<Tree> {
    let mut documents = yaml::parse(text, Limits::MANIFEST).ok()?;
    if documents.len() != 1 {
        return None;
    }
    Tree::from_raw(documents.remove(0).root).ok()
}

/// The text again, in the notation it had: JSON stays JSON, on one line or on many.
fn write(node: &Node, original: &str) -> Option<Leaf> {
    let json = original.trim_start().starts_with(['{', '[']);
    let sealed = holds_sealed(node);
    if !json {
        let text = || show::yaml(node).trim().to_owned();
        return (!sealed).then(|| Leaf::Open { text: text(), tag: Tag::Text });
    }
    let node = sorted(node);
    if sealed {
        return Some(Leaf::Sealed(Secret::new(wire::json(&node).to_vec()).hiding(node.hidden())));
    }
    let text =
        if original.contains('\n') && original.contains("  ") { show::json_lines(&node) } else { show::json(&node) };
    Some(Leaf::Open { text, tag: Tag::Text })
}

fn holds_sealed(node: &Node) -> bool {
    match node {
        Node::Scalar(Scalar::Sealed(_)) => true,
        Node::Scalar(Scalar::Open(_)) => false,
        Node::List(list) => list.iter().any(holds_sealed),
        Node::Map(map) => map.iter().any(|(_, node)| holds_sealed(node)),
    }
}

/// With keys in order, as Go writes JSON.
fn sorted(node: &Node) -> Node {
    match node {
        Node::Scalar(scalar) => Node::Scalar(scalar.share()),
        Node::List(list) => Node::List(list.iter().map(sorted).collect()),
        Node::Map(map) => {
            let mut entries: Vec<(String, Node)> =
                map.iter().map(|(key, node)| (key.to_owned(), sorted(node))).collect();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            Node::Map(entries.into_iter().collect::<Map>())
        }
    }
}
