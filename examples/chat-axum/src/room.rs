//! One room: what was said, and who is there.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::name::Nick;

/// The number of messages that are kept for people who come later.
const KEPT: usize = 100;

/// A room, as it is at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room {
    /// The oldest first.
    pub(crate) said: VecDeque<Said>,
    pub(crate) people: People,
    /// Tells this room from one that is opened later by the same name.
    pub(crate) opening: Opening,
    last: u64,
}

/// One time that a room was opened; clones are the same time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opening(Arc<()>);

impl Opening {
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Something was said, and the oldest may have given way.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spoken {
    pub(crate) said: Said,
    /// The number of what gave way: pages keep what the room keeps, however long they are open.
    pub(crate) dropped: Option<u64>,
}

/// Something that was said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Said {
    /// Counts what was said in the room, from 1.
    pub(crate) number: u64,
    pub(crate) from: Nick,
    pub(crate) text: Text,
}

impl Room {
    pub(crate) fn say(&mut self, from: Nick, text: Text) -> Spoken {
        self.last += 1;
        let oldest = if self.said.len() >= KEPT { self.said.pop_front() } else { None };
        let said = Said { number: self.last, from, text };
        self.said.push_back(said.clone());
        Spoken { said, dropped: oldest.map(|oldest| oldest.number) }
    }
}

/// The text of a message: 1 to 2,000 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Text(String);

impl Text {
    const MAX_CHARS: usize = 2000;
}

impl FromStr for Text {
    type Err = TextError;

    fn from_str(typed: &str) -> Result<Self, TextError> {
        let text = typed.trim();
        match text.chars().take(Self::MAX_CHARS + 1).count() {
            0 => Err(TextError::Empty),
            chars if chars > Self::MAX_CHARS => Err(TextError::TooLong),
            _ => Ok(Self(text.into())),
        }
    }
}

impl TryFrom<String> for Text {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        text.parse()
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The messages are read on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TextError {
    #[error("Say something first.")]
    Empty,
    #[error("That is more than {} characters.", Text::MAX_CHARS)]
    TooLong,
}

/// The people in a room, in alphabetical order, with the number of tabs of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct People(pub(crate) BTreeMap<Nick, usize>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_and_numbers_go_on() {
        let mut room = Room::default();
        for n in 1..=KEPT + 1 {
            let spoken = room.say("a".parse().unwrap(), n.to_string().parse().unwrap());
            assert_eq!(spoken.dropped, (n > KEPT).then_some(1));
        }
        assert_eq!(room.said.len(), KEPT);
        let numbers = (room.said[0].number, room.said[KEPT - 1].number);
        assert_eq!(numbers, (2, KEPT as u64 + 1));
    }

    #[test]
    fn nothing_and_too_much_are_not_said() {
        assert_eq!("  \n".parse::<Text>(), Err(TextError::Empty));
        assert_eq!("é".repeat(2001).parse::<Text>(), Err(TextError::TooLong));
        assert_eq!(" a\nb ".parse::<Text>().unwrap().to_string(), "a\nb");
    }
}
