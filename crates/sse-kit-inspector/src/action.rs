//! The actions of a viewer: to publish, and to end a connection.

use http::StatusCode;
use sse_kit_broadcast::{Goodbye, Hub, PublishError};
use sse_kit_event::{ConnectionId, Event, EventName, TextError, Topic};

use crate::form::Form;
use crate::text::number;
use crate::viewer::Viewer;

/// Publishes what a form says. Returns what came of it.
pub(crate) async fn publish(hub: &Hub, form: &Form, by: Viewer<'_>) -> Result<String, Refusal> {
    let topic: Topic = form.field("topic").trim().parse()?;
    let mut event = Event::new(form.field("data"));
    let name = form.field("name").trim();
    if !name.is_empty() {
        event = event.with_name(name.parse::<EventName>()?);
    }
    let receipt = hub.publish(&topic, event).await?;
    let Viewer { name, address } = by;
    tracing::info!(
        %topic, id = %receipt.id, viewer = name, client = address.map(display),
        "an event was published in the inspector"
    );
    let receivers = match receipt.receivers {
        1 => "1 connection gets it".to_owned(),
        receivers => format!("{} connections get it", number(receivers)),
    };
    Ok(format!("Published {} to {topic}: {receivers}.", receipt.id))
}

/// Ends the connection that a form names. Returns what came of it.
pub(crate) fn disconnect(hub: &Hub, form: &Form, by: Viewer<'_>) -> Result<String, Refusal> {
    let id: ConnectionId = form.field("connection").parse()?;
    let (was_open, outcome) = match form.field("end") {
        "disconnect" => (hub.disconnect(&id), "Disconnected"),
        "dismiss" => (hub.dismiss(&id, Goodbye::StayAway), "Dismissed"),
        _ => return Err(Refusal::UnknownEnd),
    };
    if !was_open {
        return Err(Refusal::NotOpen { id });
    }
    let Viewer { name, address } = by;
    tracing::info!(
        connection = %id, viewer = name, client = address.map(display),
        "a connection was ended in the inspector"
    );
    Ok(format!("{outcome} {id}."))
}

/// The reason why an action was refused, for the viewer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("this inspector is read-only")]
    ReadOnly,
    #[error("the form is larger than {} KiB", crate::form::MAX_BYTES >> 10)]
    TooLarge,
    #[error("the form took too long to arrive")]
    TooSlow,
    #[error("the form did not arrive whole, or is not UTF-8")]
    Broken,
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("choose whether to disconnect or to dismiss it")]
    UnknownEnd,
    #[error("the connection {id} is not open any more")]
    NotOpen { id: ConnectionId },
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::ReadOnly => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::Text(_) | Self::UnknownEnd => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotOpen { .. } => StatusCode::NOT_FOUND,
            Self::Publish(
                PublishError::Log(_) | PublishError::Closed | PublishError::HooksBusy,
            ) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Publish(_) => StatusCode::CONFLICT,
        }
    }
}
