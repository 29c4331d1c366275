//! The ends of streams: of one, or of all.

use proptest::prelude::*;
use sse_kit_broadcast::{CloseReason, ConnectionState, Goodbye};

use crate::chronicle::id_of;
use crate::client::Checked;
use crate::stream::Stream;
use crate::world::World;

impl World {
    pub(crate) fn disconnect(&mut self, number: usize, goodbye: Option<Goodbye>) -> Checked {
        let client = self.clients[number].as_mut().filter(|client| !client.gone);
        let ending = client.as_ref().and_then(|client| client.stream.ending());
        let id = id_of(number);
        let ended = match goodbye {
            Some(goodbye) => self.hub.dismiss(&id, goodbye),
            None => self.hub.disconnect(&id),
        };
        prop_assert_eq!(ended, client.is_some());
        if let Some(client) = client {
            client.gone = true;
            if ending.is_none() {
                client.last_word = goodbye;
            }
            let why = ending.unwrap_or(CloseReason::Disconnected);
            client.stream.note_end(why);
            prop_assert_eq!(client.stream.ending(), Some(why));
            let serial = client.serial;
            self.has_gone(serial, why);
        }
        Ok(())
    }

    /// A stream ends by itself. One that is not open yet cannot.
    pub(crate) fn finish(&mut self, number: usize, goodbye: Goodbye) {
        let Some(client) = &mut self.clients[number] else { return };
        let ending = client.stream.ending();
        let Stream::Open(subscription) = &client.stream else { return };
        subscription.finish(goodbye);
        if ending.is_none() {
            client.last_word = Some(goodbye);
        }
        if !client.gone {
            client.gone = true;
            let (serial, why) = (client.serial, ending.unwrap_or(CloseReason::Expired));
            self.has_gone(serial, why);
        }
    }

    pub(crate) fn shut_down(&mut self, goodbye: Goodbye) {
        self.hub.shut_down(goodbye);
        self.settled &= self.goodbye.is_some();
        self.goodbye.get_or_insert(goodbye);
        self.people.see_the_end();
    }

    pub(crate) fn see_who_was_evicted(&mut self) -> Checked {
        let lags = self.hub.stats().fan_out_lags > 0;
        let mut evicted = Vec::new();
        for client in self.clients.iter_mut().flatten().chain(&mut self.others) {
            let slow = client.stream.ending() == Some(CloseReason::TooSlow);
            if slow && !client.gone {
                client.may_be_evicted()?;
                let closed = client.stream.connection().state() == ConnectionState::Closed;
                prop_assert!(closed || !self.settled, "evicted, but still there");
                if closed {
                    client.gone = true;
                    evicted.push(client.serial);
                }
            }
            if self.settled && !lags {
                client.keeps_up_or_is_evicted()?;
            }
        }
        for serial in evicted {
            self.has_gone(serial, CloseReason::TooSlow);
        }
        Ok(())
    }
}
