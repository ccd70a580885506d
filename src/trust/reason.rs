//! The words for a refusal. They are the stable codes of `verify`, of conditions and of `explain`.

/// Why a history was refused. [`Reason::code`] is stable; scripts may rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The trust configuration cannot be read as a whole.
    BadConfiguration,
    /// Something is larger or deeper than any honest repository.
    LimitExceeded,
    /// An object's bytes do not hash to its id.
    CorruptObject,
    /// An object of the history is missing.
    IncompleteHistory,
    /// A commit, tag or tree does not keep to Git's own grammar.
    MalformedObject,
    /// The signature is not exactly one well-formed block.
    MalformedSignature,
    /// The signature is neither OpenPGP (version 4 or 6) nor SSH, or by a kind of key that is not known here.
    UnsupportedSignature,
    /// The commit or tag is not signed.
    Unsigned,
    /// The OpenPGP signature is not one over a binary document.
    WrongSignatureType,
    /// The SSH signature was made for another purpose than git.
    WrongNamespace,
    /// The signature rests on a broken hash or scheme.
    WeakAlgorithm,
    /// The key is too weak to be believed.
    WeakKey,
    /// The signature carries a critical statement that is not understood.
    CriticalSubpacket,
    /// The signature does not fit the commit.
    BadSignature,
    /// The key that signed is not listed.
    UnknownSigner,
    /// The key that signed has been withdrawn.
    RevokedKey,
    /// The key may not sign.
    KeyNotSigningCapable,
    /// The signing subkey never agreed to belong to this certificate.
    MissingBackSignature,
    /// The key was not in force when the commit was made.
    KeyNotValidAtTime,
    /// The key is listed, but not for signing commits.
    KeyNotValidForNamespace,
    /// The SSH certificate carries a critical option that cannot be enforced.
    UnsupportedCertificate,
    /// Nobody touched the security key.
    UserPresenceMissing,
    /// The signature itself has an expiry, and it has passed.
    SignatureExpired,
    /// A date lies in the future.
    FutureDated,
    /// Commit date and signature date lie far apart.
    SignatureTimeMismatch,
    /// The commit claims to be older than its parent.
    TimeRegression,
    /// The history does not descend from the pinned commit.
    TrustRootNotAncestor,
    /// The branch or tag went back to something older.
    Rollback,
    /// The branch left what was applied.
    NonFastForward,
    /// What was applied is not on the first-parent line.
    FirstParentDiscontinuity,
    /// The signed tag says another name than its reference.
    TagNameMismatch,
    /// A tag that was applied now points elsewhere.
    TagMoved,
    /// The tag does not point straight at a commit.
    TagTargetNotCommit,
    /// The head is not signed by a promoter.
    HeadNotPromoted,
    /// Too few people signed this tree.
    ThresholdNotMet,
    /// The signer may not change this path.
    PathNotAuthorised,
    /// A forge's key signed more than a mechanical merge.
    SignerNotAllowedForChange,
    /// The committer is not the signer.
    CommitterMismatch,
    /// The commit removes the signers file.
    PolicyRemoved,
    /// The tree has an entry that readers take differently.
    UnsafeTree,
    /// Judging itself broke.
    Internal,
}

/// One row of the long help.
struct Words {
    code: &'static str,
    what: &'static str,
    why: &'static str,
    remedy: &'static str,
}

