//! The rights of open streams, for the gate.

use sse_kit::Hub;
use sse_kit::event::{ConnectionId, Event, EventName, Topics};
use sse_kit::http::{Access, Authorizer, DeniedError, Grant, Resource};

use super::{Auth, Caller, Refusal};

/// The event that tells a client why its stream ends.
const ENDED: EventName = EventName::from_static("hub:unauthorized");

/// A client with an open stream.
pub(crate) struct Listener {
    pub(crate) caller: Caller,
    pub(crate) connection: ConnectionId,
}

/// The authorizer of the hub's gate. It asks again when a token expires, and after a reload.
pub(crate) struct TokenAuthorizer {
    auth: Auth,
    hub: Hub,
}

impl TokenAuthorizer {
    pub(crate) fn new(auth: Auth, hub: Hub) -> Self {
        Self { auth, hub }
    }

    fn decide(&self, listener: &Listener, wanted: Resource<'_>) -> Result<Grant, Refusal> {
        let (rules, caller) = (self.auth.rules(), &listener.caller);
        rules.still_accept(caller)?;
        let wanted = match wanted {
            Resource::Topic(topic) => Topics::from(topic),
            Resource::Pattern(pattern) => Topics::from(pattern.clone()),
            _ => return Err(Refusal::BeyondToken),
        };
        rules.listen(caller, &wanted)?;
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
            let reason = serde_json::json!({ "reason": refusal.to_string() });
            let event = Event::new(reason.to_string()).with_name(ENDED);
            // The gate ends the stream after this. A stream that is not open yet gets a status.
            let _ = self.hub.send_to(&listener.connection, &event);
            tracing::info!(reason = %refusal, "the right to listen has ended");
            DeniedError
        })
    }
}
