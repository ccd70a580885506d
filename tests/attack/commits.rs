//! Commits as git never writes them, signed all the same; and commits that look odd and are honest.

use gitwarrant::git::{Commit, Fetched, Oid};
use gitwarrant::trust::{Policy, Reason, verify};
use jiff::Timestamp;
use ssh_key::{HashAlg, LineEnding, PrivateKey};

use super::place::{DAY, HOUR, Place, THEN};
use crate::support::loom::{Loom, private};

const WHO: &str = "A U Thor <a@example.org>";
const DATE: i64 = THEN + HOUR;

/// A place where alice signs whatever bytes she is given.
struct Forge {
    place: Place,
    policy: Policy,
    alice: PrivateKey,
    loom: Loom,
    /// `tree`, `parent`, `author` and `committer` of a commit on the pinned one.
    headers: String,
}

impl Forge {
    fn new() -> Self {
        let place = Place::new();
        let tree = place.signers.rev_parse(&place.repository, "HEAD^{tree}");
        let who = format!("{WHO} {DATE} +0000");
        let headers = format!("tree {tree}\nparent {}\nauthor {who}\ncommitter {who}\n", place.root);
        let (policy, alice) = (Policy::read(&place.policy).unwrap(), private(&place.alice));
        Self { place, policy, alice, loom: Loom::default(), headers }
    }

    /// The head made of `headers`, alice's signature over all of it, and the message `m`.
    fn judge(&self, headers: &[u8]) -> Result<(), Reason> {
        self.judge_signed(headers, b"\nm\n", |header| header)
    }

    fn judge_signed(&self, headers: &[u8], rest: &[u8], bend: impl Fn(String) -> String) -> Result<(), Reason> {
        let id = self.sign(headers, rest, bend);
        self.judge_head(id)
    }

    fn sign(&self, headers: &[u8], rest: &[u8], bend: impl Fn(String) -> String) -> Oid {
        let signature = self.alice.sign("git", HashAlg::Sha512, &[headers, rest].concat()).unwrap();
        let armor = signature.to_pem(LineEnding::LF).unwrap();
        let header = bend(format!("gpgsig {}\n", armor.trim_end().replace('\n', "\n ")));
        self.loom.raw_commit([headers, header.as_bytes(), rest].concat())
    }

    fn judge_head(&self, head: Oid) -> Result<(), Reason> {
        let objects = self.loom.store_loose(&self.place.repository.join(".git/objects"));
        let fetched = Fetched::new(Commit { reference: "refs/heads/main".into(), head, tag: None }, objects);
        let now = Timestamp::from_second(THEN + DAY).unwrap();
        verify(fetched, &self.policy, &self.place.base, None, now).map(drop).map_err(|refusal| refusal.reason())
    }

    fn with(&self, from: &str, to: &str) -> Result<(), Reason> {
        assert!(self.headers.contains(from), "{from}");
        self.judge(self.headers.replacen(from, to, 1).as_bytes())
    }
}

#[test]
fn odd_headers_of_honest_tools_are_believed() {
    let forge = Forge::new();
    for more in [
        "",
        "encoding ISO-8859-1\n",
        "change-id zzzz\n",
        "HG:extra rebase_source:abc\n",
        "golang-hg 1234\n",
        "x \n",
        "several lines\n of\n \n  value\n",
        "mergetag object 4f1c2d9e00112233445566778899aabbccddeeff\n type commit\n tag v1\n \n gpgsig x\n",
        "mergetag a\n b\nmergetag c\n d\n",
        "GPGSIG is another\n",
    ] {
        assert_eq!(forge.judge(format!("{}{more}", forge.headers).as_bytes()), Ok(()), "{more:?}");
    }
    for message in
        [&b"\n"[..], b"\nm", b"\na\r\nb\r\n", b"\n\xe9\n", b"\n\n\nm\n", b"\n-----BEGIN PGP SIGNATURE-----\n\n"]
    {
        let found = forge.judge_signed(forge.headers.as_bytes(), message, |header| header);
        assert_eq!(found, Ok(()), "{}", message.escape_ascii());
    }
    for author in ["<a@b>", "A  B <>", "A <<a@b>>", "A > B < C <a@b>", "A <1 +0000> <a@b>"] {
        assert_eq!(forge.with(WHO, author), Ok(()), "{author}");
    }
    for zone in ["-0000", "+9999", "+051800"] {
        assert_eq!(forge.with("+0000", zone), Ok(()), "{zone}");
    }
    let latin = [&b"author \xe9 <a@b> 1 +0000\n"[..]].concat();
    let (before, after) = forge.headers.split_once("author").unwrap();
    let after = after.split_once('\n').unwrap().1;
    assert_eq!(forge.judge(&[before.as_bytes(), &latin, after.as_bytes()].concat()), Ok(()));
}

