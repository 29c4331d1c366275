//! What a user is told.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sse_kit::event::Topic;
use sse_kit::htmx::{ElementId, Html, Update};
use sse_kit::{EventData, Hub, SseKit};

/// How many notifications a user keeps.
const KEPT: usize = 50;

/// The notifications of all users, the oldest first.
pub(crate) type Inboxes = HashMap<User, VecDeque<String>>;

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
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Noted {
    pub(crate) text: String,
}

impl EventData for Noted {
    const TYPE: &'static str = "note:added";
}

/// The kit, which knows what a notification changes on the pages of its user.
pub(crate) fn kit(hub: Hub) -> SseKit<Inboxes> {
    let kit = SseKit::with_state(hub, Inboxes::new());
    kit.on(|noted: Noted| Update::append(ElementId::from_static("notes"), &item(&noted.text)));
    kit
}

/// Adds a notification to what a user has; the oldest gives way.
pub(crate) fn add(inboxes: &mut Inboxes, user: &User, text: &str) {
    let inbox = inboxes.entry(user.clone()).or_default();
    inbox.push_back(text.to_owned());
    if inbox.len() > KEPT {
        inbox.pop_front();
    }
}

/// A notification on a page.
pub(crate) fn item(text: &str) -> Html {
    Html::trusted(format!("<li>{}</li>", Html::text(text)))
}
