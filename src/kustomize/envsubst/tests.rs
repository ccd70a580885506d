use super::{Evaluator, Variable, Variables};
use crate::secret::Secret;

/// Evaluates with `a=abcabc`, `E` empty, `n=3`, and `s` sealed.
fn eval(text: &str) -> Result<String, String> {
    let mut variables = Variables::default();
    for (name, value) in [("a", "abcabc"), ("E", ""), ("n", "3"), ("p", "a/b/c.tar.gz"), ("u", "éa")] {
        variables.insert(name, Variable::Open(value.to_owned())).unwrap();
    }
    variables.insert("s", Variable::Sealed(Secret::new(b"hidden".to_vec()))).unwrap();
    let joined = Evaluator::new(&variables).evaluate(text).map_err(|error| error.to_string())?;
    Ok(joined.into_text().unwrap_or_else(|_| "SEALED".to_owned()))
}

/// Expected values are those of fluxcd/pkg/envsubst 1.9.
#[test]
fn functions_give_what_flux_gives() {
    for (text, expected) in [
        ("x${a}y", "xabcabcy"),
        ("$a and $", "$a and $"),
        ("$${a} $$", "${a} $"),
        ("${#a}", "6"),
        ("${u^^} ${u^}", "ÉA Éa"),
        ("${a^}", "Abcabc"),
        ("${a^^}${a,,}${a,}", "ABCABCabcabcabcabc"),
        ("${a:2}", "cabc"),
        ("${a:2:2}", "ca"),
        ("${a: -2}", "bc"),
        ("${a:1:-1}", "bcab"),
        ("${a:9}", ""),
        ("${a:4:9}", "bc"),
        ("${p#*/}", "b/c.tar.gz"),
        ("${p##*/}", "c.tar.gz"),
        ("${p%.*}", "a/b/c.tar"),
        ("${p%%.*}", "a/b/c"),
        ("${p#x}", "a/b/c.tar.gz"),
        ("${missing:-else}", "else"),
        ("${missing:=else}", "else"),
        ("${missing=else}", "else"),
        ("${missing-else}", "else"),
        ("${E:-else}", "else"),
        ("${E=else}", ""),
        ("${missing:-x ${a} y}", "x abcabc y"),
        ("${missing:-${other:-z}}", "z"),
        ("${missing:-}", ""),
        ("${a/b/X}", "aXcabc"),
        ("${a//b/X}", "aXcaXc"),
        ("${a//b/}", "acac"),
        ("${a/#ab/X}", "Xcabc"),
        ("${a/%bc/X}", "abcaX"),
        ("${p//\\//-}", "a-b-c.tar.gz"),
        ("${a/${n}/X}", "abcabc"),
    ] {
        assert_eq!(eval(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_not_set_or_not_understood_is_refused() {
    for text in [
        "${missing}",
        "${missing^^}",
        "${a",
        "${",
        "${}",
        "${a!}",
        "${a:x}",
        "${a:+b}",
        "${a:?b}",
        "${a^^x}",
        "${#a",
        "${u:1}",
    ] {
        assert!(eval(text).is_err(), "{text}");
    }
    let nested = format!("{}x{}", "${m:-".repeat(20), "}".repeat(20));
    assert!(eval(&nested).unwrap_err().contains("inside each other"));
}

#[test]
fn what_is_joined_with_a_sealed_value_is_sealed_and_no_function_looks_into_it() {
    for text in ["${s}", "a${s}b", "${s:-x}", "${missing:-${s}}"] {
        assert_eq!(eval(text).as_deref(), Ok("SEALED"), "{text}");
    }
    for text in ["${#s}", "${s^^}", "${s:1}", "${s#x}", "${s/a/b}", "${a/${s}/b}", "${a#${s}}"] {
        let error = eval(text).unwrap_err();
        assert!(error.contains("Secret") && !error.contains("hidden"), "{text}: {error}");
    }
    assert_eq!(eval("${a:-${s}}").as_deref(), Ok("abcabc"));
}

#[test]
fn a_name_that_no_expression_could_use_is_refused() {
    let mut variables = Variables::default();
    for name in ["", "1a", "a-b", "a.b", "é"] {
        assert!(variables.insert(name, Variable::Open(String::new())).is_err(), "{name}");
    }
    variables.insert("_a1", Variable::Open(String::new())).unwrap();
}

/// Evaluates with an open and a sealed value of 64 KiB each.
fn large(text: &str) -> Result<(), String> {
    let mut variables = Variables::default();
    let value = "a".repeat(64 << 10);
    variables.insert("open", Variable::Open(value.clone())).unwrap();
    variables.insert("short", Variable::Open("a".repeat(4000))).unwrap();
    variables.insert("sealed", Variable::Sealed(Secret::new(value.into_bytes()))).unwrap();
    Evaluator::new(&variables).evaluate(text).map(drop).map_err(|error| error.to_string())
}

#[test]
fn what_would_grow_or_last_without_end_is_refused_before_it_is_done() {
    let grows = large("${open//a/${open}}").unwrap_err();
    assert!(grows.contains("more than"), "{grows}");
    let sealed = large(&"${sealed}".repeat(2000)).unwrap_err();
    assert!(sealed.contains("more than"), "{sealed}");
    let lasts = large(&format!("${{short##{}b}}", "*a".repeat(1000))).unwrap_err();
    assert!(lasts.contains("steps"), "{lasts}");
    for nothing in ["${open///x}", "${open//}", "${open//${open:0:0}/${open}}"] {
        assert!(large(nothing).is_err(), "{nothing}");
    }
    assert_eq!(large("${open}${sealed}${open//b/c}${short%a}"), Ok(()));
}

#[test]
fn what_may_still_come_out_does_not_tell_how_long_a_sealed_value_is() {
    // 64 MiB in steps of 4 KiB.
    let texts = ["${s}".repeat(16 * 1024), "${s}".repeat(16 * 1024 + 1)];
    for length in [1, 17, 4096] {
        let mut variables = Variables::default();
        variables.insert("s", Variable::Sealed(Secret::new(vec![b'x'; length]))).unwrap();
        let fits = |text: &str| Evaluator::new(&variables).evaluate(text).is_ok();
        assert_eq!(texts.each_ref().map(|text| fits(text)), [true, false], "{length}");
    }
}
