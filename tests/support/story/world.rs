//! Where the story happens: a control plane, a Git server, a working copy made of `clusters/`, throw-away keys, and the
//! agent as a process of its own with its own, small rights.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gitwarrant::keysource::{KeySource, Keyring, age};
use gitwarrant::secret::Secret;
use gitwarrant::sops::{Format, Recipients, Terms, seal};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::super::controlplane::ControlPlane;
use super::super::gitserver::GitServer;
use super::super::signing::{By, GpgKey, Signers, SshKey, run};
use super::super::tools;
use super::agent::Agent;
use super::cluster::{Administrator, condition, documents, until};

/// The agent's namespace.
pub const HOME: &str = "gitwarrant-system";

/// Both Syncs of the example, with the namespace, the replicas and the pull secret's password of each.
pub const SYNCS: [(&str, &str, i32); 2] = [("staging", "shop-staging", 2), ("prod", "shop", 3)];

/// Everything the story acts on. What is not a given cluster ends with it.
pub struct World {
    agent: Option<Agent>,
    pub(super) admin: Administrator,
    pub signers: Signers,
    pub alice: SshKey,
    pub bob: GpgKey,
    pub work: PathBuf,
    pub controllers: bool,
    root: String,
    url: String,
    given: bool,
    age_key: String,
    _server: GitServer,
    folder: tempfile::TempDir,
    plane: ControlPlane,
}

impl World {
    /// Makes it, with the agent of `program` running and nothing to do yet.
    pub async fn make(program: &Path) -> Result<Self, String> {
        for tool in ["git", "gpg", "ssh-keygen"] {
            tools::find(tool)?;
        }
        let plane = ControlPlane::start()?;
        let given = std::env::var_os("GITWARRANT_TEST_KUBECONFIG").is_some_and(|file| !file.is_empty());
        let admin = Administrator::new(plane.client().await?);
        let folder =
            tempfile::Builder::new().prefix("gitwarrant-story-").tempdir().map_err(|error| error.to_string())?;
        let signers = Signers::new();
        let alice = signers.ssh_key("alice", "ed25519");
        let yesterday = jiff::Timestamp::from_second(now() - 86_400).expect("yesterday is a time");
        let bob = signers.gpg_key_at("bob", "ed25519", &yesterday.strftime("%Y%m%dT%H%M%S").to_string(), "never");
        let (identity, recipient) = age::generate();
        let age_key = identity.expose(|plain| String::from_utf8_lossy(plain).trim().to_owned());

        let (work, bare) = (folder.path().join("infra"), folder.path().join("served/infra.git"));
        signers.init(&work);
        write(&work.join("README.md"), "Our clusters.\n")?;
        let root = signers.commit(&work, "Begin", By::Ssh(&alice), now());
        fs::create_dir_all(&bare).map_err(|error| error.to_string())?;
        run(signers.git(&bare, now()).args(["init", "--quiet", "--bare", "--initial-branch=main"]));
        run(signers.git(&work, now()).args(["remote", "add", "origin"]).arg(&bare));
        copy_example(&work.join("clusters"), &recipient)?;
        let server = GitServer::start(&folder.path().join("served"));
        let url = server.url("infra.git");

        let controllers = plane.has_controllers();
        let mut world = Self {
            agent: None,
            admin,
            signers,
            alice,
            bob,
            work,
            controllers,
            root,
            url,
            given,
            age_key,
            _server: server,
            folder,
            plane,
        };
        world.prepare_cluster().await?;
        let mut agent = Agent::of(&world.admin, world.plane.kubeconfig(), program, world.folder.path()).await?;
        agent.start()?;
        world.agent = Some(agent);
        Ok(world)
    }

