//! The id of an open stream.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

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
/// # Ok::<(), sse_kit_event::ConnectionIdError>(())
/// ```
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct ConnectionId(Arc<str>);

impl ConnectionId {
    /// The maximum length of an id, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Parses an id.
    ///
    /// # Errors
    ///
    /// [`ConnectionIdError`] if `id` breaks one of the rules above.
    pub fn new(id: &str) -> Result<Self, ConnectionIdError> {
        if id.is_empty() || id.len() > Self::MAX_LEN {
            return Err(ConnectionIdError::Length { bytes: id.len() });
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match id.chars().find(|c| !plain(*c)) {
            Some(found) => Err(ConnectionIdError::Character { found }),
            None => Ok(Self(id.into())),
        }
    }

    /// Creates an id of 128 random bits, for a page that needs the id of its connection before the
    /// connection opens.
    ///
    /// # Errors
    ///
    /// If the operating system provides no random number.
    pub fn random() -> Result<Self, getrandom::Error> {
        let bits = u128::from(getrandom::u64()?) << 64 | u128::from(getrandom::u64()?);
        Ok(Self(format!("{bits:032x}").into()))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ConnectionId {
    type Err = ConnectionIdError;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        Self::new(id)
    }
}

impl TryFrom<String> for ConnectionId {
    type Error = ConnectionIdError;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        Self::new(&id)
    }
}

impl From<ConnectionId> for String {
    fn from(id: ConnectionId) -> Self {
        id.as_str().to_owned()
    }
}

/// The reason why a text is not a connection id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionIdError {
    /// The text is empty or longer than [`ConnectionId::MAX_LEN`].
    #[error("the connection id has {bytes} bytes; 1 to {max} are allowed", max = ConnectionId::MAX_LEN)]
    Length {
        /// The length of the text, in bytes.
        bytes: usize,
    },
    /// The text contains a character other than `[A-Za-z0-9._-]`.
    #[error("the connection id contains {found:?}; use only letters, digits and `._-`")]
    Character {
        /// The first such character.
        found: char,
    },
}
