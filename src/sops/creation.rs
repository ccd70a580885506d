//! `.sops.yaml`: for whom new files are encrypted, by their paths.
//!
//! Source: getsops/sops 3.13, `config/config.go`. What cannot be done here is refused rather than left out: a file must not
//! end up sealed for fewer than its owner named.

use serde::Deserialize;

use super::error::Fault;
use super::selector::{Selector, compile};

/// What the first rule that fits a path says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation {
    /// One group or several.
    pub groups: Vec<Group>,
    /// How many of several groups are needed.
    pub threshold: Option<usize>,
    /// The field that says what is encrypted, and its text.
    pub selector: Option<(String, String)>,
    /// Whether the MAC covers only what is encrypted.
    pub mac_only_encrypted: bool,
}

/// Recipients as `.sops.yaml` names them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Group {
    /// Recipients of age.
    pub age: Vec<String>,
    /// Fingerprints of OpenPGP keys.
    pub pgp: Vec<String>,
}

/// Why `.sops.yaml` says nothing for a path.
#[derive(Debug, thiserror::Error)]
pub enum CreationError {
    /// Not of its form, or with a field that is not known here.
    #[error("not creation rules that can be followed here: {0}")]
    Malformed(#[from] serde_yaml::Error),
    /// A rule that is not of its form, or with a field that is not known here.
    #[error("rule {rule} cannot be followed here: {fault}")]
    Rule {
        /// Which rule, counted from 1.
        rule: usize,
        /// What is wrong.
        fault: serde_yaml::Error,
    },
    /// There are no rules at all.
    #[error("there is no `creation_rules`; at the top stand: {}", found.join(", "))]
    NoRules {
        /// The fields at the top.
        found: Vec<String>,
    },
    /// An expression.
    #[error("rule {rule}: {}", InRule(fault))]
    Expression {
        /// Which rule, counted from 1.
        rule: usize,
        /// What is wrong.
        fault: Fault,
    },
    /// Several fields that exclude each other.
    #[error("rule {rule}: {what}")]
    Contradiction {
        /// Which rule, counted from 1.
        rule: usize,
        /// Which fields.
        what: &'static str,
    },
    /// No rule is for it.
    #[error("no creation rule is for {path}; add one whose `path_regex` matches it")]
    NoRule {
        /// The path, as rules see it.
        path: String,
    },
}

/// Rules for other paths may say what is not known here.
#[derive(Deserialize)]
struct Rules {
    creation_rules: Option<Vec<serde_yaml::Value>>,
}

/// Which files a rule is for.
#[derive(Deserialize)]
struct Reach {
    path_regex: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(rename = "path_regex")]
    _reach: Option<String>,
    #[serde(default)]
    age: Names,
    #[serde(default)]
    pgp: Names,
    #[serde(default)]
    key_groups: Vec<Group>,
    shamir_threshold: Option<usize>,
    unencrypted_suffix: Option<String>,
    encrypted_suffix: Option<String>,
    unencrypted_regex: Option<String>,
    encrypted_regex: Option<String>,
    unencrypted_comment_regex: Option<String>,
    encrypted_comment_regex: Option<String>,
    #[serde(default)]
    mac_only_encrypted: bool,
}

/// Several names: a list, or a text with commas.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Names {
    Text(String),
    List(Vec<String>),
    #[default]
    None,
}

impl Names {
    fn into_list(self) -> Vec<String> {
        match self {
            Names::Text(text) => apart(&text),
            Names::List(list) => list.iter().flat_map(|names| apart(names)).collect(),
            Names::None => Vec::new(),
        }
    }
}

