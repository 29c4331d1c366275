//! Reads a form that a viewer sends.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use sse_kit_http::query_parameters;

use crate::action::Refusal;

/// The largest form, in bytes, as it is sent.
pub(crate) const MAX_BYTES: usize = 256 << 10;

/// The time that a client may take to send a form.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The fields of a form.
#[derive(Debug)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) async fn read<B>(body: B) -> Result<Self, Refusal>
    where
        B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        let body = Limited::new(body, MAX_BYTES).collect();
        let body = match tokio::time::timeout(TIMEOUT, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Refusal::TooLarge),
            Ok(Err(_broken_off)) => return Err(Refusal::Broken),
            Err(_elapsed) => return Err(Refusal::TooSlow),
        };
        let text = str::from_utf8(&body).map_err(|_| Refusal::Broken)?;
        let owned =
            |(name, value): (Cow<'_, str>, Cow<'_, str>)| (name.into_owned(), value.into_owned());
        let fields = query_parameters(text).map(|field| field.map(owned));
        Ok(Self(fields.collect::<Result<_, _>>().map_err(|_| Refusal::Broken)?))
    }

    /// Returns the value of a field; empty if there is none.
    pub(crate) fn field(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}
