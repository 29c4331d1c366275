//! The rights of open streams, for the gate.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sse_kit::Hub;
use sse_kit::broadcast::Goodbye;
use sse_kit::event::{ConnectionId, Event, EventName, Topics};
use sse_kit::http::{Access, Authorizer, DeniedError, Grant, Resource};

use super::{Auth, Caller, Refusal};

/// The event that tells a client why its stream ends.
const ENDED: EventName = EventName::from_static("hub:unauthorized");

/// A client with an open stream.
pub(crate) struct Listener {
    /// The rights that it has by the rules that were asked last.
    caller: Mutex<Caller>,
    connection: ConnectionId,
}

impl Listener {
    pub(crate) fn new(caller: Caller, connection: ConnectionId) -> Self {
        Self { caller: Mutex::new(caller), connection }
    }
}

/// The authorizer of the hub's gate. It asks again when a token expires, and after a reload.
pub(crate) struct TokenAuthorizer {
    auth: Auth,
    hub: Hub,
}

/// Tells a client why its stream ends.
fn tell(hub: &Hub, connection: &ConnectionId, refusal: Refusal) {
    let reason = serde_json::json!({ "reason": refusal.to_string() });
    let event = Event::new(reason.to_string()).with_name(ENDED);
    let _ = hub.send_to(connection, &event);
    tracing::info!(reason = %refusal, "the right to listen has ended");
}

/// Ends all streams, which began while the hub had no key. Their clients come back, with a token or not.
pub(crate) fn end_open_streams(hub: &Hub, come_back_within: Duration) {
    for connection in hub.connections() {
        tell(hub, connection.id(), Refusal::NoToken);
        hub.dismiss(connection.id(), Goodbye::ComeBack { within: come_back_within });
    }
}

impl TokenAuthorizer {
    pub(crate) fn new(auth: Auth, hub: Hub) -> Self {
        Self { auth, hub }
    }

    fn decide(&self, listener: &Listener, wanted: Resource<'_>) -> Result<Grant, Refusal> {
        let rules = self.auth.rules();
        let mut caller = listener.caller.lock().unwrap_or_else(PoisonError::into_inner);
        // Kept, so that a reload verifies the token of a stream once and not for each of its topics.
        rules.renew(&mut caller)?;
        let wanted = match wanted {
            Resource::Topic(topic) => Topics::from(topic),
            Resource::Pattern(pattern) => Topics::from(pattern.clone()),
            _ => return Err(Refusal::BeyondToken),
        };
        rules.listen(&caller, &wanted)?;
        Ok(caller.time_left().map_or_else(Grant::unlimited, Grant::lasting))
    }
}

impl Authorizer for TokenAuthorizer {
    type Principal = Listener;

    async fn authorize(
        &self,
        listener: &Listener,
        wanted: Resource<'_>,
        _access: Access,
    ) -> Result<Grant, DeniedError> {
        self.decide(listener, wanted).map_err(|refusal| {
            // The gate ends the stream after this. A stream that is not open yet gets a status.
            tell(&self.hub, &listener.connection, refusal);
            DeniedError
        })
    }
}
