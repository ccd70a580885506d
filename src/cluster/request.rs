//! One request: impersonated, bounded in time and size, tried again where waiting helps.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::kube::client::Body;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::Key;

use super::ServiceAccount;
use super::reply::{Trouble, reduce};

/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pauses between tries; their number bounds the tries.
const PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];
/// The longest pause an API server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Upper bound on an answer, in bytes: of a page of a list, which has less than 1 MiB as a rule, and of anything else.
const MAX_PAGE: usize = 8 << 20;
const MAX_ANSWER: usize = 32 << 20;

/// Watches that are open at the same time, and pages of lists that are read, by the whole agent. A watch has a buffer and
/// a stream of its own, and pages are the largest answers there are.
const WATCHES: usize = 512;
const LISTS: usize = 4;

const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");

/// What is asked of the API, in the words of RBAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read a collection.
    List,
    /// Follow a collection.
    Watch,
    /// Server-side apply.
    Patch,
    /// Delete one object.
    Delete,
    /// Which kinds there are.
    Discover,
}

impl Verb {
    /// The word of RBAC.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
            Verb::Discover => "discover",
        }
    }

    fn method(self) -> Method {
        match self {
            Verb::Get | Verb::List | Verb::Watch | Verb::Discover => Method::GET,
            Verb::Patch => Method::PATCH,
            Verb::Delete => Method::DELETE,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a request is about; errors are made of it.
pub(super) struct About {
    verb: Verb,
    account: String,
    resource: String,
    /// Name and namespace, where it is about one object.
    object: Option<(String, Option<String>)>,
    secret: bool,
}

impl About {
    /// One object.
    pub(super) fn object(account: &ServiceAccount, verb: Verb, key: &Key, plural: &str) -> Self {
        Self::collection(account, verb, &key.group, plural, key.namespace.as_deref())
            .named(&key.name, key.namespace.as_deref())
    }

    /// The same about the object `name`.
    #[must_use]
    pub(super) fn named(self, name: &str, namespace: Option<&str>) -> Self {
        Self { object: Some((name.to_owned(), namespace.map(str::to_owned))), ..self }
    }

    /// A collection.
    pub(super) fn collection(
        account: &ServiceAccount,
        verb: Verb,
        group: &str,
        plural: &str,
        namespace: Option<&str>,
    ) -> Self {
        let dotted = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
        let resource = namespace.map_or_else(|| dotted.clone(), |namespace| format!("{dotted} in {namespace}"));
        let secret = group.is_empty() && plural == "secrets";
        Self { verb, account: account.to_string(), resource, object: None, secret }
    }

    /// Whether `name` of a `kind` (`configmaps`) that was not found is what was asked for, or the namespace that it was to
    /// be written into.
    pub(super) fn is_of(&self, name: &str, kind: &str) -> bool {
        let Some((asked, namespace)) = &self.object else { return false };
        let into = self.verb == Verb::Patch && kind == "namespaces" && namespace.as_deref() == Some(name);
        asked == name || into
    }

    /// Whether `message` is what the API server's own validation of the object begins with, `Deployment.apps "web" is
    /// invalid`. A webhook's sentence begins with `admission webhook "`, a policy's says `is forbidden`.
    ///
    /// Source: apimachinery, `errors.NewInvalid`; apiserver, `admission/plugin/webhook/errors` and `.../policy/validating`.
    pub(super) fn is_found_invalid(&self, message: &str) -> bool {
        let Some(((name, _), (kind, rest))) = self.object.as_ref().zip(message.split_once(" \"")) else { return false };
        !kind.contains(' ') && rest.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with("\" is invalid"))
    }

    pub(super) fn is_secret(&self) -> bool {
        self.secret
    }

    pub(super) fn denied(&self) -> Trouble {
        Trouble::Denied { account: self.account.clone(), verb: self.verb.name(), resource: self.resource.clone() }
    }
}

/// A body, and what it is.
pub(super) struct Payload {
    pub(super) content_type: &'static str,
    pub(super) bytes: Bytes,
}

/// Bounds that all accounts share.
#[derive(Clone)]
pub(super) struct Bounds {
    watches: Arc<Semaphore>,
    lists: Arc<Semaphore>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { watches: Arc::new(Semaphore::new(WATCHES)), lists: Arc::new(Semaphore::new(LISTS)) }
    }
}

/// Sends requests as one ServiceAccount.
#[derive(Clone)]
pub(super) struct Requests {
    client: ::kube::Client,
    user: HeaderValue,
    bounds: Bounds,
}

impl Requests {
    /// # Errors
    /// A name that is no ServiceAccount's: it cannot be put into a header.
    pub(super) fn new(client: ::kube::Client, account: &ServiceAccount, bounds: Bounds) -> Result<Self, Trouble> {
        // The API server derives the groups of a ServiceAccount from its name, so that `impersonate serviceaccounts` is
        // the only right the agent needs.
        let user = format!("system:serviceaccount:{}:{}", account.namespace, account.name);
        let user =
            HeaderValue::from_str(&user).map_err(|_| Trouble::Unreadable { what: "the ServiceAccount's name" })?;
        Ok(Self { client, user, bounds })
    }

