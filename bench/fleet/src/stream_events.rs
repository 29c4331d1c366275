//! The events of one stream, which comes in pieces.

use anyhow::{Context, Result, ensure};
use memchr::{memchr, memmem};

/// The longest event; a longer one means that the end of events is not found.
const MAX_EVENT: usize = 1 << 20;

/// One event, as far as this load looks at it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct StreamEvent<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) data: &'a [u8],
    pub(crate) id: Option<&'a [u8]>,
    pub(crate) retry_ms: Option<u32>,
}

/// A reader that keeps the beginning of an event whose rest has not come yet.
#[derive(Debug, Default)]
pub(crate) struct StreamEvents {
    begun: Vec<u8>,
}

impl StreamEvents {
    /// Gives each event that is complete to `take`.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(StreamEvent<'_>) -> Result<()>,
    ) -> Result<()> {
        if self.begun.is_empty() {
            let rest = split(bytes, &mut take)?;
            self.begun.extend_from_slice(rest);
        } else {
            self.begun.extend_from_slice(bytes);
            let rest = split(&self.begun, &mut take)?.len();
            self.begun.drain(..self.begun.len() - rest);
        }
        if self.begun.is_empty() {
            // 100,000 buffers that are seldom used are memory that others could use.
            self.begun = Vec::new();
        }
        ensure!(self.begun.len() < MAX_EVENT, "an event has no end");
        Ok(())
    }
}

/// Returns the bytes after the last event that is complete.
fn split<'a>(
    mut bytes: &'a [u8],
    take: &mut impl FnMut(StreamEvent<'_>) -> Result<()>,
) -> Result<&'a [u8]> {
    while let Some(end) = memmem::find(bytes, b"\n\n") {
        take(parse(&bytes[..end])?)?;
        bytes = &bytes[end + 2..];
    }
    Ok(bytes)
}

fn parse(text: &[u8]) -> Result<StreamEvent<'_>> {
    let mut event = StreamEvent::default();
    for line in text.split(|&byte| byte == b'\n') {
        let colon = memchr(b':', line).unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" => event.data = value,
            b"event" => event.name = value,
            b"id" => event.id = Some(value),
            b"retry" => {
                let retry = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                event.retry_ms = Some(retry.context("`retry` is not a number")?);
            }
            _ => {}
        }
    }
    Ok(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_wherever_the_stream_is_cut() {
        let stream = b"event: sse-kit:hello\ndata: {}\nretry: 2716\nid: a-0\n\n\
            : heartbeat\n\ndata: hello\nid: a-1\n\n";
        for cut in 0..stream.len() {
            let (one, other) = stream.split_at(cut);
            let (mut events, mut seen) = (StreamEvents::default(), Vec::new());
            for piece in [one, other] {
                let took = events.read(piece, |event| {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let id = event.id.map(text);
                    seen.push((text(event.name), text(event.data), id, event.retry_ms));
                    Ok(())
                });
                took.expect("events");
            }
            let [hello, heartbeat, message] = &seen[..] else { panic!("{seen:?}") };
            assert_eq!((hello.0.as_str(), hello.3), ("sse-kit:hello", Some(2716)));
            assert_eq!((heartbeat.1.as_str(), &heartbeat.2), ("", &None));
            assert_eq!((message.1.as_str(), message.2.as_deref()), ("hello", Some("a-1")));
            assert!(events.begun.is_empty());
        }
    }
}
