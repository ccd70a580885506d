//! A secret is neither printed nor written out.

use gitwarrant::model::Scalar;
use gitwarrant::secret::Secret;

fn debug(secret: &Secret) -> String {
    format!("{secret:?}")
}

fn display(secret: &Secret) -> String {
    format!("{secret}")
}

fn debug_of_what_holds_one(scalar: &Scalar) -> String {
    format!("{scalar:?}")
}

fn serialise<S: serde::Serializer>(secret: &Secret, to: S) {
    let _written = serde::Serialize::serialize(secret, to);
}

fn main() {}
