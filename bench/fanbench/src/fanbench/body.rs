//! The body of a stream, taken out of what it is wrapped in.

use std::io::Write as _;

use anyhow::{Context, Result, bail, ensure};
use flate2::write::GzDecoder;

/// As the response's head says.
#[derive(Debug)]
pub(crate) enum Body {
    /// Looked through as it is: what frames it is no marker.
    AsItComes,
    Gzip(Box<Gzip>),
}

#[derive(Debug)]
pub(crate) struct Gzip {
    chunks: Option<Chunks>,
    decoder: GzDecoder<Vec<u8>>,
}

impl Body {
    pub(crate) fn of(head: &[u8]) -> Self {
        if memchr::memmem::find(head, b"gzip").is_none() {
            return Self::AsItComes;
        }
        let head = String::from_utf8_lossy(head).to_ascii_lowercase();
        let has = |name, value: &str| {
            let fields = head.lines().filter_map(|line| line.split_once(':'));
            fields.into_iter().any(|field| field.0 == name && field.1.trim() == value)
        };
        if !has("content-encoding", "gzip") {
            return Self::AsItComes;
        }
        let chunks = has("transfer-encoding", "chunked").then(Chunks::default);
        Self::Gzip(Box::new(Gzip { chunks, decoder: GzDecoder::new(Vec::new()) }))
    }

    /// Gives what the next bytes contain, in order.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        mut read: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let Self::Gzip(gzip) = self else { return read(bytes) };
        let Gzip { chunks, decoder } = &mut **gzip;
        let mut decode = |bytes: &[u8]| decoder.write_all(bytes).context("a stream is no gzip");
        match chunks {
            Some(chunks) => chunks.read(bytes, decode)?,
            None => decode(bytes)?,
        }
        decoder.flush().context("a stream is no gzip")?;
        read(decoder.get_ref())?;
        decoder.get_mut().clear();
        Ok(())
    }
}

/// The chunked transfer coding (RFC 9112, section 7.1), which comes in pieces.
#[derive(Debug, Default)]
struct Chunks {
    /// The received part of the line before a chunk.
    line: Vec<u8>,
    /// The number of bytes of the chunk that are still to come.
    left: usize,
}

impl Chunks {
    fn read(&mut self, mut bytes: &[u8], mut read: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let (chunk, rest) = bytes.split_at(self.left.min(bytes.len()));
                self.left -= chunk.len();
                bytes = rest;
                read(chunk)?;
                continue;
            }
            let (byte, rest) = bytes.split_first().expect("it is not empty");
            bytes = rest;
            self.line.push(*byte);
            if *byte == b'\n' {
                self.begin()?;
            }
            ensure!(self.line.len() < 100, "a chunk has no beginning");
        }
        Ok(())
    }

    /// Takes the line for the beginning of a chunk, unless it is the end of the one before.
    fn begin(&mut self) -> Result<()> {
        let line = std::mem::take(&mut self.line);
        let text = str::from_utf8(&line).unwrap_or("?").trim_ascii_end();
        if !text.is_empty() {
            let Ok(length) = usize::from_str_radix(text, 16) else {
                bail!("a chunk begins with {text:?}");
            };
            self.left = length;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n";

    fn read(head: &str, pieces: &[&[u8]]) -> Result<String> {
        let mut body = Body::of(head.as_bytes());
        let mut text = Vec::new();
        for piece in pieces {
            body.read(piece, |bytes| {
                text.extend_from_slice(bytes);
                Ok(())
            })?;
        }
        Ok(String::from_utf8(text).expect("text"))
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).expect("a vector takes all");
        encoder.flush().expect("a vector takes all");
        encoder.get_ref().clone()
    }

    #[test]
    fn what_is_compressed_is_read_wherever_it_is_cut() {
        let packed = gzip("data: hello\n\n");
        let mut chunked = format!("{:X}\r\n", packed.len()).into_bytes();
        chunked.extend_from_slice(&packed);
        chunked.extend_from_slice(b"\r\n");
        let head = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
        for cut in 0..chunked.len() {
            let (one, other) = chunked.split_at(cut);
            assert_eq!(read(&head, &[one, other]).expect("gzip"), "data: hello\n\n");
        }
        assert_eq!(read(HEAD, &[&packed]).expect("gzip"), "data: hello\n\n");
    }

    #[test]
    fn what_is_not_compressed_is_left_as_it_is() {
        assert_eq!(read("HTTP/1.1 200 OK\r\n\r\n", &[b"5\r\n"]).expect("text"), "5\r\n");
    }

    #[test]
    fn what_is_damaged_is_an_error() {
        assert!(read(HEAD, &[b"data: hello\n\n"]).is_err());
        let head = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
        assert!(read(&head, &[b"data: hello\n\n"]).is_err());
        assert!(read(&head, &[&[b'1'; 200]]).is_err());
    }
}
