//! Properties that hold for any bytes. Run by libFuzzer, and by `cargo test` on a bounded number of them.

use std::time::Duration;

use sse_kit_event::{
    Decoded, Decoder, Event, EventId, EventName, LastEventId, Topic, TopicPattern,
};

/// However a stream is cut, the same comes out of it, and never more than went in.
pub(crate) fn decoder(bytes: &[u8]) {
    let whole = decode([bytes]);
    assert_eq!(decode(bytes.chunks(1)), whole);
    let middle = bytes.len() / 2;
    assert_eq!(decode([&bytes[..middle], &bytes[middle..]]), whole);
    let data: usize = whole
        .iter()
        .map(|decoded| match decoded {
            Decoded::Message(message) => message.data.len(),
            _ => 0,
        })
        .sum();
    // A byte that is no UTF-8 becomes one of three.
    assert!(data <= 3 * bytes.len(), "{data} of {}", bytes.len());
    // Within a limit there is an error or the same, and no panic.
    let mut limited = Decoder::with_limit(16);
    if limited.push(bytes).is_ok() {
        assert_eq!(popped(&mut limited), whole);
    }
}

/// An event is read back as it was, whatever its text; and a second one behind it stays its own.
pub(crate) fn encoder(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.splitn(3, '|');
    let (name, comment) = (parts.next().unwrap_or_default(), parts.next());
    let data = parts.next().unwrap_or(name);
    let mut event = Event::new(data);
    let name = EventName::new(name).ok();
    if let Some(name) = &name {
        event = event.with_name(name.clone());
    }
    if let Some(comment) = comment {
        event = event.with_comment(comment).with_retry(Duration::from_millis(bytes.len() as u64));
    }
    let first = event.encode().finish(None);
    let second = Event::new("second").encode().finish(None);
    let read = decode([&first[..], &second[..]]);
    let messages: Vec<_> = read
        .into_iter()
        .filter_map(|decoded| match decoded {
            Decoded::Message(message) => Some((message.name, message.data)),
            _ => None,
        })
        .collect();
    let name = name.map_or("message".to_owned(), |name| name.as_str().to_owned());
    let data = data.replace("\r\n", "\n").replace('\r', "\n");
    let second = ("message".to_owned(), "second".to_owned());
    assert_eq!(messages, [(name, data), second]);
}

/// An id that is one is written as one, and is read back as the same.
pub(crate) fn id(bytes: &[u8]) {
    let sent = LastEventId::parse(bytes);
    assert_eq!(sent.is_none(), bytes.is_empty());
    if let Some(LastEventId::Known(id)) = sent {
        let written = id.to_string();
        assert!(written.len() <= 37, "{written}");
        assert_eq!(LastEventId::parse(written.as_bytes()), Some(LastEventId::Known(id)));
        assert_eq!(written.parse::<EventId>().ok(), Some(id));
    }
}

/// A pattern matches what the plainest matcher says that it does, and does not take for ever.
pub(crate) fn pattern(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (pattern, topic) = text.split_once('|').unwrap_or((&*text, &*text));
    let (Ok(pattern), Ok(topic)) = (pattern.parse::<TopicPattern>(), topic.parse::<Topic>()) else {
        return;
    };
    let matches = pattern.matches(&topic);
    assert!(!matches || topic.as_str().starts_with(pattern.literal_prefix()));
    if topic.as_str().len() <= 64 {
        let wanted: Vec<&str> = pattern.as_str().split(':').collect();
        let given: Vec<&str> = topic.as_str().split(':').collect();
        assert_eq!(matches, segments_match(&wanted, &given), "{pattern} on {topic}");
    }
}

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Decoded> {
    let mut decoder = Decoder::new();
    let mut all = Vec::new();
    for chunk in chunks {
        decoder.push(chunk).expect("it is far below the limit");
        all.extend(popped(&mut decoder));
    }
    all
}

fn popped(decoder: &mut Decoder) -> Vec<Decoded> {
    std::iter::from_fn(|| decoder.pop()).collect()
}

fn segments_match(pattern: &[&str], topic: &[&str]) -> bool {
    match (pattern, topic) {
        ([], []) => true,
        (["**"], topic) => !topic.is_empty(),
        (["**", rest @ ..], topic) => {
            (0..=topic.len()).any(|taken| segments_match(rest, &topic[taken..]))
        }
        ([segment, pattern @ ..], [of_topic, topic @ ..]) => {
            characters_match(segment.as_bytes(), of_topic.as_bytes())
                && segments_match(pattern, topic)
        }
        _ => false,
    }
}

fn characters_match(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|taken| characters_match(rest, &text[taken..])),
        [byte, rest @ ..] => text.first() == Some(byte) && characters_match(rest, &text[1..]),
    }
}
