//! The story that `cargo demo` tells and `cargo test` checks: one signed commit, all the way into a real cluster, and
//! what does not get there.

pub mod agent;
pub mod cluster;
mod steps;
pub mod world;

use std::future::Future;
use std::time::{Duration, Instant};

pub use world::World;

/// What a step saw, a sentence a line; or how it did not happen as told.
pub type Told = Result<Vec<String>, String>;

/// What a listener hears.
pub enum Heard<'a> {
    /// A step begins.
    Begins(&'a str),
    /// It happened as told: what was seen, and how long it took.
    Happened(&'a [String], Duration),
    /// It did not.
    Failed(&'a str, Duration),
}

/// Tells the whole story in `world`; ends at the first step that does not happen as told.
pub async fn tell(world: &mut World, hear: &mut dyn FnMut(Heard<'_>)) -> Result<(), String> {
    told(hear, "an SSH-signed commit is applied", steps::ssh_signed_commit_is_applied(world)).await?;
    told(hear, "a GPG-signed change is applied", steps::gpg_signed_change_is_applied(world)).await?;
    told(hear, "an unsigned commit is refused, the last good state stays", steps::unsigned_commit_is_refused(world))
        .await?;
    told(hear, "a signed commit on top of it is refused too", steps::signed_commit_on_top_is_refused(world)).await?;
    told(hear, "the branch goes on from the last good commit; a signed removal prunes", steps::removal_prunes(world))
        .await?;
    told(hear, "what is deleted or edited by hand is put right", steps::drift_is_put_right(world)).await?;
    told(hear, "a force-push back to an older signed commit is refused", steps::rollback_is_refused(world)).await?;
    told(hear, "a signed `git revert` rolls back", steps::signed_revert_rolls_back(world)).await?;
    told(hear, "a secret with one changed byte is refused, the old one stays", steps::changed_secret_is_refused(world))
        .await
}

/// One step, heard and timed.
async fn told(hear: &mut dyn FnMut(Heard<'_>), title: &str, step: impl Future<Output = Told>) -> Result<(), String> {
    let begin = Instant::now();
    hear(Heard::Begins(title));
    match step.await {
        Ok(saw) => {
            hear(Heard::Happened(&saw, begin.elapsed()));
            Ok(())
        }
        Err(reason) => {
            hear(Heard::Failed(&reason, begin.elapsed()));
            Err(format!("{title}: {reason}"))
        }
    }
}
