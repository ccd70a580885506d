//! `gitwarrant encrypt`.

use std::io::Write;
use std::path::{Component, Path, PathBuf};

use super::decrypt::{format, read};
use super::{Console, Failure, Outcome};
use crate::keysource::pgp;
use crate::sops::{self, Creation, Format, Group, Recipients, Terms, creation, seal};

/// Arguments of `encrypt`.
#[derive(clap::Args)]
pub struct Args {
    /// The file in clear
    file: PathBuf,
    /// Take the creation rule and the format that a file at this path would have
    #[arg(long, value_name = "PATH")]
    filename_override: Option<PathBuf>,
    /// Put the ciphertext in the place of FILE, instead of printing it; the clear text is in no other file meanwhile
    #[arg(short, long)]
    in_place: bool,
    /// The creation rules; by default the .sops.yaml of this folder or the next one above it that has one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A recipient of age, instead of those of the creation rules (`age1...`, or a line of an SSH public key file)
    #[arg(long, value_name = "RECIPIENT")]
    age: Vec<String>,
    /// A file with the OpenPGP public key of a recipient, instead of those of the creation rules
    #[arg(long, value_name = "FILE")]
    pgp: Vec<PathBuf>,
    /// A file with an OpenPGP public key whose fingerprint the creation rules name; there is no keyring here
    #[arg(long, value_name = "FILE")]
    pgp_public_key_file: Vec<PathBuf>,
    /// The format of the file; by its name where not given
    #[arg(long, value_name = "TYPE", value_parser = format)]
    input_type: Option<Format>,
    #[command(flatten)]
    selector: Selector,
    /// Let the MAC cover only what is encrypted
    #[arg(long)]
    mac_only_encrypted: bool,
}

/// What is encrypted, instead of what the creation rules say.
#[derive(clap::Args)]
#[group(multiple = false)]
struct Selector {
    /// Encrypt what does not stand below a key that ends so
    #[arg(long, value_name = "SUFFIX")]
    unencrypted_suffix: Option<String>,
    /// Encrypt what stands below a key that ends so
    #[arg(long, value_name = "SUFFIX")]
    encrypted_suffix: Option<String>,
    /// Encrypt what does not stand below a key that this matches
    #[arg(long, value_name = "REGEX")]
    unencrypted_regex: Option<String>,
    /// Encrypt what stands below a key that this matches
    #[arg(long, value_name = "REGEX")]
    encrypted_regex: Option<String>,
    /// Encrypt what does not follow a comment that this matches
    #[arg(long, value_name = "REGEX")]
    unencrypted_comment_regex: Option<String>,
    /// Encrypt what follows a comment that this matches
    #[arg(long, value_name = "REGEX")]
    encrypted_comment_regex: Option<String>,
}

impl Selector {
    fn chosen(&self) -> Option<(String, String)> {
        let fields = [
            ("unencrypted_suffix", &self.unencrypted_suffix),
            ("encrypted_suffix", &self.encrypted_suffix),
            ("unencrypted_regex", &self.unencrypted_regex),
            ("encrypted_regex", &self.encrypted_regex),
            ("unencrypted_comment_regex", &self.unencrypted_comment_regex),
            ("encrypted_comment_regex", &self.encrypted_comment_regex),
        ];
        fields.into_iter().find_map(|(field, text)| Some((field.to_owned(), text.clone()?)))
    }
}

impl Args {
    /// The path that the rule and the format are looked up by.
    fn named(&self) -> &Path {
        self.filename_override.as_ref().unwrap_or(&self.file)
    }
}

/// Runs it.
pub fn run(args: &Args, console: Console<'_>) -> Result<Outcome, Failure> {
    let name = args.file.display();
    let plain = read(&args.file)?;
    if plain.is_empty() && args.input_type.is_none() {
        let text = format!("{name}: the file is empty; did `>` write to the file it was read from?");
        return Err(Failure::new("empty-file", text)
            .help("--in-place encrypts a file where it is; an empty one is taken with --input-type binary"));
    }
    let format = args.input_type.unwrap_or_else(|| Format::of_path(&args.named().to_string_lossy()));
    let terms = terms(args)?;
    match seal(&plain, format, &terms, jiff::Timestamp::now()) {
        Ok(sealed) if args.in_place => replace(&args.file, sealed.as_bytes()).map(|()| Outcome::Fine),
        Ok(sealed) => {
            // Not through the console: it takes escape sequences out, and the MAC covers them.
            let mut out = std::io::stdout().lock();
            let written = out.write_all(sealed.as_bytes()).and_then(|()| out.flush());
            written.map_err(|error| Failure::because("output", "the ciphertext could not be written", &error))?;
            Ok(Outcome::Fine)
        }
        Err(error) => {
            drop(writeln!(console.talk, "error[{}]: {name}: {error}", error.code()));
            Ok(Outcome::Finding)
        }
    }
}

