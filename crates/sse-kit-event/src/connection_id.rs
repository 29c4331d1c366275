//! The id of an open stream.

use std::sync::Arc;

use crate::random::{RandomError, random_bytes};
use crate::text::{TextError, TextErrorKind};

/// The id of a connection, chosen by the app or at random.
///
/// An id has at most [`ConnectionId::MAX_LEN`] bytes of `[A-Za-z0-9._-]`. A random id cannot be
/// guessed. Cloning is cheap.
///
/// ```
/// use sse_kit_event::ConnectionId;
///
/// let id: ConnectionId = "tab-1".parse()?;
/// assert!("tab 1".parse::<ConnectionId>().is_err());
/// # Ok::<(), sse_kit_event::TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(Arc<str>);

const WHAT: &str = "a connection id";

impl ConnectionId {
    /// The maximum length of an id, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Parses an id.
    ///
    /// # Errors
    ///
    /// [`TextError`] if `id` breaks one of the rules above.
    pub fn new(id: &str) -> Result<Self, TextError> {
        if id.is_empty() {
            return Err(TextError::empty(WHAT));
        }
        if id.len() > Self::MAX_LEN {
            return Err(TextError::too_long(id, WHAT, Self::MAX_LEN));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match id.chars().find(|c| !plain(*c)) {
            Some(found) => {
                let rule = format!("it contains {found:?}; use only letters, digits and `._-`");
                Err(TextError::new(id, WHAT, TextErrorKind::Character, rule))
            }
            None => Ok(Self(id.into())),
        }
    }

    /// Creates an id of 128 random bits, for a page that needs the id of its connection before the
    /// connection opens.
    ///
    /// # Errors
    ///
    /// [`RandomError`] if the operating system provides no random number.
    pub fn random() -> Result<Self, RandomError> {
        let bits = u128::from_ne_bytes(random_bytes()?);
        Ok(Self(format!("{bits:032x}").into()))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

crate::text_type!(ConnectionId);
