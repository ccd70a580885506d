//! One scene: a repository with its server, and what an administrator declares about it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use gitwarrant::keysource::age;
use gitwarrant::sops::{Format, Recipients, Terms, seal};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::stage::Stage;
use crate::support::gitserver::GitServer;
use crate::support::signing::{By, run, text};
use crate::support::story::cluster::{condition, until};
use crate::support::story::world::{HOME, short};

/// One scene.
pub struct Scene {
    pub stage: &'static Stage,
    pub server: GitServer,
    /// The working copy.
    pub work: PathBuf,
    /// The bare repository that is served.
    pub bare: PathBuf,
    /// The pinned commit.
    pub root: String,
    /// Name of the namespace and the Repository; the Sync is `app` in that namespace.
    pub name: String,
    /// The private age key that the Sync may use.
    pub age_key: String,
    /// Whom files are encrypted for.
    pub recipient: String,
    pokes: u32,
}

impl Scene {
    pub(super) async fn play(stage: &'static Stage, name: &str, act: impl AsyncFnOnce(&mut Self)) {
        let mut scene = Self::make(stage, name);
        act(&mut scene).await;
        scene.end().await;
    }

    fn make(stage: &'static Stage, name: &str) -> Self {
        let folder = stage.folder(name);
        let (work, bare) = (folder.join("work"), folder.join("served/repo.git"));
        fs::create_dir_all(&bare).unwrap();
        run(stage.signers.git(&bare, now()).args(["init", "--quiet", "--bare", "--initial-branch=main"]));
        stage.signers.init(&work);
        run(stage.signers.git(&work, now()).args(["remote", "add", "origin"]).arg(&bare));
        fs::write(work.join("README.md"), "Begun.\n").unwrap();
        let root = stage.signers.commit(&work, "Begin", By::Ssh(&stage.alice), now());
        let (identity, recipient) = age::generate();
        let age_key = identity.expose(|plain| String::from_utf8_lossy(plain).trim().to_owned());
        let server = GitServer::start(&folder.join("served"));
        let name = format!("e2e-{name}");
        let scene = Self { stage, server, work, bare, root, name, age_key, recipient, pokes: 0 };
        scene.write("app/kustomization.yaml", "resources: [settings.yaml, limits.yaml]\n");
        scene.write_map("settings", "blue");
        scene.write_map("limits", "12");
        scene
    }

    async fn end(self) {
        let gone = DeleteParams::default();
        drop(self.syncs().delete("app", &gone).await);
        drop(self.repositories().delete(&self.name, &gone).await);
    }

    // -- the repository -------------------------------------------------------------------------------------------

