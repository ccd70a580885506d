//! From a fetched commit to what may be applied: judging, opening, rendering, admitting. Pure and synchronous.

use jiff::Timestamp;
use tracing::warn;

use crate::git::{Commit, Fetched, Oid};
use crate::keysource::Keyring;
use crate::kustomize;
use crate::model::{Class, RepoPath};
use crate::policy::{self, Admitted};
use crate::sops;
use crate::trust::{self, Base, Policy, Signed, Verified};

use super::polled::Fault;
use super::progress::Progress;

/// Everything the judgement depends on, besides the commit.
pub(super) struct Wanted {
    pub(super) policy: Policy,
    pub(super) base: Base,
    /// Whether the inputs of the folder are judged from the root on: they are others than those of what is applied, and
    /// whoever changed them then was not asked whether he may change these.
    pub(super) whole: bool,
    pub(super) path: RepoPath,
    pub(super) keys: Keyring,
    pub(super) rendering: kustomize::Options,
    pub(super) layer: kustomize::Layer,
    pub(super) limits: policy::Limits,
    pub(super) now: Timestamp,
    /// How far judging what is new has come.
    pub(super) progress: Progress,
    /// How far looking again at what is applied has come.
    pub(super) reviewing: Progress,
}

/// Why a commit is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// The stable code, such as `unsigned`.
    pub(super) code: String,
    /// Who has to act.
    pub(super) class: Class,
    /// Which thing, what was expected, what was found, what to do.
    pub(super) message: String,
    /// How far it came.
    pub(super) stage: Stage,
    /// Who signed it and with which key, where it was verified and its head was new.
    pub(super) by: Option<(String, String)>,
}

/// How far a commit came before it was held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The remote did not show it.
    Fetching,
    /// It was not verified; the commit that broke a rule, where one can be named.
    Judging(Option<Oid>),
    /// It was verified, but cannot be opened, rendered or admitted.
    Rendering,
    /// It was rendered, and has to wait, or the cluster did not take all of it.
    Applying,
}

/// The pipeline up to the cluster.
pub(super) fn prepare(fetched: Fetched<Commit>, wanted: &Wanted) -> Result<Admitted<Signed>, Held> {
    let (commit, objects) = fetched.into_parts();
    if wanted.whole {
        review(Fetched::new(commit.clone(), objects.clone()), wanted)?;
    }
    let verified = verified(Fetched::new(commit, objects), wanted, &wanted.base, &wanted.progress)?;
    let by = verified.judged().first().map(|judged| (judged.signer.clone(), judged.key.clone()));
    let rendering = |code: &str, class, error: &dyn std::error::Error| Held {
        by: by.clone(),
        ..held(Stage::Rendering, code, class, error)
    };
    let sources = kustomize::gather_under(&wanted.layer, verified.into_tree(), &wanted.path, &wanted.rendering)
        .map_err(|errors| rendering(errors.code(), Class::Refused, &errors))?;
    let sources = sources.judge_inputs().map_err(|refusal| refused(&refusal))?;
    let opened =
        sops::unseal(sources, &wanted.keys).map_err(|errors| rendering(errors.code(), errors.class(), &errors))?;
    let rendered = kustomize::render_under(&wanted.layer, opened, &wanted.path, &wanted.rendering)
        .map_err(|errors| rendering(errors.code(), Class::Refused, &errors))?;
    for warning in rendered.warnings() {
        warn!(%warning, "something renders that a person should look at");
    }
    policy::admit(rendered, &wanted.limits).map_err(|errors| rendering(errors.code(), Class::Refused, &errors))
}

/// Judges what is applied already as if nothing were, by the policy of today.
pub(super) fn review(fetched: Fetched<Commit>, wanted: &Wanted) -> Result<(), Held> {
    let verified = verified(fetched, wanted, &Base::default(), &wanted.reviewing)?;
    let sources = kustomize::gather_under(&wanted.layer, verified.into_tree(), &wanted.path, &wanted.rendering)
        .map_err(|errors| held(Stage::Rendering, errors.code(), Class::Refused, &errors))?;
    sources.judge_inputs().map(drop).map_err(|refusal| refused(&refusal))
}

fn verified(
    fetched: Fetched<Commit>,
    wanted: &Wanted,
    base: &Base,
    progress: &Progress,
) -> Result<Verified<Commit>, Held> {
    let (from, reached) = (progress.last(), |checkpoint| progress.reach(checkpoint));
    let from = (base, from.as_ref());
    trust::verify_from(fetched, &wanted.policy, from, Some(&wanted.path), wanted.now, &reached)
        .map_err(|refusal| refused(&refusal))
}

fn refused(refusal: &trust::Refusal) -> Held {
    let held = held(Stage::Judging(refusal.at().copied()), refusal.code(), Class::Refused, refusal);
    let (remedy, code) = (refusal.reason().remedy(), refusal.code());
    Held { message: format!("{}. To mend it: {remedy} (`gitwarrant explain {code}` says more)", held.message), ..held }
}

impl Held {
    /// The remote did not show it.
    pub(super) fn fetching(fault: &Fault) -> Self {
        Self {
            code: fault.code.clone(),
            class: fault.class,
            message: fault.message.clone(),
            stage: Stage::Fetching,
            by: None,
        }
    }

    /// Judging broke down on it.
    pub(super) fn panicked(head: Oid) -> Self {
        let message = format!("commit {}: judging it broke down, so it is refused. Please report it", head.short());
        Self { code: "panic".to_owned(), class: Class::Bug, message, stage: Stage::Judging(Some(head)), by: None }
    }

    /// An earlier judgement of the same Sync, given up by its turn, has not ended yet.
    pub(super) fn still_judging() -> Self {
        let message = "an earlier turn's judgement has not ended yet; nothing new begins before".to_owned();
        Self { code: "still-judging".to_owned(), class: Class::Transient, message, stage: Stage::Fetching, by: None }
    }

    /// Another Sync has to be ready first.
    pub(super) fn waiting(message: String) -> Self {
        let code = "dependency-not-ready".to_owned();
        Self { code, class: Class::Transient, message, stage: Stage::Applying, by: None }
    }

    /// The Sync waits for itself; `names` are the way round.
    pub(super) fn cycle(names: &[String]) -> Self {
        let message = format!(
            "dependsOn goes round in a circle: {}; none of these ever begins. Remove one of them from the dependsOn of the \
             one before",
            names.join(" -> ")
        );
        let code = "dependency-cycle".to_owned();
        Self { code, class: Class::Misconfigured, message, stage: Stage::Applying, by: None }
    }

    /// There is no safe plan.
    pub(super) fn planning(refusal: &crate::plan::Refusal) -> Self {
        held(Stage::Applying, refusal.code(), Class::Refused, refusal)
    }

    /// The cluster did not take all of it.
    pub(super) fn applying(error: &crate::cluster::Error) -> Self {
        held(Stage::Applying, error.code(), error.class(), error)
    }

    /// What was about to happen, or has happened, could not be recorded.
    pub(super) fn recording(error: &super::Error) -> Self {
        held(Stage::Applying, error.code(), error.class(), error)
    }
}

fn held(stage: Stage, code: &str, class: Class, error: &dyn std::error::Error) -> Held {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        message.push_str(": ");
        message.push_str(&next.to_string());
        cause = next.source();
    }
    Held { code: code.to_owned(), class, message, stage, by: None }
}