impl Reason {
    /// All reasons, in the order in which judging meets them.
    pub const ALL: &[Reason] = &[
        Reason::BadConfiguration,
        Reason::LimitExceeded,
        Reason::CorruptObject,
        Reason::IncompleteHistory,
        Reason::MalformedObject,
        Reason::MalformedSignature,
        Reason::UnsupportedSignature,
        Reason::Unsigned,
        Reason::WrongSignatureType,
        Reason::WrongNamespace,
        Reason::WeakAlgorithm,
        Reason::WeakKey,
        Reason::CriticalSubpacket,
        Reason::BadSignature,
        Reason::UnknownSigner,
        Reason::RevokedKey,
        Reason::KeyNotSigningCapable,
        Reason::MissingBackSignature,
        Reason::KeyNotValidAtTime,
        Reason::KeyNotValidForNamespace,
        Reason::UnsupportedCertificate,
        Reason::UserPresenceMissing,
        Reason::SignatureExpired,
        Reason::FutureDated,
        Reason::SignatureTimeMismatch,
        Reason::TimeRegression,
        Reason::TrustRootNotAncestor,
        Reason::Rollback,
        Reason::NonFastForward,
        Reason::FirstParentDiscontinuity,
        Reason::TagNameMismatch,
        Reason::TagMoved,
        Reason::TagTargetNotCommit,
        Reason::HeadNotPromoted,
        Reason::ThresholdNotMet,
        Reason::PathNotAuthorised,
        Reason::SignerNotAllowedForChange,
        Reason::CommitterMismatch,
        Reason::PolicyRemoved,
        Reason::UnsafeTree,
        Reason::Internal,
    ];

