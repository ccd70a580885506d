//! Random objects that refer to each other by name.

use serde_json::{Value, json};

use crate::support::mutate::Random;

/// An object that was written: what a patch or a replacement has to know to name it.
#[derive(Clone)]
pub struct Written {
    /// Its `apiVersion`.
    pub api_version: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its namespace; empty where it has none.
    pub namespace: String,
}

impl Written {
    /// Whether it has a pod template at `spec.template`.
    pub fn is_workload(&self) -> bool {
        matches!(self.kind, "Deployment" | "StatefulSet" | "DaemonSet" | "Job")
    }

    /// The object's skeleton: what a patch begins with.
    pub fn head(&self) -> Value {
        let mut head = json!({"apiVersion": self.api_version, "kind": self.kind, "metadata": {"name": self.name}});
        if !self.namespace.is_empty() {
            head["metadata"]["namespace"] = json!(self.namespace);
        }
        head
    }
}

pub const NAMES: [&str; 5] = ["web", "api", "db", "conf", "default"];
pub const IMAGES: [&str; 7] = [
    "nginx",
    "nginx:1.7.9",
    "host:5000/team/web:1.0",
    "busybox@sha256:24a0c4b4",
    "registry/a/b:1@sha256:12",
    "other@sha512:ab12",
    "web-app:v{1}",
];
const TEXTS: [&str; 16] = [
    "plain",
    "yes",
    "0755",
    "1e3",
    "null",
    "~",
    "",
    "a: b",
    "two\nlines\n",
    "  padded  ",
    "#no comment",
    "<&>\u{2028}é",
    "$(V0) and $(V1)",
    "2001-01-01",
    "tail\n\n",
    "{\"a\": {\"b\": \"c\"}, \"n\": [1, 2]}",
];
const KINDS: [(&str, &str); 24] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "PersistentVolume"),
    ("v1", "Namespace"),
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("policy/v1", "PodDisruptionBudget"),
    ("example.org/v1", "Thing"),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
];

/// A text that YAML or JSON may stumble over.
pub fn text(random: &mut Random) -> &'static str {
    TEXTS[random.below(TEXTS.len())]
}

/// A scalar that is not always a text.
pub fn scalar(random: &mut Random) -> Value {
    match random.below(8) {
        0 => json!(random.below(100)),
        1 => json!(true),
        2 => json!(1.5),
        3 => json!(-7),
        _ => json!(text(random)),
    }
}

/// Some entries `k0: ...`.
pub fn entries(random: &mut Random, most: usize) -> Value {
    (0..random.below(most + 1)).map(|_| (format!("k{}", random.below(6)), json!(text(random)))).collect()
}

/// An object.
pub fn object(random: &mut Random) -> (Written, Value) {
    let (api_version, kind) = *random.one(&KINDS);
    let namespace = match random.below(6) {
        0 if !matches!(kind, "Namespace" | "PersistentVolume") => (*random.one(&["one", "two", "default"])).to_owned(),
        _ => String::new(),
    };
    let written = Written { api_version, kind, name: (*random.one(&NAMES)).to_owned(), namespace };
    let mut object = written.head();
    if random.below(3) == 0 {
        object["metadata"]["labels"] = json!({"app": random.one(&NAMES), "tier": text_label(random)});
    }
    if random.below(4) == 0 {
        object["metadata"]["annotations"] = entries(random, 2);
    }
    if random.below(10) == 0 {
        object["metadata"]["finalizers"] = json!(["example.org/a", "example.org/b"]);
    }
    if let Value::Object(more) = body(kind, random) {
        for (key, value) in more {
            object[key] = value;
        }
    }
    (written, object)
}

fn text_label(random: &mut Random) -> &'static str {
    const TIERS: [&str; 4] = ["front", "back", "1", "true"];
    TIERS[random.below(TIERS.len())]
}

