//! The agent itself: what a repository must not touch, so that it cannot widen its own trust.

use crate::model::{Key, Map, Node};

use super::{Agent, RESERVED};

/// What of the agent `body` is; `None` for everybody else's objects.
pub(super) fn belongs_to_agent(key: &Key, body: &Map, agent: &Agent) -> Option<&'static str> {
    let is = |group: &str, kind: &str| key.group == group && key.kind == kind;
    if in_reserved_group(&key.group) {
        return Some("a resource of the agent's own group");
    }
    if is("apiextensions.k8s.io", "CustomResourceDefinition") && defines_reserved_group(key, body) {
        return Some("a definition of the agent's own resources");
    }
    if is("apiregistration.k8s.io", "APIService") && text(body, "spec", "group").is_some_and(in_reserved_group) {
        return Some("a server for the agent's own resources");
    }
    if is("", "Namespace") && key.name == agent.namespace {
        return Some("the agent's own namespace");
    }
    if key.namespace.as_deref() == Some(&agent.namespace) {
        return Some("in the agent's own namespace, where its keys and its trust are");
    }
    if key.group == "rbac.authorization.k8s.io" && names_agent(key, body, agent) {
        return Some("a role of the agent");
    }
    None
}

fn in_reserved_group(group: &str) -> bool {
    group == RESERVED || group.strip_suffix(RESERVED).is_some_and(|rest| rest.ends_with('.'))
}

fn defines_reserved_group(key: &Key, body: &Map) -> bool {
    let named = key.name.split_once('.').is_some_and(|(_, group)| in_reserved_group(group));
    named || text(body, "spec", "group").is_some_and(in_reserved_group)
}

/// Whether a role or binding is the agent's, gives rights to the agent, or gives the agent's rights to others.
fn names_agent(key: &Key, body: &Map, agent: &Agent) -> bool {
    let is_own = |name: &str| {
        name == agent.service_account
            || name.strip_prefix(&agent.service_account).is_some_and(|rest| rest.starts_with(['-', ':']))
    };
    let own_name = is_own(&key.name) || text(body, "roleRef", "name").is_some_and(is_own);
    let subjects = body.get("subjects").and_then(Node::as_list).unwrap_or_default();
    let user = format!("system:serviceaccount:{}:{}", agent.namespace, agent.service_account);
    let groups = ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{}", agent.namespace)];
    let is_agent = |subject: &Node| {
        let field = |name: &str| subject.as_map().and_then(|map| map.get(name)).and_then(Node::as_text);
        let account = field("namespace") == Some(&agent.namespace) && field("name") == Some(&agent.service_account);
        let group = field("kind") == Some("Group") && groups.iter().any(|group| field("name") == Some(group));
        account || group || field("name") == Some(&user)
    };
    own_name || subjects.iter().any(is_agent)
}

fn text<'a>(body: &'a Map, outer: &str, inner: &str) -> Option<&'a str> {
    body.get(outer)?.as_map()?.get(inner)?.as_text()
}
