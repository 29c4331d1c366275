//! The compressed forms of an event, which all streams share.

use std::array;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;

use crate::entry::Entry;
use crate::ledger::BYTES_OVERHEAD;

/// The number of events that a window holds.
const DEPTH: usize = 4;
/// The maximum number of windows for which one event is compressed. Streams with others get the form
/// that refers to nothing, so an event is compressed a bounded number of times.
const MAX_WINDOWS: usize = 4;
/// A stream keeps its newest event alive, so that a window works on topics whose history has a single
/// event; but not a larger one than this, because each stream may have a topic of its own.
const MAX_KEPT: usize = 4096;
/// The largest distance that DEFLATE can refer back.
const MAX_DISTANCE: usize = 32 << 10;

/// The events that a stream sent last, directly after one another, so that the compressed form of the next
/// event may refer to them: see [`Entry::compressed_within`].
///
/// Streams that sent the same events have equal windows, whichever topics they have and whenever they
/// began, and share the compressed forms.
///
/// ```
/// use bytes::Bytes;
/// use sse_kit_broadcast::{CompressionWindow, Delivery, Hub};
/// use sse_kit_event::{Event, Topic};
///
/// /// Compresses a frame, with the bytes that the stream sent before it as the dictionary.
/// fn compress(before: &[u8], frame: &Bytes) -> Bytes {
/// #   let _ = before;
///     // …
/// #   frame.clone()
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let hub = Hub::new();
/// # let topic: Topic = "jobs".parse()?;
/// # let mut subscription = hub.subscribe(&topic).open()?;
/// # hub.publish(&topic, Event::new("40 %")).await?;
/// # hub.publish(&topic, Event::new("50 %")).await?;
/// # let (mut sent, mut within) = (Vec::new(), 0);
/// # drop(hub);
/// let mut window = CompressionWindow::default();
/// while let Some(delivery) = subscription.recv().await {
///     let Delivery::Entry(entry) = delivery else {
///         window.clear(); // The stream sends bytes that others do not, such as a heartbeat.
///         continue;
///     };
///     let block = entry.compressed_within(&window, compress);
/// #   within += usize::from(block.is_some());
///     let block = block.unwrap_or_else(|| entry.compressed(|frame| compress(&[], frame)));
///     sent.push(block.clone());
///     window.push(entry);
/// }
/// # assert_eq!((sent.len(), within), (2, 1));
/// # Ok(()) }
/// ```
#[derive(Default)]
pub struct CompressionWindow {
    /// The newest event, if it is kept alive.
    newest: Option<Arc<Entry>>,
    /// All of them, newest first. Events that history has dropped do not stay for a window.
    sent: [Sent; DEPTH],
}

/// An event that was sent. Without a number there is none.
#[derive(Default)]
struct Sent {
    number: u64,
    len: usize,
    entry: Weak<Entry>,
}

/// The numbers of the events in a window, newest first, and zeros. The same numbers mean the same bytes.
type Numbers = [u64; DEPTH];

impl CompressionWindow {
    /// Adds an event that the stream sends now.
    pub fn push(&mut self, entry: Arc<Entry>) {
        let Some(number) = entry.number() else {
            // No other stream has this copy, so none shares a form that refers to it.
            return self.clear();
        };
        let len = entry.frame.len();
        self.sent.rotate_right(1);
        self.sent[0] = Sent { number, len, entry: Arc::downgrade(&entry) };
        self.newest = Some(entry).filter(|_| len <= MAX_KEPT);
    }

    /// Forgets all events, because the stream sent bytes that others did not.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the events to which an event of this size may refer.
    ///
    /// All four or the newest alone: with two and three in between, streams that joined one after
    /// another would have more windows to share.
    fn numbers(&self, size: usize) -> Numbers {
        let depth = if self.sent[DEPTH - 1].number == 0 { 1 } else { DEPTH };
        let mut room = reach(size);
        array::from_fn(|n| {
            let sent = &self.sent[n];
            let is_reached = n < depth && room > 0;
            room = room.saturating_sub(sent.len);
            if is_reached { sent.number } else { 0 }
        })
    }

