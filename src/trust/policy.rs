//! Who is believed: the trust configuration, read as a whole or not at all.

use sha2::Digest as _;

use super::allowed_signers::AllowedSigners;
use super::openpgp::Certificates;
use super::path_glob::PathGlob;
use super::revoked::Revoked;
use super::time::Skew;
use crate::git::Oid;
use crate::model::RepoPath;

/// The `trust` of a Repository in neutral types: what [`Policy::read`] reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyInput {
    /// Full id of the pinned commit.
    pub root: String,
    /// Files of signers; all of them together count.
    pub signers: Vec<SignersText>,
    /// Path of the allowed_signers file inside the repository. It replaces the signers given here; what is revoked here
    /// stays revoked.
    pub in_repository: Option<String>,
    /// Which commits must be signed.
    pub mode: Mode,
    /// Principals who may sign the head; everybody listed where empty.
    pub promoters: Vec<String>,
    /// Distinct principals who must have signed the head's tree; 0 counts as 1.
    pub threshold: u32,
    /// Who may change what; the first rule that matches a path decides.
    pub path_rules: Vec<PathRuleText>,
    /// Principals (keys of forges) who may only make mechanical merges.
    pub merge_only: Vec<String>,
    /// Whether the committer's address must be the signer's.
    pub bind_committer: BindCommitter,
    /// Principals who may sign nothing, whatever any file says.
    pub revoked_principals: Vec<String>,
    /// Principals whose security keys may sign untouched.
    pub no_touch_allowed: Vec<String>,
    /// Full id of the one older commit that may be applied.
    pub rollback_to: Option<String>,
    /// Seconds a date may lie ahead; one hour where absent.
    pub max_future_skew: Option<u64>,
    /// Seconds a date may lie behind its parent's; 24 hours where absent.
    pub max_backward_skew: Option<u64>,
}

/// The text of one source of signers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignersText {
    /// Where it is from, for messages, such as `spec.trust.signers` or `configmap/signers`.
    pub name: String,
    /// An allowed_signers file.
    pub allowed_signers: Option<String>,
    /// Principals with their armored certificates.
    pub openpgp: Vec<(String, String)>,
    /// Keys withdrawn: public keys one a line, or a KRL.
    pub revoked: Option<Vec<u8>>,
}

/// One rule about paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathRuleText {
    /// Globs: `*` within a part, `**` across parts.
    pub paths: Vec<String>,
    /// Principals who may change what matches.
    pub signers: Vec<String>,
}

/// Which commits must be signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Every one that is new.
    #[default]
    EveryCommit,
    /// The first-parent line; a merge vouches for what it merges.
    FirstParent,
    /// The head alone.
    Head,
    /// The annotated tag alone.
    Tag,
}

/// Whether committer and signer must be the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BindCommitter {
    /// The committer's address says nothing.
    #[default]
    No,
    /// The committer's address is the signer's principal.
    Yes,
}

/// A trust configuration that cannot be read as a whole: nothing is believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {what}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct ConfigError {
    /// The file or field.
    pub file: String,
    /// The line in it, counted from one.
    pub line: Option<usize>,
    /// What is wrong there.
    pub what: String,
}

impl ConfigError {
    pub(super) fn new(file: &str, line: Option<usize>, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into() }
    }

    /// The stable word.
    pub fn code(&self) -> &'static str {
        super::Reason::BadConfiguration.code()
    }
}

/// Who is believed. Exists only where all of the configuration was understood.
#[derive(Debug)]
pub struct Policy {
    pub(super) root: Oid,
    pub(super) allowed: AllowedSigners,
    pub(super) certificates: Certificates,
    pub(super) revoked: Revoked,
    pub(super) in_repository: Option<RepoPath>,
    pub(super) mode: Mode,
    pub(super) promoters: Vec<String>,
    pub(super) threshold: usize,
    pub(super) path_rules: Vec<PathRule>,
    pub(super) merge_only: Vec<String>,
    pub(super) bind_committer: BindCommitter,
    pub(super) revoked_principals: Vec<String>,
    pub(super) no_touch_allowed: Vec<String>,
    pub(super) rollback_to: Option<Oid>,
    pub(super) skew: Skew,
    digest: String,
}

/// One rule about paths.
#[derive(Debug)]
pub(super) struct PathRule {
    pub(super) paths: Vec<PathGlob>,
    pub(super) signers: Vec<String>,
}

impl Policy {
    /// Whether it says of paths who may change them.
    pub fn has_path_rules(&self) -> bool {
        !self.path_rules.is_empty()
    }

