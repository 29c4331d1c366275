//! The wire format there and back, by our decoder and by other people's.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use bytes::Bytes;
use eventsource_stream::EventStream;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sse_kit_event::{Decoded, Decoder, Epoch, Event, EventId, EventName, Message};
use sse_kit_test_support::{PATIENCE, cases};
use sse_stream::SseByteStream;

/// Texts that a careless encoder or decoder gets wrong, for all languages' tests.
const AWKWARD_BODIES: &str = include_str!("awkward-bodies.json");

// ---- there and back -------------------------------------------------------------------------

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn an_event_comes_back_as_it_was_however_the_stream_is_cut(event in event(), cuts in cuts()) {
        let stream = event.encode().finish(None);
        prop_assert_eq!(decode(&cut(&stream, &cuts)), meaning(&[event]));
    }

    #[test]
    fn events_in_a_row_stay_apart(events in vec(event(), 0..6), cuts in cuts()) {
        let stream: Vec<u8> = events.iter().flat_map(|event| event.encode().finish(None)).collect();
        prop_assert_eq!(decode(&cut(&stream, &cuts)), meaning(&events));
    }

    /// Looks at the lines themselves, so that it does not depend on any decoder.
    #[test]
    fn no_text_adds_a_field_or_an_event(event in event()) {
        let stream = String::from_utf8(event.encode().finish(None).to_vec()).unwrap();
        prop_assert!(!stream.contains('\r'));
        let block = stream.strip_suffix("\n\n").unwrap();
        let (mut names, mut ids, mut retries) = (0, 0, 0);
        for line in block.split('\n') {
            match line.split_once(": ").map(|(field, _)| field) {
                Some("" | "data") => {}
                Some("event") => names += 1,
                Some("id") => ids += 1,
                Some("retry") => retries += 1,
                _ => prop_assert!(false, "{line:?} is no field of ours"),
            }
        }
        let named = event.name().is_some_and(|name| name.as_str() != "message");
        prop_assert_eq!(names, usize::from(named));
        prop_assert_eq!(ids, usize::from(event.id().is_some()));
        prop_assert_eq!(retries, usize::from(event.retry().is_some()));
    }
}

#[test]
fn the_longest_retry_comes_back_as_the_longest_that_is_written() {
    let stream = Event::new("").with_retry(Duration::MAX).encode().finish(None);
    let longest = Decoded::Retry(Duration::from_millis(u64::MAX));
    assert_eq!(decode(&[&stream]).first(), Some(&longest));
}

/// Returns the events that a client is to see of these events, found without either encoder or decoder.
fn meaning(events: &[Event]) -> Vec<Decoded> {
    let mut decoded = Vec::new();
    let mut last_event_id = String::new();
    for event in events {
        if let Some(text) = event.comment() {
            decoded.extend(line_feeds(text).split('\n').map(str::to_owned).map(Decoded::Comment));
        }
        if let Some(delay) = event.retry() {
            let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            decoded.push(Decoded::Retry(Duration::from_millis(millis)));
        }
        if let Some(id) = event.id() {
            last_event_id = id.to_string();
        }
        decoded.push(Decoded::Message(Message {
            name: event.name().map_or("message", EventName::as_str).to_owned(),
            data: line_feeds(event.data()),
            last_event_id: last_event_id.clone(),
        }));
    }
    decoded
}

fn line_feeds(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

// ---- other people's decoders ----------------------------------------------------------------
//
// Both agree with the standard on all that our encoder writes, so nothing is left out there. On
// what others write they deviate from section 9.2.6 of the HTML standard as follows
// (eventsource-stream 0.2.3, sse-stream 0.3.0); `field_soup` and `without_retry` leave out exactly
// that:
//
// - A stream is decoded by "UTF-8 decode", which strips a byte order mark. eventsource-stream
//   panics on it, as it slices one byte off a character of three.
// - "UTF-8 decode" puts U+FFFD in place of what is no UTF-8. sse-stream ends with an error when it
//   is in a field's value; eventsource-stream gives nothing from there on, and at last an error.
// - CR alone ends a line. eventsource-stream waits for the character behind it, so the last event
//   is missing from a stream that ends in CR CR.
// - `retry` takes ASCII digits only, but any number of them, and needs no data. eventsource-stream
//   takes `+5` and drops what stands in a block without data; both drop what is over 64 bits.
//
// By design, sse-stream gives blocks rather than events: each with no id but its own, and those
// without data too. `by_sse_stream` does the rest.

/// The events that all the decoders read.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    name: String,
    data: String,
    last_event_id: String,
    retry: Option<Duration>,
}

