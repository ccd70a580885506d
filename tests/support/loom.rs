//! Histories woven in memory and stored as one pack: thousands of signed commits where git and ssh-keygen make dozens.
//! Whoever wants to know what the real tools make of them asks the real tools.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use gitwarrant::git::{Algorithm, Objects, Oid};
use gix::objs::Kind;
use ssh_key::{HashAlg, LineEnding, PrivateKey};

use super::signing::{SshKey, run};

/// Objects not stored yet.
#[derive(Default)]
pub struct Loom {
    known: RefCell<HashSet<Oid>>,
    /// Kind in a pack, and content.
    woven: RefCell<Vec<(u8, Vec<u8>)>>,
}

/// A commit to be woven.
pub struct Thread<'a> {
    /// Its root folder.
    pub tree: Oid,
    /// Its parents, which need not exist.
    pub parents: &'a [Oid],
    /// Seconds since 1970.
    pub date: i64,
    /// What its message says.
    pub message: &'a str,
}

/// The private half, read into memory.
pub fn private(key: &SshKey) -> PrivateKey {
    PrivateKey::read_openssh_file(&key.private).expect("ssh-keygen wrote it")
}

impl Loom {
    /// A file.
    pub fn blob(&self, content: &[u8]) -> Oid {
        self.add(Kind::Blob, 3, content.to_vec())
    }

    /// A folder of plain files, in git's order.
    pub fn tree(&self, files: &[(&str, Oid)]) -> Oid {
        let entry = |(name, id): &(&str, Oid)| [format!("100644 {name}\0").as_bytes(), id.as_bytes()].concat();
        self.add(Kind::Tree, 2, files.iter().flat_map(entry).collect())
    }

    /// A commit, signed by `by` as git and ssh-keygen do it.
    pub fn commit(&self, thread: &Thread<'_>, by: Option<&PrivateKey>) -> Oid {
        let (headers, message) = unsigned(thread);
        let Some(by) = by else { return self.raw_commit(format!("{headers}\n{message}").into_bytes()) };
        let payload = format!("{headers}\n{message}");
        let signature = by.sign("git", HashAlg::Sha512, payload.as_bytes()).expect("the key signs");
        self.signed(thread, &signature.to_pem(LineEnding::LF).expect("it is armored"))
    }

    /// The commit with this armor as its signature.
    pub fn signed(&self, thread: &Thread<'_>, armor: &str) -> Oid {
        let (headers, message) = unsigned(thread);
        let header = armor.trim_end().replace('\n', "\n ");
        self.raw_commit(format!("{headers}gpgsig {header}\n\n{message}").into_bytes())
    }

    /// A commit of exactly these bytes.
    pub fn raw_commit(&self, bytes: Vec<u8>) -> Oid {
        self.add(Kind::Commit, 1, bytes)
    }

    /// A tag object of exactly these bytes.
    pub fn raw_tag(&self, bytes: Vec<u8>) -> Oid {
        self.add(Kind::Tag, 4, bytes)
    }

    /// A folder of exactly these bytes.
    pub fn raw_tree(&self, bytes: Vec<u8>) -> Oid {
        self.add(Kind::Tree, 2, bytes)
    }

    fn add(&self, kind: Kind, packed: u8, bytes: Vec<u8>) -> Oid {
        let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, &bytes).expect("no collision");
        let id = Oid::from_bytes(id.as_bytes()).expect("20 bytes");
        if self.known.borrow_mut().insert(id) {
            self.woven.borrow_mut().push((packed, bytes));
        }
        id
    }

    /// The pack that holds everything woven since the last one.
    pub fn pack(&self) -> Vec<u8> {
        let woven = self.woven.take();
        let count = u32::try_from(woven.len()).expect("not so many");
        let mut pack = [b"PACK\0\0\0\x02".as_slice(), &count.to_be_bytes()].concat();
        for (kind, bytes) in woven {
            entry_header(&mut pack, kind, bytes.len());
            deflate_stored(&mut pack, &bytes);
        }
        let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
        hasher.update(&pack);
        let sum = hasher.try_finalize().expect("no collision");
        pack.extend(sum.as_bytes());
        pack
    }

    /// Stores everything woven since the last time as loose objects, which asks no program for anything.
    pub fn store_loose(&self, objects: &Path) -> Objects {
        for (kind, bytes) in self.woven.take() {
            let (kind, name) = match kind {
                1 => (Kind::Commit, "commit"),
                2 => (Kind::Tree, "tree"),
                3 => (Kind::Blob, "blob"),
                _ => (Kind::Tag, "tag"),
            };
            let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, &bytes).expect("no collision").to_string();
            let mut stored = Vec::new();
            deflate_stored(&mut stored, &[format!("{name} {}\0", bytes.len()).as_bytes(), &bytes].concat());
            let folder = objects.join(&id[..2]);
            std::fs::create_dir_all(&folder).expect("a folder for objects");
            std::fs::write(folder.join(&id[2..]), stored).expect("room for an object");
        }
        Objects::open(objects, Algorithm::Sha1).expect("a store")
    }

    /// Stores everything woven since the last time in the folder `objects`; git checks and indexes it.
    pub fn store(&self, objects: &Path) -> Objects {
        let folder = objects.join("pack");
        std::fs::create_dir_all(&folder).expect("a folder for packs");
        if !self.woven.borrow().is_empty() {
            let number = std::fs::read_dir(&folder).expect("it was made").count();
            let file = folder.join(format!("pack-{number}.pack"));
            std::fs::write(&file, self.pack()).expect("room for a pack");
            run(Command::new("git")
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .args(["index-pack", "--threads=1"])
                .arg(&file));
        }
        Objects::open(objects, Algorithm::Sha1).expect("a store")
    }
}

/// The headers of a commit without signature, and its message.
pub fn unsigned(thread: &Thread<'_>) -> (String, String) {
    let parents: String = thread.parents.iter().map(|parent| format!("parent {parent}\n")).collect();
    let who = format!("Somebody <somebody@example.org> {} +0000", thread.date);
    let headers = format!("tree {}\n{parents}author {who}\ncommitter {who}\n", thread.tree);
    (headers, format!("{}\n", thread.message))
}

/// Kind and length, seven bits a byte after the first four.
///
/// Source: gitformat-pack(5).
pub fn entry_header(pack: &mut Vec<u8>, kind: u8, length: usize) {
    let low = |value: usize, mask: usize| u8::try_from(value & mask).expect("masked");
    let (mut byte, mut rest) = (kind << 4 | low(length, 15), length >> 4);
    while rest > 0 {
        pack.push(byte | 0x80);
        (byte, rest) = (low(rest, 127), rest >> 7);
    }
    pack.push(byte);
}

/// zlib without compressing anything.
///
/// Source: RFC 1950 and RFC 1951, section 3.2.4.
pub fn deflate_stored(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend([0x78, 0x01]);
    let mut blocks = bytes.chunks(0xffff).peekable();
    if blocks.peek().is_none() {
        out.extend([1, 0, 0, 0xff, 0xff]);
    }
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).expect("at most 65535");
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    let (one, two) = bytes.iter().fold((1u32, 0u32), |(one, two), byte| {
        let one = (one + u32::from(*byte)) % 65521;
        (one, (two + one) % 65521)
    });
    out.extend((two << 16 | one).to_be_bytes());
}
