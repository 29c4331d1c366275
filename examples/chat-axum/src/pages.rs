//! The pages.

use askama::Template;
use sse_kit::event::EventId;
use sse_kit::htmx::{Attributes, Connect, Dialect, Endpoint, NamedSwap, PageScripts, Swap};
use sse_kit::monitor::MonitorConfig;

use crate::messages::{self, Line};
use crate::name::{Nick, RoomName};
use crate::room::{People, Said};

/// The rooms there are.
#[derive(Debug, Template)]
#[template(path = "lobby.html")]
pub(crate) struct Lobby<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) scripts: PageScripts,
    pub(crate) connection: Attributes,
    pub(crate) monitor: MonitorConfig,
    pub(crate) lines: &'a [Line],
    pub(crate) refusal: &'a str,
}

/// Before a room: who is it? Its form opens the room, if it is not open.
#[derive(Debug, Template)]
#[template(path = "door.html")]
pub(crate) struct Door<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) room: &'a RoomName,
    pub(crate) is_open: bool,
    pub(crate) refusal: &'a str,
}

/// A room.
#[derive(Debug, Template)]
#[template(path = "room.html")]
pub(crate) struct RoomPage<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) scripts: PageScripts,
    pub(crate) connection: Attributes,
    pub(crate) monitor: MonitorConfig,
    /// Of the element that shows who is there.
    pub(crate) takes_people: Attributes,
    pub(crate) room: &'a RoomName,
    pub(crate) nick: &'a Nick,
    pub(crate) said: Vec<&'a Said>,
    pub(crate) people: &'a People,
}

/// Returns the settings of the monitor of streams: a page that lacks something loads itself again.
pub(crate) fn monitor() -> MonitorConfig {
    MonitorConfig::new()
}

/// Returns the attributes by which the lobby follows everything that happens after `cursor`.
pub(crate) fn lobby_connection(dialect: Dialect, cursor: EventId) -> Attributes {
    let connect = Connect::new(Endpoint::from_static("/events")).out_of_band().resume_from(cursor);
    connect.attributes(dialect).expect("both can do this")
}

/// Returns the same as [`lobby_connection`], for a room: the server ends it when the room is
/// closed.
pub(crate) fn room_connection(
    dialect: Dialect,
    cursor: EventId,
    room: &RoomName,
    nick: &Nick,
) -> Attributes {
    let endpoint = Endpoint::from_segments(["rooms", &room.to_string(), "events"])
        .and_then(|endpoint| endpoint.query("nick", nick))
        .expect("a room's name is a segment, and all of it is short");
    let connect = Connect::new(endpoint).out_of_band().resume_from(cursor);
    connect.attributes(dialect).expect("both can do this")
}

/// Returns the attributes by which a page takes the list of people. Where there is morphing, the
/// list is morphed: unchanged parts are not touched.
pub(crate) fn takes_people(dialect: Dialect) -> Attributes {
    let swap = match dialect {
        Dialect::V4 => Swap::InnerMorph,
        _ => Swap::InnerHtml,
    };
    NamedSwap::new([messages::PEOPLE]).swap(swap).attributes(dialect).expect("both can do this")
}
