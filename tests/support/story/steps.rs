//! The nine steps. Each acts as a person would, and then looks at the cluster.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::super::signing::By;
use super::Told;
use super::cluster::{condition, until};
use super::world::{SYNCS, World, docker_config, short};

/// Files of the working copy that the story edits.
const PROD: &str = "clusters/prod/apps/kustomization.yaml";
const PULL_SECRET: &str = "clusters/prod/apps/pull-secret.enc.yaml";

/// The image of the example, by its tag.
fn image(tag: &str) -> String {
    format!("ghcr.io/example-org/shop:{tag}")
}

impl World {
    /// Typed objects in the namespace of prod.
    fn shop<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.admin.client().clone(), "shop")
    }

    /// Image and replicas of prod's Deployment.
    async fn deployed(&self) -> Result<(String, i32), String> {
        let deployment = self.shop::<Deployment>().get("shop").await.map_err(|error| error.to_string())?;
        let spec = deployment.spec.unwrap_or_default();
        let container = spec.template.spec.and_then(|pod| pod.containers.into_iter().next());
        Ok((container.and_then(|container| container.image).unwrap_or_default(), spec.replicas.unwrap_or_default()))
    }

    /// Waits until `commit` is applied to prod, and says by whom it was signed.
    async fn applied(&self, commit: &str, signer: &str) -> Result<String, String> {
        self.applied_to("prod", commit, signer).await
    }

    async fn applied_to(&self, sync: &str, commit: &str, signer: &str) -> Result<String, String> {
        let found = self.decided(sync, commit).await?;
        expect_ready(&found, "True")?;
        let revision = found.data.pointer("/status/lastAppliedRevision").and_then(Value::as_str).unwrap_or_default();
        expect("lastAppliedRevision", revision, &format!("main@{commit}"))?;
        let by = found.data.pointer("/status/signer").and_then(Value::as_str).unwrap_or_default();
        expect("signer", by, signer)?;
        Ok(format!("Sync {sync}: Ready=True, main@{}, signed by {signer}", short(commit)))
    }

    /// Waits until `commit` is refused with `reason`, and answers with what the Sync says about it.
    async fn refused(&self, commit: &str, reason: &str) -> Result<String, String> {
        let found = self.decided("prod", commit).await?;
        let (_, why, message) = expect_ready(&found, "False")?;
        expect("the reason of Ready=False", &why, reason)?;
        Ok(message)
    }

    /// What prod runs is what it ran.
    async fn still(&self, tag: &str, replicas: i32) -> Result<String, String> {
        let found = self.deployed().await?;
        if found == (image(tag), replicas) {
            return Ok(format!("Deployment shop/shop still runs {}, {replicas} replicas", image(tag)));
        }
        Err(format!(
            "Deployment shop/shop runs {} with {} replicas, not {} with {replicas}",
            found.0,
            found.1,
            image(tag)
        ))
    }
}

fn expect(what: &str, found: &str, expected: &str) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what} is `{found}`, and should be `{expected}`")) }
}

/// The Ready condition, which must have this status.
fn expect_ready(sync: &DynamicObject, status: &str) -> Result<(String, String, String), String> {
    let ready = condition(sync, "Ready").ok_or("the Sync has no Ready condition")?;
    if ready.0 == status {
        Ok(ready)
    } else {
        Err(format!("Ready={} ({}: {}), and should be {status}", ready.0, ready.1, ready.2))
    }
}

