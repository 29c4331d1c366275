//! The name of an open stream.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a connection: given by the app, or made at random.
///
/// At most [`ConnectionId::MAX_LEN`] bytes of `[A-Za-z0-9._-]`. A random one cannot be guessed.
/// Cloning is cheap.
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
    /// The longest id, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Checks `id`.
    ///
    /// # Errors
    ///
    /// [`ConnectionIdError`] says what is wrong with it.
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

    /// 128 random bits, for a page that is to know the id of its connection before it has one.
    ///
    /// # Errors
    ///
    /// When the operating system has no random number.
    pub fn random() -> Result<Self, getrandom::Error> {
        let bits = u128::from(getrandom::u64()?) << 64 | u128::from(getrandom::u64()?);
        Ok(Self(format!("{bits:032x}").into()))
    }

    /// The id as text.
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

/// Why a text is no connection id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionIdError {
    /// It is empty or longer than [`ConnectionId::MAX_LEN`].
    #[error("a connection id has 1 to {max} bytes, not {bytes}", max = ConnectionId::MAX_LEN)]
    Length {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It holds another character than `[A-Za-z0-9._-]`.
    #[error("a connection id is made of letters, digits and `._-`, but this one has {found:?}")]
    Character {
        /// The first of them.
        found: char,
    },
}
