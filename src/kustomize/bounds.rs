//! Bounds on what transformers make. Files are bounded where they are read, but a path of a few bytes makes a level for each.

use crate::model::yaml::Limits;

use super::error::{Code, Error};
use super::tree::Tree;

/// Levels of an object, and parts of a path: whatever walks a tree calls itself that often, and a stack has an end.
pub const DEPTH: usize = Limits::MANIFEST.depth;

/// Refuses a path of more parts than an object has levels.
pub fn parts<T>(parts: Vec<T>) -> Result<Vec<T>, Error> {
    if parts.len() > DEPTH {
        return Err(Error::new(Code::Limit, format!("a path of {} parts; at most {DEPTH} are allowed", parts.len())));
    }
    Ok(parts)
}

/// Refuses to put `tree` at the end of a path of `parts` parts where that would be too deep.
pub fn depth(parts: usize, tree: &Tree) -> Result<(), Error> {
    let fits = DEPTH.checked_sub(parts).is_some_and(|left| fits(tree, left));
    let text = || format!("this would make an object of more than {DEPTH} levels");
    if fits { Ok(()) } else { Err(Error::new(Code::Limit, text())) }
}

/// Looks no further down than `levels`.
fn fits(tree: &Tree, levels: usize) -> bool {
    let below = |tree: &Tree| levels.checked_sub(1).is_some_and(|levels| fits(tree, levels));
    match tree {
        Tree::Leaf(_) => true,
        Tree::List(list) => levels > 0 && list.iter().all(below),
        Tree::Map(fields) => levels > 0 && fields.iter().all(|(_, value)| below(value)),
    }
}