#[test]
fn all_decoders_agree_on_the_awkward_bodies() {
    let bodies: Vec<String> = serde_json::from_str(AWKWARD_BODIES).unwrap();
    assert!(bodies.len() >= 60, "{}", bodies.len());
    for (offset, body) in (1..).zip(&bodies) {
        let id = EventId::new(Epoch::new(0x5f), offset);
        let event = Event::new(body)
            .with_name(EventName::new("awkward").unwrap())
            .with_comment(body)
            .with_retry(Duration::from_millis(offset));
        let stream = event.encode().finish(Some(id));
        let seen = [Seen {
            name: "awkward".into(),
            data: line_feeds(body),
            last_event_id: id.to_string(),
            retry: Some(Duration::from_millis(offset)),
        }];
        for size in [1, 2, 7, 4096, usize::MAX] {
            if stream.len() / size > 10_000 {
                continue; // eventsource-stream begins an unfinished line anew with every chunk
            }
            let chunks: Vec<_> = stream.chunks(size).collect();
            let context = format!("{body:?} in chunks of {size}");
            assert_eq!(by_ours(&chunks), seen, "{context}");
            assert_eq!(by_eventsource_stream(&chunks), seen, "{context}");
            assert_eq!(by_sse_stream(&chunks), seen, "{context}");
        }
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn all_decoders_agree_on_what_our_encoder_writes(
        events in vec(event(), 0..6),
        cuts in cuts(),
    ) {
        let stream: Vec<u8> = events.iter().flat_map(|event| event.encode().finish(None)).collect();
        let chunks = cut(&stream, &cuts);
        let ours = by_ours(&chunks);
        prop_assert_eq!(&by_eventsource_stream(&chunks), &ours);
        prop_assert_eq!(&by_sse_stream(&chunks), &ours);
    }

    #[test]
    fn all_decoders_agree_on_the_messages_in_field_soup(soup in field_soup(), cuts in cuts()) {
        let chunks = cut(soup.as_bytes(), &cuts);
        let ours = without_retry(by_ours(&chunks));
        prop_assert_eq!(&without_retry(by_eventsource_stream(&chunks)), &ours);
        prop_assert_eq!(&without_retry(by_sse_stream(&chunks)), &ours);
    }
}

fn by_ours(chunks: &[&[u8]]) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut retry = None;
    for decoded in decode(chunks) {
        match decoded {
            Decoded::Message(Message { name, data, last_event_id }) => {
                seen.push(Seen { name, data, last_event_id, retry: retry.take() });
            }
            Decoded::Retry(delay) => retry = Some(delay),
            _ => {}
        }
    }
    seen
}

fn by_eventsource_stream(chunks: &[&[u8]]) -> Vec<Seen> {
    let events = collect(EventStream::new(as_stream(chunks)));
    let seen = events.into_iter().map(Result::unwrap).map(|event| Seen {
        name: event.event,
        data: event.data,
        last_event_id: event.id,
        retry: event.retry,
    });
    seen.collect()
}

fn by_sse_stream(chunks: &[&[u8]]) -> Vec<Seen> {
    let blocks = collect(SseByteStream::new(as_stream(chunks)));
    let mut last_event_id = String::new();
    let seen = blocks.into_iter().map(Result::unwrap).filter_map(|block| {
        if let Some(id) = block.id {
            last_event_id = id;
        }
        let name = block.event.filter(|name| !name.is_empty());
        Some(Seen {
            name: name.unwrap_or_else(|| "message".to_owned()),
            data: block.data?,
            last_event_id: last_event_id.clone(),
            retry: block.retry.map(Duration::from_millis),
        })
    });
    seen.collect()
}

