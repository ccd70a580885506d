//! A working directory's files do not become signed ones, and there is no third origin.

use gitwarrant::trust::{Local, Signed, Sources, Tree};

fn by_tree(files: std::collections::BTreeMap<gitwarrant::model::RepoPath, Vec<u8>>) -> Tree<Signed> {
    Tree::local(files)
}

fn by_sources(sources: Sources<Local>) -> Sources<Signed> {
    sources
}

struct Third;

impl gitwarrant::trust::Origin for Third {}

fn main() {}
