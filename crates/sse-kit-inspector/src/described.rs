//! A client in the app's words.

use crate::text::shortened;

/// The maximum length of each text, in bytes; the rest is cut off.
const MAX_LEN: usize = 100;

/// A client in the app's words: who it is, and where it is from.
///
/// ```
/// use sse_kit_inspector::Described;
///
/// let described = Described::new("alice").from("192.0.2.7");
/// let anonymous = Described::default().from("192.0.2.7");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    pub(crate) who: String,
    pub(crate) from: String,
}

impl Described {
    /// Names the client, such as by the user.
    pub fn new(who: impl Into<String>) -> Self {
        Self { who: who.into(), from: String::new() }
    }

    /// Sets where the client is from, such as its address.
    pub fn from(self, from: impl Into<String>) -> Self {
        Self { from: from.into(), ..self }
    }

    pub(crate) fn shortened(&self) -> Self {
        Self { who: shortened(&self.who, MAX_LEN), from: shortened(&self.from, MAX_LEN) }
    }
}
