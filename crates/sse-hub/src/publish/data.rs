//! The body of a publish, read within limits.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use tokio::time::error::Elapsed;

use super::failure::Failure;
use crate::limit_options::MAX_DATA;

/// The time in which a client has to send a body.
const DATA_TIMEOUT: Duration = Duration::from_secs(30);

/// Takes what a client sends that was refused, and keeps nothing of it: while it is still sending, it would
/// lose the answer.
pub(super) async fn drain<B>(body: B)
where
    B: Body<Data = Bytes>,
{
    let taken = async {
        let mut body = pin!(body);
        let mut len = 0;
        while len <= MAX_DATA
            && let Some(Ok(frame)) = body.frame().await
        {
            len += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    // A client that takes longer loses the answer.
    let _ = tokio::time::timeout(DATA_TIMEOUT, taken).await;
}

/// Awaits what a client sends for as long as it may take; without a timer if all of it is here.
async fn in_time<T>(sent: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut sent = pin!(sent);
    match poll_fn(|cx| Poll::Ready(sent.as_mut().poll(cx))).await {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => tokio::time::timeout(DATA_TIMEOUT, sent).await,
    }
}

/// Reads the text of a body.
pub(super) async fn text<B>(body: B) -> Result<String, Failure>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let Ok(body) = in_time(Limited::new(body, MAX_DATA).collect()).await else {
        let message = "the data took too long to arrive";
        return Err(Failure::new(StatusCode::REQUEST_TIMEOUT, &message));
    };
    let bytes = match body {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("an event has at most {MAX_DATA} bytes of data");
            return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, &message));
        }
        Err(error) => return Err(Failure::bad_request(&error)),
    };
    utf8(bytes)
}

pub(super) fn utf8(bytes: Bytes) -> Result<String, Failure> {
    String::from_utf8(bytes.into())
        .map_err(|_| Failure::bad_request(&"the data of an event is UTF-8"))
}
