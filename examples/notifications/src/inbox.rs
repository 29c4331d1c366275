//! What a user is told.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sse_kit::event::Topic;
use sse_kit::htmx::{ElementId, Html, Update};
use sse_kit::{BoxError, EventData, Hub, SseKit};

/// How many notifications a user keeps.
const KEPT: u64 = 50;

/// The notifications of all users.
pub(crate) type Inboxes = HashMap<User, Inbox>;

/// The newest notifications of a user, the oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inbox {
    notes: VecDeque<Noted>,
    last: u64,
}

impl Inbox {
    /// Adds a notification; the oldest gives way.
    pub(crate) fn add(&mut self, text: String) -> Noted {
        self.last += 1;
        let noted = Noted { number: self.last, text };
        self.notes.push_back(noted.clone());
        if self.last > KEPT {
            self.notes.pop_front();
        }
        noted
    }

    /// The notifications on a page.
    pub(crate) fn items(&self) -> Html {
        self.notes.iter().map(Noted::item).collect()
    }
}

/// The name of a user: 1 to 20 small letters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct User(String);

impl User {
    /// The topic of what this user alone is told.
    pub(crate) fn topic(&self) -> Topic {
        format!("users:{self}").parse().expect("letters are a topic")
    }
}

impl FromStr for User {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let is_name =
            (1..=20).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase());
        if is_name { Ok(Self(name.to_owned())) } else { Err(NameError) }
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text is no name of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameError;

/// A user was told something.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Noted {
    /// Counts what the user was told, from 1.
    number: u64,
    text: String,
}

impl EventData for Noted {
    const TYPE: &'static str = "note:added";
}

impl Noted {
    fn item(&self) -> Html {
        let Self { number, text } = self;
        Html::trusted(format!("<li id=\"note-{number}\">{}</li>", Html::text(text)))
    }
}

/// The kit, which knows what a notification changes on the pages of its user: one more, and the oldest
/// gives way there too.
pub(crate) fn kit(hub: Hub) -> SseKit<Inboxes> {
    let kit = SseKit::with_state(hub, Inboxes::new());
    kit.on(|noted: Noted| -> Result<_, BoxError> {
        let added = Update::append(ElementId::from_static("notes"), &noted.item())?;
        let oldest = noted.number.checked_sub(KEPT).filter(|oldest| *oldest > 0);
        let gone = oldest.map(|oldest| format!("note-{oldest}").parse()).transpose()?;
        Ok((added, gone.map(Update::delete)))
    });
    kit
}