    /// Definitions, roles, signers, keys and tenants: what an administrator does once.
    async fn prepare_cluster(&mut self) -> Result<(), String> {
        let namespaces: Api<Namespace> = Api::all(self.admin.client().clone());
        if self.given && namespaces.get_opt(HOME).await.map_err(|error| error.to_string())?.is_some() {
            return Err(format!(
                "the cluster of GITWARRANT_TEST_KUBECONFIG has a namespace {HOME} already; use another cluster"
            ));
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        self.admin.install().await?;
        let (allowed, certificate) = (Signers::allowed_signers(&[&self.alice]), self.signers.certificate(&self.bob));
        write(&self.allowed_signers(), &allowed)?;
        let home = |name: &str| json!({"name": name, "namespace": HOME});
        self.admin
            .apply(json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": home("fleet-signers"),
                "data": {"allowed_signers": allowed, "bob.asc": certificate},
            }))
            .await?;
        self.admin
            .apply(json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": home("sops-keys"),
                "stringData": {"demo.agekey": self.age_key},
            }))
            .await?;
        self.admin.apply_file(&source.join("clusters/gitwarrant/tenants.yaml")).await
    }

    /// The Repository and the Syncs of the example, with this world's address and pinned commit, and Syncs that take a
    /// turn every `interval`.
    pub async fn declare(&mut self, interval: &str) -> Result<(), String> {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("clusters/gitwarrant");
        let mut repository = documents(&example.join("repository.yaml"))?.remove(0);
        repository["spec"]["url"] = json!(self.url);
        repository["spec"]["allowHttp"] = json!(true);
        repository["spec"]["trust"]["root"] = json!(self.root);
        self.admin.apply(repository).await?;
        for mut sync in documents(&example.join("syncs.yaml"))? {
            sync["spec"]["interval"] = json!(interval);
            self.admin.apply(sync).await?;
        }
        Ok(())
    }

    /// Commits what the working copy holds, signed by `by`.
    pub fn commit(&self, message: &str, by: By<'_>) -> String {
        self.signers.commit(&self.work, message, by, now())
    }

    /// Makes `revision` the remote branch, as whoever holds the forge's password can, and asks for a turn.
    pub async fn push(&self, revision: &str) -> Result<(), String> {
        self.send(revision);
        self.ask(&format!("{revision} {}", now())).await
    }

    /// Makes `revision` the remote branch.
    pub fn send(&self, revision: &str) {
        let to = format!("{revision}:refs/heads/main");
        run(self.signers.git(&self.work, now()).args(["push", "--quiet", "--force", "origin", &to]));
    }

    /// Asks the Repository, if it is declared yet, for a turn; `mark` differs from every earlier one.
    pub async fn ask(&self, mark: &str) -> Result<(), String> {
        match ask(&self.repositories(), "fleet", mark).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            asked => asked.map_err(|error| format!("asking for a turn: {error}")),
        }
    }

    /// Asks Sync `name` for a turn.
    pub async fn ask_sync(&self, name: &str, mark: &str) -> Result<(), String> {
        ask(&self.syncs(), name, mark).await.map_err(|error| format!("asking for a turn: {error}"))
    }

    /// The Repositories.
    pub fn repositories(&self) -> Api<DynamicObject> {
        self.admin.ours(None, "Repository", "repositories")
    }

    /// The Syncs in the agent's namespace.
    pub fn syncs(&self) -> Api<DynamicObject> {
        self.admin.ours(Some(HOME), "Sync", "syncs")
    }

    /// The Warrants in the agent's namespace.
    pub fn warrants(&self) -> Api<DynamicObject> {
        self.admin.ours(Some(HOME), "Warrant", "warrants")
    }

    /// The cluster, with an administrator's rights.
    pub fn client(&self) -> &kube::Client {
        self.admin.client()
    }

    /// The process of the agent: the shell that it is tied to has no other child but one `cat`.
    pub fn agent(&self) -> Option<u32> {
        self.agent.as_ref()?.id()
    }

    /// Git in the working copy.
    pub(super) fn git(&self, arguments: &[&str]) {
        run(self.signers.git(&self.work, now()).args(arguments));
    }

    /// Replaces text in a file of the working copy, where it stands exactly once.
    pub fn edit(&self, file: &str, from: &str, to: &str) -> Result<(), String> {
        let path = self.work.join(file);
        let text = fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
        if text.matches(from).count() != 1 {
            return Err(format!("{file} does not hold `{from}` exactly once"));
        }
        write(&path, &text.replace(from, to))
    }

    /// Sync `name` once the agent has made up its mind about `commit`: applied, or refused.
    pub async fn decided(&self, name: &str, commit: &str) -> Result<DynamicObject, String> {
        let syncs = self.syncs();
        let revision = format!("main@{commit}");
        let decided = async || {
            let sync = syncs.get_opt(name).await.ok().flatten()?;
            let attempted = sync.data.pointer("/status/lastAttemptedRevision")? == &revision;
            let settled = condition(&sync, "Ready").is_some_and(|(status, ..)| status != "Unknown");
            (attempted && settled).then_some(sync)
        };
        let waited = until(&format!("Sync {name} is decided about {}", short(commit)), decided).await;
        match waited {
            Ok(sync) => Ok(sync),
            Err(reason) => Err(format!("{reason}; {}", self.seen(name).await)),
        }
    }

    /// What a Sync says of itself, and the agent's last words, for an error.
    async fn seen(&self, name: &str) -> String {
        let sync = self.syncs().get_opt(name).await.ok().flatten();
        let status = sync.map_or(Value::Null, |sync| sync.data["status"].clone());
        format!(
            "it says {status}\nthe agent said:\n{}",
            self.agent.as_ref().map_or_else(String::new, |agent| tools::tail(&agent.log_file()))
        )
    }

    /// Everything the agent has logged.
    pub fn agent_log(&self) -> String {
        self.agent.as_ref().map_or_else(String::new, Agent::log)
    }

    /// What must stand in no log.
    pub fn secrets(&self) -> Vec<String> {
        let passwords = SYNCS.map(|(sync, ..)| password(sync));
        passwords
            .iter()
            .flat_map(|password| [password.clone(), STANDARD.encode(format!("example-org-bot:{password}"))])
            .chain([self.age_key.clone()])
            .collect()
    }

    /// The folder of everything that is written here: logs, the agent's cache, the working copy, what is served.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes `content` into the pull secret of `sync`, encrypted for the agent.
    pub fn seal_pull_secret(&self, sync: &str, content: &str) -> Result<(), String> {
        let key = Secret::new(self.age_key.clone().into_bytes());
        let keys = Keyring::read(vec![("demo.agekey".to_owned(), key)]).map_err(|error| error.to_string())?;
        write_pull_secret(&self.work.join("clusters"), sync, content, &keys.recipients()[0])
    }

    /// The same file that the agent has, for git.
    fn allowed_signers(&self) -> PathBuf {
        self.folder.path().join("allowed_signers")
    }

    /// How to look around while it runs.
    pub fn directions(&self) -> Vec<String> {
        [
            format!("export KUBECONFIG={}", self.plane.kubeconfig().display()),
            "kubectl get repositories,syncs,warrants -A".to_owned(),
            "kubectl get deployments,services,ingresses,secrets -A --field-selector metadata.namespace!=kube-system"
                .to_owned(),
            format!("kubectl -n {HOME} get sync prod -o yaml"),
            format!(
                "GNUPGHOME={} git -C {} -c gpg.ssh.allowedSignersFile={} log --show-signature",
                self.signers.gnupg_home().display(),
                self.work.display(),
                self.allowed_signers().display()
            ),
        ]
        .into_iter()
        .chain(self.agent.iter().flat_map(|agent| {
            [
                format!("{} get -A", agent.program().display()),
                format!("{} reconcile sync prod -n {HOME} --wait", agent.program().display()),
                format!("tail -f {}", agent.log_file().display()),
            ]
        }))
        .collect()
    }

    /// How long the control plane took to serve, a first build included.
    pub fn control_plane_took(&self) -> std::time::Duration {
        self.plane.took()
    }

    /// Ends the agent; on a given cluster, takes back what was put there.
    pub async fn leave(mut self) {
        drop(self.agent.take());
        if self.given {
            self.admin.take_back().await;
        }
    }
}

