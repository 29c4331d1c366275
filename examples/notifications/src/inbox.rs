//! The notifications of a user.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sse_kit::event::Topic;
use sse_kit::htmx::{ElementId, Html, MessageFormat, RenderError, Update};
use sse_kit::{EventData, Hub, SseKit};

/// The number of notifications that a user keeps.
pub(crate) const KEPT: usize = 50;

/// The notifications of all users.
pub(crate) type Inboxes = HashMap<User, Inbox>;

/// The name of a user: 1 to 20 small letters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct User(String);

impl User {
    /// Returns the topic of the notifications for this user alone.
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

/// The notifications of one user.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inbox {
    /// The oldest first, at most [`KEPT`].
    notes: VecDeque<Note>,
    /// The number of notifications so far.
    count: u64,
}

impl Inbox {
    /// Adds a notification; the oldest gives way.
    pub(crate) fn add(&mut self, text: String) -> Noted {
        self.count += 1;
        let note = Note { number: self.count, text };
        self.notes.push_back(note.clone());
        let oldest = if self.notes.len() > KEPT { self.notes.pop_front() } else { None };
        Noted { note, dropped: oldest.map(|oldest| oldest.number) }
    }

    pub(crate) fn notes(&self) -> impl Iterator<Item = &Note> {
        self.notes.iter()
    }
}

/// A notification, with its number among those of its user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    number: u64,
    text: String,
}

impl Note {
    /// Renders the notification for a page.
    pub(crate) fn item(&self) -> Html {
        let Self { number, text } = self;
        Html::trusted(format!("<li id=\"note-{number}\">{}</li>", Html::text(text)))
    }
}

/// A user was told something.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Noted {
    note: Note,
    /// The number of the one that gave way.
    dropped: Option<u64>,
}

impl EventData for Noted {
    const TYPE: &'static str = "note:added";
}

/// Creates the kit, which knows what a notification changes on the pages of its user.
pub(crate) fn kit(hub: Hub) -> SseKit<Inboxes> {
    let kit = SseKit::with_state(hub, Inboxes::new()).message_format(MessageFormat::Both);
    kit.on(|noted: Noted| -> Result<_, RenderError> {
        let mut updates =
            vec![Update::append(ElementId::from_static("notes"), &noted.note.item())?];
        // Pages show what the state has, however long they are open.
        let dropped =
            noted.dropped.and_then(|number| ElementId::new(&format!("note-{number}")).ok());
        updates.extend(dropped.map(Update::delete));
        Ok(updates)
    });
    kit
}