fn as_stream(chunks: &[&[u8]]) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin + use<> {
    let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks)
}

fn collect<T>(stream: impl Stream<Item = T>) -> Vec<T> {
    stream.collect().now_or_never().expect("a stream over memory never waits")
}

fn without_retry(seen: Vec<Seen>) -> Vec<Seen> {
    seen.into_iter().map(|seen| Seen { retry: None, ..seen }).collect()
}

// ---- any bytes at all -----------------------------------------------------------------------

proptest! {
    #![proptest_config(cases(5_000))]

    #[test]
    fn any_bytes_are_read_as_the_standard_reads_them(bytes in byte_soup(), cuts in cuts()) {
        let (decoded, last_event_id) = by_the_standard(&bytes);
        let expected = (decoded, false, last_event_id);
        prop_assert_eq!(decode_within(bytes.len() * 3, &cut(&bytes, &cuts)), expected);
    }

    #[test]
    fn a_limit_is_met_at_the_same_place_however_the_stream_is_cut(
        bytes in byte_soup(),
        cuts in cuts(),
        limit in 0..40_usize,
    ) {
        prop_assert_eq!(decode_within(limit, &cut(&bytes, &cuts)), decode_within(limit, &[&bytes]));
    }
}

#[test]
fn a_huge_line_in_tiny_pieces_takes_linear_time() {
    // Looking at the line anew with every piece would take some 10^12 steps, which is an hour; it
    // takes a fraction of a second.
    let began = Instant::now();
    let line = vec![b'x'; 1 << 20];
    let mut decoder = Decoder::new();
    decoder.push(b"data: ").unwrap();
    for byte in line.chunks(1) {
        decoder.push(byte).unwrap();
        assert!(began.elapsed() < PATIENCE);
    }
    decoder.push(b"\n\n").unwrap();
    assert!(
        matches!(decoder.pop(), Some(Decoded::Message(message)) if message.data.len() == 1 << 20)
    );
}

/// Section 9.2.6 of the HTML standard, step by step, over the whole stream at once: what is on it,
/// and the last event id.
fn by_the_standard(bytes: &[u8]) -> (Vec<Decoded>, String) {
    let stream = String::from_utf8_lossy(bytes);
    let stream = line_feeds(stream.strip_prefix('\u{feff}').unwrap_or(&stream));
    let lines = stream.rsplit_once('\n').map(|(lines, _unfinished)| lines.split('\n'));
    let mut decoded = Vec::new();
    let (mut event_type, mut data, mut id, mut last_event_id) = ("message", String::new(), "", "");
    for line in lines.into_iter().flatten() {
        if line.is_empty() {
            last_event_id = id;
            if let Some(data) = data.strip_suffix('\n') {
                decoded.push(Decoded::Message(Message {
                    name: event_type.to_owned(),
                    data: data.to_owned(),
                    last_event_id: id.to_owned(),
                }));
            }
            data.clear();
            event_type = "message";
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => decoded.push(Decoded::Comment(value.to_owned())),
            "event" if value.is_empty() => event_type = "message",
            "event" => event_type = value,
            "data" => data = [&data, value, "\n"].concat(),
            "id" if !value.contains('\0') => id = value,
            "retry" if !value.is_empty() && value.chars().all(|c| c.is_ascii_digit()) => {
                let millis = value.parse().unwrap_or(u64::MAX);
                decoded.push(Decoded::Retry(Duration::from_millis(millis)));
            }
            _ => {}
        }
    }
    (decoded, last_event_id.to_owned())
}

// ---- decoding -------------------------------------------------------------------------------

fn decode(chunks: &[&[u8]]) -> Vec<Decoded> {
    let (decoded, failed, _) = decode_within(Decoder::DEFAULT_LIMIT, chunks);
    assert!(!failed);
    decoded
}