#[test]
fn headers_that_two_readers_take_differently_are_refused() {
    let forge = Forge::new();
    for more in [
        "bare\n",
        "tab\tseparated\n",
        " blank\n",
        "-----END PGP SIGNATURE-----\n",
        "a@b c\n",
        "\r\n",
        "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n",
        "parent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n",
        "author A <a> 1 +0000\n",
        "committer A <a> 1 +0000\n",
        "nul \0\n",
    ] {
        let found = forge.judge(format!("{}{more}", forge.headers).as_bytes());
        assert_eq!(found, Err(Reason::MalformedObject), "{more:?}");
    }
    for more in ["gpgsig-sha256 x\n", "gpgsigx y\n", "gpgsig\n", "gpgsig \n"] {
        let found = forge.judge(format!("{}{more}", forge.headers).as_bytes());
        assert_eq!(found, Err(Reason::MalformedSignature), "{more:?}");
    }
    let (date, root) = (DATE.to_string(), forge.place.root.clone());
    for (from, to) in [
        (WHO, "A a@b"),
        (date.as_str(), "-5"),
        (&date, "0x5"),
        (&date, "01780276400"),
        (&date, "1099511627777"),
        (&date, "9223372036854775808"),
        (&date, "1 2"),
        (" +0000", ""),
        (" +0000", " Z"),
        (" +0000", " +0000\r"),
        ("> ", ">  "),
        ("> ", ">"),
        ("tree ", "tree  "),
        ("tree ", "TREE "),
        ("author ", "author\t"),
        (&root, &root.to_uppercase()),
        (&root, &root[..39]),
        (&root, &format!("{root}\nparent {root}")),
        (&root, &format!("{root}\r")),
    ] {
        assert_eq!(forge.with(from, to), Err(Reason::MalformedObject), "{from:?} {to:?}");
    }
    assert_eq!(forge.judge(format!("\n{}", forge.headers).as_bytes()), Err(Reason::MalformedObject));
    let found = forge.judge_signed(forge.headers.as_bytes(), b"", |header| header);
    assert_eq!(found, Err(Reason::MalformedObject), "no blank line");
}

#[test]
fn the_signature_header_is_one_block_and_no_more() {
    let forge = Forge::new();
    for (what, from, to, expected) in [
        ("nothing changed", "\n ", "\n ", Ok(())),
        (
            "an empty line behind it, as forges write it",
            "END SSH SIGNATURE-----\n",
            "END SSH SIGNATURE-----\n \n",
            Ok(()),
        ),
        ("two of them", "END SSH SIGNATURE-----\n", "END SSH SIGNATURE-----\n \n \n", Err(Reason::MalformedSignature)),
        ("two blanks before each line", "\n ", "\n  ", Err(Reason::MalformedSignature)),
        ("no blank before a line", "\n ", "\n", Err(Reason::MalformedObject)),
        ("a tab before a line", "\n ", "\n\t", Err(Reason::MalformedObject)),
        ("begun on the next line", "gpgsig -", "gpgsig \n -", Err(Reason::MalformedSignature)),
        ("a blank before it", "gpgsig -", "gpgsig  -", Err(Reason::MalformedSignature)),
        (
            "more behind it",
            "END SSH SIGNATURE-----\n",
            "END SSH SIGNATURE-----\n more\n",
            Err(Reason::MalformedSignature),
        ),
        ("said twice", "gpgsig -", "gpgsig x\ngpgsig -", Err(Reason::MalformedSignature)),
    ] {
        let bend = |header: String| header.replace(from, to);
        assert_eq!(forge.judge_signed(forge.headers.as_bytes(), b"\nm\n", bend), expected, "{what}");
    }
}

#[test]
fn sixty_four_parents_are_the_most() {
    let forge = Forge::new();
    let (before, after) = forge.headers.split_once("author").unwrap();
    let with_parents = |more: &[Oid]| {
        let more: String = more.iter().map(|id| format!("parent {id}\n")).collect();
        forge.judge(format!("{before}{more}author{after}").as_bytes())
    };
    let parent = |number: usize| forge.sign(forge.headers.as_bytes(), format!("\n{number}\n").as_bytes(), |it| it);
    let parents: Vec<Oid> = (0..64).map(parent).collect();
    assert_eq!(with_parents(&parents[..63]), Ok(()));
    assert_eq!(with_parents(&parents), Err(Reason::LimitExceeded));
    let invented: Vec<Oid> = (0..64).map(|number| format!("{number:040x}").parse().unwrap()).collect();
    assert_eq!(with_parents(&invented[..63]), Err(Reason::IncompleteHistory));
    assert_eq!(with_parents(&invented), Err(Reason::LimitExceeded), "though none of them is there");
}

#[test]
fn a_mebibyte_is_the_most() {
    let forge = Forge::new();
    let around = forge.sign(forge.headers.as_bytes(), b"\n", |header| header);
    let objects = forge.loom.store_loose(&forge.place.repository.join(".git/objects"));
    let around = objects.read(&around, 1 << 20).unwrap().bytes.len();
    for (length, expected) in [((1 << 20) - around, Ok(())), ((1 << 20) - around + 1, Err(Reason::LimitExceeded))] {
        let rest = [b"\n".to_vec(), vec![b'x'; length]].concat();
        assert_eq!(forge.judge_signed(forge.headers.as_bytes(), &rest, |header| header), expected, "{length}");
    }
}
