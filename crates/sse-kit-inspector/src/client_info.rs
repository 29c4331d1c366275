//! A client in the app's words.

use crate::text::shortened;

/// The maximum length of each text, in bytes; the rest is cut off.
const MAX_LEN: usize = 100;

/// The name and the address of a client, in the app's words.
///
/// ```
/// use sse_kit_inspector::ClientInfo;
///
/// let client = ClientInfo::new("alice").address("192.0.2.7");
/// let anonymous = ClientInfo::default().address("192.0.2.7");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientInfo {
    pub(crate) name: String,
    pub(crate) address: String,
}

impl ClientInfo {
    /// Names the client, such as by the user.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), address: String::new() }
    }

    /// Sets the address of the client, or another text that says where it is from.
    pub fn address(self, address: impl Into<String>) -> Self {
        Self { address: address.into(), ..self }
    }

    pub(crate) fn shortened(&self) -> Self {
        Self { name: shortened(&self.name, MAX_LEN), address: shortened(&self.address, MAX_LEN) }
    }
}
