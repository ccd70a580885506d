//! From rendered objects to objects that may be applied.

use std::collections::HashMap;

use crate::kustomize::Rendered;
use crate::model::{Key, Object, Place};
use crate::trust::Origin;

use super::refusals::Refusals;
use super::taint::Size;
use super::{Errors, Handling, Limits, OwnObjects, PlainSecrets, Refusal, names, own, string_data, strip, taint};

/// Objects that every rule of policy has passed. Holds secrets: neither `Debug` nor `Clone`.
pub struct Admitted<O: Origin> {
    items: Vec<Item>,
    origin: O,
}

/// One admitted object.
pub struct Item {
    object: Object,
    key: Key,
    handling: Handling,
}

impl Item {
    /// The manifest.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Its identity.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// How it wants to be handled.
    pub fn handling(&self) -> Handling {
        self.handling
    }

    /// Its parts, for the next stage.
    pub(crate) fn into_parts(self) -> (Object, Key, Handling) {
        (self.object, self.key, self.handling)
    }
}

impl<O: Origin> Admitted<O> {
    /// The objects in order; at least one, no two of them the same.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Where they are from.
    pub fn origin(&self) -> &O {
        &self.origin
    }

    /// Objects and origin, for the next stage.
    pub(crate) fn into_parts(self) -> (Vec<Item>, O) {
        (self.items, self.origin)
    }
}

/// Admits what was rendered, or says everything that is wrong with it.
///
/// Fields that the API server alone writes are left out; nothing else is changed.
///
/// # Errors
/// Every refused object with its place; a bound that was passed; nothing rendered at all.
pub fn admit<O: Origin>(rendered: Rendered<O>, limits: &Limits) -> Result<Admitted<O>, Errors> {
    let (objects, origin) = rendered.into_parts();
    Ok(Admitted { items: admit_all(objects, limits)?, origin })
}

/// Says everything for which [`admit`] would refuse, and leaves the objects to the caller as they are.
///
/// # Errors
/// Those of [`admit`].
pub fn check<O: Origin>(rendered: &Rendered<O>, limits: &Limits) -> Result<(), Errors> {
    admit_all(rendered.objects().iter().map(Object::share).collect(), limits).map(drop)
}

/// The same for objects alone.
pub(crate) fn admit_all(objects: Vec<Object>, limits: &Limits) -> Result<Vec<Item>, Errors> {
    if objects.is_empty() {
        return Err(Errors::Empty);
    }
    if objects.len() > limits.objects {
        return Err(Errors::TooLarge { what: "objects", limit: limits.objects });
    }
    let mut size = Size::default();
    let mut errors = Vec::new();
    let mut items = Vec::with_capacity(objects.len());
    let mut seen: HashMap<(String, String, Option<String>, String), Place> = HashMap::new();
    for object in objects {
        let place = object.place().clone();
        let key = object.key();
        let mut refusals = Refusals::default();
        let item = admit_one(object, limits, &mut size, &mut refusals);
        // By resource, not by version: `v1` and `v1beta1` of a kind are the same object in the cluster.
        let resource = (key.group.clone(), key.kind.clone(), key.namespace.clone(), key.name.clone());
        if let Some(first) = seen.get(&resource) {
            refusals.push(Refusal::Duplicate { first: first.clone() });
        } else {
            seen.insert(resource, place.clone());
        }
        items.extend(item);
        refusals.of(&key, &place, &mut errors);
        if size.leaves > limits.leaves {
            return Err(Errors::TooLarge { what: "leaves", limit: limits.leaves });
        }
        if size.text > limits.text {
            return Err(Errors::TooLarge { what: "bytes of text", limit: limits.text });
        }
    }
    if errors.is_empty() { Ok(items) } else { Err(Errors::Refused(errors)) }
}

fn admit_one(mut object: Object, limits: &Limits, size: &mut Size, refusals: &mut Refusals) -> Option<Item> {
    if let Err(refusal) = strip::strip(object.body_mut()) {
        refusals.push(refusal);
    }
    let key = object.key();
    if let Err(refusal) = string_data::fold(&key, object.body_mut()) {
        refusals.push(refusal);
    }
    taint::check(&key, object.body(), size, refusals);
    names::check(&key, object.body(), refusals);
    if limits.plain_secrets == PlainSecrets::Refuse && taint::is_plain_secret(&key, object.body()) {
        refusals.push(Refusal::Plain);
    }
    if limits.own == OwnObjects::Refuse
        && let Some(what) = own::belongs_to_agent(&key, object.body(), &limits.agent)
    {
        refusals.push(Refusal::Own { what });
    }
    match Handling::read(object.body()) {
        Ok(handling) => Some(Item { object, key, handling }),
        Err(refusal) => {
            refusals.push(refusal);
            None
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
