//! `/healthz`, `/readyz` and `/metrics`. Nothing else is served: no profile, no dump, no debug page.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::telemetry::Metrics;

/// Connections served at the same time; more wait.
const CONNECTIONS: usize = 32;

/// Time for a client to send its request's head.
const PATIENCE: Duration = Duration::from_secs(5);

/// Time for a connection as a whole: who reads no answer keeps no place.
const CONVERSATION: Duration = Duration::from_secs(10);

/// What the listener tells about.
pub struct Served {
    /// Everything counted.
    pub metrics: Arc<Metrics>,
    /// Whether the first look at the cluster is complete.
    pub ready: Arc<AtomicBool>,
}

/// Opens the listener; the address says which port was given where 0 was asked for.
pub async fn listen(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves until the process ends.
pub async fn serve(listener: TcpListener, served: Arc<Served>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors: wait for some to be closed.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let served = Arc::clone(&served);
        tokio::spawn(async move {
            converse(stream, &served, CONVERSATION).await;
            drop(place);
        });
    }
}

/// Answers one request.
async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, served: &Served, longest: Duration) {
    let answer = service_fn(|request| std::future::ready(Ok::<_, Infallible>(reply(&request, served))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), answer);
    // A client that breaks off, or does not read, is its own affair.
    drop(tokio::time::timeout(longest, connection).await);
}

fn reply<B>(request: &Request<B>, served: &Served) -> Response<Full<Bytes>> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/healthz") => (StatusCode::OK, "ok\n".to_owned()),
        (&Method::GET, "/readyz") if served.ready.load(Ordering::Acquire) => (StatusCode::OK, "ok\n".to_owned()),
        (&Method::GET, "/readyz") => (StatusCode::SERVICE_UNAVAILABLE, "waiting for the API server\n".to_owned()),
        (&Method::GET, "/metrics") => (StatusCode::OK, served.metrics.text()),
        _ => (StatusCode::NOT_FOUND, "there are /healthz, /readyz and /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::{Served, converse, listen, reply, serve};
    use crate::telemetry::Metrics;
    use http::{Request, StatusCode};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    fn served() -> Served {
        Served { metrics: Arc::new(Metrics::default()), ready: Arc::new(AtomicBool::new(false)) }
    }

    #[tokio::test]
    async fn reader_that_asks_and_does_not_read_keeps_no_place() {
        // Room for a few bytes only: the answer cannot be written.
        let (mut client, server) = tokio::io::duplex(64);
        client.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let all = served();
        let ends = converse(server, &all, Duration::from_millis(200));
        tokio::time::timeout(Duration::from_secs(5), ends).await.unwrap();
    }

    #[tokio::test]
    async fn forty_that_connect_and_say_nothing_keep_nobody_from_the_health_of_the_agent() {
        let (listener, address) = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let serving = tokio::spawn(serve(listener, Arc::new(served())));
        let mut silent = Vec::new();
        for _ in 0..40 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut asks = TcpStream::connect(address).await.unwrap();
        asks.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(30), asks.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        serving.abort();
    }

    #[test]
    fn readiness_follows_the_first_look_at_the_cluster() {
        let served = Served { metrics: Arc::new(Metrics::default()), ready: Arc::new(AtomicBool::new(false)) };
        let ask = |path: &str| reply(&Request::get(path).body(()).unwrap(), &served).status();
        assert_eq!(ask("/healthz"), StatusCode::OK);
        assert_eq!(ask("/readyz"), StatusCode::SERVICE_UNAVAILABLE);
        served.ready.store(true, Ordering::Release);
        assert_eq!(ask("/readyz"), StatusCode::OK);
        assert_eq!(ask("/debug/pprof/heap"), StatusCode::NOT_FOUND);
    }
}
