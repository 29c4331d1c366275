//! Following who is in a room.

use crate::chat::Chat;
use crate::name::{Nick, RoomName};
use crate::room::{Opening, People};

/// Keeps the pages of a room told who is there, until the room is closed. A reload is no change.
pub(crate) async fn follow(chat: Chat, room: RoomName, opening: Opening) {
    let nick = |page: &sse_kit::broadcast::Connection| page.metadata::<Nick>().cloned();
    let mut people = chat.hub().presence_by_key([room.topic()], nick);
    while let Ok(present) = people.changed().await {
        if !chat.notice(&room, &opening, People(present)).await {
            return;
        }
    }
}
