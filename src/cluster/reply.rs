//! What an API server's refusal is reduced to.

use serde::Deserialize;

use super::request::About;

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The ServiceAccount has no such right.
    #[error("{account} may not {verb} {resource}. Grant it with a Role and a RoleBinding")]
    Denied {
        /// `ServiceAccount NAMESPACE/NAME`.
        account: String,
        /// The verb of RBAC.
        verb: &'static str,
        /// Resource and namespace, `deployments.apps in shop`.
        resource: String,
    },
    /// It, or the namespace it should be in, does not exist.
    #[error("there is no such object, or no such namespace")]
    NotFound,
    /// Other managers have written fields with other values.
    #[error("other field managers own fields: {}", list(.0))]
    Conflict(Vec<Taken>),
    /// It was changed or made anew between looking and acting.
    #[error("it was changed by somebody else meanwhile")]
    Changed,
    /// Every field that is refused is one that cannot be changed once it is set.
    #[error(
        "{} cannot be changed in an object that exists; annotate the manifest with \
         `kustomize.toolkit.fluxcd.io/force: enabled` to have it deleted and made again", .fields.join(", ")
    )]
    Immutable {
        /// The fields.
        fields: Vec<String>,
    },
    /// The API server or an admission policy does not take the object.
    #[error("the API server answered {code} {reason}{}{}", named(.fields), told(.sentence.as_ref()))]
    Rejected {
        /// HTTP status.
        code: u16,
        /// `reason` of the answer, such as `Invalid`.
        reason: String,
        /// Fields that are named as causes.
        fields: Vec<String>,
        /// Its sentence; never kept where the object is a Secret, because it can hold values.
        sentence: Option<String>,
    },
    /// There was no answer, or one that asks to come again.
    #[error("the API server did not answer: {what}")]
    Unreachable {
        /// What happened.
        what: String,
    },
    /// The answer is not what the API promises.
    #[error("the API server's answer could not be read: {what}")]
    Unreadable {
        /// What is wrong with it; never a part of it.
        what: &'static str,
    },
}

/// A field that another manager has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The field, such as `.spec.replicas`.
    pub field: String,
    /// The manager, such as `kubectl-edit`.
    pub manager: String,
}