/// Puts `sealed` in the place of `file`, as a whole or not at all.
fn replace(file: &Path, sealed: &[u8]) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| {
        Failure::because(
            "output",
            format!("{} is left as it was: the ciphertext cannot be written", file.display()),
            error,
        )
    };
    // A link stays a link; what it names is replaced.
    let target = file.canonicalize().map_err(|error| failed(&error))?;
    let permissions = std::fs::metadata(&target).map_err(|error| failed(&error))?.permissions();
    let folder = target.parent().unwrap_or(Path::new("."));
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}.sealed", std::process::id()));
    let mut new = std::fs::File::create_new(&beside).map_err(|error| failed(&error))?;
    let write = || {
        new.set_permissions(permissions)?;
        new.write_all(sealed)?;
        new.sync_all()?;
        std::fs::rename(&beside, &target)
    };
    write().map_err(|error| {
        drop(std::fs::remove_file(&beside));
        failed(&error)
    })
}

/// What the flags say, and the creation rules where flags name no recipient.
fn terms(args: &Args) -> Result<Terms, Failure> {
    let chosen = args.selector.chosen();
    if !args.age.is_empty() || !args.pgp.is_empty() {
        let age = args.age.iter().flat_map(|names| names.split(',')).map(|name| name.trim().to_owned()).collect();
        let group = Recipients { age, pgp: texts(&args.pgp)? };
        return Ok(Terms {
            groups: vec![group],
            threshold: None,
            selector: chosen,
            mac_only_encrypted: args.mac_only_encrypted,
        });
    }
    let config = match &args.config {
        Some(config) => config.clone(),
        None => find_config()?,
    };
    let Creation { groups, threshold, selector, mac_only_encrypted } = rule(&config, args.named())?;
    let known = texts(&args.pgp_public_key_file)?;
    let groups = groups.into_iter().map(|group| with_certificates(group, &known, &config));
    Ok(Terms {
        groups: groups.collect::<Result<_, _>>()?,
        threshold,
        selector: chosen.or(selector),
        mac_only_encrypted: mac_only_encrypted || args.mac_only_encrypted,
    })
}

/// The rule of `config` for `file`, whose path counts from the folder of `config`.
fn rule(config: &Path, file: &Path) -> Result<Creation, Failure> {
    let (config_path, file) = (absolute(config)?, absolute(file)?);
    let path = config_path.parent().and_then(|folder| file.strip_prefix(folder).ok()).unwrap_or(&file);
    let text = texts(std::slice::from_ref(&config_path))?.pop().unwrap_or_default();
    creation(&text, &path.to_string_lossy()).map_err(|error| {
        let code = match error {
            sops::CreationError::NoRule { .. } => "no-rule",
            sops::CreationError::Malformed(_)
            | sops::CreationError::Rule { .. }
            | sops::CreationError::NoRules { .. }
            | sops::CreationError::Expression { .. }
            | sops::CreationError::Contradiction { .. } => "bad-rules",
        };
        Failure::new(code, format!("{}: {error}", config.display()))
    })
}

/// The path from the root, as sops sees it: links are not followed, because rules are about names.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let path = std::path::absolute(path).map_err(|error| Failure::because("no-file", path.display(), &error))?;
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    Ok(plain)
}

/// The next `.sops.yaml` from here upwards.
fn find_config() -> Result<PathBuf, Failure> {
    let here = std::env::current_dir().map_err(|error| Failure::because("no-file", "the working folder", &error))?;
    let found = here.ancestors().map(|folder| folder.join(".sops.yaml")).find(|path| path.is_file());
    found.ok_or_else(|| {
        Failure::new("no-rule", "there is no .sops.yaml here or in a folder above, and no recipient is given")
            .help("give --age or --pgp, or write creation rules")
    })
}

/// The group with the certificates of its fingerprints.
fn with_certificates(group: Group, known: &[String], config: &Path) -> Result<Recipients, Failure> {
    let certificate = |name: &String| {
        for certificate in known {
            let named = pgp::is_named(certificate, name);
            if named.map_err(|error| Failure::because("bad-recipient", "--pgp-public-key-file", &error))? {
                return Ok(certificate.clone());
            }
        }
        Err(Failure::new("no-public-key", format!("{}: the OpenPGP key {name} is in no file given", config.display()))
            .help(format!("gpg --armor --export {name} >key.asc, then --pgp-public-key-file key.asc")))
    };
    Ok(Recipients { age: group.age, pgp: group.pgp.iter().map(certificate).collect::<Result<_, _>>()? })
}

/// Bytes of a file of creation rules or with a public key.
const MAX_TEXT: u64 = 1 << 20;

fn texts(paths: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let text = |path: &PathBuf| {
        let failed = |error: &std::io::Error| {
            Failure::because("no-file", format!("{} cannot be read as text", path.display()), error)
        };
        if std::fs::metadata(path).map_err(|error| failed(&error))?.len() > MAX_TEXT {
            return Err(Failure::new("limit", format!("{} has more than {MAX_TEXT} bytes", path.display())));
        }
        std::fs::read_to_string(path).map_err(|error| failed(&error))
    };
    paths.iter().map(text).collect()
}
