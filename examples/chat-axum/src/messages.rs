//! The events, and the updates of open pages. The same bytes serve htmx 2 and htmx 4.

use askama::Template;
use serde::{Deserialize, Serialize};
use sse_kit::dispatch::middleware::DispatchLog;
use sse_kit::event::{EventKey, EventName, StaticTopic, Topic};
use sse_kit::htmx::{ElementId, HtmlTemplate, MessageFormat, TextError, Update};
use sse_kit::{BoxError, Event, EventData, Hub, SseKit};

use crate::name::RoomName;
use crate::room::{People, Room, Said, Spoken};

impl EventData for Spoken {
    const TYPE: &'static str = "chat:said";
}

/// There is one room more; these are all.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RoomOpened(pub(crate) Vec<Line>);

impl EventData for RoomOpened {
    const TYPE: &'static str = "lobby:opened";
}

/// A room has changed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RoomChanged(pub(crate) Line);

impl EventData for RoomChanged {
    const TYPE: &'static str = "lobby:changed";
}

/// A room is closed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RoomClosed(pub(crate) RoomName);

impl EventData for RoomClosed {
    const TYPE: &'static str = "lobby:closed";
}

/// The topic of the lobby's pages.
pub(crate) const LOBBY: StaticTopic = StaticTopic::new("lobby");

/// Creates the kit. Events are for the lobby, unless they are emitted to a room.
pub(crate) fn kit<S: Send + Sync + 'static>(hub: Hub, state: S) -> SseKit<S> {
    let kit = SseKit::with_state(hub, state)
        .message_format(MessageFormat::Both)
        .topic(|_| Topic::from(LOBBY));
    kit.dispatcher().middleware(DispatchLog);
    show(&kit);
    kit
}

fn show<S: Send + Sync + 'static>(kit: &SseKit<S>) {
    kit.on(|Spoken { said, dropped }| -> Result<_, BoxError> {
        let mut updates = vec![Update::append("said".parse()?, &Message { said: &said })?];
        if let Some(number) = dropped {
            updates.push(Update::delete(ElementId::new(&format!("said-{number}"))?));
        }
        Ok(updates)
    });
    kit.on(|RoomOpened(lines)| -> Result<_, BoxError> {
        Ok(Update::fill("rooms".parse()?, &Rooms { lines: &lines })?)
    });
    kit.on(|RoomChanged(line)| -> Result<_, BoxError> {
        Ok(Update::morph_or_replace(line_id(&line.room)?, &Rooms { lines: &[line] })?)
    });
    kit.on(|RoomClosed(room)| line_id(&room).map(Update::delete));
}

/// Makes the event of the people in a room; it has a name, for the element that swaps it.
pub(crate) fn people(people: &People) -> askama::Result<Event> {
    const KEY: EventKey = EventKey::from_static("people");
    Ok(Event::new(PeopleRows { people }.render()?).with_name(PEOPLE).with_key(KEY))
}

pub(crate) const PEOPLE: EventName = EventName::from_static("people");

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
