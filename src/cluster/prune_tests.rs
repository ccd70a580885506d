use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::Pruned;
use crate::cluster::{Acting, Error, Kube};
use crate::model::Key;
use crate::plan::{Deletion, Identity, Owner, SYNC_NAME, SYNC_NAMESPACE, Target};

/// An API server that gives these answers, to looks and to deletions, each in turn; and what it was asked.
struct Server {
    looks: VecDeque<(u16, Value)>,
    deletions: VecDeque<(u16, Value)>,
    asked: Vec<&'static str>,
}

impl Server {
    fn answer(&mut self, method: &Method) -> Response<Full<Bytes>> {
        let (word, answers) =
            if *method == Method::DELETE { ("delete", &mut self.deletions) } else { ("look", &mut self.looks) };
        self.asked.push(word);
        let (code, body) = answers.pop_front().unwrap_or_else(|| (404, status(404, "NotFound")));
        let mut response = Response::new(Full::from(body.to_string()));
        *response.status_mut() = code.try_into().unwrap();
        response
    }
}

fn status(code: u16, reason: &str) -> Value {
    // As the API server says it of an object; of a path that it does not serve it says it otherwise.
    json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "details": {"name": "a", "kind": "configmaps"}})
}

fn owner() -> Owner {
    Owner { namespace: "team".to_owned(), name: "prod".to_owned() }
}

fn object(annotations: &Value) -> (u16, Value) {
    let labels = json!({SYNC_NAME: "prod", SYNC_NAMESPACE: "team"});
    let metadata =
        json!({"name": "a", "uid": "uid-a", "resourceVersion": "7", "labels": labels, "annotations": annotations});
    (200, json!({"kind": "PartialObjectMetadata", "metadata": metadata}))
}

fn key() -> Key {
    Key {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        namespace: Some("team".to_owned()),
        name: "a".to_owned(),
    }
}

/// Deletes ConfigMap `a` of a server that answers so, after these UIDs were written; and what was asked.
async fn pruned(
    looks: Vec<(u16, Value)>,
    deletions: Vec<(u16, Value)>,
    written: &[&str],
) -> (Result<Pruned, Error>, Vec<&'static str>) {
    let server = Server { looks: looks.into(), deletions: deletions.into(), asked: Vec::new() };
    let server = Arc::new(Mutex::new(server));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shared = Arc::clone(&server);
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let shared = Arc::clone(&shared);
            let answer = service_fn(move |request: Request<Incoming>| {
                std::future::ready(Ok::<_, Infallible>(shared.lock().unwrap().answer(request.method())))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    let config = ::kube::Config::new(format!("http://{address}").parse().unwrap());
    let kube = Kube::new(::kube::Client::try_from(config).unwrap());
    let acting: Acting = kube.acting(owner(), None).unwrap().fenced_by(Arc::new(|| Box::pin(async { true })));
    let deletion = Deletion { target: Target { key: key(), plural: "configmaps".to_owned() }, uid: "uid-a".to_owned() };
    let ended = acting.prune(vec![deletion], &written.iter().copied().collect::<BTreeSet<_>>()).await;
    serving.abort();
    let asked = server.lock().unwrap().asked.clone();
    (ended, asked)
}

#[tokio::test]
async fn object_that_says_meanwhile_that_it_is_kept_stays_recorded() {
    let kept = object(&json!({"kustomize.toolkit.fluxcd.io/prune": "disabled"}));
    let (ended, asked) = pruned(vec![kept], vec![], &[]).await;
    let ended = ended.unwrap();
    assert_eq!((ended.kept, ended.gone.len(), ended.deleted.len()), (vec![key()], 0, 0));
    assert_eq!(asked, ["look"]);
}

#[tokio::test]
async fn deletion_that_is_answered_with_not_found_is_believed_only_when_a_look_says_so() {
    let there = || object(&json!({}));
    let not_found = || (404, status(404, "NotFound"));
    let (ended, asked) = pruned(vec![there(), not_found()], vec![not_found()], &[]).await;
    assert_eq!(ended.unwrap().gone, BTreeSet::from([Identity::from(&key())]));
    assert_eq!(asked, ["look", "delete", "look"]);
    let (ended, asked) =
        pruned(vec![there(), there(), there()], vec![not_found(), not_found(), not_found()], &[]).await;
    let told = ended.err().expect("it is still there").to_string();
    assert!(told.starts_with("delete ConfigMap/team/a: "), "{told}");
    assert_eq!(asked, ["look", "delete", "look", "delete", "look", "delete"]);
}

#[tokio::test]
async fn object_that_was_just_written_under_another_group_is_not_deleted() {
    let (ended, asked) = pruned(vec![object(&json!({}))], vec![], &["uid-a"]).await;
    let ended = ended.unwrap();
    assert_eq!((ended.gone.len(), ended.deleted.len()), (1, 0));
    assert!(asked.is_empty(), "{asked:?}");
}
