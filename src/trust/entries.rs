//! One tree object: modes, names, order.
//!
//! Source of the refused names: git's fsck.c (verify_dotfile, is_hfs_dotgit, is_ntfs_dotgit).

use std::collections::HashSet;

use crate::git::{Algorithm, Oid};

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Folder,
    File,
    Executable,
    Link,
    Gitlink,
}

/// A named entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mode: Mode,
    pub(super) name: String,
    pub(super) id: Oid,
}

/// The entries of a tree object.
pub(super) fn entries(mut bytes: &[u8], algorithm: Algorithm) -> Result<Vec<Entry>, String> {
    let id_length = match algorithm {
        Algorithm::Sha1 => 20,
        Algorithm::Sha256 => 32,
    };
    let mut found: Vec<Entry> = Vec::new();
    let mut names = HashSet::new();
    while !bytes.is_empty() {
        let (entry, rest) = read_one(bytes, id_length)?;
        if let Some(before) = found.last()
            && sort_key(before) >= sort_key(&entry)
        {
            return Err(format!("entry `{}` is out of order or there twice", entry.name.escape_debug()));
        }
        if !names.insert(entry.name.clone()) {
            return Err(format!("entry `{}` is there twice", entry.name.escape_debug()));
        }
        found.push(entry);
        bytes = rest;
    }
    Ok(found)
}

fn read_one(bytes: &[u8], id_length: usize) -> Result<(Entry, &[u8]), String> {
    let cut = || "an entry is cut short".to_owned();
    let blank = bytes.iter().position(|&byte| byte == b' ').ok_or_else(cut)?;
    let (mode, rest) = (&bytes[..blank], &bytes[blank + 1..]);
    let end = rest.iter().position(|&byte| byte == 0).ok_or_else(cut)?;
    let name = std::str::from_utf8(&rest[..end])
        .map_err(|_| format!("entry `{}` has a name that is not UTF-8", rest[..end].escape_ascii()))?;
    let (id, rest) = rest[end + 1..].split_at_checked(id_length).ok_or_else(cut)?;
    let mode = match mode {
        b"40000" => Mode::Folder,
        // 100664 is what very old versions of Git wrote.
        b"100644" | b"100664" => Mode::File,
        b"100755" => Mode::Executable,
        b"120000" => Mode::Link,
        b"160000" => Mode::Gitlink,
        other => return Err(format!("entry `{}` has the unknown mode {}", name.escape_debug(), other.escape_ascii())),
    };
    if let Some(what) = odd(name) {
        return Err(format!("entry `{}` {what}", name.escape_debug()));
    }
    let id = Oid::from_bytes(id).ok_or_else(cut)?;
    Ok((Entry { mode, name: name.to_owned(), id }, rest))
}

/// Git compares folders as if their names ended in a slash.
fn sort_key(entry: &Entry) -> Vec<u8> {
    let mut key = entry.name.clone().into_bytes();
    if entry.mode == Mode::Folder {
        key.push(b'/');
    }
    key
}

/// What is odd about a name, if anything.
fn odd(name: &str) -> Option<&'static str> {
    if matches!(name, "" | "." | "..") {
        return Some("has no name of its own");
    }
    if name.contains(['/', '\\']) {
        return Some("has a slash in its name");
    }
    if name.chars().any(char::is_control) {
        return Some("has control characters in its name");
    }
    is_dot_git(name).then_some("is taken for `.git` on some systems")
}

fn is_dot_git(name: &str) -> bool {
    let seen: String = name.chars().filter(|c| !ignored_by_hfs(*c)).flat_map(char::to_lowercase).collect();
    // NTFS drops what follows a colon, and trailing dots and blanks.
    let seen = seen.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    matches!(seen, ".git" | "git~1")
}

/// Characters that HFS+ leaves out when it compares names.
///
/// Source: git's utf8.c, next_hfs_char.
fn ignored_by_hfs(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(parts: &[(&str, &str)]) -> Vec<u8> {
        parts.iter().flat_map(|(mode, name)| [format!("{mode} {name}\0").as_bytes(), &[7; 20]].concat()).collect()
    }

    fn read(parts: &[(&str, &str)]) -> Result<usize, String> {
        entries(&tree(parts), Algorithm::Sha1).map(|entries| entries.len())
    }

    #[test]
    fn honest_folders_are_read() {
        assert_eq!(
            read(&[("100644", "a"), ("100644", "a.b"), ("40000", "a-"), ("100755", "é")]).map_err(|_| ()),
            Err(())
        );
        assert_eq!(
            read(&[("100644", "a"), ("40000", "a-"), ("100644", "a.b"), ("120000", "b"), ("100755", "é")]),
            Ok(5)
        );
        assert_eq!(read(&[("100644", ".gitignore"), ("100644", ".gitmodules"), ("100644", "git~10")]), Ok(3));
    }

    #[test]
    fn names_that_readers_take_differently_are_refused() {
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "a\nb",
            "a\u{7f}",
            ".git",
            ".GIT",
            ".g\u{200c}it",
            "git~1",
            "GIT~1",
            ".git. .",
            ".git::$INDEX_ALLOCATION",
        ] {
            assert!(read(&[("100644", name)]).is_err(), "{name:?}");
        }
    }

    #[test]
    fn order_duplicates_and_modes_are_checked() {
        assert!(read(&[("100644", "b"), ("100644", "a")]).is_err());
        assert!(read(&[("100644", "a"), ("100644", "a")]).is_err());
        assert!(
            read(&[("100644", "a"), ("100644", "a.b"), ("40000", "a")]).is_err(),
            "a file and a folder of one name"
        );
        for mode in ["104755", "040000", "100600", "0", ""] {
            assert!(read(&[(mode, "a")]).is_err(), "{mode}");
        }
        assert!(entries(&tree(&[("100644", "a")])[..20], Algorithm::Sha1).is_err());
    }
}
