//! All rooms, and telling every open page what happens in them.

use std::collections::BTreeMap;

use sse_kit::broadcast::Goodbye;
use sse_kit::event::EventId;
use sse_kit::{Change, ChangeError, Hub, IntoChange, SseKit};

use crate::messages::{self, Line, RoomChanged, RoomClosed, RoomOpened};
use crate::name::{Nick, RoomName};
use crate::room::{Opening, People, Room, Said, Text};

/// The maximum number of rooms.
const MAX_ROOMS: usize = 100;

/// The chat. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    kit: SseKit<Rooms>,
}

type Rooms = BTreeMap<RoomName, Room>;

impl Chat {
    pub(crate) fn new(hub: Hub) -> Self {
        Self { kit: messages::kit(hub, Rooms::new()) }
    }

    pub(crate) fn hub(&self) -> &Hub {
        self.kit.hub()
    }

    /// Returns the rooms, and the cursor of that moment.
    pub(crate) async fn lobby(&self) -> (Vec<Line>, EventId) {
        self.kit.read(lines).await
    }

    /// Returns a room, if it is open, and the cursor of that moment.
    pub(crate) async fn room(&self, name: &RoomName) -> (Option<Room>, EventId) {
        self.kit.read(|rooms| rooms.get(name).cloned()).await
    }

    /// Opens a room, unless it is open.
    pub(crate) async fn open(&self, name: &RoomName) -> Result<(), Full> {
        self.change(|rooms| {
            if rooms.contains_key(name) {
                return Ok(None);
            }
            if rooms.len() >= MAX_ROOMS {
                return Err(Full);
            }
            let room = Room::default();
            let opening = room.opening.clone();
            tokio::spawn(crate::presence::follow(self.clone(), name.clone(), opening));
            rooms.insert(name.clone(), room);
            Ok(Some(RoomOpened(lines(rooms))))
        })
        .await
    }

    /// Says something in a room, on all of its pages. The page where it was typed gets it by its stream
    /// too: in an answer it would overtake what others have said just before.
    pub(crate) async fn say(
        &self,
        name: &RoomName,
        from: Nick,
        text: Text,
    ) -> Result<Said, NoSuchRoom> {
        let said = self.kit.change(|rooms| {
            let room = rooms.get_mut(name).ok_or(NoSuchRoom)?;
            let spoken = room.say(from, text);
            let change = Change::new(spoken.said.clone()).emit_to(name.topic(), spoken);
            Ok(change.emit(RoomChanged(Line::of(name, room))))
        });
        said.await.unwrap_or_else(ChangeError::into_value)
    }

    /// Notes who is in a room; false when the room is closed, even if there is another of its name.
    pub(crate) async fn notice(&self, name: &RoomName, opening: &Opening, people: People) -> bool {
        self.change(|rooms| {
            let room = rooms.get_mut(name).filter(|room| room.opening.is(opening));
            let Some(room) = room else { return Change::new(false) };
            if room.people == people {
                return Change::new(true);
            }
            room.people = people;
            let change = Change::new(true).emit(RoomChanged(Line::of(name, room)));
            match messages::people(&room.people) {
                Ok(event) => change.publish(name.topic(), event),
                Err(error) => {
                    tracing::error!(%error, "nobody is told who is there");
                    change
                }
            }
        })
        .await
    }

    /// Closes a room, and ends the streams of all of its pages, for good.
    pub(crate) async fn close(&self, name: &RoomName) -> Result<(), NoSuchRoom> {
        self.change(|rooms| {
            rooms.remove(name).ok_or(NoSuchRoom)?;
            // Here, where nobody can open another room of this name meanwhile.
            for page in self.hub().presence(&name.topic()) {
                self.hub().dismiss(page.id(), Goodbye::StayAway);
            }
            Ok(Change::new(()).emit(RoomClosed(name.clone())))
        })
        .await
    }

    pub(crate) async fn is_open(&self, name: &RoomName) -> bool {
        self.kit.read(|rooms| rooms.contains_key(name)).await.0
    }

    /// Changes the rooms. If the hub cannot update the pages, which the kit logs, the state is
    /// right nevertheless, as is every page that is loaded later.
    async fn change<C, K>(&self, change: impl FnOnce(&mut Rooms) -> C) -> C::Value
    where
        C: IntoChange<K>,
    {
        self.kit.change(change).await.unwrap_or_else(ChangeError::into_value)
    }
}

fn lines(rooms: &Rooms) -> Vec<Line> {
    rooms.iter().map(|(name, room)| Line::of(name, room)).collect()
}

/// The message is read on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("There are {MAX_ROOMS} rooms already. Go to one of them.")]
pub(crate) struct Full;

/// The message is read on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("This room is closed.")]
pub(crate) struct NoSuchRoom;