pub async fn ssh_signed_commit_is_applied(world: &mut World) -> Told {
    let commit = world.commit("Add the shop", By::Ssh(&world.alice));
    world.push(&commit).await?;
    world.declare("2s").await?;
    let mut saw = Vec::new();
    for (sync, namespace, replicas) in SYNCS {
        saw.push(world.applied_to(sync, &commit, "alice").await?);
        let deployments: Api<Deployment> = Api::namespaced(world.admin.client().clone(), namespace);
        if world.controllers {
            let available = async || {
                let status = deployments.get("shop").await.ok()?.status?;
                (status.available_replicas == Some(replicas)).then_some(())
            };
            until(&format!("{namespace}/shop has {replicas} available replicas"), available).await?;
            saw.push(format!("Deployment {namespace}/shop: {replicas} of {replicas} replicas are Available"));
        } else {
            saw.push(format!(
                "not checked: that {namespace}/shop becomes Available (KUBEBUILDER_ASSETS has no controllers)"
            ));
        }
        let secrets: Api<Secret> = Api::namespaced(world.admin.client().clone(), namespace);
        let secret = secrets.get("ghcr-pull").await.map_err(|error| error.to_string())?;
        expect(
            "the type of the pull secret",
            secret.type_.as_deref().unwrap_or_default(),
            "kubernetes.io/dockerconfigjson",
        )?;
        let data = secret
            .data
            .unwrap_or_default()
            .remove(".dockerconfigjson")
            .ok_or("the pull secret has no .dockerconfigjson")?;
        let config: Value = serde_json::from_slice(&data.0).map_err(|_| "the pull secret is not JSON")?;
        if config != docker_config(sync) {
            return Err(format!("the pull secret of {sync} is not what was encrypted"));
        }
        saw.push(format!("Secret {namespace}/ghcr-pull: a valid dockerconfigjson for ghcr.io, opened in memory"));
    }
    let ingress = world.shop::<Ingress>().get("shop").await.map_err(|error| error.to_string())?;
    let tls =
        ingress.spec.and_then(|spec| spec.tls).and_then(|tls| tls.into_iter().next()).and_then(|tls| tls.secret_name);
    expect("the TLS secret of the Ingress", tls.as_deref().unwrap_or_default(), "shop-tls")?;
    saw.push("Ingress shop/shop: TLS by cert-manager".to_owned());
    Ok(saw)
}

pub async fn gpg_signed_change_is_applied(world: &mut World) -> Told {
    world.edit(PROD, "newTag: 2.4.1", "newTag: 2.4.2")?;
    let commit = world.commit("Ship 2.4.2", By::Gpg(&world.bob));
    world.push(&commit).await?;
    let saw = world.applied(&commit, "bob").await?;
    Ok(vec![saw, world.still("2.4.2", 3).await?.replace(" still", "")])
}

pub async fn unsigned_commit_is_refused(world: &mut World) -> Told {
    world.git(&["tag", "good"]);
    world.edit(PROD, "count: 3", "count: 30")?;
    let commit = world.commit("Thirty replicas", By::Nobody);
    world.push(&commit).await?;
    let message = world.refused(&commit, "Unsigned").await?;
    names_commit(&message, &commit)?;
    world.git(&["tag", "unsigned"]);
    Ok(vec![format!("Sync prod: Ready=False, Unsigned: {message}"), world.still("2.4.2", 3).await?])
}

pub async fn signed_commit_on_top_is_refused(world: &mut World) -> Told {
    let unsigned = world.signers.rev_parse(&world.work, "unsigned");
    world.edit(PROD, "newTag: 2.4.2", "newTag: 2.5.0")?;
    let commit = world.commit("Ship 2.5.0", By::Ssh(&world.alice));
    world.push(&commit).await?;
    let message = world.refused(&commit, "Unsigned").await?;
    names_commit(&message, &unsigned)?;
    Ok(vec![format!("Sync prod: Ready=False, Unsigned: {message}"), world.still("2.4.2", 3).await?])
}

pub async fn removal_prunes(world: &mut World) -> Told {
    world.git(&["reset", "--quiet", "--hard", "good"]);
    world.edit(PROD, "  - ingress.yaml\n", "")?;
    let commit = world.commit("Take the shop off the Internet", By::Ssh(&world.alice));
    world.git(&["tag", "removal"]);
    world.push(&commit).await?;
    let saw = world.applied(&commit, "alice").await?;
    if world.shop::<Ingress>().get_opt("shop").await.map_err(|error| error.to_string())?.is_some() {
        return Err("Ingress shop/shop is still there".to_owned());
    }
    Ok(vec![saw, "Ingress shop/shop is gone".to_owned(), world.still("2.4.2", 3).await?])
}

