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
    /// The API server does not know the path: its kind is not served, or not in this version. Says nothing about objects.
    #[error("the API server serves no such kind, or not in this version; look at the conditions of its definition")]
    NotServed,
    /// Other managers have written fields with other values.
    #[error("other field managers own fields: {}", list(.0))]
    Conflict(Vec<Taken>),
    /// It was changed or made anew between looking and acting.
    #[error("it was changed by somebody else meanwhile")]
    Changed,
    /// The record of what is applied is not as whoever made the plan left it.
    #[error(
        "the Warrant is not as this agent left it: another agent is at work, or somebody wrote it. Nothing more is changed"
    )]
    Superseded,
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
    #[error("the API server answered {code}{}{}{}", word(.reason), named(.fields), told(.sentence.as_ref()))]
    Rejected {
        /// HTTP status.
        code: u16,
        /// `reason` of the answer, such as `Invalid`; empty where it is none of Kubernetes' own.
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
    name: Option<String>,
    kind: Option<String>,
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
    /// Whether it is what was asked for that does not exist, and not the path to it.
    fn are_of(&self, about: &About) -> bool {
        self.name.as_deref().is_some_and(|name| about.is_of(name, self.kind.as_deref().unwrap_or_default()))
    }

    /// The fields that are named; of a Secret those that look like one, because a webhook can write anything there.
    fn fields(&self, secret: bool) -> Vec<String> {
        let named = self.causes.iter().filter_map(|cause| cause.field.as_deref());
        named.filter(|field| !secret || is_field_of_secret(field)).map(plain).take(20).collect()
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
    let secret = about.is_secret();
    let reason = status.reason.filter(|reason| is_reason(reason)).unwrap_or_default();
    match code {
        404 if reason == "NotFound" && status.details.are_of(about) => Trouble::NotFound,
        404 => Trouble::NotServed,
        // What RBAC writes; admission also answers 403, but says something else.
        403 if message.contains("\" cannot ") && message.contains("User \"") => about.denied(),
        409 => {
            let taken: Vec<Taken> = status.details.causes.iter().filter_map(|cause| taken(cause, secret)).collect();
            if taken.is_empty() { Trouble::Changed } else { Trouble::Conflict(taken) }
        }
        422 if about.is_found_invalid(&message)
            && !status.details.causes.is_empty()
            && status.details.causes.iter().all(Cause::is_of_change) =>
        {
            Trouble::Immutable { fields: status.details.fields(secret) }
        }
        429 | 502 | 503 | 504 => Trouble::Unreachable { what: format!("status {code} {reason}").trim_end().to_owned() },
        // A list that was begun too long ago, or something that is gone for good: the next turn begins anew.
        410 => Trouble::Changed,
        _ => Trouble::Rejected {
            code,
            reason,
            fields: status.details.fields(secret),
            sentence: (!secret && !message.is_empty()).then(|| plain(&message)),
        },
    }
}

/// `conflict with "kubectl-edit" using v1` at `.spec.replicas`: the manager's name, and nothing of the value. About a
/// Secret no name is believed to be one.
fn taken(cause: &Cause, secret: bool) -> Option<Taken> {
    if cause.reason.as_deref() != Some("FieldManagerConflict") {
        return None;
    }
    let named = cause.message.as_deref().and_then(|text| text.split('"').nth(1));
    let manager = named.filter(|_| !secret).unwrap_or("another manager");
    let field = cause.field.as_deref().filter(|field| !secret || is_field_of_secret(field)).unwrap_or("?");
    Some(Taken { field: plain(field), manager: plain(manager) })
}

/// Whether `text` is a reason of Kubernetes' own; a webhook can write anything there.
///
/// Source: apimachinery `StatusReason`.
fn is_reason(text: &str) -> bool {
    const REASONS: [&str; 19] = [
        "Unauthorized",
        "Forbidden",
        "NotFound",
        "AlreadyExists",
        "Conflict",
        "Gone",
        "Invalid",
        "ServerTimeout",
        "StoreReadError",
        "Timeout",
        "TooManyRequests",
        "BadRequest",
        "MethodNotAllowed",
        "NotAcceptable",
        "RequestEntityTooLarge",
        "UnsupportedMediaType",
        "InternalError",
        "Expired",
        "ServiceUnavailable",
    ];
    REASONS.contains(&text)
}

/// Whether `text` names a field that a Secret has: its parts are those of names, and it is short.
fn is_field_of_secret(text: &str) -> bool {
    const FIELDS: [&str; 7] = ["apiVersion", "kind", "metadata", "data", "stringData", "type", "immutable"];
    let first = text.trim_start_matches('.').split(['.', '[']).next().unwrap_or_default();
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '[' | ']' | '/');
    FIELDS.contains(&first) && text.len() <= 128 && text.chars().all(good)
}

