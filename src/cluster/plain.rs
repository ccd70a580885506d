//! The agent's own resources as whoever runs the command line may see them: no impersonation, no Secrets.

use std::path::Path;

use ::kube::config::{KubeConfigOptions, Kubeconfig};
use http::Request;
use serde_json::Value;

use super::path;

/// A connection with the caller's own rights.
pub struct Plain {
    client: ::kube::Client,
}

/// Why a resource could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum PlainError {
    /// There is no usable configuration.
    #[error("no usable kubeconfig: give --kubeconfig FILE, or set KUBECONFIG")]
    Configuration(#[source] Box<::kube::Error>),
    /// The kubeconfig cannot be read.
    #[error("the kubeconfig cannot be read")]
    Kubeconfig(#[source] Box<::kube::config::KubeconfigError>),
    /// The API server said no.
    #[error("the API server answered {code}: {message}")]
    Refused {
        /// HTTP status.
        code: u16,
        /// Its sentence.
        message: String,
    },
    /// There was no answer.
    #[error("the API server did not answer")]
    Unreachable(#[source] Box<::kube::Error>),
}

/// Where a resource is.
pub struct Resource<'a> {
    /// API group.
    pub group: &'a str,
    /// API version.
    pub version: &'a str,
    /// Name in the path, such as `syncs`.
    pub plural: &'a str,
    /// Namespace; absent for cluster-scoped ones and for all namespaces.
    pub namespace: Option<&'a str>,
}

impl Plain {
    /// Connects as `kubeconfig` (or `KUBECONFIG`, `~/.kube/config`, the Pod's own account) says.
    pub async fn connect(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Self, PlainError> {
        // An error means that a provider is installed already, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let unreadable = |error| PlainError::Kubeconfig(Box::new(error));
        let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
        let config = match kubeconfig {
            Some(file) => {
                let read = Kubeconfig::read_from(file).map_err(unreadable)?;
                ::kube::Config::from_custom_kubeconfig(read, &options).await.map_err(unreadable)?
            }
            None if context.is_some() => ::kube::Config::from_kubeconfig(&options).await.map_err(unreadable)?,
            None => ::kube::Config::infer()
                .await
                .map_err(|error| PlainError::Configuration(Box::new(::kube::Error::InferConfig(error))))?,
        };
        let client = ::kube::Client::try_from(config).map_err(|error| PlainError::Configuration(Box::new(error)))?;
        Ok(Self { client })
    }

    /// The namespace of the context, `default` where it names none.
    pub fn namespace(&self) -> &str {
        self.client.default_namespace()
    }

    /// All of them.
    pub async fn list(&self, resource: &Resource<'_>) -> Result<Vec<Value>, PlainError> {
        let mut list = self.send(Request::get(collection(resource)), None).await?;
        match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }

    /// One of them.
    pub async fn read(&self, resource: &Resource<'_>, name: &str) -> Result<Value, PlainError> {
        self.send(Request::get(object(resource, name)), None).await
    }

    /// Merges `change` into one of them.
    pub async fn merge(&self, resource: &Resource<'_>, name: &str, change: &Value) -> Result<Value, PlainError> {
        let request = Request::patch(object(resource, name)).header("content-type", "application/merge-patch+json");
        self.send(request, Some(change)).await
    }

    async fn send(&self, request: http::request::Builder, body: Option<&Value>) -> Result<Value, PlainError> {
        let body = body.map(Value::to_string).unwrap_or_default().into_bytes();
        let request = request.body(body).expect("the path is percent-encoded and the headers are constant");
        self.client.request(request).await.map_err(|error| match error {
            ::kube::Error::Api(status) => PlainError::Refused { code: status.code, message: status.message },
            other => PlainError::Unreachable(Box::new(other)),
        })
    }
}

fn collection(resource: &Resource<'_>) -> String {
    path::collection(resource.group, resource.version, resource.namespace, resource.plural)
}

fn object(resource: &Resource<'_>, name: &str) -> String {
    format!("{}/{}", collection(resource), path::encode(name))
}
