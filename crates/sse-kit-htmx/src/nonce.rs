//! The nonce of a content security policy.

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine};
use sse_kit_event::{RandomError, TextError, TextErrorKind, random_bytes, text_type};

use crate::text::Text;

/// The nonce of a [content security policy][csp], by which a browser lets inline scripts through. Each
/// response needs a new one that nobody can guess: [`Nonce::random`].
///
/// At most [`Nonce::MAX_LEN`] bytes of base64, either alphabet.
///
/// [csp]: https://www.w3.org/TR/CSP3/#grammardef-nonce-source
///
/// ```
/// use sse_kit_htmx::Nonce;
///
/// let nonce = Nonce::random()?;
/// let policy = format!("script-src 'nonce-{nonce}'");
/// assert_eq!(nonce.as_str().len(), 22);
/// assert!("a b".parse::<Nonce>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(Text);

const WHAT: &str = "a nonce";

impl Nonce {
    /// The longest nonce, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Makes a nonce of 128 random bits.
    ///
    /// # Errors
    ///
    /// [`RandomError`] when the system gives no random numbers.
    pub fn random() -> Result<Self, RandomError> {
        let bytes: [u8; 16] = random_bytes()?;
        Ok(Self(BASE64_STANDARD_NO_PAD.encode(bytes).as_str().into()))
    }

    /// Checks `nonce`.
    ///
    /// # Errors
    ///
    /// [`TextError`] when it is empty or too long, or is not base64.
    pub fn new(nonce: &str) -> Result<Self, TextError> {
        let digits = nonce.trim_end_matches('=');
        let is_digit = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
        if digits.is_empty() {
            return Err(TextError::empty(WHAT));
        }
        if nonce.len() > Self::MAX_LEN {
            return Err(TextError::too_long(nonce, WHAT, Self::MAX_LEN));
        }
        match digits.chars().find(|&c| !is_digit(c)) {
            Some(_) => {
                Err(TextError::new(nonce, WHAT, TextErrorKind::Character, "it is not base64"))
            }
            None => Ok(Self(nonce.into())),
        }
    }

    /// Returns the nonce as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

text_type!(Nonce);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_base64() {
        for nonce in ["", "=", "a=b", "a b", "a'", "ä", &"a".repeat(257)] {
            assert!(Nonce::new(nonce).is_err(), "{nonce}");
        }
        assert!(Nonce::new("aZ09+/-_==").is_ok());
    }

    #[test]
    fn no_random_nonce_is_like_another() {
        let random = || Nonce::random().expect("the system has random numbers");
        assert_ne!(random(), random());
        assert_eq!(Nonce::new(random().as_str()).map(|nonce| nonce.as_str().len()), Ok(22));
    }
}
