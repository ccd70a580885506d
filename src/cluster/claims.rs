//! Who is about to write what nobody owns yet: two Syncs that look at the same moment both see nobody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use crate::plan::{Identity, Owner};

/// What is claimed, by the whole agent.
#[derive(Default)]
pub(super) struct Claims(Mutex<State>);

#[derive(Default)]
struct State {
    /// When the turns that go on began: what was given back before all of them is forgotten.
    turns: Vec<Weak<Instant>>,
    taken: HashMap<Identity, Taken>,
}

struct Taken {
    owner: Owner,
    /// When it was given back. Whoever looked before that has not seen what came of it.
    released: Option<Instant>,
}

/// Objects that one Sync alone may write, until this is dropped.
pub struct Claim {
    claims: Arc<Claims>,
    owner: Owner,
    objects: Vec<Identity>,
}

impl Claims {
    /// A turn that begins now; it lasts as long as what is returned.
    pub(super) fn begin(&self) -> Arc<Instant> {
        let turn = Arc::new(Instant::now());
        let mut state = self.lock();
        state.turns.retain(|turn| turn.strong_count() > 0);
        state.turns.push(Arc::downgrade(&turn));
        turn
    }

    /// Claims `objects` for `owner`, whose turn began at `begun`, before it looked.
    ///
    /// # Errors
    /// Others that have claimed one of them since; nothing is claimed then.
    pub(super) fn take(
        self: &Arc<Self>,
        owner: &Owner,
        begun: Instant,
        objects: Vec<Identity>,
    ) -> Result<Claim, Vec<(Identity, Owner)>> {
        let mut state = self.lock();
        let State { turns, taken } = &mut *state;
        let oldest = turns.iter().filter_map(Weak::upgrade).map(|turn| *turn).min();
        taken.retain(|_, one| one.released.is_none_or(|released| oldest.is_some_and(|oldest| released >= oldest)));
        let others = objects.iter().filter_map(|object| {
            let one = taken.get(object).filter(|one| one.owner != *owner)?;
            one.released.is_none_or(|released| released >= begun).then(|| (object.clone(), one.owner.clone()))
        });
        let others: Vec<_> = others.collect();
        if !others.is_empty() {
            return Err(others);
        }
        let mine = |object: &Identity| (object.clone(), Taken { owner: owner.clone(), released: None });
        taken.extend(objects.iter().map(mine));
        Ok(Claim { claims: Arc::clone(self), owner: owner.clone(), objects })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change leaves both collections whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.claims.lock();
        for object in &self.objects {
            if let Some(one) = state.taken.get_mut(object).filter(|one| one.owner == self.owner) {
                one.released = Some(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Claims;
    use crate::plan::{Identity, Owner};

    fn owner(name: &str) -> Owner {
        Owner { namespace: "shop".to_owned(), name: name.to_owned() }
    }

    fn map(name: &str) -> Identity {
        Identity { group: String::new(), kind: "ConfigMap".to_owned(), namespace: None, name: name.to_owned() }
    }

    #[test]
    fn what_one_sync_is_about_to_write_another_may_not_until_it_has_looked_again() {
        let claims = Arc::new(Claims::default());
        let (first, second) = (claims.begin(), claims.begin());
        let claim = claims.take(&owner("first"), *first, vec![map("a"), map("b")]).ok().unwrap();
        let refused = claims.take(&owner("second"), *second, vec![map("b"), map("c")]).err().unwrap();
        assert_eq!(refused, [(map("b"), owner("first"))]);
        assert!(claims.take(&owner("second"), *second, vec![map("c")]).is_ok(), "what was refused claims nothing");
        assert!(claims.take(&owner("first"), *first, vec![map("a")]).is_ok());
        drop(claim);
        assert!(claims.take(&owner("second"), *second, vec![map("b")]).is_err(), "it has looked before that");
        drop((first, second));
        let third = claims.begin();
        assert!(claims.take(&owner("second"), *third, vec![map("b")]).is_ok());
        assert_eq!(claims.lock().taken.len(), 1, "nobody needs to know of the others");
    }
}
