//! Identities: which tabs share a stream.

use std::fmt::{self, Write};
use std::str::FromStr;

use serde::Serialize;
use sha2::{Digest, Sha256};

/// The identity of a tab's user. Tabs with different identities share neither streams nor messages.
///
/// Without it, the stream of a user who logged out would continue in the tab of the next user. The
/// identity is in the page, where every script can read it. It must therefore not be the id of the
/// session, but something derived from it: see [`Identity::fingerprint`].
///
/// ```
/// use sse_kit_tabs::Identity;
///
/// let mine = Identity::fingerprint("the id of the session");
/// assert_ne!(mine, Identity::fingerprint("the id of another"));
/// assert!(!mine.to_string().contains("session"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Identity(String);

impl Identity {
    /// The maximum length of an identity, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Returns the identity that all tabs share, for apps without sessions.
    pub fn anyone() -> Self {
        Self(String::new())
    }

    /// Derives an identity from a session id, which cannot be recovered from it: half of its
    /// SHA-256.
    pub fn fingerprint(session: impl AsRef<[u8]>) -> Self {
        let hash = Sha256::digest(session);
        Self(hash.iter().take(16).fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }

    /// Creates an identity from a text that the app has derived. It goes into the page unchanged.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] if it is empty, longer than [`Identity::MAX_LEN`], or has characters other
    /// than letters, digits, `-`, `_` and `.`.
    pub fn new(identity: &str) -> Result<Self, IdentityError> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let is_right = (1..=Self::MAX_LEN).contains(&identity.len());
        (is_right && identity.bytes().all(is_plain))
            .then(|| Self(identity.to_owned()))
            .ok_or(IdentityError)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(identity: &str) -> Result<Self, Self::Err> {
        Self::new(identity)
    }
}

/// The error for a text that is not an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identity; use 1 to {max} letters, digits, `-`, `_` and `.`", max = Identity::MAX_LEN)]
pub struct IdentityError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_short_and_stay_the_same() {
        // The beginning of the SHA-256 of "abc", FIPS 180-4.
        assert_eq!(Identity::fingerprint("abc").to_string(), "ba7816bf8f01cfea414140de5dae2223");
    }

    #[test]
    fn only_plain_characters() {
        assert_eq!(Identity::new("a-B_9.").unwrap().to_string(), "a-B_9.");
        for identity in ["", "a b", "ä", "<", "a\n", &"a".repeat(129)] {
            assert_eq!(Identity::new(identity), Err(IdentityError), "{identity}");
        }
    }
}
