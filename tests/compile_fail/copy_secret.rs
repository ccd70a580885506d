//! A secret is neither copied nor compared, and what is lent is not kept.

use gitwarrant::secret::Secret;

fn copy(secret: &Secret) -> Secret {
    secret.clone()
}

fn compare(one: &Secret, other: &Secret) -> bool {
    *one == *other
}

fn keep(secret: &Secret) -> &[u8] {
    secret.expose(|plain| plain)
}

fn main() {}
