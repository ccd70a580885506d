//! From opened files to the ordered list of objects.

use crate::model::Object;
use crate::trust::Origin;

/// The objects that a kustomization makes, in order. Holds secrets: neither `Debug` nor `Clone`.
pub struct Rendered<O: Origin> {
    objects: Vec<Object>,
    origin: O,
}

impl<O: Origin> Rendered<O> {
    /// The objects in order.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// Objects and origin, for the next stage.
    pub(crate) fn into_parts(self) -> (Vec<Object>, O) {
        (self.objects, self.origin)
    }
}