fn apart(names: &str) -> Vec<String> {
    names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// What the text of a `.sops.yaml` says for `path`, which is relative to the folder it lies in.
///
/// # Errors
/// Where no rule fits, and where any rule up to the one that fits cannot be followed.
pub fn creation(config: &str, path: &str) -> Result<Creation, CreationError> {
    let mut config: serde_yaml::Value = serde_yaml::from_str(config)?;
    config.apply_merge()?;
    let found = config.as_mapping().into_iter().flat_map(|fields| fields.keys());
    let found = found.filter_map(|name| name.as_str().map(super::error::shown)).collect();
    let rules: Rules = serde_yaml::from_value(config)?;
    for (at, rule) in rules.creation_rules.ok_or(CreationError::NoRules { found })?.into_iter().enumerate() {
        let number = at + 1;
        let unread = |fault| CreationError::Rule { rule: number, fault };
        let reach: Reach = serde_yaml::from_value(rule.clone()).map_err(unread)?;
        let fits = match reach.path_regex.as_deref().filter(|regex| !regex.is_empty()) {
            None => true,
            Some(regex) => compile("path_regex", regex)
                .map_err(|fault| CreationError::Expression { rule: number, fault })?
                .is_match(path),
        };
        if fits {
            return follow(serde_yaml::from_value(rule).map_err(unread)?, number);
        }
    }
    Err(CreationError::NoRule { path: path.to_owned() })
}

fn follow(rule: Rule, number: usize) -> Result<Creation, CreationError> {
    let contradiction = |what| CreationError::Contradiction { rule: number, what };
    let mut selectors = Selector::FIELDS.into_iter().zip([
        rule.unencrypted_suffix,
        rule.encrypted_suffix,
        rule.unencrypted_regex,
        rule.encrypted_regex,
        rule.unencrypted_comment_regex,
        rule.encrypted_comment_regex,
    ]);
    let mut selector = None;
    for (field, text) in selectors.by_ref() {
        let Some(text) = text.filter(|text| !text.is_empty()) else { continue };
        if selector.is_some() {
            return Err(contradiction("more than one field says what is encrypted; keep one"));
        }
        Selector::read(field, &text).map_err(|fault| CreationError::Expression { rule: number, fault })?;
        selector = Some((field.to_owned(), text));
    }
    let own = Group { age: rule.age.into_list(), pgp: rule.pgp.into_list() };
    let groups = match (own == Group::default(), rule.key_groups.is_empty()) {
        (true, true) => return Err(contradiction("it names no recipient; `age`, `pgp` or `key_groups` must")),
        (false, false) => return Err(contradiction("recipients stand beside `key_groups`, which would hide them")),
        (false, true) => vec![own],
        (true, false) => rule.key_groups,
    };
    let groups = groups.into_iter().map(|group| Group { age: Names::List(group.age).into_list(), ..group }).collect();
    Ok(Creation {
        groups,
        threshold: rule.shamir_threshold.filter(|&threshold| threshold > 0),
        selector,
        mac_only_encrypted: rule.mac_only_encrypted,
    })
}

/// A fault of an expression that stands in a rule, and not in the metadata of a file.
struct InRule<'a>(&'a Fault);

impl std::fmt::Display for InRule<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Fault::BadMetadata { field, why } => write!(f, "`{field}` {why}; correct it"),
            Fault::Limit { limit, .. } => write!(f, "a regular expression has more than {limit} bytes"),
            other => write!(f, "{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Group, creation};

    const CONFIG: &str = "\
creation_rules:
  - path_regex: prod/.*\\.enc\\.yaml$
    age: age1one, age1two
    encrypted_regex: ^(data|stringData)$
    mac_only_encrypted: true
  - path_regex: \\.env$
    pgp: [AAAA, BBBB]
  - shamir_threshold: 2
    key_groups:
      - age: [age1one]
      - pgp: [AAAA]
stores: {yaml: {indent: 2}}
";

    #[test]
    fn the_first_rule_that_fits_counts() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let found = creation(CONFIG, "clusters/prod/db.enc.yaml").unwrap();
        assert_eq!(found.groups, [Group { age: names(&["age1one", "age1two"]), pgp: Vec::new() }]);
        assert_eq!(found.selector, Some(("encrypted_regex".to_owned(), "^(data|stringData)$".to_owned())));
        assert!(found.mac_only_encrypted);
        let found = creation(CONFIG, "x.env").unwrap();
        assert_eq!(found.groups, [Group { age: Vec::new(), pgp: names(&["AAAA", "BBBB"]) }]);
        let found = creation(CONFIG, "y").unwrap();
        assert_eq!((found.groups.len(), found.threshold, found.selector), (2, Some(2), None));
    }

    #[test]
    fn rules_for_other_paths_count_for_nothing_and_anchors_are_expanded() {
        let config = "\
keys: [&both 'age1one, age1two']
rule: &rule {mac_only_encrypted: true}
creation_rules:
  - {path_regex: ^cloud/, kms: arn, no_such_field: 1}
  - {<<: *rule, age: [*both, age1three]}
";
        let found = creation(config, "x.yaml").unwrap();
        assert_eq!(found.groups[0].age, ["age1one", "age1two", "age1three"]);
        assert!(found.mac_only_encrypted);
        assert!(creation(config, "cloud/x.yaml").is_err());
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        for (rule, why) in [
            ("{age: a, path_regex: nothing-else}", "no creation rule is for"),
            ("{age: a, kms: arn}", "rule 1 cannot be followed here: unknown field `kms`"),
            ("{age: a, path_regex: '('}", "rule 1: `path_regex` is not a regular expression; correct it"),
            ("{age: a, encrypted_regex: a, encrypted_suffix: b}", "more than one field"),
            ("{age: a, key_groups: [{age: [b]}]}", "beside `key_groups`"),
            ("{key_groups: [{hc_vault: [b]}]}", "unknown field `hc_vault`"),
            ("{encrypted_regex: a}", "names no recipient"),
        ] {
            let error = creation(&format!("creation_rules: [{rule}]"), "x.yaml").unwrap_err();
            assert!(error.to_string().contains(why), "{rule}: {error}");
        }
        let error = creation("keys: []\ncreation_rule: [{age: a}]", "x.yaml").unwrap_err();
        assert_eq!(error.to_string(), "there is no `creation_rules`; at the top stand: keys, creation_rule");
    }
}
