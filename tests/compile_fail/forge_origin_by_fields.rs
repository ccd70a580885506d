//! Nobody but `verify` says that something is signed.

use gitwarrant::git::Oid;
use gitwarrant::trust::Signed;

fn forge(commit: Oid) -> Signed {
    Signed { commit, reference: String::new(), judged: Vec::new(), policy: String::new() }
}

fn main() {}
