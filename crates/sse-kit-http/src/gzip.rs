//! A gzip stream per connection, made of blocks that all connections share.
//!
//! A flushed block of DEFLATE that starts with an empty window ends at a byte boundary ([RFC
//! 1951][deflate]) and refers to nothing before it. So an event is compressed once, and the same
//! bytes are valid in every stream. Only the ten bytes at the beginning and the checksum at the end
//! ([RFC 1952][gzip]) belong to a connection.
//!
//! A block may also refer to the bytes before it, by their distance. It is then valid in every stream
//! that sent exactly these bytes last, which a [`CompressionWindow`] knows.
//!
//! [deflate]: https://www.rfc-editor.org/rfc/rfc1951
//! [gzip]: https://www.rfc-editor.org/rfc/rfc1952

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};
use sse_kit_broadcast::{CompressionWindow, Delivery};

use crate::frames;
use crate::gzip_window::GzipWindow;

/// The header of a gzip stream: magic number, DEFLATE, no name, no time, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// The last block, which is empty.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// The state of one gzip stream.
#[derive(Debug, Default)]
pub(crate) struct Gzip {
    checksum: crc32fast::Hasher,
    length: u64,
    /// The events to which the next one may refer; `None` if events are compressed alone, as most are, so
    /// it is boxed.
    window: Option<Box<CompressionWindow>>,
}

impl Gzip {
    pub(crate) fn new(window: GzipWindow) -> Self {
        let window = match window {
            GzipWindow::Event => None,
            GzipWindow::Stream => Some(Box::default()),
        };
        Self { window, ..Self::default() }
    }

    /// Returns the beginning of the stream.
    pub(crate) fn opening(&mut self, frame: &Bytes) -> Bytes {
        self.count(frame);
        [&HEADER, &block(&[], frame)[..]].concat().into()
    }

    /// Returns the bytes of a delivery. An event is compressed once for all streams whose window is the
    /// same.
    pub(crate) fn delivery(&mut self, delivery: Delivery) -> Bytes {
        let Delivery::Entry(entry) = delivery else {
            return self.frame(&frames::frame(delivery));
        };
        self.count(entry.frame());
        let alone = || entry.compressed(|frame| block(&[], frame));
        let Some(window) = &mut self.window else { return alone().clone() };
        let within = entry.compressed_within(window, block);
        let bytes = within.unwrap_or_else(alone).clone();
        window.push(entry);
        bytes
    }

    /// Returns the bytes of a frame for this stream alone.
    pub(crate) fn frame(&mut self, frame: &Bytes) -> Bytes {
        self.count(frame);
        if let Some(window) = &mut self.window {
            window.clear();
        }
        block(&[], frame)
    }

    /// Returns the end of the stream.
    pub(crate) fn end(self) -> Bytes {
        let checksum = self.checksum.finalize().to_le_bytes();
        // The format stores the length modulo 2³².
        let length = &self.length.to_le_bytes()[..4];
        [&LAST_BLOCK[..], &checksum, length].concat().into()
    }

    fn count(&mut self, frame: &Bytes) {
        self.checksum.update(frame);
        self.length += frame.len() as u64;
    }
}

/// The memory that a thread keeps for the next event. A larger one takes more for itself.
const KEPT_OUTPUT: usize = 64 << 10;

/// The compressor of a thread, of a few hundred KiB, and room for what it writes.
struct Compressor {
    deflate: Compress,
    output: Vec<u8>,
}

/// Compresses bytes into blocks that are valid in every stream whose last bytes were these.
fn block(last: &[u8], bytes: &Bytes) -> Bytes {
    thread_local! {
        static COMPRESSOR: RefCell<Compressor> = RefCell::new(Compressor {
            deflate: Compress::new(Compression::default(), false),
            output: Vec::with_capacity(KEPT_OUTPUT),
        });
    }
    COMPRESSOR.with_borrow_mut(|compressor| compressor.block(last, bytes))
}

impl Compressor {
    fn block(&mut self, last: &[u8], bytes: &[u8]) -> Bytes {
        let Self { deflate, output } = self;
        deflate.reset();
        // A window that was refused is not referred to, which is valid too.
        _ = (!last.is_empty()).then(|| deflate.set_dictionary(last));
        loop {
            let read = usize::try_from(deflate.total_in()).unwrap_or(bytes.len());
            let status = deflate.compress_vec(&bytes[read..], output, FlushCompress::Sync);
            // Compression is complete when the buffer has room left. A status of "nothing to do" is
            // not an error.
            if output.len() < output.capacity() || !matches!(status, Ok(Status::Ok)) {
                break;
            }
            output.reserve(output.capacity());
        }
        // The block lives as long as the event, so it takes no more than it needs.
        let block = Bytes::copy_from_slice(output);
        output.clear();
        output.shrink_to(KEPT_OUTPUT);
        block
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn compressible(len: usize) -> Bytes {
        (0..len).map(|n| b"data: <li>a row of a table</li>\n"[n % 32]).collect()
    }

    fn noise(len: usize) -> Bytes {
        let mut random = sse_kit_test_support::rng();
        (0..len).map(|_| random.u8(..)).collect()
    }

    #[test]
    fn what_others_compressed_is_part_of_a_stream() {
        let frames = [0, 1, 40, 128, 5_000, 300_000].map(compressible);
        let blocks = frames.each_ref().map(|frame| block(&[], frame));
        for chosen in [&[0, 1, 2, 3, 4, 5][..], &[5, 1], &[3, 3, 3], &[]] {
            let mut gzip = Gzip::default();
            let hello = Bytes::from_static(b"hello\n\n");
            let mut stream = gzip.opening(&hello).to_vec();
            let mut expected = hello.to_vec();
            for &n in chosen {
                gzip.count(&frames[n]);
                stream.extend_from_slice(&blocks[n]);
                expected.extend_from_slice(&frames[n]);
            }
            stream.extend_from_slice(&gzip.end());
            let mut read = Vec::new();
            GzDecoder::new(&stream[..]).read_to_end(&mut read).unwrap();
            assert!(read == expected, "{chosen:?}");
        }
    }

    #[test]
    fn each_block_can_be_read_when_it_has_come() {
        let mut gzip = Gzip::default();
        let mut inflate = flate2::Decompress::new(false);
        let first = gzip.opening(&compressible(50));
        let mut read = Vec::with_capacity(1 << 20);
        inflate.decompress_vec(&first[10..], &mut read, flate2::FlushDecompress::Sync).unwrap();
        assert_eq!(read, compressible(50));
        for frame in [compressible(700), noise(700), noise(100_000), compressible(1)] {
            read.clear();
            let block = gzip.frame(&frame);
            inflate.decompress_vec(&block, &mut read, flate2::FlushDecompress::Sync).unwrap();
            assert!(read == frame);
        }
    }

    #[test]
    fn noise_grows_by_little_and_text_shrinks() {
        assert!(block(&[], &noise(100_000)).len() < 100_100);
        assert!(block(&[], &compressible(10_000)).len() < 300);
    }
}
