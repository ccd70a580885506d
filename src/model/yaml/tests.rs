use std::fmt::Write;

use super::{Duplicates, Entry, Error, Item, Kind, Limits, Placement, Raw, parse, read};
use crate::model::{Node, Number, Scalar, Value};

fn refused(text: &str) -> Error {
    match read(text, Limits::MANIFEST) {
        Ok(_) => panic!("must be refused"),
        Err(error) => error,
    }
}

fn only(text: &str) -> Node {
    read(text, Limits::MANIFEST).unwrap().remove(0).0
}

/// The shape of a raw value, for comparing.
fn shape(raw: &Raw) -> String {
    match &raw.kind {
        Kind::Scalar { text, style } => format!("{style:?}:{text}"),
        Kind::List(items) => {
            let items = items.iter().map(|item| match item {
                Item::Comment(comment) => format!("#{}", comment.text),
                Item::Value(value) => shape(value),
            });
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        Kind::Map(entries) => {
            let entries = entries.iter().map(|entry| match entry {
                Entry::Comment(comment) => format!("#{}", comment.text),
                Entry::Pair(key, value) => format!("{}={}", shape(key), shape(value)),
            });
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

#[test]
fn a_comment_below_a_block_of_text_is_not_behind_it() {
    for head in ["|-", "|+", ">", "|"] {
        let text = format!("a: {head}\n  x\n# below\nb: 1\n");
        let document = parse(&text, Limits::MANIFEST).unwrap().remove(0);
        let Kind::Map(entries) = document.root.kind else { panic!() };
        let Entry::Comment(below) = &entries[1] else { panic!() };
        assert_eq!(below.placement, Placement::Own, "{head}");
    }
}

#[test]
fn a_comment_on_the_line_that_begins_a_block_is_behind_its_key() {
    for head in ["|-", "|", ">2"] {
        let text = format!("a: {head} # behind\n  x\n# below\nb: 1\n");
        let document = parse(&text, Limits::MANIFEST).unwrap().remove(0);
        let Kind::Map(entries) = document.root.kind else { panic!() };
        let placements: Vec<_> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Comment(comment) => Some((comment.text.as_str(), comment.placement)),
                Entry::Pair(..) => None,
            })
            .collect();
        assert_eq!(placements, [(" behind", Placement::Behind), (" below", Placement::Own)], "{head}");
    }
}

#[test]
fn comments_stay_where_they_were_written() {
    let text = "# head\na: 1 # behind\n# between\nb:\n- x\n# in the list\n- 'y'\n---\nc: 1\n# last\n";
    let documents = parse(text, Limits::MANIFEST).unwrap();
    assert_eq!(documents[0].before[0].text, " head");
    assert_eq!(
        shape(&documents[0].root),
        "{Plain:a=Plain:1, # behind, # between, Plain:b=[Plain:x, # in the list, Single:y]}"
    );
    assert_eq!(shape(&documents[1].root), "{Plain:c=Plain:1, # last}");
    let Kind::Map(entries) = &documents[0].root.kind else { panic!() };
    let Entry::Comment(behind) = &entries[1] else { panic!() };
    assert_eq!(behind.placement, Placement::Behind);
}

#[test]
fn documents_are_kept_apart_and_empty_ones_dropped() {
    let text = "---\na: 1\n---\n# nothing\n---\nb: 2\n...\n";
    assert_eq!(parse(text, Limits::MANIFEST).unwrap().len(), 3);
    let lines: Vec<usize> = read(text, Limits::MANIFEST).unwrap().iter().map(|(_, line)| *line).collect();
    assert_eq!(lines, [2, 6]);
}

#[test]
fn a_value_left_out_is_told_from_a_written_null() {
    let documents = parse("a:\nb: ~\nc: ''\n", Limits::MANIFEST).unwrap();
    assert_eq!(shape(&documents[0].root), "{Plain:a=Plain:, Plain:b=Plain:~, Plain:c=Single:}");
}

#[test]
fn merge_keys_are_expanded_and_own_keys_win() {
    let node = only("base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\nall:\n  y: 9\n  <<: [*b, *m]\n");
    for (key, value) in [("x", 1), ("y", 9), ("z", 4)] {
        let found = node.at(&["all", key]).unwrap();
        assert!(matches!(found, Node::Scalar(Scalar::Open(Value::Number(Number::Int(n)))) if *n == value), "{key}");
    }
}

#[test]
fn a_quoted_merge_key_is_a_key() {
    assert!(only("'<<': {a: 1}").at(&["<<", "a"]).is_some());
}

#[test]
fn a_duplicate_key_is_refused_with_both_lines() {
    assert!(matches!(refused("a: 1\nb: 2\na: 3\n"), Error::DuplicateKey { first: 1, at, .. } if at.line == 3));
    let kept = Limits { duplicates: Duplicates::Kept, ..Limits::MANIFEST };
    assert_eq!(shape(&parse("a: 1\na: 2\n", kept).unwrap()[0].root), "{Plain:a=Plain:1, Plain:a=Plain:2}");
}

#[test]
fn ten_thousand_levels_are_refused() {
    for text in ["[".repeat(10_000), "a: ".repeat(10_000), "- ".repeat(10_000), "{a: ".repeat(10_000)] {
        assert!(matches!(refused(&text), Error::TooDeep { .. } | Error::Syntax { .. }));
    }
}

#[test]
fn levels_are_counted_through_aliases() {
    let mut text = format!("a0: &a0 {}1{}\n", "[".repeat(60), "]".repeat(60));
    text.push_str("a1: &a1 ");
    writeln!(text, "{}*a0{}", "[".repeat(60), "]".repeat(60)).unwrap();
    writeln!(text, "a2: {}*a1{}", "[".repeat(60), "]".repeat(60)).unwrap();
    assert!(matches!(refused(&text), Error::TooDeep { .. }));
}

#[test]
fn a_billion_laughs_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    assert!(matches!(refused(&text), Error::TooMany { .. }));
}

#[test]
fn long_text_behind_many_aliases_is_refused() {
    let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 100].join(", "));
    assert!(matches!(refused(&text), Error::TooMany { .. }));
}

