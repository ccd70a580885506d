//! What must exist before what.

use crate::model::Key;

/// When an object is written; deletion goes the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Definitions that others need: kinds, namespaces, roles, classes.
    Definitions,
    /// Everything else.
    Rest,
}

impl Stage {
    /// When `key` is written.
    pub fn of(key: &Key) -> Self {
        let definition = matches!(
            (key.group.as_str(), key.kind.as_str()),
            ("apiextensions.k8s.io", "CustomResourceDefinition")
                | ("", "Namespace")
                | ("rbac.authorization.k8s.io", "ClusterRole")
                | ("scheduling.k8s.io", "PriorityClass")
                | ("storage.k8s.io", "StorageClass")
                | ("node.k8s.io", "RuntimeClass")
                | ("networking.k8s.io", "IngressClass")
                | ("gateway.networking.k8s.io", "GatewayClass")
        );
        if definition { Stage::Definitions } else { Stage::Rest }
    }
}

/// Order within a stage: what others refer to first. Only a courtesy; the API server takes any order.
pub(super) fn rank(key: &Key) -> u8 {
    match (key.group.as_str(), key.kind.as_str()) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") | ("", "Namespace") => 0,
        ("", "ServiceAccount" | "Secret" | "ConfigMap" | "ResourceQuota" | "LimitRange")
        | ("rbac.authorization.k8s.io", _) => 1,
        ("", "Service" | "PersistentVolume" | "PersistentVolumeClaim") => 2,
        // Last, because they judge or call what was written before them.
        ("admissionregistration.k8s.io", _) => 9,
        _ => 5,
    }
}
