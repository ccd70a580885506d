//! The encoding of SSH: length-prefixed strings and big-endian numbers, read to the last byte.

/// What is left of an SSH message.
#[derive(Clone, Copy)]
pub(crate) struct Wire<'a> {
    rest: &'a [u8],
}

/// The message ended too early, or goes on too long.
#[derive(Debug)]
pub(crate) struct Cut;

impl<'a> Wire<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Cut> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Cut)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Cut> {
        Ok(self.bytes(1)?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Cut> {
        self.bytes(4)?.try_into().map(u32::from_be_bytes).map_err(|_| Cut)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Cut> {
        self.bytes(8)?.try_into().map(u64::from_be_bytes).map_err(|_| Cut)
    }

    /// A string: its length in four bytes, then that many.
    pub(crate) fn string(&mut self) -> Result<&'a [u8], Cut> {
        let length = usize::try_from(self.u32()?).map_err(|_| Cut)?;
        self.bytes(length)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn end(self) -> Result<(), Cut> {
        if self.is_empty() { Ok(()) } else { Err(Cut) }
    }
}

/// Appends a string with its length.
pub(crate) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend(length.to_be_bytes());
    out.extend(bytes);
}
