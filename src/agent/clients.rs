//! The agent's own connections to its API server.

use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::settings::Settings;

use super::Error;

/// A watch is renewed by the server within five minutes; one that is silent longer is broken.
const WATCHED: Duration = Duration::from_secs(330);
/// Anything else is answered sooner: a turn holds its place while it asks.
const ANSWERED: Duration = Duration::from_secs(30);
/// How long a connection may take to be made.
const CONNECTED: Duration = Duration::from_secs(10);

/// One for each use, because they differ in how long a silence is believed.
pub(super) struct Clients {
    /// For watches.
    pub(super) watches: Client,
    /// For everything else.
    pub(super) asks: Client,
    /// The address that they ask.
    pub(super) address: String,
}

impl Clients {
    /// As the kubeconfig says, or the Pod's own account.
    pub(super) async fn new(settings: &Settings) -> Result<Self, Error> {
        let config = match &settings.kubeconfig {
            Some(file) => {
                let read = Kubeconfig::read_from(file).map_err(|source| Error::Kubeconfig { source })?;
                Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
                    .await
                    .map_err(|source| Error::Kubeconfig { source })?
            }
            None => Config::incluster().map_err(|source| Error::InCluster { source })?,
        };
        let address = config.cluster_url.to_string();
        let (watches, asks) = (client(&config, WATCHED)?, client(&config, ANSWERED)?);
        Ok(Self { watches, asks, address })
    }
}

/// A client that believes in no answer after so long a silence.
fn client(config: &Config, silence: Duration) -> Result<Client, Error> {
    let mut config = config.clone();
    config.read_timeout = Some(silence);
    config.connect_timeout = Some(CONNECTED);
    Client::try_from(config).map_err(|source| Error::Client { source: Box::new(source) })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{Api, Config};

    use super::client;

    #[tokio::test]
    async fn call_to_a_server_that_says_nothing_ends() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", silent.local_addr().unwrap()).parse().unwrap();
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = client(&Config::new(address), Duration::from_millis(300)).unwrap();
        let begun = Instant::now();
        let asked = Api::<ConfigMap>::namespaced(client, "shop").get_opt("web").await;
        assert!(asked.is_err() && begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}
