//! The codes of encrypted files, explained.

use crate::model::Explained;

/// Every code of a file that was not opened or not encrypted.
pub const EXPLAINED: [Explained; 21] = [
    Explained::new(
        "no-metadata",
        "The file is not encrypted with sops",
        "It was asked for as an encrypted one, and would be used as it stands",
        "encrypt it: `sops encrypt`, or `gitwarrant encrypt`",
    ),
    Explained::new(
        "no-such-part",
        "The file opened, and holds nothing in the place that was asked for",
        "Printing nothing would look like an empty value",
        "write the place as its keys and indexes stand in the file: `--extract '[\"db\"][\"password\"]'`",
    ),
    Explained::new(
        "bad-metadata",
        "The `sops` block breaks a rule of its format",
        "Two readers would take such a file differently",
        "take the file from a good copy, or encrypt it again with a current sops",
    ),
    Explained::new(
        "bad-format",
        "The file is not of the format it was read as",
        "What cannot be read as a whole cannot be authenticated",
        "correct the place that is named; give the format with `--input-type` where the name does not say it",
    ),
    Explained::new(
        "duplicate-key",
        "A key is there twice in one mapping",
        "Readers disagree which one counts, and only one of them was looked at",
        "keep one of them, with `sops edit`",
    ),
    Explained::new(
        "no-keys",
        "Nobody is named who could open the file",
        "Such a file stays closed for ever",
        "name at least one recipient in each group, and encrypt again",
    ),
    Explained::new(
        "no-usable-key",
        "No key at hand opens the file",
        "It is encrypted for others, or the key was not given",
        "give the key of a recipient that is named: a flag or variable of the command line, the Secret of spec.decryption \
         in a Sync; or wrap the file for a key that is there: `sops updatekeys`",
    ),
    Explained::new(
        "data-key-invalid",
        "What a recipient's key opened is no data key",
        "The file's key was damaged, or written by another program",
        "encrypt the file again with a current sops",
    ),
    Explained::new(
        "value-malformed",
        "A value is no envelope of sops, or its content is not of its type",
        "The file was edited by hand, so that nobody knows what it said",
        "take the file from a good copy, and change it with `sops edit`",
    ),
    Explained::new(
        "value-auth",
        "A value is not authentic at its place",
        "It was changed, or moved there from another place or file: a password of one service under the name of another",
        "take the file from a good copy, and change it with `sops edit`",
    ),
    Explained::new(
        "mac-missing",
        "The file has no MAC",
        "Without it values can be removed, and what stands in clear can be changed, without anybody noticing",
        "encrypt the file again with a current sops; there is no way to skip the MAC",
    ),
    Explained::new(
        "mac-undecryptable",
        "The MAC itself cannot be read",
        "It or `lastmodified`, which it is bound to, was changed",
        "take the file from a good copy; after a merge conflict keep one side, and make the change again with `sops edit`",
    ),
    Explained::new(
        "mac-mismatch",
        "The MAC is of other content",
        "The file was merged, sorted, cut short or edited without sops; whoever may write to the repository may have done \
         it on purpose",
        "take the file from a good copy, and make the change again with `sops edit`; there is no way to skip the MAC",
    ),
    Explained::new(
        "limit",
        "Something is larger or deeper than it may be",
        "Whoever writes a file must not decide how much memory and time reading it takes",
        "divide it; the message says what the limit is",
    ),
    Explained::new(
        "policy",
        "sops allows it, and it is refused here",
        "It is taken differently by different readers, or gives a secret away",
        "change what the message names, and encrypt the file again",
    ),
    Explained::new(
        "emit",
        "The content cannot be written in the form that was asked for",
        "The form has no way to say it, and leaving it out would change what was meant",
        "ask for the file's own form, or yaml",
    ),
    Explained::new(
        "already-encrypted",
        "The file is encrypted already",
        "Encrypted twice, it would open to a file that is still encrypted",
        "decrypt it first; to change recipients use `sops updatekeys`",
    ),
    Explained::new(
        "no-document",
        "The file holds no document",
        "There is nowhere to put the `sops` block",
        "put at least one document into it",
    ),
    Explained::new(
        "bad-threshold",
        "The threshold does not fit the number of key groups",
        "Nobody could put the parts of the key together, or one part alone would give it away",
        "set shamir_threshold between 2 and the number of groups",
    ),
    Explained::new(
        "bad-recipient",
        "A recipient is no public key that can be encrypted for",
        "A file must not end up encrypted for fewer than its owner named",
        "correct it: `age-keygen -y FILE` prints an age recipient, `gpg --armor --export NAME` an OpenPGP one",
    ),
    Explained::new(
        "no-random",
        "The operating system gave no random bytes",
        "Keys that are not random can be guessed",
        "try again; if it stays, look at the machine",
    ),
];