#[test]
fn comments_behind_many_aliases_are_refused() {
    let many = "  # c\n".repeat(10_000);
    let text = format!("a: &a\n  b: 1\n{many}  c: 1\nd: [{}]\n", vec!["*a"; 100].join(", "));
    assert!(matches!(refused(&text), Error::TooMany { .. }));
}

#[test]
fn a_bare_exclamation_mark_is_no_tag() {
    assert_eq!(only("a: ! 1").at(&["a"]).unwrap().as_text(), None);
    assert_eq!(only("a: ! '1'").at(&["a"]).unwrap().as_text(), Some("1"));
}

#[test]
fn many_values_are_refused_before_they_fill_the_memory() {
    assert!(matches!(refused(&format!("[{}]", "1,".repeat(1_000_000))), Error::TooMany { .. }));
}

#[test]
fn an_alias_within_what_it_names_is_refused() {
    assert!(matches!(refused("a: &a [*a]"), Error::Cycle { .. }));
}

#[test]
fn a_hundred_thousand_keys_and_comments_are_read_in_linear_time() {
    let mut text = String::new();
    for number in 0..100_000 {
        writeln!(text, "k{number}: v").unwrap();
    }
    text.push_str(&"# c\n".repeat(100_000));
    assert_eq!(parse(&text, Limits::MANIFEST).unwrap().len(), 1);
}

#[test]
fn a_file_above_the_limit_is_refused_before_it_is_parsed() {
    assert!(matches!(refused(&" ".repeat((5 << 20) + 1)), Error::TooLarge { .. }));
}

#[test]
fn what_json_cannot_express_is_refused() {
    assert!(matches!(refused("a: .inf"), Error::Unserializable { .. }));
    assert!(matches!(refused("a: {1: x}"), Error::KeyNotText { .. }));
    assert!(matches!(refused("a: {true: x}"), Error::KeyNotText { .. }));
    assert!(matches!(refused("a: {? [x] : y}"), Error::ComplexKey { .. }));
    assert!(matches!(refused("a: !!int x"), Error::Tag { .. }));
}

#[test]
fn only_a_comment_may_follow_a_separator() {
    assert!(matches!(refused("a: 1\n--- b\n"), Error::Separator { .. }));
    assert_eq!(read("a: 1\n--- # c\nb: 2\n", Limits::MANIFEST).unwrap().len(), 2);
}

#[test]
fn a_block_at_the_end_of_the_file_gets_no_line_feed_of_its_own() {
    assert_eq!(only("a: |\n  text").at(&["a"]).unwrap().as_text(), Some("text"));
    assert_eq!(only("a: |\r\n  one\r\n  two\r\n").at(&["a"]).unwrap().as_text(), Some("one\ntwo\n"));
}

#[test]
fn a_key_in_base64_is_refused() {
    assert!(matches!(refused("!!binary aGk=: 1\nhi: 2\n"), Error::KeyNotText { .. }));
}

#[test]
fn binary_text_is_decoded() {
    assert_eq!(only("a: !!binary aGVsbG8=").at(&["a"]).unwrap().as_text(), Some("hello"));
}
