//! The codes of objects that may not be applied, explained.

use crate::model::Explained;

/// Every code of an object that was not admitted.
pub const EXPLAINED: [Explained; 10] = [
    Explained::new(
        "sealed-outside-secret",
        "A decrypted value would end where people can read it",
        "ConfigMaps, annotations and arguments are shown to everybody who may look at the namespace, and kept in its events",
        "move the value into the data or stringData of a Secret, and refer to it from there",
    ),
    Explained::new(
        "still-encrypted",
        "A value is still encrypted by SOPS",
        "The cluster would get the ciphertext in the place of the value; the file was edited by hand, or is not read as an \
         encrypted one",
        "encrypt the whole file with sops, its `sops` block included",
    ),
    Explained::new(
        "plain-secret",
        "A Secret's data stands unencrypted in the repository",
        "Whoever may read the repository, or any clone of it, has the secret",
        "encrypt the file with sops and change the value, which has been seen; or allow it with allowPlainSecrets: true in \
         the Sync",
    ),
    Explained::new(
        "agent-itself",
        "The object is the agent's, or decides about it",
        "Whoever may push could widen what the agent believes, or read its keys",
        "apply it by hand as an administrator; or say selfManaged: true in the Repository, with promoters in its trust",
    ),
    Explained::new(
        "reserved-name",
        "A label or annotation begins with the agent's own prefix",
        "These record what a Sync owns; written by others they would make it delete what is not its own",
        "remove it",
    ),
    Explained::new(
        "malformed-manifest",
        "A field has a form that the API server would refuse, or that has no meaning in a repository",
        "Found before anything is applied it costs nothing; found by the API server, half of a commit is applied",
        "correct the field that is named",
    ),
    Explained::new(
        "unknown-annotation-value",
        "An annotation that the agent reads has a value that it does not know",
        "Taken for nothing, a wish not to be deleted would be forgotten for a letter",
        "give one of the values that the message names",
    ),
    Explained::new(
        "duplicate-object",
        "Two manifests are the same object",
        "Each would undo the other, at every turn",
        "keep one of them",
    ),
    Explained::new(
        "nothing-rendered",
        "The path renders to no object at all",
        "Taken at its word it would delete everything that is applied",
        "look for what emptied it; to remove everything delete the Sync",
    ),
    Explained::new(
        "limit-exceeded",
        "More was rendered than one Sync may apply",
        "What a Sync owns is recorded in one object, which has a bound",
        "divide the path among several Syncs",
    ),
];
