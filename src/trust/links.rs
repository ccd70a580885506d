//! Symlinks: each must end inside the repository, and one inside the applied folder must end there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::fault::Judgement;
use super::tree::{MAX_PATH, is_within, unsafe_tree};
use crate::git::Oid;
use crate::model::RepoPath;

/// Upper bound on links followed for one path, as in Linux.
const MAX_HOPS: usize = 40;
/// Upper bound on files that links show a second time.
const MAX_SHOWN_AGAIN: usize = 100_000;

/// What links show, by the path they show it under.
pub(super) type Shown = BTreeMap<String, Way>;

/// How a path leads to a file through links. Whoever changes anything on the way changes what the path shows.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) file: Oid,
    /// Where the file itself lies.
    pub(super) path: String,
    /// Every link that is followed.
    pub(super) links: Arc<[String]>,
}

/// The files that links show: a link to a file is that file, a link to a folder is all below it.
pub(super) fn resolve(
    files: &BTreeMap<String, Oid>,
    links: &BTreeMap<String, String>,
    applied: Option<&RepoPath>,
) -> Judgement<Shown> {
    let mut shown = Shown::new();
    for (link, target) in links {
        let (end, followed) = follow(link, target, links)?;
        let way = |path: &str, file: &Oid| Way { file: *file, path: path.to_owned(), links: Arc::clone(&followed) };
        if let Some(applied) = applied
            && is_within(link, applied)
            && !is_within(&end, applied)
        {
            let fact = format!("link `{}` leaves the applied folder {applied}", link.escape_debug());
            return Err(unsafe_tree(fact));
        }
        let mut show = |as_path: String, path: &str, id: &Oid| {
            if as_path.len() > MAX_PATH {
                return Err(unsafe_tree(format!(
                    "link `{}` shows a path of more than {MAX_PATH} bytes",
                    link.escape_debug()
                )));
            }
            shown.insert(as_path, way(path, id));
            if shown.len() > MAX_SHOWN_AGAIN {
                return Err(unsafe_tree(format!("links show more than {MAX_SHOWN_AGAIN} files again")));
            }
            Ok(())
        };
        if let Some(id) = files.get(&end) {
            show(link.clone(), &end, id)?;
        }
        let below = if end.is_empty() { String::new() } else { format!("{end}/") };
        // A folder that holds its own link would show itself without end.
        if !link.starts_with(&below) {
            for (path, id) in files.range(below.clone()..).take_while(|(path, _)| path.starts_with(&below)) {
                show(format!("{link}/{}", &path[below.len()..]), path, id)?;
            }
        }
    }
    Ok(shown)
}

/// Where `link` ends, and every link on the way; empty for the repository's root. It need not exist.
fn follow(link: &str, target: &str, links: &BTreeMap<String, String>) -> Judgement<(String, Arc<[String]>)> {
    let refuse =
        |what: &str| unsafe_tree(format!("link `{}` to `{}` {what}", link.escape_debug(), target.escape_debug()));
    let mut at: Vec<&str> = link.split('/').collect();
    at.pop();
    let mut open: VecDeque<&str> = VecDeque::new();
    let mut next = Some(target);
    let mut followed = vec![link.to_owned()];
    loop {
        if let Some(target) = next.take() {
            if followed.len() > MAX_HOPS {
                return Err(refuse("goes in a circle"));
            }
            if target.is_empty()
                || target.starts_with('/')
                || target.contains('\\')
                || target.chars().any(char::is_control)
            {
                return Err(refuse("is not a relative path"));
            }
            for part in target.split('/').rev() {
                open.push_front(part);
            }
        }
        match open.pop_front() {
            None => return Ok((at.join("/"), followed.into())),
            Some("" | ".") => {}
            Some("..") => {
                at.pop().ok_or_else(|| refuse("leaves the repository"))?;
            }
            Some(part) => {
                at.push(part);
                let path = at.join("/");
                if let Some(target) = links.get(&path) {
                    followed.push(path);
                    at.pop();
                    next = Some(target);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(target: &str) -> Option<String> {
        let links = [("a/b/link", target), ("dir", "a/b"), ("up", ".."), ("x", "y"), ("y", "x")];
        let links = links.map(|(link, target)| (link.to_owned(), target.to_owned())).into();
        follow("a/b/link", target, &links).ok().map(|(end, _)| end)
    }

    #[test]
    fn what_links_show_again_is_bounded_in_length_and_number() {
        let id = "4f1c2d9e00112233445566778899aabbccddeeff".parse().unwrap();
        let shown = |folder: &str, count: usize, links: &[&str]| {
            let files = (0..count).map(|number| (format!("{folder}/{number}"), id)).collect();
            let links = links.iter().map(|link| ((*link).to_owned(), folder.to_owned())).collect();
            resolve(&files, &links, None).map(|shown| shown.len()).map_err(|fault| fault.fact)
        };
        let too_many = Err("links show more than 100000 files again".to_owned());
        assert_eq!(shown("d", 1_000, &["a", "b", "c"]), Ok(3_000));
        assert_eq!(shown("d", 60_000, &["a"]), Ok(60_000));
        assert_eq!(shown("d", 60_000, &["a", "b"]), too_many);
        assert_eq!(shown("d", 60_000, &["a", "b", "c", "e", "f", "g", "h", "i", "j", "k"]), too_many);
        let (link, longer) = ("x".repeat(4094), "x".repeat(4095));
        assert_eq!(shown("d", 1, &[&link]), Ok(1));
        assert!(shown("d", 1, &[&longer]).is_err_and(|fact| fact.ends_with("shows a path of more than 4096 bytes")));
    }

    #[test]
    fn links_end_inside_or_are_refused() {
        assert_eq!(end("c").as_deref(), Some("a/b/c"));
        assert_eq!(end("../../d").as_deref(), Some("d"));
        assert_eq!(end("../..").as_deref(), Some(""));
        assert_eq!(end("../../dir/c").as_deref(), Some("a/b/c"), "through another link");
        for bad in ["/etc", "", "../../..", "../../up/x", "../../x", "link", "a\\b"] {
            assert_eq!(end(bad), None, "{bad:?}");
        }
    }
}
