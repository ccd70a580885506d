//! Files that one side moved and the other changed: the change follows the file, as in git's own merges.
//!
//! Only where nobody can take the move for another one: the very same content went and came once, or exactly one file that
//! came is like the one that went, and no other that went is like it. There git's ways of finding renames (merge-ort.c,
//! diffcore-rename.c) all find the same. Where they would have to choose, or would ask, about a single file that one side
//! moved and the other touched, the whole attempt is given up: half of a merge with renames and half of one without is a
//! merge that git never makes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::changes::ALL;
use super::entries::Mode;
use super::fault::Judgement;
use super::forest::{Change, Children, Forest, Node};
use super::likeness::{Content, Likeness};
use super::text_merge::MAX_BYTES;
use crate::git::Oid;

/// Upper bound on files that came and went on one side, together: each is compared with each.
const MAX_FILES: usize = 200;
/// Upper bound on their bytes.
const MAX_COMPARED: u64 = 16 << 20;

/// A base, ours and theirs, with every file at the place where the other side has moved it; `None` where that is not certain.
pub(super) fn follow(forest: &Forest<'_>, [base, ours, theirs]: [Node; 3]) -> Judgement<Option<[Node; 3]>> {
    if base.has_conflict() {
        return Ok(None);
    }
    let (mine, others) = (forest.differences(&base, &ours, ALL)?, forest.differences(&base, &theirs, ALL)?);
    if adds_where_all_left(forest, &base, &ours, &others)? || adds_where_all_left(forest, &base, &theirs, &mine)? {
        return Ok(None);
    }
    let by_us = moves(forest, [&base, &theirs], &mine, &others)?;
    let by_them = moves(forest, [&base, &ours], &others, &mine)?;
    let (Some(by_us), Some(by_them)) = (by_us, by_them) else { return Ok(None) };
    drop((mine, others));
    let (mut base, mut ours, mut theirs) = (base, ours, theirs);
    for (from, to) in by_us {
        (base, theirs) = (moved(forest, base, &from, &to)?, moved(forest, theirs, &from, &to)?);
    }
    for (from, to) in by_them {
        (base, ours) = (moved(forest, base, &from, &to)?, moved(forest, ours, &from, &to)?);
    }
    Ok(Some([base, ours, theirs]))
}

/// Whether something was added below a folder that `left` has not any more: git then asks whether it belongs to where the
/// others went.
fn adds_where_all_left(forest: &Forest<'_>, base: &Node, left: &Node, changes: &[Change]) -> Judgement<bool> {
    let mut known: HashMap<&str, bool> = HashMap::new();
    for change in changes.iter().filter(|change| change.before.is_bare() && !change.after.is_bare()) {
        for (at, _) in change.path.match_indices('/') {
            let folder = &change.path[..at];
            let is_left = match known.get(folder) {
                Some(is_left) => *is_left,
                None => forest.at(base, folder)?.is_folder() && !forest.at(left, folder)?.is_folder(),
            };
            if is_left {
                return Ok(true);
            }
            known.insert(folder, is_left);
        }
    }
    Ok(false)
}

/// A file that went, and one that came and is like it.
struct Pair<'c> {
    from: &'c str,
    to: &'c str,
    likeness: Likeness,
}

/// What `mine` has moved of what `others` have changed: from where, and to where. `None` where that is not certain.
fn moves(
    forest: &Forest<'_>,
    [base, theirs]: [&Node; 2],
    mine: &[Change],
    others: &[Change],
) -> Judgement<Option<Vec<(String, String)>>> {
    let touched: HashMap<&str, &Change> = others.iter().map(|change| (change.path.as_str(), change)).collect();
    // Where a file gives way to a link, or a link to a file, git sees a change of that path and no move.
    let gone: Vec<(&str, Oid)> = files(mine, |change| (&change.before, &change.after));
    let come: Vec<(&str, Oid)> = files(mine, |change| (&change.after, &change.before));
    if moves_link(mine, &touched) {
        return Ok(None);
    }
    if come.is_empty() || !gone.iter().any(|(from, _)| touched.contains_key(from)) {
        return Ok(Some(Vec::new()));
    }
    let Some(pairs) = pairs(forest, gone, come, &touched)? else { return Ok(None) };
    let (mut left, mut reached): (HashMap<&str, usize>, HashMap<&str, usize>) = (HashMap::new(), HashMap::new());
    for pair in &pairs {
        *left.entry(pair.from).or_default() += 1;
        *reached.entry(pair.to).or_default() += 1;
    }
    let mut found = Vec::new();
    for pair in pairs.iter().filter(|pair| touched.contains_key(pair.from)) {
        let edited = touched[pair.from].before.file().is_some() && touched[pair.from].after.file().is_some();
        let alone = left[pair.from] == 1 && reached[pair.to] == 1;
        let free = is_free(forest, base, pair.to)? && is_free(forest, theirs, pair.to)?;
        if !(edited && alone && free && pair.likeness == Likeness::Clear) {
            return Ok(None);
        }
        found.push((pair.from.to_owned(), pair.to.to_owned()));
    }
    Ok(Some(found))
}