/// One line of bounded length: control characters are spelt out.
fn plain(text: &str) -> String {
    text.chars().take(600).flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

fn list(taken: &[Taken]) -> String {
    let shown: Vec<String> = taken.iter().take(10).map(|one| format!("{} ({})", one.field, one.manager)).collect();
    shown.join(", ")
}

fn word(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" {reason}") }
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
            let message = r#"Deployment.apps \"web\" is invalid: spec.selector: Invalid value: x"#;
            format!(
                r#"{{"kind":"Status","code":422,"reason":"Invalid","message":"{message}","details":{{"causes":[{causes}]}}}}"#
            )
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
    fn webhook_or_policy_that_says_immutable_has_nothing_deleted() {
        let about = about("apps", "Deployment", "deployments");
        for message in [
            r#"admission webhook \"guard.example.com\" denied the request: field is immutable"#,
            r#"admission webhook \"guard.example.com\" denied the request: Deployment.apps \"web\" is invalid: x"#,
            r#"deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'a' with binding 'b' denied request: immutable"#,
            r#"Deployment.apps \"other\" is invalid: spec.selector: field is immutable"#,
            "",
        ] {
            let body = format!(
                r#"{{"kind":"Status","code":422,"reason":"Invalid","message":"{message}","details":{{"causes":[
                {{"reason":"FieldValueInvalid","field":"spec.selector","message":"field is immutable"}}]}}}}"#
            );
            let found = reduce(422, body.as_bytes(), &about);
            assert!(matches!(found, Trouble::Rejected { code: 422, .. }), "{message}: {found:?}");
        }
    }

    #[test]
    fn only_an_answer_about_what_was_asked_for_says_that_it_does_not_exist() {
        let about = about("", "ConfigMap", "configmaps");
        let status = |kind: &str, name: &str| {
            format!(
                r#"{{"kind":"Status","code":404,"reason":"NotFound","details":{{"kind":"{kind}","name":"{name}"}}}}"#
            )
        };
        assert_eq!(reduce(404, status("configmaps", "web").as_bytes(), &about), Trouble::NotFound);
        assert_eq!(reduce(404, status("namespaces", "shop").as_bytes(), &about), Trouble::NotFound);
        for other in [
            "404 page not found\n".to_owned(),
            String::new(),
            r#"{"kind":"Status","code":404,"reason":"NotFound","message":"the server could not find the requested resource","details":{}}"#.to_owned(),
            status("configmaps", "other"),
            status("namespaces", "other"),
        ] {
            assert_eq!(reduce(404, other.as_bytes(), &about), Trouble::NotServed, "{other}");
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
    fn webhook_that_echoes_a_secret_in_any_part_of_its_answer_is_not_repeated() {
        let about = about("", "Secret", "secrets");
        for code in [400, 403, 409, 410, 422, 429, 500, 503] {
            for cause in ["FieldValueInvalid", "FieldManagerConflict"] {
                let body = format!(
                    r#"{{"kind":"Status","reason":"hunter2","message":"User \"hunter2\" cannot hunter2","details":{{"causes":[
                    {{"reason":"{cause}","message":"immutable \"hunter2\"","field":"data.password: hunter2"}},
                    {{"reason":"{cause}","message":"immutable \"hunter2\"","field":"hunter2"}}]}}}}"#
                );
                let trouble = reduce(code, body.as_bytes(), &about);
                assert!(!format!("{trouble} {trouble:?}").contains("hunter2"), "{code}: {trouble:?}");
            }
        }
    }

    #[test]
    fn a_list_that_has_expired_is_begun_anew_by_the_next_turn() {
        let body = br#"{"kind":"Status","code":410,"reason":"Expired","message":"The provided continue parameter is too old"}"#;
        assert_eq!(reduce(410, body, &about("", "ConfigMap", "configmaps")), Trouble::Changed);
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
        assert_eq!(trouble.to_string(), "the API server answered 500");
    }
}
