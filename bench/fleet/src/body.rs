//! The body of a response, without the frames of `Transfer-Encoding: chunked`.

use anyhow::{Result, bail, ensure};

/// More digits make no size.
const MAX_SIZE: u64 = 1 << 40;

/// The position of the reader of a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Body {
    /// It is not chunked.
    Plain,
    /// In the line with the size of the next chunk: what has been read of it.
    Size(u64),
    /// In the line with the size, after its digits.
    Extension(u64),
    /// In a chunk that has so many bytes left.
    Chunk(u64),
    /// In the line's end after a chunk.
    AfterChunk,
    /// The last chunk has been read.
    End,
}

impl Body {
    pub(crate) fn chunked() -> Self {
        Self::Size(0)
    }

    /// Returns whether the server said that there is no more.
    pub(crate) fn is_complete(self) -> bool {
        self == Self::End
    }

    /// Gives the bytes of the body to `take`.
    pub(crate) fn read(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        while let Some((&first, rest)) = bytes.split_first() {
            match *self {
                Self::Plain => return take(bytes),
                Self::Chunk(left) => {
                    let here = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    take(&bytes[..here])?;
                    bytes = &bytes[here..];
                    let left = left - here as u64;
                    *self = if left == 0 { Self::AfterChunk } else { Self::Chunk(left) };
                }
                Self::Size(_) | Self::Extension(_) | Self::AfterChunk => {
                    *self = self.after(first)?;
                    bytes = rest;
                }
                Self::End => return Ok(()),
            }
        }
        Ok(())
    }

    /// Returns the state after a byte of a line between chunks.
    fn after(self, byte: u8) -> Result<Self> {
        Ok(match (self, byte) {
            (Self::Size(0) | Self::Extension(0), b'\n') => Self::End,
            (Self::Size(size) | Self::Extension(size), b'\n') => Self::Chunk(size),
            (Self::Size(size), b'\r' | b';') => Self::Extension(size),
            (Self::Size(size), digit) => {
                let Some(digit) = char::from(digit).to_digit(16) else {
                    bail!("the size of a chunk has the byte {digit:#x}");
                };
                ensure!(size < MAX_SIZE, "the size of a chunk is too large");
                Self::Size(size * 16 + u64::from(digit))
            }
            (Self::AfterChunk, b'\n') => Self::Size(0),
            (same, _) => same,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<(Vec<u8>, Body)> {
        let (mut body, mut all) = (Body::chunked(), Vec::new());
        for piece in pieces {
            body.read(piece, |bytes| {
                all.extend_from_slice(bytes);
                Ok(())
            })?;
        }
        Ok((all, body))
    }

    #[test]
    fn chunks_are_joined_wherever_they_are_cut() {
        let bytes = b"5\r\nhello\r\n1A;x=y\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n";
        for cut in 0..bytes.len() {
            let (one, other) = bytes.split_at(cut);
            let (text, body) = read(&[one, other]).expect("chunks");
            assert_eq!(text, b"helloabcdefghijklmnopqrstuvwxyz");
            assert!(body.is_complete());
        }
        assert!(!read(&[b"5\r\nhello\r\n"]).expect("chunks").1.is_complete());
    }

    #[test]
    fn a_size_that_is_no_number_is_an_error() {
        assert!(read(&[b"data: hello\n\n"]).is_err());
        assert!(read(&[&[b'1'; 200]]).is_err());
    }
}