    /// Writes a file of the working copy.
    pub fn write(&self, path: &str, content: &str) {
        let file = self.work.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    /// Writes `app/NAME.yaml` with ConfigMap `name`, whose `value` is `value`.
    pub fn write_map(&self, name: &str, value: &str) {
        let namespace = &self.name;
        let map = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata: {{value: \"{value}\"}}\n"
        );
        self.write(&format!("app/{name}.yaml"), &map);
    }

    /// Writes `app/kustomization.yaml` so that it takes these files.
    pub fn takes(&self, files: &[&str]) {
        self.write("app/kustomization.yaml", &format!("resources: [{}]\n", files.join(", ")));
    }

    /// `manifest` encrypted for the Sync's key, as `sops` would.
    pub fn seal(&self, manifest: &str) -> String {
        sealed_for(&self.recipient, "^(data|stringData)$", manifest)
    }

    /// Secret `name` with this password, encrypted.
    pub fn sealed_secret(&self, name: &str, password: &str) -> String {
        let namespace = &self.name;
        self.seal(&format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: {namespace}\nstringData:\n  password: {password}\n"
        ))
    }

    /// Git in the working copy.
    pub fn git(&self, arguments: &[&str]) -> String {
        text(&run(self.stage.signers.git(&self.work, now()).args(arguments))).trim().to_owned()
    }

    /// Commits the working copy.
    pub fn commit(&self, by: By<'_>) -> String {
        self.stage.signers.commit(&self.work, "Change", by, now())
    }

    /// Commits the working copy, signed by Alice.
    pub fn commit_good(&self) -> String {
        self.commit(By::Ssh(&self.stage.alice))
    }

    /// Makes `revision` the branch, as whoever holds the forge's password can, and asks for a turn.
    pub async fn push(&mut self, revision: &str) {
        self.git(&["push", "--quiet", "--force", "origin", &format!("{revision}:refs/heads/main")]);
        self.poke().await;
    }

    /// Commits the working copy, signed by Alice, and pushes; waits until it is applied.
    pub async fn ship(&mut self) -> String {
        let commit = self.commit_good();
        self.push(&commit).await;
        self.applied(&commit).await;
        commit
    }

    // -- what is declared -----------------------------------------------------------------------------------------

    /// The Repository as most scenes have it.
    pub fn repository_manifest(&self) -> Value {
        let signers = format!("{} {}\n", self.stage.alice.principal, self.stage.alice.public);
        json!({
            "apiVersion": "gitwarrant.io/v1alpha1", "kind": "Repository", "metadata": {"name": self.name},
            "spec": {
                "url": self.server.url("repo.git"), "allowHttp": true, "ref": {"branch": "main"},
                "allowedNamespaces": [self.name],
                "trust": {"root": self.root, "signers": {"allowedSigners": signers}},
            },
        })
    }

    /// The Sync as most scenes have it.
    pub fn sync_manifest(&self) -> Value {
        json!({
            "apiVersion": "gitwarrant.io/v1alpha1", "kind": "Sync",
            "metadata": {"name": "app", "namespace": self.name},
            "spec": {
                "repository": self.name, "path": "./app", "interval": "1s", "prune": true,
                "serviceAccountName": "applier", "decryption": {"provider": "sops", "secretRef": {"name": "keys"}},
            },
        })
    }

    /// Namespace, account, rights and keys.
    pub async fn make_home(&self) {
        let meta = |name: &str| json!({"name": name, "namespace": self.name});
        let may = json!(["get", "list", "watch", "create", "patch", "delete"]);
        let role = |name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": name});
        let bind = |name: &str, kind: &str, to: (&str, &str)| {
            let mut role = role(kind);
            role["name"] = json!(name);
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta(name),
                "roleRef": role,
                "subjects": [{"kind": "ServiceAccount", "namespace": to.0, "name": to.1}],
            })
        };
        for object in [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}}),
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("applier")}),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta("applier"),
                "rules": [
                    {"apiGroups": [""], "resources": ["configmaps", "secrets", "services"], "verbs": may},
                    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": may},
                ],
            }),
            bind("applier", "Role", (&self.name, "applier")),
            bind("gitwarrant-tenant", "ClusterRole", (HOME, "gitwarrant")),
            json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": meta("keys"),
                "stringData": {"e2e.agekey": self.age_key},
            }),
        ] {
            self.stage.admin.put(&object).await.unwrap();
        }
        self.may("gitwarrant-system:gitwarrant", ("get", "", "secrets")).await;
        self.may("gitwarrant-system:gitwarrant", ("impersonate", "", "serviceaccounts")).await;
        self.may(&format!("{}:applier", self.name), ("patch", "", "configmaps")).await;
    }

    /// Waits until a ServiceAccount, `NAMESPACE:NAME`, has a right in the scene's namespace: the API server learns of a
    /// binding a moment after it was written. The right is a verb, a group and a resource.
    pub async fn may(&self, account: &str, right: (&str, &str, &str)) {
        self.is_let(account, right, true).await;
    }

    /// Waits until it has that right no longer.
    pub async fn may_not(&self, account: &str, right: (&str, &str, &str)) {
        self.is_let(account, right, false).await;
    }

    async fn is_let(&self, account: &str, (verb, group, resource): (&str, &str, &str), wanted: bool) {
        let asked = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(format!("system:serviceaccount:{account}")),
                resource_attributes: Some(ResourceAttributes {
                    namespace: Some(self.name.clone()),
                    verb: Some(verb.to_owned()),
                    group: Some(group.to_owned()),
                    resource: Some(resource.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let reviews = Api::<SubjectAccessReview>::all(self.stage.admin.client().clone());
        let granted = async || {
            let answer = reviews.create(&PostParams::default(), &asked).await.ok()?;
            answer.status.filter(|status| status.allowed == wanted)
        };
        until(&format!("{account} may {verb} {resource}: {wanted}"), granted).await.unwrap();
    }

    /// Declares everything as most scenes have it.
    pub async fn declare(&self) {
        self.declare_with(|_, _| ()).await;
    }

    /// Declares everything, after `edit` has changed the Repository and the Sync.
    pub async fn declare_with(&self, edit: impl FnOnce(&mut Value, &mut Value)) {
        let (mut repository, mut sync) = (self.repository_manifest(), self.sync_manifest());
        edit(&mut repository, &mut sync);
        self.make_home().await;
        self.stage.admin.put(&repository).await.unwrap();
        self.stage.admin.put(&sync).await.unwrap();
    }

    /// Declares another Sync in the scene's namespace, which does nothing, and waits until the agent knows of it.
    pub async fn declare_resting(&self, name: &str) {
        let mut sync = self.sync_manifest();
        sync["metadata"]["name"] = json!(name);
        sync["spec"]["suspend"] = json!(true);
        self.stage.admin.put(&sync).await.unwrap();
        let syncs = self.syncs();
        let rests = async || syncs.get(name).await.ok().filter(|one| is(one, "Ready", "Unknown").is_some());
        until(&format!("Sync {name} rests"), rests).await.unwrap();
    }

    /// The usual beginning: a good commit is applied. Its id.
    pub async fn begin(&mut self) -> String {
        let commit = self.commit_good();
        self.push(&commit).await;
        self.declare().await;
        self.applied(&commit).await;
        assert_eq!(self.value("settings").await.as_deref(), Some("blue"));
        commit
    }

    /// Asks for a turn now.
    pub async fn poke(&mut self) {
        self.pokes += 1;
        let asked = json!({"metadata": {"annotations": {"gitwarrant.io/requestedAt": format!("{}", self.pokes)}}});
        let patch = (PatchParams::default(), Patch::Merge(&asked));
        match self.repositories().patch(&self.name, &patch.0, &patch.1).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {} // not declared yet
            answer => drop(answer.unwrap()),
        }
    }

    // -- what is seen ---------------------------------------------------------------------------------------------

    pub fn syncs(&self) -> Api<DynamicObject> {
        self.stage.admin.ours(Some(&self.name), "Sync", "syncs")
    }

    pub fn repositories(&self) -> Api<DynamicObject> {
        self.stage.admin.ours(None, "Repository", "repositories")
    }

    pub fn warrants(&self) -> Api<DynamicObject> {
        self.stage.admin.ours(Some(&self.name), "Warrant", "warrants")
    }

    pub fn maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.stage.admin.client().clone(), &self.name)
    }

    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.stage.admin.client().clone(), &self.name)
    }

    /// What ConfigMap `name` says.
    pub async fn value(&self, name: &str) -> Option<String> {
        self.maps().get_opt(name).await.unwrap()?.data?.remove("value")
    }

    /// Asks the Sync until it is `so`.
    pub async fn sync(&self, what: &str, so: impl Fn(&DynamicObject) -> bool) -> DynamicObject {
        let syncs = self.syncs();
        let asked = async || syncs.get_opt("app").await.ok().flatten().filter(|sync| so(sync));
        match until(what, asked).await {
            Ok(sync) => sync,
            Err(reason) => panic!("{reason}; {}", self.seen().await),
        }
    }

    /// Asks the Repository until it is `so`.
    pub async fn repository(&self, what: &str, so: impl Fn(&DynamicObject) -> bool) -> DynamicObject {
        let repositories = self.repositories();
        let asked = async || repositories.get_opt(&self.name).await.ok().flatten().filter(|one| so(one));
        match until(what, asked).await {
            Ok(repository) => repository,
            Err(reason) => panic!("{reason}; {}", self.seen().await),
        }
    }

    /// Waits until `commit` is applied.
    pub async fn applied(&self, commit: &str) -> DynamicObject {
        let revision = json!(format!("main@{commit}"));
        let so = |sync: &DynamicObject| {
            sync.data["status"]["lastAppliedRevision"] == revision && is(sync, "Ready", "True").is_some()
        };
        self.sync(&format!("{} is applied", short(commit)), so).await
    }

    /// Waits until the Sync is not ready for `reason`; its message.
    pub async fn not_ready(&self, reason: &str) -> String {
        let so = |sync: &DynamicObject| is(sync, "Ready", "False").is_some_and(|(found, _)| found == reason);
        let sync = self.sync(&format!("Ready=False, {reason}"), so).await;
        condition(&sync, "Ready").unwrap().2
    }

    /// Waits until `commit` is refused for `reason`; the message.
    pub async fn refused(&self, commit: &str, reason: &str) -> String {
        let revision = json!(format!("main@{commit}"));
        let so = |sync: &DynamicObject| {
            sync.data["status"]["lastAttemptedRevision"] == revision && is(sync, "Ready", "False").is_some()
        };
        let sync = self.sync(&format!("{} is refused", short(commit)), so).await;
        let (_, found, message) = condition(&sync, "Ready").unwrap();
        assert_eq!(found, reason, "{message}");
        message
    }

    /// What was applied last is there, and what somebody else does to it is put right.
    pub async fn holds(&self, value: &str) {
        assert_eq!(self.value("settings").await.as_deref(), Some(value));
        let by_hand = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
        let edit = json!({"data": {"value": "edited by hand"}});
        self.maps().patch("settings", &by_hand, &Patch::Merge(&edit)).await.unwrap();
        self.comes("settings", value).await;
        self.maps().delete("settings", &DeleteParams::default()).await.unwrap();
        self.comes("settings", value).await;
    }

    /// Waits until ConfigMap `name` says `value`.
    pub async fn comes(&self, name: &str, value: &str) {
        let right = async || self.value(name).await.filter(|found| found == value);
        let waited = until(&format!("ConfigMap {name} says {value}"), right).await;
        if let Err(reason) = waited {
            panic!("{reason}; {}", self.seen().await);
        }
    }

    /// Waits for an event about the Sync with this reason.
    pub async fn event(&self, reason: &str) -> Event {
        let events = Api::<Event>::namespaced(self.stage.admin.client().clone(), &self.name);
        let about = |event: &Event| {
            event.reason.as_deref() == Some(reason)
                && event.regarding.as_ref().is_some_and(|object| object.kind.as_deref() == Some("Sync"))
        };
        let found = async || events.list(&ListParams::default()).await.unwrap().into_iter().find(about);
        match until(&format!("an event says {reason}"), found).await {
            Ok(event) => event,
            Err(reason) => panic!("{reason}; {}", self.seen().await),
        }
    }

    /// None of these stands in what the agent has written: log, events, resources of its own.
    pub async fn nowhere(&self, secrets: &[&str]) {
        let client = self.stage.admin.client().clone();
        let events = Api::<Event>::namespaced(client, &self.name).list(&ListParams::default()).await.unwrap();
        let mut written = self.stage.agent(|agent| agent.log());
        written.push_str(&serde_json::to_string(&events.items).unwrap());
        for api in [self.syncs(), self.warrants(), self.repositories()] {
            let list = api.list(&ListParams::default()).await.unwrap();
            written.push_str(&serde_json::to_string(&list.items).unwrap());
        }
        for secret in secrets {
            assert!(!written.contains(secret), "a secret was written");
        }
    }

    /// What the Sync says of itself, and the agent about this scene.
    pub async fn seen(&self) -> String {
        let sync = self.syncs().get_opt("app").await.ok().flatten();
        let repository = self.repositories().get_opt(&self.name).await.ok().flatten();
        let mut seen = String::new();
        for (what, object) in [("the Sync", sync), ("the Repository", repository)] {
            let status = object.map_or(Value::Null, |object| object.data["status"].clone());
            writeln!(seen, "{what} says {status}").unwrap();
        }
        let log = self.stage.agent(|agent| agent.log());
        let about = log.lines().filter(|line| line.contains(&self.name));
        let about: Vec<&str> = about.collect();
        writeln!(seen, "the agent said:\n{}", about[about.len().saturating_sub(10)..].join("\n")).unwrap();
        seen
    }
}

/// Reason and message of a condition that has this status.
pub fn is(object: &DynamicObject, kind: &str, status: &str) -> Option<(String, String)> {
    let (found, reason, message) = condition(object, kind)?;
    (found == status).then_some((reason, message))
}

/// `manifest` encrypted for `recipient`, in the fields that `fields` names.
pub fn sealed_for(recipient: &str, fields: &str, manifest: &str) -> String {
    let recipients = Recipients { age: vec![recipient.to_owned()], pgp: Vec::new() };
    let selector = Some(("encrypted_regex".to_owned(), fields.to_owned()));
    let terms = Terms { groups: vec![recipients], selector, ..Terms::default() };
    let time = jiff::Timestamp::from_second(now()).unwrap();
    seal(manifest.as_bytes(), Format::Yaml, &terms, time).unwrap()
}

/// Seconds since 1970.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Changes a file by its text.
pub fn rewrite(file: &Path, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(file).unwrap();
    fs::write(file, change(text)).unwrap();
}
