//! From a Repository's `trust`, and the ConfigMaps it names, to what [`crate::trust`] reads.

use std::collections::BTreeMap;

use crate::api::{self, Trust};
use crate::trust::{BindCommitter, ConfigError, Mode, PathRuleText, PolicyInput, SignersText};

/// A ConfigMap that holds signers: keys `allowed_signers`, `PRINCIPAL.asc` and `revoked`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignersMap {
    /// Its name.
    pub name: String,
    /// Its `data` and `binaryData` together.
    pub entries: BTreeMap<String, Vec<u8>>,
}

/// The trust configuration in neutral types.
///
/// # Errors
/// Where a ConfigMap that is named is not among `maps`, or holds something else than signers: half of a trust
/// configuration is none.
pub fn policy_input(trust: &Trust, maps: &[SignersMap]) -> Result<PolicyInput, ConfigError> {
    let mut signers: Vec<SignersText> = trust.signers.as_ref().map(written).into_iter().collect();
    for from in &trust.signers_from {
        let name = format!("configmap/{}", from.config_map);
        let map = maps.iter().find(|map| map.name == from.config_map);
        let map = map.ok_or_else(|| {
            error(&name, "there is no such ConfigMap; make it in the agent's namespace (for `verify`: in the Repository's file), or take it \
                 off spec.trust.signersFrom")
        })?;
        signers.push(mapped(&name, map)?);
    }
    Ok(PolicyInput {
        root: trust.root.clone(),
        signers,
        in_repository: trust.in_repository.as_ref().map(|file| file.path.clone()),
        mode: match trust.mode {
            api::Mode::EveryCommit => Mode::EveryCommit,
            api::Mode::FirstParent => Mode::FirstParent,
            api::Mode::Head => Mode::Head,
            api::Mode::Tag => Mode::Tag,
        },
        promoters: trust.promoters.clone(),
        threshold: trust.threshold,
        path_rules: trust.path_rules.iter().map(path_rule).collect(),
        merge_only: trust.merge_only.clone(),
        bind_committer: if trust.bind_committer { BindCommitter::Yes } else { BindCommitter::No },
        revoked_principals: trust.revoked_principals.clone(),
        no_touch_allowed: trust.no_touch_allowed.clone(),
        rollback_to: trust.rollback_to.clone(),
        max_future_skew: Some(trust.max_future_skew.get().as_secs()),
        max_backward_skew: Some(trust.max_backward_skew.get().as_secs()),
    })
}

fn written(signers: &api::Signers) -> SignersText {
    SignersText {
        name: "spec.trust.signers".into(),
        allowed_signers: signers.allowed_signers.clone(),
        openpgp: signers.openpgp.iter().map(|one| (one.principal.clone(), one.certificate.clone())).collect(),
        revoked: signers.revoked.clone().map(String::into_bytes),
    }
}

fn mapped(name: &str, map: &SignersMap) -> Result<SignersText, ConfigError> {
    let mut signers = SignersText { name: name.to_owned(), ..SignersText::default() };
    for (key, bytes) in &map.entries {
        let text = || String::from_utf8(bytes.clone()).map_err(|_| error(&format!("{name}/{key}"), "not UTF-8 text"));
        match key.as_str() {
            "allowed_signers" => signers.allowed_signers = Some(text()?),
            "revoked" => signers.revoked = Some(bytes.clone()),
            other => {
                let principal = other.strip_suffix(".asc").filter(|principal| !principal.is_empty());
                let unknown = "not a key that is known; allowed_signers, revoked and PRINCIPAL.asc are";
                let principal = principal.ok_or_else(|| error(&format!("{name}/{key}"), unknown))?;
                signers.openpgp.push((principal.to_owned(), text()?));
            }
        }
    }
    Ok(signers)
}

fn path_rule(rule: &api::PathRule) -> PathRuleText {
    PathRuleText { paths: rule.paths.clone(), signers: rule.signers.clone() }
}

fn error(file: &str, what: &str) -> ConfigError {
    ConfigError { file: file.to_owned(), line: None, what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(yaml: &str) -> Trust {
        serde_yaml::from_str(&format!("root: 4f1c2d9e00112233445566778899aabbccddeeff\n{yaml}")).unwrap()
    }

    fn map(key: &str, text: &str) -> SignersMap {
        SignersMap { name: "signers".into(), entries: [(key.to_owned(), text.as_bytes().to_vec())].into() }
    }

    #[test]
    fn defaults_are_those_of_the_resource() {
        let input = policy_input(&trust("signers: {allowedSigners: x}"), &[]).unwrap();
        assert_eq!((input.max_future_skew, input.max_backward_skew, input.threshold), (Some(3600), Some(86400), 1));
        assert_eq!(input.mode, Mode::EveryCommit);
        assert_eq!(input.signers[0].allowed_signers.as_deref(), Some("x"));
    }

    #[test]
    fn every_config_map_that_is_named_must_be_there_and_understood() {
        let trust = trust("signersFrom: [{configMap: signers}]");
        assert!(policy_input(&trust, &[]).is_err());
        assert!(policy_input(&trust, &[map("allowed-signers", "")]).is_err());
        let input = policy_input(&trust, &[map("bob.asc", "armor")]).unwrap();
        assert_eq!(input.signers[0].openpgp, [("bob".to_owned(), "armor".to_owned())]);
    }
}