    /// The stable word, such as `unsigned`.
    pub fn code(self) -> &'static str {
        self.words().code
    }

    /// What it says, as a sentence without a full stop.
    pub fn what(self) -> &'static str {
        self.words().what
    }

    /// Why it matters.
    pub fn why(self) -> &'static str {
        self.words().why
    }

    /// What to do.
    pub fn remedy(self) -> &'static str {
        self.words().remedy
    }

    #[allow(clippy::too_many_lines)] // one table, read as one
    fn words(self) -> &'static Words {
        match self {
            Reason::BadConfiguration => &Words {
                code: "bad-configuration",
                what: "The trust configuration cannot be read as a whole",
                why: "Half of a trust configuration would believe somebody nobody meant to believe, so all of it counts or nothing",
                remedy: "correct the file and line that is named; `gitwarrant verify` shows it before it is applied",
            },
            Reason::LimitExceeded => &Words {
                code: "limit-exceeded",
                what: "Something is larger or deeper than any honest repository",
                why: "Whoever makes the judge run out of memory or time decides when it stops looking",
                remedy: "split the file or commit; the limits are in the documentation of `verify`",
            },
            Reason::CorruptObject => &Words {
                code: "corrupt-object",
                what: "An object's bytes do not hash to its id",
                why: "The server or the store hands out something else than what was signed",
                remedy: "fetch from another mirror, and look at the server",
            },
            Reason::IncompleteHistory => &Words {
                code: "incomplete-history",
                what: "An object of the history is missing",
                why: "What is not there cannot be judged, and an unjudged commit may carry anything",
                remedy: "fetch the full history; shallow and partial clones cannot be judged",
            },
            Reason::MalformedObject => &Words {
                code: "malformed-object",
                what: "A commit, tag or tree does not keep to Git's own grammar",
                why: "Readers disagree about such objects: one verifies a part that another does not use",
                remedy: "make the commit again with git; `git fsck --strict` shows such objects",
            },
            Reason::MalformedSignature => &Words {
                code: "malformed-signature",
                what: "The signature is not exactly one well-formed block",
                why: "Bytes around or inside a signature that it does not cover can be changed by anybody",
                remedy: "sign it again: `git commit --amend --no-edit -S` at the tip, else `git rebase --rebase-merges --force-rebase -S COMMIT~1`",
            },
            Reason::UnsupportedSignature => &Words {
                code: "unsupported-signature",
                what: "The signature is neither OpenPGP (version 4 or 6) nor SSH, or by a kind of key that is not known here",
                why: "Only what is understood to the last byte is believed",
                remedy: "sign with an SSH or OpenPGP key",
            },
            Reason::Unsigned => &Words {
                code: "unsigned",
                what: "The commit or tag is not signed",
                why: "Without a signature its author and content are whatever the server says",
                remedy: "sign it: `git commit --amend --no-edit -S` at the tip, else `git rebase --rebase-merges --force-rebase -S COMMIT~1`; then push anew. What a forge merges by itself is merged locally instead, or with a key of the forge that `trust.mergeOnly` names",
            },
            Reason::WrongSignatureType => &Words {
                code: "wrong-signature-type",
                what: "The OpenPGP signature is not one over a binary document",
                why: "Signatures made for another purpose, or that ignore line ends, must not count for commits",
                remedy: "sign with git and gpg as they come, without text mode",
            },
            Reason::WrongNamespace => &Words {
                code: "wrong-namespace",
                what: "The SSH signature was made for another purpose than git",
                why: "A signature over a file or a mail must not become a commit",
                remedy: "sign with `git commit -S`, which uses the namespace `git`",
            },
            Reason::WeakAlgorithm => &Words {
                code: "weak-algorithm",
                what: "The signature rests on a broken hash or scheme",
                why: "A collision in SHA-1 or MD5 lets one signature stand for two commits",
                remedy: "sign with SHA-256 or SHA-512; update gpg and its preferences",
            },
            Reason::WeakKey => &Words {
                code: "weak-key",
                what: "The key is too weak to be believed",
                why: "DSA and RSA below 2048 bits can be forged by somebody with money",
                remedy: "make a new Ed25519 key and list it",
            },
            Reason::CriticalSubpacket => &Words {
                code: "critical-subpacket",
                what: "The signature carries a critical statement that is not understood",
                why: "Its maker asked not to be believed by whoever does not understand it",
                remedy: "sign again without that notation",
            },
            Reason::BadSignature => &Words {
                code: "bad-signature",
                what: "The signature does not fit the commit",
                why: "The commit was changed after it was signed, or the signature belongs to another one",
                remedy: "go back to the commit that was signed, or sign this one",
            },
            Reason::UnknownSigner => &Words {
                code: "unknown-signer",
                what: "The key that signed is not listed",
                why: "A good signature of somebody unknown proves only that somebody unknown signed",
                remedy: "list the key in the Repository's signers, if its owner may decide what runs; a forge's own key also in `trust.mergeOnly`, or it may sign anything",
            },
            Reason::RevokedKey => &Words {
                code: "revoked-key",
                what: "The key that signed has been withdrawn",
                why: "Whoever holds a withdrawn key can sign with any date",
                remedy: "sign the commit again with a key that is in force; where it is applied already, set `trust.root` to the commit that is applied",
            },
            Reason::KeyNotSigningCapable => &Words {
                code: "key-not-signing-capable",
                what: "The key may not sign",
                why: "Its owner marked it for encryption or authentication; servers may hold it",
                remedy: "sign with the signing key",
            },
            Reason::MissingBackSignature => &Words {
                code: "missing-back-signature",
                what: "The signing subkey never agreed to belong to this certificate",
                why: "Anybody can claim somebody else's subkey, and with it the commits it signed",
                remedy: "export the certificate again with a current gpg; make a new signing subkey",
            },
            Reason::KeyNotValidAtTime => &Words {
                code: "key-not-valid-at-time",
                what: "The key was not in force when the commit was made",
                why: "Expiry and retirement mean that later signatures do not count",
                remedy: "extend the key and export it again, or sign with a current one",
            },
            Reason::KeyNotValidForNamespace => &Words {
                code: "key-not-valid-for-namespace",
                what: "The key is listed, but not for signing commits",
                why: "`namespaces` in allowed_signers says what a key may sign",
                remedy: "add `git` to the line's namespaces",
            },
            Reason::UnsupportedCertificate => &Words {
                code: "unsupported-certificate",
                what: "The SSH certificate carries a critical option that cannot be enforced",
                why: "A restriction that is not kept is a right nobody gave",
                remedy: "have the certificate issued without that option",
            },
            Reason::UserPresenceMissing => &Words {
                code: "user-presence-missing",
                what: "Nobody touched the security key",
                why: "Malware on the machine can use an untouched key",
                remedy: "sign with touch, or list the principal under `noTouchAllowed`",
            },
            Reason::SignatureExpired => &Words {
                code: "signature-expired",
                what: "The signature itself has an expiry, and it has passed",
                why: "Its maker limited how long it counts",
                remedy: "sign again without an expiry",
            },
            Reason::FutureDated => &Words {
                code: "future-dated",
                what: "A date lies in the future",
                why: "A date of tomorrow escapes an expiry or a revocation of today",
                remedy: "correct the clock of the machine that signs, and sign again",
            },
            Reason::SignatureTimeMismatch => &Words {
                code: "signature-time-mismatch",
                what: "Commit date and signature date lie far apart",
                why: "An expired key can back-date its signature, but not the history around it",
                remedy: "sign when committing; keep `GIT_COMMITTER_DATE` honest",
            },
            Reason::TimeRegression => &Words {
                code: "time-regression",
                what: "The commit claims to be older than its parent",
                why: "Back-dating would make a retired key valid again",
                remedy: "correct the clock, and commit again",
            },
            Reason::TrustRootNotAncestor => &Words {
                code: "trust-root-not-ancestor",
                what: "The history does not descend from the pinned commit",
                why: "It is another repository, or a rewritten one, whoever signed it",
                remedy: "check the URL; a rewritten history needs a new `trust.root`",
            },
            Reason::Rollback => &Words {
                code: "rollback",
                what: "The branch or tag went back to something older",
                why: "An old state brings back old holes, and its signatures are still good",
                remedy: "use `git revert`, signed; or set `rollbackTo` to this exact commit",
            },
            Reason::NonFastForward => &Words {
                code: "non-fast-forward",
                what: "The branch left what was applied",
                why: "What was applied would silently disappear",
                remedy: "merge what was applied, signed; or set `rollbackTo` to this exact commit",
            },
            Reason::FirstParentDiscontinuity => &Words {
                code: "first-parent-discontinuity",
                what: "What was applied is not on the first-parent line",
                why: "In this mode only that line is judged, so it must lead to what was applied",
                remedy: "merge into the branch, not the branch into another",
            },
            Reason::TagNameMismatch => &Words {
                code: "tag-name-mismatch",
                what: "The signed tag says another name than its reference",
                why: "An old signed tag can be served under a new name",
                remedy: "push the tag under the name it was signed with",
            },
            Reason::TagMoved => &Words {
                code: "tag-moved",
                what: "A tag that was applied now points elsewhere",
                why: "A released version does not change",
                remedy: "make a new version",
            },
            Reason::TagTargetNotCommit => &Words {
                code: "tag-target-not-commit",
                what: "The tag does not point straight at a commit",
                why: "What lies between is not signed",
                remedy: "tag the commit itself",
            },
            Reason::HeadNotPromoted => &Words {
                code: "head-not-promoted",
                what: "The head is not signed by a promoter",
                why: "Signed work in progress is not a release",
                remedy: "have a promoter merge it or sign an empty commit on top",
            },
            Reason::ThresholdNotMet => &Words {
                code: "threshold-not-met",
                what: "Too few people signed this tree",
                why: "One stolen key must not be enough",
                remedy: "have another principal sign an empty commit on top: `git commit --allow-empty -S`",
            },
            Reason::PathNotAuthorised => &Words {
                code: "path-not-authorised",
                what: "The signer may not change this path",
                why: "The path rules say who decides what",
                remedy: "have one of the rule's signers make the change or merge it",
            },
            Reason::SignerNotAllowedForChange => &Words {
                code: "signer-not-allowed-for-change",
                what: "A forge's key signed more than a mechanical merge",
                why: "That key signs for every user of the forge",
                remedy: "merge without edits, or sign the change with one's own key",
            },
            Reason::CommitterMismatch => &Words {
                code: "committer-mismatch",
                what: "The committer is not the signer",
                why: "The committer shown in logs would be a claim of somebody else",
                remedy: "commit with the address the key is listed under",
            },
            Reason::PolicyRemoved => &Words {
                code: "policy-removed",
                what: "The commit removes the signers file",
                why: "Nothing could be judged after it",
                remedy: "restore the file; to move it change `inRepository.path` first",
            },
            Reason::UnsafeTree => &Words {
                code: "unsafe-tree",
                what: "The tree has an entry that readers take differently",
                why: "Such names escape folders, hide files or hide from review",
                remedy: "remove the entry that is named",
            },
            Reason::Internal => &Words {
                code: "internal",
                what: "Judging itself broke",
                why: "What cannot be judged is refused",
                remedy: "report it, with the commit if it is public",
            },
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}
