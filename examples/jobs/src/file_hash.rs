//! The digest of one file, a slice at a time.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::digest::Digest;
use crate::progress::Tally;

/// The number of bytes that are read at a time. A cancelled job stops within a block.
const BLOCK: usize = 128 * 1024;

/// The number of blocks in a slice, after which other files have their turn.
const SLICE: usize = 8;

/// A file that is being hashed.
#[derive(Debug)]
pub(crate) struct FileHash {
    file: File,
    hasher: Sha256,
    block: Vec<u8>,
    /// The bytes that were found, without those that are counted already. The file may have grown
    /// or shrunk since it was found; the size at that time counts, so that a job ends at 100 %.
    uncounted: u64,
}

impl FileHash {
    /// Begins with a file that had this many bytes when it was found.
    pub(crate) fn open(path: &Path, bytes: u64) -> io::Result<Self> {
        // Most files are small, and a small block is cheaper to make. With one byte more than the
        // file has, the first read is not taken for a full block of more.
        let size = usize::try_from(bytes).unwrap_or(BLOCK).saturating_add(1).min(BLOCK);
        Ok(Self {
            file: File::open(path)?,
            hasher: Sha256::new(),
            block: vec![0; size],
            uncounted: bytes,
        })
    }

    /// Hashes the next slice; gives the digest when the file has ended.
    pub(crate) fn next_slice(
        &mut self,
        tally: &Tally,
        cancel: &CancellationToken,
    ) -> io::Result<Option<Digest>> {
        for _ in 0..SLICE {
            if cancel.is_cancelled() {
                break;
            }
            match self.file.read(&mut self.block) {
                Ok(0) => return Ok(Some(std::mem::take(&mut self.hasher).into())),
                Ok(read) => {
                    self.hasher.update(&self.block[..read]);
                    let counted = self.uncounted.min(read as u64);
                    self.uncounted -= counted;
                    tally.read(counted);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Returns the number of bytes that were found and then not read.
    pub(crate) fn uncounted(&self) -> u64 {
        self.uncounted
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_has_the_digest_that_the_standard_gives() {
        // FIPS 180-4's examples, the last of more than one block and, with the wrong size, of more
        // than one slice.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (content, expected) in [
            (Vec::new(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (b"abc".to_vec(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                vec![b'a'; 1_000_000],
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
            ),
        ] {
            fs::write(&path, &content).unwrap();
            for found in [content.len() as u64, 10_000, u64::MAX] {
                let (tally, cancel) = (Tally::default(), CancellationToken::new());
                let mut hash = FileHash::open(&path, found).unwrap();
                let digest = loop {
                    if let Some(digest) = hash.next_slice(&tally, &cancel).unwrap() {
                        break digest;
                    }
                };
                assert_eq!(digest.to_string(), expected);
                assert_eq!(tally.progress().done.bytes, found.min(content.len() as u64));
                assert_eq!(tally.progress().done.bytes + hash.uncounted(), found);
            }
        }
    }

    #[test]
    fn a_slice_is_not_the_whole_of_a_large_file_and_nothing_is_read_once_cancelled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes = (BLOCK * SLICE * 2) as u64;
        File::create(&path).unwrap().set_len(bytes).unwrap();
        let (tally, cancel) = (Tally::default(), CancellationToken::new());
        let mut hash = FileHash::open(&path, bytes).unwrap();
        assert_eq!(hash.next_slice(&tally, &cancel).unwrap(), None);
        assert_eq!(tally.progress().done.bytes, bytes / 2);
        cancel.cancel();
        assert_eq!(hash.next_slice(&tally, &cancel).unwrap(), None);
        assert_eq!(tally.progress().done.bytes, bytes / 2);
    }
}
