//! Reading the messages of a response without a server.

use futures_util::StreamExt;
use http::Response;
use sse_kit_event::{Decoded, Decoder, Message};
use sse_kit_http::{SseBody, SseByteStream};
use sse_kit_test_support::in_time;

/// A client that reads a response, message by message.
pub(crate) struct Client {
    bytes: SseByteStream,
    decoder: Decoder,
}

impl Client {
    pub(crate) fn new(response: Response<SseBody>) -> Self {
        Self { bytes: response.into_body().into_stream(), decoder: Decoder::new() }
    }

    /// The next message; `None` when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            match self.decoder.pop() {
                Some(Decoded::Message(message)) => return Some(message),
                Some(_) => {}
                None => {
                    let Ok(bytes) = in_time("a frame", self.bytes.next()).await?;
                    self.decoder.push(&bytes).expect("it is small");
                }
            }
        }
    }

    /// The names and data of all messages to the end, a message without a name as `message`.
    pub(crate) async fn rest(&mut self) -> Vec<(String, String)> {
        let mut rest = Vec::new();
        while let Some(message) = self.next().await {
            rest.push((message.name, message.data));
        }
        rest
    }
}

/// A named event as [`Client::rest`] gives it.
pub(crate) fn said(name: &str, data: &str) -> (String, String) {
    (name.to_owned(), data.to_owned())
}
