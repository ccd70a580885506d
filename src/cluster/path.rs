//! Paths of the Kubernetes API.

use std::fmt::Write;

use crate::plan::Target;

/// The collection that `target` is in: `/apis/apps/v1/namespaces/shop/deployments`.
pub(super) fn collection(group: &str, version: &str, namespace: Option<&str>, plural: &str) -> String {
    let mut path = group_version(group, version);
    if let Some(namespace) = namespace {
        path.push_str("/namespaces/");
        path.push_str(&encode(namespace));
    }
    path.push('/');
    path.push_str(&encode(plural));
    path
}

/// The object itself.
pub(super) fn object(target: &Target) -> String {
    let key = &target.key;
    let mut path = collection(&key.group, &key.version, key.namespace.as_deref(), &target.plural);
    path.push('/');
    path.push_str(&encode(&key.name));
    path
}

/// `/api/v1` or `/apis/GROUP/VERSION`.
pub(super) fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("/api/{}", encode(version))
    } else {
        format!("/apis/{}/{}", encode(group), encode(version))
    }
}

/// Percent-encodes everything but unreserved characters (RFC 3986), so that no name can become another path or a query.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String cannot end in an error");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::{collection, encode};

    #[test]
    fn no_name_becomes_another_path() {
        assert_eq!(encode("system:node"), "system%3Anode");
        assert_eq!(encode("../x?y#z"), "..%2Fx%3Fy%23z");
    }

    #[test]
    fn the_core_group_has_its_own_root() {
        assert_eq!(collection("", "v1", Some("shop"), "secrets"), "/api/v1/namespaces/shop/secrets");
        assert_eq!(collection("apps", "v1", None, "deployments"), "/apis/apps/v1/deployments");
    }
}
