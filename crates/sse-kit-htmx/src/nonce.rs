//! The nonce of a content security policy.

use std::str::FromStr;

/// The nonce of a [content security policy][csp], by which inline scripts are let through. A new,
/// random one for each response.
///
/// At most [`Nonce::MAX_LEN`] bytes of base64, either alphabet.
///
/// [csp]: https://www.w3.org/TR/CSP3/#grammardef-nonce-source
///
/// ```
/// use sse_kit_htmx::{Nonce, NonceError};
///
/// let nonce: Nonce = "r4nd0m+/_-==".parse()?;
/// assert_eq!("a b".parse::<Nonce>(), Err(NonceError));
/// # Ok::<(), NonceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// The longest nonce, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Checks `nonce`.
    ///
    /// # Errors
    ///
    /// [`NonceError`] when it is empty, too long, or has other characters.
    pub fn new(nonce: &str) -> Result<Self, NonceError> {
        let digits = nonce.trim_end_matches('=');
        let is_digit = |b: u8| b.is_ascii_alphanumeric() || b"+/-_".contains(&b);
        let is_right =
            !digits.is_empty() && nonce.len() <= Self::MAX_LEN && digits.bytes().all(is_digit);
        is_right.then(|| Self(nonce.to_owned())).ok_or(NonceError)
    }

    /// The nonce as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Nonce {
    type Err = NonceError;

    fn from_str(nonce: &str) -> Result<Self, Self::Err> {
        Self::new(nonce)
    }
}

/// The text is no nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a nonce is base64, {max} bytes at most", max = Nonce::MAX_LEN)]
pub struct NonceError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_base64() {
        for nonce in ["", "=", "a=b", "a b", "a'", "ä", &"a".repeat(257)] {
            assert_eq!(Nonce::new(nonce), Err(NonceError), "{nonce}");
        }
        assert!(Nonce::new("aZ09+/-_==").is_ok());
    }
}
