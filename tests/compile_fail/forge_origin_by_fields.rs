//! Nobody but `verify` says that something is signed.

use gitwarrant::git::Oid;
use gitwarrant::trust::Signed;

fn forge(commit: Oid) -> Signed {
    Signed { commit }
}

fn main() {}