pub async fn drift_is_put_right(world: &mut World) -> Told {
    let services = world.shop::<Service>();
    let uid = async || services.get_opt("shop").await.ok().flatten()?.metadata.uid;
    let before = uid().await.ok_or("there is no Service shop/shop")?;
    services.delete("shop", &DeleteParams::default()).await.map_err(|error| error.to_string())?;
    let begin = std::time::Instant::now();
    until("Service shop/shop is made anew", async || uid().await.filter(|uid| *uid != before)).await?;
    let made = begin.elapsed();

    let edit = json!({"spec": {"replicas": 1}});
    let by_hand = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
    let patched = world.shop::<Deployment>().patch("shop", &by_hand, &Patch::Merge(&edit)).await;
    patched.map_err(|error| error.to_string())?;
    let begin = std::time::Instant::now();
    let right = async || world.deployed().await.ok().filter(|(_, replicas)| *replicas == 3);
    until("Deployment shop/shop has three replicas again", right).await?;
    Ok(vec![
        format!("Service shop/shop, deleted by hand, was made anew after {:.1} s", made.as_secs_f64()),
        format!(
            "Deployment shop/shop, edited to one replica, had three again after {:.1} s",
            begin.elapsed().as_secs_f64()
        ),
    ])
}

pub async fn rollback_is_refused(world: &mut World) -> Told {
    let older = world.signers.rev_parse(&world.work, "good~1");
    world.push(&older).await?;
    let message = world.refused(&older, "Rollback").await?;
    let ingress = world.shop::<Ingress>().get_opt("shop").await.map_err(|error| error.to_string())?;
    if ingress.is_some() {
        return Err("Ingress shop/shop came back with the older commit".to_owned());
    }
    Ok(vec![format!("Sync prod: Ready=False, Rollback: {message}"), world.still("2.4.2", 3).await?])
}

pub async fn signed_revert_rolls_back(world: &mut World) -> Told {
    world.git(&["revert", "--no-commit", "removal"]);
    world.git(&["revert", "--no-commit", "good"]);
    let commit = world.commit("Revert to 2.4.1, on the Internet", By::Gpg(&world.bob));
    world.push(&commit).await?;
    let saw = world.applied(&commit, "bob").await?;
    world.shop::<Ingress>().get("shop").await.map_err(|error| format!("Ingress shop/shop: {error}"))?;
    let deployed = world.still("2.4.1", 3).await?.replace("still runs", "runs");
    Ok(vec![saw, deployed, "Ingress shop/shop is back".to_owned()])
}

pub async fn changed_secret_is_refused(world: &mut World) -> Told {
    let secrets = world.shop::<Secret>();
    let state = async || {
        secrets
            .get("ghcr-pull")
            .await
            .map(|secret| (secret.metadata.uid, secret.metadata.resource_version, secret.data))
    };
    let before = state().await.map_err(|error| error.to_string())?;
    let file = world.work.join(PULL_SECRET);
    let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
    std::fs::write(&file, with_one_changed_byte(&text)?).map_err(|error| error.to_string())?;
    let commit = world.commit("Touch the pull secret", By::Ssh(&world.alice));
    world.push(&commit).await?;
    let message = world.refused(&commit, "ValueAuth").await?;
    if !message.contains(PULL_SECRET) {
        return Err(format!("the file is not named: {message}"));
    }
    if state().await.map_err(|error| error.to_string())? != before {
        return Err("Secret shop/ghcr-pull was touched".to_owned());
    }
    let log = world.agent_log();
    if world.secrets().iter().any(|secret| log.contains(secret) || message.contains(secret)) {
        return Err("the agent's log holds a secret".to_owned());
    }
    Ok(vec![
        format!("Sync prod: Ready=False, ValueAuth: {message}"),
        "Secret shop/ghcr-pull is as it was".to_owned(),
        format!("the agent's log ({} lines) holds no password and no key", log.lines().count()),
    ])
}

/// `text` with the first byte of its first encrypted value changed.
fn with_one_changed_byte(text: &str) -> Result<String, String> {
    let mark = "ENC[AES256_GCM,data:";
    let begin = text.find(mark).ok_or("the pull secret is not encrypted")? + mark.len();
    let length = text[begin..].find(',').ok_or("its value has no end")?;
    let mut bytes = STANDARD.decode(&text[begin..begin + length]).map_err(|error| error.to_string())?;
    bytes[0] ^= 1;
    Ok(format!("{}{}{}", &text[..begin], STANDARD.encode(bytes), &text[begin + length..]))
}

fn names_commit(message: &str, commit: &str) -> Result<(), String> {
    if message.contains(short(commit)) {
        Ok(())
    } else {
        Err(format!("commit {} is not named: {message}", short(commit)))
    }
}
