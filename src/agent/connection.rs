//! The connection to a remote, kept as long as what it was made of stays the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::ResourceExt;

use crate::api::Repository;
use crate::git::Connection;
use crate::model::Class;

use super::credentials;
use super::desk::Desk;
use super::polled::Fault;

/// A connection is made anew after this time: credentials may have been replaced.
const AGE: Duration = Duration::from_secs(300);

/// A connection, if there is one.
#[derive(Default)]
pub(super) struct Kept(Option<Made>);

struct Made {
    of: String,
    at: Instant,
    connection: Arc<Connection>,
}

impl Kept {
    /// Whether it is one to this Repository, as it is declared now.
    pub(super) fn is_of(&self, repository: &Repository) -> bool {
        self.0.as_ref().is_some_and(|made| made.of == material(repository))
    }

    /// The connection, made where there is none, or none that will do.
    ///
    /// # Errors
    /// Where credentials are not to be had, or do not fit the address.
    pub(super) async fn get(
        &mut self,
        desk: &Arc<Desk>,
        repository: &Repository,
        now: Instant,
    ) -> Result<Arc<Connection>, Fault> {
        let material = material(repository);
        if let Some(made) = &self.0
            && made.of == material
            && now.duration_since(made.at) < AGE
        {
            return Ok(Arc::clone(&made.connection));
        }
        let remote = credentials::remote(desk, repository).await?;
        let made = tokio::task::spawn_blocking(move || Connection::new(remote)).await;
        let connection = made.map_err(|_| Fault {
            code: "panic".to_owned(),
            class: Class::Bug,
            message: "the connection could not be prepared; please report it".to_owned(),
        })?;
        let connection = Arc::new(connection.map_err(|error| Fault::from(&error))?);
        self.0 = Some(Made { of: material, at: now, connection: Arc::clone(&connection) });
        Ok(connection)
    }

    /// Makes another one next time.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

/// What a connection is made of: another UID or generation needs another one.
fn material(repository: &Repository) -> String {
    format!("{} {}", repository.uid().unwrap_or_default(), repository.metadata.generation.unwrap_or_default())
}
