//! The reasons why a request is refused.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use sse_kit::htmx::{self, MessageFormat, Update, Updates};

use crate::chat::{Full, NoSuchRoom};
use crate::room::TextError;

/// The reason why a request is not done. The messages are read on the page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(transparent)]
    NoSuchRoom(#[from] NoSuchRoom),
    #[error(transparent)]
    Full(#[from] Full),
    #[error("Something went wrong here. Try again.")]
    Internal(#[from] anyhow::Error),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Text(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoSuchRoom(_) => StatusCode::GONE,
            Self::Full(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A page has a place for it, which htmx fills out of band; without script it is all there is.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Self::Internal(error) = &self {
            tracing::error!(%error, "a request failed");
        }
        let html = shown(&self).unwrap_or_else(|_| htmx::Html::text(&self));
        (self.status(), Html(html.into_string())).into_response()
    }
}

fn shown(refusal: &Refusal) -> anyhow::Result<htmx::Html> {
    let update = Update::fill("refusal".parse()?, &htmx::Html::text(refusal))?;
    Ok(Updates::from(update).render(MessageFormat::Both)?)
}
