//! `etcd` and `kube-apiserver` out of `KUBEBUILDER_ASSETS`, for people who have them and no Go.
//!
//! There is no controller manager, scheduler or node among them.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::tools;

/// How long the API server may take to write its certificate and listen.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where [`start`] writes the administrator's kubeconfig.
pub fn kubeconfig(folder: &Path) -> PathBuf {
    folder.join("admin.kubeconfig")
}

/// Starts both below `folder`; each ends when its standard input closes.
pub fn start(binaries: &Path, folder: &Path) -> Result<Vec<Child>, String> {
    let said = |error: std::io::Error| format!("{}: {error}", folder.display());
    for program in ["etcd", "kube-apiserver"] {
        let path = binaries.join(program);
        if !path.is_file() {
            return Err(format!("KUBEBUILDER_ASSETS: {} is not a file", path.display()));
        }
    }
    let [client, peer, secure] = free_ports().map_err(said)?;
    // The token is the temporary folder's random name: good for as long as this test runs, on loopback.
    let token = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    fs::write(folder.join("tokens.csv"), format!("{token},admin,admin,system:masters\n")).map_err(said)?;
    let key = folder.join("sa.key");
    tools::run(
        Command::new(tools::find("ssh-keygen")?).args(["-q", "-t", "rsa", "-m", "PEM", "-N", "", "-f"]).arg(&key),
    )?;

    let etcd = tools::spawn_tied(
        &binaries.join("etcd"),
        &[
            format!("--data-dir={}", folder.join("etcd").display()),
            format!("--listen-client-urls=http://127.0.0.1:{client}"),
            format!("--advertise-client-urls=http://127.0.0.1:{client}"),
            format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
            "--unsafe-no-fsync".to_owned(),
        ],
        &folder.join("etcd.log"),
    )?;
    let log = folder.join("kube-apiserver.log");
    let server = tools::spawn_tied(
        &binaries.join("kube-apiserver"),
        &[
            format!("--etcd-servers=http://127.0.0.1:{client}"),
            format!("--secure-port={secure}"),
            format!("--cert-dir={}", folder.join("certificates").display()),
            format!("--token-auth-file={}", folder.join("tokens.csv").display()),
            format!("--service-account-key-file={}", key.display()),
            format!("--service-account-signing-key-file={}", key.display()),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            // They wait for service accounts that no controller manager makes here.
            "--disable-admission-plugins=ServiceAccount".to_owned(),
        ],
        &log,
    )?;
    let parts = vec![etcd, server];
    let certificate = folder.join("certificates/apiserver.crt");
    let begin = Instant::now();
    while !(certificate.is_file() && std::net::TcpStream::connect(("127.0.0.1", secure)).is_ok()) {
        if begin.elapsed() > PATIENCE {
            return Err(format!(
                "kube-apiserver of KUBEBUILDER_ASSETS does not listen; it said:\n{}",
                tools::tail(&log)
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    fs::write(kubeconfig(folder), kubeconfig_text(secure, &certificate, &token)).map_err(said)?;
    Ok(parts)
}

/// Three ports that are free now.
fn free_ports() -> std::io::Result<[u16; 3]> {
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0"));
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(held) {
        *port = listener?.local_addr()?.port();
    }
    Ok(ports)
}

fn kubeconfig_text(port: u16, certificate: &Path, token: &str) -> String {
    let certificate = certificate.display();
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         contexts: [{{name: test, context: {{cluster: test, user: admin}}}}]\n\
         clusters: [{{name: test, cluster: {{server: \"https://127.0.0.1:{port}\", certificate-authority: \"{certificate}\"}}}}]\n\
         users: [{{name: admin, user: {{token: \"{token}\"}}}}]\n"
    )
}
