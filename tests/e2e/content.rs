//! A signed commit whose content cannot be opened, rendered or admitted is refused: file and reason are named, no value
//! is, and what was applied stays.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gitwarrant::keysource::age;

use super::scene::{Scene, is, rewrite, sealed_for};
use super::stage::{play, play_alone};

/// In no log, status or event.
const PASSWORD: &str = "correct-horse-battery-staple";

/// Commits the working copy, which must be refused for `reason`; what was applied is held. The message.
async fn refuses(scene: &mut Scene, reason: &str) -> String {
    let commit = scene.commit_good();
    scene.push(&commit).await;
    let message = scene.refused(&commit, reason).await;
    let sync = scene.syncs().get("app").await.unwrap();
    assert!(is(&sync, "Verified", "True").is_some(), "the signature is good");
    assert_eq!(scene.value("limits").await.as_deref(), Some("12"), "something was pruned");
    scene.holds("blue").await;
    message
}

#[test]
fn path_that_is_missing_is_refused_and_nothing_pruned() {
    play("path-missing", async |scene| {
        scene.begin().await;
        scene.git(&["mv", "app", "elsewhere"]);
        let message = refuses(scene, "MissingFile").await;
        assert!(message.contains("app"), "{message}");
    });
}

#[test]
fn path_that_renders_to_nothing_is_refused_and_nothing_pruned() {
    play("renders-nothing", async |scene| {
        scene.begin().await;
        scene.write("app/kustomization.yaml", "resources: []\n");
        let message = refuses(scene, "EmptyKustomization").await;
        assert!(message.contains("app"), "{message}");
        scene.write("app/kustomization.yaml", "resources: [empty.yaml]\n");
        scene.write("app/empty.yaml", "# Nothing.\n---\n");
        refuses(scene, "EmptyRender").await;
    });
}

/// The Secret `db` is applied; then `change` is done to its file, and that is refused for `reason`.
fn with_secret(name: &str, reason: &str, change: impl FnOnce(&Scene, String) -> String) {
    play(name, async |scene| {
        scene.takes(&["settings.yaml", "limits.yaml", "db.enc.yaml"]);
        scene.write("app/db.enc.yaml", &scene.sealed_secret("db", PASSWORD));
        scene.begin().await;
        let before = scene.secrets().get("db").await.unwrap();
        assert_eq!(before.data.as_ref().unwrap()["password"].0, PASSWORD.as_bytes());
        rewrite(&scene.work.join("app/db.enc.yaml"), |text| change(scene, text));
        let message = refuses(scene, reason).await;
        assert!(message.contains("app/db.enc.yaml"), "the file is not named: {message}");
        let after = scene.secrets().get("db").await.unwrap();
        assert_eq!(after.metadata.resource_version, before.metadata.resource_version, "the Secret was touched");
        scene.nowhere(&[PASSWORD, &STANDARD.encode(PASSWORD), &scene.age_key]).await;
    });
}

#[test]
fn encrypted_file_that_was_edited_in_clear_is_refused() {
    with_secret("mac-mismatch", "MacMismatch", |_, text| text.replace("name: db", "name: db2"));
}

#[test]
fn encrypted_file_with_a_changed_byte_is_refused() {
    with_secret("changed-byte", "ValueAuth", |_, text| {
        let begin = text.find("data:").unwrap() + 5;
        let begin = begin + text[begin..].find("ENC[AES256_GCM,data:").unwrap() + 20;
        let end = begin + text[begin..].find(',').unwrap();
        let mut bytes = STANDARD.decode(&text[begin..end]).unwrap();
        bytes[0] ^= 1;
        format!("{}{}{}", &text[..begin], STANDARD.encode(bytes), &text[end..])
    });
}

#[test]
fn encrypted_file_that_is_cut_is_refused() {
    with_secret("cut", "BadMetadata", |_, text| {
        let end = text.find("    mac:").unwrap();
        text[..end].to_owned()
    });
}

#[test]
fn file_encrypted_for_somebody_else_is_refused() {
    with_secret("wrong-key", "NoUsableKey", |scene, _| {
        let manifest = format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: {}\nstringData:\n  password: {PASSWORD}\n",
            scene.name
        );
        sealed_for(&age::generate().1, "^(data|stringData)$", &manifest)
    });
}