fn body(kind: &str, random: &mut Random) -> Value {
    let name = |random: &mut Random| *random.one(&NAMES);
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" => {
            let mut spec = json!({"selector": {"matchLabels": {"app": "web"}}, "template": template(random)});
            if kind != "DaemonSet" && random.below(2) == 0 {
                spec["replicas"] = json!(random.below(4));
            }
            if kind == "StatefulSet" {
                spec["serviceName"] = json!(name(random));
                if random.below(2) == 0 {
                    let class = json!({"storageClassName": name(random)});
                    spec["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": class}]);
                }
            }
            if kind == "Deployment" && random.below(3) == 0 {
                spec["strategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}});
            }
            json!({ "spec": spec })
        }
        "Job" => json!({"spec": {"template": template(random)}}),
        "CronJob" => json!({"spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": template(random)}}}}),
        "Pod" => json!({"spec": pod(random)}),
        "Service" => {
            let mut ports = vec![json!({"port": 80, "protocol": "TCP", "name": "http"})];
            if random.below(2) == 0 {
                ports.push(json!({"port": 443, "protocol": "TCP", "targetPort": "https", "name": "tls"}));
            }
            json!({"spec": {"selector": {"app": "web"}, "ports": ports}})
        }
        "ConfigMap" => {
            let mut data = entries(random, 4);
            if random.below(4) == 0 {
                data["n"] = scalar(random);
            }
            json!({ "data": data })
        }
        "Secret" => match random.below(3) {
            0 => json!({"type": "Opaque", "stringData": entries(random, 3)}),
            _ => json!({"type": "Opaque", "data": {"k0": "YQ==", "k1": "Yg=="}}),
        },
        "ServiceAccount" => json!({"imagePullSecrets": [{"name": name(random)}], "secrets": [{"name": name(random)}]}),
        "PersistentVolumeClaim" => json!({"spec": {"storageClassName": "fast", "volumeName": name(random)}}),
        "PersistentVolume" => json!({"spec": {"claimRef": {"name": name(random), "namespace": "one"}}}),
        "Ingress" => json!({"spec": {
            "ingressClassName": name(random),
            "tls": [{"hosts": ["a.example"], "secretName": name(random)}],
            "rules": [{"host": "a.example", "http": {"paths": [{"path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": name(random), "port": {"number": 80}}}}]}}],
        }}),
        "NetworkPolicy" => json!({"spec": {
            "podSelector": {"matchLabels": {"app": "web"}},
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "api"}}}]}],
        }}),
        "Role" => json!({"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"],
            "resourceNames": [name(random)]}]}),
        "RoleBinding" | "ClusterRoleBinding" => {
            let role = if kind == "RoleBinding" { "Role" } else { "ClusterRole" };
            let mut subject = json!({"kind": "ServiceAccount", "name": name(random)});
            if random.below(2) == 0 {
                subject["namespace"] = json!(random.one(&["one", "default"]));
            }
            json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name(random)},
                "subjects": [subject]})
        }
        "HorizontalPodAutoscaler" => json!({"spec": {"scaleTargetRef":
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": name(random)}, "maxReplicas": 3}}),
        "PodDisruptionBudget" => json!({"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}),
        "Thing" => json!({"spec": {
            "list": [{"name": "a", "v": scalar(random)}, {"name": "b"}],
            "map": entries(random, 3),
            "deep": {"image": "nginx:1", "containers": [{"name": "c0", "image": random.one(&IMAGES)}], "none": null},
            "scalar": scalar(random),
        }}),
        "ValidatingWebhookConfiguration" => json!({"webhooks": [{"name": "w.example.org",
            "clientConfig": {"service": {"name": name(random), "namespace": "one"}}}]}),
        _ => json!({}),
    }
}

fn template(random: &mut Random) -> Value {
    let mut template = json!({"metadata": {"labels": {"app": "web"}}, "spec": pod(random)});
    if random.below(4) == 0 {
        template["metadata"]["annotations"] = entries(random, 2);
    }
    template
}

fn pod(random: &mut Random) -> Value {
    let containers: Vec<Value> = (0..=random.below(3)).map(|number| container(number, random)).collect();
    let mut pod = json!({ "containers": containers });
    if random.below(4) == 0 {
        pod["initContainers"] = json!([container(9, random)]);
    }
    if random.below(3) == 0 {
        pod["serviceAccountName"] = json!(random.one(&NAMES));
    }
    if random.below(4) == 0 {
        pod["imagePullSecrets"] = json!([{"name": random.one(&NAMES)}]);
    }
    if random.below(2) == 0 {
        pod["volumes"] = json!([volume("v0", random), volume("v1", random)]);
    }
    if random.below(5) == 0 {
        pod["tolerations"] = json!([{"key": "k1", "operator": "Exists"}]);
    }
    if random.below(6) == 0 {
        let term = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}});
        pod["affinity"] = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
    }
    pod
}

/// A volume out of something that has a name.
pub fn volume(name: &str, random: &mut Random) -> Value {
    let from = *random.one(&NAMES);
    match random.below(5) {
        0 => json!({"name": name, "configMap": {"name": from}}),
        1 => json!({"name": name, "secret": {"secretName": from}}),
        2 => json!({"name": name, "persistentVolumeClaim": {"claimName": from}}),
        3 => json!({"name": name, "projected": {"sources": [{"configMap": {"name": from}}]}}),
        _ => json!({"name": name, "emptyDir": {}}),
    }
}

/// A container `c0`, `c1`, ...
pub fn container(number: usize, random: &mut Random) -> Value {
    let mut container = json!({"name": format!("c{number}"), "image": random.one(&IMAGES)});
    if random.below(2) == 0 {
        container["env"] = json!([{"name": "E0", "value": text(random)}, variable("E1", random)]);
    }
    if random.below(3) == 0 {
        container["envFrom"] = json!([{"configMapRef": {"name": random.one(&NAMES)}}]);
    }
    if random.below(3) == 0 {
        container["ports"] =
            json!([{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 81, "protocol": "UDP"}]);
    }
    if random.below(3) == 0 {
        container["args"] = json!(["--name=$(V0)", "$(V1)", text(random)]);
    }
    if random.below(3) == 0 {
        container["volumeMounts"] = json!([{"name": "v0", "mountPath": "/a"}, {"name": "v1", "mountPath": "/b"}]);
    }
    container
}

/// An environment variable.
pub fn variable(name: &str, random: &mut Random) -> Value {
    let from = *random.one(&NAMES);
    match random.below(3) {
        0 => json!({"name": name, "valueFrom": {"configMapKeyRef": {"name": from, "key": "k0"}}}),
        1 => json!({"name": name, "valueFrom": {"secretKeyRef": {"name": from, "key": "k0"}}}),
        _ => json!({"name": name, "value": text(random)}),
    }
}