async fn ask(objects: &Api<DynamicObject>, name: &str, mark: &str) -> kube::Result<()> {
    let asked = json!({"metadata": {"annotations": {"gitwarrant.io/requestedAt": mark}}});
    objects.patch(name, &PatchParams::default(), &Patch::Merge(&asked)).await.map(drop)
}

/// The pull secret's password for one Sync; a made-up one.
pub fn password(sync: &str) -> String {
    format!("ghp_madeUpForTheStory{sync}0123456789")
}

/// The docker configuration that the pull secret of `sync` holds.
pub fn docker_config(sync: &str) -> Value {
    let (user, password) = ("example-org-bot", password(sync));
    let auth = STANDARD.encode(format!("{user}:{password}"));
    json!({"auths": {"ghcr.io": {"username": user, "password": password, "auth": auth}}})
}

/// The first seven characters, as git prints them.
pub fn short(commit: &str) -> &str {
    &commit[..7.min(commit.len())]
}

/// Copies `clusters/`, its pull secrets encrypted anew for `recipient`: nobody has the key of those that are committed.
fn copy_example(to: &Path, recipient: &str) -> Result<(), String> {
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("clusters"), to)?;
    SYNCS.iter().try_for_each(|(sync, ..)| write_pull_secret(to, sync, &docker_config(sync).to_string(), recipient))
}

/// The pull secret of `sync` in the example at `to`, with this docker configuration.
fn write_pull_secret(to: &Path, sync: &str, content: &str, recipient: &str) -> Result<(), String> {
    let recipients = Recipients { age: vec![recipient.to_owned()], pgp: Vec::new() };
    let selector = Some(("encrypted_regex".to_owned(), "^(data|stringData)$".to_owned()));
    let terms = Terms { groups: vec![recipients], selector, ..Terms::default() };
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ghcr-pull"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": content},
    });
    let plain = serde_yaml::to_string(&secret).map_err(|error| error.to_string())?;
    let time = jiff::Timestamp::from_second(now()).expect("now is a time");
    let sealed = seal(plain.as_bytes(), Format::Yaml, &terms, time).map_err(|error| error.to_string())?;
    write(&to.join(sync).join("apps/pull-secret.enc.yaml"), &sealed)
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let said = |error: std::io::Error| format!("{}: {error}", from.display());
    fs::create_dir_all(to).map_err(said)?;
    for entry in fs::read_dir(from).map_err(said)? {
        let entry = entry.map_err(said)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target)?;
        } else {
            fs::copy(&source, &target).map_err(said)?;
        }
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// Seconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