#[test]
fn decrypted_value_outside_the_data_of_a_secret_is_refused_naming_object_and_field() {
    play("sealed-outside", async |scene| {
        scene.begin().await;
        scene.takes(&["settings.yaml", "limits.yaml", "open.enc.yaml"]);
        let meta = "metadata:\n  name: open\n  namespace: NAMESPACE\n";
        for (fields, manifest, object, field) in [
            (
                "^data$",
                format!("apiVersion: v1\nkind: ConfigMap\n{meta}data:\n  password: {PASSWORD}\n"),
                "ConfigMap",
                "data.password",
            ),
            (
                "^annotations$",
                format!(
                    "apiVersion: v1\nkind: Secret\n{meta}  annotations:\n    example.org/hint: {PASSWORD}\nstringData: {{}}\n"
                ),
                "Secret",
                "metadata.annotations",
            ),
            (
                "^value$",
                format!(
                    "apiVersion: apps/v1\nkind: Deployment\n{meta}spec:\n  selector: {{matchLabels: {{app: open}}}}\n  \
                     template:\n    metadata: {{labels: {{app: open}}}}\n    spec:\n      containers:\n      - name: open\n        \
                     image: example.org/open:1\n        env:\n        - name: PASSWORD\n          value: {PASSWORD}\n"
                ),
                "Deployment",
                "env",
            ),
        ] {
            scene.write(
                "app/open.enc.yaml",
                &sealed_for(&scene.recipient, fields, &manifest.replace("NAMESPACE", &scene.name)),
            );
            let message = refuses(scene, "SealedOutsideSecret").await;
            assert!(message.contains(object) && message.contains(field), "{message}");
            assert!(message.contains("app/open.enc.yaml"), "{message}");
        }
        scene.nowhere(&[PASSWORD, &STANDARD.encode(PASSWORD)]).await;
    });
}

/// Upper bound on what refusing a hostile file may add to the agent's memory.
const MEMORY: u64 = 100 << 20;
/// The same for a file of 100 MiB: whoever tells an object's id has it in memory once, and little besides.
const MEMORY_OF_LARGE: u64 = 110 << 20;

fn hostile(name: &str, reason: &str, manifest: impl FnOnce(&Scene) -> String) {
    play_alone(name, async |scene| {
        scene.begin().await;
        let before = scene.stage.agent(|agent| agent.peak_memory()).unwrap();
        scene.takes(&["settings.yaml", "limits.yaml", "hostile.yaml"]);
        scene.write("app/hostile.yaml", &manifest(scene));
        let message = refuses(scene, reason).await;
        assert!(message.contains("hostile.yaml"), "{message}");
        let after = scene.stage.agent(|agent| agent.peak_memory()).unwrap();
        assert!(after - before < MEMORY, "{} MiB more", (after - before) >> 20);
    });
}

#[test]
fn yaml_bomb_is_refused_in_little_memory() {
    hostile("bomb", "Limit", |_| {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let below = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: bomb}}\n{bomb}")
    });
}

#[test]
fn duplicate_key_is_refused() {
    hostile("duplicate", "MalformedYaml", |scene| {
        let namespace = &scene.name;
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: twice, namespace: {namespace}}}\ndata: {{a: \"1\", a: \"2\"}}\n"
        )
    });
}

#[test]
fn ten_thousand_levels_are_refused_in_little_memory() {
    hostile("deep", "Limit", |_| {
        let (open, close) = ("[".repeat(10_000), "]".repeat(10_000));
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: deep}}\ndata: {open}{close}\n")
    });
}

#[test]
fn file_of_a_hundred_mebibytes_is_refused_in_little_memory() {
    play_alone("large", async |scene| {
        scene.begin().await;
        let before = scene.stage.agent(|agent| agent.peak_memory()).unwrap();
        scene.takes(&["settings.yaml", "limits.yaml", "hostile.yaml"]);
        scene.write("app/hostile.yaml", &"# nothing but comments, ever\n".repeat((100 << 20) / 29 + 1));
        let commit = scene.commit_good();
        scene.push(&commit).await;
        let message = scene.refused(&commit, "LimitExceeded").await;
        assert!(message.contains("bytes"), "{message}");
        scene.holds("blue").await;
        let after = scene.stage.agent(|agent| agent.peak_memory()).unwrap();
        assert!(after - before < MEMORY_OF_LARGE, "{} MiB more", (after - before) >> 20);
    });
}