/// What went and what came of it. `None` where there is too much to be compared, and the other side has touched some of it.
fn pairs<'c>(
    forest: &Forest<'_>,
    mut gone: Vec<(&'c str, Oid)>,
    mut come: Vec<(&'c str, Oid)>,
    touched: &HashMap<&str, &Change>,
) -> Judgement<Option<Vec<Pair<'c>>>> {
    // The same content that went once and came once is taken out first, as git does: nothing else is as like.
    let lone = |files: &[(&'c str, Oid)]| {
        let mut counts: HashMap<Oid, (usize, &'c str)> = HashMap::new();
        files.iter().for_each(|(path, id)| counts.entry(*id).or_insert((0, path)).0 += 1);
        counts.retain(|_, (count, _)| *count == 1);
        counts
    };
    let (left, new) = (lone(&gone), lone(&come));
    let mut pairs = Vec::new();
    let mut paired: HashSet<Oid> = HashSet::new();
    for (id, (_, from)) in &left {
        let Some((_, to)) = new.get(id) else { continue };
        if forest.size(id)? > 0 {
            pairs.push(Pair { from, to, likeness: Likeness::Clear });
            paired.insert(*id);
        }
    }
    gone.retain(|(_, id)| !paired.contains(id));
    come.retain(|(_, id)| !paired.contains(id));
    if come.is_empty() || !gone.iter().any(|(from, _)| touched.contains_key(from)) {
        return Ok(Some(pairs));
    }
    if gone.len() + come.len() > MAX_FILES || !is_comparable(forest, gone.iter().chain(&come))? {
        return Ok(None);
    }
    let mut contents: HashMap<Oid, Content> = HashMap::new();
    for (_, id) in gone.iter().chain(&come) {
        if !contents.contains_key(id) {
            contents.insert(*id, Content::of(&forest.bytes(id)?));
        }
    }
    for (from, old) in &gone {
        for (to, new) in &come {
            let (one, other) = (&contents[old], &contents[new]);
            forest.step(one.pieces() + other.pieces())?;
            match one.likeness(other, old == new) {
                Likeness::None => {}
                likeness @ (Likeness::Doubtful | Likeness::Clear) => pairs.push(Pair { from, to, likeness }),
            }
        }
    }
    Ok(Some(pairs))
}

/// Whether a link, or what else is no file, went from a place that the other side has touched and came to another one.
fn moves_link(mine: &[Change], touched: &HashMap<&str, &Change>) -> bool {
    let other = |node: &Node| match node {
        Node::Stored { mode: Mode::Link | Mode::Gitlink, id } => Some(*id),
        _ => None,
    };
    let went = |change: &&Change| change.after.is_bare() && touched.contains_key(change.path.as_str());
    let gone: HashSet<Oid> = mine.iter().filter(went).filter_map(|change| other(&change.before)).collect();
    let came = mine.iter().filter(|change| change.before.is_bare()).filter_map(|change| other(&change.after));
    came.into_iter().any(|id| gone.contains(&id))
}

/// The plain files on one side of the changes that have nothing on the other.
fn files<'c>(changes: &'c [Change], sides: impl Fn(&'c Change) -> (&'c Node, &'c Node)) -> Vec<(&'c str, Oid)> {
    let file = |change: &'c Change| {
        let (this, other) = sides(change);
        this.file().filter(|_| other.is_bare()).map(|(_, id)| (change.path.as_str(), id))
    };
    changes.iter().filter_map(file).collect()
}

/// Whether all of these are small enough to be compared.
fn is_comparable<'c>(forest: &Forest<'_>, files: impl Iterator<Item = &'c (&'c str, Oid)>) -> Judgement<bool> {
    let mut total = 0;
    for (_, id) in files {
        let size = forest.size(id)?;
        total += size;
        if size > MAX_BYTES as u64 || total > MAX_COMPARED {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a file can be put at `path` without taking anything else's place.
fn is_free(forest: &Forest<'_>, root: &Node, path: &str) -> Judgement<bool> {
    for (at, _) in path.match_indices('/') {
        if !forest.at(root, &path[..at])?.is_bare() {
            return Ok(false);
        }
    }
    Ok(matches!(forest.at(root, path)?, Node::Nothing))
}

fn moved(forest: &Forest<'_>, root: Node, from: &str, to: &str) -> Judgement<Node> {
    let file = forest.at(&root, from)?;
    let without = with(forest, root, from, Node::Nothing)?;
    with(forest, without, to, file)
}

/// `node` with `file` at `path`; a conflict where that leads through anything but folders.
fn with(forest: &Forest<'_>, node: Node, path: &str, file: Node) -> Judgement<Node> {
    if !node.is_folder() && !matches!(node, Node::Nothing) {
        return Ok(Node::Conflict);
    }
    let (name, rest) = path.split_once('/').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let mut children = own(forest, node)?;
    let before = children.remove(name).unwrap_or(Node::Nothing);
    let child = match rest {
        None => file,
        Some(rest) => with(forest, before, rest, file)?,
    };
    if !matches!(child, Node::Nothing) {
        children.insert(name.to_owned(), child);
    }
    Ok(if children.is_empty() { Node::Nothing } else { Node::Folder(Rc::new(children)) })
}

/// What a folder holds, to be changed. Counted where it has to be copied.
fn own(forest: &Forest<'_>, node: Node) -> Judgement<BTreeMap<String, Node>> {
    let children: Children = match node {
        Node::Folder(children) => match Rc::try_unwrap(children) {
            Ok(owned) => return Ok(owned),
            Err(shared) => forest.children(&Node::Folder(shared))?,
        },
        other => forest.children(&other)?,
    };
    Ok((*children).clone())
}