    /// Returns the bytes of these events that still exist, as the stream sent them last.
    fn bytes(&self, numbers: &Numbers, size: usize) -> Vec<u8> {
        let count = numbers.iter().take_while(|number| **number != 0).count();
        let entries = self.sent[..count].iter().map_while(|sent| sent.entry.upgrade());
        let mut entries: Vec<_> = entries.collect();
        entries.reverse();
        let mut bytes: Vec<u8> =
            entries.iter().flat_map(|entry| entry.frame.iter().copied()).collect();
        bytes.drain(..bytes.len().saturating_sub(reach(size)));
        bytes
    }
}

/// Returns the number of bytes to which an event of this size may refer. To read a window costs time
/// too, so a short event does not read a long one.
fn reach(size: usize) -> usize {
    size.saturating_mul(8).clamp(4096, MAX_DISTANCE)
}

impl fmt::Debug for CompressionWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sent.iter().map(|sent| sent.number)).finish()
    }
}

/// The compressed forms of one event, made when a stream first asks for them.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    /// The form that refers to nothing.
    alone: OnceLock<Bytes>,
    windowed: OnceLock<Box<Windowed>>,
}

/// A form for one window, and the list of the others. A list is read without a lock.
#[derive(Debug)]
struct Windowed {
    numbers: Numbers,
    /// The bytes; `None` if nothing of the window existed any more.
    bytes: Option<Bytes>,
    next: OnceLock<Box<Self>>,
}

impl Entry {
    /// Returns the compressed frame. The first call makes it with `compress`, later calls reuse it,
    /// so all callers must use the same compression.
    ///
    /// The compressed form lives as long as the event, and counts toward the limit of history.
    pub fn compressed(&self, compress: impl FnOnce(&Bytes) -> Bytes) -> &Bytes {
        let forms = self.forms();
        forms.alone.get_or_init(|| self.counted(compress(&self.frame)))
    }

    /// Returns the frame, compressed for a stream that has just sent the events in this window. The
    /// first call with such a window makes it with `compress`, which gets the bytes that the stream sent last
    /// and the frame.
    ///
    /// Returns `None` if the window is empty, if its events no longer exist, or if the event was
    /// compressed for many other windows already: then send the form that
    /// [refers to nothing](Self::compressed).
    pub fn compressed_within(
        &self,
        window: &CompressionWindow,
        compress: impl FnOnce(&[u8], &Bytes) -> Bytes,
    ) -> Option<&Bytes> {
        let size = self.frame.len();
        let numbers = window.numbers(size);
        if numbers[0] == 0 {
            return None;
        }
        let mut compress = Some(compress);
        let mut place = &self.forms().windowed;
        for _ in 0..MAX_WINDOWS {
            let found = place.get_or_init(|| {
                let bytes = window.bytes(&numbers, size);
                let compress = compress.take().filter(|_| !bytes.is_empty());
                let bytes = compress.map(|compress| compress(&bytes, &self.frame));
                self.account_for(size_of::<Windowed>());
                let bytes = bytes.map(|bytes| self.counted(bytes));
                Box::new(Windowed { numbers, bytes, next: OnceLock::new() })
            });
            if found.numbers == numbers {
                return found.bytes.as_ref();
            }
            place = &found.next;
        }
        None
    }

    fn forms(&self) -> &Forms {
        self.forms.get_or_init(|| {
            self.account_for(size_of::<Forms>());
            Box::default()
        })
    }

