//! Nobody but the end of `verify` makes a proof.

use gitwarrant::git::Commit;
use gitwarrant::trust::Verified;

fn by_constructor() {
    let _makes_a_proof = Verified::<Commit>::prove;
}

fn by_default() -> Verified<Commit> {
    Default::default()
}

fn main() {}
