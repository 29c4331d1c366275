//! The digest of a folder, as a shell can compute it too.
//!
//! It is the SHA-256 of a manifest, and the manifest is what `sha256sum` prints for every file of
//! the folder, in the order of the bytes of their paths:
//!
//! ```sh
//! cd FOLDER && find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 -r sha256sum -- | sha256sum
//! ```

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digest([u8; 32]);

impl From<Sha256> for Digest {
    fn from(hasher: Sha256) -> Self {
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Computes the digest of a manifest of these files, in this order.
pub(crate) fn manifest_digest<'a>(files: impl IntoIterator<Item = (&'a Path, Digest)>) -> Digest {
    let mut manifest = Sha256::new();
    for (path, digest) in files {
        manifest.update(manifest_line(path, &digest));
    }
    manifest.into()
}

/// Returns the bytes of a path, by which the manifest is sorted.
pub(crate) fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// Formats a line as `sha256sum` of GNU coreutils 9 does. It escapes the characters that would
/// break a line, so that no file name can pass for a line of its own.
fn manifest_line(path: &Path, digest: &Digest) -> Vec<u8> {
    let mut name = Vec::new();
    for &byte in path_bytes(path) {
        match byte {
            b'\\' => name.extend_from_slice(b"\\\\"),
            b'\n' => name.extend_from_slice(b"\\n"),
            b'\r' => name.extend_from_slice(b"\\r"),
            byte => name.push(byte),
        }
    }
    let mark = if name == path_bytes(path) { "" } else { "\\" };
    let mut line = format!("{mark}{digest}  ").into_bytes();
    line.append(&mut name);
    line.push(b'\n');
    line
}