    /// A place for one more watch, where there is one.
    pub(super) fn place_for_watch(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.bounds.watches).try_acquire_owned().ok()
    }

    /// Asks, and gives the answer's bytes.
    pub(super) async fn send(
        &self,
        path: &str,
        accept: &'static str,
        payload: Option<&Payload>,
        about: &About,
    ) -> Result<Bytes, Trouble> {
        let mut pauses = PAUSES.iter();
        loop {
            let (trouble, asked_pause) = match self.try_once(path, accept, payload, about).await {
                Ok(answer) => return Ok(answer),
                Err(refused) => refused,
            };
            let worth = match &trouble {
                Trouble::Unreachable { .. } => true,
                Trouble::Rejected { code, .. } => *code == 500,
                Trouble::Denied { .. }
                | Trouble::NotFound
                | Trouble::NotServed
                | Trouble::Conflict(_)
                | Trouble::Changed
                | Trouble::Superseded
                | Trouble::Immutable { .. }
                | Trouble::Unreadable { .. } => false,
            };
            match pauses.next().filter(|_| worth) {
                Some(pause) => tokio::time::sleep(asked_pause.unwrap_or(*pause).min(LONGEST_PAUSE)).await,
                None => return Err(trouble),
            }
        }
    }

    /// Asks for an answer that goes on, and gives its body as it comes.
    pub(super) async fn open(&self, path: &str, accept: &'static str, about: &About) -> Result<Body, Trouble> {
        let unreachable = |what: &str| Trouble::Unreachable { what: what.to_owned() };
        let request = Request::builder().method(about.verb.method()).uri(path).header(ACCEPT, accept);
        let request = request.header(IMPERSONATE_USER, self.user.clone()).body(Body::empty());
        let request = request.map_err(|_| Trouble::Unreadable { what: "the path" })?;
        let answer = tokio::time::timeout(PATIENCE, self.client.send(request)).await;
        let answer = answer.map_err(|_| unreachable("no answer in 30 s"))?;
        let (parts, body) = answer.map_err(|error| unreachable(kind_of(&error)))?.into_parts();
        if parts.status.is_success() {
            return Ok(body);
        }
        let all = tokio::time::timeout(PATIENCE, Limited::new(body, MAX_ANSWER).collect()).await;
        let bytes = all.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Err(reduce(parts.status.as_u16(), &bytes, about))
    }

    async fn try_once(
        &self,
        path: &str,
        accept: &'static str,
        payload: Option<&Payload>,
        about: &About,
    ) -> Result<Bytes, (Trouble, Option<Duration>)> {
        let unreachable = |what: &str| (Trouble::Unreachable { what: what.to_owned() }, None);
        let mut request = Request::builder()
            .method(about.verb.method())
            .uri(path)
            .header(ACCEPT, accept)
            .header(IMPERSONATE_USER, self.user.clone());
        let body = match payload {
            Some(payload) => {
                request = request.header(CONTENT_TYPE, payload.content_type);
                Body::from(payload.bytes.clone())
            }
            None => Body::empty(),
        };
        let request = request.body(body).map_err(|_| (Trouble::Unreadable { what: "the path" }, None))?;
        let is_page = about.verb == Verb::List;
        let longest = if is_page { MAX_PAGE } else { MAX_ANSWER };
        // It is never closed.
        let _place = if is_page { self.bounds.lists.acquire().await.ok() } else { None };
        let exchange = async {
            // The client's own error can quote what it sent; its kind alone is told.
            let response = self.client.send(request).await.map_err(|error| unreachable(kind_of(&error)))?;
            let (parts, body) = response.into_parts();
            let bytes = Limited::new(body, longest).collect().await.map_err(|error| {
                let too_large = error.is::<LengthLimitError>();
                let unreadable = (Trouble::Unreadable { what: "it is larger than any should be" }, None);
                if too_large { unreadable } else { unreachable("the answer broke off") }
            })?;
            Ok((parts, bytes.to_bytes()))
        };
        let (parts, bytes) =
            tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| unreachable("no answer in 30 s"))??;
        if parts.status.is_success() {
            return Ok(bytes);
        }
        let asked = parts.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Err((reduce(parts.status.as_u16(), &bytes, about), asked.map(Duration::from_secs)))
    }
}

fn kind_of(error: &::kube::Error) -> &'static str {
    match error {
        ::kube::Error::HyperError(_) => "the connection broke off",
        ::kube::Error::Service(_) => "no connection",
        ::kube::Error::Auth(_) => "the agent's own credentials were not accepted",
        _ => "the request could not be sent",
    }
}
