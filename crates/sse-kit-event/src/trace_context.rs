//! The trace that an event belongs to.

use std::fmt;
use std::str::FromStr;

use crate::text::{TextError, TextErrorKind};

/// The position in a distributed trace at which an event was published: the `traceparent` of the
/// [W3C Trace Context][spec].
///
/// It travels with the event through the log, so that the deliveries of every node can be linked to
/// the request that caused the event. Clients never see it.
///
/// ```
/// use sse_kit_event::TraceContext;
///
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let context: TraceContext = text.parse()?;
/// assert!(context.is_sampled());
/// assert_eq!(context.to_string(), text);
/// # Ok::<(), sse_kit_event::TextError>(())
/// ```
///
/// [spec]: https://www.w3.org/TR/trace-context/#traceparent-header
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

impl TraceContext {
    /// The number of characters of its text.
    const LEN: usize = 55;

    /// Creates a context from the ids of a trace and of a span in it; `None` if one of them is 0,
    /// which the specification reserves.
    pub fn new(trace_id: u128, span_id: u64, flags: u8) -> Option<Self> {
        (trace_id != 0 && span_id != 0).then_some(Self { trace_id, span_id, flags })
    }

    /// Returns the id of the trace.
    pub fn trace_id(&self) -> u128 {
        self.trace_id
    }

    /// Returns the id of the span that published the event.
    pub fn span_id(&self) -> u64 {
        self.span_id
    }

    /// Returns the flags, of which the lowest bit means "sampled".
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Returns `true` if the publisher recorded the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }
}

impl FromStr for TraceContext {
    type Err = TextError;

    /// Parses the value of a header `traceparent`. Later versions of the format are read as the
    /// specification requires: by the fields that they share with the first.
    fn from_str(text: &str) -> Result<Self, TextError> {
        Self::parse(text).ok_or_else(|| {
            let rule = "it must be a version, a trace id, a span id and flags, of 2, 32, 16 and 2 \
                        hexadecimal digits in lower case, separated by `-`, and no id may be 0";
            TextError::new(text, "a `traceparent`", TextErrorKind::Form, rule)
        })
    }
}

impl TraceContext {
    fn parse(text: &str) -> Option<Self> {
        let (known, rest) = text.split_at_checked(Self::LEN)?;
        let mut fields = known.split('-');
        let mut field = |len| fields.next().and_then(|text| hex(text, len));
        let (version, trace_id) = (field(2), field(32));
        let (span_id, flags) = (field(16), field(2));
        let is_extended = version.is_some_and(|version| version > 0) && rest.starts_with('-');
        if version == Some(0xff) || !(rest.is_empty() || is_extended) {
            return None;
        }
        let (_, span_id) = (version?, u64::try_from(span_id?).ok()?);
        Self::new(trace_id?, span_id, u8::try_from(flags?).ok()?)
    }
}

/// Parses a number of exactly so many hexadecimal digits in lower case.
fn hex(text: &str, len: usize) -> Option<u128> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_valid = text.len() == len && text.bytes().all(is_hex);
    is_valid.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceContext({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_context_survives_the_way_there_and_back() {
        let context: TraceContext = TEXT.parse().unwrap();
        assert_eq!(context.trace_id(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!((context.span_id(), context.flags()), (0x00f0_67aa_0ba9_02b7, 1));
        assert_eq!(context.to_string(), TEXT);
        let later = TEXT.replacen("00", "cc", 1);
        assert_eq!(later.parse(), Ok(context));
        assert_eq!(format!("{later}-more").parse(), Ok(context));
    }

    #[test]
    fn no_other_text_is_a_context() {
        for text in [
            String::new(),
            TEXT[1..].to_owned(),
            TEXT.to_uppercase(),
            TEXT.replacen("00", "ff", 1),
            TEXT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            TEXT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            TEXT.replace('-', "_"),
            TEXT.replacen("4b", "+4", 1),
            TEXT.replacen("4bf9", "4b-9", 1),
            format!("{TEXT}-more"),
            TEXT.replacen("00", "cc", 1) + "more",
            "é".repeat(55),
        ] {
            let error = text.parse::<TraceContext>().expect_err(&text);
            assert!(error.to_string().contains("is not a `traceparent`: it must be"), "{error}");
        }
    }
}
