//! Throw-away keys and signed commits, made by the real `git`, `gpg` and `ssh-keygen`, apart from the user's own setup.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Signing keys in a folder that vanishes with this value, and `git` to sign commits with them.
///
/// Nothing of the user's git or gpg setup is read or written; the gpg-agent of the folder is ended with it.
pub struct Signers {
    // Below /tmp whatever TMPDIR says: gpg-agent's socket path may have at most 107 bytes.
    dir: tempfile::TempDir,
}

/// A key made by `ssh-keygen`.
pub struct SshKey {
    /// Whose it is; also its comment.
    pub principal: String,
    /// File of the private key.
    pub private: PathBuf,
    /// The public key as one line: type, base64, comment.
    pub public: String,
}

/// A certificate made by `gpg`.
pub struct GpgKey {
    /// Whose it is; also its user id.
    pub principal: String,
    /// Fingerprint of the primary key, in upper-case hexadecimal.
    pub fingerprint: String,
}

/// How a commit or tag is signed.
#[derive(Clone, Copy)]
pub enum By<'a> {
    /// With an SSH key.
    Ssh(&'a SshKey),
    /// With an OpenPGP key.
    Gpg(&'a GpgKey),
    /// Not at all.
    Nobody,
}

impl Signers {
    /// An empty folder for keys.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("gw").tempdir_in("/tmp").expect("a folder below /tmp");
        let home = dir.path().join("g");
        fs::create_dir(&home).expect("the GnuPG home is new");
        fs::set_permissions(&home, Permissions::from_mode(0o700)).expect("it is ours");
        // gpg signs at the time of the commit, not at the machine's.
        let gpg_then = dir.path().join("gpg-then");
        fs::write(&gpg_then, "#!/bin/sh\nexec gpg --faked-system-time \"$GW_SIGNED_AT!\" \"$@\"\n").expect("a script");
        fs::set_permissions(&gpg_then, Permissions::from_mode(0o700)).expect("it is ours");
        Self { dir }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// A new SSH key of type `kind` (`ed25519`, `ecdsa`, `rsa`) for `principal`.
    pub fn ssh_key(&self, principal: &str, kind: &str) -> SshKey {
        let private = self.dir.path().join(format!("{}-{kind}", principal.replace(['/', '@', '.'], "_")));
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-N", "", "-C", principal, "-t", kind, "-f"]).arg(&private);
        run(&mut keygen);
        let public = fs::read_to_string(private.with_extension("pub")).expect("ssh-keygen wrote the public key");
        SshKey { principal: principal.to_owned(), public: public.trim_end().to_owned(), private }
    }

    /// A new OpenPGP certificate for `principal`; `algorithm` as gpg names it (`ed25519`, `rsa3072`, `nistp256`).
    /// The primary key signs; it was made at the start of 2026 and does not expire.
    pub fn gpg_key(&self, principal: &str, algorithm: &str) -> GpgKey {
        self.gpg_key_at(principal, algorithm, "20260101T000000", "never")
    }

    /// As [`Self::gpg_key`], made at `created` (`20260101T000000`, UTC), with gpg's notation of when it expires.
    pub fn gpg_key_at(&self, principal: &str, algorithm: &str, created: &str, expires: &str) -> GpgKey {
        let mut generate = self.gpg();
        generate.arg(format!("--faked-system-time={created}!"));
        generate.args(["--passphrase", "", "--quick-gen-key", principal, algorithm, "sign", expires]);
        run(&mut generate);
        let listing = text(&run(self.gpg().args(["--with-colons", "--list-keys", &format!("={principal}")])));
        let fingerprint = listing.lines().find_map(|line| line.strip_prefix("fpr:")).expect("a made key is listed");
        let fingerprint = fingerprint.trim_matches(':').to_owned();
        GpgKey { principal: principal.to_owned(), fingerprint }
    }

    /// The armored public certificate.
    pub fn certificate(&self, key: &GpgKey) -> String {
        text(&run(self.gpg().args(["--armor", "--export", &key.fingerprint])))
    }

    /// `gpg` on the keys of this folder, with nothing asked.
    pub fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.env("GNUPGHOME", self.gnupg_home()).args(["--batch", "--no-tty", "--quiet"]);
        gpg
    }

    /// Where GnuPG keeps the keys.
    pub fn gnupg_home(&self) -> PathBuf {
        self.dir.path().join("g")
    }

    /// An allowed_signers file with one line for each key.
    pub fn allowed_signers(keys: &[&SshKey]) -> String {
        keys.iter().map(|key| format!("{} {}\n", key.principal, key.public)).collect()
    }

    /// `git` in `repository`, apart from the user's and the machine's configuration, as somebody at `date`
    /// (seconds since 1970, UTC; both as author and committer).
    pub fn git(&self, repository: &Path, date: i64) -> Command {
        let mut git = Command::new("git");
        git.current_dir(repository)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GNUPGHOME", self.gnupg_home())
            .env("LC_ALL", "C")
            .env("TZ", "UTC");
        for role in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{role}_NAME"), "Somebody")
                .env(format!("GIT_{role}_EMAIL"), "somebody@example.org")
                .env(format!("GIT_{role}_DATE"), format!("{date} +0000"));
        }
        git
    }

    /// A new repository with branch `main` and no commit, in the new or empty folder `at`.
    pub fn init(&self, at: &Path) {
        fs::create_dir_all(at).expect("a folder for the repository");
        run(self.git(at, 0).args(["init", "--quiet", "--initial-branch=main"]));
    }

    /// Commits all that is in the working copy (or nothing new) and returns the commit's id.
    pub fn commit(&self, repository: &Path, message: &str, by: By<'_>, date: i64) -> String {
        run(self.git(repository, date).args(["add", "--all"]));
        run(&mut self.signing(repository, by, date, &["commit", "--quiet", "--allow-empty", "--message", message]));
        self.rev_parse(repository, "HEAD")
    }

    /// Merges `branch` with a merge commit, always, and returns its id.
    pub fn merge(&self, repository: &Path, branch: &str, by: By<'_>, date: i64) -> String {
        run(&mut self.signing(repository, by, date, &["merge", "--quiet", "--no-ff", "--no-edit", branch]));
        self.rev_parse(repository, "HEAD")
    }

    /// An annotated tag on `HEAD`; returns the id of the tag object.
    pub fn tag(&self, repository: &Path, name: &str, by: By<'_>, date: i64) -> String {
        let mut git = self.git(repository, date);
        self.sign_with(&mut git, by, date);
        let how = if matches!(by, By::Nobody) { "--annotate" } else { "--sign" };
        run(git.args(["tag", how, "--message", name, name]));
        self.rev_parse(repository, &format!("refs/tags/{name}"))
    }

    /// The full id of `revision`.
    pub fn rev_parse(&self, repository: &Path, revision: &str) -> String {
        text(&run(self.git(repository, 0).args(["rev-parse", "--verify", revision]))).trim().to_owned()
    }

    /// A `git` command whose first argument takes `--gpg-sign`, signed by `by`.
    pub fn signing(&self, repository: &Path, by: By<'_>, date: i64, arguments: &[&str]) -> Command {
        let mut git = self.git(repository, date);
        self.sign_with(&mut git, by, date);
        let how = if matches!(by, By::Nobody) { "--no-gpg-sign" } else { "--gpg-sign" };
        git.arg(arguments[0]).arg(how).args(&arguments[1..]);
        git
    }

    fn sign_with(&self, git: &mut Command, by: By<'_>, date: i64) {
        let (format, key) = match by {
            By::Ssh(key) => ("ssh", key.private.display().to_string()),
            By::Gpg(key) => ("openpgp", format!("{}!", key.fingerprint)),
            By::Nobody => return,
        };
        let gpg_then = self.dir.path().join("gpg-then");
        git.env("GW_SIGNED_AT", date.to_string())
            .args(["-c", &format!("gpg.format={format}"), "-c", &format!("user.signingKey={key}"), "-c"])
            .arg(format!("gpg.program={}", gpg_then.display()));
    }
}

impl Drop for Signers {
    fn drop(&mut self) {
        let mut end = Command::new("gpgconf");
        end.env("GNUPGHOME", self.gnupg_home()).args(["--kill", "all"]);
        // Where gpg is missing no agent was started either.
        drop(end.stdout(Stdio::null()).stderr(Stdio::null()).status());
    }
}

/// Runs a tool to its end.
///
/// # Panics
/// Where it is missing (one line says how to get it) or fails (with what it wrote).
pub fn run(command: &mut Command) -> Output {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| {
        let package = match program.as_str() {
            "gpg" => "gnupg",
            "ssh-keygen" => "openssh-client",
            other => other,
        };
        panic!("`{program}` cannot be run ({error}); get it with `apt-get install {package}`")
    });
    assert!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// What a tool wrote to stdout.
pub fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("the tool writes UTF-8")
}
