//! A Git server on loopback: `git http-backend` behind a small HTTP server that can be bent.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::tools;

/// Serves every bare repository below a folder; stops when dropped.
pub struct GitServer {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
}

/// Who may read.
pub enum Guard {
    /// Everybody.
    Open,
    /// Whoever sends exactly this `Authorization` header.
    Header(String),
}

impl Guard {
    /// `Authorization: Basic` of user `alice` with password `hunter2`.
    pub fn alice() -> Self {
        Self::Header("Basic YWxpY2U6aHVudGVyMg==".to_owned())
    }
}

/// How answers are bent.
#[derive(Clone)]
pub enum Bend {
    /// Not at all.
    Straight,
    /// This status for everything.
    Status(u16),
    /// A redirect of everything to this address.
    Redirect(String),
    /// The beginning of an answer, and then nothing.
    Stall,
    /// Packs end after so many bytes of the answer.
    Cut(usize),
    /// This many bytes before the end of a pack's answer, one bit is flipped.
    Flip(usize),
    /// This instead of each answer to a command.
    Say(Vec<u8>),
    /// This instead of each pack, with all that is around it.
    Send(Vec<u8>),
    /// What the server can do, in which the first text is replaced by the second.
    Boast(String, String),
    /// A reference list in which the first text is replaced by the second, of the same length.
    Swap(String, String),
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `GET` or `POST`.
    pub method: String,
    /// With the query.
    pub target: String,
    /// The header, if there was one.
    pub authorization: Option<String>,
    /// What was posted.
    pub body: Vec<u8>,
}

impl Seen {
    /// Whether it asks for a pack.
    pub fn asks_for_a_pack(&self) -> bool {
        self.body.windows(13).any(|part| part == b"command=fetch")
    }
}

struct Shared {
    root: PathBuf,
    guard: Mutex<Guard>,
    bend: Mutex<Bend>,
    seen: Mutex<Vec<Seen>>,
    stop: AtomicBool,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl GitServer {
    /// Serves the bare repositories below `root`.
    pub fn start(root: &Path) -> Self {
        Self::listen(root, None)
    }

    /// The same over TLS.
    pub fn start_tls(root: &Path, config: rustls::ServerConfig) -> Self {
        Self::listen(root, Some(Arc::new(config)))
    }

    fn listen(root: &Path, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        tools::find("git").unwrap_or_else(|missing| panic!("{missing}"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared {
            root: root.canonicalize().expect("the folder of the repositories"),
            guard: Mutex::new(Guard::Open),
            bend: Mutex::new(Bend::Straight),
            seen: Mutex::default(),
            stop: AtomicBool::new(false),
            tls,
        });
        let ours = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ours.stop.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), ours) = (stream, Arc::clone(&ours)) else { continue };
                // A client that goes away is part of the tests.
                std::thread::spawn(move || drop(ours.serve(stream)));
            }
        });
        Self { address, scheme, shared }
    }

    /// The address of repository `name` below the root.
    pub fn url(&self, name: &str) -> String {
        format!("{}://{}/{name}", self.scheme, self.address)
    }

    /// From now on only these may read.
    pub fn guard(&self, guard: Guard) {
        *self.shared.guard.lock().unwrap() = guard;
    }

    /// From now on answers are bent so.
    pub fn bend(&self, bend: Bend) {
        *self.shared.bend.lock().unwrap() = bend;
    }

    /// Every request since the last call.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the listener.
        drop(TcpStream::connect(self.address));
    }
}

struct Request {
    seen: Seen,
    headers: HashMap<String, String>,
}

struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        match &self.tls {
            None => self.speak(stream),
            Some(config) => {
                let connection = rustls::ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
                self.speak(rustls::StreamOwned::new(connection, stream))
            }
        }
    }

    /// Answers requests until the client goes away.
    fn speak(&self, stream: impl Read + Write) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        while let Some(request) = read_request(&mut stream)? {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.seen.lock().unwrap().push(request.seen.clone());
            let bend = self.bend.lock().unwrap().clone();
            let Some(response) = self.answer(&request, &bend)? else {
                stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")?;
                stream.get_mut().flush()?;
                while !self.stop.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(20));
                }
                return Ok(());
            };
            let mut head =
                format!("HTTP/1.1 {} Answer\r\nContent-Length: {}\r\n", response.status, response.body.len());
            response.headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
            stream.get_mut().write_all(format!("{head}\r\n").as_bytes())?;
            stream.get_mut().write_all(&response.body)?;
            stream.get_mut().flush()?;
        }
        Ok(())
    }

    /// `None` stalls.
    fn answer(&self, request: &Request, bend: &Bend) -> std::io::Result<Option<Response>> {
        let plain = |status, headers| Ok(Some(Response { status, headers, body: Vec::new() }));
        match bend {
            Bend::Status(status) => return plain(*status, Vec::new()),
            Bend::Redirect(to) => return plain(301, vec![("Location".to_owned(), to.clone())]),
            Bend::Stall => return Ok(None),
            Bend::Straight
            | Bend::Cut(_)
            | Bend::Flip(_)
            | Bend::Say(_)
            | Bend::Send(_)
            | Bend::Boast(..)
            | Bend::Swap(..) => {}
        }
        let allowed = match &*self.guard.lock().unwrap() {
            Guard::Open => true,
            Guard::Header(wanted) => request.seen.authorization.as_ref() == Some(wanted),
        };
        if !allowed {
            return plain(401, vec![("WWW-Authenticate".to_owned(), "Basic realm=\"git\"".to_owned())]);
        }
        let mut response = self.backend(request)?;
        let is_pack = request.seen.asks_for_a_pack();
        match bend {
            Bend::Cut(length) if is_pack => response.body.truncate(*length),
            Bend::Flip(from_end) if is_pack => {
                let at = response.body.len() - from_end;
                response.body[at] ^= 1;
            }
            Bend::Say(body) if request.seen.method == "POST" => response.body.clone_from(body),
            Bend::Send(body) if is_pack => response.body.clone_from(body),
            Bend::Boast(from, to) if request.seen.method == "GET" => {
                let text = String::from_utf8_lossy(&response.body).replace(from.as_str(), to);
                response.body = text.into_bytes();
            }
            Bend::Swap(from, to) if !is_pack => {
                let text = String::from_utf8_lossy(&response.body).replace(from.as_str(), to);
                response.body = text.into_bytes();
            }
            _ => {}
        }
        Ok(Some(response))
    }

    /// What `git http-backend` says. Source: RFC 3875 and git-http-backend(1).
    fn backend(&self, request: &Request) -> std::io::Result<Response> {
        let (path, query) = request.seen.target.split_once('?').unwrap_or((&request.seen.target, ""));
        let header = |name: &str| request.headers.get(name).map_or("", String::as_str);
        let mut backend = Command::new("git");
        backend.arg("http-backend").current_dir(&self.root).env("GIT_PROJECT_ROOT", &self.root);
        backend.env("GIT_HTTP_EXPORT_ALL", "1").env("REMOTE_USER", "tester").env("PATH_INFO", path);
        backend.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        backend.env("QUERY_STRING", query).env("REQUEST_METHOD", &request.seen.method);
        backend.env("CONTENT_TYPE", header("content-type")).env("CONTENT_LENGTH", request.seen.body.len().to_string());
        backend.env("GIT_PROTOCOL", header("git-protocol")).env("HTTP_CONTENT_ENCODING", header("content-encoding"));
        let mut child = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut stdin = child.stdin.take().expect("it is piped");
        let body = request.seen.body.clone();
        let writer = std::thread::spawn(move || drop(stdin.write_all(&body)));
        let output = child.wait_with_output()?;
        writer.join().expect("writing does not panic");
        let end = output.stdout.windows(4).position(|part| part == b"\r\n\r\n").unwrap_or(output.stdout.len());
        let mut response = Response { status: 200, headers: Vec::new(), body: Vec::new() };
        for line in String::from_utf8_lossy(&output.stdout[..end]).lines() {
            match line.split_once(": ") {
                Some(("Status", status)) => response.status = status[..3].parse().expect("a status"),
                Some((name, value)) => response.headers.push((name.to_owned(), value.to_owned())),
                None => {}
            }
        }
        response.body = output.stdout.get(end + 4..).unwrap_or_default().to_vec();
        Ok(response)
    }
}

/// The next request; `None` where the client is done.
fn read_request(stream: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let mut parts = line.split(' ');
    let (Some(method), Some(target)) = (parts.next(), parts.next()) else { return Ok(None) };
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let chunked = headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked");
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let body = if chunked { read_chunks(stream)? } else { read_exactly(stream, length)? };
    let authorization = headers.get("authorization").cloned();
    let seen = Seen { method: method.to_owned(), target: target.to_owned(), authorization, body };
    Ok(Some(Request { seen, headers }))
}

fn read_exactly(stream: &mut impl BufRead, length: usize) -> std::io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// Git sends large pushes so.
fn read_chunks(stream: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        stream.read_line(&mut size)?;
        let size = usize::from_str_radix(size.trim_end(), 16).map_err(std::io::Error::other)?;
        body.extend(read_exactly(stream, size)?);
        read_exactly(stream, 2)?;
        if size == 0 {
            return Ok(body);
        }
    }
}
