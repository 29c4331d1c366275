//! What happens, and what that changes on every open page. The same bytes serve htmx 2 and htmx 4.

use askama::Template;
use serde::{Deserialize, Serialize};
use sse_kit::dispatch::middleware::Trace;
use sse_kit::event::{EventKey, EventName, Topic};
use sse_kit::htmx::{ElementId, HtmlTemplate, MessageFormat, TextError, Update};
use sse_kit::update::ElementUpdater;
use sse_kit::{DomainEvent, Event, Hub, SseKit};

use crate::name::RoomName;
use crate::room::{People, Room, Said};

/// Something was said in a room: [`SaidIn`].
pub(crate) const SAID: &str = "chat:said";
/// There is one room more; these are all: `Vec<`[`Line`]`>`.
pub(crate) const LOBBY_OPENED: &str = "lobby:opened";
/// A room has changed: its [`Line`].
pub(crate) const LOBBY_CHANGED: &str = "lobby:changed";
/// A room is closed: its [`RoomName`].
pub(crate) const LOBBY_CLOSED: &str = "lobby:closed";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SaidIn {
    pub(crate) room: RoomName,
    pub(crate) said: Said,
}

/// Where the lobby's pages subscribe.
pub(crate) fn lobby() -> Topic {
    "lobby".parse().expect("a word is a topic")
}

pub(crate) fn kit(hub: Hub) -> SseKit {
    let kit =
        SseKit::new(hub).message_format(MessageFormat::Both).topic(|event| Ok(topic_of(event)));
    kit.dispatcher().middleware(Trace);
    show(kit.updater());
    kit
}

/// What is said goes to its room, all else to the lobby.
fn topic_of(event: &DomainEvent) -> Topic {
    match event.data_as::<SaidIn>() {
        Ok(said) if event.full_type().as_str() == SAID => said.room.topic(),
        _ => lobby(),
    }
}

fn show(updater: &ElementUpdater) {
    updater.on(SAID, |event: SaidIn| {
        Ok(Update::append("said".parse()?, &Message { said: &event.said })?)
    });
    updater.on(LOBBY_OPENED, |lines: Vec<Line>| {
        Ok(Update::fill("rooms".parse()?, &Rooms { lines: &lines })?)
    });
    updater.on(LOBBY_CHANGED, |line: Line| {
        Ok(Update::morph_or_replace(line_id(&line.room)?, &Rooms { lines: &[line] })?)
    });
    updater.on(LOBBY_CLOSED, |room: RoomName| Ok(Update::delete(line_id(&room)?)));
}

/// Who is in a room: an event with a name, for the element that swaps it.
pub(crate) fn people(people: &People) -> askama::Result<Event> {
    let key = EventKey::new("people").expect("a word is a key");
    Ok(Event::new(PeopleRows { people }.render()?).with_name(people_name()).with_key(key))
}

pub(crate) fn people_name() -> EventName {
    "people".parse().expect("a word is a name")
}

/// A room's pages close their streams when it comes.
pub(crate) fn closed() -> Event {
    Event::new("{}").with_name(closed_name())
}

pub(crate) fn closed_name() -> EventName {
    "closed".parse().expect("a word is a name")
}

fn line_id(room: &RoomName) -> Result<ElementId, TextError> {
    format!("room-{room}").parse()
}

/// A room, as a line of the lobby.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) room: RoomName,
    pub(crate) people: usize,
    pub(crate) last: Option<Said>,
}

impl Line {
    pub(crate) fn of(name: &RoomName, room: &Room) -> Self {
        let (people, last) = (room.people.0.len(), room.said.back().cloned());
        Self { room: name.clone(), people, last }
    }
}

#[derive(Debug, Template)]
#[template(path = "message.html")]
pub(crate) struct Message<'a> {
    pub(crate) said: &'a Said,
}

impl HtmlTemplate for Message<'_> {}

#[derive(Debug, Template)]
#[template(path = "rooms.html")]
struct Rooms<'a> {
    lines: &'a [Line],
}

impl HtmlTemplate for Rooms<'_> {}

#[derive(Debug, Template)]
#[template(path = "people.html")]
struct PeopleRows<'a> {
    people: &'a People,
}

impl HtmlTemplate for PeopleRows<'_> {}