/// All that is in the chunks, whether the limit was met, and the last event id; popped as early as
/// can be.
fn decode_within(limit: usize, chunks: &[&[u8]]) -> (Vec<Decoded>, bool, String) {
    let mut decoder = Decoder::with_limit(limit);
    let mut popped = Vec::new();
    let mut failed = false;
    for chunk in chunks {
        failed = decoder.push(chunk).is_err();
        popped.extend(std::iter::from_fn(|| decoder.pop()));
    }
    (popped, failed, decoder.last_event_id().to_owned())
}

/// The bytes in pieces of these lengths, and what is left as the last.
fn cut<'a>(mut bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    for &length in lengths {
        let (chunk, rest) = bytes.split_at(length.min(bytes.len()));
        chunks.push(chunk);
        bytes = rest;
    }
    chunks.push(bytes);
    chunks
}

// ---- things to decode -----------------------------------------------------------------------

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![vec(0..4_usize, 0..200), vec(0..40_usize, 0..20)]
}

fn event() -> impl Strategy<Value = Event> {
    let name = prop_oneof![Just("message".to_owned()), "[ a:\u{feff}é😀]{1,6}", "\\PC{1,20}"];
    let id = (any::<u64>(), any::<u64>());
    let retry = prop_oneof![(0..100_000_u64).prop_map(Duration::from_millis), any::<Duration>()];
    let options = (
        prop::option::of(name),
        prop::option::of(id),
        prop::option::of(retry),
        prop::option::of(text()),
    );
    (text(), options).prop_map(|(data, (name, id, retry, comment))| {
        let mut event = Event::new(data);
        if let Some(name) = name {
            event = event.with_name(EventName::new(&name).expect("without control characters"));
        }
        if let Some((epoch, offset)) = id {
            event = event.with_id(EventId::new(Epoch::new(epoch), offset));
        }
        if let Some(delay) = retry {
            event = event.with_retry(delay);
        }
        if let Some(comment) = comment {
            event = event.with_comment(comment);
        }
        event
    })
}

/// Text made of what has a meaning in the format.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => one_of(&["\n", "\r", "\r\n", "\n\n", " ", ":", ": "]),
        1 => one_of(&["data", "event", "id", "retry"]),
        1 => one_of(&["data: a", "event: a", "id: 1", "retry: 0"]),
        2 => "[a\0\t\u{feff}\u{85}\u{2028}é😀]",
        1 => ".*",
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Streams whose fields are mostly right; without a byte order mark at the beginning, and ending in
/// LF.
fn field_soup() -> impl Strategy<Value = String> {
    let field = one_of(&["data", "data", "event", "id", "retry", "", "Data", "x", " data"]);
    let colon = one_of(&[":", ": ", ": ", ":  ", ""]);
    let value = one_of(&["", "a", "b: c", " ", ":", "7", "\0", "\u{feff}", "\u{2028}é😀"]);
    let end = one_of(&["\n", "\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n", "\n\r"]);
    let line = (field, colon, value, end);
    vec(line, 0..12).prop_map(|lines| {
        let lines = lines.into_iter().map(|(field, colon, value, end)| {
            let value = if colon.is_empty() { String::new() } else { value };
            [field, colon, value, end].concat()
        });
        lines.collect::<String>() + "\n"
    })
}

/// Bytes of which many make fields, some are broken UTF-8, and some are anything.
fn byte_soup() -> impl Strategy<Value = Vec<u8>> {
    let broken: &[&[u8]] = &[
        b"\xef\xbb\xbf",
        b"\xef\xbb",
        b"\xef",
        b"\xf0\x9f\x98",
        b"\xf0\x9f",
        b"\xed\xa0\x80",
        b"\xc0\xaf",
        b"\xff",
        b"data: \xe2\x82",
        b"\xac\n",
        b"retry: 99999999999999999999\n",
    ];
    let piece = prop_oneof![
        2 => field_soup().prop_map(String::into_bytes),
        1 => text().prop_map(String::into_bytes),
        1 => select(broken).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..8),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(texts).prop_map(str::to_owned)
}