/// The parts of a `Status` that are looked at.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    reason: Option<String>,
    message: Option<String>,
    details: Details,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Details {
    causes: Vec<Cause>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Cause {
    reason: Option<String>,
    message: Option<String>,
    field: Option<String>,
}

impl Details {
    fn fields(&self) -> Vec<String> {
        self.causes.iter().filter_map(|cause| cause.field.as_deref()).map(plain).take(20).collect()
    }
}

impl Cause {
    /// Whether the value itself is fine, and only may not take the place of another: the sentences of Kubernetes' own
    /// validation for fields that are fixed, and of `self == oldSelf` rules.
    fn is_of_change(&self) -> bool {
        const SENTENCES: [&str; 5] = [
            "immutable",
            "may not change",
            "cannot change",
            "can not be unset",
            "updates to statefulset spec for fields",
        ];
        self.message.as_deref().is_some_and(|message| SENTENCES.iter().any(|known| message.contains(known)))
    }
}

/// Reduces the answer `body` with HTTP status `code` to what may be shown.
pub(super) fn reduce(code: u16, body: &[u8], about: &About) -> Trouble {
    let status: Status = serde_json::from_slice(body).unwrap_or_default();
    let message = status.message.unwrap_or_default();
    let reason = status.reason.unwrap_or_default();
    match code {
        404 => Trouble::NotFound,
        // What RBAC writes; admission also answers 403, but says something else.
        403 if message.contains("\" cannot ") && message.contains("User \"") => about.denied(),
        409 => {
            let taken: Vec<Taken> = status.details.causes.iter().filter_map(taken).collect();
            if taken.is_empty() { Trouble::Changed } else { Trouble::Conflict(taken) }
        }
        422 if !status.details.causes.is_empty() && status.details.causes.iter().all(Cause::is_of_change) => {
            Trouble::Immutable { fields: status.details.fields() }
        }
        429 | 502 | 503 | 504 => Trouble::Unreachable { what: format!("status {code} {}", plain(&reason)) },
        _ => Trouble::Rejected {
            code,
            reason: plain(&reason),
            fields: status.details.fields(),
            sentence: (!about.is_secret() && !message.is_empty()).then(|| plain(&message)),
        },
    }
}

/// `conflict with "kubectl-edit" using v1` at `.spec.replicas`: the manager's name, and nothing of the value.
fn taken(cause: &Cause) -> Option<Taken> {
    if cause.reason.as_deref() != Some("FieldManagerConflict") {
        return None;
    }
    let manager = cause.message.as_deref().and_then(|text| text.split('"').nth(1)).unwrap_or("another manager");
    Some(Taken { field: plain(cause.field.as_deref().unwrap_or("?")), manager: plain(manager) })
}

/// One line of bounded length: control characters are spelt out.
fn plain(text: &str) -> String {
    text.chars().take(600).flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

fn list(taken: &[Taken]) -> String {
    let shown: Vec<String> = taken.iter().take(10).map(|one| format!("{} ({})", one.field, one.manager)).collect();
    shown.join(", ")
}

fn named(fields: &[String]) -> String {
    if fields.is_empty() { String::new() } else { format!(" at {}", fields.join(", ")) }
}

fn told(sentence: Option<&String>) -> String {
    sentence.map(|sentence| format!(": {sentence}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Taken, Trouble, reduce};
    use crate::cluster::request::About;
    use crate::cluster::{ServiceAccount, Verb};
    use crate::model::Key;

    fn about(group: &str, kind: &str, plural: &str) -> About {
        let key = Key {
            group: group.to_owned(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            namespace: Some("shop".to_owned()),
            name: "web".to_owned(),
        };
        let account = ServiceAccount { namespace: "shop".to_owned(), name: "applier".to_owned() };
        About::object(&account, Verb::Patch, &key, plural)
    }

    #[test]
    fn only_a_change_of_fixed_fields_is_one_that_making_anew_would_mend() {
        let body = |causes: &str| {
            format!(r#"{{"kind":"Status","code":422,"reason":"Invalid","details":{{"causes":[{causes}]}}}}"#)
        };
        let fixed = r#"{"reason":"FieldValueInvalid","field":"spec.selector","message":"Invalid value: {\"a\":1}: field is immutable"}"#;
        let wrong = r#"{"reason":"FieldValueInvalid","field":"spec.replicas","message":"Invalid value: -1: must be greater than or equal to 0"}"#;
        let about = about("apps", "Deployment", "deployments");
        let found = reduce(422, body(fixed).as_bytes(), &about);
        assert_eq!(found, Trouble::Immutable { fields: vec!["spec.selector".to_owned()] });
        for causes in [wrong.to_owned(), format!("{fixed},{wrong}"), String::new()] {
            let found = reduce(422, body(&causes).as_bytes(), &about);
            assert!(matches!(found, Trouble::Rejected { code: 422, .. }), "{found:?}");
        }
    }

    #[test]
    fn a_sentence_about_a_secret_is_never_repeated() {
        let body = br#"{"kind":"Status","code":422,"reason":"Invalid","message":"Secret \"web\" is invalid: data[a]: Invalid value: \"hunter2\"",
            "details":{"causes":[{"reason":"FieldValueInvalid","message":"Invalid value: \"hunter2\"","field":"data[a]"}]}}"#;
        let trouble = reduce(422, body, &about("", "Secret", "secrets"));
        assert_eq!(trouble.to_string(), "the API server answered 422 Invalid at data[a]");
        assert!(!format!("{trouble:?}").contains("hunter2"));
    }

    #[test]
    fn a_missing_right_names_account_verb_and_resource() {
        let body = br#"{"kind":"Status","code":403,"reason":"Forbidden","message":"deployments.apps \"web\" is forbidden: User \"system:serviceaccount:shop:applier\" cannot patch resource \"deployments\" in API group \"apps\" in the namespace \"shop\""}"#;
        let trouble = reduce(403, body, &about("apps", "Deployment", "deployments"));
        assert_eq!(
            trouble.to_string(),
            "ServiceAccount shop/applier may not patch deployments.apps in shop. Grant it with a Role and a RoleBinding"
        );
    }

    #[test]
    fn a_conflict_names_field_and_manager() {
        let body = br#"{"kind":"Status","code":409,"reason":"Conflict","message":"x","details":{"causes":[
            {"reason":"FieldManagerConflict","message":"conflict with \"kubectl-edit\" using apps/v1","field":".spec.replicas"}]}}"#;
        let taken = Taken { field: ".spec.replicas".to_owned(), manager: "kubectl-edit".to_owned() };
        assert_eq!(reduce(409, body, &about("apps", "Deployment", "deployments")), Trouble::Conflict(vec![taken]));
    }

    #[test]
    fn an_answer_that_is_not_json_is_reduced_to_its_code() {
        let trouble = reduce(500, b"<html>\x1b[31mboom", &about("", "ConfigMap", "configmaps"));
        assert_eq!(trouble.to_string(), "the API server answered 500 ");
    }
}