    /// Reads a configuration; one unreadable line refuses all of it.
    pub fn read(input: &PolicyInput) -> Result<Self, ConfigError> {
        let refuse = |file: &str, what: String| ConfigError::new(file, None, what);
        let id = |file: &str, text: &str| text.parse::<Oid>().map_err(|error| refuse(file, error.to_string()));
        let root = id("trust.root", &input.root)?;
        let rollback_to = input.rollback_to.as_deref().map(|text| id("trust.rollbackTo", text)).transpose()?;
        if rollback_to.is_some_and(|other| other.algorithm() != root.algorithm()) {
            return Err(refuse("trust.rollbackTo", "not an id of the same hash as `root`".into()));
        }
        let mut policy = Self {
            root,
            allowed: AllowedSigners::default(),
            certificates: Certificates::default(),
            revoked: Revoked::default(),
            in_repository: input.in_repository.as_deref().map(in_repository).transpose()?,
            mode: input.mode,
            promoters: principals("trust.promoters", &input.promoters)?,
            threshold: usize::try_from(input.threshold.max(1)).unwrap_or(usize::MAX),
            path_rules: input.path_rules.iter().map(path_rule).collect::<Result<_, _>>()?,
            merge_only: principals("trust.mergeOnly", &input.merge_only)?,
            bind_committer: input.bind_committer,
            revoked_principals: principals("trust.revokedPrincipals", &input.revoked_principals)?,
            no_touch_allowed: principals("trust.noTouchAllowed", &input.no_touch_allowed)?,
            rollback_to,
            skew: Skew {
                future: seconds("trust.maxFutureSkew", input.max_future_skew, 3600)?,
                backward: seconds("trust.maxBackwardSkew", input.max_backward_skew, 86400)?,
            },
            digest: digest(input),
        };
        for source in &input.signers {
            policy.add(source)?;
        }
        if input.signers.is_empty() && input.in_repository.is_none() {
            return Err(refuse("trust.signers", "nobody is listed; give signers, signersFrom or inRepository".into()));
        }
        // The only rule that restricts whom it names: misspelt, it would leave a forge's key free to sign anything.
        if let Some(nobody) = policy.merge_only.iter().find(|name| !policy.lists(name)) {
            let what = format!(
                "no key is listed for `{}`: name the forge's key as the signers do, or take it out where the key is gone",
                nobody.escape_debug()
            );
            return Err(refuse("trust.mergeOnly", what));
        }
        Ok(policy)
    }

    /// SHA-256, in hexadecimal, over everything that decides.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The pinned commit.
    pub fn root(&self) -> &Oid {
        &self.root
    }

    /// Which commits must be signed.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The file in the repository that lists the signers, where that does.
    pub fn signers_file(&self) -> Option<&RepoPath> {
        self.in_repository.as_ref()
    }

    /// Whether `principal` may only make mechanical merges.
    pub fn is_merge_only(&self, principal: &str) -> bool {
        self.merge_only.iter().any(|name| name == principal)
    }

    fn add(&mut self, source: &SignersText) -> Result<(), ConfigError> {
        let part = |what: &str| format!("{}/{what}", source.name);
        if let Some(text) = &source.allowed_signers {
            self.allowed.extend(AllowedSigners::read(&part("allowed_signers"), text)?);
        }
        for (principal, text) in &source.openpgp {
            self.certificates.add(&part(&format!("{principal}.asc")), principal, text)?;
        }
        if let Some(bytes) = &source.revoked {
            self.revoked.add(&part("revoked"), bytes)?;
        }
        Ok(())
    }
}

fn in_repository(path: &str) -> Result<RepoPath, ConfigError> {
    RepoPath::parse(path).map_err(|error| ConfigError::new("trust.inRepository.path", None, error.to_string()))
}

fn path_rule(text: &PathRuleText) -> Result<PathRule, ConfigError> {
    const FIELD: &str = "trust.pathRules";
    if text.paths.is_empty() {
        return Err(ConfigError::new(FIELD, None, "a rule without paths"));
    }
    let glob = |glob: &String| PathGlob::read(glob).map_err(|what| ConfigError::new(FIELD, None, what));
    let paths = text.paths.iter().map(glob).collect::<Result<_, _>>()?;
    Ok(PathRule { paths, signers: principals(FIELD, &text.signers)? })
}

fn principals(field: &str, names: &[String]) -> Result<Vec<String>, ConfigError> {
    match names.iter().find(|name| name.is_empty() || name.chars().any(char::is_control)) {
        Some(name) => Err(ConfigError::new(field, None, format!("{name:?} is not a principal"))),
        None => Ok(names.to_vec()),
    }
}

/// Ten years is no skew but a mistake.
fn seconds(field: &str, given: Option<u64>, default: i64) -> Result<i64, ConfigError> {
    match given.map(i64::try_from) {
        None => Ok(default),
        Some(Ok(seconds)) if seconds <= 315_360_000 => Ok(seconds),
        Some(_) => Err(ConfigError::new(field, None, "more than ten years")),
    }
}

/// Every part with its length before it, so that no two configurations hash alike. `rollbackTo` is left out: it is an
/// order that is spent once, and says nothing about who is believed.
fn digest(input: &PolicyInput) -> String {
    let mut hash = Hash(sha2::Sha256::new());
    hash.text("gitwarrant trust 1");
    hash.text(&input.root);
    hash.count(input.signers.len());
    for source in &input.signers {
        hash.option(source.allowed_signers.as_deref().map(str::as_bytes));
        hash.count(source.openpgp.len());
        for (principal, text) in &source.openpgp {
            hash.text(principal);
            hash.text(text);
        }
        hash.option(source.revoked.as_deref());
    }
    hash.option(input.in_repository.as_deref().map(str::as_bytes));
    hash.count(match input.mode {
        Mode::EveryCommit => 0,
        Mode::FirstParent => 1,
        Mode::Head => 2,
        Mode::Tag => 3,
    });
    hash.list(&input.promoters);
    hash.count(input.threshold as usize);
    hash.count(input.path_rules.len());
    for rule in &input.path_rules {
        hash.list(&rule.paths);
        hash.list(&rule.signers);
    }
    hash.list(&input.merge_only);
    hash.count(match input.bind_committer {
        BindCommitter::No => 0,
        BindCommitter::Yes => 1,
    });
    hash.list(&input.revoked_principals);
    hash.list(&input.no_touch_allowed);
    for skew in [input.max_future_skew, input.max_backward_skew] {
        hash.option(skew.map(u64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
    }
    super::openpgp::hex(&hash.0.finalize()).to_lowercase()
}

struct Hash(sha2::Sha256);

impl Hash {
    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn option(&mut self, bytes: Option<&[u8]>) {
        self.count(usize::from(bytes.is_some()));
        self.bytes(bytes.unwrap_or_default());
    }

    fn list(&mut self, texts: &[String]) {
        self.count(texts.len());
        for text in texts {
            self.text(text);
        }
    }
}