    fn counted(&self, bytes: Bytes) -> Bytes {
        self.account_for(bytes.len() + BYTES_OVERHEAD);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use sse_kit_event::{Epoch, Event, EventId, Topic};

    use super::*;
    use crate::ledger::Ledger;
    use crate::record::Record;

    fn record(text: &str) -> (EventId, Record) {
        let topic: Topic = "a".parse().unwrap();
        (EventId::new(Epoch::new(1), 1), Record::new(&topic, Event::new(text).encode()))
    }

    fn entry(text: &str) -> Arc<Entry> {
        let (id, record) = record(text);
        Arc::new(Entry::shared(id, record, &Arc::default()))
    }

    fn window(entries: &[Arc<Entry>]) -> CompressionWindow {
        let mut window = CompressionWindow::default();
        for entry in entries {
            window.push(Arc::clone(entry));
        }
        window
    }

    /// Returns the bytes that the compression gets as its window.
    fn last(entry: &Entry, window: &CompressionWindow) -> Option<Bytes> {
        entry.compressed_within(window, |last, _| Bytes::copy_from_slice(last)).cloned()
    }

    fn joined(entries: &[Arc<Entry>]) -> Vec<u8> {
        entries.iter().flat_map(|entry| entry.frame.to_vec()).collect()
    }

    #[test]
    fn equal_windows_share_a_form_and_others_have_their_own() {
        let before: Vec<_> = ["1", "2", "3", "4", "5"].map(entry).into();
        let next = entry("next");
        let calls = Cell::new(0);
        let form = |window: &CompressionWindow| {
            let bytes = next.compressed_within(window, |last, _| {
                calls.set(calls.get() + 1);
                Bytes::copy_from_slice(last)
            });
            bytes.map(|bytes| bytes.as_ptr())
        };
        let all = form(&window(&before));
        assert!(all.is_some());
        assert_eq!(form(&window(&before[1..])), all, "four events are a window");
        let one = form(&window(&before[4..]));
        assert_ne!(one, all);
        assert_eq!(form(&window(&before[3..])), one, "two are as one, until there are four");
        assert_eq!(calls.get(), 2);
        let mut cleared = window(&before);
        cleared.clear();
        assert_eq!(form(&cleared), None);
    }

    #[test]
    fn a_window_has_the_bytes_that_were_sent_last_and_no_more_than_an_event_may_read() {
        let before: Vec<_> = ["1", "2", "3", "4", "5"].map(entry).into();
        assert_eq!(last(&entry("next"), &window(&before)).unwrap(), joined(&before[1..]));
        let large: Vec<_> = ["1", "2", "3", "4"].map(|text| entry(&text.repeat(3_000))).into();
        let sent = joined(&large);
        assert_eq!(last(&entry("next"), &window(&large)).unwrap(), sent[sent.len() - 4096..]);
        let long = entry(&"x".repeat(1_000));
        assert_eq!(last(&long, &window(&large)).unwrap().len(), 8 * long.frame.len());
        let longest = entry(&"x".repeat(100_000));
        assert_eq!(last(&longest, &window(&large)).unwrap(), sent);
    }

    #[test]
    fn an_event_is_compressed_for_so_many_windows() {
        let next = entry("next");
        let windows: Vec<_> = (0..10).map(|n| entry(&n.to_string())).collect();
        let windows: Vec<_> = windows.iter().map(|entry| window(&[Arc::clone(entry)])).collect();
        let made = windows.iter().filter(|window| last(&next, window).is_some()).count();
        assert_eq!(made, MAX_WINDOWS);
        // Those that have a form keep it.
        assert!(windows[..MAX_WINDOWS].iter().all(|window| last(&next, window).is_some()));
    }

    #[test]
    fn a_stream_keeps_its_newest_event_if_it_is_small() {
        let small = window(&[entry("gone"), entry("small")]);
        assert_eq!(last(&entry("next"), &small).unwrap(), *entry("small").frame);
        let large = window(&[entry("gone"), entry(&"x".repeat(MAX_KEPT))]);
        assert_eq!(last(&entry("next"), &large), None);
    }

    #[test]
    fn a_copy_of_one_connection_begins_a_window_anew() {
        let (id, record) = record("copy");
        let window = window(&[entry("1"), Arc::new(Entry::new(id, record))]);
        assert_eq!(last(&entry("next"), &window), None);
    }

    #[test]
    fn forms_count_as_long_as_history_has_the_event() {
        let ledger = Arc::<Ledger>::default();
        let (id, record) = record("x");
        let entry = Arc::new(Entry::shared(id, record, &ledger));
        let share = entry.share().unwrap();
        assert!(share.enter() && !share.enter());
        entry.compressed(Bytes::clone);
        let alone = ledger.bytes();
        assert!(alone > entry.frame.len());
        let before = window(&[self::entry("before")]);
        last(&entry, &before);
        assert!(ledger.bytes() > alone + size_of::<Windowed>());
        assert!(!share.leave() && ledger.bytes() > alone);
        assert!(share.leave());
        assert_eq!(ledger.bytes(), 0);
        last(&entry, &window(&[self::entry("another")]));
        assert_eq!(ledger.bytes(), 0, "nobody would subtract it");
    }
}
