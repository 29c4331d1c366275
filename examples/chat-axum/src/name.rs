//! The names of rooms and people.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sse_kit::event::Topic;

/// Names a room: 1 to 32 bytes of `a-z`, `0-9` and `-`. It stands in paths, in topics and in ids of
/// elements, and is right in all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct RoomName(Arc<str>);

impl RoomName {
    const MAX_LEN: usize = 32;

    /// Returns the topic of the messages and of the people in the room.
    pub(crate) fn topic(&self) -> Topic {
        format!("rooms:{self}").parse().expect("a room's name is a segment of a topic")
    }
}

impl FromStr for RoomName {
    type Err = NameError;

    fn from_str(typed: &str) -> Result<Self, NameError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let name = typed.trim();
        if name.is_empty() || name.len() > Self::MAX_LEN || !name.chars().all(plain) {
            return Err(NameError::Room);
        }
        Ok(Self(name.into()))
    }
}

/// The name of a person: 1 to 24 characters, none of them a control character. It is only shown:
/// two people may have the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Nick(Arc<str>);

impl Nick {
    const MAX_CHARS: usize = 24;
}

impl FromStr for Nick {
    type Err = NameError;

    fn from_str(typed: &str) -> Result<Self, NameError> {
        let name = typed.trim();
        let chars = name.chars().take(Self::MAX_CHARS + 1).count();
        if chars == 0 || chars > Self::MAX_CHARS || name.chars().any(char::is_control) {
            return Err(NameError::Nick);
        }
        Ok(Self(name.into()))
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Nick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RoomName {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        name.parse()
    }
}

impl From<RoomName> for String {
    fn from(name: RoomName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl TryFrom<String> for Nick {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        name.parse()
    }
}

impl From<Nick> for String {
    fn from(name: Nick) -> Self {
        name.0.as_ref().to_owned()
    }
}

/// The messages are read on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("A room is called by 1 to {} of a-z, 0-9 and -.", RoomName::MAX_LEN)]
    Room,
    #[error("Your name has 1 to {} characters.", Nick::MAX_CHARS)]
    Nick,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_safe_in_paths_topics_and_ids() {
        assert_eq!(" tea-room ".parse::<RoomName>().unwrap().topic().as_str(), "rooms:tea-room");
        for bad in ["", "a b", "A", "a:b", "*", "é", "a/b", &"x".repeat(33)] {
            assert_eq!(bad.parse::<RoomName>(), Err(NameError::Room), "{bad:?}");
        }
    }

    #[test]
    fn people_may_be_called_almost_anything() {
        for good in ["Zoë", "<b>", "李", &"é".repeat(24)] {
            assert_eq!(good.parse::<Nick>().unwrap().to_string(), good);
        }
        for bad in ["", "  ", "a\nb", "\u{7f}", &"x".repeat(25)] {
            assert_eq!(bad.parse::<Nick>(), Err(NameError::Nick), "{bad:?}");
        }
    }
}
