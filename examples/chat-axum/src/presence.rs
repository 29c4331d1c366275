//! Following who is in a room.

use std::time::Duration;

use sse_kit::broadcast::RecvError;

use crate::chat::Chat;
use crate::name::RoomName;
use crate::room::People;

/// Several who come together are one change.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// Keeps the pages of a room told who is there, until the room is closed.
pub(crate) async fn follow(chat: Chat, room: RoomName) {
    let topic = room.topic();
    let mut watch = chat.hub().watch_presence(&topic);
    loop {
        let present = chat.hub().presence(&topic);
        if !chat.notice(&room, People::of(present.iter().map(|connection| &**connection))).await {
            return;
        }
        match watch.change().await {
            // Which one it was does not matter: it is looked up who is there now.
            Ok(_) | Err(RecvError::Lagged { .. }) => tokio::time::sleep(DEBOUNCE).await,
            Err(_closed) => return,
        }
    }
}
