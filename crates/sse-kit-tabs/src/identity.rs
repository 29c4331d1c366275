//! Identities: which tabs share a stream.

use std::fmt::Write;

use sha2::{Digest, Sha256};
use sse_kit_event::{TextError, TextErrorKind, text_type};

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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// [`TextError`] if it is empty, longer than [`Identity::MAX_LEN`], or has characters other
    /// than letters, digits, `-`, `_` and `.`.
    pub fn new(identity: &str) -> Result<Self, TextError> {
        const WHAT: &str = "an identity";
        if identity.is_empty() {
            return Err(TextError::empty(WHAT));
        }
        if identity.len() > Self::MAX_LEN {
            return Err(TextError::too_long(identity, WHAT, Self::MAX_LEN));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        match identity.chars().find(|c| !is_plain(*c)) {
            Some(found) => {
                let rule = format!("it contains {found:?}; use only letters, digits and `-_.`");
                Err(TextError::new(identity, WHAT, TextErrorKind::Character, rule))
            }
            None => Ok(Self(identity.to_owned())),
        }
    }

    /// Returns the identity as text; empty for [`Identity::anyone`].
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

text_type!(Identity);

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
            assert!(Identity::new(identity).is_err(), "{identity}");
        }
    }
}
