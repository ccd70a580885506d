//! Encrypted inputs of generators against the real sops and the real kustomize: what Flux makes of them, decrypted first.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::gotool::SOPS;
use crate::support::{reference, tools};

const GENERATOR: &str = "secretGenerator: [{name: g, envs: [s.env]}]\n";

/// Lines that readers of env files see differently.
const ODD: [&str; 12] = [
    "A=one\\ntwo",
    "B=\"quoted\"",
    "  C=leading blanks",
    "  # note=1",
    "\t# tab=1",
    "# a comment",
    "D=trailing blanks  ",
    "E=a=b=c",
    "F=",
    "G =blank before",
    "H= blank behind",
    "é=ü",
];

#[test]
fn an_encrypted_env_file_means_what_its_decrypted_text_means() {
    let (sops, kustomize) = match (SOPS.program(), reference::kustomize()) {
        (Ok(sops), Ok(kustomize)) => (sops, kustomize),
        (Err(missing), _) | (_, Err(missing)) => {
            println!("not compared: {missing}");
            return;
        }
    };
    let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sops/keys/one.agekey");
    let recipient = fs::read_to_string(&key).unwrap();
    let recipient = recipient.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
    let texts = ODD.iter().map(|line| format!("X=1\n{line}\nY=2\n")).chain([ODD.join("\n") + "\n"]);
    for text in texts {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for side in ["encrypted", "decrypted", "plain"] {
            fs::create_dir(at(side)).unwrap();
            fs::write(at(side).join("kustomization.yaml"), GENERATOR).unwrap();
        }
        fs::write(at("plain/s.env"), &text).unwrap();
        let mut encrypt = Command::new(&sops);
        encrypt.args(["encrypt", "--age", &recipient, "--output"]).arg(at("encrypted/s.env")).arg(at("plain/s.env"));
        tools::run(&mut encrypt).unwrap();
        let mut decrypt = Command::new(&sops);
        decrypt.args(["decrypt", "--output"]).arg(at("decrypted/s.env")).arg(at("encrypted/s.env"));
        tools::run(decrypt.env("SOPS_AGE_KEY_FILE", &key)).unwrap();

        let expected = tools::run(Command::new(&kustomize).arg("build").arg(at("decrypted"))).unwrap();
        for side in ["encrypted", "decrypted"] {
            let mut build = Command::new(env!("CARGO_BIN_EXE_gitwarrant"));
            build.arg("build").arg(at(side)).args(["--reveal", "--age-key-file"]).arg(&key);
            assert_eq!(tools::run(&mut build).unwrap(), expected, "{side}: {text:?}");
        }
    }
}
