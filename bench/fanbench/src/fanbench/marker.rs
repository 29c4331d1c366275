//! The end of every payload: `~`, its number in 10 digits, a space, when it was sent in 19
//! digits, `$`.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::filling::filling;

pub(crate) const LENGTH: usize = 32;

/// One message of a topic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Marker {
    /// Counts from 0 in each topic.
    pub(crate) number: u32,
    /// Since the generator's start.
    pub(crate) sent: Duration,
}

impl Marker {
    /// Returns a payload of so many bytes that ends in this marker.
    pub(crate) fn payload(self, length: usize) -> String {
        let Self { number, sent } = self;
        let filling = filling(number, length - LENGTH);
        format!("{filling}~{number:010} {:019}$", sent.as_nanos())
    }

    fn parse(bytes: &[u8; LENGTH]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?;
        let (number, sent) = text.strip_prefix('~')?.strip_suffix('$')?.split_once(' ')?;
        Some(Self { number: number.parse().ok()?, sent: Duration::from_nanos(sent.parse().ok()?) })
    }
}

/// Finds the markers of one stream, which comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    /// The beginning of a marker whose rest has not come yet.
    begun: Vec<u8>,
}

impl Scanner {
    pub(crate) fn scan(&mut self, bytes: &[u8], mut found: impl FnMut(Marker)) -> Result<()> {
        let mut rest = self.complete(bytes, &mut found)?;
        while let Some(start) = memchr::memchr(b'~', rest) {
            let Some((marker, after)) = rest[start..].split_first_chunk() else {
                self.begun.extend_from_slice(&rest[start..]);
                break;
            };
            found(parse(marker)?);
            rest = after;
        }
        Ok(())
    }

    /// Completes what was begun, and returns the bytes after it.
    fn complete<'a>(
        &mut self,
        bytes: &'a [u8],
        found: &mut impl FnMut(Marker),
    ) -> Result<&'a [u8]> {
        if self.begun.is_empty() {
            return Ok(bytes);
        }
        let missing = LENGTH - self.begun.len();
        let (end, rest) = bytes.split_at(missing.min(bytes.len()));
        self.begun.extend_from_slice(end);
        if let Some(marker) = self.begun.first_chunk() {
            found(parse(marker)?);
            self.begun.clear();
        }
        Ok(rest)
    }
}

fn parse(bytes: &[u8; LENGTH]) -> Result<Marker> {
    Marker::parse(bytes)
        .with_context(|| format!("a payload is damaged: {:?}", String::from_utf8_lossy(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Marker = Marker { number: 7, sent: Duration::from_nanos(123_456_789) };
    const SECOND: Marker = Marker { number: u32::MAX, sent: Duration::from_secs(4_000) };

    fn scanned(pieces: &[&[u8]]) -> Result<Vec<Marker>> {
        let mut scanner = Scanner::default();
        let mut markers = Vec::new();
        for piece in pieces {
            scanner.scan(piece, |marker| markers.push(marker))?;
        }
        Ok(markers)
    }

    #[test]
    fn markers_are_found_wherever_the_stream_is_cut() {
        let stream = format!(
            "a1\r\nid: 1\ndata: {}\n\n\r\n: heartbeat\n\ndata: {}\n\n",
            FIRST.payload(128),
            SECOND.payload(LENGTH)
        );
        for cut in 0..stream.len() {
            let (one, other) = stream.as_bytes().split_at(cut);
            assert_eq!(scanned(&[one, other]).expect("whole markers"), [FIRST, SECOND]);
        }
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(scanned(&bytes).expect("whole markers"), [FIRST, SECOND]);
    }

    #[test]
    fn a_damaged_marker_is_an_error() {
        let damaged = FIRST.payload(LENGTH).replace('7', "?");
        assert!(scanned(&[damaged.as_bytes()]).is_err());
    }

    #[test]
    fn a_payload_has_the_length_asked_for() {
        assert_eq!(SECOND.payload(128).len(), 128);
        assert_eq!(FIRST.payload(LENGTH).len(), LENGTH);
    }
}
