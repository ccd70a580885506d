//! A proof is about one thing, and is used once.

use gitwarrant::git::Commit;
use gitwarrant::trust::Verified;

fn copy(proof: &Verified<Commit>) -> Verified<Commit> {
    proof.clone()
}

fn take_apart(proof: Verified<Commit>) {
    let _parts = proof.into_parts();
}

fn main() {}
