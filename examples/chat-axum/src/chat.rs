//! All rooms, and telling every open page what happens in them.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use serde::Serialize;
use sse_kit::broadcast::{SlowConsumer, SubscribeError, Subscription};
use sse_kit::event::{EventId, LastEventId, Topic};
use sse_kit::{DomainEvent, Hub, SseKit};
use tokio::sync::Mutex;

use crate::messages::{self, LOBBY_CHANGED, LOBBY_CLOSED, LOBBY_OPENED, Line, SAID, SaidIn};
use crate::name::{Nick, RoomName};
use crate::room::{People, Room, Said, Text};

/// How many rooms there may be.
const MAX_ROOMS: usize = 100;

/// The chat. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    kit: SseKit,
    /// Held while a change is emitted, so that messages come in the order of the changes, and so
    /// that what a page shows and its cursor belong to the same moment.
    rooms: Arc<Mutex<BTreeMap<RoomName, Room>>>,
}

impl Chat {
    pub(crate) fn new(hub: Hub) -> Self {
        Self { kit: messages::kit(hub), rooms: Arc::default() }
    }

    pub(crate) fn hub(&self) -> &Hub {
        self.kit.hub()
    }

    /// The rooms, and the cursor of that moment.
    pub(crate) async fn lobby(&self) -> (Vec<Line>, EventId) {
        let rooms = self.rooms.lock().await;
        (lines(&rooms), self.hub().cursor())
    }

    /// A room, and the cursor of that moment. It is opened when it is not there.
    pub(crate) async fn enter(&self, name: &RoomName) -> Result<(Room, EventId), Full> {
        let mut rooms = self.rooms.lock().await;
        if !rooms.contains_key(name) {
            if rooms.len() >= MAX_ROOMS {
                return Err(Full);
            }
            rooms.insert(name.clone(), Room::default());
            tokio::spawn(crate::presence::follow(self.clone(), name.clone()));
            self.emit(LOBBY_OPENED, &lines(&rooms)).await;
        }
        Ok((rooms[name].clone(), self.hub().cursor()))
    }

    /// Says something in a room, on all of its pages. The one where it was typed gets it by its stream
    /// too: in an answer it would overtake what others have said just before.
    pub(crate) async fn say(
        &self,
        room: &RoomName,
        from: Nick,
        text: Text,
    ) -> Result<Said, NoSuchRoom> {
        let mut rooms = self.rooms.lock().await;
        let said = rooms.get_mut(room).ok_or(NoSuchRoom)?.say(from, text).clone();
        let event = SaidIn { room: room.clone(), said: said.clone() };
        self.emit(SAID, &event).await;
        self.emit(LOBBY_CHANGED, &Line::of(room, &rooms[room])).await;
        Ok(said)
    }

    /// Notes who is in a room; false when the room is closed.
    pub(crate) async fn notice(&self, room: &RoomName, people: People) -> bool {
        let mut rooms = self.rooms.lock().await;
        let Some(known) = rooms.get_mut(room) else { return false };
        if known.people != people {
            known.people = people;
            match messages::people(&known.people) {
                Ok(event) => self.told(self.hub().publish(&room.topic(), event).await),
                Err(error) => tracing::error!(%error, "nobody is told who is there"),
            }
            self.emit(LOBBY_CHANGED, &Line::of(room, known)).await;
        }
        true
    }

    /// Closes a room, and the streams of all of its pages with it.
    pub(crate) async fn close(&self, room: &RoomName) -> Result<(), NoSuchRoom> {
        let mut rooms = self.rooms.lock().await;
        rooms.remove(room).ok_or(NoSuchRoom)?;
        self.told(self.hub().publish(&room.topic(), messages::closed()).await);
        self.emit(LOBBY_CLOSED, room).await;
        Ok(())
    }

    pub(crate) async fn is_open(&self, room: &RoomName) -> bool {
        self.rooms.lock().await.contains_key(room)
    }

    /// What happens in a room, or in the lobby. A page that cannot keep up is told only the newest
    /// of who is there, and everything that is said.
    pub(crate) fn watch(
        &self,
        topic: Topic,
        who: Option<Nick>,
        seen: Option<LastEventId>,
    ) -> Result<Subscription, SubscribeError> {
        let subscribe = self.hub().subscribe(topic).resume(seen);
        let subscribe = subscribe.slow_consumer(SlowConsumer::Conflate);
        match who {
            Some(nick) => subscribe.metadata(String::from(nick).into()).open(),
            None => subscribe.open(),
        }
    }

    /// When it fails, the state is right all the same, and so is every page that is loaded later.
    async fn emit(&self, event_type: &str, data: &impl Serialize) {
        let event = match DomainEvent::new(event_type, data) {
            Ok(event) => event,
            Err(error) => return tracing::error!(error = &error as &dyn Error, "no event"),
        };
        let emitted = self.kit.emit(event).await;
        if let Ok(emitted) = &emitted {
            for error in emitted.errors() {
                tracing::error!(error = error as &dyn Error, "open pages lack something");
            }
        }
        self.told(emitted);
    }

    fn told<T, E: Error + 'static>(&self, outcome: Result<T, E>) {
        match outcome {
            // The server is stopping, and the pages know.
            Err(error) if !self.hub().is_shut_down() => {
                tracing::warn!(error = &error as &dyn Error, "open pages were not told");
            }
            _ => {}
        }
    }
}

fn lines(rooms: &BTreeMap<RoomName, Room>) -> Vec<Line> {
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
