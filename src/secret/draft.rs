//! A secret while it is being written.

use zeroize::Zeroizing;

use super::Secret;

/// A buffer of plaintext that is wiped when it is dropped and whenever it has to grow.
///
/// Neither `Debug` nor `Clone`; what is in it can be read only after [`Draft::seal`].
#[derive(Default)]
pub struct Draft(Zeroizing<Vec<u8>>);

impl Draft {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    /// Appends `bytes`.
    pub fn push(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            // `Vec` would move to a larger block and leave the old one unwiped.
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * self.0.capacity()).max(256)));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    /// Number of bytes so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The finished secret; the bytes are moved, not copied.
    pub fn seal(mut self) -> Secret {
        Secret::new(std::mem::take(&mut *self.0))
    }
}

impl std::io::Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Draft;

    #[test]
    fn what_was_written_is_kept_in_order_while_the_buffer_grows() {
        let mut draft = Draft::new();
        for _ in 0..500 {
            draft.push(b"abc");
        }
        assert_eq!(draft.len(), 1500);
        draft.seal().expose(|plain| assert_eq!(plain, "abc".repeat(500).as_bytes()));
    }
}
