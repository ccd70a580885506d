//! The frames of the git protocol. Source: gitprotocol-common(5), "pkt-line format".

use std::io::{self, Read};

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Content, at most 65516 bytes; may be empty.
    Data(Vec<u8>),
    /// `0000`, the end of a message.
    Flush,
    /// `0001`, the end of a section.
    Delimiter,
}

/// Why there is no frame.
#[derive(Debug)]
pub(super) enum FrameError {
    /// The source failed.
    Io(io::Error),
    /// The source ended inside or before a frame.
    Cut,
    /// A length that is none: not hexadecimal, `0002`, `0003` or over 65520.
    Length,
}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof && error.get_ref().is_none() {
            FrameError::Cut
        } else {
            FrameError::Io(error)
        }
    }
}

/// The next frame.
pub(super) fn read(source: &mut dyn Read) -> Result<Frame, FrameError> {
    let mut digits = [0; 4];
    source.read_exact(&mut digits)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(FrameError::Length);
    }
    let length = digits.iter().fold(0, |sum, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            _ => (digit | 0x20) - b'a' + 10,
        };
        sum << 4 | usize::from(value)
    });
    match length {
        0 => Ok(Frame::Flush),
        1 => Ok(Frame::Delimiter),
        2 | 3 => Err(FrameError::Length),
        _ if length > MAX_FRAME => Err(FrameError::Length),
        _ => {
            let mut data = vec![0; length - 4];
            source.read_exact(&mut data)?;
            Ok(Frame::Data(data))
        }
    }
}

/// Writes one line of a request.
pub(super) fn write(request: &mut Vec<u8>, line: &str) {
    debug_assert!(line.len() + 5 <= MAX_FRAME);
    request.extend_from_slice(format!("{:04x}{line}\n", line.len() + 5).as_bytes());
}

/// Ends a section of a request.
pub(super) const DELIMITER: &[u8] = b"0001";
/// Ends a request.
pub(super) const FLUSH: &[u8] = b"0000";

/// Upper bound on one frame with its length, in bytes. Source: `LARGE_PACKET_MAX` in git's pkt-line.h.
const MAX_FRAME: usize = 65520;

#[cfg(test)]
mod tests {
    use super::{Frame, FrameError, read, write};

    #[test]
    fn frames_are_read_as_git_writes_them() {
        let mut source: &[u8] = b"0009hello00040000000101";
        assert_eq!(read(&mut source).unwrap(), Frame::Data(b"hello".to_vec()));
        assert_eq!(read(&mut source).unwrap(), Frame::Data(Vec::new()));
        assert_eq!(read(&mut source).unwrap(), Frame::Flush);
        assert_eq!(read(&mut source).unwrap(), Frame::Delimiter);
        assert!(matches!(read(&mut source), Err(FrameError::Cut)));
    }

    #[test]
    fn lengths_that_are_none_are_refused() {
        for bad in ["0002", "0003", "fff1aaaa", "+001", "zzzz", "ffff"] {
            assert!(matches!(read(&mut bad.as_bytes()), Err(FrameError::Length)), "{bad}");
        }
        assert!(matches!(read(&mut &b"0009hell"[..]), Err(FrameError::Cut)));
    }

    #[test]
    fn a_line_counts_its_own_length_and_end() {
        let mut request = Vec::new();
        write(&mut request, "command=ls-refs");
        assert_eq!(request, b"0014command=ls-refs\n");
    }
}
