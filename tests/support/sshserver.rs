//! An SSH server on loopback that runs `git upload-pack` for whoever shows the right key, and bends where a test asks.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Arc;

use russh::keys::{PrivateKey, PublicKey};
use russh::server::{self, Auth, ChannelOpenHandle, Config, Handler, Msg, Server as _, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};

/// What it does that a good server does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Nothing.
    Good,
    /// Lets nobody set `GIT_PROTOCOL`.
    OldProtocol,
    /// Takes the command and then says nothing.
    Silent,
}

/// Serves the repositories of one folder until it is dropped.
pub struct SshServer {
    port: u16,
    /// Ends the thread when it is dropped.
    _runtime: tokio::runtime::Runtime,
}

impl SshServer {
    /// Listens with the host key of file `host_key`, and lets in who has the private half of `client`.
    pub fn start(served: &Path, host_key: &Path, client: &str, habit: Habit) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let key = std::fs::read_to_string(host_key).unwrap();
        let config = Config {
            keys: vec![PrivateKey::from_openssh(key).unwrap()],
            auth_rejection_time: std::time::Duration::ZERO,
            ..Config::default()
        };
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        let client: PublicKey = client.parse().unwrap();
        let mut guests = Guests { served: served.to_owned(), client: Arc::new(client), habit };
        runtime.spawn(async move { drop(guests.run_on_socket(Arc::new(config), &listener).await) });
        Self { port, _runtime: runtime }
    }

    /// The address of a repository in the folder, by its absolute path there.
    pub fn url(&self, path: &str) -> String {
        format!("ssh://git@localhost:{}/{path}", self.port)
    }

    /// The line for `known_hosts` that pins the public key `key`.
    pub fn known_as(&self, key: &str) -> String {
        format!("[localhost]:{} {key}\n", self.port)
    }
}

struct Guests {
    served: PathBuf,
    client: Arc<PublicKey>,
    habit: Habit,
}

impl server::Server for Guests {
    type Handler = Guest;

    fn new_client(&mut self, _: Option<std::net::SocketAddr>) -> Guest {
        Guest {
            served: self.served.clone(),
            client: Arc::clone(&self.client),
            habit: self.habit,
            environment: BTreeMap::new(),
            input: None,
        }
    }
}

struct Guest {
    served: PathBuf,
    client: Arc<PublicKey>,
    habit: Habit,
    environment: BTreeMap<String, String>,
    input: Option<ChildStdin>,
}

impl Handler for Guest {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let welcome = user == "git" && key.public_key.key_data() == self.client.key_data();
        Ok(if welcome { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn env_request(&mut self, _: ChannelId, name: &str, value: &str, _: &mut Session) -> Result<(), Self::Error> {
        if self.habit != Habit::OldProtocol && name == "GIT_PROTOCOL" {
            self.environment.insert(name.to_owned(), value.to_owned());
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        if self.habit == Habit::Silent {
            return Ok(());
        }
        // As a login shell would: one word, in single quotes.
        let command = String::from_utf8(command.to_vec()).unwrap();
        let path = command.strip_prefix("git-upload-pack '/").and_then(|rest| rest.strip_suffix('\'')).unwrap();
        let mut child = Command::new("git")
            .arg("upload-pack")
            .arg(self.served.join(path))
            .envs(&self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        self.input = child.stdin.take();
        let handle = session.handle();
        let runtime = tokio::runtime::Handle::current();
        std::thread::spawn(move || {
            let (mut output, mut part) = (child.stdout.take().unwrap(), vec![0; 16 << 10]);
            while let Ok(count @ 1..) = output.read(&mut part) {
                if runtime.block_on(handle.data(channel, part[..count].to_vec())).is_err() {
                    break;
                }
            }
            drop(output);
            let mut complaint = Vec::new();
            drop(child.stderr.take().unwrap().read_to_end(&mut complaint));
            let code = child.wait().unwrap().code().unwrap_or(1);
            // Who has left hears nothing of it.
            let _told = runtime.block_on(async {
                handle.extended_data(channel, 1, complaint).await.map_err(drop)?;
                handle.exit_status_request(channel, code.unsigned_abs()).await?;
                handle.eof(channel).await?;
                handle.close(channel).await
            });
        });
        Ok(())
    }

    async fn data(&mut self, _: ChannelId, data: &[u8], _: &mut Session) -> Result<(), Self::Error> {
        if let Some(input) = &mut self.input {
            // A program that has ended reads no more; its own end says why.
            drop(input.write_all(data));
        }
        Ok(())
    }

    async fn channel_eof(&mut self, _: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        self.input = None;
        Ok(())
    }
}
